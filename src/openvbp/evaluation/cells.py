"""Cells: a provider's cases of one condition in one window, as counts. What evaluations are computed from.

A cell says everything about its cases that a linear design needs: estimate and clustered error are those of the cases
to the last digit (``tests/spec/test_evaluation_cells.py``). Cells may leave a place that patients may not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import Codes, Floats
from openvbp.evaluation.windows import Window

Texts = NDArray[np.object_]
Outcome = Literal["rate", "risk_adjusted"]
PER = 100.0
"""Outcomes are in percentage points."""


@dataclass(frozen=True)
class Cells:
    """Provider × condition × window; every array has one entry per cell, nan where a figure is not known."""

    provider: Texts
    condition: Texts
    window: Codes
    """Place in ``windows``."""
    windows: tuple[Window, ...]
    """In order of their first day."""
    rate: Floats
    """Events per hundred cases, as published or as counted; published risk-standardized rates are rates."""
    observed: Floats
    """Events."""
    expected: Floats
    """Events expected by a model whose coefficients do not change over the windows."""
    cases: Floats
    variance: Floats
    """Of the number of events, given the cases: Σ p (1 − p)."""
    attributes: Mapping[str, Texts] = field(default_factory=dict)
    """Of providers, for example ``state``: text per cell."""
    is_shrunken: bool = False
    """Whether rates were drawn toward a mean by a model of random effects."""

    def __len__(self) -> int:
        return len(self.provider)

    def outcome(self, kind: Outcome = "rate") -> Floats:
        """Give the outcome in percentage points: 100 O / N, or 100 (O − E) / N; nan where not known."""
        if kind == "rate":
            return self.rate
        with np.errstate(invalid="ignore", divide="ignore"):
            return PER * (self.observed - self.expected) / self.cases

    def where(self, chosen: NDArray[np.bool_]) -> Cells:
        """Keep some cells."""
        arrays = ("provider", "condition", "window", "rate", "observed", "expected", "cases", "variance")
        kept = {name: getattr(self, name)[chosen] for name in arrays}
        return replace(self, **kept, attributes={name: one[chosen] for name, one in self.attributes.items()})

    def to_arrow(self) -> pa.Table:
        """Give the cells as a table, for example to let them leave a secure place."""
        spans = [self.windows[at] for at in self.window]
        columns: dict[str, Any] = {"provider_id": self.provider, "condition": self.condition}
        columns |= {"start": [one.start for one in spans], "end": [one.end for one in spans]}
        for name in ("rate", "observed", "expected", "cases", "variance"):
            columns[name] = pa.array(getattr(self, name), from_pandas=True)
        return pa.table(columns | dict(self.attributes))


def as_float(text: str | None) -> float:
    """Read an attribute that is a number; nan where it is none."""
    try:
        return float(text or "")
    except ValueError:
        return float("nan")


def cells_from_rates(
    provider: Sequence[str],
    condition: Sequence[str],
    windows: Sequence[Window],
    rate: Floats,
    cases: Floats | None = None,
    *,
    is_shrunken: bool,
    attributes: Mapping[str, Sequence[str]] | None = None,
) -> Cells:
    """Make cells of published rates.

    Parameters
    ----------
    provider, condition, windows
        Of each rate.
    rate
        Events per hundred cases.
    cases
        Behind each rate, nan where not published: events are then not known either.
    is_shrunken
        Whether a model of random effects drew the rates toward their mean (risk-standardized rates of CMS).
    attributes
        Of the providers.

    Raises
    ------
    InputDataError
        If a rate lies outside 0 to 100, or a provider has two rates for a condition and window.
    """
    count = np.full(len(rate), np.nan) if cases is None else np.asarray(cases, dtype=np.float64)
    rate = np.asarray(rate, dtype=np.float64)
    _demand((rate >= 0) & (rate <= PER), "rates outside 0 to 100 per hundred cases", "give them per hundred cases")
    share = rate / PER
    figures = (share * count, np.full(len(rate), np.nan), count, count * share * (1 - share))
    return _cells(provider, condition, windows, rate, figures, attributes, is_shrunken=is_shrunken)


def cells_from_counts(
    provider: Sequence[str],
    condition: Sequence[str],
    windows: Sequence[Window],
    observed: Floats,
    cases: Floats,
    *,
    expected: Floats | None = None,
    variance: Floats | None = None,
    attributes: Mapping[str, Sequence[str]] | None = None,
) -> Cells:
    """Make cells of counts: of measure results (numerator and denominator) or of a model of outcomes.

    Raises
    ------
    InputDataError
        If there are more events than cases, a count is below zero or cases are zero, or a cell stands twice.
    """
    events, count = np.asarray(observed, dtype=np.float64), np.asarray(cases, dtype=np.float64)
    _demand((events >= 0) & (events <= count) & (count > 0), "events below zero or above cases", "correct the counts")
    unknown = np.full(len(events), np.nan)
    share = events / count
    spread = count * share * (1 - share) if variance is None else np.asarray(variance, dtype=np.float64)
    awaited = unknown if expected is None else np.asarray(expected, dtype=np.float64)
    figures = (events, awaited, count, spread)
    return _cells(provider, condition, windows, PER * share, figures, attributes, is_shrunken=False)


def collapse(cases: pa.Table, *, attributes: Sequence[str] = ()) -> Cells:
    """Make cells of case rows.

    Parameters
    ----------
    cases
        A row per case: ``provider_id``, ``condition``, ``start``, ``end`` (dates), ``outcome`` (0 or 1) and, where a
        model gives it, ``expected`` (its probability).
    attributes
        Further columns that are the same in all rows of a provider and window.

    Raises
    ------
    InputDataError
        If an outcome is neither 0 nor 1, or an attribute differs within a cell.
    """
    outcome = cases["outcome"].cast(pa.float64())
    has_model = "expected" in cases.column_names
    probability = cases["expected"].cast(pa.float64()) if has_model else outcome
    wrong = pc.sum(pc.invert(pc.is_in(outcome, pa.array([0.0, 1.0])))).as_py() or 0  # pyright: ignore
    if wrong:
        what = "outcomes of cases are neither 0 nor 1"
        raise InputDataError(Problem(what, "outcome", "code the outcome 0 or 1; leave rows without it out", wrong))
    # The cells of one column each: a group by all at once needs their product to be small.
    table = cases.append_column("spread", pc.multiply(probability, pc.subtract(1.0, probability)))
    keys = ["provider_id", "condition", "start", "end"]
    sums = [("outcome", "sum"), ("outcome", "count"), ("spread", "sum")] + ([("expected", "sum")] if has_model else [])
    differing = [(name, kind) for name in attributes for kind in ("min", "max")]
    found = table.group_by(keys, use_threads=False).aggregate([*sums, *differing])
    for name in attributes:
        unequal = pc.sum(pc.not_equal(found[f"{name}_min"], found[f"{name}_max"])).as_py() or 0
        if unequal:
            what = f"'{name}' differs between cases of one provider, condition and window"
            raise InputDataError(Problem(what, name, "take what belongs to the provider", unequal))
    windows = [Window(a, b) for a, b in zip(found["start"].to_pylist(), found["end"].to_pylist(), strict=True)]
    return cells_from_counts(
        found["provider_id"].to_pylist(),
        found["condition"].to_pylist(),
        windows,
        found["outcome_sum"].to_numpy(),
        found["outcome_count"].to_numpy(),
        expected=found["expected_sum"].to_numpy() if has_model else None,
        variance=found["spread_sum"].to_numpy() if has_model else None,
        attributes={name: found[f"{name}_min"].to_pylist() for name in attributes},
    )


def _cells(
    provider: Sequence[str],
    condition: Sequence[str],
    windows: Sequence[Window],
    rate: Floats,
    figures: tuple[Floats, Floats, Floats, Floats],
    attributes: Mapping[str, Sequence[str]] | None,
    *,
    is_shrunken: bool,
) -> Cells:
    if not len(rate):
        raise InputDataError(Problem("there are no cells", "data", "give rows with a known outcome"))
    listed = tuple(sorted(set(windows)))
    place = {window: at for at, window in enumerate(listed)}
    named = [np.asarray(one, dtype=object) for one in (provider, condition)]
    codes = np.array([place[one] for one in windows], dtype=np.int64)
    _refuse_copies(named[0], named[1], codes, listed)
    of_providers = {name: np.asarray(one, dtype=object) for name, one in (attributes or {}).items()}
    return Cells(*named, codes, listed, rate, *figures, of_providers, is_shrunken)


def _refuse_copies(provider: Texts, condition: Texts, codes: Codes, windows: Sequence[Window]) -> None:
    seen: set[tuple[str, str, int]] = set()
    copies = []
    for key in zip(provider, condition, codes.tolist(), strict=True):
        if key in seen:
            copies.append(key)
        seen.add(key)
    if copies:
        examples = tuple(f"{one[0]}, {one[1]}, {windows[one[2]]}" for one in copies[:3])
        what = "a provider has several rows for one condition and window"
        raise InputDataError(Problem(what, "data", "keep one row each", len(copies), examples))


def _demand(right: NDArray[np.bool_], what: str, remedy: str) -> None:
    wrong = np.flatnonzero(~right)
    if len(wrong):
        examples = tuple(f"row {one + 1:,}" for one in wrong[:3])
        raise InputDataError(Problem(what, "data", remedy, len(wrong), examples))
