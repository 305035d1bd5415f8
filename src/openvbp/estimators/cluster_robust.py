"""Standard errors that allow rows of a cluster to be dependent (CR1, CR2), or rows to vary unequally (HC1).

CR1 (Liang and Zeger 1986): V = G/(G − 1) · (N − 1)/(N − K) · (X'WX)⁻¹ Σ_g s_g s_g' (X'WX)⁻¹ with s_g the sum of w x e
over cluster g. K counts the covariates, the intercept, and the levels but one of each fixed effect that is **not**
nested in the clusters: provider effects do not count when providers are clusters. fixest counts the same way; pyfixest
0.60 too, unless it orders fixed effects otherwise than its formula (by chance) and mixes up which of them are nested.

HC1 (MacKinnon and White 1985): N/(N − K) · (X'WX)⁻¹ Σ_i w² e² x x' (X'WX)⁻¹; all fixed effects count. Cells give the
CR1 and CR2 of their patients exactly, and not their HC1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.estimators.arrays import Codes, Floats, checked_codes
from openvbp.estimators.bias_reduced import bias_reduced
from openvbp.estimators.inference import Inference
from openvbp.estimators.least_squares import LeastSquares

KINDS = ("CR1", "CR2", "HC1")


def cluster_robust(fit: LeastSquares, clusters: ArrayLike, kind: str = "CR1") -> Inference:
    """Give the covariance of the coefficients.

    Parameters
    ----------
    fit
        Least squares.
    clusters
        Cluster of each row (n), whole numbers; HC1 makes no use of it.
    kind
        CR1: t with G − 1 degrees of freedom. CR2: for few or unequal clusters, t with Satterthwaite's degrees of
        freedom (:mod:`openvbp.estimators.bias_reduced`). HC1: t with N − K.

    Raises
    ------
    InputDataError
        If all rows are in one cluster, or there are no more observations than coefficients.
    UsageError
        If the kind is another.
    """
    if kind not in KINDS:
        raise UsageError(Problem(f"no standard errors of kind '{kind}'", "kind", "one of: " + ", ".join(KINDS)))
    if kind == "HC1":
        return _heteroskedastic(fit)
    codes, count = checked_clusters(fit, clusters)
    single = frozenset(
        name for name, column in zip(fit.names, fit.covariates, strict=True) if _is_of_one_cluster(column, codes)
    )
    if kind == "CR2":
        return replace(bias_reduced(fit, codes, count), from_one_cluster=single)
    factor = count / (count - 1) * (fit.observations - 1) / _freedom(fit, fit.absorption.nested_in(codes))
    scores = cluster_scores(fit, codes, count)
    covariance = factor * fit.bread @ (scores.T @ scores) @ fit.bread
    return Inference(
        fit.names,
        fit.coefficients,
        covariance,
        kind,
        fit.observations,
        count,
        lambda _factors: float(count - 1),
        from_one_cluster=single,
    )


def compared_with_one_cluster(
    inference: Inference, names: Sequence[str], treated: Floats, clusters: ArrayLike
) -> Inference:
    """Mark coefficients of a treatment that all clusters but one have: they rest on that one.

    Parameters
    ----------
    inference
        With or without marks.
    names
        Coefficients of the treatment.
    treated
        Zero on all rows of untreated units (n); nothing is marked if treated rows differ, as doses do. A cluster with
        treated and untreated units, such as a state, counts as one with untreated ones.
    clusters
        Whole numbers (n).
    """
    codes, count = checked_codes(clusters, "clusters", len(treated))
    untreated = int(np.count_nonzero(np.bincount(codes, treated == 0, count)))
    if inference.kind == "HC1" or untreated != 1 or len(np.unique(treated)) > 2:
        return inference
    return replace(inference, from_one_cluster=inference.from_one_cluster.union(names))


def checked_clusters(fit: LeastSquares, clusters: ArrayLike) -> tuple[Codes, int]:
    """Give clusters as codes 0 … G − 1 (n) and G.

    Raises
    ------
    InputDataError
        If all rows are in one.
    """
    codes, count = checked_codes(clusters, "clusters", len(fit.residuals))
    if count < 2:
        what = "all rows are in one cluster: how it would vary cannot be seen"
        remedy = "cluster by a smaller unit, or state the shock that would overturn the result instead of an error"
        raise InputDataError(Problem(what, "clusters", remedy))
    return codes, count


def cluster_scores(fit: LeastSquares, codes: Codes, count: int) -> Floats:
    """Sum w x e over the rows of each cluster (G × k)."""
    weighted = fit.weighted_residuals
    return np.stack([np.bincount(codes, column * weighted, count) for column in fit.within], axis=1)


def _is_of_one_cluster(column: Floats, codes: Codes) -> bool:
    """Say whether a covariate is other than zero in one cluster only."""
    rows = np.flatnonzero(column)
    return bool(codes[rows[0]] == codes[rows[-1]] and (codes[rows] == codes[rows[0]]).all())


def _heteroskedastic(fit: LeastSquares) -> Inference:
    rest = _freedom(fit, (False,) * len(fit.absorption.levels))
    weighted = fit.weighted_residuals
    scores = fit.within * weighted
    covariance = fit.observations / rest * fit.bread @ (scores @ scores.T) @ fit.bread
    return Inference(fit.names, fit.coefficients, covariance, "HC1", fit.observations, 0, lambda _factors: float(rest))


def _freedom(fit: LeastSquares, nested: tuple[bool, ...]) -> int:
    """N − K."""
    levels = fit.absorption.levels
    counted = sum(count - 1 for count, inside in zip(levels, nested, strict=True) if not inside)
    rest = fit.observations - (len(fit.names) + 1 + counted)
    if rest <= 0:
        what = f"{fit.observations:,} observations for {fit.observations - rest:,} coefficients"
        raise InputDataError(Problem(what, "observations", "take more rows, or fewer fixed effects and covariates"))
    return rest
