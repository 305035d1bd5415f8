"""CR2: cluster-robust errors that are unbiased under a working model, with Satterthwaite's degrees of freedom.

Bell and McCaffrey 2002; Pustejovsky and Tipton 2018, equations 3 and 11. V = M Σ_g Z_g'A_g e_g e_g'A_g'Z_g M with
M = (Z'Z)⁻¹ and A_g = (I − Z_g M Z_g')^(−1/2), rows multiplied by √w: the working model has independent rows of variance
σ²/w. A_g is as large as a cluster has rows. With M = LL' and K_g = L'Z_g'Z_g L, A_g Z_g L = Z_g L (I − K_g)^(−1/2),
so all is computed from matrices as large as there are columns, of any number of clusters of any size.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from openvbp.estimators.arrays import Codes, Floats
from openvbp.estimators.cluster_design import cluster_design, inverse_root
from openvbp.estimators.inference import Inference
from openvbp.estimators.least_squares import LeastSquares

_LEVERAGE_TOLERANCE = 1e-8
"""A direction that one cluster alone decides has a leverage of 1: no residual is left there, and none is scaled up."""
_SERIES_CONVERGES = 0.5
"""Trace of leverage up to which the series takes less than fifty terms."""


@dataclass(frozen=True)
class _Leverage:
    """K_g = L'Z_g'Z_g L of all clusters, r × r each, without being written out but where it is large."""

    products: Floats
    """Z_g'Z_g (G × p × p)."""
    root: Floats
    """L (p × r)."""
    large: NDArray[np.bool_]
    vectors: Floats
    """Eigenvectors of K of clusters with large leverage, and one by the root of one minus their eigenvalues."""
    scale: Floats

    def times(self, values: Floats) -> Floats:
        """Give K_g v_g of each cluster (G × r)."""
        return _times(self.products, values @ self.root.T) @ self.root

    def rooted(self, values: Floats) -> Floats:
        """Give (I − K_g)^(−1/2) v_g of each cluster (G × r).

        Most clusters of many have so little leverage that the binomial series Σ (2j − 1)!!/(2j)!! K^j v ends after a
        few products, where finding all eigenvectors takes longer than all the rest.
        """
        large = _times(self.vectors, self.scale * _times(self.vectors.transpose(0, 2, 1), values[self.large]))
        term = np.where(self.large[:, None], 0, values)
        result, count = term.copy(), 0
        while np.abs(term).max() > 1e-17 * np.abs(result).max():
            count += 1
            term = (2 * count - 1) / (2 * count) * self.times(term)
            result += term
        result[self.large] = large
        return result


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
    leverage = _leverage(design.products())
    root = leverage.root
    scores = leverage.rooted(design.sums(fit.residuals) @ root)
    of_covariates = root[: len(fit.names)]
    covariance = of_covariates @ (scores.T @ scores) @ of_covariates.T

    def freedom(factors: Floats) -> float:
        direction = leverage.rooted(np.broadcast_to(of_covariates.T @ factors, scores.shape))
        return _satterthwaite(direction, leverage.times(direction))

    return Inference(fit.names, fit.coefficients, covariance, "CR2", fit.observations, count, freedom)


def _leverage(products: Floats) -> _Leverage:
    root = inverse_root(products.sum(axis=0))
    large = np.einsum("gpq,pq->g", products, root @ root.T) > _SERIES_CONVERGES
    values, vectors = np.linalg.eigh(root.T @ products[large] @ root)
    left = 1 - values
    scale = np.where(left > _LEVERAGE_TOLERANCE, 1 / np.sqrt(np.maximum(left, _LEVERAGE_TOLERANCE)), 0)
    return _Leverage(products, root, large, vectors, scale)


def _times(matrices: Floats, values: Floats) -> Floats:
    return (matrices @ values[:, :, None])[:, :, 0]


def _satterthwaite(direction: Floats, moved: Floats) -> float:
    """(Σ P_gg)² / Σ P_gh², P = (p_g'p_h), p_g = (I − H)_g'A_g Z_g M c; nan where nothing varies.

    With direction (I − K_g)^(−1/2) L'c of each cluster (G × r), and moved K_g times that.
    """
    lengths = np.einsum("gr,gr->g", direction, moved)
    shared = np.einsum("gr,gr->g", moved, moved)
    squares = lengths @ lengths - 2 * lengths @ shared + np.sum((moved.T @ moved) ** 2)
    trace = np.sum(lengths - shared)
    return float(trace**2 / squares) if squares > 0 else float("nan")
