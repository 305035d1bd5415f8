"""Tables of CMS's software of 2026 and later in Python: CSV files under ``data/input/internal`` of a package."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from openvbp.errors import InputDataError, Problem
from openvbp.risk.csv_tables import rows_of, table_file, whole_table
from openvbp.risk.model import Family, Model
from openvbp.risk.tables import Edit, RawTables, TableFile

MAPPING = "ICD10_CC_mappings*.csv"
_OLDEST = 999
# Headings of factors, without underscores, to the prefix of coefficients.
_SEGMENTS: Mapping[Family, Mapping[str, str]] = {
    "CMS-HCC": {
        **{f"community{dual}{age}": f"C{dual[0].upper()}{age.upper()}" for dual in ("n", "fb", "pb") for age in "ad"},
        "institutional": "INS",
        "ne": "NE",
        "nesnp": "SNPNE",
    },
    "ESRD": {
        "dial": "DI",
        "dialne": "DNE",
        "graftcomm": "GC",
        "graftinst": "GI",
        "graftne": "GNE",
        "gcommndpbdge65": "GNPA",
        "gcommndpbdlt65": "GNPN",
        "gcommfbdge65": "GFA",
        "gcommfbdlt65": "GFN",
    },
    "RxHCC": {
        "cenonlowaged": "Rx_CE_NoLowAged",
        "cenonlownonaged": "Rx_CE_NoLowNoAged",
        "celowaged": "Rx_CE_LowAged",
        "celownonaged": "Rx_CE_LowNoAged",
        "celti": "Rx_CE_LTI",
        "nenonlowcommunity": "Rx_NE_NoLo",
        "nelowcommunity": "Rx_NE_Lo",
        "nelti": "Rx_NE_LTI",
    },
}
_VARIABLES = (
    (r"(N?ESRD)_NORIGDIS_X_", r"\1_NOD_x_"),
    (r"(N?ESRD)_ORIGDIS_X_", r"\1_OD_x_"),
    (r"OD65|ORIGDIS", "ORIGDS"),
    (r"ART_OPENINGS_PRESSURE_ULCER_V24", "ART_OPENINGS_PRESS_ULCER_V24"),
)
"""Names of the package, from their start, to those of CMS's files of coefficients."""
# The package for ESRD V24 has these in its code, not in its tables.
_ADJUSTMENTS = (("ActAdj_DUR4_9", "0.905"), ("ActAdj_DUR10PL", "0.698"))
_CONDITION = re.compile(r"(?:(\d+) ?<= ?)?age ?(?:(>=|<=|<|>|=) ?(\d+)|(\d+) ?\+)")


def is_package(folder: Path) -> bool:
    """Whether there are tables of a package somewhere below a folder."""
    return any(folder.rglob(MAPPING))


def read_package(model: Model, folder: Path) -> RawTables:
    """Read the tables of a package.

    Raises
    ------
    InputDataError
        If a file is missing or there twice, a column is not known, or conditions of age and sex cannot be read.
    """
    mapping_file, hierarchy_file = _one(folder, MAPPING), _one(folder, "*HCC_Hierarchies.csv")
    mapping, edits = _diagnoses(mapping_file)
    pairs = _hierarchies(hierarchy_file)
    coefficients: list[tuple[str, str]] = []
    files: list[TableFile] = [table_file(mapping_file, len(mapping)), table_file(hierarchy_file, len(pairs))]
    factor_files = sorted(folder.rglob("*Relative_Factors.csv"))
    for path in factor_files:
        found = _factors(model, path)
        coefficients += found
        files.append(table_file(path, len(found)))
    if model.family == "ESRD":
        for pattern in ("*Transplant_Scores.csv", *(("*Graft_Scores.csv",) if model.number == "24" else ())):
            found = _scores(_one(folder, pattern))
            coefficients += found
            files.append(table_file(_one(folder, pattern), len(found)))
        duration = _one(folder, "*Graft_Duration_Scores.csv")
        coefficients += [(_duration(name), value) for name, value in _scores(duration)]
        coefficients += _ADJUSTMENTS if model.number == "24" else ()
        files.append(table_file(duration, len(_scores(duration))))
    return RawTables(mapping, edits, pairs, coefficients, tuple(files))


def _one(folder: Path, pattern: str) -> Path:
    found = sorted(folder.rglob(pattern))
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputDataError(Problem(f"there is no file {pattern}", str(folder), "give the folder of one package"))
    names = ", ".join(str(path.relative_to(folder)) for path in found)
    raise InputDataError(Problem(f"several files are {pattern}", str(folder), f"keep one of {names}"))


