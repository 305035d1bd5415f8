"""Synthetic designs: few treated units against a weighted mean of others, on panels without holes."""

from __future__ import annotations

import numpy as np

from openvbp.estimators.arrays import Codes, Floats
from openvbp.estimators.synthetic_control import synthetic_control
from openvbp.estimators.synthetic_difference_in_differences import synthetic_difference_in_differences
from openvbp.evaluation.findings import Found, figures
from openvbp.evaluation.frame import Frame
from openvbp.evaluation.samples import Sample

NEVER = float("inf")


def _blocks(drawn: Sample) -> tuple[Floats, Codes, Codes, Floats, str]:
    """Give means of clusters by window, of clusters seen in all windows: synthetic designs need a whole panel."""
    windows, treated = len(drawn.windows), drawn.is_treated.astype(np.int64)
    sides, unit = np.unique(np.stack([drawn.cluster, treated]), axis=1, return_inverse=True)
    weights = np.ones(len(drawn.outcome)) if drawn.weights is None else drawn.weights
    cell = unit.ravel() * windows + drawn.window
    size = sides.shape[1] * windows
    totals = np.bincount(cell, weights, size)
    with np.errstate(invalid="ignore"):
        means = (np.bincount(cell, weights * drawn.outcome, size) / totals).reshape(-1, windows)
    whole = np.isfinite(means).all(axis=1)
    of_unit = sides[1][whole] == 1
    first = np.where(of_unit, float(len(drawn.analysis.before)), NEVER)
    count = int(whole.sum())
    note = (
        f"{int(of_unit.sum()):,} treated and {count - int(of_unit.sum()):,} comparison units ({drawn.analysis.cluster})"
    )
    if not whole.all():
        note += f"; {int((~whole).sum()):,} with holes are left out"
    units, periods = np.repeat(np.arange(count), windows), np.tile(np.arange(windows), count)
    return means[whole].ravel(), units, periods, np.repeat(first, windows), note


def synthetic(frame: Frame, drawn: Sample) -> Found:
    """Fit a synthetic control."""
    *arrays, note = _blocks(drawn)
    found = synthetic_control(*arrays, draws=frame.study.draws, seed=frame.study.seed)
    fit = f"root mean squared gap {found.error_before:.3f} before, {found.error_after:.3f} after; p by placebo in space"
    return figures(found.effect), f"{note}; {fit}"


def synthetic_difference(frame: Frame, drawn: Sample) -> Found:
    """Estimate by synthetic difference in differences."""
    *arrays, note = _blocks(drawn)
    found = synthetic_difference_in_differences(*arrays, seed=frame.study.seed)
    return figures(found.effect), f"{note}; error by placebos"
