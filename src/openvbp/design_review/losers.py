"""Who loses by construction: rankings, sums that are fixed, and who that turns out to be."""

from __future__ import annotations

from typing import Any

import numpy as np

from openvbp.design_review.aspect import Aspect, Finding, Severity
from openvbp.design_review.design import Design, of_fact
from openvbp.design_review.words import money
from openvbp.diagnosis.runs import open_runs, payments
from openvbp.diagnosis.section import CannotBeMadeError, percent
from openvbp.errors import UsageError

_FEW, _APART = 10, 0.1
"""Groups of so few providers are not shown; shares so far apart are told as a caution."""
_SEVERITIES: dict[str, Severity] = {
    "share_is_fixed": "serious",
    "relative_to_median": "serious",
    "sum_is_fixed": "caution",
}


def losers(design: Design) -> Aspect:
    """Say who must lose whatever all do, and who does in a run: by peer group and share of dual-eligible patients."""
    built = design.construction.losers if design.construction else None
    findings, tables = [], {}
    if built is not None:
        places = [design.evidence(built.parameter)] if built.parameter in design.terms.parameters else []
        findings.append(Finding(_SEVERITIES[built.kind], f"{built.what[0].upper()}{built.what[1:]}.", places))
    else:
        known = [of_fact(name, one) for name in ("comparison", "sum") if (one := design.fact(name))]
        text = "Nobody must lose for another to win: payment follows the provider's own result."
        if (comparison := design.fact("comparison")) is None:
            text = "Whether somebody must lose is not on record for this program."
        severity: Severity = "fine" if comparison and comparison.value == "absolute" else "caution"
        findings.append(Finding(severity, text, known))
    if design.run is not None:
        known, providers, rows = _by_group(design)
        if 2 * known < providers:
            text = f"The run determines the payment of {known:,} of {providers:,} providers: who loses is not told."
            findings.append(Finding("fine", text))
        elif rows:
            tables["Who loses in the run"] = rows
            findings += _who(rows, design)
    return Aspect("losers", findings, tables)


def _by_group(design: Design) -> tuple[int, int, list[dict[str, Any]]]:
    """Providers whose payment is known, all providers of the run, and of the former who loses.

    Share that loses and money: of all, by peer group and by quarter of the dual-eligible share.
    """
    try:
        runs = open_runs([design.run.path])  # type: ignore[union-attr]
        paid = payments(runs.last, runs.component)
    except (CannotBeMadeError, UsageError):
        return 0, 0, []
    providers = runs.last.read("provider").to_pylist()
    dual = [float(one["dual_eligible_ratio"]) for one in providers if one["dual_eligible_ratio"] is not None]
    cuts = np.quantile(dual, [0.25, 0.5, 0.75]) if len(set(dual)) > 4 else None
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for one in providers:
        row = paid.get(one["provider_id"])
        if row is None or (row["rate"] is None and row["amount"] is None):
            continue
        groups.setdefault(("all", "all"), []).append(row)
        if one["peer_group"]:
            groups.setdefault(("peer group", str(one["peer_group"])), []).append(row)
        if cuts is not None and one["dual_eligible_ratio"] is not None:
            quarter = int(np.searchsorted(cuts, float(one["dual_eligible_ratio"]))) + 1
            groups.setdefault(("quarter of dual-eligible share", str(quarter)), []).append(row)
    found = [
        {
            "grouped_by": kind,
            "group": name,
            "providers": len(rows),
            "losing_share": float(
                np.mean([(one["amount"] if one["rate"] is None else one["rate"]) < 0 for one in rows])
            ),
            "amount": _sum([one["amount"] for one in rows]),
        }
        for (kind, name), rows in sorted(groups.items())
        if len(rows) > _FEW
    ]
    return len(groups.get(("all", "all"), [])), len(providers), found


def _sum(amounts: list[float | None]) -> float | None:
    known = [one for one in amounts if one is not None]
    return sum(known) if known else None


def _who(rows: list[dict[str, Any]], design: Design) -> list[Finding]:
    whole = next((one for one in rows if one["grouped_by"] == "all"), None)
    if whole is None:
        return []
    amount = "" if whole["amount"] is None else f", the sum is {money(whole['amount'], design.currency)}"
    found = [
        Finding(
            "fine", f"In the run {percent(whole['losing_share'])} of {whole['providers']:,} providers lose{amount}."
        )
    ]
    quarters = [one for one in rows if one["grouped_by"].startswith("quarter")]
    if len(quarters) == 4:
        low, high = quarters[0]["losing_share"], quarters[-1]["losing_share"]
        text = (
            f"Of the quarter with most dual-eligible patients {percent(high)} lose, of that with fewest {percent(low)}."
        )
        found.append(Finding("caution" if high - low > _APART else "fine", text))
    return found
