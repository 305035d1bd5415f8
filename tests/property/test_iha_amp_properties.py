"""Random organizations and plans: budgets go out to the cent, quality never hurts, a closed gate pays nothing."""

from __future__ import annotations

import random
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from openvbp.engine import DuckDBEngine
from openvbp.errors import InputDataError, UsageError
from openvbp.parameters import CitedValue, Parameter, Scenario, load_parameters
from openvbp.programs.iha_amp import PROGRAM, rules
from openvbp.programs.iha_amp.input_files import (
    BUDGET_BY_EARNED,
    BUDGET_BY_QUALITY,
    EARNED,
    MEASURES,
    ORGANIZATIONS,
    PLANS,
    RESOURCE_USE,
    RESULTS,
)
from openvbp.programs.iha_amp.inputs import CaliforniaInputs
from openvbp.programs.iha_amp.plans import pay_organizations, save_resources
from openvbp.programs.iha_amp.quality import composites, score_domains, score_measures
from openvbp.programs.iha_amp.result_tables import payment_result
from openvbp.rule_chain import apply_rules
from openvbp.scenarios import override

PARAMETERS = load_parameters(PROGRAM.parameters_file)
BUDGET = Decimal("1234.57")
KINDS = {"EARNED": EARNED, "SAVINGS": BUDGET_BY_EARNED, "QUALITY": BUDGET_BY_QUALITY}
TYPES = {
    "text": pa.string(),
    "count": pa.int64(),
    "amount": pa.decimal128(18, 2),
    "ratio": pa.decimal128(18, 6),
    "weight": pa.decimal128(18, 4),
    "yes_no": pa.bool_(),
}
Rows = list[dict[str, Any]]
Files = dict[str, Rows]


@st.composite
def files(draw: st.DrawFn) -> Files:
    """Results of 1 to 6 organizations, costs and resource use in three plans, some of them missing."""
    drawn: Files = {"results": [], "organizations": [], "use": []}
    for number in range(draw(st.integers(1, 6))):
        name = f"O{number}"
        for measure in ("UP", "DOWN"):
            patients = draw(st.sampled_from([0, 20, 40, 300]))
            baseline = draw(st.one_of(st.none(), st.decimals(0, 1, places=3)))
            met = draw(st.integers(0, patients))
            row = {"provider_id": name, "measure_id": measure, "numerator": met, "denominator": patients}
            drawn["results"].append({**row, "baseline_rate": baseline})
        for plan in KINDS:
            place = {"plan_id": plan, "provider_id": name}
            cost = draw(st.one_of(st.just(None), st.decimals(300, 500, places=2))) if number else Decimal(400)
            drawn["organizations"].append(
                {
                    **place,
                    "members": draw(st.integers(0, 100_000)),
                    "total_cost_of_care": cost,
                    "prior_total_cost_of_care": draw(st.decimals(300, 500, places=2)),
                    "trend_standard_error": draw(st.decimals(0, Decimal("0.1"), places=3)),
                }
            )
            use = {"measure_id": "BED_DAYS", "use_per_1000": draw(st.integers(100, 200)), "prior_use_per_1000": 150}
            if draw(st.integers(0, 9)):
                drawn["use"].append({**place, **use})
    return drawn


def scenario() -> Scenario:
    in_force = PARAMETERS.in_force(PARAMETERS.period("CY2014"))
    plans = {plan: Decimal(value) for plan, value in dict.fromkeys(KINDS, 1).items()}
    given_values: dict[str, dict[str, Any]] = {
        "measure_weight": {"UP": Decimal(1), "DOWN": Decimal(2)},
        "minimum_patients": {"UP": Decimal(30), "DOWN": Decimal(30)},
        "attainment_threshold": {"UP": Decimal("0.4"), "DOWN": Decimal("0.6")},
        "attainment_benchmark": {"UP": Decimal("0.9"), "DOWN": Decimal("0.1")},
        "domain_weight": {"CLINICAL": Decimal(70)},
        "minimum_quality": {plan: one * 10 for plan, one in plans.items()},
        "gold_standard": {plan: one * 80 for plan, one in plans.items()},
        "trend_limit": {plan: one / 20 for plan, one in plans.items()},
        "trend_confidence_level": {plan: one * 85 / 100 for plan, one in plans.items()},
        "incentive_budget": {"SAVINGS": BUDGET, "QUALITY": BUDGET},
        "unit_cost": {"BED_DAYS": Decimal(3200)},
    }
    parameters: dict[str, Parameter] = dict(in_force.parameters)
    for name, values in given_values.items():
        old = parameters[name]
        cited = {key: CitedValue(value, "test", None) for key, value in values.items()}
        parameters[name] = Parameter(name, old.label, old.unit, old.by, cited)
    return Scenario("actual", in_force.period, parameters)


