"""The design of a model: covariates checked and brought to one scale, and sums over their rows.

Covariates are centred and divided by their standard deviation, and the coefficients are brought back at the end: the
model is the same, and one measured in dollars and one measured in shares are then equally well conditioned. Rows are
left as they are, wherever that costs no digits: it is their sums that are brought to the scale.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from openvbp.errors import InputDataError, Problem
from openvbp.outcome_models.rows import CHUNK_ROWS, Floats, Integers, MemoryRows, Rows

_LEAST_PIVOT = 1e-9
"""A covariate of which less than this share of the variance is its own repeats others."""
_LEAST_SPREAD = 1e-12
_FAR_FROM_ZERO = 100.0
"""Standard deviations: a covariate whose mean is farther from zero is centred row by row, for its squares would lose
more than four digits."""


@dataclass(frozen=True)
class Design:
    """Rows with their scale; ``p`` is the number of covariates + 1, for the intercept comes first."""

    rows: Rows
    center: Floats
    scale: Floats
    origin: Floats
    """What is taken off the covariates of each row: their center where that is far from zero, or nothing."""
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
        """Give the number of the first row, and the covariates less their origin (rows × (p − 1)).

        The memory of a chunk is used again for the next.
        """
        space = np.empty((0, self.size - 1))
        is_moved = bool(self.origin.any())
        for first, values in self.rows.chunks():
            if not is_moved:
                yield first, values
                continue
            if len(space) < len(values):
                space = np.empty(values.shape, order="F")
            yield first, np.subtract(values, self.origin, out=space[: len(values)])

    def to_scale(self, origin: Floats | None = None) -> Floats:
        """Give the matrix T (p × p) that brings a row (1, x − origin) to the scale, and coefficients back from it.

        Parameters
        ----------
        origin
            That of :meth:`chunks` when not given; zero for the covariates of the user.
        """
        matrix = np.diag(np.concatenate([[1], 1 / self.scale]))
        matrix[0, 1:] = ((self.origin if origin is None else origin) - self.center) / self.scale
        return matrix

    def to_original_scale(self) -> Floats:
        """Give the matrix (p × p) that turns coefficients of scaled covariates into those of the user's."""
        return self.to_scale(np.zeros_like(self.origin))

    def linear_predictor(self, beta: Floats) -> Floats:
        """Give ``x'β`` of each row."""
        result = np.empty(len(self.rows.outcome))
        moved = self.to_scale() @ beta
        for first, values in self.chunks():
            np.matmul(values, moved[1:], out=result[first : first + len(values)])
        result += moved[0]
        return result

    def weighted_total(self, weights: Floats) -> Floats:
        """Give the sum over rows of weight times covariates (p)."""
        total = np.zeros(self.size)
        total[0] = weights.sum()
        for first, values in self.chunks():
            total[1:] += weights[first : first + len(values)] @ values
        return total @ self.to_scale()


def sample_of(design: Design, rows: MemoryRows, every: int) -> tuple[Integers, Design]:
    """Give every so-manieth provider, and the design of their rows alone, at the same scale."""
    chosen = np.arange(0, len(rows.providers), every)
    cases = np.diff(rows.starts)[chosen]
    group = np.repeat(np.arange(len(chosen), dtype=np.int64), cases)
    starts = np.concatenate([[0], np.cumsum(cases)]).astype(np.int64)
    places = np.arange(len(group)) + (rows.starts[chosen] - starts[:-1])[group]
    values = np.empty((len(group), len(rows.covariates)), order="F")
    for column in range(len(rows.covariates)):
        values[:, column] = rows.values[places, column]
    part = MemoryRows(
        rows.covariates, tuple(rows.providers[one] for one in chosen), starts, rows.outcome[places], values
    )
    means = design.provider_means[chosen]
    return chosen, Design(part, design.center, design.scale, design.origin, means, group, blocks_of(starts))


def design_of(rows: Rows) -> Design:
    """Check rows and find their scale, in one pass.

    Raises
    ------
    InputDataError
        If there is one provider only, the outcome never or always happens, or covariates are not finite, constant,
        repeat others, or tell the outcome by themselves; all that is wrong is named.
    """
    problems = list(_outcome_problems(rows))
    counts = np.diff(rows.starts)
    group = np.repeat(np.arange(len(counts), dtype=np.int64), counts)
    found = _Moments(len(rows.covariates), len(counts))
    for first, values in rows.chunks():
        found.add(values, rows.outcome[first : first + len(values)] > 0, *segments(rows.starts, group, first, values))
    not_finite = [name for name, one in zip(rows.covariates, found.is_finite, strict=True) if not one]
    if not_finite:
        problems.append(_named("covariates are missing or infinite", not_finite, "leave out such rows"))
    if problems:
        raise InputDataError(problems)
    center, covariance, provider_totals = found.about_the_mean(counts)
    scale = np.sqrt(np.maximum(np.diag(covariance), 0) / len(group))
    problems = _covariate_problems(rows.covariates, found.separated, center, covariance, scale)
    if problems:
        raise InputDataError(problems)
    origin = np.where(np.abs(center) > _FAR_FROM_ZERO * scale, center, 0)
    means = provider_totals / scale / counts[:, None]
    return Design(rows, center, scale, origin, means, group, blocks_of(rows.starts))


