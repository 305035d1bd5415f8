"""The benchmark from per capita expenditures to dollars, in the regulation's order: scenario × ACO × enrollment type.

Factors have twelve decimals; per capita amounts twelve until the benchmark, which is in cents. What is not known stays
null.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.operands import computed_once
from openvbp.rules import rule

_FACTOR = "decimal(18, 12)"
_CENTS = "decimal(18, 2)"
_ONE = ibis.literal(1).cast(_FACTOR)
_ZERO = ibis.literal(0).cast(_FACTOR)
_ACO = ibis.window(group_by=["scenario_id", "provider_id"])
_TREND = "42 CFR 425.601(a)(5), (b), 425.652(a)(5), (b)"


def _product(left: ir.Value, right: ir.Value) -> ir.DecimalValue:
    # 19 and 18 digits: both engines keep the product of 37 whole.
    return money.exact(left.cast("decimal(19, 12)") * right.cast(_FACTOR), 18, 12)


def _ratio(above: ir.Value, below: ir.Value, decimals: int) -> ir.DecimalValue:
    return money.divide_half_up(money.in_units(above, decimals), money.in_units(below, decimals)).cast(_FACTOR)


def _blend(table: ir.Table, later: str, earlier: str) -> ir.DecimalValue:
    """Growth of national expenditures by the ACO's share of its region, of the region's by the rest."""
    share = table.market_share.cast(_FACTOR)
    national = _ratio(table[f"national_per_capita_{later}"], table[f"national_per_capita_{earlier}"], 2)
    regional = _ratio(table[f"regional_per_capita_{later}"], table[f"regional_per_capita_{earlier}"], 2)
    rest = money.exact(-share + _ONE, 18, 12)
    return money.exact(_product(share, national) + _product(rest, regional), 18, 12)


@rule(
    _TREND,
    gives="trended_per_capita_by1",
    unit="usd",
    inputs=("per_capita_by1", "national_per_capita_by1", "regional_per_capita_by1", "market_share", "risk_score_by1"),
)
def trended_per_capita_by1(types: ir.Table) -> ir.Table:
    """Carry benchmark year 1 to year 3 by the blended trend and the change of the risk score."""
    growth = _product(_blend(types, "by3", "by1"), _ratio(types.risk_score_by3, types.risk_score_by1, 6))
    return computed_once(types.mutate(trended_per_capita_by1=_product(types.per_capita_by1, growth)))


@rule(
    _TREND,
    gives="trended_per_capita_by2",
    unit="usd",
    inputs=("per_capita_by2", "national_per_capita_by2", "regional_per_capita_by2", "market_share", "risk_score_by2"),
)
def trended_per_capita_by2(types: ir.Table) -> ir.Table:
    """Carry benchmark year 2 to year 3 by the blended trend and the change of the risk score."""
    growth = _product(_blend(types, "by3", "by2"), _ratio(types.risk_score_by3, types.risk_score_by2, 6))
    return computed_once(types.mutate(trended_per_capita_by2=_product(types.per_capita_by2, growth)))


@rule(
    "42 CFR 425.601(a)(7), 425.652(a)(7)",
    gives="historical_benchmark",
    unit="usd",
    inputs=("trended_per_capita_by1", "trended_per_capita_by2", "per_capita_by3", "benchmark_year_weight"),
)
def historical_benchmark(types: ir.Table) -> ir.Table:
    """Average the three years by their weights."""
    parts = [
        _product(_.trended_per_capita_by1, _.weight_by1),
        _product(_.trended_per_capita_by2, _.weight_by2),
        _product(_.per_capita_by3, _.weight_by3),
    ]
    return types.mutate(historical_benchmark=money.exact(parts[0] + parts[1] + parts[2], 18, 12))


@rule(
    "42 CFR 425.601(a)(8), 425.656",
    gives="regional_adjustment",
    unit="usd",
    inputs=(
        "historical_benchmark",
        "regional_per_capita_by3",
        "regional_risk_score_by3",
        "risk_score_by3",
        "regional_adjustment_weight",
        "regional_adjustment_cap",
        "regional_adjustment_floor",
    ),
)
def regional_adjustment(types: ir.Table) -> ir.Table:
    """Move the benchmark by a part of its distance from the region, at the ACO's own risk, within cap and floor."""
    risk = _ratio(_.risk_score_by3, _.regional_risk_score_by3, 6)
    distance = money.exact(_product(_.regional_per_capita_by3, risk) - _.historical_benchmark, 18, 12)
    weight = ibis.ifelse(distance < 0, _.weight_if_higher, _.weight_if_lower).cast(_FACTOR)
    wanted = _product(distance, weight)
    most = _product(_.national_per_capita_by3, _.regional_adjustment_cap)
    least = -_product(_.national_per_capita_by3, _.regional_adjustment_floor)
    limited = ibis.cases((wanted > most, most), (wanted < least, least), else_=wanted)
    return computed_once(types.mutate(regional_adjustment=money.exact(limited, 18, 12)))


