"""Hospital Value-Based Purchasing with measures counted from claims instead of published ones."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from openvbp import pipeline
from openvbp.claims_chain.mortality import MortalityRate, mortality_rates
from openvbp.claims_chain.usable_claims import usable_claims
from openvbp.csv_files import write_csv
from openvbp.engine import EngineName
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.periods import Period, parse_any_period
from openvbp.programs import program as find_program
from openvbp.programs.hvbp.measures import measure_catalogue
from openvbp.run_folder import RunFolder

FOLDER = Path("evidence") / "claims"
FILES = "files"
RATES = "rates.csv"
CASES = "from_claims_cases.csv"
_CASE_COLUMNS = ("Facility ID", "Measure ID", "Baseline Cases", "Performance Cases")
_HOSPITAL = "Facility ID"
_MISSING = "Not Available"
MEASURES = {
    "MORT-30-AMI": "mortality.acute_myocardial_infarction",
    "MORT-30-HF": "mortality.heart_failure",
    "MORT-30-PN": "mortality.pneumonia",
    "MORT-30-COPD": "mortality.chronic_obstructive_pulmonary_disease",
    "MORT-30-CABG": "mortality.coronary_artery_bypass_graft",
}
"""The program's measures that claims tell, to measures of the library; the program counts survivors, these deaths."""


def run_from_claims(
    program_id: str,
    *,
    period: str,
    data: Path,
    claims: Path,
    baseline: str,
    performance: str,
    out: Path,
    engine: EngineName = "duckdb",
    changes: Sequence[str] = (),
    scenarios: Path | None = None,
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> RunFolder:
    """Run a hospital program whose measures are counted from claims where claims tell them.

    Parameters
    ----------
    program_id
        ``hvbp``; no other program has measures here.
    period
        Program period, for example ``FY2024``.
    data
        Folder with the program's files: standards, and the measures that claims do not tell. Hospitals of the claims
        that are in no file are counted, not scored.
    claims
        Folder of claims in the native layout.
    baseline, performance
        Periods of admission, for example ``CY2023`` and ``CY2024``.
    out
        Run folder; counts, models and the files that were scored go to ``evidence/claims``.
    engine, changes, scenarios, threads, progress
        As of :func:`openvbp.pipeline.run`.

    Raises
    ------
    UsageError, InputDataError, MachineError
        If the program, a period, the claims or the files cannot be used, or no hospital of the claims is in the files.
    """
    if program_id != "hvbp":
        raise UsageError(Problem(f"measures of {program_id} are not counted from claims", "--from-claims", "run hvbp"))
    program = find_program(program_id)
    scenario = program.parameters.in_force(program.parameters.period(period))
    asked = {name: measure for name, measure in MEASURES.items() if name in scenario.keyed("measure_domain")}
    if not asked:
        raise UsageError(Problem(f"{period} has no measure that claims tell", "--from-claims", "choose a later period"))
    spans = [parse_any_period(baseline), parse_any_period(performance)]
    folder = out / FOLDER
    with pipeline.locked(out, program.program_id):
        folder.mkdir(parents=True, exist_ok=True)
        usable, rows = usable_claims(claims, folder, engine=engine, threads=threads, progress=progress)
        rates, not_fitted = mortality_rates(
            usable, folder, list(asked.values()), spans, engine=engine, threads=threads, progress=progress
        )
        for name, why in not_fitted.items():
            progress(f"{name} gives no rate: {why}")
        replaced = _with_rates(data, folder / FILES, asked, rates, spans)
        progress(f"{replaced} rates of the files replaced by rates from claims")
        write_csv([asdict(one) for one in rates], list(MortalityRate.__dataclass_fields__), folder / RATES)
        record = {"claims": str(claims), "rows": rows, "rates_replaced": replaced, "not_fitted": not_fitted}
        (folder / "counted.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return pipeline.run(
        program_id,
        period=period,
        data=folder / FILES,
        out=out,
        engine=engine,
        changes=changes,
        scenarios=scenarios,
        threads=threads,
        progress=progress,
    )


def _with_rates(
    data: Path, to: Path, asked: Mapping[str, str], rates: Sequence[MortalityRate], spans: Sequence[Period]
) -> int:
    """Copy the program's files with the rates from claims in their places; say how many.

    A hospital of the claims has no published rate of these measures any more: what claims do not give is missing.
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
            for place, (measure, label) in places.items():
                matched.add(row[hospital])
                one = known.get((row[hospital], measure, label))
                row[place] = _MISSING if one is None else str(1 - one.standardized_rate)
                replaced += one is not None
        if list(header[:4]) == list(_CASE_COLUMNS):
            rows = [row for row in rows if not (row[hospital] in facilities and row[1] in asked)]
        with (to / path.name).open("w", newline="", encoding="utf-8") as out:
            csv.writer(out, lineterminator="\n").writerows([header, *rows])
    if not matched:
        what_to_do = f"name the hospitals of the claims in the column '{_HOSPITAL}' of the program's files"
        examples = tuple(sorted(facilities)[:3])
        raise InputDataError(Problem("no hospital of the claims is in the files", str(data), what_to_do, 1, examples))
    _write_cases(to, asked, rates, spans, matched)
    return replaced


def _places(header: Sequence[str], asked: Mapping[str, str], spans: Sequence[Period]) -> dict[int, tuple[str, str]]:
    """Columns of rates that claims give: to the measure of the library and the period."""
    found = {}
    for place, name in enumerate(header):
        for measure_id, measure in asked.items():
            for words, span in zip(("Baseline Rate", "Performance Rate"), spans, strict=True):
                if name in (f"{written} {words}" for written in measure_catalogue()[measure_id].names_in_files):
                    found[place] = (measure, span.label)
    return found


def _write_cases(
    to: Path, asked: Mapping[str, str], rates: Sequence[MortalityRate], spans: Sequence[Period], matched: set[str]
) -> None:
    cases = {(one.facility_id, one.measure, one.period): one.cases for one in rates}
    rows = [
        [hospital, measure_id, *(cases.get((hospital, measure, span.label), 0) for span in spans)]
        for hospital in sorted(matched)
        for measure_id, measure in asked.items()
    ]
    present = [
        path for path in to.glob("*.csv") if path.open(encoding="utf-8").readline().strip() == ",".join(_CASE_COLUMNS)
    ]
    target = present[0] if present else to / CASES
    with target.open("a" if present else "w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows(rows if present else [list(_CASE_COLUMNS), *rows])