def inputs_of(drawn: Files) -> CaliforniaInputs:
    rows = {
        MEASURES: [
            {"measure_id": "UP", "domain_id": "CLINICAL", "is_lower_better": False},
            {"measure_id": "DOWN", "domain_id": "CLINICAL", "is_lower_better": True},
        ],
        RESULTS: drawn["results"],
        PLANS: [{"plan_id": plan, "distribution": kind} for plan, kind in KINDS.items()],
        ORGANIZATIONS: drawn["organizations"],
        RESOURCE_USE: drawn["use"],
    }
    schemas = {table: pa.schema([(one.name, TYPES[one.kind]) for one in table.columns]) for table in rows}
    accepted = {table: pa.Table.from_pylist(one, schema=schemas[table]) for table, one in rows.items()}
    none = {table: pa.table({name: pa.array([], pa.string()) for name in table.key}) for table in rows}
    return CaliforniaInputs(accepted, none, pa.table({}))


def in_order(engine: DuckDBEngine, table: ir.Table) -> Rows:
    return sorted(engine.to_arrow(table).to_pylist(), key=lambda row: str(sorted(row.items(), key=str)))


def computed(drawn: Files) -> dict[str, Rows]:
    """Organizations of plans and payments, as a run would compute them."""
    inputs, actual = inputs_of(drawn), [scenario()]
    engine = DuckDBEngine(threads=1)
    try:
        quality = composites(engine, score_domains(engine, score_measures(engine, inputs, actual), actual))
        resources = save_resources(engine, inputs, actual)
        organizations = pay_organizations(engine, inputs, quality, resources, actual)
        tables = {"organizations": organizations, "payments": payment_result(organizations)}
        return {name: in_order(engine, table) for name, table in tables.items()}
    finally:
        engine.close()


