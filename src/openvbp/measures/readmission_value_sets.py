"""Makes the value sets of planned stays and cohorts from the published tables, which speak of CCS categories.

The Clinical Classifications Software (CCS) of the Agency for Healthcare Research and Quality groups codes of ICD. The
tables of the measure name categories, and single codes where a category is too coarse; a run needs codes. Here they
become codes once, and are then value sets like any other: versioned, hashed, and named when one is missing.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openvbp.csv_files import write_csv
from openvbp.errors import InputDataError, Problem
from openvbp.measures.planned_readmission import COHORTS, EXCLUSIONS, SURGERY
from openvbp.measures.value_sets import MANIFEST, ValueSet, plain_code

_PREFIXES = ("", "readmissions__")
_DIAGNOSIS, _PROCEDURE = "icd-10-cm", "icd-10-pcs"
_CATEGORY_COLUMNS = ("ccs category", "ccs_category", "ccs_diagnosis_category", "ccs_procedure_category", "ccs")
_CODE_COLUMNS = {
    _DIAGNOSIS: ("icd-10-cm code", "icd_10_cm", "code"),
    _PROCEDURE: ("icd-10-pcs code", "icd_10_pcs", "code"),
}
"""Headers of the files of the Agency, of public copies, and ours."""


@dataclass(frozen=True)
class _Part:
    """Rows of a table that go into a value set: categories, or codes where ``is_code``."""

    table: str
    value_set: str
    system: str
    is_code: bool = False
    only: tuple[str, str] | None = None
    """Column, and the beginning that its cell must have."""


_PARTS = (
    _Part("always_planned_ccs_procedure_category", "always_planned_procedure", _PROCEDURE),
    _Part("always_planned_ccs_diagnosis_category", "always_planned_diagnosis", _DIAGNOSIS),
    _Part("potentially_planned_ccs_procedure_category", "potentially_planned_procedure", _PROCEDURE),
    _Part("potentially_planned_icd_10_pcs", "potentially_planned_procedure", _PROCEDURE, is_code=True),
    _Part("acute_diagnosis_ccs", "acute_diagnosis", _DIAGNOSIS),
    _Part("acute_diagnosis_icd_10_cm", "acute_diagnosis", _DIAGNOSIS, is_code=True),
    _Part("specialty_cohort", f"{SURGERY}_procedure", _PROCEDURE, only=("specialty_cohort", "surgery")),
    _Part("surgery_gynecology_cohort", f"{SURGERY}_procedure", _PROCEDURE, is_code=True),
    *(_Part("specialty_cohort", f"{one}_diagnosis", _DIAGNOSIS, only=("specialty_cohort", one)) for one in COHORTS[1:]),
    *(
        _Part("exclusion_ccs_diagnosis_category", f"{one}_diagnosis", _DIAGNOSIS, only=("exclusion_category", word))
        for one, word in zip(EXCLUSIONS, ("medical treatment of cancer", "psychiatric", "rehabilitation"), strict=True)
    ),
)
TABLES = tuple(dict.fromkeys(one.table for one in _PARTS))
"""Tables that are needed, as CSV files of these names."""


def make_readmission_value_sets(
    tables: Path, diagnosis_map: Path, procedure_map: Path, out: Path, version: str
) -> dict[str, Any]:
    """Make the value sets of planned stays and cohorts.

    Parameters
    ----------
    tables
        Folder with a CSV file for each of :data:`TABLES`, named so or with ``readmissions__`` before it.
    diagnosis_map, procedure_map
        Codes of ICD-10-CM and ICD-10-PCS with their CCS categories: the files of the Agency for Healthcare Research and
        Quality as they are, or any CSV with a column of codes and one of categories.
    out
        Folder for a CSV file per value set, and ``value_sets.csv`` with version, source and SHA-256.
    version
        Report year of the tables, written to the manifest.

    Returns
    -------
    ``version``, and ``value_sets``: name, number of ``codes``, number of ``categories`` and ``unknown_categories``,
    categories without a code in the map.

    Raises
    ------
    InputDataError
        If tables are missing, lack a column or rows, or a map has no codes; all problems are reported together.
    """
    problems: list[Problem] = []
    maps = {
        _DIAGNOSIS: _read_map(diagnosis_map, _CODE_COLUMNS[_DIAGNOSIS], problems),
        _PROCEDURE: _read_map(procedure_map, _CODE_COLUMNS[_PROCEDURE], problems),
    }
    rows = {name: _read_table(tables, name, problems) for name in TABLES}
    if problems:
        raise InputDataError(problems)
    codes: dict[str, set[tuple[str, str]]] = {}
    found: dict[str, dict[str, Any]] = {}
    for part in _PARTS:
        about = found.setdefault(part.value_set, {"categories": 0, "unknown_categories": []})
        some = codes.setdefault(part.value_set, set())
        for cell in _cells(part, rows[part.table], problems, tables):
            if part.is_code:
                some.add((part.system, plain_code(cell)))
                continue
            of_category = maps[part.system].get(cell, ())
            about["categories"] += 1
            about["unknown_categories"] += [] if of_category else [cell]
            some.update((part.system, code) for code in of_category)
    problems += [Problem(f"{name} would have no codes", str(tables), "correct the tables or the maps")
                 for name, some in codes.items() if not some]  # fmt: skip
    if problems:
        raise InputDataError(problems)
    sources = f"{tables.name}, {diagnosis_map.name}, {procedure_map.name}"
    _write(codes, out, version, sources)
    listed = [{"value_set": name, "codes": len(codes[name]), **about} for name, about in found.items()]
    return {"version": version, "value_sets": listed}


def _cells(part: _Part, rows: list[dict[str, str]], problems: list[Problem], tables: Path) -> Iterator[str]:
    names = _CODE_COLUMNS[part.system] if part.is_code else _CATEGORY_COLUMNS
    column = next((one for one in names if one in rows[0]), None)
    if column is None or (part.only is not None and part.only[0] not in rows[0]):
        wanted = f"{names[-1]}{'' if part.only is None else f' and {part.only[0]}'}"
        problems.append(Problem(f"{part.table} lacks a column", str(tables), f"give {wanted}"))
        return
    for row in rows:
        if part.only is None or _plain(row[part.only[0]]).startswith(_plain(part.only[1])):
            yield row[column]


def _plain(text: str) -> str:
    return text.lower().replace(" ", "").replace("_", "")


def _read_table(folder: Path, name: str, problems: list[Problem]) -> list[dict[str, str]]:
    paths = [path for prefix in _PREFIXES if (path := folder / f"{prefix}{name}.csv").is_file()]
    if not paths:
        problems.append(Problem(f"table {name} is missing", str(folder), f"add {name}.csv of the report year"))
        return []
    rows = _read(paths[0], problems)
    if not rows:
        problems.append(Problem(f"table {name} has no rows", str(paths[0]), "fill it"))
    return rows


def _read_map(path: Path, code_columns: Iterable[str], problems: list[Problem]) -> Mapping[str, list[str]]:
    """Category to its codes."""
    rows = _read(path, problems)
    code = next((one for one in code_columns if rows and one in rows[0]), None)
    category = next((one for one in _CATEGORY_COLUMNS if rows and one in rows[0]), None)
    if code is None or category is None:
        problems.append(Problem("file is no map from codes to CCS categories", str(path), "give code and ccs_category"))
        return {}
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row[category], []).append(plain_code(row[code]))
    return found


def _read(path: Path, problems: list[Problem]) -> list[dict[str, str]]:
    """Rows by lower-case header; the Agency's files have single quotes around cells, inside double ones or alone."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            rows = list(csv.DictReader(lines))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problems.append(Problem(f"file cannot be read: {error}", str(path), "give a CSV file in UTF-8"))
        return []
    return [
        {(name or "").strip(" '\"").lower(): str(cell or "").strip(" '\"") for name, cell in row.items()}
        for row in rows
    ]


