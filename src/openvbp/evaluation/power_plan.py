"""Power before estimates: what a study could find, from the providers and cases before onset alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.estimate import MULTIPLE_OF_STANDARD_ERROR
from openvbp.estimators.power import placebo_draws, planned_standard_error, simulated_power
from openvbp.evaluation.checks import event_analysis
from openvbp.evaluation.findings import Finding, attempt
from openvbp.evaluation.frame import Frame
from openvbp.evaluation.samples import Sample, sample
from openvbp.evaluation.study_terms import Analysis, Weights

SECTION = "power before estimates"
SHOCKS = (0.3, 0.5, 0.8)
"""Standard deviations over providers of the true change, in percentage points."""
_SIMULATIONS = 100


def planned_power(frame: Frame, main: Analysis, *, seed: int) -> list[Finding]:
    """Plan the smallest effect found with 80 % power; no outcome after onset is read.

    Parameters
    ----------
    frame, main
        The study's cells and its main analysis.
    seed
        Of simulations on the windows before onset.
    """
    resolved = frame.resolved(main)
    rows = attempt(SECTION, "plan", lambda: _plan(frame, resolved))
    return [*rows, *attempt(SECTION, "simulated on windows before onset", lambda: _simulated(frame, resolved, seed))]


def _before(frame: Frame, resolved: Analysis, early: Sequence[str], late: Sequence[str], weights: Weights) -> Sample:
    """Draw the windows before onset; whoever is seen after it is not asked."""
    chosen = {"before": tuple(early), "after": tuple(late), "weights": weights}
    asked = resolved.model_copy(update={"design": "did", "sample": "all", "complete": False, **chosen})
    return sample(frame, asked, is_placebo=True, both_sides=set(early) != set(late))


def _plan(frame: Frame, resolved: Analysis) -> list[Finding]:
    last = resolved.before[-1:]
    drawn = _before(frame, resolved, last, last, "none")
    cases = frame.cells.cases[drawn.rows]
    known = np.isfinite(cases) & (cases > 0)
    if not known.any():
        what = "the number of cases before onset is not known"
        raise InputDataError(Problem(what, SECTION, "name data.columns.cases; without it there is no plan"))
    counts = drawn.counts
    treated, compared = counts["treated_providers"], counts["comparison_providers"]
    # Cases of a provider in a window, all conditions together: the harmonic mean is what an unweighted mean sees.
    provider = np.bincount(drawn.provider, np.nan_to_num(cases))
    provider = provider[provider > 0]
    typical = float(len(provider) / (1 / provider).sum())
    percent = float(np.average(frame.cells.rate[drawn.rows][known], weights=cases[known]))
    rows = []
    for shock in SHOCKS:
        error = planned_standard_error(treated, compared, cases=typical, percent=percent, shock=shock)
        note = (
            f"{typical:.0f} cases a provider and window (harmonic mean), rate {percent:.1f} %, true changes of "
            f"providers with standard deviation {shock:g}"
        )
        rows.append(
            Finding(
                SECTION,
                f"plan, providers' changes ± {shock:g}",
                standard_error=error,
                minimum_detectable_effect=MULTIPLE_OF_STANDARD_ERROR * error,
                treated_providers=treated,
                comparison_providers=compared,
                note=note,
            )
        )
    return rows


def _simulated(frame: Frame, resolved: Analysis, seed: int) -> list[Finding]:
    windows = event_analysis(frame, resolved).before
    if len(windows) < 2:
        what = "there are no two windows before onset that share no months"
        raise InputDataError(Problem(what, SECTION, "the plan above is all that can be said before outcomes are read"))
    half = len(windows) // 2
    early, late = windows[:half], windows[half:]
    drawn = _before(frame, resolved, early, late, resolved.weights)
    arrays = {"unit": drawn.unit, "period": drawn.window, "weights": drawn.weights, "onset": half}
    count = len(np.unique(drawn.unit[drawn.is_treated]))
    draw = placebo_draws(drawn.outcome, treated_units=count, **arrays)
    without = simulated_power(draw, 0.0, seed=seed, simulations=_SIMULATIONS)
    effect = MULTIPLE_OF_STANDARD_ERROR * without.mean_standard_error
    found = simulated_power(draw, -effect, seed=seed, simulations=_SIMULATIONS)
    note = (
        f"{_SIMULATIONS} made-up programs between {early[0]} and {late[-1]}, after {early[-1]}: false alarms "
        f"{without.power:.1%}, power {found.power:.0%} for an effect of {effect:.3f}"
    )
    row = Finding(
        SECTION, "simulated on windows before onset", minimum_detectable_effect=effect, note=note, **drawn.counts
    )
    return [row]
