"""The rows that a model is fitted to: outcome, provider and covariates, in memory or read in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from openvbp.errors import InputDataError, Problem

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

CHUNK_ROWS = 8_192
"""Rows worked on at once: a chunk of thirty covariates then fits the cache of a processor core."""

_CHUNKS_READ = 8
"""Chunks read from a file at once."""
_OUTCOMES_READ = 65_536


class Rows(Protocol):
    """Rows of which those of a provider stand together."""

    @property
    def covariates(self) -> tuple[str, ...]:
        """Their names."""
        ...

    @property
    def providers(self) -> tuple[str, ...]:
        """Identifiers."""
        ...

    @property
    def starts(self) -> Integers:
        """First row of each provider, and the number of rows at the end: providers + 1."""
        ...

    @property
    def outcome(self) -> Floats:
        """0 or 1 per row."""
        ...

    def chunks(self) -> Iterator[tuple[int, Floats]]:
        """Give the number of the first row, and covariates (rows × covariates), until all rows were given."""
        ...


@dataclass(frozen=True)
class MemoryRows:
    """Rows in memory; see :func:`rows_in_memory`."""

    covariates: tuple[str, ...]
    providers: tuple[str, ...]
    starts: Integers
    outcome: Floats
    values: Floats
    """Rows × covariates; each covariate stands together in memory, as it does in the file it is read from."""
    chunk_rows: int = CHUNK_ROWS

    def chunks(self) -> Iterator[tuple[int, Floats]]:
        """Give slices of the rows."""
        for first in range(0, len(self.outcome), self.chunk_rows):
            yield first, self.values[first : first + self.chunk_rows]


def rows_in_memory(
    covariates: Mapping[str, npt.ArrayLike],
    outcome: npt.ArrayLike,
    provider: npt.ArrayLike,
    *,
    chunk_rows: int = CHUNK_ROWS,
) -> MemoryRows:
    """Sort rows by provider.

    Parameters
    ----------
    covariates
        Values by name, one per row, without gaps.
    outcome
        0 or 1 per row.
    provider
        Identifier per row.
    chunk_rows
        Rows given at once.

    Raises
    ------
    InputDataError
        If there is no row, or an outcome is neither 0 nor 1.
    """
    ids, code = np.unique(np.asarray(provider), return_inverse=True)
    order = np.argsort(code, kind="stable")
    values = np.empty((len(order), len(covariates)), order="F")
    for place, one in enumerate(covariates.values()):
        values[:, place] = np.asarray(one, dtype=np.float64)[order]
    sorted_outcome = np.asarray(outcome, dtype=np.float64)[order]
    _check_outcome(sorted_outcome)
    starts = np.concatenate([[0], np.cumsum(np.bincount(code, minlength=len(ids)))]).astype(np.int64)
    names = tuple(str(one) for one in ids)
    return MemoryRows(tuple(covariates), names, starts, sorted_outcome, values, chunk_rows)


def read_into_memory(rows: Rows) -> MemoryRows:
    """Read rows once and keep them."""
    values = np.empty((len(rows.outcome), len(rows.covariates)), order="F")
    for first, chunk in rows.chunks():
        values[first : first + len(chunk)] = chunk
    return MemoryRows(rows.covariates, rows.providers, rows.starts, rows.outcome, values)


Batches = Callable[[list[str], int], Iterable[pa.RecordBatch]]
"""Gives batches with the columns named, of at most so many rows; the same rows in the same order on every call."""


class BatchRows:
    """Rows that are read anew on every pass, for example from a database; those of a provider stand together."""

    def __init__(
        self,
        batches: Batches,
        *,
        covariates: Sequence[str],
        outcome: str,
        provider: str,
        columns: Sequence[str] | None = None,
        chunk_rows: int = CHUNK_ROWS,
        where: str = "the batches",
    ) -> None:
        """Read outcomes and where each provider begins, which stay in memory; covariates do not.

        Parameters
        ----------
        batches
            Called once here, and once on every pass.
        covariates
            Their names.
        outcome, provider
            Names of columns.
        columns
            Columns of the covariates in the batches, where these have other names.
        chunk_rows
            Rows given at once.
        where
            What the rows are of, for messages.

        Raises
        ------
        InputDataError
            If there is no row, rows of a provider do not stand together, or an outcome is neither 0 nor 1.
        """
        self._batches = batches
        self._chunk_rows = chunk_rows
        self.covariates = tuple(covariates)
        self._columns = list(covariates if columns is None else columns)
        outcomes, ids, firsts, seen = [], [], [], 0
        last: str | None = None
        for batch in batches([provider, outcome], _OUTCOMES_READ):
            if batch.num_rows:
                outcomes.append(_as_floats(batch.column(outcome)))
                changes, found = _changes(batch.column(provider), last)
                firsts.append(changes + seen)
                ids += found
                last, seen = str(batch.column(provider)[-1].as_py()), seen + batch.num_rows
        self.outcome = np.concatenate(outcomes) if outcomes else np.empty(0)
        _check_outcome(self.outcome)
        if len(set(ids)) < len(ids):
            raise InputDataError(Problem("rows of a provider do not stand together", where, f"sort them by {provider}"))
        self.providers = tuple(ids)
        self.starts = np.concatenate([*firsts, [seen]]).astype(np.int64)

    def chunks(self) -> Iterator[tuple[int, Floats]]:
        """Read the covariates, batch by batch; the memory of a batch is used again for the next."""
        first, space = 0, np.empty((0, len(self.covariates)))
        for batch in self._batches(self._columns, self._chunk_rows * _CHUNKS_READ):
            if len(space) < batch.num_rows:
                space = np.empty((batch.num_rows, len(self.covariates)), order="F")
            values = space[: batch.num_rows]
            for place, name in enumerate(self._columns):
                values[:, place] = _as_floats(batch.column(name))
            for begin in range(0, len(values), self._chunk_rows):
                yield first + begin, values[begin : begin + self._chunk_rows]
            first += batch.num_rows


def rows_of_parquet(
    path: Path,
    *,
    covariates: Sequence[str],
    outcome: str,
    provider: str,
    columns: Sequence[str] | None = None,
    chunk_rows: int = CHUNK_ROWS,
) -> BatchRows:
    """Take the rows of a Parquet file, which stay there; see :class:`BatchRows`."""

    def batches(names: list[str], rows: int) -> Iterator[pa.RecordBatch]:
        with pq.ParquetFile(path) as file:
            # Several threads take twice the CPU seconds to read the same.
            yield from file.iter_batches(batch_size=rows, columns=names, use_threads=False)

    return BatchRows(
        batches,
        covariates=covariates,
        outcome=outcome,
        provider=provider,
        columns=columns,
        chunk_rows=chunk_rows,
        where=str(path),
    )


def _changes(ids: pa.Array, last: str | None) -> tuple[Integers, list[str]]:
    """Where another provider begins, and which."""
    text = ids.cast(pa.string())
    differs = pc.not_equal(text[1:], text[:-1])
    places = np.from_dlpack(pc.indices_nonzero(differs)).astype(np.int64) + 1
    names = text[1:].filter(differs).to_pylist()
    if text[0].as_py() == last:
        return places, names
    return np.concatenate([[0], places]), [text[0].as_py(), *names]


def _as_floats(column: Any) -> Floats:
    """Give the values; a null is not a number."""
    floats = column.cast(pa.float64())
    # to_numpy() begins with an import of pandas, where there is one: that takes longer than to read a million rows.
    return floats.to_numpy(zero_copy_only=False) if floats.null_count else np.from_dlpack(floats)


def _check_outcome(outcome: Floats) -> None:
    if not len(outcome):
        raise InputDataError(Problem("there is no row", "the rows of the model", "give rows with a known outcome"))
    wrong = int(np.count_nonzero((outcome != 0) & (outcome != 1)))
    if wrong:
        what_to_do = "code the outcome as 1 (happened) and 0 (did not), and leave out rows where it is unknown"
        raise InputDataError(Problem("outcome is neither 0 nor 1", "the outcome", what_to_do, count=wrong))