def _factors(model: Model, path: Path) -> list[tuple[str, str]]:
    """Read a table of variables by segments: name, label, and a column per segment; blank is no coefficient."""
    header, *rows = whole_table(path)
    known = _SEGMENTS[model.family]
    segments = [known.get(name.replace("_", "").strip().lower(), "") for name in header[2:]]
    unknown = [name for name, segment in zip(header[2:], segments, strict=True) if segment not in model.segments]
    if unknown or not segments:
        what = f"columns are not segments of {model.title}"
        raise InputDataError(
            Problem(what, str(path), "give the package of the model", len(unknown), tuple(unknown[:3]))
        )
    found = []
    for row in rows:
        variable = row[0].strip()
        for pattern, name in _VARIABLES:
            variable = re.sub(f"^(?:{pattern})", name, variable) if re.match(pattern, variable) else variable
        # A category without coefficient in a segment is worth nothing there, and says so by a blank.
        is_category = variable.removeprefix(model.category_name).isdigit()
        for segment, cell in zip(segments, row[2:], strict=True):
            if cell.strip() or is_category:
                found.append((f"{segment}_{variable}", cell.strip() or "0"))
    return found


def _scores(path: Path) -> list[tuple[str, str]]:
    return [(row[0].strip(), row[-1].strip()) for row in whole_table(path)[1:]]


def _duration(name: str) -> str:
    """``DUR4_9_LT65`` of V21 is ``LT65_DUR4_9``; names of V24 lack that they are of grafts in the community."""
    match = re.fullmatch(r"(DUR\w+?)_(LT65|GE65)", name)
    return f"{match[2]}_{match[1]}" if match else f"FGC_{name}"


def _hierarchies(path: Path) -> list[tuple[str, str]]:
    numbers = [[re.sub(r"\D", "", cell) for cell in row] for row in whole_table(path)[1:]]
    return [(row[0], child) for row in numbers for child in row[1:] if child]


def _diagnoses(path: Path) -> tuple[list[tuple[str, str]], list[Edit]]:
    """Read categories of codes under conditions of age and sex, as a mapping and edits."""
    header = whole_table(path)[0]
    conditions = [name for name in ("MCE_AGE_CONDITION", "AGE_EDIT_CONDITION", "SEX_EDIT_CONDITION") if name in header]
    by_code: dict[str, dict[tuple[int, int, str], set[str]]] = {}
    unreadable = []
    for row in rows_of(path, ("ICD10", "CC", *conditions)):
        code, category = row["ICD10"].upper().replace(".", ""), row["CC"].removesuffix(".0")
        ages = [_ages(row.get(name, "")) for name in ("MCE_AGE_CONDITION", "AGE_EDIT_CONDITION")]
        sex = row.get("SEX_EDIT_CONDITION", "").removesuffix(".0")
        if None in ages or sex not in ("", "1", "2"):
            unreadable.append(code)
            continue
        low, high = max(one[0] for one in ages if one), min(one[1] for one in ages if one)
        by_code.setdefault(code, {}).setdefault((low, high, sex), set()).add(category)
    mapping, edits = [], []
    for code, found in by_code.items():
        read = _as_edit(code, found)
        if read is None:
            unreadable.append(code)
            continue
        mapping += [(code, category) for category in sorted(read[0])]
        edits += [read[1]] if read[1] else []
    if unreadable:
        what = "conditions of age and sex of codes cannot be read"
        where = str(path)
        raise InputDataError(Problem(what, where, "report them", len(unreadable), tuple(unreadable[:3])))
    return mapping, edits


def _ages(condition: str) -> tuple[int, int] | None:
    """First and last age under a condition."""
    if not condition:
        return 0, _OLDEST
    match = _CONDITION.fullmatch(condition.strip().lower())
    if match is None:
        return None
    low, sign, number, least = match.groups()
    first, last = int(low or 0), _OLDEST
    if least:
        first = int(least)
    elif sign in (">=", ">", "="):
        first = int(number) + (sign == ">")
    if sign in ("<=", "<", "="):
        last = int(number) - (sign == "<")
    return first, last


def _as_edit(code: str, found: Mapping[tuple[int, int, str], set[str]]) -> tuple[set[str], Edit | None] | None:
    """Say the same by a mapping and one edit, if it can be said."""
    cases = sorted(found.items())
    if len(cases) == 2 and cases[0][1] == cases[1][1] and _are_complements(cases[0][0], cases[1][0]):
        return cases[0][1], None
    if len(cases) == 1:
        ((first, last, sex), categories) = cases[0]
        if (first, last, sex) == (0, _OLDEST, ""):
            return categories, None
        if sex and (first, last) != (0, _OLDEST):
            return None
        other = {"1": "female", "2": "male"}.get(sex)
        up_to, since = (first - 1 if first else None), (last + 1 if last < _OLDEST else None)
        return categories, Edit(code, other, up_to, since, None)
    if len(cases) == 2 and _are_complements(cases[0][0], cases[1][0]):
        is_by_sex = bool(cases[0][0][2])
        # The edit fires for women, or below an age; the mapping has what is left.
        (fired, categories), (_other, rest) = reversed(cases) if is_by_sex else cases
        if len(categories) == 1:
            gender, up_to = ("female", None) if is_by_sex else (None, fired[1])
            return rest, Edit(code, gender, up_to, None, int(next(iter(categories))))
    return None


def _are_complements(one: Sequence[int | str], other: Sequence[int | str]) -> bool:
    is_by_age = one[2] == other[2] == "" and (one[0], other[1]) == (0, _OLDEST) and int(one[1]) + 1 == other[0]
    return is_by_age or (one[:2] == other[:2] == (0, _OLDEST) and {one[2], other[2]} == {"1", "2"})
