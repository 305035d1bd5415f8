"""HVBP files as CMS publishes them, any fiscal year, and the three files a user may add.

The result is text in long form: one row per hospital and measure. Numbers are read in ``inputs.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from openvbp.errors import InputDataError, Problem
from openvbp.parameters import CitedValue, Scenario
from openvbp.programs.hvbp.measures import measure_catalogue
from openvbp.programs.hvbp.published_files import PublishedFile, read_folder
from openvbp.published_rows import OncePerHospital, rejection
from openvbp.published_values import MISSING

_MEASURE_TEXTS = ("baseline_rate", "performance_rate", "achievement_points", "improvement_points", "measure_points")
_STANDARDS = ("achievement_threshold", "benchmark", "floor")
_LONG = ("provider_id", "quantity", "measure_id", "domain_id", "source", "text")
_SCORES = {
    "total_performance_score": None,
    "hcahps_base_points": "person_and_community_engagement",
    "hcahps_consistency_points": "person_and_community_engagement",
}
_DOMAIN_SCORES = {"unweighted": "domain_score", "weighted": "weighted_domain_score"}
_PROVIDER_TEXTS = ("provider_name", "state", "place")


@dataclass
class FileRows:
    """A file's usable rows, with the hospital of each."""

    file: PublishedFile
    provider_ids: list[str]
    columns: list[tuple[str, ...]]

    def texts(self, index: int | None) -> pa.Array:
        """One column as text; null throughout if the file has no such column."""
        if index is None or not self.provider_ids:
            return pa.nulls(len(self.provider_ids), pa.string())
        return pa.array(self.columns[index], pa.string())


@dataclass
class PublishedInputs:
    """What a folder holds, as text, before numbers are read."""

    files: list[FileRows]
    rejected: list[dict[str, str]] = field(default_factory=list)
    restored_zeros: int = 0

    def of_kind(self, kind: str) -> list[FileRows]:
        """Files of one kind."""
        return [rows for rows in self.files if rows.file.kind == kind]

    def source_of(self, measure_id: str) -> FileRows | None:
        """The file that holds a measure."""
        return next((rows for rows in self.files if any(key[0] == measure_id for key in rows.file.measures)), None)


def read_published(directory: Path, period_label: str | None = None) -> PublishedInputs:
    """Read a folder of published files.

    Parameters
    ----------
    directory
        Folder of CSV files of one fiscal year.
    period_label
        The fiscal year that the files must be of, for example ``FY2024``; not checked when absent.

    Raises
    ------
    InputDataError
        If files are broken, of another fiscal year, or give a hospital two different rows.
    """
    inputs = PublishedInputs([])
    problems: list[Problem] = []
    for file in read_folder(directory):
        if file.kind == "ignored":
            inputs.files.append(FileRows(file, [], []))
            continue
        problems.extend(_other_year(file, period_label))
        inputs.files.append(_usable_rows(file, inputs, problems))
    if problems:
        raise InputDataError(problems)
    return inputs


def _other_year(file: PublishedFile, period_label: str | None) -> list[Problem]:
    index = file.named.get("fiscal_year")
    if index is None or period_label is None:
        return []
    other = [year for year in file.table.column(index) if f"FY{year}" != period_label]
    if not other:
        return []
    return [
        Problem(
            f"file is not of {period_label}",
            str(file.table.path),
            "give the files of the period, or the period of the files",
            len(other),
            tuple(sorted(set(other))[:3]),
        )
    ]


def _usable_rows(file: PublishedFile, inputs: PublishedInputs, problems: list[Problem]) -> FileRows:
    """Keep rows with a valid hospital, once each; list the others as rejected."""
    id_column = file.named["provider_id"]
    column = file.table.header[id_column]
    measure_column = file.named.get("measure_id")
    once = OncePerHospital()
    provider_ids: list[str] = []
    kept: list[tuple[str, ...]] = []
    for number, row in enumerate(file.table.rows, 2):
        part = row[measure_column] if measure_column is not None else ""
        provider_id, reason = once.look_at(row[id_column], row, part)
        if reason:
            inputs.rejected.append(rejection(file.table.name, number, row[id_column], column, row[id_column], reason))
            continue
        provider_ids.append(provider_id)
        kept.append(row)
    inputs.restored_zeros += once.restored_zeros
    problems.extend(once.problems(str(file.table.path), column))
    return FileRows(file, provider_ids, list(zip(*kept, strict=True)))


def provider_rows(inputs: PublishedInputs) -> pa.Table:
    """List every hospital of the measure and score files, with its name and place."""
    names: dict[str, dict[str, str]] = {}
    for rows in [*inputs.of_kind("scores"), *inputs.of_kind("measures")]:
        indexes = [rows.file.named.get(text) for text in _PROVIDER_TEXTS]
        columns = [rows.columns[index] if index is not None else [""] * len(rows.provider_ids) for index in indexes]
        for provider_id, *texts in zip(rows.provider_ids, *columns, strict=True):
            known = names.setdefault(provider_id, {})
            for text, value in zip(_PROVIDER_TEXTS, texts, strict=True):
                if value:
                    known.setdefault(text, value)
    ids = sorted(names)
    columns = {text: pa.array([names[one].get(text) for one in ids], pa.string()) for text in _PROVIDER_TEXTS}
    return pa.table({"provider_id": pa.array(ids, pa.string()), **columns})