def _outcome_problems(rows: Rows) -> Iterator[Problem]:
    events = rows.outcome.sum()
    if len(rows.providers) < 2:
        yield Problem(
            "there is only one provider", "the providers", "give rows of several: there is nothing to compare"
        )
    if events in (0, len(rows.outcome)):
        what = "the outcome never happens" if events == 0 else "the outcome always happens"
        yield Problem(what, "the outcome", "check how it is coded: 1 where it happened, 0 where it did not")


class _Moments:
    """Sums and products of covariates about the mean of the first chunk, and their ranges without and with the outcome.

    About a mean of some of the rows few digits are lost, wherever zero is; about that of all rows a second pass would
    be needed.
    """

    def __init__(self, covariates: int, providers: int) -> None:
        self.about: Floats | None = None
        self.is_finite = np.ones(covariates, dtype=bool)
        self.products = np.zeros((covariates, covariates))
        self.provider_totals = np.zeros((providers, covariates))
        self.separated = np.arange(covariates)
        """Covariates of which the ranges without and with the outcome have not overlapped so far."""
        self._low = np.full((2, covariates), np.inf)
        self._high = np.full((2, covariates), -np.inf)

    def add(self, values: Floats, happened: np.ndarray, here: slice, starts: Integers) -> None:
        with np.errstate(invalid="ignore"):
            total = values.sum(axis=0)
        self.is_finite &= np.isfinite(total)
        if not self.is_finite.all():
            return
        if self.about is None:
            self.about = total / len(values)
        centred = values - self.about
        self.products += centred.T @ centred
        self.provider_totals[here] += np.add.reduceat(centred, starts, axis=0)
        if len(self.separated):
            self._compare(values[:, self.separated], happened)

    def _compare(self, values: Floats, happened: np.ndarray) -> None:
        """Widen the ranges; a covariate whose ranges overlap is not looked at again."""
        chosen = self.separated
        for place, rows in enumerate((values[~happened], values[happened])):
            if len(rows):
                self._low[place, chosen] = np.minimum(self._low[place, chosen], rows.min(axis=0))
                self._high[place, chosen] = np.maximum(self._high[place, chosen], rows.max(axis=0))
        low, high = self._low[:, chosen], self._high[:, chosen]
        self.separated = chosen[(high[0] <= low[1]) | (high[1] <= low[0])]

    def about_the_mean(self, counts: Integers) -> tuple[Floats, Floats, Floats]:
        """Mean, products about it (not divided by the rows), and totals about it of each provider."""
        about = np.zeros(len(self.products)) if self.about is None else self.about
        rows = counts.sum()
        moved = self.provider_totals.sum(axis=0) / rows
        products = self.products - rows * np.outer(moved, moved)
        return about + moved, products, self.provider_totals - counts[:, None] * moved


def segments(starts: Integers, group: Integers, first: int, values: Floats) -> tuple[slice, Integers]:
    """Give the providers of a chunk, and where in the chunk the rows of each begin."""
    here = slice(group[first], group[first + len(values) - 1] + 1)
    return here, np.maximum(starts[here] - first, 0)


def blocks_of(starts: Integers) -> tuple[tuple[int, int], ...]:
    """Part providers into ranges with about a chunk of rows each."""
    blocks, begin = [], 0
    while begin < len(starts) - 1:
        end = int(np.searchsorted(starts, starts[begin] + CHUNK_ROWS, side="right")) - 1
        blocks.append((begin, max(end, begin + 1)))
        begin = blocks[-1][1]
    return tuple(blocks)


def _covariate_problems(
    names: tuple[str, ...], separated: Integers, center: Floats, covariance: Floats, scale: Floats
) -> list[Problem]:
    is_constant = scale <= _LEAST_SPREAD * np.abs(center)
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
    telling = [names[place] for place in separated if not is_constant[place]]
    if telling:
        what_to_do = "leave them out or pool them with others: no finite coefficient fits such a covariate best"
        what = "covariates tell the outcome by themselves (separation), as an indicator without events does"
        problems.append(_named(what, telling, what_to_do))
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
