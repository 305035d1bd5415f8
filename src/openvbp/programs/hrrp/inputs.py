"""Merged HRRP files as tables: hospitals, their conditions, rejected cells."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from openvbp.engine import Engine
from openvbp.payment.excess_ratio import RATIO_TYPE
from openvbp.programs.hrrp import hospital_report, rules
from openvbp.programs.hrrp.measures import measure_catalogue
from openvbp.programs.hrrp.merged_files import Condition, ReadmissionInputs

_RATIO = pa.decimal128(18, 12)
_USD = pa.decimal128(18, 2)
_OF_HOSPITAL = {
    "dual_eligible_stays": pa.int64(),
    "stays": pa.int64(),
    "published_dual_proportion": _RATIO,
    "published_peer_group": pa.int64(),
    "base_operating_drg_payment_amount": _USD,
    "aggregate_payments_for_all_discharges": _USD,
}
_OF_CONDITION = {
    "eligible_discharges": pa.int64(),
    "readmissions": pa.int64(),
    "predicted_readmission_rate": _RATIO,
    "expected_readmission_rate": _RATIO,
    "published_excess_readmission_ratio": _RATIO,
    "published_peer_group_median": _RATIO,
    "published_drg_payment_ratio": _RATIO,
    "condition_base_operating_drg_payment_amount": _USD,
}
_REJECTED = ("source_file", "row_number", "provider_id", "column", "value", "reason")
_NOT_IN_FILES = Condition(problem="the hospital has no row for the condition")


def input_tables(engine: Engine, inputs: ReadmissionInputs) -> dict[str, ir.Table]:
    """Make tables of what the files hold.

    Returns
    -------
    Tables by name: ``hospital`` (hospital), ``condition`` (hospital × measure, every measure of the catalogue, with
    ``input_problem`` where a cell was rejected or the row is missing), ``rejected`` (cell or row). Stays of patients
    enter ``condition`` as rates only.
    """
    conditions = engine.table(condition_rows(inputs), "condition_read")
    stays = engine.table(hospital_report.stay_rows(inputs.report_provider_id or "", inputs.stays), "stay_read")
    rates = rules.expected_rate_of_stays(rules.predicted_rate_of_stays(stays))
    names = ["hospital_effect", "average_effect", "predicted_rate_of_stays", "expected_rate_of_stays"]
    keys = ["provider_id", "measure_id"]
    rates = engine.compute(rates.group_by(keys).agg(**{name: rates[name].max() for name in names}), "stay_rates")
    joined = conditions.left_join(rates, keys).drop(*(f"{key}_right" for key in keys))
    hospitals = engine.table(hospital_rows(inputs), "hospital_read")
    payments = hospitals.select("provider_id", "aggregate_payments_for_all_discharges")
    joined = joined.left_join(payments, "provider_id").drop("provider_id_right")
    return {
        "hospital": hospitals.drop("aggregate_payments_for_all_discharges"),
        "condition": engine.compute(_checked(joined), "condition_checked"),
        "rejected": engine.table(_rejected_rows(inputs), "rejected_read"),
    }


def _checked(conditions: ir.Table) -> ir.Table:
    """A condition cannot be paid more than all discharges together."""
    too_much = conditions.condition_base_operating_drg_payment_amount > conditions.aggregate_payments_for_all_discharges
    reason = ibis.literal("payments for the condition exceed the payments for all discharges")
    return conditions.mutate(
        input_problem=ibis.coalesce(conditions.input_problem, ibis.ifelse(too_much, reason, ibis.null("string"))),
        predicted_rate_of_stays=conditions.predicted_rate_of_stays.cast(RATIO_TYPE),
        expected_rate_of_stays=conditions.expected_rate_of_stays.cast(RATIO_TYPE),
    )


def hospital_rows(inputs: ReadmissionInputs) -> pa.Table:
    """What the files say about each hospital: hospital."""
    rows = []
    for provider_id in inputs.provider_ids:
        hospital = inputs.hospitals[provider_id]
        rows.append(
            {
                "provider_id": provider_id,
                "provider_name": hospital.name,
                "state": hospital.state,
                "excluded_reason": hospital.excluded_reason,
                **{name: _typed(hospital.values.get(name), kind) for name, kind in _OF_HOSPITAL.items()},
            }
        )
    texts = [(name, pa.string()) for name in ("provider_id", "provider_name", "state", "excluded_reason")]
    return pa.Table.from_pylist(rows, schema=pa.schema([*texts, *_OF_HOSPITAL.items()]))


def condition_rows(inputs: ReadmissionInputs) -> pa.Table:
    """What the files say about each condition: hospital × measure."""
    rows = []
    for provider_id in inputs.provider_ids:
        for measure_id in measure_catalogue():
            condition = inputs.conditions.get((provider_id, measure_id), _NOT_IN_FILES)
            rows.append(
                {
                    "provider_id": provider_id,
                    "measure_id": measure_id,
                    "footnote": condition.footnote,
                    "rate_unverified": condition.rate_unverified,
                    "input_problem": condition.problem,
                    **{name: _typed(condition.values.get(name), kind) for name, kind in _OF_CONDITION.items()},
                }
            )
    texts = [
        (name, pa.string()) for name in ("provider_id", "measure_id", "footnote", "rate_unverified", "input_problem")
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema([*texts, *_OF_CONDITION.items()]))


def _typed(value: Decimal | None, kind: pa.DataType) -> Any:
    """Bring a number to its column's type; further decimals are rounded half up."""
    if value is None:
        return None
    return int(value) if pa.types.is_integer(kind) else value.quantize(Decimal(1).scaleb(-kind.scale), ROUND_HALF_UP)


def _rejected_rows(inputs: ReadmissionInputs) -> pa.Table:
    return pa.Table.from_pylist(inputs.rejected, schema=pa.schema([(name, pa.string()) for name in _REJECTED]))
