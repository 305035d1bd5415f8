"""Rows of results: what was estimated, of whom, how; or why it could not be."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa

from openvbp.errors import OpenvbpError
from openvbp.estimators.estimate import Estimate

ESTIMATED, NOT_POSSIBLE = "estimated", "not possible"
NAN = float("nan")
Found = tuple[dict[str, Any], str]
"""Columns of a finding that an estimator gives, and its note."""


@dataclass(frozen=True)
class Finding:
    """One row; figures in the unit of the outcome, nan where there is none."""

    section: str
    label: str
    status: str = ESTIMATED
    estimate: float = NAN
    standard_error: float = NAN
    low: float = NAN
    high: float = NAN
    p_value: float = NAN
    minimum_detectable_effect: float = NAN
    treated_providers: int = 0
    comparison_providers: int = 0
    clusters: int = 0
    cells: int = 0
    design: str = ""
    conditions: str = ""
    compare: str = ""
    before: str = ""
    after: str = ""
    weights: str = ""
    cluster: str = ""
    sample: str = ""
    scale: float = 1.0
    """Factor by which a difference of overlapping windows was multiplied."""
    note: str = ""
    """What a reader must know; of what was not possible, why."""

    @property
    def is_estimated(self) -> bool:
        """Whether there is a figure."""
        return self.status == ESTIMATED

    @property
    def is_significant(self) -> bool:
        """Whether the interval excludes no effect."""
        return self.low > 0 or self.high < 0

    def within(self, section: str, label: str | None = None, note: str | None = None) -> Finding:
        """Give the same row under another section, label or note."""
        return replace(
            self,
            section=section,
            label=self.label if label is None else label,
            note=self.note if note is None else note,
        )


def figures(one: Estimate, scale: float = 1.0) -> dict[str, float | int]:
    """Give the columns of an estimate, all but the p-value times a factor."""
    return {
        "estimate": one.estimate * scale,
        "standard_error": one.standard_error * scale,
        "low": one.low * scale,
        "high": one.high * scale,
        "p_value": one.p_value,
        "minimum_detectable_effect": one.minimum_detectable_effect * scale,
        "clusters": one.clusters,
    }


def not_possible(section: str, label: str, why: str, **columns: Any) -> Finding:
    """Give a row that says why there is no figure: a missing figure is never left out silently."""
    return Finding(section, label, NOT_POSSIBLE, note=why, **columns)


def attempt(section: str, label: str, compute: Callable[[], Finding | Sequence[Finding]]) -> list[Finding]:
    """Compute rows; an error of the input becomes a row that says what is wrong and what remains."""
    try:
        found = compute()
    except OpenvbpError as error:
        if error.exit_code not in (2, 3):
            raise
        why = "; ".join(f"{one.what}: {one.what_to_do}" for one in error.problems)
        return [not_possible(section, label, why)]
    return [found] if isinstance(found, Finding) else list(found)


def as_table(findings: Sequence[Finding]) -> pa.Table:
    """Give the rows as a table, in their order."""
    rows = [asdict(one) for one in findings]
    return pa.table({name: pa.array([row[name] for row in rows], from_pandas=True) for name in rows[0]})


def as_rows(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Give the rows for JSON: nan becomes null."""
    clean = lambda value: None if isinstance(value, float) and not math.isfinite(value) else value  # noqa: E731
    return [{name: clean(value) for name, value in asdict(one).items()} for one in findings]