def measure_rows(inputs: PublishedInputs, measure_ids: Iterable[str]) -> pa.Table:
    """One row per hospital and measure, every number as published text."""
    parts = []
    for measure_id in measure_ids:
        rows = inputs.source_of(measure_id)
        if rows is None or not rows.provider_ids:
            continue
        count = len(rows.provider_ids)
        columns = {
            "provider_id": pa.array(rows.provider_ids, pa.string()),
            "measure_id": pa.array([measure_id] * count, pa.string()),
            "source_file": pa.array([rows.file.table.name] * count, pa.string()),
        }
        for text in _MEASURE_TEXTS:
            columns[text] = rows.texts(rows.file.measures.get((measure_id, text)))
        parts.append(pa.table(columns))
    return pa.concat_tables(parts)


def score_rows(inputs: PublishedInputs) -> pa.Table:
    """Published results above the measures, long: hospital × quantity × domain."""
    parts = []
    for rows in inputs.files:
        named = rows.file.named
        columns: list[tuple[str, str | None, int]] = [
            (quantity, domain_id, named[quantity]) for quantity, domain_id in _SCORES.items() if quantity in named
        ]
        columns += [(_DOMAIN_SCORES[kind], domain_id, index) for (domain_id, kind), index in rows.file.domains.items()]
        parts.extend(_long(rows, quantity, None, domain_id, index) for quantity, domain_id, index in columns)
    return pa.concat_tables(parts) if parts else _empty(*_LONG)


def published_value_rows(inputs: PublishedInputs) -> pa.Table:
    """Published points and scores, long: hospital × quantity × measure or domain."""
    parts = [score_rows(inputs)]
    for rows in inputs.files:
        for (measure_id, text), index in rows.file.measures.items():
            if text in _MEASURE_TEXTS[2:]:
                quantity = "combined_points" if measure_id == "SSI" else text
                parts.append(_long(rows, quantity, measure_id, None, index))
    return pa.concat_tables(parts)


def _long(rows: FileRows, quantity: str, measure_id: str | None, domain_id: str | None, index: int) -> pa.Table:
    count = len(rows.provider_ids)
    constant = {
        "quantity": quantity,
        "measure_id": measure_id,
        "domain_id": domain_id,
        "source": f"{rows.file.table.name}, column '{rows.file.table.header[index]}'",
    }
    return pa.table(
        {
            "provider_id": pa.array(rows.provider_ids, pa.string()),
            **{name: pa.array([value] * count, pa.string()) for name, value in constant.items()},
            "text": rows.texts(index),
        }
    )


def added_rows(inputs: PublishedInputs, kind: str, texts: Sequence[str]) -> pa.Table:
    """Rows of a file that the user added: ``cases``, ``payments`` or ``attributes``."""
    files = inputs.of_kind(kind)
    if not files:
        return _empty("provider_id", *texts)
    rows = files[0]
    columns = {text: rows.texts(rows.file.named.get(text)) for text in texts}
    return pa.table({"provider_id": pa.array(rows.provider_ids, pa.string()), **columns})


def _empty(*columns: str) -> pa.Table:
    return pa.table({column: pa.array([], pa.string()) for column in columns})


def published_standards(inputs: PublishedInputs, measure_ids: Iterable[str]) -> dict[str, dict[str, CitedValue]]:
    """Performance standards as the files give them, by parameter and measure.

    Raises
    ------
    InputDataError
        If a file gives a measure's standard as something else than one number.
    """
    standards: dict[str, dict[str, CitedValue]] = {name: {} for name in _STANDARDS}
    problems = []
    for measure_id in measure_ids:
        rows = inputs.source_of(measure_id)
        for name in _STANDARDS:
            index = rows.file.measures.get((measure_id, name)) if rows else None
            if rows is None or index is None or not rows.provider_ids:
                continue
            texts = {text for text in rows.columns[index] if text not in MISSING}
            numbers = {_number(text) for text in texts}
            header = rows.file.table.header[index]
            if len(numbers) > 1 or None in numbers:
                problems.append(
                    Problem(
                        f"'{header}' is not one number for all hospitals",
                        str(rows.file.table.path),
                        "use the file as published",
                        len(texts),
                        tuple(sorted(texts)[:3]),
                    )
                )
            elif numbers:
                standards[name][measure_id] = CitedValue(
                    numbers.pop(), f"{rows.file.table.name}, column '{header}'", None
                )
    if problems:
        raise InputDataError(problems)
    return standards


def _number(text: str) -> Decimal | None:
    match = re.fullmatch(r"(-?\d+(?:\.\d+)?)\s*(%?)", text)
    if not match:
        return None
    number = Decimal(match[1])
    return number / 100 if match[2] else number


def missing_measures(inputs: PublishedInputs, scenario: Scenario) -> list[Problem]:
    """Name the measures of the period that no file holds, and scored measures that are not of the period."""
    expected = set(scenario.keyed("measure_domain"))
    missing = [one for one in sorted(expected) if inputs.source_of(one) is None]
    problems = []
    if missing:
        problems.append(
            Problem(
                f"no file has columns for {len(missing)} of the {len(expected)} measures of {scenario.period.label}",
                ", ".join(rows.file.table.name for rows in inputs.files),
                "put all published measure files of the fiscal year into the folder",
                len(missing),
                tuple(missing),
            )
        )
    for measure_id in sorted(measure_catalogue().keys() - expected):
        rows = inputs.source_of(measure_id)
        index = rows.file.measures.get((measure_id, "measure_points")) if rows else None
        if rows and index is not None and any(text not in MISSING for text in rows.columns[index]):
            problems.append(
                Problem(
                    f"{measure_id} is scored in the file but is not a measure of {scenario.period.label}",
                    str(rows.file.table.path),
                    "check the period",
                )
            )
    return problems
