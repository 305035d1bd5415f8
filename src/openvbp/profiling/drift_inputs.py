"""Where the coded risk comes from in which drift is looked for: claims, finished scores, or a table of the user's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openvbp.engine import Engine, EngineName, open_engine
from openvbp.errors import Problem, UsageError
from openvbp.profiling.coded_risk import open_attribution
from openvbp.profiling.drift import Options, coding_drift, write_drift
from openvbp.profiling.rescoring import ASSESSMENTS, Rescored, from_claims, from_runs
from openvbp.profiling.tables import demand_columns, open_table


@dataclass(frozen=True)
class Sources:
    """Where scores and attribution are: one of ``claims``, ``scores`` and ``data``."""

    attribution: tuple[Path, ...]
    claims: Path | None = None
    scores: tuple[Path, ...] = ()
    data: Path | None = None
    model: str = "V28"
    payment_year: int = 0
    tables: str = ""
    years: tuple[int, ...] = ()
    assessments: tuple[str, ...] = ()
    provider: str = "unit_id"
    rule: str = ""
    pools: Path | None = None


def find_drift(
    sources: Sources,
    *,
    out: Path,
    options: Options | None = None,
    engine: EngineName = "duckdb",
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, Any]:
    """Look for drift of coding in files, and write what is found.

    Parameters
    ----------
    sources
        Where scores and attribution are.
    out
        Folder (:func:`openvbp.profiling.drift.write_drift`).
    options
        See :class:`openvbp.profiling.drift.Options`.
    engine, threads, progress
        Where to compute, and who is told.

    Returns
    -------
    As of :func:`openvbp.profiling.drift.coding_drift`, with ``is_frozen``: whether one set of tables scored all periods
    (none for own scores).

    Raises
    ------
    UsageError, InputDataError, MachineError
        If not exactly one source is given, something cannot be read, or as of :func:`coding_drift`.
    """
    given = [name for name in ("claims", "scores", "data") if getattr(sources, name)]
    if len(given) != 1:
        what = "no scores are given" if not given else "scores are given twice"
        raise UsageError(Problem(what, "--claims, --scores, --data", "give exactly one of them"))
    with open_engine(engine, threads) as opened:
        scored = _scored(opened, sources, progress)
        found = coding_drift(
            opened,
            scored.scores,
            open_attribution(opened, sources.attribution, sources.provider, sources.rule),
            sources=scored.sources,
            pools=open_table(opened, sources.pools, "profiling_pools") if sources.pools else None,
            options=options,
            where=str(sources.claims or sources.data or sources.scores[0]),
        )
    found["rejected"] = scored.not_scored | found["rejected"]
    found["is_frozen"] = scored.is_frozen if given != ["data"] else None
    write_drift(found, out)
    return found


def _scored(engine: Engine, sources: Sources, progress: Callable[[str], None]) -> Rescored:
    if sources.claims:
        if not sources.payment_year or not sources.tables:
            what_to_do = "give --payment-year and --tables: the same for every year"
            raise UsageError(Problem("claims are scored with tables of one payment year", "--claims", what_to_do))
        return from_claims(
            engine,
            sources.claims,
            years=sources.years,
            model=sources.model,
            payment_year=sources.payment_year,
            tables=sources.tables,
            assessments=sources.assessments or ASSESSMENTS,
            progress=progress,
        )
    if sources.scores:
        return from_runs(engine, sources.scores, sources.model)
    path = sources.data
    assert path is not None  # noqa: S101 (one of three is given)
    rows = open_table(engine, path, "profiling_data")
    demand_columns(rows, ["person_id", "period", "coded"], str(path))
    return Rescored(rows, None, True, {})  # noqa: FBT003
