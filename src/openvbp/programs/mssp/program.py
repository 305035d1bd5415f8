"""The Shared Savings Program for the pipeline: reading, settlement, results."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.checked_rows import accepted, check_rows, rejected_cells
from openvbp.declared_tables import DeclaredColumn, DeclaredTable, read_rows
from openvbp.engine import open_engine
from openvbp.errors import InputDataError
from openvbp.parameters import Scenario
from openvbp.program import (
    Check,
    DrawnColumn,
    DrawnInput,
    InputFile,
    Program,
    ProgramInputs,
    RunContext,
    Stage,
    not_negative,
    share,
)
from openvbp.programs.mssp import checks, published, result_tables
from openvbp.programs.mssp.published_files import PARTICIPANT_REVENUE_FILE
from openvbp.programs.mssp.readers import PublishedInputs, read_published
from openvbp.programs.mssp.settlement import SETTLEMENT, settle
from openvbp.steps import Source

_SCENARIOS_AT_ONCE = 50
PARTICIPANT_REVENUE = DeclaredTable(
    PARTICIPANT_REVENUE_FILE,
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("participant_revenue_usd", "amount", lowest=0),
    ),
    key=("provider_id",),
)
_REVENUE = pa.schema([("provider_id", pa.string()), ("participant_revenue", pa.decimal128(18, 2))])


@dataclass(frozen=True)
class MsspInputs:
    """What the stages need of the files."""

    published: PublishedInputs
    revenue: pa.Table
    """ACO and its participants' revenue, which the user added; may be empty."""
    rejected: pa.Table


def read(path: Path, declared: Scenario) -> ProgramInputs:
    """Read the public use file of one performance year, and the participants' revenue where the user has it.

    Parameters
    ----------
    path
        Folder with the file of the year, or the file.
    declared
        The parameters of the period.

    Raises
    ------
    InputDataError
        If the file is missing, broken, of another year, or without columns that the rules of the period need.
    """
    inputs = read_published(path, declared.period.start.year)
    problems = checks.problems(inputs, declared)
    if problems:
        raise InputDataError(problems)
    table = inputs.file.table
    files = [
        InputFile(
            table.name, table.sha256, "results", len(table.rows), len(inputs.acos), len(table.rows) - len(inputs.acos)
        )
    ]
    ignored = [
        InputFile(one.table.name, one.table.sha256, "ignored", len(one.table.rows), 0, 0) for one in inputs.set_aside
    ]
    revenue, rejected = _REVENUE.empty_table(), inputs.rejected_table()
    found = checks.checks(inputs)
    if path.is_dir() and (path / PARTICIPANT_REVENUE_FILE).is_file():
        revenue, file, rejected_rows = _read_revenue(path)
        files.append(file)
        rejected = pa.concat_tables([rejected, rejected_rows.select(rejected.column_names).cast(rejected.schema)])
        found += _strangers(revenue, inputs)
    return ProgramInputs([*files, *ignored], declared, MsspInputs(inputs, revenue, rejected), found)


def _read_revenue(folder: Path) -> tuple[pa.Table, InputFile, pa.Table]:
    """Read what an ACO knows of its participants' Medicare revenue and the public does not."""
    text = read_rows(folder, PARTICIPANT_REVENUE)
    with open_engine() as engine:
        rows = check_rows(engine, text)
        usable = accepted(rows).select("provider_id", participant_revenue=_.participant_revenue_usd)
        revenue = engine.to_arrow(usable.order_by("provider_id"))
        rejected = engine.to_arrow(rejected_cells(rows, PARTICIPANT_REVENUE))
    file = InputFile(
        PARTICIPANT_REVENUE_FILE,
        text.sha256,
        "participant revenue",
        text.rows.num_rows,
        revenue.num_rows,
        rejected.num_rows,
    )
    return revenue.cast(_REVENUE), file, rejected


