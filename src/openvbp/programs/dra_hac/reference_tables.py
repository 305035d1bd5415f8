"""The user's tables of the grouper: read strictly, because a code list with a lost row gives wrong DRGs everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.checked_rows import IS_COPY, RowCheck, accepted, check_rows
from openvbp.declared_tables import DeclaredTable, TextRows, read_rows
from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.parameters import Scenario
from openvbp.programs.dra_hac.input_files import CC_CODES, CC_EXCLUSIONS, CC_LEVELS, DRG_TRIPLETS, HAC_CODES

_OPEN_END = date(9999, 12, 31)
_DATES = RowCheck("to", lambda rows: rows["to"] < rows["from"], "before the first day")


class ReferenceTable:
    """A reference file as read: its text, and its rows with the days on which each is valid."""

    def __init__(self, engine: Engine, directory: Path, declared: DeclaredTable, checks: Sequence[RowCheck]) -> None:
        self.text: TextRows = read_rows(directory, declared)
        self.checked = check_rows(engine, self.text, [_DATES, *checks])
        self.rejected_rows = _demand_right(engine, self.checked, self.text)
        rows = accepted(self.checked).rename(valid_from="from", valid_to="to")
        self.rows: ir.Table = rows.mutate(valid_to=_.valid_to.fill_null(ibis.literal(_OPEN_END)))


def read_reference_tables(engine: Engine, directory: Path, scenario: Scenario) -> dict[str, ReferenceTable]:
    """Read the selected conditions' codes, the DRG triplets and the lists of complications.

    Raises
    ------
    InputDataError
        If a file is missing, a row cannot be used, a triplet is incomplete, validity overlaps, a DRG is in two
        families, a category is unknown, or an exclusion collection is missing.
    """
    tables = {
        "hac_codes": ReferenceTable(engine, directory, HAC_CODES, [_role_check(), _category_check(scenario)]),
        "drg_triplets": ReferenceTable(engine, directory, DRG_TRIPLETS, []),
        "cc_codes": ReferenceTable(engine, directory, CC_CODES, []),
    }
    collections = _collections(engine, tables["cc_codes"].rows)
    if collections:
        tables["cc_exclusions"] = ReferenceTable(engine, directory, CC_EXCLUSIONS, [])
    problems = [
        *_incomplete_triplets(engine, tables["drg_triplets"]),
        *_overlaps(engine, tables["drg_triplets"], ("base_drg", "cc_level")),
        *_overlaps(engine, tables["cc_codes"], ("code", "code_system")),
        *_drg_in_two_families(engine, tables["drg_triplets"]),
        *(_missing_collections(engine, tables["cc_exclusions"], collections) if collections else ()),
    ]
    if problems:
        raise InputDataError(problems)
    return tables


def _role_check() -> RowCheck:
    def is_wrong(rows: ir.Table) -> ir.BooleanValue:
        is_procedure = rows.role == "procedure"
        return ibis.ifelse(is_procedure, rows.code_system == "ICD-10-CM", rows.code_system == "ICD-10-PCS")

    return RowCheck("code_system", is_wrong, "does not fit the role")


def _category_check(scenario: Scenario) -> RowCheck:
    known = list(scenario.parameters["is_selected_category"].values)
    return RowCheck(
        "category",
        lambda rows: rows.category.notin(known),
        f"not a category of {scenario.period.label}: {known[0]} ...",
    )


def _demand_right(engine: Engine, rows: ir.Table, text: TextRows) -> int:
    """Stop at any row that cannot be used; copies of a row do no harm and are counted."""
    wrong = rows.filter(_.problem.notnull() & (_.problem != IS_COPY)).order_by("row_number")
    found = engine.to_arrow(wrong.select("row_number", "problem_column", "problem_value", "problem")).to_pylist()
    if found:
        raise InputDataError(
            Problem(
                "rows cannot be used",
                str(text.path),
                "correct them: every code of this table counts",
                len(found),
                tuple(
                    f"row {one['row_number']}, {one['problem_column']} '{one['problem_value']}': {one['problem']}"
                    for one in found[:3]
                ),
            )
        )
    copies = rows.filter(_.problem.notnull())
    return engine.to_arrow(copies.aggregate(n=_.count()))["n"][0].as_py()


def _collections(engine: Engine, cc_codes: ir.Table) -> list[str]:
    named = cc_codes.filter(_.exclusion_collection.notnull()).select("exclusion_collection").distinct()
    return sorted(engine.to_arrow(named)["exclusion_collection"].to_pylist())


def _missing_collections(engine: Engine, exclusions: ReferenceTable, wanted: Sequence[str]) -> list[Problem]:
    present = set(_collections(engine, exclusions.rows))
    missing = [one for one in wanted if one not in present]
    return _problems(exclusions, "exclusion collections of cc_codes.csv are missing", "add their codes", missing)


def _incomplete_triplets(engine: Engine, triplets: ReferenceTable) -> list[Problem]:
    whole = triplets.rows.group_by("base_drg", "valid_from").agg(
        levels=_.cc_level.nunique(), first_end=_.valid_to.min(), last_end=_.valid_to.max()
    )
    wrong = whole.filter((_.levels < len(CC_LEVELS)) | (_.first_end != _.last_end)).order_by("base_drg", "valid_from")
    found = [f"{row['base_drg']} from {row['valid_from']}" for row in engine.to_arrow(wrong).to_pylist()]
    what_to_do = "give each base_drg one row per cc_level (none, cc, mcc), with the same from and to"
    return _problems(triplets, "triplets are not complete", what_to_do, found)


def _overlaps(engine: Engine, table: ReferenceTable, key: tuple[str, ...]) -> list[Problem]:
    order = ibis.window(group_by=list(key), order_by="valid_from")
    following = table.rows.mutate(next_from=_.valid_from.lead().over(order))
    wrong = following.filter(_.next_from <= _.valid_to).order_by(*key)
    found = [" ".join(str(row[name]) for name in key) for row in engine.to_arrow(wrong).to_pylist()]
    return _problems(table, f"two rows of one {' and '.join(key)} are valid on the same day", "end the earlier", found)


def _drg_in_two_families(engine: Engine, triplets: ReferenceTable) -> list[Problem]:
    rows = triplets.rows.select("base_drg", "drg", "valid_from", "valid_to")
    other = rows.rename(other_base="base_drg", other_drg="drg", other_from="valid_from", other_to="valid_to")
    pairs = rows.join(
        other,
        [
            rows.drg == other.other_drg,
            rows.base_drg < other.other_base,
            rows.valid_from <= other.other_to,
            other.other_from <= rows.valid_to,
        ],
    )
    wrong = pairs.select("drg", "base_drg", "other_base").distinct().order_by("drg")
    found = [f"{row['drg']} in {row['base_drg']} and {row['other_base']}" for row in engine.to_arrow(wrong).to_pylist()]
    return _problems(triplets, "a DRG is in two families on the same day", "keep the right family", found)


def _problems(table: ReferenceTable, what: str, what_to_do: str, found: Sequence[str]) -> list[Problem]:
    return [Problem(what, str(table.text.path), what_to_do, len(found), tuple(found[:3]))] if found else []
