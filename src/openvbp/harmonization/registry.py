"""The registry: every version of every measure, under program, identifier and version, with its direction.

The corpus is the user's input, one row per measure and year; the measures that openvbp models itself are added. A
row is accepted or rejected with a reason. Nothing is filled in: a direction that is not stated stays ``None``.
"""

from __future__ import annotations

import html
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.harmonization.modelled_measures import modelled_measures
from openvbp.text_tables import read_text_table

Direction = Literal["higher_is_better", "lower_is_better"]

CORPUS = "measures_corpus"
REQUIRED = ("program", "year", "mid", "title")
OPTIONAL = ("description", "inverse", "steward", "category", "cms", "cbe", "methods")
IS_COPY = "the same row stands in the file before"
CONTRADICTS = "another row has the same program, measure and version and other facts"
_DIRECTIONS: dict[str, Direction | None] = {"": None, "True": "lower_is_better", "False": "higher_is_better"}
_YEAR = re.compile(r"(19|20)\d\d")
_CMS_NUMBER = re.compile(r"CMS0*(\d+)")


@dataclass(frozen=True)
class Measure:
    """One version of one measure in one program."""

    program: str
    measure_id: str
    version: str
    """Year of the program, or the first day in force; ``as modelled`` where the program's folder has no dates."""
    title: str
    description: str = ""
    direction: Direction | None = None
    """``None`` where the source does not say."""
    steward: str = ""
    category: str = ""
    cms_number: str = ""
    """Number of the electronic specification, without its version: ``122`` of CMS122v14."""
    cbe_number: str = ""
    """Number of the consensus-based entity's endorsement, without leading zeros and suffix."""
    collection_types: tuple[str, ...] = ()
    ended: str = ""
    """First day on which the measure is no longer in force, where its source gives days; empty otherwise."""
    provenance: str = ""
    """File and row."""

    @property
    def key(self) -> tuple[str, str, str]:
        """Program, identifier and version."""
        return self.program, self.measure_id, self.version

    @property
    def has_text(self) -> bool:
        """Whether the title says more than the identifier does."""
        return bool(self.title) and self.measure_id not in self.title

    @property
    def name(self) -> str:
        """Program and identifier as they are written on the command line."""
        return f"{self.program}/{self.measure_id}"


@dataclass(frozen=True)
class RejectedRow:
    """A row of the corpus that is not in the registry."""

    source_file: str
    row_number: int
    program: str
    measure_id: str
    version: str
    reason: str


