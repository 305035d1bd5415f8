"""How much of the money is noise: what would be paid otherwise at the providers' true rates."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from openvbp.design_review.aspect import Aspect, CannotBeSeenError, Evidence, Finding, Severity
from openvbp.design_review.design import Design
from openvbp.design_review.measure_scores import MeasureScores, measures_of
from openvbp.diagnosis.penalties import from_draws
from openvbp.diagnosis.section import percent
from openvbp.parameters import ACTUAL
from openvbp.programs import program as find_program
from openvbp.run_folder import RunFolder
from openvbp.uncertainty.draw_files import demand_drawn_input

SERIOUS_SHARE, _CAUTION = 0.5, 0.2
_INTERVALS = "payment_interval"
_LEAST = 30
_WIDTH = 2 * 1.959964


def noise(design: Design) -> Aspect:
    """Split the variance of payments, or of scores, into providers' true differences and chance.

    With draws of true rates (``openvbp run --draws``): the mean variance of a provider's payment over draws, as a share
    of the variance of payments over providers. Without: the score is a weighted sum of points; each measure's noise is
    the part of the variance of its points that its reliability leaves, measures independent.
    """
    if design.contract is not None:
        raise CannotBeSeenError(
            "of one account: see what it is paid or charged by chance alone; on a made-up population 'openvbp "
            "true-payments' says how much of a payment follows the truth"
        )
    if design.run is None:
        raise CannotBeSeenError(
            "give --run, best one with draws of the true rates (openvbp draws, openvbp run --draws)"
        )
    if _INTERVALS in design.run.tables:
        return _of_draws(design)
    return _of_points(measures_of(design), _weights(design.run))


def _of_draws(design: Design) -> Aspect:
    drawn = demand_drawn_input(find_program(design.program_id))
    rows = design.run.read(_INTERVALS, scenario_id=ACTUAL, component_id=drawn.component_id).to_pylist()  # type: ignore[union-attr]
    unit = "rate" if drawn.is_share_of_payments else "amount"
    known = [one for one in rows if one[unit] is not None and one[f"{unit}_low"] is not None]
    if len(known) < _LEAST:
        raise CannotBeSeenError(f"fewer than {_LEAST} providers have draws of their payment")
    paid = np.array([float(one[unit]) for one in known])
    within = np.array([float(one[f"{unit}_high"] - one[f"{unit}_low"]) / _WIDTH for one in known]) ** 2
    share = float(min(within.mean() / paid.var(), 1.0)) if paid.var() else 0.0
    place = Evidence(
        f"results/{_INTERVALS}", f"{len(known):,} providers", "draws of true rates, paid by the program's rules"
    )
    text = f"{percent(share)} of the variance of payments between providers is noise of their rates."
    findings = [Finding(_severity(share), text, [place])]
    wrong = from_draws(design.run, drawn.component_id)  # type: ignore[arg-type]
    if wrong:
        text = (
            f"{percent(wrong['not_truly'])} of {wrong['penalised']:,} penalties would not be there at the true rates."
        )
        findings.append(Finding(_severity(wrong["not_truly"]), text, [place]))
    return Aspect("noise", findings)


def _weights(run: RunFolder) -> dict[str, float]:
    """Mean weight of each domain; none where the run has no domains."""
    if "domain_result" not in run.tables:
        return {}
    found: dict[str, list[float]] = defaultdict(list)
    for row in run.read("domain_result", scenario_id=ACTUAL).to_pylist():
        if row["weight"] is not None:
            found[row["domain_id"]].append(float(row["weight"]))
    return {name: float(np.mean(weights)) for name, weights in found.items()}


def _of_points(measures: list[MeasureScores], weights: dict[str, float]) -> Aspect:
    domains: dict[str, list[MeasureScores]] = defaultdict(list)
    for one in measures:
        if not np.isnan(one.points).all() and np.nanvar(one.points) > 0:
            domains[one.domain_id].append(one)
    rows: list[dict[str, Any]] = []
    for domain, ones in sorted(domains.items()):
        for one in ones:
            if one.reliability is not None:
                rows.append(
                    {
                        "measure": one.measure_id,
                        "domain": domain,
                        "score_variance": float(np.nanvar(one.points)) * _weight(domain, len(ones), weights) ** 2,
                        "noise_share": float(1 - np.mean(one.reliability)),
                    }
                )
    if not rows:
        raise CannotBeSeenError("no measure of the run has points and cases")
    signal = sum(one["score_variance"] for one in rows)
    share = sum(one["score_variance"] * one["noise_share"] for one in rows) / signal
    counted = sum(len(ones) for ones in domains.values())
    text = (
        f"{percent(share)} of the variance that {len(rows):,} of {counted:,} measures give to the scores is "
        "noise (measures independent); money that follows the score in a line has the same "
        "share."
    )
    place = Evidence("results/measure_result", "reliability and points of the run", "law of total variance")
    return Aspect("noise", [Finding(_severity(share), text, [place])], {"Noise by measure": rows})


def _weight(domain: str, measures: int, weights: dict[str, float]) -> float:
    """What a point counts in the score: domains are means of their measures where they have weights, else sums."""
    return weights[domain] / measures if domain in weights else 1.0


def _severity(share: float) -> Severity:
    return "serious" if share >= SERIOUS_SHARE else "caution" if share >= _CAUTION else "fine"
