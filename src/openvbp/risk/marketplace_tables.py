"""Tables of an HHS-HCC model of the marketplaces, checked.

HHS publishes them in the workbook of its "Do It Yourself" software; none is shipped here. The user writes each as CSV:

==================  ==================================================  ==========================
file                columns                                             tables of the workbook
==================  ==================================================  ==========================
diagnoses.csv       diagnosis_code, category, gender, age_from, age_to  3
hierarchies.csv     category, drops                                     4, 11
groups.csv          age_group, group, category                          6, 7
lists.csv           age_group, list, item                               6, 7
interactions.csv    age_group, variable, part, item                     6, 7
infants.csv         kind, rank, level, category                         8
factors.csv         age_group, variable, and the five metal levels      9
drugs.csv           code_system, code, category                         10
cost_sharing.csv    csr_indicator, factor                               of the Payment Notice
==================  ==================================================  ==========================
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypeVar

from openvbp.errors import InputDataError, Problem
from openvbp.risk.age_cells import cell
from openvbp.risk.csv_tables import rows_of, table_file
from openvbp.risk.tables import COEFFICIENT_DECIMALS, TableFile, repeated_keys

METALS = ("platinum", "gold", "silver", "bronze", "catastrophic")
AGE_GROUPS = ("adult", "child", "infant")
LISTS = ("severe", "transplant", "not_counted")
CHILD_AGES = (1, 4, 9, 14)
"""Last ages of the cells below 15 to 20."""
ADULT_AGES = (24, 29, 34, 39, 44, 49, 54, 59)
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "diagnoses": ("diagnosis_code", "category", "gender", "age_from", "age_to"),
    "hierarchies": ("category", "drops"),
    "groups": ("age_group", "group", "category"),
    "lists": ("age_group", "list", "item"),
    "interactions": ("age_group", "variable", "part", "item"),
    "infants": ("kind", "rank", "level", "category"),
    "factors": ("age_group", "variable", *METALS),
    "drugs": ("code_system", "code", "category"),
    "cost_sharing": ("csr_indicator", "factor"),
}
_KEYS: Mapping[str, int] = {"factors": 2, "cost_sharing": 1}
"""Number of leading columns that are a key; all of them elsewhere."""
_NAMES = frozenset({"variable", "group", "category", "drops", "item", "level"})
_COUNTS = re.compile(r"(SEVERE|TRANSPLANT)_HCC_COUNT(\d+)(PLUS|_(\d+))?|HCC_ED(\d+)", re.IGNORECASE)
_MANY = 10_000
Key = TypeVar("Key")


@dataclass(frozen=True)
class CountBin:
    """A variable that is paid by the number of categories, or of months with at least one."""

    age_group: str
    variable: str
    asks: str
    """``severe``, ``transplant``: a category of that list; ``months``: so many months of enrolment."""
    least: int
    most: int


@dataclass(frozen=True)
class MarketplaceTables:
    """Tables of one benefit year, rows as text by name of the table."""

    folder: str
    rows: Mapping[str, Sequence[Mapping[str, str]]]
    factors: Mapping[tuple[str, str, str], int]
    """Age group, variable, metal level: thousandths."""
    cost_sharing: Mapping[str, int]
    """Indicator: thousandths."""
    bins: tuple[CountBin, ...]
    files: tuple[TableFile, ...]

    def values(self, table: str, column: str) -> set[str]:
        """Different values of a column."""
        return {row[column] for row in self.rows[table]}


def read_marketplace_tables(folder: Path) -> MarketplaceTables:
    """Read and check the tables of a folder.

    Raises
    ------
    InputDataError
        If a file is missing, a key stands twice, a name or number is not known, an age and sex cell or an infant's cell
        has no factor, a group or interaction has none, a hierarchy drops itself.
    """
    where = str(folder)
    if not folder.is_dir():
        raise InputDataError(Problem("there is no such folder", where, "give a folder with the tables as CSV"))
    rows = {name: _named(rows_of(folder / f"{name}.csv", columns)) for name, columns in _COLUMNS.items()}
    problems = []
    for name, found in rows.items():
        keys = [tuple(row.values())[: _KEYS.get(name, len(row))] for row in found]
        problems += repeated_keys(keys, f"{name}.csv", where)
        if not found and name in ("diagnoses", "factors", "cost_sharing"):
            problems.append(Problem(f"{name}.csv has no row", where, "write it from the workbook"))
    factors = {(row["age_group"], row["variable"], metal): row[metal] for row in rows["factors"] for metal in METALS}
    numbers, unreadable = _thousandths(factors, "factors.csv", where)
    sharing, also = _thousandths(
        {row["csr_indicator"]: row["factor"] for row in rows["cost_sharing"]}, "cost_sharing.csv", where
    )
    tables = MarketplaceTables(
        folder=where,
        rows=rows,
        factors=numbers,
        cost_sharing=sharing,
        bins=tuple(_bins(rows["factors"])),
        files=tuple(table_file(folder / f"{name}.csv", len(found)) for name, found in rows.items()),
    )
    problems += [*unreadable, *also, *_inconsistencies(tables)]
    if problems:
        raise InputDataError(problems)
    return tables


def _named(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """Write names in upper case: HHS's publications do not agree on it."""
    return [{name: text.upper() if name in _NAMES else text for name, text in row.items()} for row in rows]


