"""Which of a folder's files has the results of the performance year, and what each of its columns is.

Files are told by their columns; the year is read from the column of years or, where there is none, from the file's
name, because most years' files name their year nowhere else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from openvbp.errors import InputDataError, Problem
from openvbp.text_tables import TextTable, normalized, read_text_table

PARTICIPANT_REVENUE_FILE = "participant_revenue.csv"
"""File of the user with what is not public; it is not a results file."""

_NAMED_COLUMNS = {
    "aco identifier": "provider_id",
    "aco num": "provider_id",
    "aco id": "provider_id",
    "aco name": "provider_name",
    "aco state": "state",
    "year": "year",
    "performance year": "year",
    "start date": "start_date",
    "current start date": "start_date",
    "initial start date": "initial_start_date",
    "initial track 2": "is_initially_track_2",
    "current track": "track",
    "track1": "is_track_1",
    "track2": "is_track_2",
    "track 2 aco": "is_track_2_or_1",
    "current track 1": "is_track_1",
    "current track 2": "is_track_2",
    "current track 3": "is_track_3",
    "current track 1 plus": "is_track_1_plus",
    "current basic a": "is_basic_a",
    "current basic b": "is_basic_b",
    "current basic c": "is_basic_c",
    "current basic d": "is_basic_d",
    "current basic e": "is_basic_e",
    "current enhanced": "is_enhanced",
    "n ab": "beneficiaries",
    "total number of assigned beneficiaries": "beneficiaries",
    "sav rate": "savings_rate",
    "minsavperc": "minimum_savings_rate",
    "minimum savings rate": "minimum_savings_rate",
    "abtotbnchmk": "benchmark",
    "total benchmark expenditures": "benchmark",
    "abtotexp": "expenditures",
    "total expenditures": "expenditures",
    "bnchmkminexp": "published_difference",
    "total savings losses": "published_difference",
    "earnsaveloss": "earned_savings_or_losses",
    "shared savings": "earned_savings",
    "shared losses": "owed_losses",
    "disadj": "disaster_adjustment",
    "met qps": "is_quality_standard_met",
    "met altqps": "is_alternative_standard_met",
    "qualscore": "quality_score",
    "quality score": "quality_score",
    "finalsharerate": "final_sharing_rate",
    "final sharing rate": "final_sharing_rate",
    "finallossrate": "final_loss_rate",
    "rev exp cat": "revenue_category",
    "revlosslimit": "has_revenue_limit",
    "participation six months": "is_six_months",
    "prorate shared losses": "is_ended_early",
    "impact mid year termination": "is_ended_early",
    "guardrail": "has_guardrail",
}
"""Column names of any year, reduced by :func:`openvbp.text_tables.normalized`."""

_MARKS = ("provider_id", "benchmark", "minimum_savings_rate")
"""A file with all of these has results of ACOs."""


@dataclass
class ResultsFile:
    """A file with the meaning of its columns."""

    table: TextTable
    named: dict[str, int] = field(default_factory=dict)
    is_shifted: bool = False
    """Whether the headers of the money columns stood one column too far left."""

    @property
    def has_results(self) -> bool:
        """Whether the file has the results of ACOs."""
        return all(name in self.named for name in _MARKS)

    def texts(self, name: str) -> list[str] | None:
        """Cells of a column; ``None`` if the file has no such column."""
        return self.table.column(self.named[name]) if name in self.named else None

    def source(self, name: str) -> str:
        """File and column, for citations."""
        return f"{self.table.name}, column '{self.table.header[self.named[name]]}'"


def read_results_file(path: Path, year: int) -> tuple[ResultsFile, list[ResultsFile]]:
    """Read a file, or the one file of a folder that has the results of the year.

    Returns
    -------
    The file and those set aside.

    Raises
    ------
    InputDataError
        If there is no file of the year, or several, or the file is broken.
    """
    if not path.is_dir():
        if not path.is_file():
            raise InputDataError(Problem("folder not found", str(path), "give the folder of the published file"))
        file = classify(read_text_table(path))
        if not file.has_results:
            raise _no_results(path, file)
        return file, []
    paths = sorted(one for one in path.iterdir() if one.suffix.lower() == ".csv" and one.is_file())
    readable, problems = [], []
    for one in (one for one in paths if one.name != PARTICIPANT_REVENUE_FILE):
        try:
            readable.append(classify(read_text_table(one)))
        except InputDataError as error:
            problems.append((one, error))
    # A broken file of another year does not matter; one that may be the year's does.
    broken = [
        error for one, error in problems if len(paths) == 1 or year in _numbers(one.name) or not _numbers(one.name)
    ]
    if broken:
        raise InputDataError([problem for error in broken for problem in error.problems])
    return _choose(path, readable, year)


def _choose(path: Path, files: list[ResultsFile], year: int) -> tuple[ResultsFile, list[ResultsFile]]:
    candidates = [file for file in files if file.has_results]
    if not candidates:
        raise _no_results(path, files[0] if len(files) == 1 else None)
    chosen = [file for file in candidates if year in years_of(file)]
    if not chosen and len(candidates) == 1 and not years_of(candidates[0]):
        chosen = candidates
    if len(chosen) != 1:
        names = tuple(file.table.name for file in chosen or candidates)
        raise InputDataError(
            Problem(
                f"{'several files have' if chosen else 'no file has'} results of {year}",
                str(path),
                "give the one file with --data FILE (the year is read from its column 'year' or its name; agreements "
                "that began on 2019-07-01 have a file of their own)",
                len(names),
                names[:3],
            )
        )
    return chosen[0], [file for file in files if file is not chosen[0]]


def years_of(file: ResultsFile) -> set[int]:
    """Years that a file may be of; empty if it does not say."""
    texts = file.texts("year")
    if texts:
        return {int(text) for text in texts if re.fullmatch(r"20\d\d", text)}
    return _numbers(file.table.name)


def _numbers(name: str) -> set[int]:
    return {int(number) for number in re.findall(r"(?<!\d)(20\d\d)(?!\d)", name)}


def _no_results(path: Path, file: ResultsFile | None) -> InputDataError:
    missing = [name.replace("_", " ") for name in _MARKS if file and name not in file.named]
    what = "no results of ACOs found" + (f": columns are missing ({', '.join(missing)})" if missing else "")
    return InputDataError(
        Problem(
            what, str(path), "give the public use file 'Performance Year Financial and Quality Results' as published"
        )
    )


def classify(table: TextTable) -> ResultsFile:
    """Find out what each column of a file is."""
    file = ResultsFile(table)
    for index, header in enumerate(table.header):
        name = _NAMED_COLUMNS.get(normalized(header))
        if name:
            file.named.setdefault(name, index)
    return file
