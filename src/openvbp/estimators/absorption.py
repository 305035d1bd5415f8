"""Fixed effects taken out of a variable: x − P x, P the weighted projection on the levels of all fixed effects.

By the method of alternating projections (group means subtracted in turn, Halperin 1962), made symmetric (there and
back) and sped up by conjugate gradients: Correia 2017, "Linear Models with High-Dimensional Fixed Effects", sec. 3.

P x depends on x through its means in cells only, a cell being a combination of levels that occurs. So the iterations
run over cells; rows are read once to form the means and once to subtract.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import Codes, Floats, checked_codes, checked_floats, checked_weights, dot

TOLERANCE = 1e-10
"""Of the largest group mean that is left, in standard deviations of the variable."""
_MOST_PASSES = 10_000
_RESTARTS = 20


@dataclass(frozen=True)
class Absorption:
    """Fixed effects made ready to be taken out of variables of the same rows."""

    codes: tuple[Codes, ...]
    """Level of each row (n), per fixed effect."""
    levels: tuple[int, ...]
    """Levels of each fixed effect."""
    singletons: tuple[int, ...]
    """Levels of each fixed effect with one row only: kept, though they say nothing of any covariate."""
    weights: Floats | None
    """Of rows (n)."""
    cell: Codes | None
    """Cell of each row (n); none where nearly every row is a cell of its own, and rows serve as cells."""
    cell_levels: tuple[Codes, ...]
    """Level of each cell (m), per fixed effect."""
    cell_weights: Floats
    """(m)."""
    level_weights: tuple[Floats, ...]

    def residuals(self, values: ArrayLike, *, name: str = "values", tolerance: float = TOLERANCE) -> Floats:
        """Take the fixed effects out of a variable (n); the variable itself stays as it was.

        Raises
        ------
        InputDataError
            If values are missing, or the iterations do not settle.
        """
        values = checked_floats(values, name, len(self.codes[0]))
        if self.cell is None:
            return self._within(values, name, tolerance)
        means = self.cell_means(values)
        fitted = means - self._within(means, name, tolerance)
        result = np.take(fitted, self.cell)
        return np.subtract(values, result, out=result)

    def cell_means(self, values: Floats) -> Floats:
        """Weighted mean of a variable (n) in each cell (m)."""
        if self.cell is None:
            return values
        weighted = values if self.weights is None else values * self.weights
        return np.bincount(self.cell, weighted, len(self.cell_weights)) / self.cell_weights

    def redundant_levels(self) -> int:
        """Count levels that others imply.

        Exact for two fixed effects (the connected parts of the graph of their levels); from three on a lower bound, the
        best over pairs, as in reghdfe.
        """
        found = 0
        for later in range(1, len(self.levels)):
            found += max(self._connected(earlier, later) for earlier in range(later))
        return found

    def nested_in(self, cluster: Codes) -> tuple[bool, ...]:
        """Say of each fixed effect whether every level of it lies within one cluster (n)."""
        return tuple(is_nested(codes, levels, cluster) for codes, levels in zip(self.codes, self.levels, strict=True))

    def _connected(self, first: int, second: int) -> int:
        size = self.levels[first] + self.levels[second]
        places = self.cell_levels[first], self.cell_levels[second] + self.levels[first]
        graph = coo_array((np.ones(len(places[0]), dtype=np.int8), places), shape=(size, size))
        return int(connected_components(graph, directed=False, return_labels=False))

    def _within(self, values: Floats, name: str, tolerance: float) -> Floats:
        """Take the fixed effects out of cell means (m)."""
        weights = self.cell_weights
        result = values - dot(weights, values) / weights.sum()
        # A constant, as rounding leaves it, counts as zero.
        scale = max(np.sqrt(dot(weights, result, result) / weights.sum()), 1e-14 * np.abs(values).max(initial=0))
        self._subtract_means(result, 0)
        if len(self.levels) == 1 or scale == 0:
            return result
        passes = 0
        for restart in range(_RESTARTS):
            # Where levels hardly overlap, what a pass changes is far smaller than the means that are left.
            passes += self._conjugate_gradients(result, scale * tolerance / 10**restart)
            result = self._there_and_back(result)
            if max(np.abs(self._means(result, at)).max() for at in range(len(self.levels))) <= tolerance * scale:
                return result
        what = f"fixed effects could not be taken out of '{name}' in {passes:,} passes"
        remedy = "look for levels that hardly overlap, and combine or leave them out"
        raise InputDataError(Problem(what, "fixed effects", remedy))

    def _conjugate_gradients(self, values: Floats, tolerance: float) -> int:
        """Solve (I − T) x = 0 from the values on, in place, T being the projections there and back."""
        weights = self.cell_weights
        rest = values - self._there_and_back(values)
        direction = rest.copy()
        length = dot(weights, rest, rest)
        for passes in range(_MOST_PASSES):
            if np.abs(rest).max() <= tolerance / 2:
                return passes
            change = direction - self._there_and_back(direction)
            curvature = dot(weights, direction, change)
            if curvature <= 0:
                return passes
            step = length / curvature
            values -= step * direction
            rest -= step * change
            before, length = length, dot(weights, rest, rest)
            direction *= length / before
            direction += rest
        return _MOST_PASSES

    def _there_and_back(self, values: Floats) -> Floats:
        result = values.copy()
        count = len(self.levels)
        for at in (*range(count), *range(count - 2, -1, -1)):
            self._subtract_means(result, at)
        return result

    def _subtract_means(self, values: Floats, at: int) -> None:
        values -= np.take(self._means(values, at), self.cell_levels[at])

    def _means(self, values: Floats, at: int) -> Floats:
        return np.bincount(self.cell_levels[at], values * self.cell_weights, self.levels[at]) / self.level_weights[at]


def absorption(fixed_effects: Sequence[ArrayLike], weights: ArrayLike | None = None) -> Absorption:
    """Make fixed effects ready.

    Parameters
    ----------
    fixed_effects
        One or more arrays of whole numbers (n): the level of each row.
    weights
        Of rows (n), all above zero; none: all one.

    Raises
    ------
    InputDataError
        If levels are missing or weights are not above zero.
    """
    rows = len(np.asarray(fixed_effects[0]))
    coded = [checked_codes(codes, f"fixed effect {at + 1}", rows) for at, codes in enumerate(fixed_effects)]
    codes, levels = tuple(one for one, _ in coded), tuple(count for _, count in coded)
    checked = checked_weights(weights, rows)
    cell, cell_levels = combinations(codes)
    if len(cell_levels[0]) > rows / 2:
        cell, cell_levels, cell_weights = None, codes, np.ones(rows) if checked is None else checked
    else:
        cell_weights = np.bincount(cell, checked).astype(np.float64)
    level_weights = tuple(np.bincount(one, cell_weights, size) for one, size in zip(cell_levels, levels, strict=True))
    singletons = tuple(int((np.bincount(one) == 1).sum()) for one in codes)
    return Absorption(codes, levels, singletons, checked, cell, tuple(cell_levels), cell_weights, level_weights)


def is_nested(codes: Codes, levels: int, cluster: Codes) -> bool:
    """Say whether each level lies within one cluster."""
    owner = np.empty(levels, dtype=np.int64)
    owner[codes] = cluster
    return bool((np.take(owner, codes) == cluster).all())


def combinations(codes: Sequence[Codes]) -> tuple[Codes, list[Codes]]:
    """Number the combinations of codes that occur (n), and give the codes of each combination (m)."""
    combined = codes[0]
    for one in codes[1:]:
        # Numbered anew at each step: the product of all levels may not fit into a whole number.
        combined, _ = checked_codes(combined * (int(one.max()) + 1) + one, "combinations")
    of_combinations = []
    for one in codes:
        code = np.empty(int(combined.max()) + 1, dtype=np.int64)
        code[combined] = one
        of_combinations.append(code)
    return combined, of_combinations
