"""A specification curve: all combinations of choices that a reasonable analyst could have made."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from openvbp.errors import InputDataError
from openvbp.evaluation.designs import estimate
from openvbp.evaluation.findings import Finding, not_possible
from openvbp.evaluation.frame import Frame
from openvbp.evaluation.study_terms import Analysis, Curve

SECTION = "specification curve"
DIMENSIONS = ("compare", "conditions", "before", "after", "weights", "cluster", "sample", "minimum_cases", "overlap")


@dataclass(frozen=True)
class CurveSummary:
    """What the choices do to the answer; better and worse are significant at 5 %."""

    specifications: int
    not_possible: int
    median: float
    lower_quartile: float
    upper_quartile: float
    better: float
    """Share of specifications whose interval lies wholly on the side of an improvement."""
    worse: float
    by_choice: Mapping[str, Mapping[str, tuple[int, float, float, float]]]
    """Dimension and choice: specifications, median, share better, share worse."""


def specifications(frame: Frame, main: Analysis, curve: Curve) -> list[Analysis]:
    """Cross the choices; in each, what is not listed is as in the main analysis."""
    resolved = frame.resolved(main)
    lists = [getattr(curve, name) or (getattr(resolved, name),) for name in DIMENSIONS]
    return [
        resolved.model_copy(update=dict(zip(DIMENSIONS, choice, strict=True))) for choice in itertools.product(*lists)
    ]


def specification_curve(frame: Frame, main: Analysis, curve: Curve) -> list[Finding]:
    """Estimate every specification; one that is not possible says why."""
    rows = []
    for one in specifications(frame, main, curve):
        label = words(one, curve)
        try:
            found = estimate(frame, one, section=SECTION, label=label)
        except InputDataError as error:
            asked = {
                "compare": "+".join(one.compare),
                "conditions": "+".join(one.conditions),
                "after": " ".join(one.after),
            }
            rows.append(not_possible(SECTION, label, "; ".join(problem.what for problem in error.problems), **asked))
            continue
        if min(found.treated_providers, found.comparison_providers) < curve.smallest_group:
            few = f"one side has fewer than {curve.smallest_group} providers"
            rows.append(
                not_possible(SECTION, label, few, compare=found.compare, conditions=found.conditions, after=found.after)
            )
            continue
        rows.append(found)
    return rows


def words(one: Analysis, curve: Curve) -> str:
    """Name a specification by the choices that differ between specifications."""
    parts = []
    for name in DIMENSIONS:
        if len(getattr(curve, name)) > 1:
            value = getattr(one, name)
            text = "+".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else value
            parts.append(f"{name} {text}")
    return ", ".join(parts)


def summarize(rows: Sequence[Finding], *, is_desirable: bool) -> CurveSummary | None:
    """Summarize the curve; ``None`` where nothing was possible."""
    possible = [one for one in rows if one.is_estimated]
    if not possible:
        return None
    median, low, high = np.percentile([one.estimate for one in possible], [50, 25, 75])
    better, worse = _shares(possible, is_desirable=is_desirable)
    by_choice: dict[str, dict[str, tuple[int, float, float, float]]] = {}
    for name in ("compare", "conditions", "after", "weights", "cluster", "sample"):
        choices = dict.fromkeys(getattr(one, name) for one in possible)
        if len(choices) > 1:
            by_choice[name] = {}
            for choice in choices:
                chosen = [one for one in possible if getattr(one, name) == choice]
                middle = float(np.median([one.estimate for one in chosen]))
                by_choice[name][choice] = (len(chosen), middle, *_shares(chosen, is_desirable=is_desirable))
    figures = (float(median), float(low), float(high), better, worse)
    return CurveSummary(len(possible), len(rows) - len(possible), *figures, by_choice)


def _shares(rows: Sequence[Finding], *, is_desirable: bool) -> tuple[float, float]:
    lower = sum(one.high < 0 for one in rows) / len(rows)
    higher = sum(one.low > 0 for one in rows) / len(rows)
    return (higher, lower) if is_desirable else (lower, higher)