def _thousandths(values: Mapping[Key, str], name: str, where: str) -> tuple[dict[Key, int], list[Problem]]:
    found: dict[Key, int] = {}
    wrong = []
    for key, text in values.items():
        try:
            units = Decimal(text).scaleb(COEFFICIENT_DECIMALS)
        except InvalidOperation:
            units = Decimal("NaN")
        if not units.is_finite() or units % 1:
            wrong.append(f"{key} {text}")
        else:
            found[key] = int(units)
    if not wrong:
        return found, []
    what = f"{name} has cells that are not numbers of at most {COEFFICIENT_DECIMALS} decimals"
    return found, [Problem(what, where, "correct them", len(wrong), tuple(wrong[:3]))]


def _bins(factors: Sequence[Mapping[str, str]]) -> list[CountBin]:
    """Read what counts a variable asks for out of its name: SEVERE_HCC_COUNT6_7, TRANSPLANT_HCC_COUNT8PLUS, HCC_ED3."""
    found = []
    for row in factors:
        match = _COUNTS.fullmatch(row["variable"])
        if match is None:
            continue
        kind, least, more, most, months = match.groups()
        if months:
            found.append(CountBin(row["age_group"], row["variable"], "months", int(months), int(months)))
            continue
        last = int(most) if most else _MANY if more else int(least)
        found.append(CountBin(row["age_group"], row["variable"], kind.lower(), int(least), last))
    return found


def cells_of(age_group: str) -> list[str]:
    """Age and sex cells of adults and children."""
    ages, start = (ADULT_AGES, 21) if age_group == "adult" else (CHILD_AGES, 2)
    firsts = [start, *(last + 1 for last in ages if last >= start)]
    return [f"{sex}AGE_LAST_{age_cell(first)}" for sex in "MF" for first in firsts]


def age_cell(age: int) -> str:
    """Name of the cell of an age: ``2_4``, ``15_20``, ``60_GT``."""
    return cell(age, (*CHILD_AGES, 20, *ADULT_AGES))


def _cells_needed(tables: MarketplaceTables) -> list[tuple[str, str]]:
    """Age group and variable of every cell that a person may be in."""
    levels = {
        kind: {row["level"] for row in tables.rows["infants"] if row["kind"] == kind}
        for kind in ("maturity", "severity")
    }
    needed = [(group, name) for group in ("adult", "child") for name in cells_of(group)]
    needed += [("infant", name) for name in ("AGE0_MALE", "AGE1_MALE")]
    needed += [
        ("infant", f"{one}_X_{other}")
        for one in sorted({*levels["maturity"], "AGE1"})
        for other in sorted({*levels["severity"], "SEVERITY1"})
    ]
    return needed


def _inconsistencies(tables: MarketplaceTables) -> list[Problem]:
    paid = {(group, variable) for group, variable, _metal in tables.factors}
    named = {(row["age_group"], row["group"]) for row in tables.rows["groups"]}
    named |= {(row["age_group"], row["variable"]) for row in tables.rows["interactions"]}
    grouped = Counter((row["age_group"], row["category"]) for row in tables.rows["groups"])
    groups = {row["age_group"] for name in ("groups", "lists", "interactions", "factors") for row in tables.rows[name]}
    ages = [row[name] for row in tables.rows["diagnoses"] for name in ("age_from", "age_to")]
    findings = {
        "age groups are not adult, child or infant": sorted(groups - set(AGE_GROUPS)),
        "lists are not severe, transplant or not_counted": sorted(tables.values("lists", "list") - set(LISTS)),
        "kinds of infants.csv are not maturity or severity": sorted(
            tables.values("infants", "kind") - {"maturity", "severity"}
        ),
        "code systems of drugs are not ndc or hcpcs": sorted(tables.values("drugs", "code_system") - {"ndc", "hcpcs"}),
        "genders of diagnoses are not female or male": sorted(
            tables.values("diagnoses", "gender") - {"", "female", "male"}
        ),
        "ages or ranks are not whole numbers": [
            text for text in (*ages, *tables.values("infants", "rank")) if text and not text.isdigit()
        ],
        "age and sex or infants' cells have no factor": [
            " ".join(one) for one in _cells_needed(tables) if one not in paid
        ],
        "groups or interactions have no factor": sorted(" ".join(one) for one in named - paid),
        "categories stand in two groups": [" ".join(one) for one, times in grouped.items() if times > 1],
        "categories drop themselves": [
            row["drops"] for row in tables.rows["hierarchies"] if row["category"] == row["drops"]
        ],
        "variables ask for the same count": _overlaps(tables.bins),
    }
    what_to_do = "give the tables of one benefit year, in the layout of the documentation"
    return [
        Problem(what, tables.folder, what_to_do, len(examples), tuple(examples[:3]))
        for what, examples in findings.items()
        if examples
    ]


def _overlaps(bins: Sequence[CountBin]) -> list[str]:
    return [
        f"{one.variable} {other.variable}"
        for place, one in enumerate(bins)
        for other in bins[place + 1 :]
        if (one.age_group, one.asks) == (other.age_group, other.asks)
        and one.least <= other.most
        and other.least <= one.most
    ]
