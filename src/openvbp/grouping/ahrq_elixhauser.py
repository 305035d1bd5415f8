"""AHRQ's Elixhauser Comorbidity Software Refined for ICD-10-CM, from its files as they are downloaded.

None is shipped. What the workbook does not say (which group drops another, how cerebrovascular disease is put together,
which positions count) is as in AHRQ's program of release 2026.1 (CMR_Mapping_Program, read in a public copy).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.grouping.ahrq_files import VERSION, digest, file_like, need_folder, needed_file, text_of
from openvbp.grouping.grouper import Group, Grouper, Index, PresentRule, checked

SYSTEM = "icd-10-cm"
_MEASURES, _MAPPING = "Comorbidity_Measures", "DX_to_Comorb_Mapping"
_END = "end of content"
_PREFIX = "CMR_"
# A stroke in hospital is no comorbidity, and then sequelae may be of that stroke: they do not count either.
_STROKE, _STROKE_LATER, _SEQUELA, _CEREBROVASCULAR = "CBVD_POA", "CBVD_NPOA", "CBVD_SQLA", "CBVD"
_HIERARCHY = (
    ("DIAB_CX", "DIAB_UNCX"),
    ("HTN_CX", "HTN_UNCX"),
    ("CANCER_METS", "CANCER_SOLID"),
    ("CANCER_METS", "CANCER_NSITU"),
    ("CANCER_SOLID", "CANCER_NSITU"),
    ("LIVER_SEV", "LIVER_MLD"),
    ("RENLFL_SEV", "RENLFL_MOD"),
    (_STROKE_LATER, _SEQUELA),
)
_WEIGHT = re.compile(r"^\s*(rw|mw)(\w+)\s*=\s*(-?\d+)\s*;", re.MULTILINE)
_INDICES = {"rw": ("readmission_index", "30-day readmission"), "mw": ("mortality_index", "death in hospital")}
_EXEMPT = re.compile(r"value\s+\$poaxmpt_v(\d+)fmt(.*?);", re.IGNORECASE | re.DOTALL)
_RANGE = re.compile(r"""["']\s*-\s*["']""")
_FISCAL_YEAR_0 = 1983
"""Fiscal year 2026 has version 43 of the exempt codes, and so on."""
_QUOTED = re.compile(r"""["']([A-Z]\d[0-9A-Z]{1,5})["']""")


def read_elixhauser(folder: Path) -> Grouper:
    """Read the Elixhauser Comorbidity Software Refined.

    Parameters
    ----------
    folder
        Holds ``CMR-Reference-File-v*.xlsx``, or its two sheets as ``Comorbidity_Measures.csv`` and
        ``DX_to_Comorb_Mapping.csv``. ``CMR_Index_Program*.sas`` gives the indices, ``CMR_Format_Program*.sas`` the
        codes exempt from reporting of presence on admission (the list of the release's year); else there are none.

    Raises
    ------
    InputDataError
        If a file is missing or not of its layout.
    UsageError
        If the workbook is there and no package to read it.
    """
    need_folder(folder)
    sheets, paths = _sheets(folder)
    measures = _body(sheets[_MEASURES], 3, "Uses present on admission", str(paths[0]))
    header, mapping = _mapping(sheets[_MAPPING], str(paths[-1]))
    needs = _presence(measures, str(paths[0]))
    labels = {row[0].strip(): row[1].strip() for row in measures}
    problems = _disagreements(header, mapping, needs, str(paths[-1]))
    if problems:
        raise InputDataError(problems)
    groups = [_elixhauser_group(name, needs, labels) for name in header]
    codes = {(SYSTEM, code, name) for code, flags in mapping for name, flag in zip(header, flags, strict=True) if flag}
    groups.append(Group(_STROKE_LATER, "Stroke not present on admission", "absent", None))
    codes |= {(SYSTEM, code, _STROKE_LATER) for _system, code, name in codes if name == _STROKE}
    indices, index_files = _indices(folder, labels)
    found = [match for rows in sheets.values() for match in [VERSION.search(" ".join(rows[0]))] if match]
    version = found[0] if found else VERSION.search(paths[0].name)
    exempt, exempt_files = _exempt_codes(folder, int(version[1]) if version else None)
    grouper = Grouper(
        name="elixhauser-ahrq",
        title="Elixhauser comorbidities, refined for ICD-10-CM",
        version=f"{version[1]}.{version[2]}" if version else "",
        cite="AHRQ, Healthcare Cost and Utilization Project, Elixhauser Comorbidity Software Refined for ICD-10-CM",
        groups=tuple(groups),
        codes=frozenset(codes),
        labels=labels,
        hierarchy=_HIERARCHY,
        indices=indices,
        positions="secondary",
        exempt=exempt,
        least_mapped=0.02,
        files=tuple(digest(path) for path in (*paths, *index_files, *exempt_files)),
    )
    return checked(grouper, str(folder))


def _sheets(folder: Path) -> tuple[dict[str, list[list[str]]], list[Path]]:
    texts = [folder / f"{name}.csv" for name in (_MEASURES, _MAPPING)]
    if all(path.is_file() for path in texts):
        both = [[list(row) for row in csv.reader(io.StringIO(text_of(path), newline=""))] for path in texts]
        return dict(zip((_MEASURES, _MAPPING), both, strict=True)), texts
    path = needed_file(folder, r"CMR[-_]Reference[-_]File.*\.xlsx", "CMR-Reference-File-v2026-1.xlsx")
    try:
        from python_calamine import CalamineWorkbook
    except ImportError:
        what_to_do = f"pip install python-calamine, or save the sheets as {_MEASURES}.csv and {_MAPPING}.csv"
        raise UsageError(Problem("no package is here to read workbooks", str(path), what_to_do)) from None
    try:
        book = CalamineWorkbook.from_path(str(path))
        read = {name: _cells(book.get_sheet_by_name(name).to_python()) for name in (_MEASURES, _MAPPING)}
    except Exception as error:
        what = f"workbook cannot be read: {type(error).__name__}"
        raise InputDataError(Problem(what, str(path), f"give AHRQ's file, with {_MEASURES} and {_MAPPING}")) from None
    return read, [path]


def _cells(rows: Sequence[Sequence[Any]]) -> list[list[str]]:
    return [[str(int(cell)) if isinstance(cell, float) else str(cell) for cell in row] for row in rows]


def _body(rows: list[list[str]], width: int, last: str, where: str) -> list[list[str]]:
    """Rows below the header, which is the second row, up to the line that says that the content ends."""
    header = rows[1] if len(rows) > 1 else []
    if len(header) < width or not header[width - 1].strip().startswith(last):
        raise InputDataError(Problem(f"column {width} is not '{last}...'", where, "give AHRQ's file as it is"))
    return [row for row in rows[2:] if any(cell.strip() for cell in row) and row[0].strip().lower() != _END]


def _presence(measures: list[list[str]], where: str) -> dict[str, bool]:
    said = {row[0].strip().removeprefix(_PREFIX): row[2].strip().lower() for row in measures}
    strange = sorted(name for name, answer in said.items() if answer not in ("yes", "no"))
    if strange:
        what = "presence on admission is neither Yes nor No"
        raise InputDataError(Problem(what, where, "give AHRQ's file as it is", len(strange), tuple(strange[:3])))
    return {name: answer == "yes" for name, answer in said.items()}


def _mapping(rows: list[list[str]], where: str) -> tuple[list[str], list[tuple[str, list[bool]]]]:
    body = _body(rows, 3, "# Comorbidities", where)
    header = [cell.strip() for cell in rows[1][3:]]
    strange = [row[0] for row in body if len(row) != len(header) + 3 or set(row[3:]) - {"0", "1"}]
    counted = [row[0] for row in body if row[0] not in strange and int(row[2]) != row[3:].count("1")]
    problems = [
        Problem(what, where, "give AHRQ's file as it is", len(some), tuple(some[:3]))
        for what, some in (("cells are neither 0 nor 1", strange), ("counts of comorbidities are wrong", counted))
        if some
    ]
    if problems:
        raise InputDataError(problems)
    return header, [(row[0].strip().replace(".", ""), [cell == "1" for cell in row[3:]]) for row in body]


def _disagreements(header: list[str], mapping: Sequence[Any], needs: dict[str, bool], where: str) -> list[Problem]:
    shown = {_CEREBROVASCULAR if name in (_STROKE, _SEQUELA) else name for name in header}
    unlike = sorted(shown ^ set(needs))
    codes = [code for code, _flags in mapping]
    problems = []
    if unlike or not codes:
        what = "the two sheets are not of the same comorbidities" if codes else "no code is mapped"
        problems.append(Problem(what, where, "give AHRQ's file as it is", max(len(unlike), 1), tuple(unlike[:3])))
    if len(set(codes)) < len(codes):
        problems.append(Problem("codes stand twice", where, "give AHRQ's file as it is", len(codes) - len(set(codes))))
    return problems


def _elixhauser_group(name: str, needs: dict[str, bool], labels: dict[str, str]) -> Group:
    shown = _CEREBROVASCULAR if name in (_STROKE, _SEQUELA) else name
    rule: PresentRule = "present" if needs[shown] else "any"
    return Group(name, labels[_PREFIX + shown], rule, _PREFIX + shown)


def _indices(folder: Path, labels: dict[str, str]) -> tuple[tuple[Index, ...], list[Path]]:
    path = file_like(folder, r"CMR[-_]Index[-_]Program.*\.sas")
    if path is None:
        return (), []
    found: dict[str, dict[str, int]] = {"rw": {}, "mw": {}}
    for kind, name, weight in _WEIGHT.findall(text_of(path)):
        found[kind][_PREFIX + name] = int(weight)
    for weights in found.values():
        unlike = sorted(set(weights) ^ set(labels))
        if unlike:
            what = "weights are not of the workbook's comorbidities"
            to_do = "give the index program and the workbook of one release"
            raise InputDataError(Problem(what, str(path), to_do, len(unlike), tuple(unlike[:3])))
    named = {kind: (name, f"{path.name}: {what}") for kind, (name, what) in _INDICES.items()}
    return tuple(Index(named[kind][0], weights, named[kind][1]) for kind, weights in found.items()), [path]


def _exempt_codes(folder: Path, year: int | None) -> tuple[frozenset[str] | None, list[Path]]:
    path = file_like(folder, r"CMR[-_]Format[-_]Program.*\.sas")
    if path is None:
        return None, []
    # Some lists are in single quotes, others in double ones, and each ends with other = " ".
    texts = {int(number): text for number, text in _EXEMPT.findall(text_of(path))}
    lists = {number: set(_QUOTED.findall(text.upper())) for number, text in texts.items()}
    wanted = max(lists, default=0) if year is None else year - _FISCAL_YEAR_0
    if not lists.get(wanted):
        what = f"the list of exempt codes of ICD-10-CM version {wanted} is not in it"
        raise InputDataError(Problem(what, str(path), "give the format program of the workbook's release"))
    if _RANGE.search(texts[wanted]):
        what_to_do = "write the codes of each range out"
        raise InputDataError(Problem("exempt codes are given as ranges, which are not read", str(path), what_to_do))
    return frozenset(lists[wanted]), [path]
