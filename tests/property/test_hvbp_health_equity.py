"""The health equity adjustment: a what-if that leaves everything else as it was."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openvbp.engine import DuckDBEngine, Engine
from openvbp.errors import UsageError
from openvbp.parameters import Scenario, load_parameters
from openvbp.programs.hvbp import health_equity
from openvbp.programs.hvbp.program import PROGRAM
from openvbp.scenarios import override
from openvbp.scoring.logistic import logistic

PARAMETERS = load_parameters(PROGRAM.parameters_file)
ACTUAL = PARAMETERS.in_force(PARAMETERS.period("FY2026"))
FLAG = {"is_health_equity_adjustment_applied": "true"}
LOGISTIC = {"underserved_multiplier_midpoint_ratio": "0.5", "underserved_multiplier_steepness": "10"}
WHAT_IF = override(ACTUAL, "what_if", FLAG | LOGISTIC)
SCORE = pa.decimal128(18, 12)
shares = st.decimals(min_value=0, max_value=1, places=10)
midpoints = st.decimals(min_value=0, max_value=1, places=10)
steepnesses = st.decimals(min_value=0, max_value=1000, places=4)


@given(share=shares, midpoint=midpoints, steepness=steepnesses)
def test_logistic_is_the_logistic_function(share: Decimal, midpoint: Decimal, steepness: Decimal) -> None:
    value = logistic(share, midpoint, steepness)
    assert 0 <= value <= 1
    assert value == value.quantize(Decimal("1e-10"))
    expected = 1 / (1 + math.exp(-min(700, max(-700, float(steepness * (share - midpoint))))))
    assert abs(float(value) - expected) < 1e-9


@given(one=shares, other=shares, midpoint=midpoints, steepness=steepnesses)
def test_logistic_never_falls(one: Decimal, other: Decimal, midpoint: Decimal, steepness: Decimal) -> None:
    low, high = sorted((one, other))
    assert logistic(low, midpoint, steepness) <= logistic(high, midpoint, steepness)


hospitals = st.lists(
    st.tuples(
        st.lists(st.none() | st.integers(0, 20).map(lambda n: Decimal(n) * 5), min_size=4, max_size=4),
        st.none() | shares,
    ),
    min_size=1,
    max_size=12,
)
DOMAINS = ("clinical_outcomes", "efficiency_and_cost_reduction", "person_and_community_engagement", "safety")


def adjusted(
    engine: Engine, rows: list[tuple[list[Decimal | None], Decimal | None]], scenarios: list[Scenario], seed: int = 0
) -> dict[tuple[str, str], dict[str, Any]]:
    """Adjust hospitals that have the given domain scores and share, under each scenario."""
    domains, totals, providers = [], [], []
    for number, (scores, share) in enumerate(rows):
        provider_id = f"{number:06d}"
        providers.append({"provider_id": provider_id, "dual_eligible_ratio": share})
        known = [score for score in scores if score is not None]
        total = sum(known) / 4 if len(known) >= 3 else None
        for scenario in scenarios:
            keys = {"scenario_id": scenario.scenario_id, "provider_id": provider_id}
            status = "too_few_cases" if total is None else "scored"
            totals.append(
                keys
                | {"total_performance_score": total, "status": status, "status_reason": None}
                | {"is_participating": total is not None}
            )
            domains.extend(
                keys | {"domain_id": domain_id, "domain_score": score}
                for domain_id, score in zip(DOMAINS, scores, strict=True)
            )
    for table in (domains, totals, providers):
        random.Random(seed).shuffle(table)
    text = [("scenario_id", pa.string()), ("provider_id", pa.string())]
    status_text = [("status", pa.string()), ("status_reason", pa.string())]
    domain_table = engine.table(
        pa.Table.from_pylist(domains, pa.schema([*text, ("domain_id", pa.string()), ("domain_score", SCORE)])), "d"
    )
    total_schema = pa.schema(
        [*text, *status_text, ("total_performance_score", SCORE), ("is_participating", pa.bool_())]
    )
    total_table = engine.table(pa.Table.from_pylist(totals, total_schema), "h")
    provider_schema = pa.schema([("provider_id", pa.string()), ("dual_eligible_ratio", pa.decimal128(18, 10))])
    provider_table = engine.table(pa.Table.from_pylist(providers, provider_schema), "p")
    with_points = engine.compute(health_equity.add_domain_points(engine, domain_table, scenarios), "d_points")
    result = health_equity.adjust(engine, total_table, with_points, provider_table, scenarios)
    found = engine.to_arrow(result.mutate(exchanged=health_equity.exchanged_score(result))).to_pylist()
    return {(row["scenario_id"], row["provider_id"]): row for row in found}


@settings(max_examples=12, deadline=None)
@given(rows=hospitals)
def test_bonus_is_within_its_limits_and_the_score_without_it_unchanged(rows: list[Any]) -> None:
    engine = DuckDBEngine(threads=1)
    try:
        found = adjusted(engine, rows, [ACTUAL, WHAT_IF])
        assert len(found) == 2 * len(rows)
        for number, (_, share) in enumerate(rows):
            actual, what_if = found["actual", f"{number:06d}"], found["what_if", f"{number:06d}"]
            assert actual["total_performance_score"] == what_if["total_performance_score"] == actual["exchanged"]
            assert actual["total_performance_score_with_bonus"] is None
            if share is None or actual["total_performance_score"] is None:
                assert what_if["exchanged"] is None
                expected = "too_few_cases" if actual["total_performance_score"] is None else "not_determinable"
                assert what_if["status"] == expected
                assert not what_if["is_participating"]
                continue
            assert 0 <= what_if["health_equity_bonus"] <= 10
            assert what_if["exchanged"] == what_if["total_performance_score"] + what_if["health_equity_bonus"]
            assert what_if["status"] == "unverified"
            assert "health_equity_points.top" in what_if["status_reason"]
        assert adjusted(engine, rows, [ACTUAL, WHAT_IF], seed=1) == found
    finally:
        engine.close()


@settings(max_examples=12, deadline=None)
@given(rows=hospitals)
def test_at_most_a_third_is_in_the_top_third_and_equal_scores_are_treated_alike(rows: list[Any]) -> None:
    engine = DuckDBEngine(threads=1)
    try:
        first_domain = [([scores[0], Decimal(50), Decimal(50), Decimal(50)], share) for scores, share in rows]
        found = adjusted(engine, first_domain, [WHAT_IF])
        scored = [
            (scores[0], found["what_if", f"{number:06d}"]["measure_performance_scaler"])
            for number, (scores, _) in enumerate(first_domain)
            if scores[0] is not None
        ]
        # The other three domains are the same for all, so that nobody has points there.
        assert sum(points == 4 for _, points in scored) * 3 <= len(scored)
        assert sum(points >= 2 for _, points in scored) * 3 <= len(scored) * 2
        for low, low_points in scored:
            for high, high_points in scored:
                assert low_points <= high_points or low > high
                assert low_points == high_points or low != high
    finally:
        engine.close()


def test_same_on_every_engine(engine: Engine) -> None:
    rows = [([Decimal(n), Decimal(n % 3), None, Decimal(40)], Decimal(n) / 7) for n in range(1, 7)]
    rows = [(scores, share.quantize(Decimal("1e-10"))) for scores, share in rows]
    found = adjusted(engine, rows, [ACTUAL, WHAT_IF])
    bonus = [found["what_if", f"{number:06d}"]["health_equity_bonus"] for number in range(6)]
    # First domain 0 0 2 2 4 4, second 2 4 0 2 4 0, third not scored, fourth the same score for all.
    assert [found["what_if", f"{number:06d}"]["measure_performance_scaler"] for number in range(6)] == [
        Decimal(n) for n in (2, 4, 2, 4, 8, 4)
    ]
    assert bonus[0] == 2 * logistic(rows[0][1], Decimal("0.5"), Decimal(10))
    assert bonus[4] == 8 * logistic(rows[4][1], Decimal("0.5"), Decimal(10))


@pytest.mark.parametrize("given_number", ["underserved_multiplier_midpoint_ratio", "underserved_multiplier_steepness"])
def test_numbers_of_the_logistic_function_must_be_given(given_number: str) -> None:
    scenario = override(ACTUAL, "what_if", FLAG | {given_number: "0.5"})
    with pytest.raises(UsageError, match="numbers of its logistic function") as error:
        health_equity.applied([ACTUAL, scenario])
    assert error.value.exit_code == 2


def test_too_many_decimals_are_refused() -> None:
    changes = FLAG | LOGISTIC | {"underserved_multiplier_midpoint_ratio": "0.33333333333"}
    with pytest.raises(UsageError, match="more decimals than are kept"):
        health_equity.applied([override(ACTUAL, "what_if", changes)])


def test_nothing_is_computed_where_no_scenario_applies_it() -> None:
    class NoEngine:
        """Any use of it fails."""

    engine = DuckDBEngine(threads=1)
    try:
        table = engine.table(pa.table({"scenario_id": ["actual"], "provider_id": ["010001"]}), "one")
        others = [ACTUAL, replace(ACTUAL, scenario_id="other")]
        assert health_equity.applied(others) == []
        health_equity.add_domain_points(NoEngine(), table, others)  # pyright: ignore[reportArgumentType]
        health_equity.adjust(NoEngine(), table, table, table, others)  # pyright: ignore[reportArgumentType]
    finally:
        engine.close()