@rule(
    "42 CFR 425.652(a)(8), 425.656, 425.658",
    gives="benchmark_adjustment",
    unit="usd",
    inputs=("regional_adjustment", "prior_savings_per_capita", "prior_savings_share", "months_by3"),
)
def benchmark_adjustment(types: ir.Table) -> ir.Table:
    """Take the regional adjustment or, since 2024, the higher of it and prior savings, and never a cut.

    Which is higher is seen over all types together, by person years of benchmark year 3. Prior savings are the same
    amount for every type.
    """
    prior = _product(_.prior_savings_per_capita, _.prior_savings_share)
    prior = ibis.ifelse(_.prior_savings_per_capita.isnull() | (prior < 0), _ZERO, prior)
    types = types.mutate(
        # 21 and 16 digits: both engines keep the product of 37 whole.
        regional_dollars=_.months_by3.cast("decimal(21, 10)") * money.exact(_.regional_adjustment, 16, 10),
        prior_dollars=_.months_by3.cast("decimal(21, 10)") * money.exact(prior, 16, 10),
        prior=prior,
    )
    regional, savings = (
        _[name].cast("decimal(38, 10)").sum().over(_ACO) for name in ("regional_dollars", "prior_dollars")
    )
    is_known = _.regional_dollars.isnull().cast("int64").sum().over(_ACO) == 0
    since_2024 = ibis.cases(
        (~is_known, ibis.null(_FACTOR)),
        ((regional >= savings) & (regional > 0), _.regional_adjustment),
        else_=_.prior,
    )
    chosen = ibis.ifelse(_.is_since_2024, since_2024, _.regional_adjustment)
    return types.mutate(benchmark_adjustment=chosen).drop("regional_dollars", "prior_dollars", "prior")


@rule(
    "42 CFR 425.605(a)(1), 425.610(a)(2)",
    gives="risk_ratio",
    unit="multiplier",
    inputs=("risk_score_py", "risk_score_by3", "risk_ratio_cap"),
)
def risk_ratio(types: ir.Table) -> ir.Table:
    """Let the risk score grow up to the cap from benchmark year 3 to the performance year."""
    ratio = _ratio(_.risk_score_py, _.risk_score_by3, 6)
    most = money.exact(_.risk_ratio_cap.cast(_FACTOR) + _ONE, 18, 12)
    return computed_once(types.mutate(risk_ratio=money.exact(ibis.ifelse(ratio > most, most, ratio), 18, 12)))


@rule(
    "42 CFR 425.601(b), 425.652(b)",
    gives="updated_benchmark",
    unit="usd",
    inputs=(
        "historical_benchmark",
        "benchmark_adjustment",
        "risk_ratio",
        "market_share",
        "prospective_trend_amount",
        "prospective_trend_weight",
    ),
)
def updated_benchmark(types: ir.Table) -> ir.Table:
    """Carry the adjusted benchmark to the performance year: blended trend, from 2024 a third by a flat amount; risk."""
    adjusted = money.exact(types.historical_benchmark + types.benchmark_adjustment, 18, 12)
    two_way = _product(adjusted, _blend(types, "py", "by3"))
    flat = money.exact(adjusted + types.prospective_trend_amount.cast(_FACTOR), 18, 12)
    weight = types.prospective_trend_weight.cast(_FACTOR)
    rest = money.exact(-weight + _ONE, 18, 12)
    three_way = money.exact(_product(flat, weight) + _product(two_way, rest), 18, 12)
    updated = ibis.ifelse(types.is_since_2024, three_way, two_way)
    return computed_once(types.mutate(updated_benchmark=_product(updated, types.risk_ratio)))


@rule(
    "42 CFR 425.601(a)(10), 425.652",
    gives="benchmark",
    unit="usd",
    inputs=("updated_benchmark", "months_py"),
)
def benchmark(types: ir.Table) -> ir.Table:
    """Multiply by the person years of the performance year and add up the types; to the cent.

    A person year is twelve months of assigned beneficiaries.
    """
    monthly = money.divide_half_up(money.in_units(_.updated_benchmark, 6), ibis.literal(12 * 10**6))
    # 21 and 16 digits: both engines keep the product of 37 whole.
    dollars = money.exact(_.months_py.cast("decimal(21, 10)") * money.exact(monthly, 16, 10), 18, 2)
    missing = dollars.isnull().cast("int64").sum().over(_ACO)
    total = money.exact(dollars.sum().over(_ACO), 18, 2)
    return types.mutate(benchmark=ibis.ifelse(missing == 0, total, ibis.null(_CENTS)))


@rule(
    "42 CFR 425.601(a)(10), 425.652",
    gives="benchmark_per_capita",
    unit="usd",
    inputs=("benchmark", "months_py"),
)
def benchmark_per_capita(types: ir.Table) -> ir.Table:
    """Divide by the person years of all types."""
    months = _.months_py.sum().over(_ACO).cast("decimal(38, 0)").cast("int64")
    return computed_once(
        types.mutate(benchmark_per_capita=money.divide_half_up(money.in_units(_.benchmark, 2) * 12, months * 100))
    )
