"""How a provider's score and payment come together, as parts that add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from openvbp.web import words
from openvbp.web.charts import Bar

_NEAR = Decimal("0.005")
_RATE_NEAR = Decimal("0.0000001")


@dataclass(frozen=True)
class Path:
    """Parts and what they come to."""

    bars: Sequence[Bar]
    sentence: str
    """What the chart shows, in words."""


def score_path(domains: Sequence[Mapping[str, Any]], score: Decimal | None) -> Path | None:
    """Show how domains add up to the score, where they do; ``None`` where they do not."""
    if score is None:
        return None
    for column in ("weighted_score", "points"):
        parts = [(row["domain_id"], row[column]) for row in domains if row[column] is not None]
        if parts and abs(sum(value for _, value in parts) - score) < _NEAR:
            bars = [Bar(words.title_of(name), float(value), words.rounded(value, 2)) for name, value in parts]
            listed = "; ".join(f"{bar.label} {bar.text}" for bar in bars)
            bars.append(Bar("Score", float(score), words.rounded(score, 2), is_total=True))
            return Path(bars, f"Points that add up to a score of {words.rounded(score, 2)}: {listed}.")
    return None


def money_path(
    payments: Sequence[Mapping[str, Any]], domains: Sequence[Mapping[str, Any]], score: Decimal | None
) -> Path | None:
    """Show how parts of the payment add up to what the provider gains or loses.

    In money where amounts are known, else in percent of the base. Where money is earned back in proportion to the
    score, it is divided among the domains as they give points.

    Parameters
    ----------
    payments
        Rows of ``payment_result`` of one provider and scenario.
    domains, score
        Its rows of ``domain_result`` and its score.

    Returns
    -------
    ``None`` where neither amounts nor rates are known, or a part is withheld.
    """
    if any(row["status"] == "suppressed" for row in payments):
        return None
    by_name = {row["component_id"]: row for row in payments}
    column = "amount" if any(row["amount"] is not None for row in payments) else "rate"
    known = {name: row[column] for name, row in by_name.items() if row[column] is not None}
    if not known:
        return None
    currency = payments[0]["currency"]

    def said(value: Decimal) -> str:
        return words.money(value, currency) if column == "amount" else words.percent(value, 3)

    near = _NEAR if column == "amount" else _RATE_NEAR
    net = known.pop("net", None)
    parts: list[tuple[str, Decimal]] = []
    for name in sorted(known, key=lambda one: (known[one] >= 0, one)):
        split = _by_domains(known[name], domains, score) if name == "incentive" else None
        parts += split or [(words.title_of(name.replace(".", ": ")), known[name])]
    if net is not None and (not parts or abs(sum(value for _, value in parts) - net) > near):
        parts = []
    bars = [Bar(name, float(value), said(value)) for name, value in parts]
    if net is not None:
        bars.append(Bar("Net change", float(net), said(net), is_total=True))
    elif len(parts) > 1 and len({row["currency"] for row in payments}) == 1:
        total = sum((value for _, value in parts), Decimal(0))
        bars.append(Bar("Total", float(total), said(total), is_total=True))
    listed = "; ".join(f"{bar.label} {bar.text}" for bar in bars)
    return Path(bars, f"Parts of the payment: {listed}.")


def _by_domains(
    incentive: Decimal, domains: Sequence[Mapping[str, Any]], score: Decimal | None
) -> list[tuple[str, Decimal]] | None:
    """Divide what is earned among the domains in the proportion of their weighted scores, where these add up."""
    weighted = [(row["domain_id"], row["weighted_score"]) for row in domains if row["weighted_score"] is not None]
    if not score or not weighted or abs(sum(value for _, value in weighted) - score) > _NEAR:
        return None
    return [(f"Earned: {words.title_of(name)}", incentive * value / score) for name, value in weighted]


def sentences(payments: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say the payment in plain words, one sentence a component."""
    by_name = {row["component_id"]: row for row in payments}
    said = []
    withheld, earned, net = (by_name.get(name) for name in ("withhold", "incentive", "net"))
    if withheld and withheld["amount"] is not None:
        base = words.money(withheld["base_amount"], withheld["currency"])
        share, amount = words.percent(-withheld["rate"]), words.money(-withheld["amount"], withheld["currency"])
        said.append(f"{share} of the base payments of {base} was withheld: {amount}.")
        if earned and earned["amount"] is not None:
            said.append(f"{words.money(earned['amount'], earned['currency'])} of it was earned back.")
    if net and net["amount"] is not None:
        direction = "more" if net["amount"] > 0 else "less"
        amount = words.money(abs(net["amount"]), net["currency"])
        said.append(f"In all that is {amount} {direction}." if net["amount"] else "In all nothing changes.")
    elif net and net["rate"] is not None:
        direction = "more" if net["rate"] > 0 else "less"
        said.append(f"In all that is {words.percent(abs(net['rate']), 3)} {direction} for every base payment.")
    if net and net["factor"] is not None:
        said.append(f"Every claim is multiplied by {words.rounded(net['factor'], 10)}.")
    if any(row["status"] == "suppressed" for row in payments):
        said.append("The rest is not shown to the public: it would give back a small number of patients.")
    if not said:
        for row in payments:
            value = (
                words.money(row["amount"], row["currency"]) if row["amount"] is not None else words.percent(row["rate"])
            )
            if value != words.NONE:
                said.append(f"{words.title_of(row['component_id'].replace('.', ': '))}: {value}.")
    return said
