"""The design of a model: covariates checked and brought to one scale, and sums over their rows.

Covariates are centred and divided by their standard deviation before anything is computed, and the coefficients are
brought back at the end: the model is the same, and one measured in dollars and one measured in shares are then equally
well conditioned.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from openvbp.errors import InputDataError, Problem
from openvbp.outcome_models.rows import CHUNK_ROWS, Floats, Integers, Rows

_LEAST_PIVOT = 1e-9
"""A covariate of which less than this share of the variance is its own repeats others."""
_LEAST_SPREAD = 1e-12


@dataclass(frozen=True)
class Design:
    """Rows with their scale; ``p`` is the number of covariates + 1, for the intercept comes first."""

    rows: Rows
    center: Floats
    scale: Floats
    provider_means: Floats
    """Mean of each scaled covariate at each provider: providers × (p − 1)."""
    group: Integers
    """Provider of each row."""
    blocks: tuple[tuple[int, int], ...]
    """Ranges of whole providers with about a chunk of rows each."""

    @property
    def size(self) -> int:
        """Number of coefficients."""
        return len(self.center) + 1

    @property
    def cases(self) -> Integers:
        """Rows of each provider."""
        return np.diff(self.rows.starts)

    @property
    def observed(self) -> Floats:
        """Events of each provider."""
        return np.add.reduceat(self.rows.outcome, self.rows.starts[:-1])

    def chunks(self) -> Iterator[tuple[int, Floats]]:
        """Give the number of the first row, and the scaled covariates behind an intercept (rows × p).

        The memory of a chunk is used again for the next.
        """
        space = np.ones((0, self.size))
        inverse = 1 / self.scale
        for first, values in self.rows.chunks():
            if len(space) < len(values):
                space = np.ones((len(values), self.size))
            scaled = space[: len(values)]
            np.subtract(values, self.center, out=scaled[:, 1:])
            scaled[:, 1:] *= inverse
            yield first, scaled

    def linear_predictor(self, beta: Floats) -> Floats:
        """Give ``x'β`` of each row."""
        result = np.empty(len(self.rows.outcome))
        for first, values in self.chunks():
            result[first : first + len(values)] = values @ beta
        return result

    def weighted_total(self, weights: Floats) -> Floats:
        """Give the sum over rows of weight times covariates (p)."""
        total = np.zeros(self.size)
        for first, values in self.chunks():
            total += weights[first : first + len(values)] @ values
        return total

    def to_original_scale(self) -> Floats:
        """Give the matrix (p × p) that turns coefficients of scaled covariates into those of the user's."""
        matrix = np.diag(np.concatenate([[1], 1 / self.scale]))
        matrix[0, 1:] = -self.center / self.scale
        return matrix


def design_of(rows: Rows) -> Design:
    """Check rows and find their scale, in two passes.

    Raises
    ------
    InputDataError
        If there is one provider only, the outcome never or always happens, or covariates are not finite, constant,
        repeat others, or tell the outcome by themselves; all that is wrong is named.
    """
    outcome = rows.outcome
    problems = list(_outcome_problems(rows))
    ranges = _Ranges(len(rows.covariates))
    for first, values in rows.chunks():
        ranges.add(values, outcome[first : first + len(values)] > 0)
    not_finite = [name for name, value in zip(rows.covariates, ranges.total, strict=True) if not np.isfinite(value)]
    if not_finite:
        problems.append(_named("covariates are missing or infinite", not_finite, "leave out such rows"))
    if problems:
        raise InputDataError(problems)
    center = ranges.total / len(outcome)
    counts = np.diff(rows.starts)
    group = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    covariance, provider_totals = _second_pass(rows, center, group)
    scale = np.sqrt(np.diag(covariance) / len(outcome))
    problems = _covariate_problems(rows.covariates, ranges, covariance, scale)
    if problems:
        raise InputDataError(problems)
    means = provider_totals / scale / counts[:, None]
    return Design(rows, center, scale, means, group, _blocks(rows.starts))


def _outcome_problems(rows: Rows) -> Iterator[Problem]:
    events = rows.outcome.sum()
    if len(rows.providers) < 2:
        yield Problem(
            "there is only one provider", "the providers", "give rows of several: there is nothing to compare"
        )
    if events in (0, len(rows.outcome)):
        what = "the outcome never happens" if events == 0 else "the outcome always happens"
        yield Problem(what, "the outcome", "check how it is coded: 1 where it happened, 0 where it did not")


