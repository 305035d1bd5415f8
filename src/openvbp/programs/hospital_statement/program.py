"""The hospital statement for the pipeline: reading, payment, results."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import ibis.expr.types as ir
from ibis import _

from openvbp.errors import Problem, UsageError
from openvbp.program import Program, RunContext, Stage
from openvbp.programs.hospital_statement import result_tables
from openvbp.programs.hospital_statement.inputs import StatementInputs, read
from openvbp.programs.hospital_statement.payments import pay, scenario_rows


def _payment_stage(context: RunContext) -> dict[str, ir.Table]:
    """Pay the hospitals under all scenarios, and their stays under those that are kept in detail."""
    content: StatementInputs = context.inputs.content
    engine = context.engine
    scenarios = engine.table(scenario_rows(context.scenarios), "scenario")
    hospitals = engine.table(content.hospitals, "hospital")
    tables = {
        "payment/hospital_payment": pay(engine, hospitals, scenarios, name="hospital_payment_computed"),
        "rejected/cells": engine.table(content.rejected, "rejected"),
    }
    if content.stays is not None:
        detailed = engine.table(scenario_rows(context.detailed), "detailed_scenario")
        stays = engine.table(content.stays, "stay")
        tables["evidence/stay_payment"] = pay(engine, stays, detailed, name="stay_payment_computed", is_claim=True)
    return tables


def _results_stage(context: RunContext) -> dict[str, ir.Table]:
    content: StatementInputs = context.inputs.content
    hospitals = context.tables["payment/hospital_payment"]
    detailed = hospitals.filter(_.scenario_id.isin([one.scenario_id for one in context.detailed]))
    actual = hospitals.filter(_.scenario_id == context.scenarios[0].scenario_id)
    return {
        "results/provider": result_tables.provider_table(actual),
        "results/payment_result": result_tables.payment_result(hospitals, context.detailed),
        "results/step_result": result_tables.step_result(context.engine, detailed, context.detailed, content.citations),
    }


def read_published_values(directory: Path, period_label: str) -> NoReturn:
    """Refuse: no hospital's payment under all programs is published."""
    raise UsageError(
        Problem(
            f"no statement of all programs is published by hospital for {period_label}",
            str(directory),
            "compare with the remittances of your payment contractor: 'openvbp explain' prints every value",
        )
    )


PROGRAM = Program(
    program_id="hospital_statement",
    folder=Path(__file__).parent,
    read=read,
    stages=(Stage("payment", _payment_stage), Stage("results", _results_stage)),
    read_published_values=read_published_values,
    verified_against=(
        "the order and the amounts on which each program works: statute, regulation and the CMS IPPS Pricer of FY2021",
        "worked examples, as no hospital's statement of all programs is published",
    ),
    not_modelled=(
        "sole community and Medicare-dependent hospitals, whose hospital-specific rates follow other rules",
        "indirect medical education and disproportionate share payments that fall with the base payment",
        "the reduction for hospitals that are no meaningful users of electronic health records",
        "bundled payment discounts, pass-through amounts and add-ons that no program touches",
    ),
    why_not_drawn="it adds up factors of other programs; draw those of hrrp, hvbp and hacrp",
)
