"""Files of Hospital Value-Based Purchasing with rates from claims in the places of published ones."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from openvbp.claims_chain import spending
from openvbp.claims_chain.hospital_rate import UNVERIFIED, HospitalRate
from openvbp.errors import InputDataError, Problem
from openvbp.periods import Period
from openvbp.programs.hvbp.measures import measure_catalogue

MEASURES = {
    "MORT-30-AMI": "mortality.acute_myocardial_infarction",
    "MORT-30-HF": "mortality.heart_failure",
    "MORT-30-PN": "mortality.pneumonia",
    "MORT-30-COPD": "mortality.chronic_obstructive_pulmonary_disease",
    "MORT-30-CABG": "mortality.coronary_artery_bypass_graft",
    "COMP-HIP-KNEE": "complications.hip_or_knee_arthroplasty",
    "MSPB-1": spending.MEASURE,
}
"""The program's measures that claims tell, to measures of the library; of deaths the program counts the survivors."""
_CASES = "from_claims_cases.csv"
_CASE_COLUMNS = (
    "Facility ID",
    "Measure ID",
    "Baseline Cases",
    "Performance Cases",
    "Performance Events",
    "Rate Unverified",
)
_KNOWN = 4
"""Columns that the user's own file of cases has."""
_HOSPITAL = "Facility ID"
_MISSING = "Not Available"
_PLACES = Decimal("0.000001")

Rates = Mapping[tuple[str, str, str], HospitalRate]
"""By hospital, measure of the library and label of the period."""


def program_rate(measure_id: str, one: HospitalRate) -> Decimal | None:
    """Give a rate as the program has it: of survivors, not of deaths."""
    if one.rate is None:
        return None
    return (1 - one.rate if measure_id.startswith("MORT-") else one.rate).quantize(_PLACES)


def write_files(
    data: Path, to: Path, asked: Mapping[str, str], rates: Sequence[HospitalRate], spans: Sequence[Period]
) -> int:
    """Copy the program's files with the rates from claims in their places.

    A hospital of the claims has no published rate of these measures any more: what claims do not give is missing.

    Parameters
    ----------
    data
        Folder of the program's files.
    to
        Folder for the copies; what is in it is removed.
    asked
        Measures of the program to measures of the library.
    rates
        Of all hospitals and periods.
    spans
        Baseline and performance period.

    Returns
    -------
    How many rates were replaced.

    Raises
    ------
    InputDataError
        If no hospital of the claims is in the files.
    """
    known = {(one.facility_id, one.measure, one.period): one for one in rates}
    facilities = {one.facility_id for one in rates}
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    replaced, matched = 0, set()
    for path in sorted(data.iterdir()):
        if path.suffix.lower() != ".csv":
            continue
        with path.open(newline="", encoding="utf-8-sig") as lines:
            header, *rows = list(csv.reader(lines)) or [[]]
        if _HOSPITAL not in header:
            shutil.copyfile(path, to / path.name)
            continue
        hospital = header.index(_HOSPITAL)
        places = _places(header, asked, spans)
        rows = [row for row in rows if len(row) == len(header)] if places else rows
        for row in rows:
            if row[hospital] not in facilities:
                continue
            for place, (measure_id, label) in places.items():
                matched.add(row[hospital])
                one = known.get((row[hospital], asked[measure_id], label))
                rate = None if one is None else program_rate(measure_id, one)
                row[place] = _MISSING if rate is None else str(rate)
                replaced += rate is not None
        if tuple(header[:_KNOWN]) == _CASE_COLUMNS[:_KNOWN]:
            rows = [row for row in rows if not (row[hospital] in facilities and row[1] in asked)]
        _write(to / path.name, [header, *rows])
    if not matched:
        what_to_do = f"name the hospitals of the claims in the column '{_HOSPITAL}' of the program's files"
        examples = tuple(sorted(facilities)[:3])
        raise InputDataError(Problem("no hospital of the claims is in the files", str(data), what_to_do, 1, examples))
    _write_cases(to, asked, known, spans, sorted(matched))
    return replaced


def _places(header: Sequence[str], asked: Mapping[str, str], spans: Sequence[Period]) -> dict[int, tuple[str, str]]:
    """Columns of rates that claims give: to the program's measure and the label of the period."""
    found = {}
    for place, name in enumerate(header):
        for measure_id in asked:
            for words, span in zip(("Baseline Rate", "Performance Rate"), spans, strict=True):
                if name in (f"{written} {words}" for written in measure_catalogue()[measure_id].names_in_files):
                    found[place] = (measure_id, span.label)
    return found


def _write_cases(
    to: Path, asked: Mapping[str, str], known: Rates, spans: Sequence[Period], hospitals: Sequence[str]
) -> None:
    """Add the cases of the hospitals to the user's file of cases, or to one of their own."""
    ours = []
    for hospital in hospitals:
        for measure_id, measure in asked.items():
            before, now = (known.get((hospital, measure, span.label)) for span in spans)
            counts = [str(0 if one is None else one.cases) for one in (before, now)]
            ours.append([hospital, measure_id, *counts, _events(measure_id, now), _remark(now)])
    path = next((one for one in sorted(to.glob("*.csv")) if _header(one)[:_KNOWN] == _CASE_COLUMNS[:_KNOWN]), None)
    if path is None:
        _write(to / _CASES, [list(_CASE_COLUMNS), *ours])
        return
    with path.open(newline="", encoding="utf-8") as lines:
        header, *rows = list(csv.reader(lines))
    between = [""] * (len(header) - _KNOWN)
    new = list(_CASE_COLUMNS[_KNOWN:])
    widened = [[*row, *([""] * len(new))] for row in rows]
    _write(path, [[*header, *new], *widened, *([*row[:_KNOWN], *between, *row[_KNOWN:]] for row in ours)])


def _remark(one: HospitalRate | None) -> str:
    return UNVERIFIED if one is None else one.remark


def _events(measure_id: str, one: HospitalRate | None) -> str:
    if one is None or one.events is None:
        return ""
    return str(one.cases - one.events if measure_id.startswith("MORT-") else one.events)


def _header(path: Path) -> tuple[str, ...]:
    with path.open(newline="", encoding="utf-8") as lines:
        return tuple(next(csv.reader(lines), []))


def _write(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out, lineterminator="\n").writerows(rows)
