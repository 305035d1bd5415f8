"""Which of a folder's files are HRRP files, and what each of their columns is.

Files are told by their columns, never by their names: names, dates in names and column spellings change from release to
release.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from openvbp.errors import InputDataError, Problem
from openvbp.programs.hrrp.measures import measure_catalogue, measures_by_name
from openvbp.programs.hrrp.sheets import HOSPITAL_COLUMNS, Sheet, read_sheet
from openvbp.text_tables import normalized

Kind = Literal["report", "stays", "supplemental", "hospitals", "conditions", "ratios", "ignored"]

_DESCRIPTIONS = {
    "facility name": "provider_name",
    "hospital name": "provider_name",
    "state": "state",
    "measure name": "measure",
    "measure id": "measure",
    "footnote": "footnote",
    "rate unverified": "rate_unverified",
    "start date": "start_date",
    "end date": "end_date",
}
_OF_MEASURE = {
    "number of discharges": "eligible_discharges",
    "number of eligible discharges": "eligible_discharges",
    "number of readmissions": "readmissions",
    "excess readmission ratio": "published_excess_readmission_ratio",
    "predicted readmission rate": "predicted_readmission_rate",
    "expected readmission rate": "expected_readmission_rate",
    "drg payment ratio": "published_drg_payment_ratio",
    "condition base operating drg payment amount usd": "condition_base_operating_drg_payment_amount",
}
_RATIO_COLUMNS = {"published_excess_readmission_ratio", "predicted_readmission_rate", "expected_readmission_rate"}
_OF_HOSPITAL = {
    "dual proportion": "published_dual_proportion",
    "dual eligible ratio": "published_dual_proportion",
    "dual eligible stays": "dual_eligible_stays",
    "stays": "stays",
    "peer group assignment": "published_peer_group",
    "peer group": "published_peer_group",
    "neutrality modifier": "published_neutrality_modifier",
    "payment adjustment factor": "published_payment_adjustment_factor",
    "payment reduction percentage": "published_payment_reduction",
    "base operating drg payment amount usd": "base_operating_drg_payment_amount",
    "aggregate payments for all discharges usd": "aggregate_payments_for_all_discharges",
    "excluded reason": "excluded_reason",
}
_FACTOR = re.compile(r"(corrected )?(fy \d{4} )?(proxy )?(hospital )?(readmissions? )?(payment )?adjustment factor")
_WIDE = (
    (re.compile(r"number of eligible discharges for (.+)"), "eligible_discharges"),
    (re.compile(r"number of (.+) cases"), "eligible_discharges"),
    (re.compile(r"err for (.+)"), "published_excess_readmission_ratio"),
    (re.compile(r"excess readmission ratio for (.+)"), "published_excess_readmission_ratio"),
    (re.compile(r"(.+) excess readmission ratio"), "published_excess_readmission_ratio"),
    (re.compile(r"peer group median err for (.+)"), "published_peer_group_median"),
    (re.compile(r"penalty indicator for (.+)"), "published_penalty_indicator"),
    (re.compile(r"drg payment ratio for (.+)"), "published_drg_payment_ratio"),
)


@dataclass
class PublishedFile:
    """One file of the folder with the meaning of its columns, by column index."""

    path: Path
    sheet: Sheet | None
    """``None`` when the file has no header that HRRP files have."""
    hospital: int | None = None
    described: dict[str, int] = field(default_factory=dict)
    of_measure: dict[str, int] = field(default_factory=dict)
    """Quantity to column, in files with one row per hospital and measure."""
    of_hospital: dict[str, int] = field(default_factory=dict)
    wide: dict[tuple[str, str], int] = field(default_factory=dict)
    """(measure_id, quantity) to column, in files with one row per hospital."""
    unknown_measures: list[str] = field(default_factory=list)

    @property
    def kind(self) -> Kind:
        """What the file is used for."""
        if self.sheet is None:
            return "ignored"
        if self.hospital is None:
            return "stays" if self.sheet.labels[0].startswith("id number") else "report"
        if self.wide or self.unknown_measures:
            return "supplemental"
        if "measure" in self.described and self.of_measure:
            return "ratios" if self.of_measure.keys() & _RATIO_COLUMNS else "conditions"
        return "hospitals" if self.of_hospital else "ignored"

    def citation(self, index: int) -> str:
        """Name the file and one of its columns."""
        header = " ".join(self.sheet.header[index].split()) if self.sheet else ""
        return f"{self.path.name}, column '{header}'"


def read_folder(directory: Path) -> list[PublishedFile]:
    """Read every CSV and text file of a folder, or one file, and classify the columns.

    Raises
    ------
    InputDataError
        If nothing is there, a file is broken, or a column names an unknown measure or is missing.
    """
    if not directory.exists():
        raise InputDataError(Problem("folder not found", str(directory), "give the folder of the published files"))
    paths = [directory] if directory.is_file() else sorted(directory.iterdir())
    paths = [path for path in paths if path.suffix.lower() in (".csv", ".txt") and path.is_file()]
    if not paths:
        raise InputDataError(
            Problem(
                "folder has no CSV or text file", str(directory), "download the published files: openvbp fetch hrrp"
            )
        )
    found, problems = [], []
    for path in paths:
        try:
            sheet = read_sheet(path)
            found.append(classify(path, sheet))
        except InputDataError as error:
            problems.extend(error.problems)
    problems.extend(_wrong_columns(found))
    problems.extend(_given_twice(found))
    if problems:
        raise InputDataError(problems)
    return found


def classify(path: Path, sheet: Sheet | None) -> PublishedFile:
    """Find out what each column of a file is."""
    result = PublishedFile(path, sheet)
    if sheet is None:
        return result
    result.hospital = next((sheet.labels.index(name) for name in HOSPITAL_COLUMNS if name in sheet.labels), None)
    if result.hospital is None:
        return result
    for index, name in enumerate(sheet.labels):
        if name in _DESCRIPTIONS:
            result.described[_DESCRIPTIONS[name]] = index
        elif name in _OF_MEASURE:
            result.of_measure[_OF_MEASURE[name]] = index
        elif name in _OF_HOSPITAL:
            result.of_hospital[_OF_HOSPITAL[name]] = index
        elif _FACTOR.fullmatch(name):
            result.of_hospital["published_payment_adjustment_factor"] = index
        else:
            _classify_wide(result, name, index)
    return result


def _classify_wide(result: PublishedFile, name: str, index: int) -> None:
    for pattern, quantity in _WIDE:
        match = pattern.fullmatch(name)
        if match is None:
            continue
        measure_id = measures_by_name().get(normalized(match[1]))
        if measure_id is None:
            result.unknown_measures.append(result.sheet.header[index] if result.sheet else name)
        else:
            result.wide[measure_id, quantity] = index
        return


def _wrong_columns(found: Iterable[PublishedFile]) -> list[Problem]:
    problems = []
    for file in found:
        if file.hospital is not None and file.of_measure and "measure" not in file.described and not file.wide:
            problems.append(Problem("column 'Measure Name' is missing", str(file.path), "use the file as published"))
        if file.unknown_measures:
            problems.append(
                Problem(
                    "columns of an unknown measure",
                    str(file.path),
                    "check the file; a new measure is added in measure_catalogue.csv and parameters.yaml",
                    len(file.unknown_measures),
                    tuple(file.unknown_measures[:3]),
                )
            )
        ratio = "published_excess_readmission_ratio"
        without = [one for one in measure_catalogue() if _has_measure(file, one) and (one, ratio) not in file.wide]
        if without:
            problems.append(
                Problem(
                    "columns with the excess readmission ratio (ERR) are missing",
                    str(file.path),
                    "use the file as published",
                    len(without),
                    tuple(without[:3]),
                )
            )
    return problems


def _has_measure(file: PublishedFile, measure_id: str) -> bool:
    return any(key[0] == measure_id for key in file.wide)


def _given_twice(found: Iterable[PublishedFile]) -> list[Problem]:
    """Two releases of one kind of file cannot both be right."""
    first: dict[object, PublishedFile] = {}
    problems = []
    for file in found:
        if file.hospital is None or file.kind == "ignored":
            continue
        keys = [(file.kind, name) for name in (*file.of_measure, *file.of_hospital, *file.wide)]
        shared = [key for key in keys if first.setdefault(key, file) is not file]
        if shared:
            problems.append(
                Problem(
                    f"the same columns stand in {first[shared[0]].path.name}",
                    str(file.path),
                    "keep one release of each file in the folder",
                    len(shared),
                    tuple(sorted({" ".join(name) if isinstance(name, tuple) else name for _, name in shared})[:3]),
                )
            )
    return problems
