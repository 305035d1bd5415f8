"""Draws of the true ratios of providers from a fitted model, as rows that a program can score (``run --draws``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from openvbp.engine import cannot_write
from openvbp.errors import Problem, UsageError
from openvbp.outcome_models.fitting import Fit
from openvbp.outcome_models.rows import Floats
from openvbp.outcome_models.standardization import moved_total

DRAWS = "draws.parquet"
COLUMNS = pa.schema(
    [("provider_id", pa.string()), ("measure_id", pa.string()), ("draw", pa.int64()), ("value", pa.float64())]
)
_VALUE_DECIMALS = 9


def posterior_ratios(fit: Fit, number: int, *, seed: int) -> Floats:
    """Draw the ratio of each provider, the coefficients and τ being taken as true.

    The effect is drawn from the normal distribution of its prediction, u* ~ N(û, Var û), and the predicted events are
    moved by it (:func:`openvbp.outcome_models.standardization.moved_total`).

    Parameters
    ----------
    fit
        A model with random intercepts.
    number
        Draws, N.
    seed
        Zero or more: the same seed gives the same draws.

    Returns
    -------
    N × J.

    Raises
    ------
    UsageError
        If the effects are fixed: they are not shrunken, so that draws around them would be too extreme.
    """
    if fit.method == "fixed":
        raise UsageError(
            Problem("no draws from fixed effects", "--draws", "fit with --method pql, laplace or quadrature")
        )
    normal = np.random.default_rng(seed).standard_normal((number, len(fit.providers)))
    sums, nothing = fit.sums, np.zeros(len(fit.providers))
    change = normal * np.sqrt(fit.effect_variance)
    cases = fit.design.cases.astype(float)
    return moved_total(sums.predicted, cases, sums.weight, sums.curvature, nothing, change) / fit.at_zero.predicted


def replicate_ratios(ratios: Floats, number: int) -> Floats:
    """Take the ratios of bootstrap replicates as draws: they carry the uncertainty of the coefficients and τ too.

    A replicate leaves out some providers. Each provider's draws are the first replicates that have it, so that one
    number stands for different replicates of different providers.

    Parameters
    ----------
    ratios
        Of the replicates: N × J, nan where the provider was not drawn.
    number
        Draws, at most as many as the replicates of every provider: about 0.63 N.

    Returns
    -------
    ``number`` × J.

    Raises
    ------
    UsageError
        If a provider is in fewer replicates.
    """
    held = np.count_nonzero(~np.isnan(ratios), axis=0)
    if held.min() < number:
        what = f"a provider is in {held.min():,} of {len(ratios):,} replicates only"
        raise UsageError(Problem(what, "--draws", f"give --draws {held.min():,} or less, or a larger --bootstrap"))
    first = np.argsort(np.isnan(ratios), axis=0, kind="stable")[:number]
    return np.take_along_axis(ratios, first, axis=0)


def draw_rows(provider_ids: Sequence[str], measure_id: str, values: Floats) -> pa.Table:
    """Make rows of draws.

    Parameters
    ----------
    provider_ids
        J providers.
    values
        N × J.

    Returns
    -------
    provider_id, measure_id, draw (from 1) and value, a row per provider and draw.
    """
    number, count = values.shape
    identifiers = pa.DictionaryArray.from_arrays(
        np.repeat(np.arange(count), number), pa.array(provider_ids, pa.string())
    )
    return pa.table(
        {
            "provider_id": identifiers.dictionary_decode(),
            "measure_id": pa.repeat(measure_id, number * count),
            "draw": np.tile(np.arange(1, number + 1), count),
            "value": np.round(values.T.reshape(-1), _VALUE_DECIMALS),
        },
        schema=COLUMNS,
    )


def write_draws(rows: pa.Table, path: Path) -> None:
    """Write draws to a Parquet file.

    Raises
    ------
    MachineError
        If the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, path, compression="zstd")
    except OSError as error:
        raise cannot_write(path, error, "choose another --out") from error
