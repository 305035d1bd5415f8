"""How unlike the groups were before onset: means of treated and comparison providers, standardized differences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from openvbp.estimators.arrays import Floats
from openvbp.evaluation.cells import as_float
from openvbp.evaluation.findings import Finding, attempt
from openvbp.evaluation.frame import Frame
from openvbp.evaluation.samples import Sample, sample
from openvbp.evaluation.study_terms import Analysis

SECTION = "balance before onset"
LARGE = 0.25
"""A standardized difference above it is more than regression adjusts well for (Imbens and Rubin 2015, section 14.2)."""


def balance(frame: Frame, main: Analysis) -> list[Finding]:
    """Compare the treated with each exempt group, provider by provider, in the windows before onset."""
    rows: list[Finding] = []
    for group in frame.exempt_groups:
        one = frame.resolved(main).model_copy(
            update={"compare": (group,), "design": "did", "sample": "all", "weights": "none", "cluster": "provider"}
        )
        rows += attempt(SECTION, f"against {group}", lambda one=one, group=group: list(_rows(frame, one, group)))
    return rows


def _rows(frame: Frame, analysis: Analysis, group: str) -> Iterator[Finding]:
    drawn = sample(frame, analysis)
    before = ~drawn.is_after
    figures = {"outcome": drawn.outcome, "cases": frame.cells.cases[drawn.rows]}
    # Attributes that a study asks about; the numbers of states mean nothing.
    for name in dict.fromkeys([*frame.study.equity, *filter(None, [analysis.dose])]):
        figures[name] = np.array([as_float(one) for one in frame.cells.attributes[name][drawn.rows]])
    for name, values in figures.items():
        known = before & np.isfinite(values)
        treated, compared = (
            _of_providers(drawn, values, known & side) for side in (drawn.is_treated, ~drawn.is_treated)
        )
        if min(len(treated), len(compared)) > 1:
            yield _row(f"{name}, against {group}", treated, compared)


def _of_providers(drawn: Sample, values: Floats, chosen: np.ndarray) -> Floats:
    """Mean of each provider's cells."""
    if not chosen.any():
        return np.zeros(0)
    provider = np.unique(drawn.provider[chosen], return_inverse=True)[1]
    return np.bincount(provider, values[chosen]) / np.bincount(provider)


def _row(label: str, treated: Floats, compared: Floats) -> Finding:
    spread = float(np.sqrt((treated.var(ddof=1) + compared.var(ddof=1)) / 2))
    difference = float(treated.mean() - compared.mean())
    standardized = difference / spread if spread > 0 else float("nan")
    note = (
        f"standardized difference; treated {treated.mean():.4g} (standard deviation {treated.std(ddof=1):.3g}), "
        f"comparison {compared.mean():.4g} ({compared.std(ddof=1):.3g})"
    )
    if abs(standardized) > LARGE:
        note += f"; above {LARGE:g}: the groups are not alike"
    return Finding(
        SECTION,
        label,
        estimate=standardized,
        treated_providers=len(treated),
        comparison_providers=len(compared),
        note=note,
    )
