"""A run of measures on a folder of claims."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from ibis import _

from openvbp import __version__
from openvbp.claims.tables import ClaimsData, open_claims
from openvbp.engine import Engine, EngineName, cannot_write, open_engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.measures.catalogue import find_measures, user_collection
from openvbp.measures.claims_events import events_from_claims, kinds_of_events
from openvbp.measures.event_data import EventData
from openvbp.measures.gate import demand_value_sets, why_not
from openvbp.measures.measure import Composite, Episode, Measure, check_together
from openvbp.measures.plan import Evaluated, evaluate
from openvbp.measures.rates import ALL, Units, rates
from openvbp.measures.report_page import page
from openvbp.measures.statuses import STATUSES
from openvbp.measures.value_sets import ValueSet, read_value_sets, shipped_value_sets
from openvbp.periods import Period, parse_any_period

RATES, SUMMARY, PAGE, STATUS_TABLE = "measures.parquet", "measures.json", "measures.html", "statuses.parquet"
_UNSEEN = "Nobody can be found by them: a rate of zero may only say that the data do not tell."
EVIDENCE = "evidence"
"""Folder of what must not be passed on: results of single persons."""


@dataclass(frozen=True)
class Attribution:
    """Who answers for whom: a file of ``openvbp attribute`` and one of its rules."""

    file: Path
    rule: str


@dataclass(frozen=True)
class Request:
    """What a run is asked for."""

    periods: tuple[str, ...]
    measures: tuple[str, ...] = ()
    """Ids, ``id@version`` or collections; all that are shipped when empty."""
    own: tuple[Path, ...] = ()
    """The user's own files of measures."""
    value_sets: Path | None = None
    allow_incomplete: bool = False
    attribution: Attribution | None = None
    with_persons: bool = False
    """Whether the status of every person is written too."""


def run_measures(
    data: Path,
    out: Path,
    request: Request,
    *,
    engine: EngineName = "duckdb",
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, Any]:
    """Evaluate measures on a folder of claims, all in one plan.

    Parameters
    ----------
    data
        Folder of claims in the native layout.
    out
        Folder for ``measures.parquet`` (:func:`openvbp.measures.rates.rates`), ``measures.json`` and ``measures.html``;
        with persons also ``evidence/statuses.parquet``.
    request
        What is asked for.
    engine, threads
        Where to compute.
    progress
        Told each line of progress.

    Returns
    -------
    The summary that is written.

    Raises
    ------
    UsageError, InputDataError
        If a measure, period or value set cannot be used, or nobody is in any measure.
    MachineError
        If the results cannot be written.
    """
    periods = [parse_any_period(one) for one in request.periods]
    with open_engine(engine, threads) as opened:
        claims = open_claims(opened, data)
        ready = prepared(request, kinds_of_events(claims))
        for name, why in ready.left_out.items():
            progress(f"{name} is left out: {why}")
        measures, composites, sets = ready.measures, ready.composites, ready.sets
        try:
            out.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".events-", dir=out) as scratch:
                progress("reading claims")
                events = claims_of(claims, measures, sets, Path(scratch))
                progress(f"evaluating {len(measures)} measures")
                evaluated = evaluate(events, measures, sets, periods, Path(scratch))
                progress("adding up")
                units = units_of(opened, request.attribution, measures)
                found = rates(opened, evaluated, composites, periods, units)
                _demand_some(found, data, periods)
                pq.write_table(found, out / RATES, compression="zstd")
                if request.with_persons:
                    _write_statuses(opened, evaluated, periods, out / EVIDENCE)
        except OSError as error:
            raise cannot_write(out, error) from error
    summary = _summary(data, request, periods, ready, found, evaluated[0].codes_found)
    (out / SUMMARY).write_text(json.dumps(summary, indent=1, default=str) + "\n", encoding="utf-8")
    (out / PAGE).write_text(page(summary, found), encoding="utf-8")
    return summary


