"""Arrays that estimators take: checked once, with errors that say which and where."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from openvbp.errors import MAXIMUM_EXAMPLES, InputDataError, Problem

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
_SPARSE = 4
"""Codes may reach so many times the number of rows before they are sorted rather than counted."""


def checked_floats(values: ArrayLike, name: str, rows: int | None = None) -> Floats:
    """Give finite numbers as float64[n], without a copy where they are that already.

    Raises
    ------
    InputDataError
        If there are none, not as many as rows, or some are missing or infinite: a missing value is never zero.
    """
    result = np.ascontiguousarray(values, dtype=np.float64)
    _check_shape(result.shape, name, rows)
    # The sum is finite only if all are, nearly always: a pass without a temporary array.
    if not np.isfinite(result.sum()):
        wrong = np.flatnonzero(~np.isfinite(result))
        if len(wrong):
            what, remedy = f"'{name}' has missing or infinite values", "leave these rows out, or say what they are"
            raise InputDataError(Problem(what, name, remedy, len(wrong), row_examples(wrong)))
    return result


def checked_codes(values: ArrayLike, name: str, rows: int | None = None) -> tuple[Codes, int]:
    """Give whole numbers as codes 0 … L − 1 in their order, int64[n], and L; levels that do not occur fall out.

    Raises
    ------
    InputDataError
        If they are not whole numbers, or not as many as rows.
    """
    codes = np.asarray(values)
    _check_shape(codes.shape, name, rows)
    if codes.dtype.kind not in "iub":
        what = f"'{name}' has values of type {codes.dtype}, not whole numbers"
        raise InputDataError(Problem(what, name, "number the levels, for example by numpy.unique(return_inverse=True)"))
    codes = codes.astype(np.int64, copy=False)
    low, high = int(codes.min()), int(codes.max())
    if low < 0 or high >= _SPARSE * len(codes) + 1_000:
        levels, found = np.unique(codes, return_inverse=True)
        return found.astype(np.int64, copy=False), len(levels)
    occurs = np.bincount(codes, minlength=high + 1) > 0
    count = int(occurs.sum())
    return (codes if count == high + 1 else (np.cumsum(occurs) - 1)[codes]), count


def checked_weights(values: ArrayLike | None, rows: int) -> Floats | None:
    """Give weights as float64[n]; none: all are one.

    Raises
    ------
    InputDataError
        If weights are missing, sum to zero, or some are zero or below.
    """
    if values is None:
        return None
    weights = checked_floats(values, "weights", rows)
    if weights.min() > 0:
        return weights
    remedy = "leave out rows without weight: they say nothing, and would be counted as observations"
    if not weights.any():
        raise InputDataError(Problem("weights sum to zero", "weights", remedy, rows))
    wrong = np.flatnonzero(weights <= 0)
    raise InputDataError(Problem("weights of zero or below", "weights", remedy, len(wrong), row_examples(wrong)))


def crossed(first: Codes, second: Codes) -> Codes:
    """Number the pairs that occur, as in provider × condition; sorted by the first, then the second.

    Raises
    ------
    InputDataError
        If they are not whole numbers, or not as many of the one as of the other.
    """
    first, _ = checked_codes(first, "first")
    second, count = checked_codes(second, "second", len(first))
    return checked_codes(first * count + second, "pairs")[0]


def dot(*factors: Floats) -> float:
    """Sum the products of two or three arrays, without temporary arrays or threads that wait for each other."""
    return float(np.einsum("i,i->" if len(factors) == 2 else "i,i,i->", *factors))


def row_examples(rows: NDArray[np.int64]) -> Sequence[str]:
    """Name the first rows, counted from 0; never their values, which may be of patients."""
    return tuple(f"row {row:,}" for row in rows[:MAXIMUM_EXAMPLES])


def _check_shape(shape: tuple[int, ...], name: str, rows: int | None) -> None:
    if len(shape) != 1:
        raise InputDataError(Problem(f"'{name}' has {len(shape)} dimensions, not 1", name, "give one value per row"))
    if rows is not None and shape[0] != rows:
        what = f"'{name}' has {shape[0]:,} values for {rows:,} rows"
        raise InputDataError(Problem(what, name, "give one value per row"))
    if not shape[0]:
        raise InputDataError(Problem(f"'{name}' is empty", name, "look at what was filtered out before"))
