"""A run of measures on bundles of patients, compared with what test decks expect of them."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from openvbp import __version__
from openvbp.engine import Engine, EngineName, cannot_write, open_engine
from openvbp.errors import Problem, UsageError
from openvbp.measures.catalogue import find_measures, user_collection
from openvbp.measures.event_data import EventData
from openvbp.measures.events import Events
from openvbp.measures.fhir.bundles import KINDS, Patients, read_bundles, zone_of
from openvbp.measures.fhir.expected import (
    POPULATIONS,
    Comparison,
    chosen_reports,
    compared,
    populations_of,
    read_known_failures,
)
from openvbp.measures.fhir.page import page
from openvbp.measures.fhir.value_sets import FoundSets, read_fhir_value_sets
from openvbp.measures.gate import demand_value_sets
from openvbp.measures.measure import Episode, Measure, check_together
from openvbp.measures.plan import evaluate
from openvbp.measures.statuses import STATUSES
from openvbp.measures.value_sets import ValueSet, read_value_sets, shipped_value_sets
from openvbp.measures.values import Enrolled, EnrolledDays
from openvbp.periods import Period, parse_any_period

SUMMARY, PAGE, STATUS_TABLE, COMPARISON = "fhir.json", "fhir.html", "statuses.parquet", "comparison.csv"
EVIDENCE = "evidence"
"""Folder of what must not be passed on: results of single patients."""
_ONLY_CLAIMS = ("encounter-type", "question")
"""Systems of codes that the project makes of claims and surveys; no resource has them."""


@dataclass(frozen=True)
class FhirRequest:
    """What a run is asked for."""

    period: str
    measures: tuple[str, ...]
    own: tuple[Path, ...] = ()
    value_sets: Path | None = None
    """Folder of ValueSet resources in JSON, of tables in CSV, or of both."""
    allow_incomplete: bool = False
    zone: str | None = None
    """Zone of the days; days as they are written when absent."""
    expected_measure: str | None = None
    """Measure whose reports are compared; the only one that reports are on when absent."""
    known_failures: Path | None = None


def run_on_bundles(bundles: Path, out: Path, request: FhirRequest, *, engine: EngineName = "duckdb") -> dict[str, Any]:
    """Evaluate measures on a folder of bundles, and compare them with the reports in it.

    Parameters
    ----------
    bundles
        Folder of bundles, one patient each (:func:`openvbp.measures.fhir.bundles.read_bundles`).
    out
        Folder for ``fhir.json`` and ``fhir.html``; and ``evidence/`` with the status of each patient and, where reports
        are there, each population beside what is expected.
    request
        What is asked for.
    engine
        Where to compute.

    Returns
    -------
    The summary that is written; ``compared`` is none where no report is there.

    Raises
    ------
    UsageError, InputDataError
        If a measure, period, value set or bundle cannot be used.
    MachineError
        If the results cannot be written.
    """
    period, zone = parse_any_period(request.period), zone_of(request.zone)
    found_sets, sets = _value_sets(request.value_sets)
    measures, needed = demand_value_sets(_measures(request), sets, allow_incomplete=request.allow_incomplete)
    known = read_known_failures(request.known_failures)
    patients = read_bundles(bundles, zone)
    with_reports = bool(patients.reports) or request.expected_measure is not None
    if with_reports and len(measures) != 1:
        what = f"{len(measures)} measures are asked for, and the bundles hold reports to compare one with"
        raise UsageError(Problem(what, "--measure", "name one measure"))
    reports, others = chosen_reports(patients.reports, request.expected_measure, period)
    with open_engine(engine) as opened:
        data = patients.event_data(opened, with_enrollment=_asks_for_enrollment(measures))
        statuses = statuses_of(opened, data, measures, needed, period)
    rows = compared(reports, statuses[measures[0].id], known) if reports else []
    summary = {
        "bundles": str(bundles),
        "period": period.label,
        "openvbp": __version__,
        "is_incomplete": request.allow_incomplete,
        "reading": _reading(patients, found_sets),
        "measures": [_counts(one, statuses[one.id], len(patients.persons)) for one in measures],
        "compared": _outcomes(rows, others, known) if with_reports else None,
    }
    _write(out, summary, statuses, rows)
    return summary


def _measures(request: FhirRequest) -> list[Measure]:
    if not request.measures and not request.own:
        raise UsageError(Problem("no measure is named", "--measure", "name one; openvbp measures list shows them"))
    chosen = find_measures(request.measures, [user_collection(path) for path in request.own])
    check_together(chosen)
    measures = [one for one in chosen if isinstance(one, Measure)]
    problems = []
    for one in measures:
        reasons = sorted(_reasons_against(one))
        if reasons:
            to_do = "choose measures made for electronic health records, for example the collection electronic_measures"
            problems.append(Problem(f"{one.id} cannot be evaluated on bundles: {'; '.join(reasons)}", one.id, to_do))
    if problems:
        raise UsageError(problems)
    return measures


def _reasons_against(measure: Measure) -> set[str]:
    """Why a measure would be wrong here without a word."""
    reasons = {"it is on episodes, not on persons"} if isinstance(measure.basis, Episode) else set()
    if measure.scoring != "proportion":
        reasons.add(f"it is scored as a {measure.scoring}, not as a proportion")
    for node in measure.nodes():
        if isinstance(node, Events):
            reasons |= {f"it asks for codes of {system}" for system, _code in node.codes if system in _ONLY_CLAIMS}
            if node.domain not in KINDS:
                reasons.add(f"it asks for events of kind {node.domain}")
    return reasons


def _asks_for_enrollment(measures: Sequence[Measure]) -> bool:
    return any(isinstance(node, Enrolled | EnrolledDays) for one in measures for node in one.nodes())


def _value_sets(folder: Path | None) -> tuple[FoundSets, dict[str, ValueSet]]:
    sets = dict(shipped_value_sets())
    if folder is None:
        return FoundSets(), sets
    has_tables, has_json = (folder.is_dir() and any(folder.rglob(f"*.{kind}")) for kind in ("csv", "json"))
    tables = read_value_sets(folder) if has_tables else {}
    found = read_fhir_value_sets(folder) if has_json or not has_tables else FoundSets()
    twice = sorted(name for name in tables if name in found.sets and found.sets[name].codes != tables[name].codes)
    if twice:
        what = "value sets are there as a table and as a resource, with different codes"
        raise UsageError(Problem(what, str(folder), "keep one of them", len(twice), tuple(twice)))
    return found, sets | found.sets | tables


def statuses_of(
    engine: Engine, data: EventData, measures: Sequence[Measure], sets: Mapping[str, ValueSet], period: Period
) -> dict[str, dict[str, str]]:
    """Status of each person in each measure, by measure and person; measures are on persons."""
    found: dict[str, dict[str, str]] = {one.id: {} for one in measures}
    for evaluated in evaluate(data, measures, sets, [period]):
        table = engine.to_arrow(evaluated.table)
        persons = table["person_id"].to_pylist()
        for number, one in enumerate(evaluated.measures):
            numbers = table[f"status_{number}"].to_pylist()
            found[one.id] = {person: STATUSES[each] for person, each in zip(persons, numbers, strict=True)}
    return found


def _counts(measure: Measure, statuses: Mapping[str, str], persons: int) -> dict[str, Any]:
    members = [populations_of(one) for one in statuses.values()]
    counted = {name: sum(one[name] for one in members if one is not None) for name in POPULATIONS}
    return {
        "measure": measure.id,
        "version": measure.version,
        "direction": measure.direction,
        "patients": persons,
        "populations": counted,
        "not_evaluable": sum(one is None for one in members),
        "unverified": measure.governance.unverified if measure.governance else None,
    }


def _reading(patients: Patients, sets: FoundSets) -> dict[str, Any]:
    types: dict[str, Counter[str]] = {}
    for (kind, outcome), count in patients.resources.items():
        plain = outcome if outcome in ("accepted", "not used") else "rejected"
        types.setdefault(kind, Counter())[plain] += count
    rejected = [
        {"resource": kind, "reason": outcome, "count": count}
        for (kind, outcome), count in sorted(patients.resources.items())
        if outcome not in ("accepted", "not used")
    ]
    return {
        "bundles": patients.bundles,
        "bundles_accepted": patients.accepted,
        "bundles_rejected": dict(patients.rejected_bundles),
        "other_files": patients.other_files,
        "resources": [
            {"resource": kind, "read": sum(some.values()), **{name: some[name] for name in _OUTCOMES}}
            for kind, some in sorted(types.items())
        ],
        "rejected": rejected,
        "notes": dict(sorted(patients.notes.items())),
        "codes_of_other_systems_in_value_sets": dict(sorted(sets.other_systems.items())),
    }


_OUTCOMES = ("accepted", "rejected", "not used")


def _outcomes(rows: Sequence[Comparison], others: int, known: Mapping[tuple[str, str], str]) -> dict[str, Any]:
    """How many patients agree: one outcome each, the worst of its populations."""
    order = ("differs", "known", "not needed", "agrees")
    worst: dict[tuple[str, str], str] = {}
    for row in rows:
        key = row.patient, row.measure
        worst[key] = min(worst.get(key, "agrees"), row.outcome, key=order.index)
    by_population = {
        name: sum(row.population == name and row.outcome == "differs" for row in rows) for name in POPULATIONS
    }
    return {
        "measure": rows[0].measure if rows else None,
        "patients": len(worst),
        **{name.replace(" ", "_"): sum(one == name for one in worst.values()) for name in order},
        "differences_by_population": {name: count for name, count in by_population.items() if count},
        "reports_on_others": others,
        "known_failures_without_report": sum(key not in worst for key in known),
    }


def _write(
    out: Path, summary: Mapping[str, Any], statuses: Mapping[str, Mapping[str, str]], rows: Sequence[Comparison]
) -> None:
    columns = [(measure, person, status) for measure, some in statuses.items() for person, status in some.items()]
    table = pa.table(
        dict(zip(("measure", "person_id", "status"), zip(*columns, strict=True), strict=True)) if columns else {}
    )
    try:
        (out / EVIDENCE).mkdir(parents=True, exist_ok=True)
        pq.write_table(table, out / EVIDENCE / STATUS_TABLE, compression="zstd")
        if rows:
            with (out / EVIDENCE / COMPARISON).open("w", newline="", encoding="utf-8") as lines:
                writer = csv.DictWriter(lines, [one.name for one in fields(Comparison)])
                writer.writeheader()
                writer.writerows(asdict(row) for row in rows)
        (out / SUMMARY).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
        (out / PAGE).write_text(page(summary), encoding="utf-8")
    except OSError as error:
        raise cannot_write(out, error) from error


def render(summary: Mapping[str, Any]) -> str:
    """Write what a run found for a terminal."""
    reading = summary["reading"]
    resources = {name: sum(one[name] for one in reading["resources"]) for name in ("read", *_OUTCOMES)}
    lines = [
        f"Measures {summary['period']}, {summary['bundles']}",
        f"{reading['bundles']:,} bundles: {reading['bundles_accepted']:,} used; {resources['read']:,} resources: "
        f"{resources['accepted']:,} accepted, {resources['rejected']:,} rejected, {resources['not used']:,} not used",
    ]
    lines += [f"  rejected {one['count']:,} {one['resource']}: {one['reason']}" for one in reading["rejected"]]
    lines += [f"  bundle not used: {why} ({count:,})" for why, count in reading["bundles_rejected"].items()]
    lines += [f"  {what} ({count:,})" for what, count in reading["notes"].items()]
    for one in summary["measures"]:
        counted = ", ".join(f"{name} {count:,}" for name, count in one["populations"].items() if count)
        mark = "  UNVERIFIED" if one["unverified"] else ""
        lines += ["", f"{one['measure']} ({one['patients']:,} patients){mark}", f"  {counted or 'nobody in it'}"]
        lines += [f"  not evaluable {one['not_evaluable']:,}"] if one["not_evaluable"] else []
    return "\n".join(lines + _compared_lines(summary["compared"]))


def _compared_lines(found: Mapping[str, Any] | None) -> list[str]:
    if found is None:
        return []
    names = {"agrees": "agree", "differs": "differ", "known": "known to differ", "not_needed": "listed, but agree"}
    counts = ", ".join(f"{found[name]:,} {shown}" for name, shown in names.items() if found[name] or name == "differs")
    lines = [
        "",
        f"Compared with {found['measure'] or 'no report of the period'}: {found['patients']:,} patients: {counts}",
    ]
    lines += [f"  {count:,} differ in {name}" for name, count in found["differences_by_population"].items()]
    if found["reports_on_others"]:
        lines.append(f"  {found['reports_on_others']:,} reports are on other measures or periods")
    if found["known_failures_without_report"]:
        lines.append(f"  {found['known_failures_without_report']:,} known failures have no report")
    lines.append(f"  each patient: {EVIDENCE}/{COMPARISON}") if found["patients"] else None
    return lines
