"""Value sets: lists of codes by name, versioned and hashed, from the user's files; a run without one of them stops."""

from __future__ import annotations

import csv
import functools
import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from openvbp.errors import InputDataError, Problem
from openvbp.measures.domains import code_systems

MANIFEST = "value_sets.csv"
"""What a folder says of its sets: name, ``version``, ``source``, ``licence``, ``expansion_date``, ``sha256``."""
SHIPPABLE_LICENCES = frozenset({"public_domain", "us_gov", "own", "ogl", "loinc"})
PREFIX_MARK = "*"
"""Ends a code that stands for all codes that begin so."""
_SYSTEM_NAMES = {
    "icd10cm": "icd-10-cm",
    "icd9cm": "icd-9-cm",
    "icd10pcs": "icd-10-pcs",
    "icd9pcs": "icd-9-pcs",
    "snomedct": "snomed-ct",
    "snomedctus": "snomed-ct",
    "hcpcslevelii": "hcpcs",
    "hcpcs": "hcpcs",
    "cpt": "cpt",
    "cptcategoryii": "cpt-ii",
    "rxnorm": "rxnorm",
    "ndc": "ndc",
    "loinc": "loinc",
    "cvx": "cvx",
    "cdt": "cdt",
}
_COLUMNS = {
    "value_set": ("value_set", "value_set_name", "concept_name"),
    "identifier": ("identifier", "value_set_oid", "oid"),
    "code": ("code",),
    "code_system": ("code_system", "code_type", "code_system_name"),
}
"""Names that columns may have: ours, those of exports of the Value Set Authority Center, those of public seeds."""