# A run takes most of a second, so a failing example is shown as found and not made smaller.
slow = settings(
    max_examples=2,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@slow
@given(files(), st.randoms(use_true_random=False))
def test_budgets_go_out_to_the_cent_and_closed_gates_pay_nothing(drawn: Files, order: random.Random) -> None:
    tables = computed(drawn)
    for plan in ("SAVINGS", "QUALITY"):
        rows = [row for row in tables["organizations"] if row["domain_id"] == plan]
        paid = [row["incentive_payment"] for row in rows]
        if any(row["distribution_weight"] is None for row in rows):
            assert set(paid) == {None}
            continue
        weights = sum(row["distribution_weight"] for row in rows)
        assert sum(paid) == (BUDGET if weights else 0)
        for row in rows:
            share = Fraction(BUDGET) * Fraction(row["distribution_weight"], weights) if weights else Fraction(0)
            assert abs(Fraction(row["incentive_payment"]) - share) < Fraction(1, 100)
    for row in tables["organizations"]:
        gates = (row["is_quality_gate_open"], row["is_trend_gate_open"], not row["is_consistently_high_cost"])
        if row["is_eligible"]:
            assert all(gates)
        if row["is_eligible"] is False:
            assert row["earned_incentive"] == 0
            assert row["incentive_payment"] in (0, None)
        if row["distribution"] == EARNED and row["is_eligible"] and row["net_savings"] is not None:
            share = max(row["net_savings"], Decimal(0)) / 2 * min(row["quality_composite"] / 80, Decimal(1))
            assert abs(row["incentive_payment"] - share) <= Decimal("0.01")
    nets = {row["provider_id"]: row["amount"] for row in tables["payments"] if row["component_id"] == "net"}
    for name, net in nets.items():
        parts = [row["incentive_payment"] for row in tables["organizations"] if row["provider_id"] == name]
        assert net == (None if None in parts else sum(parts))
    shuffled = {name: order.sample(rows, len(rows)) for name, rows in drawn.items()}
    assert computed(shuffled) == tables


@slow
@given(files())
def test_points_are_those_of_exact_fractions(drawn: Files) -> None:
    engine = DuckDBEngine(threads=1)
    try:
        measures = in_order(engine, score_measures(engine, inputs_of(drawn), [scenario()]))
    finally:
        engine.close()
    for row in measures:
        if row["measure_points"] is None:
            assert row["denominator"] < 30
            continue
        sign, threshold, benchmark = (1, 4, 9) if row["measure_id"] == "UP" else (-1, 6, 1)
        rate, best = Fraction(row["numerator"], row["denominator"]), Fraction(benchmark, 10)
        starts = [Fraction(threshold, 10)]
        if row["baseline_rate"] is not None:
            starts.append(Fraction(row["baseline_rate"]))
        assert abs(Fraction(row["measure_points"]) - points(rate * sign, starts, best * sign, sign)) < Fraction(
            1, 10**9
        )


def points(rate: Fraction, starts: list[Fraction], best: Fraction, sign: int) -> Fraction:
    """The better of attainment, from the first start, and improvement, from the second; larger is better."""
    found = []
    for number, start in enumerate(one * sign for one in starts):
        if number and rate <= start:
            found.append(Fraction(0))
        elif rate >= best:
            found.append(Fraction(10))
        else:
            found.append(max(Fraction(0), 10 * (rate - start) / (best - start)) if rate > start else Fraction(0))
    return max(found)


def test_savings_of_billions_stop_the_run() -> None:
    members = {"members": 10**7, "total_cost_of_care": None, "prior_total_cost_of_care": None}
    place = {"plan_id": "EARNED", "provider_id": "O1"}
    use = {**place, "measure_id": "BED_DAYS", "use_per_1000": Decimal(0), "prior_use_per_1000": Decimal("1000.5")}
    inputs = inputs_of({"results": [], "organizations": [{**place, **members}], "use": [use]})
    engine = DuckDBEngine(threads=1)
    try:
        with pytest.raises(InputDataError, match="ten billion dollars"):
            save_resources(engine, inputs, [scenario()])
    finally:
        engine.close()


@pytest.mark.parametrize("change", [{"trend_confidence_level.EARNED": "1"}, {"high_cost_years": "3"}])
def test_terms_that_make_no_sense_are_refused(change: dict[str, str]) -> None:
    inputs = inputs_of({"results": [], "organizations": [], "use": []})
    engine = DuckDBEngine(threads=1)
    try:
        nothing = engine.table(pa.table({"provider_id": pa.array([], pa.string())}), "composite")
        with pytest.raises(UsageError):
            pay_organizations(engine, inputs, nothing, None, [override(scenario(), "what_if", change)])
    finally:
        engine.close()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.decimals(0, 100, places=4), min_size=2, max_size=12),
    st.decimals(0, 100, places=2),
    st.decimals(1, 100, places=2),
    st.decimals(0, 10**6, places=2),
)
def test_more_quality_never_earns_less(
    qualities: list[Decimal], minimum: Decimal, gold: Decimal, savings: Decimal
) -> None:
    ordered = sorted(qualities)
    rows = [
        {
            "place": place,
            "quality_composite": quality,
            "minimum_quality": minimum,
            "gold_standard": gold,
            "shared_savings_amount": savings,
            "is_trend_gate_open": True,
            "is_consistently_high_cost": False,
        }
        for place, quality in enumerate(ordered)
    ]
    schema = pa.schema(
        [
            ("place", pa.int64()),
            ("quality_composite", pa.decimal128(18, 10)),
            ("minimum_quality", pa.decimal128(7, 4)),
            ("gold_standard", pa.decimal128(7, 4)),
            ("shared_savings_amount", pa.decimal128(28, 10)),
            ("is_trend_gate_open", pa.bool_()),
            ("is_consistently_high_cost", pa.bool_()),
        ]
    )
    engine = DuckDBEngine(threads=1)
    try:
        chain = [rules.is_quality_gate_open, rules.is_eligible, rules.quality_multiplier, rules.earned_incentive]
        table = apply_rules(engine, chain, engine.table(pa.Table.from_pylist(rows, schema=schema), "row"), "quality")
        earned = engine.to_arrow(table.order_by("place"))["earned_incentive"].to_pylist()
    finally:
        engine.close()
    assert earned == sorted(earned)
    assert all(0 <= one <= savings for one in earned)
    for quality, one in zip(ordered, earned, strict=True):
        if quality < minimum:
            assert one == 0
        elif quality >= gold:
            assert one == savings.quantize(Decimal("0.01"), ROUND_HALF_UP)
