"""The demonstration on random hospitals: who may win and lose, and how much in all."""

from __future__ import annotations

import random
from collections import defaultdict
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from openvbp.engine import DuckDBEngine
from openvbp.parameters import load_parameters
from openvbp.programs.hqid import PROGRAM
from openvbp.programs.hqid.conditions import rules_in_force, score_conditions, score_measures
from openvbp.programs.hqid.inputs import HqidInputs
from openvbp.programs.hqid.payments import pay
from openvbp.scenarios import override

PARAMETERS = load_parameters(PROGRAM.parameters_file)
MEASURES = pa.schema(
    [(name, pa.string()) for name in ("provider_id", "condition_id", "measure_id", "measure_type")]
    + [("numerator", pa.int64()), ("denominator", pa.int64()), ("expected_rate", pa.decimal128(18, 6))]
)
PAYMENTS = pa.schema(
    {
        "provider_id": pa.string(),
        "condition_id": pa.string(),
        "cases": pa.int64(),
        "payment_amount": pa.decimal128(18, 2),
    }
)
EARLIER = pa.schema(
    {
        "period": pa.string(),
        "provider_id": pa.string(),
        "condition_id": pa.string(),
        "composite_quality_score": pa.decimal128(18, 12),
    }
)
Rows = list[dict[str, Any]]
Files = tuple[Rows, Rows, Rows]


@st.composite
def hospitals(draw: st.DrawFn) -> Files:
    """Measures, payments and earlier scores of 1 to 25 hospitals in two conditions, with ties and gaps."""
    measures: Rows = []
    payments: Rows = []
    earlier: Rows = []
    for number in range(draw(st.integers(1, 25))):
        for condition in ("AMI", "HF"):
            place = {"provider_id": f"{number:06}", "condition_id": condition}
            met = draw(st.integers(0, 20))
            measures.append(
                {**place, "measure_id": "P", "measure_type": "process", "numerator": met, "denominator": 20}
            )
            if condition == "AMI":
                survivors = draw(st.integers(15, 20))
                outcome = {"measure_type": "outcome", "numerator": survivors, "denominator": 20}
                measures.append({**place, "measure_id": "O", **outcome, "expected_rate": Decimal("0.93")})
            amount = draw(st.decimals(0, 10**7, places=2))
            payments.append({**place, "cases": draw(st.sampled_from([29, 30, 400])), "payment_amount": amount})
            if draw(st.integers(0, 5)):
                earlier.append({**place, "period": "", "composite_quality_score": Decimal(draw(st.integers(0, 100)))})
    return measures, payments, earlier


def paid(files: Files, period: str, pools: dict[str, str] | None = None) -> tuple[Rows, Rows]:
    """Score and pay: conditions and payments."""
    measures, payments, earlier = files
    scenario = PARAMETERS.in_force(PARAMETERS.period(period))
    if pools:
        scenario = override(scenario, "actual", pools)
    broken = pa.table({name: pa.array([], pa.string()) for name in ("provider_id", "condition_id")})
    inputs = HqidInputs(
        pa.Table.from_pylist(measures, schema=MEASURES),
        pa.Table.from_pylist(payments, schema=PAYMENTS),
        pa.Table.from_pylist(earlier, schema=EARLIER),
        broken,
        broken,
    )
    engine = DuckDBEngine(threads=1)
    try:
        conditions = score_conditions(engine, inputs, score_measures(engine, inputs, [scenario]), [scenario])
        rows = pay(conditions, rules_in_force(scenario))
        order = ["provider_id", "domain_id"]
        return (
            engine.to_arrow(conditions.order_by(order)).to_pylist(),
            engine.to_arrow(rows.order_by("provider_id", "component_id")).to_pylist(),
        )
    finally:
        engine.close()


# A run takes a second, so a failing example is shown as found and not made smaller.
slow = settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@slow
@given(hospitals())
def test_the_tournament_pays_only_its_bands_and_nobody_both_ways(files: Files) -> None:
    conditions, payments = paid(files, "FY2006")
    by_hospital: dict[str, Decimal] = defaultdict(Decimal)
    for row in conditions:
        if row["status"] not in ("scored", "unverified"):
            assert row["award_amount"] is None
            assert row["penalty_amount"] is None
            continue
        rate = {1: Decimal("0.02"), 2: Decimal("0.01")}.get(row["condition_decile"], Decimal(0))
        assert row["award_rate"] == rate
        assert row["award_amount"] == rate * row["condition_payment_amount"]
        if row["decile_9_line"] is None:
            continue
        assert not (row["award_rate"] and row["penalty_rate"])
        if row["penalty_rate"]:
            assert row["composite_quality_score"] < row["decile_9_line"]
            assert row["composite_quality_score"] < row["decile_10_line"] or row["penalty_rate"] == Decimal("0.01")
        by_hospital[row["provider_id"]] += row["award_amount"] - row["penalty_amount"]
    total = sum(row["condition_payment_amount"] for row in conditions)
    awards = sum(row["amount"] for row in payments if row["component_id"].startswith("award.") and row["amount"])
    assert 0 <= awards <= total * Decimal("0.02")
    for row in payments:
        if row["component_id"] == "net" and row["amount"] is not None:
            assert row["amount"] == by_hospital[row["provider_id"]]


@slow
@given(hospitals())
def test_a_better_score_never_wins_less(files: Files) -> None:
    conditions, _payments = paid(files, "FY2004")
    for domain in ("AMI", "HF"):
        ranked = [row for row in conditions if row["domain_id"] == domain and row["condition_rank"]]
        ranked.sort(key=lambda row: row["composite_quality_score"])
        rates = [row["award_rate"] for row in ranked]
        assert rates == sorted(rates)
        assert not ranked or rates[-1] == Decimal("0.02")


@slow
@given(hospitals(), st.decimals(0, 10**6, places=2))
def test_the_second_phase_stays_within_its_pools(files: Files, pool: Decimal) -> None:
    awards = ("attainment", "top_performer", "improvement")
    conditions, payments = paid(files, "FY2007", {f"award_pool_amount.{award}": str(pool) for award in awards})
    for award in awards:
        won = [row for row in conditions if row[f"is_{award}_won"]]
        amounts = [row["amount"] for row in payments if row["component_id"].startswith(f"{award}.")]
        spent = sum(amount for amount in amounts if amount is not None)
        assert all(amount is None or amount >= 0 for amount in amounts)
        assert spent <= pool
        if any(row["condition_payment_amount"] for row in won):
            assert spent > pool - Decimal("0.01") * len(won)
    for row in conditions:
        assert not row["is_improvement_won"] or (row["is_attainment_won"] and row["improvement"] > 0)
        assert not row["is_top_performer_won"] or row["condition_decile"] <= 2


@slow
@given(hospitals(), st.sampled_from(["FY2005", "FY2006", "FY2008"]), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(files: Files, period: str, order: random.Random) -> None:
    pools = {"award_pool_amount.attainment": "1000"} if period == "FY2008" else None
    shuffled = tuple(order.sample(rows, len(rows)) for rows in files)
    assert paid(files, period, pools) == paid(shuffled, period, pools)
