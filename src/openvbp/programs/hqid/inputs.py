"""The files that the program reads: measures and payments per condition, and scores of an earlier year."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.checked_rows import IS_COPY, RowCheck, accepted, check_rows, rejected_cells
from openvbp.declared_tables import DeclaredColumn, DeclaredTable, TextRows, read_rows
from openvbp.engine import Engine, open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.parameters import Scenario
from openvbp.program import InputFile, ProgramInputs

_MOST_CASES = 10**6
_LOWEST_EXPECTED = "0.01"

MEASURES = DeclaredTable(
    "measure_results.csv",
    (
        DeclaredColumn("provider_id", "hospital"),
        DeclaredColumn("condition_id", "text"),
        DeclaredColumn("measure_id", "text"),
        DeclaredColumn("measure_type", "text", choices=("process", "outcome")),
        DeclaredColumn("numerator", "count", lowest=0),
        DeclaredColumn("denominator", "count", lowest=0),
        DeclaredColumn("expected_rate", "ratio", is_optional=True, may_be_empty=True, lowest=0),
    ),
    key=("provider_id", "condition_id", "measure_id"),
)
PAYMENTS = DeclaredTable(
    "condition_payments.csv",
    (
        DeclaredColumn("provider_id", "hospital"),
        DeclaredColumn("condition_id", "text"),
        DeclaredColumn("cases", "count", lowest=0),
        DeclaredColumn("payment_amount", "amount", may_be_empty=True, lowest=0),
    ),
    key=("provider_id", "condition_id"),
)
EARLIER = DeclaredTable(
    "earlier_scores.csv",
    (
        DeclaredColumn("period", "text"),
        DeclaredColumn("provider_id", "hospital"),
        DeclaredColumn("condition_id", "text"),
        DeclaredColumn("composite_quality_score", "score", lowest=0),
    ),
    key=("period", "provider_id", "condition_id"),
)
_EARLIER_ROWS = pa.schema(
    [
        ("period", pa.string()),
        ("provider_id", pa.string()),
        ("condition_id", pa.string()),
        ("composite_quality_score", pa.decimal128(18, 12)),
    ]
)


@dataclass(frozen=True)
class HqidInputs:
    """Accepted rows by table, and what was rejected."""

    measures: pa.Table
    payments: pa.Table
    earlier: pa.Table
    """Scores of the comparison period; empty in years that compare with none."""
    conditions_with_rejected_rows: pa.Table
    rejected: pa.Table


def read(directory: Path, declared: Scenario) -> ProgramInputs:
    """Read the measures, cases and payments of one year, and the scores of the year to compare with.

    Raises
    ------
    InputDataError
        If a file is missing or broken, no row can be used, rows contradict each other, a measure is of two types, or
        the comparison period has no scores.
    """
    known = RowCheck(
        "condition_id",
        lambda rows: rows.condition_id.notin(list(declared.keyed("is_condition"))),
        "not a condition of the demonstration: " + ", ".join(declared.keyed("is_condition")),
    )
    checks = {MEASURES: [known, *_measure_checks()], PAYMENTS: [known]}
    comparison = declared.value("comparison_period")
    if comparison:
        checks[EARLIER] = [known, RowCheck("period", lambda rows: rows.period != comparison, f"not {comparison}")]
    with open_engine() as engine:
        texts: dict[DeclaredTable, TextRows] = {table: read_rows(directory, table) for table in checks}
        rows = {table: check_rows(engine, texts[table], checks[table]) for table in checks}
        _demand_one_type(engine, rows[MEASURES])
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
    earlier = kept.get(EARLIER, _EARLIER_ROWS.empty_table())
    content = HqidInputs(kept[MEASURES], kept[PAYMENTS], earlier, broken, rejected)
    return ProgramInputs(files, declared, content)


def _measure_checks() -> list[RowCheck]:
    is_outcome = _.measure_type == "outcome"
    lowest = ibis.literal(_LOWEST_EXPECTED).cast("decimal(18, 6)")
    checks = (
        ("numerator", _.numerator > _.denominator, "above the denominator"),
        ("denominator", _.denominator > _MOST_CASES, "above one million"),
        ("expected_rate", is_outcome & _.expected_rate.isnull(), "empty, but an outcome measure needs it"),
        ("expected_rate", is_outcome & ~_.expected_rate.between(lowest, 1), f"not between {_LOWEST_EXPECTED} and 1"),
        ("expected_rate", ~is_outcome & _.expected_rate.notnull(), "given, but a process measure has none"),
    )
    return [
        RowCheck(column, lambda rows, condition=condition: rows.bind(condition)[0], reason)
        for column, condition, reason in checks
    ]


def _demand_one_type(engine: Engine, rows: ir.Table) -> None:
    """A measure that is of two types has no place in the composite."""
    types = accepted(rows).group_by("condition_id", "measure_id").agg(types=_.measure_type.nunique())
    wrong = engine.to_arrow(types.filter(_.types > 1).order_by("condition_id", "measure_id")).to_pylist()
    if wrong:
        raise InputDataError(
            Problem(
                "a measure is process for some hospitals and outcome for others",
                MEASURES.file_name,
                "give each measure of a condition one measure_type",
                len(wrong),
                tuple(f"{row['condition_id']} {row['measure_id']}" for row in wrong[:3]),
            )
        )


def _conditions_with_rejected_rows(rows: ir.Table) -> ir.Table:
    """Hospital × condition of rejected measure rows: their composite would be that of other measures."""
    broken = rows.filter(_.problem.notnull() & (_.problem != IS_COPY))
    named = broken.filter(_.provider_id.notnull() & _.condition_id.notnull())
    return named.select("provider_id", "condition_id").distinct().order_by("provider_id", "condition_id")
