"""The published file of any fiscal year, and the two files a user may add, as text.

Numbers are read in ``inputs.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from openvbp.errors import InputDataError, Problem
from openvbp.programs.hacrp.published_files import PublishedFile, hospital_of, read_files
from openvbp.published_rows import OncePerHospital, rejection
from openvbp.published_values import MISSING

_STATE_OF_NUMBER = {"21": "MD"}
"""State by the first two characters of the certification number, for files without a column of states."""

MEASURE_TEXTS = ("rate", "z_score", "points", "footnote")
SCORE_TEXTS = ("domain_1", "domain_2", "total_hac_score", "payment_reduction")
PAYMENT_TEXTS = (
    "base_operating_drg_payment_amount",
    "other_payment_amount",
    "hvbp_adjustment_factor",
    "hrrp_adjustment_factor",
)
ATTRIBUTE_TEXTS = ("dual_eligible_ratio", "excluded_reason")


@dataclass
class FileRows:
    """A file's usable rows, with the hospital of each."""

    file: PublishedFile
    provider_ids: list[str]
    names: list[str]
    columns: list[tuple[str, ...]]

    def texts(self, index: int | None) -> pa.Array:
        """One column as text; null throughout if the file has no such column."""
        if index is None or not self.provider_ids:
            return pa.nulls(len(self.provider_ids), pa.string())
        return pa.array(self.columns[index], pa.string())

    def has_values(self, index: int | None) -> bool:
        """Whether any row has a value in the column."""
        return index is not None and any(text not in MISSING for text in self.columns[index])


@dataclass
class PublishedInputs:
    """What a folder holds, as text, before numbers are read."""

    scores: FileRows
    added: dict[str, FileRows] = field(default_factory=dict)
    """Files of the user: ``payments``, ``attributes``."""
    ignored: list[PublishedFile] = field(default_factory=list)
    rejected: list[dict[str, str]] = field(default_factory=list)
    restored_zeros: int = 0

    @property
    def files(self) -> list[FileRows]:
        """All files that are used."""
        return [self.scores, *self.added.values()]


def read_published(path: Path, period_label: str) -> PublishedInputs:
    """Read the published file of one fiscal year, alone or in a folder.

    Parameters
    ----------
    path
        CSV file, or folder of CSV files. Of several files with scores, the one of the period is taken.
    period_label
        The fiscal year, for example ``FY2024``.

    Raises
    ------
    InputDataError
        If there is no such file or more than one, or it is broken, of another fiscal year, or gives a hospital two
        different rows.
    """
    files = read_files(path)
    chosen, others = _of_period([file for file in files if file.kind == "scores"], period_label, path)
    inputs = PublishedInputs(FileRows(chosen, [], [], []), ignored=others)
    problems: list[Problem] = []
    inputs.scores = _usable_rows(chosen, inputs, problems)
    for file in files:
        if file.kind == "ignored":
            inputs.ignored.append(file)
        elif file.kind in inputs.added:
            problems.append(Problem(f"there are two files of {file.kind}", str(file.table.path), "keep one of them"))
        elif file.kind != "scores":
            inputs.added[file.kind] = _usable_rows(file, inputs, problems)
    if problems:
        raise InputDataError(problems)
    return inputs


def _of_period(
    files: Sequence[PublishedFile], period_label: str, path: Path
) -> tuple[PublishedFile, list[PublishedFile]]:
    """Choose the file with scores of the period; the others are set aside."""
    if not files:
        what_to_do = "give the file that has 'Total HAC Score' and the scores of the measures"
        raise InputDataError(Problem("no file has the scores of the program", str(path), what_to_do))
    same_year = [file for file in files if _years(file, "fiscal_year") in (set(), {period_label})]
    if not same_year:
        found = sorted(set().union(*(_years(file, "fiscal_year") for file in files)))
        raise InputDataError(
            Problem(
                f"file is not of {period_label}",
                str(files[0].table.path),
                "give the file of the period, or the period of the file",
                len(found),
                tuple(found[:3]),
            )
        )
    # Collections name the year of the release, which need not be the fiscal year: it only decides between files.
    by_file_year = [file for file in same_year if _years(file, "file_year") == {period_label}]
    chosen = by_file_year if len(same_year) > 1 and by_file_year else same_year
    if len(chosen) > 1:
        names = tuple(file.table.name for file in chosen)
        raise InputDataError(
            Problem("several files have scores", str(path), "keep the one of the period", len(names), names[:3])
        )
    return chosen[0], [file for file in files if file is not chosen[0]]