@dataclass(frozen=True)
class Prepared:
    """What will be evaluated."""

    measures: list[Measure]
    composites: list[Composite]
    sets: dict[str, ValueSet]
    left_out: dict[str, str]
    """Measures that nobody named and that cannot be evaluated, and why."""


def prepared(request: Request, kinds: frozenset[str] | None = None) -> Prepared:
    """Find the measures and value sets that are asked for.

    Where no measure is named, those that cannot be evaluated are left out; one that is named and cannot be is an error.

    Parameters
    ----------
    request
        What is asked for.
    kinds
        Kinds of events that the data give.

    Raises
    ------
    UsageError, InputDataError
        If one is not there, or none can be evaluated.
    """
    chosen = find_measures(request.measures, [user_collection(path) for path in request.own])
    check_together(chosen)
    sets = shipped_value_sets()
    if request.value_sets is not None:
        sets = {**sets, **read_value_sets(request.value_sets)}
    left_out: dict[str, str] = {}
    if not request.measures and not request.own and kinds is not None:
        known = [(one.id, why_not(one, sets, kinds)) for one in chosen if isinstance(one, Measure)]
        left_out = {name: why for name, why in known if why}
        for one in chosen:
            lacking = [name for name in one.components if name in left_out] if isinstance(one, Composite) else []
            left_out |= {one.id: f"components are left out: {', '.join(lacking)}"} if lacking else {}
        chosen = [one for one in chosen if one.id not in left_out]
    composites = [one for one in chosen if isinstance(one, Composite)]
    measures = [one for one in chosen if isinstance(one, Measure)]
    if not measures:
        problems = [Problem(why, name, "add it") for name, why in left_out.items()]
        raise InputDataError(problems or Problem("no measure is chosen", "--measure", "name measures"))
    measures, needed = demand_value_sets(measures, sets, allow_incomplete=request.allow_incomplete)
    return Prepared(measures, composites, needed, left_out)


def claims_of(
    claims: ClaimsData, measures: Sequence[Measure], sets: Mapping[str, ValueSet], scratch: Path | None
) -> EventData:
    """Make the events that measures ask for."""
    kinds = frozenset().union(*(measure.kinds_of_events() for measure in measures))
    return events_from_claims(claims, kinds, scratch, sets)


def units_of(engine: Engine, attribution: Attribution | None, measures: Sequence[Measure]) -> list[Units]:
    """Kinds of units that results are given for: facilities for episodes, and what an attribution rule says.

    Raises
    ------
    UsageError, InputDataError
        If the file or rule is not there, or assigns a person to several units.
    """
    units = []
    if any(isinstance(measure.basis, Episode) for measure in measures):
        units.append(Units("facility"))
    if attribution is not None:
        if not attribution.file.is_file():
            raise UsageError(
                Problem("there is no such file", str(attribution.file), "give attribution.parquet of openvbp attribute")
            )
        rows = engine.read_parquet(attribution.file, "measure_attribution")
        of_rule = rows.filter(_.rule_id == attribution.rule, _.unit_id.notnull(), _.episode_id.isnull())
        units.append(Units(_unit_kind(engine, of_rule, attribution), of_rule.select("person_id", "unit_id")))
    return units


def _unit_kind(engine: Engine, rows: ir.Table, attribution: Attribution) -> str:
    counted = rows.aggregate(rows=_.count(), persons=_.person_id.nunique(), unit=_.unit.max())
    (found,) = engine.to_arrow(counted).to_pylist()
    where = f"{attribution.file}, rule {attribution.rule}"
    if not found["rows"]:
        raise InputDataError(Problem("the rule assigns no person", where, "choose another rule"))
    if found["rows"] > found["persons"]:
        raise InputDataError(
            Problem("the rule assigns persons to several units", where, "choose a rule that assigns each to one")
        )
    return str(found["unit"])


def _demand_some(found: pa.Table, data: Path, periods: Sequence[Period]) -> None:
    if not any(found["initial_population"].to_pylist()):
        spans = ", ".join(one.label for one in periods)
        to_do = "choose a period in which persons are enrolled, and value sets whose codes occur"
        raise InputDataError(Problem(f"nobody is in any measure in {spans}", str(data), to_do))