class _Ranges:
    """Totals of covariates, and their ranges with and without the outcome (rows 1 and 0)."""

    def __init__(self, covariates: int) -> None:
        self.total = np.zeros(covariates)
        self.low = np.full((2, covariates), np.inf)
        self.high = np.full((2, covariates), -np.inf)

    def add(self, values: Floats, happened: np.ndarray) -> None:
        self.total += values.sum(axis=0)
        for place, chosen in enumerate((~happened, happened)):
            if chosen.any():
                part = values[chosen]
                self.low[place] = np.minimum(self.low[place], part.min(axis=0))
                self.high[place] = np.maximum(self.high[place], part.max(axis=0))


def _second_pass(rows: Rows, center: Floats, group: Integers) -> tuple[Floats, Floats]:
    covariance = np.zeros((len(center), len(center)))
    totals = np.zeros((len(rows.providers), len(center)))
    for first, values in rows.chunks():
        centred = values - center
        covariance += centred.T @ centred
        here, starts = segments(rows.starts, group, first, len(values))
        totals[here] += np.add.reduceat(centred, starts, axis=0)
    return covariance, totals


def segments(starts: Integers, group: Integers, first: int, rows: int) -> tuple[slice, Integers]:
    """Give the providers of a chunk, and where in the chunk the rows of each begin."""
    here = slice(group[first], group[first + rows - 1] + 1)
    return here, np.maximum(starts[here] - first, 0)


def _blocks(starts: Integers) -> tuple[tuple[int, int], ...]:
    blocks, begin = [], 0
    while begin < len(starts) - 1:
        end = int(np.searchsorted(starts, starts[begin] + CHUNK_ROWS, side="right")) - 1
        blocks.append((begin, max(end, begin + 1)))
        begin = blocks[-1][1]
    return tuple(blocks)


def _covariate_problems(names: tuple[str, ...], ranges: _Ranges, covariance: Floats, scale: Floats) -> list[Problem]:
    largest = np.maximum(np.abs(ranges.low), np.abs(ranges.high)).max(axis=0)
    is_constant = (ranges.low.min(axis=0) == ranges.high.max(axis=0)) | (scale <= _LEAST_SPREAD * largest)
    problems = []
    if is_constant.any():
        constant = [name for name, one in zip(names, is_constant, strict=True) if one]
        problems.append(_named("covariates are constant", constant, "leave them out: the intercept holds them"))
    kept = np.flatnonzero(~is_constant)
    scaled = covariance[np.ix_(kept, kept)] / np.sqrt(np.outer(np.diag(covariance)[kept], np.diag(covariance)[kept]))
    repeated = [names[kept[place]] for place in _repeated(scaled)]
    if repeated:
        what_to_do = "leave them out: each is a sum of multiples of covariates before it"
        problems.append(_named("covariates repeat others (they are collinear)", repeated, what_to_do))
    splits = (ranges.high[0] <= ranges.low[1]) | (ranges.high[1] <= ranges.low[0])
    separated = [name for name, one in zip(names, splits & ~is_constant, strict=True) if one]
    if separated:
        what_to_do = "leave them out or pool them with others: no finite coefficient fits such a covariate best"
        what = "covariates tell the outcome by themselves (separation), as an indicator without events does"
        problems.append(_named(what, separated, what_to_do))
    return problems


def _repeated(correlations: Floats) -> list[int]:
    """Columns whose variance is taken up by those before them (Cholesky decomposition, column by column)."""
    size = len(correlations)
    lower = np.zeros((size, size))
    found: list[int] = []
    for at in range(size):
        for one in range(at):
            if one not in found:
                lower[at, one] = (correlations[at, one] - lower[at, :one] @ lower[one, :one]) / lower[one, one]
        left = correlations[at, at] - lower[at, :at] @ lower[at, :at]
        if left < _LEAST_PIVOT:
            found.append(at)
            lower[at, :] = 0
        else:
            lower[at, at] = np.sqrt(left)
    return found


def _named(what: str, names: list[str], what_to_do: str) -> Problem:
    return Problem(what, ", ".join(names), what_to_do, count=len(names))
