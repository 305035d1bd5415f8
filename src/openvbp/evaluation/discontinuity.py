"""Studies at a program's own cutoff: the score and the cutoff are the program's, nothing is typed again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.estimators.arrays import Floats
from openvbp.estimators.regression_discontinuity import regression_discontinuity
from openvbp.estimators.regression_kink import regression_kink
from openvbp.estimators.running_variable_density import density_test
from openvbp.evaluation.cell_files import read_column
from openvbp.evaluation.findings import Finding, attempt, figures
from openvbp.evaluation.program_facts import ProgramFacts
from openvbp.evaluation.study_terms import Discontinuity, DiscontinuityStudy

CHECKS = "checks at the cutoff"
BINS = 10
"""Of the figure, on each side."""


@dataclass(frozen=True)
class Scores:
    """Providers with a score and an outcome."""

    label: str
    score: Floats
    outcome: Floats
    cutoff: float
    cite: str
    without_outcome: int
    exempt: int
    not_numbers: int


def read_scores(engine: Engine, folder: Path, one: Discontinuity, facts: ProgramFacts) -> Scores:
    """Join scores and outcomes of the providers that the program treats.

    Raises
    ------
    UsageError, InputDataError
        If the program has no cutoff in the period, a file or column is missing, or no provider has both.
    """
    cutoff, cite = cutoff_of(facts, one.period)
    scores = _numbers(read_column(engine, folder, one.score))
    outcomes = _numbers(read_column(engine, folder, one.outcome))
    names = np.array(sorted(scores), dtype=object)
    roles = {name: group.role for name, group in facts.groups.items()}
    outside = [roles.get(name, "") in ("exempt", "outside") for name in facts.group_of(names)]
    exempt = np.array(outside, dtype=bool) & (not one.keep_exempt)
    known = [name for name, is_out in zip(names, exempt, strict=True) if not is_out and np.isfinite(scores[name])]
    both = [name for name in known if np.isfinite(outcomes.get(name, np.nan))]
    if not both:
        what = f"no provider has a score and an outcome ({one.label})"
        raise InputDataError(Problem(what, f"{one.score.file}, {one.outcome.file}", "look at provider_pattern"))
    figures_ = [np.array([source[name] for name in both]) for source in (scores, outcomes)]
    broken = sum(not np.isfinite(value) for value in scores.values())
    return Scores(one.label, *figures_, cutoff, cite, len(known) - len(both), int(exempt.sum()), broken)


def cutoff_of(facts: ProgramFacts, period: str) -> tuple[float, str]:
    """Give the program's cutoff in a period, with its citation.

    Raises
    ------
    UsageError
        If the program has none, or it is computed from scores that the study does not have.
    """
    declared = facts.facts.cutoff
    if declared is None:
        raise UsageError(
            Problem(f"{facts.program_id} has no cutoff", "program", "take a program that pays by a cutoff")
        )
    cited = facts.parameters.in_force(facts.parameters.period(period)).cited(declared.parameter)
    if cited.value is None:
        what = f"the cutoff of {facts.program_id} in {period} is not known: {cited.cite}"
        raise UsageError(
            Problem(what, "period", "run the program on that year's files and read the cutoff from its steps")
        )
    return float(cited.value), cited.cite


def estimate_discontinuity(
    scores: Scores, study: DiscontinuityStudy, one: Discontinuity, treated: str
) -> list[Finding]:
    """Estimate the jump (or the change of slope) at the cutoff, and what speaks for or against it."""
    # A provider at the cutoff goes with the rule: where those above are treated, it is not.
    belongs_right = treated == "below"
    density = attempt(CHECKS, f"{one.label}: density of scores", lambda: _density(scores, one.label, belongs_right))
    if study.design == "rk":
        return [*attempt("main", one.label, lambda: _kink(scores, one)), *density]
    widths = {"bandwidth": one.bandwidth, "bias_bandwidth": one.bias_bandwidth}
    rows = attempt("main", one.label, lambda: _jump("main", one.label, scores, belongs_right, **widths)) + density
    for width in study.donut:
        label = f"{one.label}: without providers nearer than {width:g}"
        rows += attempt(
            CHECKS, label, lambda label=label, width=width: _jump(CHECKS, label, scores, belongs_right, donut=width)
        )
    for distance in study.placebo_cutoffs:
        label = f"{one.label}: placebo cutoff at {scores.cutoff + distance:g}"
        rows += attempt(
            CHECKS, label, lambda label=label, distance=distance: _placebo(scores, label, distance, belongs_right)
        )
    return rows


def _placebo(scores: Scores, label: str, distance: float, belongs_right: bool) -> Finding:  # noqa: FBT001 (the rule)
    """Estimate a jump where there is none, from the providers on that side of the true cutoff only."""
    side = scores.score > scores.cutoff if distance > 0 else scores.score <= scores.cutoff
    moved = replace(
        scores, score=scores.score[side], outcome=scores.outcome[side], cutoff=scores.cutoff + distance, cite="placebo"
    )
    return _jump(CHECKS, label, moved, belongs_right)


def _jump(section: str, label: str, scores: Scores, belongs_right: bool, **options: Any) -> Finding:  # noqa: FBT001
    jump = regression_discontinuity(
        scores.outcome, scores.score, scores.cutoff, cutoff_belongs_right=belongs_right, **options
    )
    note = (
        f"cutoff {jump.cutoff:g} ({scores.cite}); bandwidth {jump.bandwidth:.2f}, {jump.left_rows:,} below and "
        f"{jump.right_rows:,} above within it; before correction for bias {jump.conventional.estimate:+.3f}"
    )
    return Finding(
        section,
        label,
        **figures(jump.robust),
        treated_providers=int((scores.score > scores.cutoff).sum()),
        comparison_providers=int((scores.score <= scores.cutoff).sum()),
        cells=len(scores.score),
        design="rd",
        note=note,
    )


def _kink(scores: Scores, one: Discontinuity) -> Finding:
    if one.payment_slopes is None:
        what = "a kink needs the slopes of payment on both sides"
        raise InputDataError(Problem(what, "payment_slopes", "give them by the program's rule, left and right"))
    kink = regression_kink(scores.outcome, scores.score, scores.cutoff, one.payment_slopes, bandwidth=one.bandwidth)
    change = f"slope of the outcome changes by {kink.slope_change.estimate:+.3f}"
    note = f"per unit of payment; bandwidth {kink.bandwidth:.3f}; {change}"
    return Finding("main", one.label, **figures(kink.robust), cells=len(scores.score), design="rk", note=note)


def _density(scores: Scores, label: str, belongs_right: bool) -> Finding:  # noqa: FBT001
    test = density_test(scores.score, scores.cutoff, cutoff_belongs_right=belongs_right)
    note = f"density {test.left:.3f} below and {test.right:.3f} above the cutoff"
    return Finding(
        CHECKS,
        f"{label}: density of scores",
        estimate=test.jump,
        standard_error=test.standard_error,
        p_value=test.p_value,
        note=note,
    )


def _numbers(values: dict[str, str]) -> dict[str, float]:
    found = {}
    for name, text in values.items():
        try:
            found[name] = float(text)
        except ValueError:
            found[name] = float("nan")
    return found


def binned(scores: Scores, reach: float) -> list[tuple[float, float, int]]:
    """Give middle, mean outcome and providers of bins that do not cross the cutoff."""
    width = reach / BINS
    place = np.where(
        scores.score > scores.cutoff,
        np.ceil((scores.score - scores.cutoff) / width),
        np.floor((scores.score - scores.cutoff) / width),
    )
    inside = np.abs(scores.score - scores.cutoff) <= reach
    found = []
    for one in np.unique(place[inside]):
        chosen = inside & (place == one)
        found.append((float(scores.score[chosen].mean()), float(scores.outcome[chosen].mean()), int(chosen.sum())))
    return found
