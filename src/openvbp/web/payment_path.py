"""How a provider's score and payment come together: parts that add up, and the step that explains each of them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from openvbp.errors import UsageError
from openvbp.reporting.explanation import Explanation, Step, explain
from openvbp.results import WHOLE_COMPONENTS
from openvbp.web import words
from openvbp.web.charts import Bar
from openvbp.web.runs import HeldRun

_NEAR = Decimal("0.005")
_RATE_NEAR = Decimal("0.0000001")
_MONEY = ("usd", "gbp", "eur")
_COLUMNS: Mapping[str, tuple[Sequence[str], Decimal]] = {
    "base_amount": (_MONEY, _NEAR),
    "rate": (("ratio", "rate"), Decimal("0.000000001")),
    "amount": (_MONEY, _NEAR),
    "factor": (("multiplier", "ratio"), Decimal("0.0000000001")),
}
"""Columns of a payment, the units of steps that give them, and how far a rounded value may be from its step's."""
_TOLD_APART_BY_NOTHING = (Decimal(0), Decimal(1))
"""Values that many steps have, so that they do not tell which step is meant."""


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

    whole = next((name for name in WHOLE_COMPONENTS if name in known), None)
    net = None if whole is None else known.pop(whole)
    parts: list[tuple[str, Decimal]] = []
    for name in _adding_up(known, net, _NEAR if column == "amount" else _RATE_NEAR):
        split = _by_domains(known[name], domains, score) if name == "incentive" else None
        parts += split or [(words.title_of(name.replace(".", ": ")), known[name])]
    bars = [Bar(name, float(value), said(value)) for name, value in parts]
    if whole is not None and net is not None:
        title = "Net change" if whole == "net" else words.title_of(whole)
        bars.append(Bar(title, float(net), said(net), is_total=True))
    elif len(parts) > 1 and len({row["currency"] for row in payments}) == 1:
        total = sum((value for _, value in parts), Decimal(0))
        bars.append(Bar("Total", float(total), said(total), is_total=True))
    listed = "; ".join(f"{bar.label} {bar.text}" for bar in bars)
    return Path(bars, f"Parts of the payment: {listed}.")


def _adding_up(known: Mapping[str, Decimal], whole: Decimal | None, near: Decimal) -> list[str]:
    """Choose the parts that come to the whole, what is taken first: all, else those whose names begin alike.

    A program may divide the same money in several ways, each under a name of its own.
    """
    everything = sorted(known, key=lambda one: (known[one] >= 0, one))
    alike: dict[str, list[str]] = {}
    for name in sorted(known):
        alike.setdefault(name.replace(".", "_").partition("_")[0], []).append(name)
    for names in (everything, *alike.values()):
        if whole is None or (names and abs(sum(known[one] for one in names) - whole) <= near):
            return names
    return []


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


@functools.lru_cache(maxsize=512)
def explained(held: HeldRun, provider_id: str, scenario_id: str) -> Explanation | None:
    """Give the steps of a provider; ``None`` where the run kept none of it."""
    try:
        return explain(held, provider_id, scenario_id=scenario_id)
    except UsageError:
        return None


def explaining_steps(
    found: Explanation | None, payments: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, Step | None]]:
    """Find the step that gives each value of a payment, by component and column.

    A payment and its step share no name, so they are told by their value: with the same unit, of the measure or domain
    that the component is named after, and not a zero or a one, which many steps have. Where steps of one value follow
    from each other, the last is meant.

    Returns
    -------
    ``None`` for a value that no step, or more than one, could have given: it is explained with the payment as a whole.
    """
    return {
        row["component_id"]: {
            column: _giving(found, row["component_id"], row[column], *_COLUMNS[column]) if found else None
            for column in _COLUMNS
        }
        for row in payments
    }


def _giving(
    found: Explanation, component_id: str, value: Decimal | None, units: Sequence[str], near: Decimal
) -> Step | None:
    if value is None or abs(value) in _TOLD_APART_BY_NOTHING:
        return None
    part = component_id.partition(".")[2]
    same = [
        one
        for one in found.steps
        if one.value is not None
        and one.unit in units
        and abs(abs(one.value) - abs(value)) <= near
        and (part in (one.measure_id, one.domain_id) if part else not (one.measure_id or one.domain_id))
    ]
    made_from = {other.step_number for one in same for other in found.inputs_of(one)}
    last = [one for one in same if one.step_number not in made_from]
    return last[0] if len(last) == 1 else None
