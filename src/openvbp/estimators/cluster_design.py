"""A regression cut into clusters: what CR2, the wild bootstrap and permutations need, and no more.

Fixed effects nested in clusters are taken out (Pustejovsky and Tipton 2018, theorem 2, allows it). The others become a
column for every level, because they tie clusters together; these columns are held by cell, not by row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openvbp.errors import InputDataError, Problem
from openvbp.estimators.absorption import Absorption, absorption, combinations
from openvbp.estimators.arrays import Codes, Floats
from openvbp.estimators.least_squares import LeastSquares

_MOST_NUMBERS = 250_000_000
"""Held at once: two gigabytes."""
_RANK_TOLERANCE = 1e-10


@dataclass(frozen=True)
class ClusterDesign:
    """Columns Z: the covariates (k), then those of fixed effects that cross clusters (q); nested ones taken out."""

    clusters: Codes
    """Of rows (n)."""
    count: int
    """G."""
    nested: Absorption | None
    """Fixed effects nested in clusters, if any."""
    weights: Floats | None
    covariates: Floats
    """After nested fixed effects were taken out (k × n)."""
    cell: Codes
    """Cell of each row (n)."""
    cell_clusters: Codes
    """(m)."""
    cell_weights: Floats
    """(m)."""
    crossing: Floats
    """Columns of the levels, after nested fixed effects were taken out (q × m)."""

    def without_nested(self, values: Floats) -> Floats:
        """Take fixed effects nested in clusters out of a variable (n)."""
        return values if self.nested is None else self.nested.residuals(values)

    def sums(self, values: Floats) -> Floats:
        """Sum w z v over the rows of each cluster (G × (k + q)), for values v without nested fixed effects (n)."""
        weighted = values if self.weights is None else values * self.weights
        by_row = [np.bincount(self.clusters, column * weighted, self.count) for column in self.covariates]
        in_cell = np.bincount(self.cell, weighted, len(self.cell_weights))
        by_cell = [np.bincount(self.cell_clusters, column * in_cell, self.count) for column in self.crossing]
        return np.stack(by_row + by_cell, axis=1)

    def products(self) -> Floats:
        """Give Σ w z z' over the rows of each cluster (G × (k + q) × (k + q))."""
        covariates = len(self.covariates)
        size = covariates + len(self.crossing)
        _refuse_too_large(self.count * size * size, f"{self.count:,} clusters with {size:,} columns each")
        result = np.empty((self.count, size, size))
        for at, column in enumerate(self.covariates):
            result[:, at, :] = self.sums(column)
            result[:, covariates:, at] = result[:, at, covariates:]
        order = np.argsort(self.cell_clusters, kind="stable")
        ends = np.cumsum(np.bincount(self.cell_clusters, minlength=self.count))
        for cluster, (begin, end) in enumerate(zip(np.append(0, ends[:-1]), ends, strict=True)):
            columns = self.crossing[:, order[begin:end]]
            result[cluster, covariates:, covariates:] = (columns * self.cell_weights[order[begin:end]]) @ columns.T
        return result

    def others(self, place: int) -> tuple[Codes, Floats]:
        """Give the places of all columns but one covariate, and L with LL' the inverse of their Σ w z z' (p × r)."""
        covariates = len(self.covariates)
        size = covariates + len(self.crossing)
        total = np.empty((size, size))
        weighted = self.covariates if self.weights is None else self.covariates * self.weights
        total[:covariates, :covariates] = weighted @ self.covariates.T
        in_cells = np.stack([np.bincount(self.cell, one, len(self.cell_weights)) for one in weighted])
        total[:covariates, covariates:] = in_cells @ self.crossing.T
        total[covariates:, :covariates] = total[:covariates, covariates:].T
        total[covariates:, covariates:] = (self.crossing * self.cell_weights) @ self.crossing.T
        places = np.delete(np.arange(size), place)
        return places, inverse_root(total[np.ix_(places, places)])


def cluster_design(fit: LeastSquares, clusters: Codes, count: int) -> ClusterDesign:
    """Cut a regression into clusters.

    Parameters
    ----------
    fit
        Least squares.
    clusters
        Codes 0 … G − 1 (n).
    count
        G.

    Raises
    ------
    InputDataError
        If fixed effects that cross clusters have too many levels to hold a column for each.
    """
    whole = fit.absorption
    inside = whole.nested_in(clusters)
    nested = [codes for codes, within in zip(whole.codes, inside, strict=True) if within]
    crossing = [codes for codes, within in zip(whole.codes, inside, strict=True) if not within]
    taken_out = absorption(nested, whole.weights) if nested else None
    cell, of_cells = combinations([clusters, *nested, *crossing])
    cell_weights = np.bincount(cell, whole.weights).astype(np.float64)
    columns = _columns(of_cells[1 : 1 + len(nested)], of_cells[1 + len(nested) :], cell_weights)
    covariates = np.stack([one if taken_out is None else taken_out.residuals(one) for one in fit.covariates])
    return ClusterDesign(
        clusters, count, taken_out, whole.weights, covariates, cell, of_cells[0], cell_weights, columns
    )


def inverse_root(products: Floats) -> Floats:
    """Give L with L L' the inverse of Z'WZ on the directions that have one (p × r)."""
    if not len(products):
        return np.empty((0, 0))
    scale = np.sqrt(np.maximum(np.diag(products), np.finfo(float).tiny))
    values, vectors = np.linalg.eigh(products / np.outer(scale, scale))
    kept = values > _RANK_TOLERANCE * values.max()
    return vectors[:, kept] / np.sqrt(values[kept]) / scale[:, None]


def _columns(nested: list[Codes], crossing: list[Codes], weights: Floats) -> Floats:
    levels = [int(codes.max()) + 1 for codes in crossing]
    _refuse_too_large(sum(levels) * len(weights), f"{sum(levels):,} levels of fixed effects that cross clusters")
    within = absorption(nested, weights) if nested else None
    result = np.empty((sum(levels), len(weights)))
    at = 0
    for codes, count in zip(crossing, levels, strict=True):
        for level in range(count):
            column = (codes == level).astype(np.float64)
            result[at] = column if within is None else within.residuals(column)
            at += 1
    return result


def _refuse_too_large(numbers: int, what: str) -> None:
    if numbers > _MOST_NUMBERS:
        remedy = "use standard errors of kind CR1, or fewer levels"
        raise InputDataError(Problem(f"{what} do not fit into memory for this inference", "fixed effects", remedy))
