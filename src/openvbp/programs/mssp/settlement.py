"""From the values of the file to the settlement: the rules of the period applied in order."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir

from openvbp import money, parameter_tables
from openvbp.engine import Engine
from openvbp.parameters import Scenario, load_parameters
from openvbp.program import Settlement
from openvbp.programs.mssp import rules, statuses
from openvbp.programs.mssp.scenario_tables import (
    LIMIT_COLUMNS,
    TRACK_COLUMNS,
    loss_limits,
    minimum_rate_bands,
    program_parameters,
    track_parameters,
)
from openvbp.rules import in_force, rules_of


def settle(engine: Engine, acos: ir.Table, scenarios: Sequence[Scenario], name: str = "") -> ir.Table:
    """Settle all ACOs under all scenarios of one period.

    Parameters
    ----------
    acos
        One row per ACO: the columns of :data:`openvbp.programs.mssp.readers.ACO_SCHEMA` and ``participant_revenue``.
    name
        Prefix that keeps this call's tables apart from another's.

    Returns
    -------
    Scenario × ACO, one column per quantity, with the statuses of savings, losses and both together.
    """
    table = with_parameters(engine, acos, scenarios, name)
    for rule in in_force(rules_of(rules), scenarios[0].period.start):
        table = rule(table)
    return engine.compute(table.mutate(**statuses.statuses(table)), f"{name}settlement_computed")


def with_parameters(engine: Engine, acos: ir.Table, scenarios: Sequence[Scenario], name: str) -> ir.Table:
    """Join to each ACO the parameters of its scenario, track, limit of losses and band of beneficiaries."""
    program = engine.table(program_parameters(scenarios), f"{name}program_parameter")
    tracks = engine.table(track_parameters(scenarios), f"{name}track_parameter")
    limits = engine.table(loss_limits(scenarios), f"{name}loss_limit")
    bands = engine.table(minimum_rate_bands(scenarios), f"{name}minimum_rate_band")
    joined = parameter_tables.with_parameters(acos, tracks, "track").inner_join(program, "scenario_id")
    joined = _left_join(joined, limits, ["scenario_id", "loss_limit_key"])
    bands = bands.rename(band_scenario_id="scenario_id")
    in_band = [
        joined.scenario_id == bands.band_scenario_id,
        joined.beneficiaries >= bands.band_first,
        (joined.beneficiaries <= bands.band_last) | bands.band_last.isnull(),
    ]
    # Computed once: every rule reads the same wide rows.
    return engine.compute(joined.left_join(bands, in_band).drop("band_scenario_id"), f"{name}with_parameters")


def _left_join(left: ir.Table, right: ir.Table, keys: list[str]) -> ir.Table:
    joined = left.left_join(right, keys)
    return joined.drop([one for one in joined.columns if one.endswith("_right")])


def _with_rate_as_fraction(acos: ir.Table, is_replaced: ir.BooleanValue) -> ir.Table:
    """Where the minimum savings rate has been replaced, the exact fraction behind it is that of the new rate."""
    decimals = 12
    return acos.mutate(
        minimum_rate_numerator=ibis.ifelse(
            is_replaced, money.in_units(acos.minimum_savings_rate, decimals), acos.minimum_rate_numerator
        ),
        minimum_rate_denominator=ibis.ifelse(
            is_replaced, ibis.literal(10**decimals, "int64"), acos.minimum_rate_denominator
        ),
    )


def _with_band(acos: ir.Table, is_replaced: ir.BooleanValue) -> ir.Table:
    """Where the number of beneficiaries has been replaced, the band of minimum savings rates is that of the new one."""
    bands = _bands()
    columns = [name for name in bands[0] if name != "scenario_id"]
    found = {
        name: ibis.cases(
            *((acos.beneficiaries >= one["band_first"], _literal(one[name], acos[name])) for one in reversed(bands)),
            else_=_literal(None, acos[name]),
        )
        for name in columns
    }
    return acos.mutate(**{name: ibis.ifelse(is_replaced, value, acos[name]) for name, value in found.items()})


@functools.cache
def _bands() -> list[dict[str, Any]]:
    """Bands of beneficiaries, which are the same in all years, from the fewest to the most."""
    declared = load_parameters(Path(__file__).with_name("parameters.yaml"))
    return minimum_rate_bands([declared.in_force(declared.period(declared.last_period))]).to_pylist()


def _literal(value: Any, column: ir.Value) -> ir.Value:
    text = ibis.null("string") if value is None else ibis.literal(str(value))
    return text.cast(column.type())


def _without_difference(acos: ir.Table, is_replaced: ir.BooleanValue) -> ir.Table:
    """Where benchmark or expenditures have been replaced, the printed difference is no longer theirs."""
    nothing = ibis.null(acos.published_difference.type())
    return acos.mutate(published_difference=ibis.ifelse(is_replaced, nothing, acos.published_difference))


SETTLEMENT = Settlement(
    table="settlement/aco_settlement",
    rules=tuple(rules_of(rules)),
    outcome="earned_savings_or_losses",
    refresh={
        "beneficiaries": _with_band,
        "benchmark": _without_difference,
        "expenditures": _without_difference,
        "minimum_savings_rate": _with_rate_as_fraction,
    },
    goes_with={
        "track": ("loss_limit_key", *TRACK_COLUMNS, *LIMIT_COLUMNS),
        "loss_limit_key": LIMIT_COLUMNS,
    },
    results_among_inputs=("published_difference", "published_minimum_savings_rate"),
    private_inputs=("participant_revenue",),
    spending="expenditures",
    budget="benchmark",
    implied_by_spending=("published_difference",),
    derived=(
        "provider_name",
        "state",
        "input_problem",
        "savings_unverified",
        "losses_unverified",
        "limit_unverified",
        "guardrail_unverified",
        "emergency_unverified",
        "minimum_rate_numerator",
        "minimum_rate_denominator",
        "is_elected_rate",
        "is_printed_rate_taken",
        "savings_status",
        "savings_reason",
        "losses_status",
        "losses_reason",
        "status",
        "status_reason",
        "rate_note",
    ),
    # An outcome is not determined only where the ACO has losses.
    bounds=lambda acos: (-acos.owed_losses_at_most, ibis.literal(0).cast("decimal(28, 10)")),
)