def _write_statuses(engine: Engine, evaluated: Sequence[Evaluated], periods: Sequence[Period], folder: Path) -> None:
    """One row per measure × subject in its initial population; ``value`` is what the measure adds up, if it does."""
    folder.mkdir(exist_ok=True)
    names = ibis.literal(dict(enumerate(STATUSES)), "map<int64, string>")
    labels = ibis.literal({number: one.label for number, one in enumerate(periods)}, "map<int64, string>")
    writer = None
    try:
        for group in evaluated:
            for number, measure in enumerate(group.measures):
                inside = group.table.filter(_[f"status_{number}"] > 0)
                adds_up = measure.numerator_value is not None
                rows = inside.select(
                    measure=ibis.literal(measure.id),
                    version=ibis.literal(measure.version),
                    period=labels[inside.period],
                    person_id=inside.person_id,
                    index_event_id=inside.index_event_id,
                    index_facility_id=inside.index_facility_id,
                    index_date=inside.index_start,
                    status=names[inside[f"status_{number}"]],
                    value=inside[f"numerator_value_{number}"] if adds_up else ibis.null("decimal(38, 4)"),
                )
                found = engine.to_arrow(rows.order_by("period", "person_id", "index_event_id"))
                writer = writer or pq.ParquetWriter(folder / STATUS_TABLE, found.schema, compression="zstd")
                writer.write_table(found)
    finally:
        if writer:
            writer.close()


def _summary(
    data: Path,
    request: Request,
    periods: Sequence[Period],
    ready: Prepared,
    found: pa.Table,
    codes_found: Mapping[str, int],
) -> dict[str, Any]:
    overall = [row for row in found.to_pylist() if row["unit"] == ALL and row["stratum"] is None]
    return {
        "periods": [one.label for one in periods],
        "openvbp": __version__,
        "data": str(data),
        "is_incomplete": request.allow_incomplete,
        "measures": [
            {
                "measure": one.id,
                "version": one.version,
                "direction": one.direction,
                "value_sets": sorted(one.value_sets()) if isinstance(one, Measure) else [],
                **(asdict(one.governance) if one.governance else {}),
            }
            for one in [*ready.measures, *ready.composites]
        ],
        "left_out": ready.left_out,
        "value_sets": [
            {
                "value_set": name,
                "codes": len(one.codes),
                "codes_found": codes_found.get(name),
                "sha256": one.sha256,
                "version": one.version,
                "source": one.source,
                "licence": one.licence,
            }
            for name, one in sorted(ready.sets.items())
        ],
        "results": overall,
    }


def render(summary: Mapping[str, Any]) -> str:
    """Write what a run found for a terminal."""
    lines = [f"Measures {', '.join(summary['periods'])}, {summary['data']}", ""]
    width = max(len(row["measure"]) for row in summary["results"])
    counts = f"{'denominator':>12} {'met':>10} {'excluded':>9} {'not evaluable':>13} {'rate':>12}"
    lines.append(f"{'measure':{width}}  {'period':8} {counts}")
    for row in summary["results"]:
        rate = "" if row["rate"] is None else f"{row['rate']:.4f}"
        mark = "  UNVERIFIED" if row["is_unverified"] else ""
        excluded = row["excluded"] + row["exception"]
        lines.append(
            f"{row['measure']:{width}}  {row['period']:8} {row['denominator']:>12,} {row['met']:>10,} "
            f"{excluded:>9,} {row['not_evaluable']:>13,} {rate:>12}{mark}"
        )
    unseen = [one["value_set"] for one in summary["value_sets"] if one["codes_found"] == 0]
    if unseen:
        lines += ["", f"No code of these value sets stands in the claims: {', '.join(unseen)}.", _UNSEEN]
    if summary["left_out"]:
        lines += ["", f"{len(summary['left_out'])} measures are left out; measures.json says why."]
    return "\n".join(lines)