def _write(codes: Mapping[str, set[tuple[str, str]]], out: Path, version: str, source: str) -> None:
    out.mkdir(parents=True, exist_ok=True)
    manifest = []
    for name, some in sorted(codes.items()):
        rows = [{"value_set": name, "code_system": system, "code": code} for system, code in sorted(some)]
        write_csv(rows, ("value_set", "code_system", "code"), out / f"{name}.csv")
        digest = ValueSet(name, frozenset(some)).sha256
        manifest.append({"value_set": name, "version": version, "source": source, "licence": "", "sha256": digest})
    columns = ("value_set", "version", "source", "licence", "expansion_date", "sha256")
    write_csv([{**dict.fromkeys(columns, ""), **row} for row in manifest], columns, out / MANIFEST)


def render(summary: Mapping[str, Any]) -> str:
    """Write what was made for a terminal."""
    lines = [f"Value sets of planned stays and cohorts, version {summary['version']}", ""]
    lines.append(f"{'value set':32} {'codes':>8} {'categories':>11}  without codes in the map")
    for one in summary["value_sets"]:
        unknown = ", ".join(one["unknown_categories"])
        lines.append(f"{one['value_set']:32} {one['codes']:>8,} {one['categories']:>11,}  {unknown}".rstrip())
    return "\n".join(lines)
