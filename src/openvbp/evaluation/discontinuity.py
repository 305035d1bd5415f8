"""Studies at a program's own cutoff: the score and the cutoff are the program's, nothing is typed again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.estimators.arrays import Floats
from openvbp.estimators.regression_discontinuity import Discontinuity as Jump
from openvbp.estimators.regression_discontinuity import other_cutoff, regression_discontinuity, usual_other_cutoffs
from openvbp.estimators.regression_kink import regression_kink
from openvbp.estimators.running_variable_density import density_test
from openvbp.evaluation.cells import as_float
from openvbp.evaluation.findings import Finding, attempt, figures
from openvbp.evaluation.other_files import read_column
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
    covariates: Mapping[str, Floats]
    """Known before the program, by name; nan where not known."""
    cutoff: float
    cite: str
    without_outcome: int
    exempt: int


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
    covariates = {
        name: np.array([values.get(provider, np.nan) for provider in both])
        for name, source in one.covariates.items()
        for values in [_numbers(read_column(engine, folder, source))]
    }
    return Scores(one.label, *figures_, covariates, cutoff, cite, len(known) - len(both), int(exempt.sum()))


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
    widths = {"bandwidth": one.bandwidth, "bias_bandwidth": one.bias_bandwidth}

    def check(label: str, compute: Callable[[str], Finding]) -> list[Finding]:
        label = f"{one.label}: {label}"
        return attempt(CHECKS, label, lambda: compute(label))

    def at_cutoff(section: str, label: str, found: Scores, **options: Any) -> Finding:
        if study.design == "rk":
            return _kink(section, label, found, one)
        jump = regression_discontinuity(
            found.outcome, found.score, found.cutoff, cutoff_belongs_right=belongs_right, **options
        )
        return _jump(section, label, jump, found)

    rows = attempt("main", one.label, lambda: at_cutoff("main", one.label, scores, **widths))
    rows += check("density of scores", lambda label: _density(scores, label, belongs_right))
    for name, values in scores.covariates.items():
        known = np.isfinite(values)
        as_outcome = replace(scores, score=scores.score[known], outcome=values[known])
        found = check(name, lambda label, as_outcome=as_outcome: at_cutoff(CHECKS, label, as_outcome))
        words = f"a covariate, in its own unit, known of {int(known.sum()):,} of {len(known):,} providers"
        rows += [row.within(CHECKS, note=f"{words}; {row.note}") for row in found]
    if study.design == "rk":
        return rows
    for width in study.donut:
        words = f"without providers nearer than {width:g}"
        rows += check(words, lambda label, width=width: at_cutoff(CHECKS, label, scores, donut=width))
    for other in _other_cutoffs(scores, study):
        words = f"placebo cutoff at {other:g}"
        rows += check(words, lambda label, other=other: _placebo(label, scores, other, belongs_right))
    return rows


def _other_cutoffs(scores: Scores, study: DiscontinuityStudy) -> tuple[float, ...]:
    if study.placebo_cutoffs is None:
        return usual_other_cutoffs(scores.score, scores.cutoff)
    return tuple(scores.cutoff + distance for distance in study.placebo_cutoffs)


def _placebo(label: str, scores: Scores, other: float, belongs_right: bool) -> Finding:  # noqa: FBT001 (the rule)
    """Estimate a jump where there is none, from the providers on that side of the true cutoff only."""
    jump = other_cutoff(scores.outcome, scores.score, scores.cutoff, other, cutoff_belongs_right=belongs_right)
    side = scores.score > scores.cutoff if other > scores.cutoff else scores.score <= scores.cutoff
    moved = replace(scores, score=scores.score[side], outcome=scores.outcome[side], cutoff=other, cite="placebo")
    return _jump(CHECKS, label, jump, moved)


def _jump(section: str, label: str, jump: Jump, scores: Scores) -> Finding:
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


def _kink(section: str, label: str, scores: Scores, one: Discontinuity) -> Finding:
    if one.payment_slopes is None:
        what = "a kink needs the slopes of payment on both sides"
        raise InputDataError(Problem(what, "payment_slopes", "give them by the program's rule, left and right"))
    kink = regression_kink(scores.outcome, scores.score, scores.cutoff, one.payment_slopes, bandwidth=one.bandwidth)
    change = f"slope of the outcome changes by {kink.slope_change.estimate:+.3f}"
    note = f"per unit of payment; bandwidth {kink.bandwidth:.3f}; {change}"
    return Finding(section, label, **figures(kink.robust), cells=len(scores.score), design="rk", note=note)


def _density(scores: Scores, label: str, belongs_right: bool) -> Finding:  # noqa: FBT001
    test = density_test(scores.score, scores.cutoff, cutoff_belongs_right=belongs_right)
    note = f"density {test.left:.3f} below and {test.right:.3f} above the cutoff"
    return Finding(
        CHECKS,
        label,
        estimate=test.jump,
        standard_error=test.standard_error,
        p_value=test.p_value,
        note=note,
    )


def _numbers(values: dict[str, str]) -> dict[str, float]:
    return {name: as_float(text) for name, text in values.items()}


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
