"""What a practice reports and what it is paid for it: three small files of the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_args

from openvbp.checked_rows import accepted, check_rows, rejected_cells
from openvbp.declared_tables import DeclaredColumn, DeclaredTable, read_rows
from openvbp.engine import Engine, open_engine
from openvbp.errors import InputDataError, Problem

CostItem = Literal["program", "measure", "data_element", "submission", "specification_change"]

MEASURES = DeclaredTable(
    "measures.csv",
    (
        DeclaredColumn("program", "text"),
        DeclaredColumn("measure_id", "text"),
        DeclaredColumn("collection_type", "text"),
        DeclaredColumn("payment_line", "text"),
        DeclaredColumn("computed_as", "text", is_optional=True, may_be_empty=True),
    ),
    ("program", "measure_id", "collection_type", "payment_line"),
)
PAYMENT_LINES = DeclaredTable(
    "payment_lines.csv",
    (
        DeclaredColumn("payment_line", "text"),
        DeclaredColumn("amount_per_patient", "ratio", lowest=0),
        DeclaredColumn("measures_needed", "count", lowest=1),
    ),
    ("payment_line",),
)
COSTS = DeclaredTable(
    "costs.csv",
    (DeclaredColumn("item", "text", choices=get_args(CostItem)), DeclaredColumn("amount", "amount", lowest=0)),
    ("item",),
)

REJECTED_COLUMNS = ("source_file", "row_number", "column", "value", "reason")


@dataclass(frozen=True)
class ReportedMeasure:
    """One submission: a measure reported to a program by one collection type, for one payment line."""

    program: str
    measure_id: str
    collection_type: str
    payment_line: str
    computed_as: str
    """The user's name for a computation that serves several measures; empty without one."""

    @property
    def name(self) -> str:
        """Program and identifier."""
        return f"{self.program}/{self.measure_id}"


@dataclass(frozen=True)
class PaymentTerms:
    """What a payment line is expected to pay a year for each patient, if enough of its measures are reported."""

    payment_line: str
    amount_per_patient: Decimal
    measures_needed: int


@dataclass(frozen=True)
class Practice:
    """A practice's programs. Costs are amounts a year for one item each; an item that is not there costs nothing."""

    reported: tuple[ReportedMeasure, ...]
    terms: Mapping[str, PaymentTerms]
    costs: Mapping[str, Decimal]
    rejected: tuple[Mapping[str, Any], ...]
    """Rows that cannot be used: file, row, column and reason."""


def read_practice(folder: Path) -> Practice:
    """Read ``measures.csv``, ``payment_lines.csv`` and ``costs.csv``.

    Raises
    ------
    InputDataError
        If a file is missing or has no row that can be used, or measures name a payment line that is not declared.
    """
    with open_engine("duckdb", threads=1) as engine:
        rejected: list[Mapping[str, Any]] = []
        measures = _rows(engine, folder, MEASURES, rejected)
        lines = _rows(engine, folder, PAYMENT_LINES, rejected)
        costs = _rows(engine, folder, COSTS, rejected)
    reported = tuple(
        ReportedMeasure(**{name: row[name] or "" for name in ReportedMeasure.__annotations__}) for row in measures
    )
    terms = {row["payment_line"]: PaymentTerms(**row) for row in lines}
    unknown = sorted({one.payment_line for one in reported} - terms.keys())
    if unknown:
        raise InputDataError(
            Problem(
                "payment lines of measures are not declared",
                str(folder / MEASURES.file_name),
                f"add them to {PAYMENT_LINES.file_name}",
                len(unknown),
                tuple(unknown[:3]),
            )
        )
    return Practice(reported, terms, {row["item"]: row["amount"] for row in costs}, tuple(rejected))


def _rows(
    engine: Engine, folder: Path, declared: DeclaredTable, rejected: list[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    rows = check_rows(engine, read_rows(folder, declared))
    cells = rejected_cells(rows, declared).select(*REJECTED_COLUMNS).order_by("row_number", "column")
    rejected.extend(engine.to_arrow(cells).to_pylist())
    return engine.to_arrow(accepted(rows).order_by(list(declared.key))).to_pylist()
