"""The health equity adjustment: bonus points, adopted for FY2026 and removed before any payment used them.

It is a what-if. Where no scenario applies it, nothing is computed and its columns are empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import Problem, UsageError
from openvbp.parameters import Scenario
from openvbp.programs.hvbp import rules

_KEYS = ["scenario_id", "provider_id"]
_POINTS = pa.decimal128(9, 4)
_RATIO = pa.decimal128(18, 10)
_COEFFICIENTS = ("underserved_multiplier_midpoint_ratio", "underserved_multiplier_steepness")
_DECIMALS = dict.fromkeys(_COEFFICIENTS, 10)
_LIMITS = ("maximum_health_equity_bonus", "maximum_total_performance_score_with_bonus")
_THIRDS = ("top", "middle", "bottom")
_DOMAIN_PARAMETERS = pa.schema(
    [("scenario_id", pa.string()), *((f"{third}_third_points", _POINTS) for third in _THIRDS)]
)
_HOSPITAL_PARAMETERS = pa.schema(
    [
        ("scenario_id", pa.string()),
        *((name, _RATIO) for name in _COEFFICIENTS),
        *((name, _POINTS) for name in _LIMITS),
        ("equity_unverified", pa.string()),
    ]
)
_MULTIPLIERS = pa.schema([*((name, _RATIO) for name in ("dual_eligible_ratio", *_COEFFICIENTS, "multiplier"))])
_EMPTY = {
    "dual_eligible_ratio": "decimal(18, 10)",
    "measure_performance_scaler": rules.EQUITY_POINTS_TYPE,
    **dict.fromkeys(_COEFFICIENTS, "decimal(18, 10)"),
    "underserved_multiplier": "decimal(18, 10)",
    **dict.fromkeys(_LIMITS, rules.EQUITY_POINTS_TYPE),
    "health_equity_bonus": "decimal(18, 12)",
    "total_performance_score_with_bonus": "decimal(18, 12)",
}


def applied(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """Find the scenarios that add bonus points.

    Raises
    ------
    UsageError
        If such a scenario does not give the numbers of the logistic function, which are not known, or gives a number
        with more decimals than are kept.
    """
    found = [one for one in scenarios if one.value("is_health_equity_adjustment_applied")]
    lacking = [f"{one.scenario_id}: {name}" for one in found for name in _COEFFICIENTS if one.value(name) is None]
    fine = [
        f"{one.scenario_id}: {name}={value}"
        for one in found
        for name, value in _numbers(one).items()
        if value is not None and value % Decimal(1).scaleb(-_DECIMALS.get(name, 4))
    ]
    if lacking or fine:
        raise UsageError(_problems(lacking, fine))
    return found


def _problems(lacking: list[str], fine: list[str]) -> list[Problem]:
    problems = []
    if lacking:
        problems.append(
            Problem(
                "the health equity adjustment needs the numbers of its logistic function, which are not known",
                "scenarios",
                f"set {_COEFFICIENTS[0]}, at which the multiplier is one half, and {_COEFFICIENTS[1]}",
                len(lacking),
                tuple(lacking[:3]),
            )
        )
    if fine:
        problems.append(
            Problem(
                "numbers of the health equity adjustment have more decimals than are kept: 10, of points 4",
                "scenarios",
                "round them",
                len(fine),
                tuple(fine[:3]),
            )
        )
    return problems


def _numbers(scenario: Scenario) -> dict[str, Decimal | None]:
    points = {f"health_equity_points.{third}": scenario.value("health_equity_points", third) for third in _THIRDS}
    return {**{name: scenario.value(name) for name in (*_COEFFICIENTS, *_LIMITS)}, **points}


def exchanged_score(hospitals: ir.Table) -> ir.DecimalValue:
    """Give the score that is exchanged for money: with the bonus where it is applied."""
    return ibis.ifelse(
        hospitals.is_health_equity_adjustment_applied,
        hospitals.total_performance_score_with_bonus,
        hospitals.total_performance_score,
    )


def add_domain_points(engine: Engine, domains: ir.Table, scenarios: Sequence[Scenario]) -> ir.Table:
    """Add the column ``domain_performance_points`` to scenario × hospital × domain."""
    found = applied(scenarios)
    if not found:
        return domains.mutate(domain_performance_points=ibis.null(rules.EQUITY_POINTS_TYPE))
    rows = [
        {
            "scenario_id": one.scenario_id,
            **{f"{third}_third_points": one.value("health_equity_points", third) for third in _THIRDS},
        }
        for one in found
    ]
    parameters = engine.table(pa.Table.from_pylist(rows, schema=_DOMAIN_PARAMETERS), "health_equity_points")
    joined = domains.left_join(parameters, "scenario_id").drop("scenario_id_right")
    return rules.domain_performance_points(joined).drop([name for name in parameters.columns if name != "scenario_id"])


def adjust(
    engine: Engine, hospitals: ir.Table, domains: ir.Table, providers: ir.Table, scenarios: Sequence[Scenario]
) -> ir.Table:
    """Add the bonus to the scores of hospitals.

    Parameters
    ----------
    hospitals
        Scenario × hospital with the Total Performance Score and its status.
    domains
        Scenario × hospital × domain with ``domain_performance_points``.
    providers
        Hospitals with ``dual_eligible_ratio`` where the user gave it.

    Returns
    -------
    The hospitals with the scaler, multiplier, bonus and score with the bonus; the Total Performance Score is as it was.
    A hospital with a score but without the share of dual-eligible stays is ``not_determinable``.
    """
    found = applied(scenarios)
    if not found:
        empty = {name: ibis.null(kind) for name, kind in _EMPTY.items()}
        return hospitals.mutate(is_health_equity_adjustment_applied=ibis.literal(False), **empty)  # noqa: FBT003
    parameters = engine.table(_hospital_parameters(found), "health_equity_parameter")
    multipliers = engine.table(_multipliers(engine, providers, found), "underserved_multiplier")
    scalers = (
        rules.measure_performance_scaler(domains)
        .group_by(_KEYS)
        .agg(measure_performance_scaler=_.measure_performance_scaler.max())
    )
    adjusted = hospitals.left_join(parameters, "scenario_id")
    adjusted = adjusted.mutate(is_health_equity_adjustment_applied=_.scenario_id_right.notnull())
    adjusted = adjusted.drop("scenario_id_right")
    adjusted = adjusted.left_join(scalers, _KEYS).drop([f"{key}_right" for key in _KEYS])
    adjusted = adjusted.inner_join(providers.select("provider_id", "dual_eligible_ratio"), "provider_id")
    keys = ["dual_eligible_ratio", *_COEFFICIENTS]
    adjusted = adjusted.left_join(multipliers, keys).drop([f"{key}_right" for key in keys])
    adjusted = rules.health_equity_bonus(adjusted.rename(underserved_multiplier="multiplier"))
    adjusted = rules.total_performance_score_with_bonus(adjusted)
    return adjusted.mutate(**_status(adjusted)).drop("equity_unverified")


def _hospital_parameters(scenarios: Sequence[Scenario]) -> pa.Table:
    names = [(name, "") for name in (*_COEFFICIENTS, *_LIMITS)]
    names += [("health_equity_points", third) for third in _THIRDS]
    rows = [
        {
            "scenario_id": one.scenario_id,
            **{name: one.value(name) for name in (*_COEFFICIENTS, *_LIMITS)},
            "equity_unverified": one.unverified(names),
        }
        for one in scenarios
    ]
    return pa.Table.from_pylist(rows, schema=_HOSPITAL_PARAMETERS)


def _multipliers(engine: Engine, providers: ir.Table, scenarios: Sequence[Scenario]) -> pa.Table:
    """Compute the multiplier of every share of dual-eligible stays, once per pair of coefficients."""
    shares = engine.to_arrow(providers.filter(_.dual_eligible_ratio.notnull()).select("dual_eligible_ratio").distinct())
    pairs = {tuple(one.value(name) for name in _COEFFICIENTS) for one in scenarios}
    rows = [
        {
            "dual_eligible_ratio": share,
            **dict(zip(_COEFFICIENTS, pair, strict=True)),
            "multiplier": rules.underserved_multiplier.function(share, *pair),
        }
        for share in sorted(shares["dual_eligible_ratio"].to_pylist())
        for pair in sorted(pairs)
    ]
    return pa.Table.from_pylist(rows, schema=_MULTIPLIERS)


def _status(hospitals: ir.Table) -> dict[str, ir.Value]:
    """Say where the bonus is unknown, and that it rests on parameters that were not read."""
    scored = hospitals.is_health_equity_adjustment_applied & hospitals.status.isin(["scored", "unverified"])
    unknown = scored & hospitals.dual_eligible_ratio.isnull()
    unread = scored & hospitals.equity_unverified.notnull()
    status = ibis.cases((unknown, "not_determinable"), (unread, "unverified"), else_=hospitals.status)
    reason = ibis.cases(
        (unknown, "health equity adjustment: no dual_eligible_ratio is given for the hospital"),
        (
            unread,
            ibis.coalesce(hospitals.status_reason + ", ", "parameters whose source has not been read: ")
            + hospitals.equity_unverified,
        ),
        else_=hospitals.status_reason,
    )
    return {
        "status": status,
        "status_reason": reason,
        "is_participating": hospitals.is_participating & ~unknown,
    }
