"""Which of a folder's files are of the program, and what each of their columns is.

Files are told by their columns, never by their names: names and column spellings change from release to release.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from openvbp.errors import InputDataError, Problem
from openvbp.programs.hacrp.measures import measures_by_name
from openvbp.text_tables import TextTable, normalized, read_text_table

_FIELDS = {
    "rate": ("sir", "composite value", "composite", "index value", "measure result", "rate", "value"),
    "z_score": ("w z score", "winsorized z score"),
    "points": ("score",),
    "footnote": (
        "w z footnote",
        "w z score footnote",
        "sir footnote",
        "composite value footnote",
        "composite footnote",
        "score footnote",
        "footnote",
    ),
}
"""What a column of a measure holds, and how its name ends in any year; the first footnote column found counts."""

_NAMED_COLUMNS = {
    "facility id": "provider_id",
    "provider id": "provider_id",
    "provider number": "provider_id",
    "ccn": "provider_id",
    "hospital": "name_and_id",
    "facility name": "provider_name",
    "hospital name": "provider_name",
    "state": "state",
    "fiscal year": "fiscal_year",
    "file year": "file_year",
    "domain 1 score": "domain_1",
    "domain 2 score": "domain_2",
    "total hac score": "total_hac_score",
    "payment reduction": "payment_reduction",
    "base operating drg payment amount usd": "base_operating_drg_payment_amount",
    "other payment amount usd": "other_payment_amount",
    "hvbp adjustment factor": "hvbp_adjustment_factor",
    "hrrp adjustment factor": "hrrp_adjustment_factor",
    "dual eligible ratio": "dual_eligible_ratio",
    "excluded reason": "excluded_reason",
}


@dataclass
class PublishedFile:
    """One file of the folder with the meaning of its columns, by column index."""

    table: TextTable
    named: dict[str, int] = field(default_factory=dict)
    measures: dict[tuple[str, str], int] = field(default_factory=dict)
    """(measure_id, field) to column."""

    @property
    def kind(self) -> str:
        """What the file is used for; ``ignored`` when it has nothing to do with the program."""
        if self.measures or self.named.keys() & {"total_hac_score", "payment_reduction"}:
            return "scores"
        if "provider_id" in self.named and "base_operating_drg_payment_amount" in self.named:
            return "payments"
        if "provider_id" in self.named and self.named.keys() & {"dual_eligible_ratio", "excluded_reason"}:
            return "attributes"
        return "ignored"

    @property
    def used_columns(self) -> list[int]:
        """Columns that have a meaning here; two rows that agree in them are the same row."""
        return sorted({*self.named.values(), *self.measures.values()})


def read_files(path: Path) -> list[PublishedFile]:
    """Read a file, or every CSV file of a folder, and classify the columns.

    Raises
    ------
    InputDataError
        If there is no CSV file or one is broken.
    """
    if path.is_dir():
        paths = sorted(one for one in path.iterdir() if one.suffix.lower() == ".csv" and one.is_file())
        if not paths:
            raise InputDataError(
                Problem("folder has no CSV file", str(path), "download the published file: openvbp fetch hacrp")
            )
    elif path.is_file():
        paths = [path]
    else:
        raise InputDataError(Problem("folder not found", str(path), "give the folder of the published file"))
    published, problems = [], []
    for one in paths:
        try:
            published.append(classify(read_text_table(one)))
        except InputDataError as error:
            problems.extend(error.problems)
    if problems:
        raise InputDataError(problems)
    return published


def classify(table: TextTable) -> PublishedFile:
    """Find out what each column of a file is."""
    result = PublishedFile(table)
    names = _measure_columns()
    positions = {normalized(header): index for index, header in enumerate(table.header)}
    for name, index in positions.items():
        if name in _NAMED_COLUMNS:
            result.named.setdefault(_NAMED_COLUMNS[name], index)
    for name, key in names.items():
        if name in positions:
            result.measures.setdefault(key, positions[name])
    return result


def _measure_columns() -> dict[str, tuple[str, str]]:
    """Every name that a column of a measure may have, those that win first."""
    return {
        f"{measure} {ending}": (measure_id, name)
        for name, endings in _FIELDS.items()
        for ending in endings
        for measure, measure_id in measures_by_name().items()
    }


def hospital_of(file: PublishedFile, row: tuple[str, ...]) -> tuple[str, str]:
    """Identify a row's hospital: certification number as written (may be unusable) and name."""
    if "provider_id" in file.named:
        name = row[file.named["provider_name"]] if "provider_name" in file.named else ""
        return row[file.named["provider_id"]], name
    text = row[file.named["name_and_id"]]
    match = re.fullmatch(r"(?P<name>.*?)\s*\((?P<id>[^()]*)\)", text)
    return (match["id"], match["name"]) if match else ("", text)
