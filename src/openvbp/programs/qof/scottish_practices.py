"""The Scottish publications of prevalence (registers, lists, ADPF) and of totals (points, pounds, contract)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from openvbp.checked_rows import RowCheck, accepted, check_rows, rejected_cells
from openvbp.declared_tables import DeclaredColumn, DeclaredTable, TextRows
from openvbp.engine import open_engine
from openvbp.program import InputFile
from openvbp.programs.qof.published_tables import PublishedTable, find_table, read_table
from openvbp.programs.qof.scottish_files import MARKERS
from openvbp.published_rows import rejection

_PRACTICE = r"^[0-9]{5}$"
_FACTOR = r"^[0-9]{1,4}([.][0-9]{1,16})?$"
_NUMBER = r"^[0-9]{1,9}([.][0-9]{1,16})?$"
AREA_OF_GROUP = {
    # group as published: area of the parameters
    '"Smoking" (conditions assessed for smoking)': "smoking",
    "Asthma": "asthma",
    "Atrial Fibrillation": "af",
    "Cancer": "cancer",
    "Chronic Kidney Disease (CKD)": "ckd",
    "Chronic Obstructive Pulmonary Disease (COPD)": "copd",
    "Coronary Heart Disease (CHD)": "chd",
    "Dementia": "dem",
    "Depression 1 (of 2): conditions assessed for depression": "dep1",
    "Depression 2 (of 2): new diagnosis of depression": "dep2",
    "Diabetes": "dm",
    "Epilepsy": "epilepsy",
    "Heart Failure": "hf",
    "Hypertension": "hyp",
    "Hypothyroidism": "thyroid",
    "Learning Disabilities": "ld",
    "Left Ventricular Dysfunction (LVD)": "lvd",
    "Mental Health": "mh",
    "Obesity": "obesity",
    "Palliative Care": "pc",
    "Primary Prevention of Cardiovascular Disease (CVD)": "cvd",
    "Stroke & Transient Ischaemic Attack (TIA)": "stroke",
}
"""Full names of the tables to 2011/12; later ones print the codes of the areas."""


@dataclass(frozen=True)
class PublishedRows:
    """Accepted and rejected rows of one publication."""

    table: pa.Table
    rejected: pa.Table
    file: InputFile


def read_registers(directory: Path, period_label: str, lists: Mapping[str, int]) -> PublishedRows | None:
    """Read practice × register: list, register, prevalence and adjusted disease prevalence factor.

    Parameters
    ----------
    directory
        Folder with ``prevalence_.._2011_12.csv`` of the year.
    period_label
        The year, for example ``2011/12``.
    lists
        Practice to list of the year's totals: where a practice has two rows for one register, as two practices have in
        2014/15, the one with this list is kept and the other rejected.

    Returns
    -------
    provider_id, area, contract, health_board, list_size, register (null where suppressed), register_marker,
    published_factor (text); ``None`` if the folder has no table of the year.

    Raises
    ------
    InputDataError
        If the file is broken, no row can be used, or a practice has two different rows for one register.
    """
    path = find_table(directory, "prevalence", period_label)
    if path is None:
        return None
    published = read_table(path)
    published.require(("practice", "contract", "health_board", "list_size", "group", "register", "adpf"))
    rows = published.rows
    is_marker = pc.is_in(rows["register"], value_set=pa.array(MARKERS))
    groups = [AREA_OF_GROUP.get(name, name) for name in rows["group"].to_pylist()]
    text = pa.table(
        {
            "row_number": rows["row_number"],
            "provider_id": rows["practice"],
            "area": pa.array(groups, pa.string()),
            **{name: rows[name] for name in ("contract", "health_board", "list_size")},
            "register": pc.if_else(is_marker, "", rows["register"]),
            "register_marker": pc.if_else(is_marker, rows["register"], ""),
            "published_factor": pc.if_else(pc.is_in(rows["adpf"], value_set=pa.array(MARKERS)), "", rows["adpf"]),
        }
    )
    declared = DeclaredTable(
        path.name,
        (
            DeclaredColumn("provider_id", "text"),
            DeclaredColumn("area", "text"),
            DeclaredColumn("contract", "text", may_be_empty=True),
            DeclaredColumn("health_board", "text", may_be_empty=True),
            DeclaredColumn("list_size", "count", may_be_empty=True, lowest=1),
            DeclaredColumn("register", "count", may_be_empty=True, lowest=0),
            DeclaredColumn("register_marker", "text", may_be_empty=True),
            DeclaredColumn("published_factor", "text", may_be_empty=True),
        ),
        key=("provider_id", "area"),
    )
    checks = [
        _practice_code(),
        RowCheck("register", lambda rows: rows.register > rows.list_size, "above the list"),
        _form("published_factor", _FACTOR, "not a factor"),
    ]
    kept, stray = _without_stray_rows(text, lists, path.name)
    return _checked(published, kept, declared, checks, "prevalence", stray)


def _without_stray_rows(
    rows: pa.Table, lists: Mapping[str, int], file_name: str
) -> tuple[pa.Table, list[dict[str, str]]]:
    keys = list(zip(rows["provider_id"].to_pylist(), rows["area"].to_pylist(), strict=True))
    times = Counter(keys)
    sizes = rows["list_size"].to_pylist()
    strays = [
        times[key] > 1 and key[0] in lists and size != str(lists[key[0]]) for key, size in zip(keys, sizes, strict=True)
    ]
    reason = "another row of the practice has the list of the totals"
    rejected = [
        rejection(file_name, row["row_number"], row["provider_id"], "list_size", row["list_size"], reason)
        for row in rows.filter(pa.array(strays)).to_pylist()
    ]
    return rows.filter(pa.array([not one for one in strays])), rejected


def read_totals(directory: Path, period_label: str) -> PublishedRows | None:
    """Read the totals of each practice: points, pounds, list, name, board and contract.

    Returns
    -------
    provider_id, provider_name, health_board, contract, list_size, published_points and published_payment (text);
    ``None`` if the folder has no table of the year.
    """
    path = find_table(directory, "totals", period_label)
    if path is None:
        return None
    published = read_table(path)
    published.require(
        ("practice", "practice_name", "contract", "health_board", "list_size", "points_achieved", "payment_gbp")
    )
    rows = published.rows
    names = {
        "provider_id": "practice",
        "provider_name": "practice_name",
        "health_board": "health_board",
        "contract": "contract",
        "list_size": "list_size",
        "published_points": "points_achieved",
        "published_payment": "payment_gbp",
    }
    text = pa.table({"row_number": rows["row_number"], **{name: rows[column] for name, column in names.items()}})
    columns = [
        DeclaredColumn(name, "text", may_be_empty=name != "provider_id") for name in names if name != "list_size"
    ]
    declared = DeclaredTable(
        path.name,
        (*columns, DeclaredColumn("list_size", "count", may_be_empty=True, lowest=1)),
        key=("provider_id",),
    )
    checks = [
        _practice_code(),
        _form("published_points", _NUMBER, "not points"),
        _form("published_payment", _NUMBER, "not an amount"),
    ]
    return _checked(published, text, declared, checks, "totals", [])


def _practice_code() -> RowCheck:
    wrong = "not a practice code of five digits"
    return RowCheck("provider_id", lambda rows: ~rows.provider_id.re_search(_PRACTICE), wrong)


def _form(column: str, form: str, reason: str) -> RowCheck:
    return RowCheck(column, lambda rows: (rows[column] != "") & ~rows[column].re_search(form), reason)


def _checked(
    published: PublishedTable,
    rows: pa.Table,
    declared: DeclaredTable,
    checks: list[RowCheck],
    used_for: str,
    stray: list[dict[str, str]],
) -> PublishedRows:
    text = TextRows(declared, published.path, published.sha256, rows)
    with open_engine() as engine:
        checked = check_rows(engine, text, checks)
        table = engine.to_arrow(accepted(checked).order_by(declared.key))
        rejected = engine.to_arrow(rejected_cells(checked, declared))
    rejected = pa.concat_tables([rejected, pa.Table.from_pylist(stray, schema=rejected.schema)])
    count = published.rows.num_rows
    file = InputFile(published.path.name, published.sha256, used_for, count, table.num_rows, count - table.num_rows)
    return PublishedRows(table, rejected, file)
