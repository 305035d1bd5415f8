"""Cliffs of a program: thresholds at which one case, one measure or one rank changes the money."""

from __future__ import annotations

import numpy as np

from openvbp.design_review.aspect import Aspect, CannotBeSeenError, Finding, Severity
from openvbp.design_review.design import Cliff, Design
from openvbp.design_review.words import money
from openvbp.diagnosis.runs import open_runs, payments
from openvbp.diagnosis.section import CannotBeMadeError
from openvbp.errors import UsageError
from openvbp.parameters import ACTUAL

_LEAST = 30
_LINEAR = 0.999
"""Correlation of score and payment from which on they are taken to be in a line."""


def program_cliffs(design: Design) -> Aspect:
    """List the cliffs of a program from its construction; what a step is worth, from the payments of a run."""
    built = design.construction
    if built is None:
        raise CannotBeSeenError(f"how {design.program_id} pays is not on record here: read its page of rules")
    findings = []
    for one in built.cliffs:
        severity: Severity = "serious" if one.moves_all else "fine" if one.kind == "kink" else "caution"
        places = [design.evidence(one.parameter)] if one.parameter in design.terms.parameters else []
        if one.moves_all:
            places.append(design.evidence(built.at_risk))
        worth = _worth(design, one)
        findings.append(Finding(severity, f"{one.what[0].upper()}{one.what[1:]}.{worth}", places))
    if built.kinks:
        findings.append(Finding("fine", f"{built.kinks[0].upper()}{built.kinks[1:]}: a bend, no jump."))
    return Aspect("cliffs", findings)


def _worth(design: Design, cliff: Cliff) -> str:
    """Say what a step is worth to the median provider of the run; nothing where the run does not tell."""
    if cliff.moves_all and design.construction:
        share = float(design.terms.value(design.construction.at_risk))
        base = _median_base(design)
        amount = "" if base is None else f", {money(share * base, design.currency)} of the median provider of the run"
        return f" That is {100 * share:g} % of its payments{amount}."
    if cliff.kind != "step":
        return ""
    found = _point(design)
    if found is None:
        return ""
    rate, base = found
    amount = "" if base is None else f", {money(rate * base, design.currency)} of the median provider"
    return f" In the run one point of one measure is worth {100 * rate:.3f} % of a provider's payments{amount}."


def _payments(design: Design) -> dict[str, dict[str, float | None]]:
    if design.run is None:
        return {}
    try:
        runs = open_runs([design.run.path])
        return payments(runs.last, runs.component)
    except (CannotBeMadeError, UsageError):
        return {}


def _median_base(design: Design) -> float | None:
    known = [one["base_amount"] for one in _payments(design).values() if one["base_amount"] is not None]
    return float(np.median(known)) if known else None


def _point(design: Design) -> tuple[float, float | None] | None:
    """What one point of one measure changes a payment's rate by, where the rate follows the score in a line."""
    paid = {name: one["rate"] for name, one in _payments(design).items() if one["rate"] is not None}
    if design.run is None or len(paid) < _LEAST or "domain_result" not in design.run.tables:
        return None
    rows = design.run.read("provider_result", scenario_id=ACTUAL).to_pylist()
    scores = {row["provider_id"]: float(row["score"]) for row in rows if row["score"] is not None}
    pairs = [(scores[name], rate) for name, rate in paid.items() if name in scores]
    score, rate = np.array(pairs).T if len(pairs) >= _LEAST else (np.zeros(2), np.zeros(2))
    if not np.ptp(score) or not np.ptp(rate) or np.corrcoef(score, rate)[0, 1] < _LINEAR:
        return None
    slope = float(np.polyfit(score, rate, 1)[0])
    domains = design.run.read("domain_result", scenario_id=ACTUAL).to_pylist()
    counted = [(one["weight"], one["maximum_points"]) for one in domains]
    # A domain's score is 100 times its points over those that could be earned.
    points = [100 * float(weight / most) for weight, most in counted if weight and most]
    return (slope * float(np.median(points)), _median_base(design)) if points else None
