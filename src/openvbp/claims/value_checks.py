"""Identifiers and codes of claims: each distinct value is looked at once, however many rows hold it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from ibis import _

from openvbp.claims.code_systems import (
    CCN_FORM,
    CodeSystem,
    UnusableListError,
    code_systems,
    find_list,
    is_npi,
    normalized_code,
    read_list,
    specialties,
)
from openvbp.claims.contract import CLAIMS_TABLES, ClaimsTable, load_table
from openvbp.claims.defects import Finding, defects
from openvbp.claims.row_checks import SENTINEL, CheckedTable
from openvbp.engine import Engine

_SPECIALTIES = ("rendering_specialty_code", "specialty_code")
_TAXPAYER_NUMBERS = ("rendering_tin", "billing_tin", "tin")


@dataclass(frozen=True)
class CodeMatch:
    """How many rows of a code system have a code that is on its list."""

    system: str
    list_file: str
    codes_in_list: int
    rows: int
    matched: int


def valued_columns(declared: ClaimsTable) -> frozenset[str]:
    """Tell which columns of a table are looked at by their distinct values."""
    coded = {column for one in code_systems().values() if one.table == declared.name for column in one.columns}
    numbers = {column.name for column in declared.columns if column.kind in ("npi", "ccn")}
    return frozenset((coded | numbers | {*_SPECIALTIES, *_TAXPAYER_NUMBERS}) & declared.column.keys())


def distinct_values(engine: Engine, tables: Mapping[str, CheckedTable]) -> ir.Table | None:
    """Count the rows of every distinct value of identifiers and codes: one statement for all columns of all tables.

    Returns
    -------
    One row per table × column × code type × value: ``table``, ``column``, ``code_type`` (null where the column has
    none), ``value``, ``row_count``; none where no table has such a column. Empty cells are left out.
    """
    typed_by = {column: one.code_type_column for one in code_systems().values() for column in one.columns}
    parts = []
    for name, table in tables.items():
        looked_at = valued_columns(table.declared)
        for column in [one.name for one in table.present if one.name in looked_at]:
            of_type = typed_by.get(column, "")
            code_type = table.rows[of_type] if of_type and table.has(of_type) else ibis.null("string")
            here = {"table": ibis.literal(name), "column": ibis.literal(column)}
            of_column = table.rows.group_by(**here, code_type=code_type, value=table.rows[column])
            parts.append(of_column.agg(row_count=_.count()))
    if not parts:
        return None
    counted = ibis.union(*parts) if len(parts) > 1 else parts[0]
    return engine.compute(counted.filter(counted["value"].strip() != ""), "claims_check_values")


def check_values(engine: Engine, values: ir.Table) -> Iterator[Finding]:
    """Look at the form of identifiers and codes (:func:`distinct_values`)."""
    counts = {
        defect_id: values.row_count.sum(where=condition.fill_null(False))  # noqa: FBT003
        for defect_id, condition in _wrong_values(values).items()
    }
    by_column = values.group_by("table", "column").agg(total=_.row_count.sum(), **counts)
    for found in engine.to_arrow(by_column).to_pylist():
        for defect_id in counts:
            if found[defect_id]:
                place = found["table"], found["column"]
                yield Finding(defects()[defect_id], *place, int(found[defect_id]), int(found["total"]))


def _wrong_values(values: ir.Table) -> dict[str, ir.BooleanValue]:
    value, column = values["value"], values["column"]
    npi, ccn = (column.isin(sorted(_of_kind(kind))) for kind in ("npi", "ccn"))
    is_there = value != SENTINEL
    coded: dict[tuple[str, ...], list[CodeSystem]] = defaultdict(list)
    for one in code_systems().values():
        coded[one.columns].append(one)
    malformed = mismatched = unnormalized = ibis.literal(False)  # noqa: FBT003
    for columns, alike in coded.items():
        here = is_there & column.isin(columns)
        if len(alike) == 1 and alike[0].code_type:
            here = here & (values.code_type.fill_null(alike[0].code_type) == alike[0].code_type)
        plain = normalized_code(value, has_dot=alike[0].has_dot)
        unnormalized = unnormalized | (here & (value != plain))
        has_form = {one.name: plain.re_search(one.form) for one in alike}
        has_any = ibis.or_(*has_form.values())
        malformed = malformed | (here & ~has_any)
        for one in alike:
            if one.code_type and len(alike) > 1:
                of_type = (values.code_type == one.code_type).fill_null(False)  # noqa: FBT003
                mismatched = mismatched | (here & of_type & ~has_form[one.name] & has_any)
    return {
        "sentinel_value": ~is_there,
        "npi_check_digit": is_there & npi & ~is_npi(value),
        "ccn_malformed": is_there & ccn & ~value.re_search(CCN_FORM),
        "specialty_unknown": is_there & column.isin(_SPECIALTIES) & value.notin(sorted(specialties())),
        "malformed_code": malformed,
        "code_not_normalized": unnormalized,
        "code_type_mismatch": mismatched,
        "code_type_missing": is_there & column.startswith("diagnosis_code_") & values.code_type.isnull(),
    }


def _of_kind(kind: str) -> set[str]:
    return {column.name for name in CLAIMS_TABLES for column in load_table(name).columns if column.kind == kind}


def compare_codes(engine: Engine, values: ir.Table, lists: Path | None) -> tuple[list[CodeMatch], list[Finding]]:
    """Compare the codes in use with the lists that the user gives.

    Parameters
    ----------
    engine
        Where to compute.
    values
        Distinct values (:func:`distinct_values`).
    lists
        Folder of code lists; none where codes are not to be compared.

    Returns
    -------
    Match rates, and what is wrong: a list that is needed and missing, empty or shifted, or too many codes that are not
    on it.
    """
    matches: list[CodeMatch] = []
    findings: list[Finding] = []
    all_used = _used_codes(engine, values)
    if lists is None and all_used.num_rows:
        codes = pc.sum(all_used["row_count"]).as_py()
        words = {"unit": "codes", "detail": "no code lists were given: a wrong code passes unnoticed"}
        return matches, [Finding(defects()["codes_not_compared"], "", "", codes, codes, **words)]
    for system in code_systems().values():
        used = _of_system(all_used, system)
        rows = pc.sum(used["row_count"]).as_py() or 0
        path = find_list(lists, system) if lists is not None else None
        place: dict[str, Any] = {"table": system.table, "column": _stem(system), "count": rows, "total": rows}
        if not rows or not system.list_columns or (path is None and system.compared):
            continue
        if path is None:
            name = "code_list_missing" if system.is_needed else "codes_not_compared"
            findings.append(Finding(defects()[name], **place, detail=f"no {system.name}.csv"))
            continue
        try:
            codes = read_list(path, system)
        except UnusableListError as error:
            findings.append(Finding(defects()["code_list_unusable"], **place, detail=f"{path.name}: {error}"))
            continue
        on_list = pc.is_in(used["code"], pa.array(codes, pa.string()))
        matched = pc.sum(used["row_count"].filter(on_list)).as_py() or 0
        matches.append(CodeMatch(system.name, path.name, len(codes), rows, matched))
        if matched < rows:
            place["count"] = rows - matched
            findings.append(Finding(defects()["code_unmatched"], **place, detail=f"not in {path.name}"))
    return matches, findings


def _used_codes(engine: Engine, values: ir.Table) -> pa.Table:
    """Fetch the codes in use, normalized: ``column``, ``code_type``, ``code``, ``row_count``."""
    systems = code_systems().values()
    coded = sorted({column for one in systems for column in one.columns})
    dotted = sorted({column for one in systems if one.has_dot for column in one.columns})
    of_codes = values.filter(values["column"].isin(coded) & (values["value"] != SENTINEL))
    plain, undotted = (normalized_code(of_codes["value"], has_dot=has_dot) for has_dot in (False, True))
    code = ibis.ifelse(of_codes["column"].isin(dotted), undotted, plain)
    return engine.to_arrow(of_codes.select("column", "code_type", code=code, row_count=_.row_count.cast("int64")))


def _of_system(used: pa.Table, system: CodeSystem) -> pa.Table:
    chosen = pc.is_in(used["column"], pa.array(system.columns, pa.string()))
    if system.code_type:
        chosen = pc.and_(chosen, pc.fill_null(pc.equal(used["code_type"], system.code_type), False))  # noqa: FBT003
    if system.compared:
        chosen = pc.and_(chosen, pc.match_substring_regex(used["code"], system.compared))
    return used.filter(chosen)


def _stem(system: CodeSystem) -> str:
    return system.columns[0] if len(system.columns) == 1 else f"{system.columns[0]} ... {system.columns[-1]}"
