"""AHRQ's Clinical Classifications Software Refined (CCSR) for diagnoses, from its file as it is downloaded."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from openvbp.errors import InputDataError, Problem
from openvbp.grouping.ahrq_files import VERSION, digest, need_folder, needed_file, text_of
from openvbp.grouping.grouper import Group, Grouper, Positions, checked

SYSTEM = "icd-10-cm"
_CATEGORY = re.compile(r"[A-Z]{3}\d{3}")
_CODE = re.compile(r"[A-Z]\d[0-9A-Z]{1,5}")


def read_ccsr(folder: Path, positions: Positions = "all") -> Grouper:
    """Read the Clinical Classifications Software Refined for diagnoses.

    Parameters
    ----------
    folder
        Holds ``DXCCSR*.csv``; the name says the version (``DXCCSR_v2026-1.csv``).
    positions
        ``all``: every category of each diagnosis. ``principal``: the one default category of inpatient principal
        diagnoses.

    Raises
    ------
    InputDataError
        If the file is missing or not of its layout.
    """
    need_folder(folder)
    path = needed_file(folder, r"DXCCSR.*\.csv", "DXCCSR_v2026-1.csv")
    lines = csv.reader(io.StringIO(text_of(path), newline=""), skipinitialspace=True)
    rows = [[_bare(cell) for cell in row] for row in lines if row]
    names = [cell.upper() for cell in rows[0]] if rows else []
    wanted = ["ICD-10-CM CODE", "DEFAULT CCSR CATEGORY IP", *(f"CCSR CATEGORY {number}" for number in range(1, 7))]
    missing = [one for one in wanted[:3] if one not in names]
    if missing:
        what = "columns are missing"
        raise InputDataError(Problem(what, str(path), "give AHRQ's file", len(missing), tuple(missing)))
    at = {one: names.index(one) for one in wanted if one in names}
    given = [wanted[1]] if positions == "principal" else [one for one in wanted[2:] if one in at]
    labels, codes = _categories(rows[1:], at, given, str(path))
    version = VERSION.search(path.name)
    grouper = Grouper(
        name="ccsr" if positions == "all" else "ccsr-principal",
        title="Clinical Classifications Software Refined, diagnoses",
        version=f"{version[1]}.{version[2]}" if version else "",
        cite="AHRQ, Healthcare Cost and Utilization Project, CCSR for ICD-10-CM Diagnoses",
        groups=tuple(Group(name, label, "any", name) for name, label in sorted(labels.items())),
        codes=frozenset(codes),
        labels=dict(sorted(labels.items())),
        positions=positions,
        # Every valid code is in a category.
        least_mapped=0.9,
        files=(digest(path),),
    )
    return checked(grouper, str(path))


def _categories(
    rows: list[list[str]], at: dict[str, int], given: list[str], where: str
) -> tuple[dict[str, str], set[tuple[str, str, str]]]:
    labels: dict[str, str] = {}
    codes: set[tuple[str, str, str]] = set()
    strange: list[str] = []
    for row in rows:
        code = row[0].replace(".", "")
        for column in given:
            category = row[at[column]] if at[column] + 1 < len(row) else ""
            if category and _CATEGORY.fullmatch(category) and _CODE.fullmatch(code):
                labels.setdefault(category, row[at[column] + 1])
                codes.add((SYSTEM, code, category))
            elif category:
                strange.append(f"{code} {category}")
    if strange:
        what = "codes or categories are not of their form"
        raise InputDataError(Problem(what, where, "give AHRQ's file", len(strange), tuple(strange[:3])))
    return labels, codes


def _bare(cell: str) -> str:
    return cell.strip().strip("'").strip()
