"""The files that the program reads: measures and tariff income per condition, and scores of the first year."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.checked_rows import IS_COPY, RowCheck, accepted, check_rows, rejected_cells
from openvbp.declared_tables import DeclaredColumn, DeclaredTable, read_rows
from openvbp.engine import open_engine
from openvbp.errors import Problem, UsageError
from openvbp.parameters import Scenario
from openvbp.program import InputFile, ProgramInputs

PERIODS = ("2008-10..2009-09", "2009-10..2010-03")
_MOST_PATIENTS = 10**6
_KEY = ("provider_id", "condition_id")

MEASURES = DeclaredTable(
    "measure_results.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("condition_id", "text"),
        DeclaredColumn("measure_id", "text"),
        DeclaredColumn("numerator", "count", lowest=0),
        DeclaredColumn("denominator", "count", lowest=0),
    ),
    key=(*_KEY, "measure_id"),
)
INCOME = DeclaredTable(
    "tariff_income.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("condition_id", "text"),
        DeclaredColumn("tariff_income", "amount", lowest=0),
    ),
    key=_KEY,
)
FIRST_YEAR = DeclaredTable(
    "first_year_scores.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("condition_id", "text"),
        DeclaredColumn("composite_process_score", "score", lowest=0),
    ),
    key=_KEY,
)
_FIRST_YEAR_ROWS = pa.schema(
    [("provider_id", pa.string()), ("condition_id", pa.string()), ("composite_process_score", pa.decimal128(18, 12))]
)


@dataclass(frozen=True)
class AdvancingQualityInputs:
    """Accepted rows by table, and what was rejected."""

    measures: pa.Table
    income: pa.Table
    first_year: pa.Table
    """Scores of the first year; empty in the first year itself."""
    conditions_with_rejected_rows: pa.Table
    rejected: pa.Table


def read(directory: Path, declared: Scenario) -> ProgramInputs:
    """Read the measures and tariff income of a period and, for the second one, the scores of the first.

    Raises
    ------
    UsageError
        If the period is not one of the program's two.
    InputDataError
        If a file is missing or broken, no row can be used, or rows contradict each other.
    """
    if declared.period.label not in PERIODS:
        raise UsageError(
            Problem(f"the program had no period {declared.period.label}", "--period", "choose " + " or ".join(PERIODS))
        )
    known = RowCheck(
        "condition_id",
        lambda rows: rows.condition_id.notin(list(declared.keyed("is_condition"))),
        "not a condition of the program: " + ", ".join(declared.keyed("is_condition")),
    )
    counts = (
        RowCheck("numerator", lambda rows: rows.numerator > rows.denominator, "above the denominator"),
        RowCheck("denominator", lambda rows: rows.denominator > _MOST_PATIENTS, "above one million"),
    )
    checks = {MEASURES: [known, *counts], INCOME: [known]}
    if declared.period.label != PERIODS[0]:
        above = RowCheck("composite_process_score", lambda rows: rows.composite_process_score > 100, "above 100")
        checks[FIRST_YEAR] = [known, above]
    with open_engine() as engine:
        texts = {table: read_rows(directory, table) for table in checks}
        rows = {table: check_rows(engine, texts[table], checks[table]) for table in checks}
        kept = {table: engine.to_arrow(accepted(rows[table]).order_by(table.key)) for table in checks}
        rejected = pa.concat_tables(engine.to_arrow(rejected_cells(rows[table], table)) for table in checks)
        broken = engine.to_arrow(_conditions_with_rejected_rows(rows[MEASURES]))
    files = [
        InputFile(
            table.file_name,
            text.sha256,
            table.file_name.removesuffix(".csv"),
            text.rows.num_rows,
            kept[table].num_rows,
            text.rows.num_rows - kept[table].num_rows,
        )
        for table, text in texts.items()
    ]
    first_year = kept.get(FIRST_YEAR, _FIRST_YEAR_ROWS.empty_table())
    content = AdvancingQualityInputs(kept[MEASURES], kept[INCOME], first_year, broken, rejected)
    return ProgramInputs(files, declared, content)


def _conditions_with_rejected_rows(rows: ir.Table) -> ir.Table:
    """Trust × condition of rejected measure rows: their composite would be that of other measures."""
    broken = rows.filter(_.problem.notnull() & (_.problem != IS_COPY))
    named = broken.filter(_.provider_id.notnull() & _.condition_id.notnull())
    return named.select("provider_id", "condition_id").distinct().order_by("provider_id", "condition_id")
