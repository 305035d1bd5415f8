"""Populations that test decks expect of their patients, and the tests among them that are known to be wrong."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.measures.fhir.elements import Context, RejectedError, Resource, as_list, first_code, moment
from openvbp.periods import Period

POPULATIONS = (
    "initial-population",
    "denominator",
    "denominator-exclusion",
    "numerator",
    "numerator-exclusion",
    "denominator-exception",
)
"""Populations of proportions, by the codes of reports."""
_COLUMNS = ("patient", "measure", "reason")
_OF_STATUS: Mapping[str, tuple[str, ...]] = {
    "outside": (),
    "not_in_denominator": ("initial-population",),
    "excluded": ("initial-population", "denominator", "denominator-exclusion"),
    "met": ("initial-population", "denominator", "numerator"),
    "numerator_excluded": ("initial-population", "denominator", "numerator", "numerator-exclusion"),
    "exception": ("initial-population", "denominator", "denominator-exception"),
    "not_met": ("initial-population", "denominator"),
}


@dataclass(frozen=True)
class Report:
    """What a test expects of a patient."""

    patient: str
    measure: str
    """Last part of the measure's address, without its version."""
    start: date | None
    end: date | None
    populations: Mapping[str, int]
    """Code of a population to the count that is expected."""


@dataclass(frozen=True)
class Comparison:
    """A patient compared with what is expected."""

    patient: str
    measure: str
    population: str
    expected: int
    found: int | None
    """None: the measure could not be evaluated for the patient."""
    outcome: str
    """``agrees``, ``differs``, ``known`` (differs and is listed as known) or ``not needed`` (is listed, but agrees)."""
    reason: str = ""


def report_of(resource: Resource, patient: str) -> Report:
    """Read a report on one patient.

    Raises
    ------
    RejectedError
        If it has several groups, or none with populations.
    """
    groups = [one for one in as_list(resource.get("group")) if one.get("population")]
    if len(groups) != 1:
        raise RejectedError("a report with no group of populations, or with several")
    populations: dict[str, int] = {}
    for one in groups[0]["population"]:
        code = first_code(one.get("code"))
        if code in POPULATIONS:
            populations[code] = int(one.get("count", 0))
    if not populations:
        raise RejectedError("a report with no population of a proportion")
    measure = str(resource.get("measure", "")).rpartition("/")[2].partition("|")[0]
    period = resource.get("period") or {}
    first = moment(period["start"], Context()).first if "start" in period else None
    last = moment(period["end"], Context()).last if "end" in period else None
    return Report(patient, measure, first, last, populations)


def populations_of(status: str) -> dict[str, int] | None:
    """Count of a patient in each population; none where the measure cannot be evaluated."""
    members = _OF_STATUS.get(status)
    return None if members is None else {name: int(name in members) for name in POPULATIONS}


def chosen_reports(reports: Sequence[Report], measure: str | None, period: Period) -> tuple[list[Report], int]:
    """Reports on one measure and the period; and how many are on others.

    Raises
    ------
    UsageError
        If reports on several measures are there and none is chosen, the one chosen is not there, or its reports are all
        on other periods: then nothing would be compared, and nothing would differ.
    """
    names = sorted({one.measure for one in reports})
    if measure is None and len(names) > 1:
        what = "the bundles hold reports on several measures"
        raise UsageError(Problem(what, "--expected-measure", "choose one of them", len(names), tuple(names)))
    if measure is not None and measure not in names:
        to_do = "choose one of them" if names else "the bundles hold no MeasureReport: leave it out"
        raise UsageError(Problem(f"no report is on {measure}", "--expected-measure", to_do, examples=tuple(names)))
    same = [
        one
        for one in reports
        if (measure is None or one.measure == measure) and (one.start, one.end) == (period.start, period.end)
    ]
    if reports and not same:
        periods = sorted({f"{one.start} to {one.end}" for one in reports if measure in (None, one.measure)})
        what = f"no report is on {period.start} to {period.end}"
        raise UsageError(Problem(what, "--period", "choose the period of the reports", examples=tuple(periods)))
    return same, len(reports) - len(same)


def read_known_failures(path: Path | None) -> dict[tuple[str, str], str]:
    """Read the tests that are known to be wrong: a table with ``patient``, ``measure`` and ``reason``.

    Returns
    -------
    Patient and measure of the report to the reason.

    Raises
    ------
    InputDataError
        If the file cannot be read, lacks a column, or a row has no reason.
    """
    if path is None:
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            columns, rows = reader.fieldnames or (), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputDataError(Problem(f"file cannot be read: {error}", str(path), "give a CSV file in UTF-8")) from None
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise InputDataError(Problem("columns are missing", str(path), "add them", len(missing), tuple(missing)))
    empty = [str(line) for line, row in enumerate(rows, 2) if not all((row[name] or "").strip() for name in _COLUMNS)]
    if empty:
        what = "a known failure lacks its patient, measure or reason"
        lines_ = tuple(f"line {one}" for one in empty)
        raise InputDataError(Problem(what, str(path), "say why the test is wrong", len(empty), lines_))
    return {(row["patient"].strip(), row["measure"].strip()): row["reason"].strip() for row in rows}


def compared(
    reports: Sequence[Report], statuses: Mapping[str, str], known: Mapping[tuple[str, str], str]
) -> list[Comparison]:
    """Compare each population of each report with what was found.

    Parameters
    ----------
    reports
        On one measure.
    statuses
        Patient to status; who is not there is outside.
    known
        Tests known to be wrong.

    Returns
    -------
    One per report and population.
    """
    rows: list[Comparison] = []
    for report in reports:
        found: Mapping[str, Any] = populations_of(statuses.get(report.patient, "outside")) or {}
        differs = any(found.get(name) != count for name, count in report.populations.items())
        reason = known.get((report.patient, report.measure), "")
        for name, count in report.populations.items():
            given = found.get(name)
            outcome = "agrees" if given == count else ("known" if reason else "differs")
            if reason and not differs:
                outcome = "not needed"
            rows.append(Comparison(report.patient, report.measure, name, count, given, outcome, reason))
    return rows