def _years(file: PublishedFile, column: str) -> set[str]:
    index = file.named.get(column)
    texts = file.table.column(index) if index is not None else []
    return {f"FY{text.removesuffix('.0')}" for text in texts if text not in MISSING}


def _usable_rows(file: PublishedFile, inputs: PublishedInputs, problems: list[Problem]) -> FileRows:
    """Keep rows with a valid hospital, once each; list the others as rejected."""
    if not file.named.keys() & {"provider_id", "name_and_id"}:
        what_to_do = "give the file with its column 'Facility ID' (or 'Provider ID')"
        problems.append(Problem("no column has the hospital's number", str(file.table.path), what_to_do))
        return FileRows(file, [], [], [])
    once = OncePerHospital()
    kept: list[tuple[str, ...]] = []
    ids: list[str] = []
    names: list[str] = []
    column = file.table.header[file.named.get("provider_id", file.named.get("name_and_id", 0))]
    for number, row in enumerate(file.table.rows, 2):
        written, name = hospital_of(file, row)
        provider_id, reason = once.look_at(written, tuple(row[index] for index in file.used_columns))
        if reason:
            inputs.rejected.append(rejection(file.table.name, number, written, column, written, reason))
            continue
        ids.append(provider_id)
        names.append(name)
        kept.append(row)
    inputs.restored_zeros += once.restored_zeros
    problems.extend(once.problems(str(file.table.path), column))
    return FileRows(file, ids, names, list(zip(*kept, strict=True)))


def hospital_rows(inputs: PublishedInputs) -> pa.Table:
    """One row per hospital: name, state, published scores, as text."""
    rows = inputs.scores
    named = rows.file.named
    states = rows.texts(named.get("state")).to_pylist()
    by_number = [_STATE_OF_NUMBER.get(provider_id[:2]) for provider_id in rows.provider_ids]
    columns = {
        "provider_id": pa.array(rows.provider_ids, pa.string()),
        "provider_name": pa.array([name or None for name in rows.names], pa.string()),
        "state": pa.array([state or known for state, known in zip(states, by_number, strict=True)], pa.string()),
    }
    for name in ("total_hac_score", "payment_reduction"):
        is_printed = rows.has_values(named.get(name))
        columns[f"prints_{name}"] = pa.array([is_printed] * len(rows.provider_ids), pa.bool_())
    return pa.table({**columns, **{name: rows.texts(named.get(name)) for name in SCORE_TEXTS}})


def measure_rows(inputs: PublishedInputs, measure_ids: Iterable[str]) -> pa.Table:
    """One row per hospital and measure, every number as published text."""
    rows = inputs.scores
    count = len(rows.provider_ids)
    parts = [
        pa.table(
            {
                "provider_id": pa.array(rows.provider_ids, pa.string()),
                "measure_id": pa.array([measure_id] * count, pa.string()),
                **{name: rows.texts(rows.file.measures.get((measure_id, name))) for name in MEASURE_TEXTS},
            }
        )
        for measure_id in measure_ids
    ]
    return pa.concat_tables(parts)


def added_rows(inputs: PublishedInputs, kind: str, texts: Sequence[str]) -> pa.Table:
    """Rows of a file that the user added: ``payments`` or ``attributes``."""
    rows = inputs.added.get(kind)
    if rows is None:
        return pa.table({name: pa.array([], pa.string()) for name in ("provider_id", *texts)})
    columns = {name: rows.texts(rows.file.named.get(name)) for name in texts}
    return pa.table({"provider_id": pa.array(rows.provider_ids, pa.string()), **columns})