def _strangers(revenue: pa.Table, inputs: PublishedInputs) -> list[Check]:
    known = {aco["provider_id"] for aco in inputs.acos}
    strange = [one for one in revenue["provider_id"].to_pylist() if one not in known]
    meaning = f"in {PARTICIPANT_REVENUE_FILE}, not in the results file"
    return [Check("aco_without_results", len(strange), meaning, tuple(strange[:3]))] if strange else []


def _input_stage(context: RunContext) -> dict[str, ir.Table]:
    content: MsspInputs = context.inputs.content
    acos = context.engine.table(content.published.aco_table(), "aco_read")
    revenue = context.engine.table(content.revenue, "participant_revenue_read")
    joined = acos.left_join(revenue, "provider_id").drop("provider_id_right")
    return {
        "input/aco": context.engine.compute(joined, "aco_input"),
        "rejected/cells": context.engine.table(content.rejected, "rejected"),
    }


def _settlement_stage(context: RunContext) -> dict[str, ir.Table]:
    acos = context.tables["input/aco"]
    settled = [settle(context.engine, acos, context.detailed)]
    # Many scenarios are settled in portions: bounded memory.
    swept = context.scenarios[len(context.detailed) :]
    for start in range(0, len(swept), _SCENARIOS_AT_ONCE):
        portion = swept[start : start + _SCENARIOS_AT_ONCE]
        settled.append(settle(context.engine, acos, portion, f"sweep_{start}_"))
    return {"settlement/aco_settlement": ibis.union(*settled) if len(settled) > 1 else settled[0]}


def _results_stage(context: RunContext) -> dict[str, ir.Table]:
    content: MsspInputs = context.inputs.content
    acos = context.tables["settlement/aco_settlement"]
    detailed = acos.filter(_.scenario_id.isin([one.scenario_id for one in context.detailed]))
    sources = [
        Source(one.scenario_id, quantity, "", "", citation)
        for one in context.detailed
        for quantity, citation in published.citations(content.published)
    ]
    left_out = published.left_out(
        content.published, context.inputs.rules_in_force, has_revenue=bool(content.revenue.num_rows)
    )
    return {
        "results/provider": result_tables.provider_table(context.tables["input/aco"]),
        "results/measure_result": result_tables.measure_result(detailed),
        "results/provider_result": result_tables.provider_result(acos),
        "results/payment_result": result_tables.payment_result(acos),
        "results/step_result": result_tables.step_result(context.engine, detailed, context.detailed, sources, left_out),
    }


PROGRAM = Program(
    program_id="mssp",
    folder=Path(__file__).parent,
    read=read,
    stages=(
        Stage("input", _input_stage),
        Stage("settlement", _settlement_stage),
        Stage("results", _results_stage),
    ),
    read_published_values=published.read_published_values,
    verified_against=(
        "PY2013 to PY2015, PY2017, PY2018, PY2021 to PY2023: earned savings and owed losses of all but 9 of 3,375 "
        "ACOs, within a dollar or what the rounding of the printed quality score leaves open",
        "the minimum savings rate of every ACO of at least 500 beneficiaries in these files",
    ),
    not_modelled=(
        "benchmark, expenditures and assignment from claims; the quality score",
        "recoupment of advance payments, advance investment payments and interim payments",
        "repayment mechanisms, reopenings and restated results",
    ),
    settlement=SETTLEMENT,
    drawn_input=DrawnInput(
        columns=(
            DrawnColumn(
                table="input/aco",
                column="expenditures",
                quantity="expenditures",
                by=(),
                bounds=not_negative,
                supersedes=("published_difference",),
            ),
            DrawnColumn(
                table="input/aco",
                column="published_quality_score",
                quantity=result_tables.QUALITY_MEASURE,
                by=(),
                bounds=share,
            ),
        ),
        component_id="net",
        is_share_of_payments=False,
    ),
    tolerances={
        # Benchmark and expenditures are rounded to dollars, the printed rate of PY2018 was made before that.
        "savings_rate": Decimal("0.0000001"),
        # The rates of PY2013 are printed with nine decimals, some of them rounded up.
        "minimum_savings_rate": Decimal("0.000000001"),
    },
)
