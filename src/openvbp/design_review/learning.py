"""What can be learned from a design, and what it costs to take part: power to detect an effect, burden and reward."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from openvbp.design_review.account import Account
from openvbp.design_review.aspect import Aspect, CannotBeSeenError, Evidence, Finding, Severity
from openvbp.design_review.design import Design, of_fact
from openvbp.design_review.measure_scores import measures_of
from openvbp.design_review.words import money
from openvbp.errors import OpenvbpError
from openvbp.estimators.power import minimum_detectable_effect, planned_standard_error
from openvbp.evaluation.program_facts import program_facts
from openvbp.forecasting.break_even import BreakEven
from openvbp.settlement_forecast import break_even_of

_SHOCK = 0.5
"""Standard deviation over providers of the true change of a rate, in percentage points: assumed."""
_COMPARISON_SHARE = 0.25
"""Untreated providers for each treated one, where the program's exempt groups are not counted in the run."""


def power(design: Design) -> Aspect:
    """Say how small an effect a comparison of changes would find, by measure: 2.80 standard errors (80 %, 5 %)."""
    if design.contract is not None:
        text = (
            "One organization is treated: a comparison of its changes with others' has no standard error that holds, "
            "whatever its size; write the comparison down before the start, and expect bounds, not a test."
        )
        cite = "few treated clusters: docs/explanation/regression-estimators.md"
        return Aspect("power", [Finding("caution", text, [Evidence("parties.contractor", "one", cite)])])
    rows = []
    for one in measures_of(design):
        if not one.is_share:
            continue
        cases, rate = float(np.nanmedian(one.cases)), float(np.nanmean(one.rate))
        if cases < 1 or not 0 < rate < 1:
            continue
        treated = len(one.rate)
        others = max(round(_COMPARISON_SHARE * treated), 2)
        error = planned_standard_error(treated, others, cases=cases, percent=100 * rate, shock=_SHOCK)
        gap = 100 * abs(float(np.quantile(one.rate, 0.75) - np.quantile(one.rate, 0.5)))
        rows.append(
            {
                "measure": one.measure_id,
                "treated": treated,
                "untreated": others,
                "median_cases": cases,
                "detectable_points": minimum_detectable_effect(error),
                "median_to_better_quarter_points": gap,
            }
        )
    if not rows:
        raise CannotBeSeenError("no measure of the run is a share of known cases")
    worst = [one for one in rows if one["detectable_points"] > one["median_to_better_quarter_points"]]
    middle = float(np.median([one["detectable_points"] for one in rows]))
    text = (
        f"With one untreated provider for {round(1 / _COMPARISON_SHARE)} treated ones an effect of {middle:.2f} "
        f"percentage points would be found in the median of {len(rows):,} measures; in {len(worst):,} of them that is "
        "more than lies between the median provider and the upper quarter."
    )
    cite = "planned error of a difference of changes, Bloom (1995)"
    place = Evidence("results/measure_result", f"shock of {_SHOCK} points assumed", cite)
    findings = [Finding("caution" if worst else "fine", text, [place]), *_comparison(design)]
    return Aspect("power", findings, {"Smallest effect found (80 % power, 5 % level)": rows})


def _comparison(design: Design) -> list[Finding]:
    try:
        facts = program_facts(design.program_id)
    except OpenvbpError:
        return [Finding("caution", "Which providers are exempt, and could be compared with, is not on record.")]
    exempt = [facts.groups[name] for name in facts.exempt]
    if not exempt:
        return [Finding("caution", "All providers are treated: nobody is left to compare with.")]
    places = [Evidence(f"group {one.name}", one.caution or one.label, one.cite, one.unverified) for one in exempt]
    return [Finding("caution", f"To compare with there are only {', '.join(one.label for one in exempt)}.", places)]


def burden(design: Design, account: Account | None) -> Aspect:
    """Hold what taking part costs against what can be won, and say from which size it pays."""
    cost, place = _cost(design)
    if account is not None and design.run is not None:
        return _of_contract(design, account, cost, place)
    built = design.construction
    if built is None or not built.at_risk or built.at_risk not in design.terms.parameters:
        raise CannotBeSeenError("what can be won is not a share of payments that is on record here")
    if built.at_risk in ("floor_adjustment_factor", "loss_limit_share"):
        raise CannotBeSeenError("what is at risk is no single share of payments")
    share = float(design.terms.value(built.at_risk))
    base = built.reward_base or "payments to which the share applies"
    needed = cost / share
    text = (
        f"At a cost of {money(cost, design.currency)}{_per(design)} the whole share at risk ({100 * share:g} %) covers "
        f"it only from {money(needed, design.currency)} of {base}; below, taking part costs more than it can bring."
    )
    places = [place, design.evidence(built.at_risk)]
    rows = [
        {"base_amount": size, "most_at_risk": size * share, "cost": cost, "net": size * share - cost}
        for size in (50_000, 100_000, 250_000, 1_000_000)
    ]
    support = design.fact("small_practices")
    findings = [Finding("serious" if rows[0]["net"] < 0 else "caution", text, places)]
    if support:
        helped = support.value == "supported"
        said = (
            "Small practices get points or terms of their own."
            if helped
            else "Small providers have no terms of their own."
        )
        findings.append(Finding("fine" if helped else "caution", said, [of_fact("small practices", support)]))
    return Aspect("burden", findings, {"By size": rows})


def _cost(design: Design) -> tuple[float, Evidence]:
    if design.cost is not None:
        return design.cost, Evidence("--cost", f"{design.cost:,.0f}", "given by the user")
    known = design.construction.cost_of_participation if design.construction else None
    if known is None:
        raise CannotBeSeenError("give --cost: what taking part costs in a period")
    return float(known.value), Evidence("cost of taking part", f"{known.value:,} per {known.per}", known.cite)


def _per(design: Design) -> str:
    known = design.construction.cost_of_participation if design.construction else None
    return f" per {known.per}" if known and design.cost is None else ""


def _of_contract(design: Design, account: Account, cost: float, place: Evidence) -> Aspect:
    assert design.run is not None and design.contract is not None  # noqa: S101, PT018 (asked before)
    found: BreakEven = break_even_of(design.run, design.contract.parties.contractor_id, Decimal(f"{cost:.2f}"))
    if found.rate is None:
        text = f"No savings up to half of the budget cover a cost of {money(cost, design.currency)}."
        return Aspect("burden", [Finding("serious", text, [place])])
    rate = float(found.rate)
    rows: list[dict[str, Any]] = [
        {"savings_rate_share": float(one), "settlement": float(net), "net": float(net) - cost}
        for one, net in found.curve
        if 0 <= one <= Decimal("0.10") and net is not None
    ]
    severity: Severity = "serious" if rate > 0.1 else "caution" if rate > max(account.savings_rate, 0.0) else "fine"
    text = (
        f"A cost of {money(cost, design.currency)} is covered from savings of {100 * rate:.2f} % of the budget "
        f"on; in the data they are {100 * account.savings_rate:.2f} %."
    )
    return Aspect("burden", [Finding(severity, text, [place])], {"By savings": rows})
