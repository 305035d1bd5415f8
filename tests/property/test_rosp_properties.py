"""Realisation and payment on random physicians: more never earns less, nothing is taken, order does not matter."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from openvbp.engine import DuckDBEngine, Engine
from openvbp.parameters import Scenario, load_parameters
from openvbp.programs.rosp import PROGRAM, rules
from openvbp.programs.rosp.input_files import ORGANISATION_RESULTS, PHYSICIANS, RESULTS
from openvbp.programs.rosp.inputs import RospInputs
from openvbp.programs.rosp.payments import pay
from openvbp.programs.rosp.scores import rules_in_force, score_measures, score_physicians
from openvbp.scenarios import override

PARAMETERS = load_parameters(PROGRAM.parameters_file)
TYPES = {
    "text": pa.string(),
    "count": pa.int64(),
    "amount": pa.decimal128(18, 2),
    "ratio": pa.decimal128(18, 6),
    "date": pa.date32(),
    "yes_no": pa.bool_(),
}
SCHEMAS = [
    pa.schema([(one.name, TYPES[one.kind]) for one in table.columns])
    for table in (PHYSICIANS, RESULTS, ORGANISATION_RESULTS)
]
Rows = list[dict[str, Any]]
REALISATION = pa.schema(
    [
        *((name, pa.decimal128(18, 12)) for name in ("result_rate",)),
        *((name, pa.decimal128(18, 6)) for name in ("baseline_rate", "intermediate_objective", "target_objective")),
        ("intermediate_realisation", pa.decimal128(7, 6)),
        ("is_lower_better", pa.bool_()),
        ("place", pa.int64()),
    ]
)
percent = st.integers(0, 100).map(lambda number: Decimal(number).scaleb(-2))


@st.composite
def indicators(draw: st.DrawFn) -> dict[str, Any]:
    """Start and objectives of one indicator, in either direction."""
    first, second = sorted(draw(st.lists(st.integers(0, 100), min_size=2, max_size=2, unique=True)))
    is_lower = draw(st.booleans())
    objectives = (second, first) if is_lower else (first, second)
    intermediate, target = (Decimal(number).scaleb(-2) for number in objectives)
    return {
        "baseline_rate": draw(percent),
        "intermediate_objective": intermediate,
        "target_objective": target,
        "intermediate_realisation": Decimal("0.5"),
        "is_lower_better": is_lower,
    }


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(indicators(), min_size=1, max_size=4))
def test_realisation_is_the_line_of_the_rule_and_never_falls(duckdb_engine: Engine, drawn: Rows) -> None:
    """All 101 whole percentages of every indicator, best last."""
    rows = [
        {**one, "result_rate": Decimal(100 - number if one["is_lower_better"] else number).scaleb(-2)}
        for one in drawn
        for number in range(101)
    ]
    table = pa.Table.from_pylist([{**row, "place": place} for place, row in enumerate(rows)], schema=REALISATION)
    computed = rules.realisation(rules.is_paid_on_attainment_only(duckdb_engine.table(table, "realisation_row")))
    found = duckdb_engine.to_arrow(computed.order_by("place"))["realisation"].to_pylist()
    for start in range(0, len(rows), 101):
        assert found[start : start + 101] == sorted(found[start : start + 101])
    for row, value in zip(rows, found, strict=True):
        assert abs(Fraction(value) - line(row)) <= Fraction(1, 10**12)


def line(row: dict[str, Any]) -> Fraction:
    """The realisation as the convention describes it."""
    sign = -1 if row["is_lower_better"] else 1
    result, start, intermediate, target = (
        sign * Fraction(row[name])
        for name in ("result_rate", "baseline_rate", "intermediate_objective", "target_objective")
    )
    if result >= target:
        return Fraction(1)
    if result >= intermediate:
        return Fraction(1, 2) + (result - intermediate) / (target - intermediate) / 2
    return (result - start) / (intermediate - start) / 2 if start < result else Fraction(0)


def scenario_of(period: str) -> Scenario:
    """The rules of a year with three clinical indicators and one of the organisation."""
    scenario = PARAMETERS.in_force(PARAMETERS.period("CY2019"))
    built_in = {name: scenario.parameters[name] for name in scenario.parameters}
    year = PARAMETERS.in_force(PARAMETERS.period(period))
    parameters = {
        name: built_in[name] if built_in[name].by == "measure_id" else year.parameters[name] for name in year.parameters
    }
    scenario = Scenario(year.scenario_id, year.period, parameters)
    return override(scenario, "actual", {"safeguard_fall": "0.1"}) if period == "CY2019" else scenario


@st.composite
def physicians(draw: st.DrawFn) -> tuple[Rows, Rows, Rows]:
    """Physicians with lists, contracts and one indicator."""
    listed: Rows = []
    results: Rows = []
    for number in range(draw(st.integers(1, 12))):
        name = f"P{number}"
        listed.append(
            {
                "provider_id": name,
                "list_size": draw(st.one_of(st.none(), st.integers(1, 5000))),
                "contract_start": draw(st.one_of(st.none(), st.dates())) if draw(st.booleans()) else None,
                "is_opted_out": draw(st.booleans()),
                "former_amount": draw(st.one_of(st.none(), st.decimals(0, 2000, places=2))),
            }
        )
        patients = draw(st.integers(0, 50))
        results.append(
            {
                "provider_id": name,
                "indicator_id": "HBA1C_TWICE",
                "numerator": draw(st.integers(0, patients)),
                "patients": patients,
                "baseline_rate": draw(st.one_of(st.none(), percent)),
            }
        )
    return listed, results, []


def paid(files: tuple[Rows, Rows, Rows], period: str) -> tuple[Rows, Rows]:
    tables = [pa.Table.from_pylist(rows, schema=schema) for rows, schema in zip(files, SCHEMAS, strict=True)]
    nothing = pa.table({name: pa.array([], pa.string()) for name in ("provider_id", "measure_id")})
    inputs = RospInputs(*tables, nothing, nothing)
    scenario = scenario_of(period)
    engine = DuckDBEngine(threads=1)
    try:
        measures = score_measures(engine, inputs, [scenario])
        scored = score_physicians(engine, inputs, measures, [scenario])
        rows = pay(scored, rules_in_force(scenario))
        return (
            engine.to_arrow(scored.order_by("provider_id")).to_pylist(),
            engine.to_arrow(rows.order_by("provider_id", "component_id")).to_pylist(),
        )
    finally:
        engine.close()


# A run takes most of a second, so a failing example is shown as found and not made smaller.
slow = settings(
    max_examples=3,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@slow
@given(physicians(), st.sampled_from(["CY2010", "CY2013", "CY2019"]))
def test_nothing_is_taken_and_the_net_is_the_sum(files: tuple[Rows, Rows, Rows], period: str) -> None:
    scored, payments = paid(files, period)
    amounts = {(row["provider_id"], row["component_id"]): row["amount"] for row in payments}
    assert all(amount is None or amount >= 0 for amount in amounts.values())
    for row in scored:
        name, net = row["provider_id"], amounts[row["provider_id"], "net"]
        if net is None:
            assert row["status"] not in ("scored", "unverified")
            continue
        clinical = amounts[name, "clinical"]
        if period == "CY2010":
            assert net <= clinical
            assert net <= 7 * row["list_size"]
        else:
            assert net == clinical + (amounts.get((name, "safeguard")) or 0)
            assert not row["is_opted_out"]
        assert clinical <= Decimal(30 * 7) * row["list_size"] / 800 + Decimal("0.001")


@settings(slow, max_examples=2)
@given(physicians(), st.sampled_from(["CY2010", "CY2019"]), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(files: tuple[Rows, Rows, Rows], period: str, order: random.Random) -> None:
    shuffled = tuple(order.sample(rows, len(rows)) for rows in files)
    assert paid(files, period) == paid(shuffled, period)  # type: ignore[arg-type]
