"""The program on random trusts: more is never paid for less, nothing is taken, the order of rows does not matter."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from openvbp.engine import DuckDBEngine
from openvbp.parameters import load_parameters
from openvbp.programs.advancing_quality import PROGRAM
from openvbp.programs.advancing_quality.conditions import rules_in_force, score_conditions, score_measures
from openvbp.programs.advancing_quality.inputs import FIRST_YEAR, INCOME, MEASURES, AdvancingQualityInputs
from openvbp.programs.advancing_quality.payments import pay
from openvbp.scenarios import override

PARAMETERS = load_parameters(PROGRAM.parameters_file)
TYPES = {"text": pa.string(), "count": pa.int64(), "amount": pa.decimal128(18, 2), "score": pa.decimal128(18, 12)}
SCHEMAS = [
    pa.schema([(one.name, TYPES[one.kind]) for one in table.columns]) for table in (MEASURES, INCOME, FIRST_YEAR)
]
RATES = {f"award_rate.{award}": "0.01" for award in ("attainment", "achievement", "improvement")}
Rows = list[dict[str, Any]]
Files = tuple[Rows, Rows, Rows]


@st.composite
def trusts(draw: st.DrawFn) -> Files:
    """Measures, income and first-year scores of 1 to 24 trusts in two conditions, with ties and gaps."""
    measures: Rows = []
    income: Rows = []
    first_year: Rows = []
    for number in range(draw(st.integers(1, 24))):
        for condition in ("AMI", "HF"):
            place = {"provider_id": f"T{number}", "condition_id": condition}
            for measure in ("P", "Q"):
                met, patients = draw(st.integers(0, 10)), draw(st.sampled_from([0, 10, 20]))
                measures.append(
                    {**place, "measure_id": measure, "numerator": min(met, patients), "denominator": patients}
                )
            income.append({**place, "tariff_income": draw(st.decimals(0, 10**7, places=2))})
            if draw(st.integers(0, 5)):
                first_year.append({**place, "composite_process_score": Decimal(draw(st.integers(0, 100)))})
    return measures, income, first_year


def paid(files: Files, period: str) -> tuple[Rows, Rows]:
    """Score and pay: conditions and payments."""
    scenario = PARAMETERS.in_force(PARAMETERS.period(period))
    if period != "2008-10..2009-09":
        scenario = override(scenario, "actual", RATES)
    tables = [pa.Table.from_pylist(rows, schema=schema) for rows, schema in zip(files, SCHEMAS, strict=True)]
    nothing = pa.table({name: pa.array([], pa.string()) for name in ("provider_id", "condition_id")})
    inputs = AdvancingQualityInputs(*tables, nothing, nothing)
    engine = DuckDBEngine(threads=1)
    try:
        conditions = score_conditions(engine, inputs, score_measures(engine, inputs, [scenario]), [scenario])
        rows = pay(conditions, rules_in_force(scenario))
        return (
            engine.to_arrow(conditions.order_by("provider_id", "domain_id")).to_pylist(),
            engine.to_arrow(rows.order_by("provider_id", "component_id")).to_pylist(),
        )
    finally:
        engine.close()


# A run takes a second, so a failing example is shown as found and not made smaller.
slow = settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@slow
@given(trusts())
def test_a_better_score_never_wins_less_and_nothing_is_taken(files: Files) -> None:
    conditions, payments = paid(files, "2008-10..2009-09")
    for domain in ("AMI", "HF"):
        ranked = [row for row in conditions if row["domain_id"] == domain and row["condition_rank"]]
        ranked.sort(key=lambda row: row["composite_process_score"])
        rates = [row["award_rate"] for row in ranked]
        assert rates == sorted(rates)
        assert not ranked or rates[-1] == Decimal("0.04")
        assert all(row["award_amount"] == row["award_rate"] * row["tariff_income"] for row in ranked)
    assert all(row["amount"] is None or row["amount"] >= 0 for row in payments)
    amounts = {(row["provider_id"], row["component_id"]): row["amount"] for row in payments}
    for (provider, component), amount in amounts.items():
        if component == "net" and amount is not None:
            assert amount == sum(amounts[provider, f"award.{domain}"] or 0 for domain in ("AMI", "HF"))


@slow
@given(trusts())
def test_achievement_and_improvement_need_attainment(files: Files) -> None:
    conditions, payments = paid(files, "2009-10..2010-03")
    for row in conditions:
        assert not row["is_achievement_won"] or (row["is_attainment_won"] and row["condition_quartile"] <= 2)
        improved = row["improvement"] is not None and row["improvement"] > 0 and row["improvement_quartile"] == 1
        assert not row["is_improvement_won"] or (row["is_attainment_won"] and improved)
    assert all(row["amount"] is None or row["amount"] >= 0 for row in payments)
    for row in payments:
        won = row["rate"] if row["component_id"] != "net" else None
        assert won in (None, Decimal(0), Decimal("0.01"))


@slow
@given(trusts(), st.sampled_from(["2008-10..2009-09", "2009-10..2010-03"]), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(files: Files, period: str, order: random.Random) -> None:
    shuffled = tuple(order.sample(rows, len(rows)) for rows in files)
    assert paid(files, period) == paid(shuffled, period)