def listed_among(codes: Collection[tuple[str, str]], listed: Collection[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Codes, with their systems, that a list holds, themselves or by how they begin."""
    starts: dict[str, tuple[str, ...]] = {}
    for system, code in listed:
        if code.endswith(PREFIX_MARK):
            starts[system] = (*starts.get(system, ()), code[:-1])
    whole = frozenset(listed)
    return frozenset(one for one in codes if one in whole or (one[1] or "").startswith(starts.get(one[0], ("\0",))))


@dataclass(frozen=True)
class ValueSet:
    """A list of codes."""

    name: str
    codes: frozenset[tuple[str, str]]
    """Code system and code; dots and blanks taken out, in capitals."""
    version: str = ""
    source: str = ""
    licence: str = ""
    expansion_date: str = ""

    @property
    def sha256(self) -> str:
        """Digest of the sorted codes: the same codes give the same digest, wherever they come from."""
        text = "\n".join(f"{system}\t{code}" for system, code in sorted(self.codes))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def is_shippable(self) -> bool:
        """Whether its licence lets others pass it on."""
        return self.licence in SHIPPABLE_LICENCES


def plain_code(code: str) -> str:
    """Write a code as it is compared: in capitals, without dots and blanks."""
    return code.strip().upper().replace(".", "")


def system_name(given: str) -> str:
    """Give the project's name of a code system, however it is written; as given where it is not known."""
    plain = "".join(one for one in given.lower() if one.isalnum())
    return _SYSTEM_NAMES.get(plain, given.strip().lower())


def read_value_sets(folder: Path) -> dict[str, ValueSet]:
    """Read every CSV file of a folder.

    Parameters
    ----------
    folder
        Files with columns ``code`` and ``code_system``; ``value_set`` names the set, else the file's name does. Exports
        of the Value Set Authority Center, and public seeds, are read as they are. A code that ends in ``*`` stands for
        all codes that begin so. ``value_sets.csv`` may say more of each set; where it gives a digest, it must be right.

    Raises
    ------
    InputDataError
        If there is no folder or file, a file lacks the columns, names an unknown code system, a set is empty or in two
        files, or a digest is wrong. All problems are reported together.
    """
    if not folder.is_dir():
        raise InputDataError(Problem("there is no such folder", str(folder), "give the folder of value sets"))
    codes: dict[str, set[tuple[str, str]]] = {}
    place: dict[str, Path] = {}
    problems: list[Problem] = []
    paths = [path for path in sorted(folder.glob("*.csv")) if path.name != MANIFEST]
    for path in paths:
        found = _read_file(path, problems)
        for name, some in found.items():
            if name in place:
                what = f"value set {name} is in two files"
                problems.append(Problem(what, f"{place[name].name}, {path.name}", "keep one of them"))
            place[name] = path
            codes[name] = some
    if not paths:
        problems.append(Problem("the folder holds no value set", str(folder), "add CSV files of codes"))
    described = _read_manifest(folder / MANIFEST, problems)
    sets = {name: ValueSet(name, frozenset(some), **_about(described.get(name, {}))) for name, some in codes.items()}
    problems += _wrong_digests(sets, described, folder)
    if problems:
        raise InputDataError(problems)
    return sets


@functools.cache
def shipped_value_sets() -> Mapping[str, ValueSet]:
    """Give the value sets that are shipped (``code_lists/``): none whose licence forbids it."""
    folder = Path(str(files("openvbp.measures").joinpath("code_lists")))
    return read_value_sets(folder) if folder.is_dir() else {}


def _about(described: Mapping[str, str]) -> dict[str, str]:
    return {name: described.get(name, "") for name in ("version", "source", "licence", "expansion_date")}


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as lines:
        rows = list(csv.reader(lines, strict=True))
    # Exports begin with lines about the set; the header is the first row that names a column of codes.
    start = next((at for at, row in enumerate(rows) if "code" in [_plain_name(cell) for cell in row]), None)
    if start is None:
        return []
    header = [_plain_name(cell) for cell in rows[start]]
    preamble = {_plain_name(row[0]): row[1].strip() for row in rows[:start] if len(row) > 1}
    common = {"value_set": preamble.get("value_set_name", ""), "identifier": preamble.get("oid", "")}
    kept = [row for row in rows[start + 1 :] if any(cell.strip() for cell in row)]
    ragged = [at for at, row in enumerate(kept, start=start + 2) if len(row) != len(header)]
    if ragged:
        raise csv.Error(f"{len(ragged):,} rows are not as long as the header, the first in line {ragged[0]:,}")
    return [common | dict(zip(header, (cell.strip() for cell in row), strict=True)) for row in kept]


def _plain_name(cell: str) -> str:
    return cell.strip().lower().replace(" ", "_")


def _read_file(path: Path, problems: list[Problem]) -> dict[str, set[tuple[str, str]]]:
    try:
        rows = _rows(path)
    except (csv.Error, UnicodeDecodeError) as error:
        problems.append(Problem(f"file cannot be read: {error}", str(path), "save it as UTF-8 text, cells quoted"))
        return {}
    if not rows:
        problems.append(Problem("file has no column code, or no rows", str(path), "an empty value set scores nobody"))
        return {}
    missing = [name for name in ("code", "code_system") if not any(one in rows[0] for one in _COLUMNS[name])]
    if missing:
        problems.append(Problem("columns are missing", str(path), "add them", len(missing), tuple(missing)))
        return {}
    found: dict[str, set[tuple[str, str]]] = {}
    unknown: dict[str, int] = {}
    for row in rows:
        system = system_name(_cell(row, "code_system"))
        code = plain_code(_cell(row, "code"))
        if system not in code_systems():
            unknown[system] = unknown.get(system, 0) + 1
        elif code:
            found.setdefault(_cell(row, "value_set") or path.stem, set()).add((system, code))
    if unknown:
        known = ", ".join(sorted(code_systems()))
        to_do = f"use one of {known}"
        problems.append(
            Problem("unknown code system", str(path), to_do, sum(unknown.values()), tuple(sorted(unknown)[:3]))
        )
    elif not found:
        problems.append(Problem("value set has no codes", str(path), "an empty value set scores nobody: fill it"))
    return found


def _cell(row: Mapping[str, str], name: str) -> str:
    return next((row[one] for one in _COLUMNS[name] if row.get(one)), "")


def _read_manifest(path: Path, problems: list[Problem]) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        if "value_set" not in (reader.fieldnames or ()):
            problems.append(Problem("column value_set is missing", str(path), "name the set that each row is about"))
            return {}
        return {row["value_set"]: row for row in reader}


def _wrong_digests(
    sets: Mapping[str, ValueSet], described: Mapping[str, Mapping[str, str]], folder: Path
) -> list[Problem]:
    wrong = [
        name
        for name, row in described.items()
        if name in sets and row.get("sha256") not in ("", None, sets[name].sha256)
    ]
    absent = [name for name in described if name not in sets]
    problems = []
    if wrong:
        to_do = "the codes are not those that were described: find out which is right, then correct the digest"
        problems.append(
            Problem("digest of value sets is wrong", str(folder / MANIFEST), to_do, len(wrong), tuple(wrong))
        )
    if absent:
        what = "value sets are described but not there"
        problems.append(Problem(what, str(folder / MANIFEST), "add their files", len(absent), tuple(absent)))
    return problems


def missing_value_sets(
    needed: Mapping[str, Iterable[str]], sets: Mapping[str, ValueSet], systems: Mapping[str, Sequence[str]]
) -> list[Problem]:
    """Say which value sets a run lacks, or has with codes that its events cannot have.

    Parameters
    ----------
    needed
        Value set to the measures that need it.
    sets
        Value sets that are there.
    systems
        Value set to the code systems of the events that are looked up in it.
    """
    problems = []
    for name, measures in sorted(needed.items()):
        where = "needed by " + ", ".join(sorted(set(measures)))
        if name not in sets:
            problems.append(
                Problem(f"value set {name} is missing", where, f"add {name}.csv to the folder of value sets")
            )
            continue
        possible = [one for one in sets[name].codes if one[0] in systems[name]]
        if not possible:
            given = ", ".join(sorted({system for system, _code in sets[name].codes}))
            expected = " or ".join(systems[name])
            what = f"value set {name} has codes of another system: {given}"
            problems.append(Problem(what, where, f"its events have codes of {expected}"))
    return problems