@dataclass(frozen=True)
class Registry:
    """All versions that could be read; ``len(measures) + len(rejected)`` is the number of rows read."""

    folder: Path
    measures: tuple[Measure, ...]
    rejected: tuple[RejectedRow, ...]
    rows_read: int

    def in_force(self, year: int) -> tuple[Measure, ...]:
        """Take each program's measures of its newest year up to ``year``; of dated versions the newest of each measure.

        Raises
        ------
        UsageError
            If no program has measures by then.
        """
        by_program: dict[str, list[Measure]] = defaultdict(list)
        for one in self.measures:
            if (_year(one) or 0) <= year and not (one.ended and int(one.ended[:4]) <= year):
                by_program[one.program].append(one)
        found = [one for versions in by_program.values() for one in _newest(versions)]
        if not any(_year(one) for one in found):
            years = sorted({_year(one) or 0 for one in self.measures if _year(one)})
            raise UsageError(Problem(f"no measure by {year}", "--year", f"give a year from {years[0]} to {years[-1]}"))
        return tuple(sorted(found, key=lambda one: one.key))

    def newest_year(self) -> int:
        """Give the newest year of any program."""
        return max(_year(one) or 0 for one in self.measures)

    def find(self, name: str, year: int | None = None) -> Measure:
        """Find a measure by ``PROGRAM/ID`` or by an identifier that only one program has.

        Raises
        ------
        UsageError
            If there is no such measure, or several programs have one.
        """
        at = self.newest_year() if year is None else year
        in_force = self.in_force(at)
        # Also measures that ended are found, at their last version.
        pool = in_force if year is not None else (*in_force, *_last_versions(self.measures, in_force))
        found = [one for one in pool if name in (one.name, one.measure_id)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(one.name for one in found)
            raise UsageError(Problem(f"several programs have the measure {name}", "A, B", f"write one of: {names}"))
        alike = sorted({one.name for one in pool if name.lower() in one.name.lower()})
        raise UsageError(
            Problem(
                f"no measure {name}" + (f" in {year}" if year else ""),
                str(self.folder),
                "write PROGRAM/ID as 'openvbp harmonize pairs' prints it",
                examples=tuple(alike[:3]),
            )
        )


def read_registry(folder: Path) -> Registry:
    """Read ``measures_corpus.parquet`` or ``.csv`` of a folder and add the measures that openvbp models.

    Raises
    ------
    InputDataError
        If the file is missing, lacks a column, or has no row that can be used.
    """
    path, rows = _read_corpus(folder)
    rejected: list[RejectedRow] = []
    read: list[tuple[int, Measure]] = []
    for number, row in enumerate(rows, start=1):
        reason = _reason(row)
        if reason is None:
            read.append((number, _measure(row, f"{path.name} row {number}")))
        else:
            rejected.append(_rejected(path, number, row["program"], row["mid"], row["year"], reason))
    accepted = _once_each(path, read, rejected)
    if not accepted:
        examples = tuple(f"row {one.row_number}: {one.reason}" for one in rejected[:3])
        raise InputDataError(Problem("no row can be used", str(path), "correct the file", max(len(rows), 1), examples))
    modelled = tuple(Measure(**one) for one in modelled_measures())
    rejected.sort(key=lambda one: one.row_number)
    return Registry(folder, (*accepted, *modelled), tuple(rejected), len(rows) + len(modelled))


def _read_corpus(folder: Path) -> tuple[Path, list[dict[str, str]]]:
    path = folder / f"{CORPUS}.parquet"
    if path.is_file():
        try:
            table = pq.read_table(path)
        except (pa.ArrowException, OSError) as error:
            raise InputDataError(
                Problem(f"file cannot be read: {type(error).__name__}", str(path), "write it again as Parquet")
            ) from error
        columns = table.column_names
        cells = {name: table[name].to_pylist() for name in columns if name in (*REQUIRED, *OPTIONAL)}
        rows = [dict(zip(cells, map(_tidy, row), strict=True)) for row in zip(*cells.values(), strict=True)]
    elif path.with_suffix(".csv").is_file():
        path = path.with_suffix(".csv")
        text = read_text_table(path)
        columns = list(text.header)
        rows = [dict(zip(columns, map(_tidy, row), strict=True)) for row in text.rows]
    else:
        raise InputDataError(
            Problem(
                "no corpus of measures",
                str(path),
                "add measures_corpus.parquet or measures_corpus.csv with the columns " + ", ".join(REQUIRED),
            )
        )
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise InputDataError(Problem("columns are missing", str(path), "add them", len(missing), tuple(missing)))
    return path, rows


def _tidy(cell: object) -> str:
    """Collapse blanks and line ends, and undo the escapes of HTML and Markdown that publishers leave in."""
    return " ".join(html.unescape("" if cell is None else str(cell)).replace("\\&", "&").split())


def _reason(row: dict[str, str]) -> str | None:
    for column in REQUIRED:
        if not row[column]:
            return f"{column} is empty"
    if not _YEAR.fullmatch(row["year"]):
        return f"year is not a year: {row['year']}"
    if row.get("inverse", "") not in _DIRECTIONS:
        return f"inverse is not True, False or empty: {row['inverse']}"
    return None


def _measure(row: dict[str, str], provenance: str) -> Measure:
    cms = _CMS_NUMBER.search(row.get("cms", ""))
    return Measure(
        program=row["program"],
        measure_id=row["mid"],
        version=row["year"],
        title=row["title"],
        description=row.get("description", ""),
        direction=_DIRECTIONS[row.get("inverse", "")],
        steward=row.get("steward", ""),
        category=row.get("category", ""),
        cms_number=cms.group(1) if cms else "",
        cbe_number=re.sub(r"[^0-9].*$", "", row.get("cbe", "")).lstrip("0"),
        collection_types=tuple(sorted(filter(None, row.get("methods", "").split("|")))),
        provenance=provenance,
    )


def _once_each(path: Path, read: Iterable[tuple[int, Measure]], rejected: list[RejectedRow]) -> tuple[Measure, ...]:
    """Keep one row per key; of rows that contradict each other none can be believed."""
    by_key: dict[tuple[str, str, str], list[tuple[int, Measure]]] = defaultdict(list)
    for number, one in read:
        by_key[one.key].append((number, one))
    accepted = []
    for key, versions in by_key.items():
        facts = {_facts(one) for _number, one in versions}
        if len(facts) == 1:
            accepted.append(versions[0][1])
        rest = versions[1:] if len(facts) == 1 else versions
        reason = IS_COPY if len(facts) == 1 else CONTRADICTS
        rejected.extend(_rejected(path, number, *key, reason) for number, _one in rest)
    return tuple(accepted)


def _facts(one: Measure) -> tuple[object, ...]:
    return tuple(value for name, value in vars(one).items() if name != "provenance")


def _rejected(path: Path, number: int, program: str, measure_id: str, version: str, reason: str) -> RejectedRow:
    return RejectedRow(path.name, number, program, measure_id, version, reason)


def _year(one: Measure) -> int | None:
    found = _YEAR.match(one.version)
    return int(found.group()) if found else None


def _newest(versions: Sequence[Measure]) -> list[Measure]:
    """Newest year of a corpus program as a whole; of measures that are dated one by one, each one's newest."""
    if any("-" in one.version or _year(one) is None for one in versions):
        return list({one.measure_id: one for one in sorted(versions, key=lambda one: one.version)}.values())
    newest = max(_year(one) or 0 for one in versions)
    return [one for one in versions if _year(one) == newest]


def _last_versions(measures: Sequence[Measure], in_force: Sequence[Measure]) -> list[Measure]:
    present = {one.name for one in in_force}
    ended = {one.name: one for one in sorted(measures, key=lambda one: one.version) if one.name not in present}
    return list(ended.values())
