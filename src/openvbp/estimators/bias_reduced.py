"""CR2: cluster-robust errors that are unbiased under a working model, with Satterthwaite's degrees of freedom.

Bell and McCaffrey 2002; Pustejovsky and Tipton 2018, equations 3 and 11. V = M Σ_g Z_g'A_g e_g e_g'A_g'Z_g M with
M = (Z'Z)⁻¹ and A_g = (I − Z_g M Z_g')^(−1/2), rows multiplied by √w: the working model has independent rows of variance
σ²/w. A_g is as large as a cluster has rows. With M = LL' and K_g = L'Z_g'Z_g L, A_g Z_g L = Z_g L (I − K_g)^(−1/2),
so all is computed from matrices as large as there are columns, of any number of clusters of any size.
"""

from __future__ import annotations

import numpy as np

from openvbp.estimators.arrays import Codes, Floats
from openvbp.estimators.cluster_design import cluster_design, inverse_root
from openvbp.estimators.inference import Inference
from openvbp.estimators.least_squares import LeastSquares

_LEVERAGE_TOLERANCE = 1e-8
"""A direction that one cluster alone decides has a leverage of 1: no residual is left there, and none is scaled up."""


def bias_reduced(fit: LeastSquares, clusters: Codes, count: int) -> Inference:
    """Give the CR2 covariance of the coefficients.

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
        If fixed effects that cross clusters have too many levels.
    """
    design = cluster_design(fit, clusters, count)
    products = design.products()
    root = inverse_root(products.sum(axis=0))
    leverage = root.T @ products @ root
    del products
    values, vectors = np.linalg.eigh(leverage)
    left = 1 - values
    scaled = np.where(left > _LEVERAGE_TOLERANCE, 1 / np.sqrt(np.maximum(left, _LEVERAGE_TOLERANCE)), 0)
    adjustment = (vectors * scaled[:, None, :]) @ vectors.transpose(0, 2, 1)
    scores = np.einsum("grs,gs->gr", adjustment, design.sums(fit.residuals) @ root)
    of_covariates = root[: len(fit.names)]
    covariance = of_covariates @ (scores.T @ scores) @ of_covariates.T

    def freedom(factors: Floats) -> float:
        return _satterthwaite(leverage, adjustment @ (of_covariates.T @ factors))

    return Inference(fit.names, fit.coefficients, covariance, "CR2", fit.observations, count, freedom)


def _satterthwaite(leverage: Floats, direction: Floats) -> float:
    """(Σ P_gg)² / Σ P_gh² with P = (p_g'p_h), p_g = (I − H)_g'A_g Z_g M c; nan where nothing varies."""
    moved = np.einsum("grs,gs->gr", leverage, direction)
    lengths = np.einsum("gr,gr->g", direction, moved)
    shared = np.einsum("gr,gr->g", moved, moved)
    squares = lengths @ lengths - 2 * lengths @ shared + np.sum((moved.T @ moved) ** 2)
    trace = np.sum(lengths - shared)
    return float(trace**2 / squares) if squares > 0 else float("nan")
