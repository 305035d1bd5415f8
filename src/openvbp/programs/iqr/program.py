"""IQR for the pipeline: reading, payment, results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.checked_rows import accepted, check_rows, rejected_cells
from openvbp.declared_tables import DeclaredColumn, DeclaredTable, read_rows
from openvbp.engine import open_engine
from openvbp.errors import Problem, UsageError
from openvbp.parameters import Scenario
from openvbp.program import InputFile, Program, ProgramInputs, RunContext, Stage
from openvbp.programs.iqr import rules
from openvbp.rules import Rule, in_force, rules_of
from openvbp.steps import Given, Source, StepGroup, parameter_sources, step_rows

MEASURE = "QUALITY_DATA_SUBMISSION"
REPORTING = DeclaredTable(
    "reporting.csv",
    (
        DeclaredColumn("provider_id", "hospital"),
        DeclaredColumn("reported", "yes_no"),
        DeclaredColumn("reason", "text", is_optional=True, may_be_empty=True),
        DeclaredColumn("base_operating_drg_payment_amount", "amount", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("excluded_reason", "text", is_optional=True, may_be_empty=True),
        DeclaredColumn("provider_name", "text", is_optional=True, may_be_empty=True),
        DeclaredColumn("state", "text", is_optional=True, may_be_empty=True),
    ),
    key=("provider_id",),
)
_PARAMETERS = (
    "update_reduction_points",
    "update_reduction_share",
    "market_basket_increase",
    "productivity_adjustment",
    "statutory_adjustment",
)
_PARAMETER_ROW = pa.schema(
    [("scenario_id", pa.string())]
    + [(name, pa.decimal128(18, 10)) for name in _PARAMETERS]
    + [("unverified", pa.string())]
)
_GIVEN = (
    Given("is_reported", "flag", "input"),
    *(Given(name, "ratio", "parameter") for name in _PARAMETERS),
    Given("base_operating_drg_payment_amount", "usd", "input"),
)
_QUANTITIES = (
    "is_reported",
    *_PARAMETERS,
    "full_update",
    "update_reduction",
    "hospital_update",
    "base_operating_drg_payment_amount",
    "payment_reduction_ratio",
    "payment_factor",
    "payment_reduction",
)
_NO_RATE = ibis.null("decimal(18, 10)")
_NO_POINTS = ibis.null("decimal(18, 4)")


def read(directory: Path, declared: Scenario) -> ProgramInputs:
    """Read ``reporting.csv``: which hospitals reported quality data for the fiscal year.

    Raises
    ------
    InputDataError
        If the file is missing or broken, no row can be used, or a hospital has two different rows.
    """
    text = read_rows(directory, REPORTING)
    with open_engine() as engine:
        rows = check_rows(engine, text)
        hospitals = engine.to_arrow(accepted(rows).order_by("provider_id"))
        rejected = engine.to_arrow(rejected_cells(rows, REPORTING))
    file = InputFile(
        REPORTING.file_name,
        text.sha256,
        "reporting",
        text.rows.num_rows,
        hospitals.num_rows,
        rejected.num_rows,
    )
    return ProgramInputs([file], declared, {"hospital": hospitals, "rejected": rejected})


def _rules_in_force(context: RunContext) -> list[Rule]:
    return in_force(rules_of(rules), context.inputs.rules_in_force.period.start)


def _parameter_rows(scenarios: Sequence[Scenario]) -> pa.Table:
    """Parameters of each scenario, with the names of those whose source has not been read."""
    rows = []
    for scenario in scenarios:
        unverified = [
            name for name in _PARAMETERS if scenario.value(name) is not None and scenario.cited(name).unverified
        ]
        values = {name: scenario.value(name) for name in _PARAMETERS}
        rows.append({"scenario_id": scenario.scenario_id, **values, "unverified": ", ".join(unverified) or None})
    return pa.Table.from_pylist(rows, schema=_PARAMETER_ROW)


def _payment_stage(context: RunContext) -> dict[str, ir.Table]:
    content = context.inputs.content
    parameters = context.engine.table(_parameter_rows(context.scenarios), "parameter")
    hospitals = context.engine.table(content["hospital"], "hospital")
    paid = hospitals.rename(is_reported="reported").cross_join(parameters)
    for rule in _rules_in_force(context):
        paid = rule(paid)
    paid = paid.mutate(**_status(paid))
    return {
        "payment/hospital_payment": context.engine.compute(paid, "hospital_payment_computed"),
        "rejected/cells": context.engine.table(content["rejected"], "rejected"),
    }


def _status(hospitals: ir.Table) -> dict[str, ir.Value]:
    status = ibis.cases(
        (hospitals.excluded_reason.notnull(), "excluded"),
        # Nothing is taken from a hospital that reported, whatever the parameters are.
        (~hospitals.is_reported & hospitals.unverified.notnull(), "unverified"),
        else_="scored",
    )
    no_amount = ~hospitals.is_reported & hospitals.base_operating_drg_payment_amount.isnull()
    reason = ibis.cases(
        (status == "excluded", hospitals.excluded_reason),
        (
            status == "unverified",
            ibis.literal("parameters whose source has not been read: ") + hospitals.unverified,
        ),
        (no_amount, ibis.literal("dollars need the base operating DRG payment amount")),
        (~hospitals.is_reported, hospitals.reason),
        else_=ibis.null("string"),
    )
    return {"status": status, "status_reason": reason}


def _results_stage(context: RunContext) -> dict[str, ir.Table]:
    hospitals = context.tables["payment/hospital_payment"]
    detailed = hospitals.filter(_.scenario_id.isin([one.scenario_id for one in context.detailed]))
    sources = [
        *parameter_sources(context.detailed),
        *(
            Source(one.scenario_id, quantity, "", "", f"reporting.csv, column '{column}'")
            for one in context.detailed
            for quantity, column in (
                ("is_reported", "reported"),
                ("base_operating_drg_payment_amount", "base_operating_drg_payment_amount"),
            )
        ),
    ]
    group = StepGroup(detailed, _QUANTITIES, "payment_factor")
    return {
        "results/provider": _provider(hospitals.filter(_.scenario_id == context.scenarios[0].scenario_id)),
        "results/measure_result": _measure_result(detailed),
        "results/payment_result": _payment_result(hospitals),
        "results/step_result": step_rows(context.engine, [group], _rules_in_force(context), _GIVEN, sources),
    }


def _provider(hospitals: ir.Table) -> ir.Table:
    return hospitals.select(
        "provider_id",
        "provider_name",
        "state",
        "excluded_reason",
        provider_type=ibis.literal("hospital"),
        place=ibis.null("string"),
        peer_group=ibis.null("string"),
        dual_eligible_ratio=_NO_RATE,
    )


def _measure_result(hospitals: ir.Table) -> ir.Table:
    """Whether quality data were submitted, as a measure of rate one or zero."""
    counted = hospitals.excluded_reason.isnull()
    return hospitals.select(
        "scenario_id",
        "provider_id",
        measure_id=ibis.literal(MEASURE),
        domain_id=ibis.null("string"),
        numerator=_NO_POINTS,
        denominator=_NO_POINTS,
        rate=ibis.ifelse(counted, _.is_reported.cast("int64"), ibis.null("int64")),
        **dict.fromkeys(("expected", "baseline_rate", "threshold", "benchmark"), _NO_RATE),
        **dict.fromkeys(("achievement_points", "improvement_points", "points", "maximum_points"), _NO_POINTS),
        status=ibis.ifelse(counted, "scored", "excluded"),
        status_reason=ibis.ifelse(counted, hospitals.reason, hospitals.excluded_reason),
    )


def _payment_result(hospitals: ir.Table) -> ir.Table:
    return hospitals.select(
        "scenario_id",
        "provider_id",
        "status",
        "status_reason",
        component_id=ibis.literal("update_reduction"),
        base_amount=_.base_operating_drg_payment_amount,
        currency=ibis.literal("USD"),
        rate=-_.payment_reduction_ratio,
        amount=-_.payment_reduction,
        is_cap_applied=ibis.literal(False),  # noqa: FBT003
        factor=_.payment_factor,
    )


def read_published_values(directory: Path, period_label: str) -> NoReturn:
    """Refuse: no payment result of this program is published by hospital."""
    raise UsageError(
        Problem(
            f"no payment result of IQR is published by hospital for {period_label}",
            str(directory),
            "compare with the update that your payment contractor used: 'openvbp explain' prints every value",
        )
    )


PROGRAM = Program(
    program_id="iqr",
    folder=Path(__file__).parent,
    read=read,
    stages=(Stage("payment", _payment_stage), Stage("results", _results_stage)),
    read_published_values=read_published_values,
    verified_against=("the statute's reductions and years; worked examples, as no hospital-level result is published",),
    not_modelled=(
        "which measures a hospital must report, validation, reconsideration and appeal (42 CFR 412.140)",
        "the reduction for hospitals that are no meaningful users of electronic health records",
        "a change of the update within a fiscal year (April 2010)",
    ),
    why_not_drawn="what is paid follows from whether data were submitted, which is no estimate",
)
