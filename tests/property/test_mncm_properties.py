"""Clinics at random: the state is as expected, ratings are exact, the order of rows means nothing."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from openvbp.declared_inputs import empty_table
from openvbp.declared_tables import DeclaredTable
from openvbp.engine import DuckDBEngine
from openvbp.parameters import Scenario, load_parameters
from openvbp.programs.mncm import PROGRAM, rules
from openvbp.programs.mncm.costs import rate_costs
from openvbp.programs.mncm.input_files import (
    ANSWERED,
    COSTS,
    COUNTS,
    EXPECTED,
    MEASURES,
    PATIENTS,
    RISK_CATEGORIES,
    VASCULAR,
)
from openvbp.programs.mncm.inputs import ReportCardInputs
from openvbp.programs.mncm.patients import counts_of, judge_patients
from openvbp.programs.mncm.scores import CLINIC_QUANTITIES, count_categories, given_counts, rate_clinics
from openvbp.programs.mncm.summaries import rate_providers

PARAMETERS = load_parameters(PROGRAM.parameters_file)
WORLDS = 12
"""Measures of one run, each a small state of its own: a run compiles many queries, whatever its size."""
SEEDS = st.integers(0, 10**6)
Rows = list[dict[str, Any]]
few = settings(
    max_examples=2,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)


def scenario(period: str = "CY2022") -> Scenario:
    return PARAMETERS.in_force(PARAMETERS.period(period))


def size(drawn: random.Random) -> int:
    return drawn.choice([0, drawn.randint(1, 40), drawn.randint(25, 90), drawn.randint(0, 5_000)])


def measures_of(drawn: random.Random) -> dict[str, Rows]:
    """Measures with and without risk categories, a model's rates of some clinics, patients of one measure."""
    tables: dict[str, Rows] = {"measures": [], "risk": [], "counts": [], "patients": [], "expected": []}
    for world in range(WORLDS):
        measure = {"measure_id": f"M{world}"}
        source = drawn.choice(["direct_submission", "hedis_administrative", "hedis_hybrid"])
        tables["measures"].append({**measure, "domain_id": None, "data_source": source})
        categories = drawn.choice([[None], ["low", "high"], ["low", "high", "rare"]])
        tables["risk"] += [{**measure, "risk_category": name} for name in categories if name]
        for number in range(drawn.randint(1, 8)):
            place = {"provider_id": f"C{number}", **measure}
            for name in categories:
                patients = size(drawn)
                met = drawn.randint(0, patients)
                tables["counts"].append({**place, "risk_category": name, "patients": patients, "met": met})
            if drawn.random() < 0.3:
                tables["expected"].append({**place, "expected_rate": Decimal(drawn.randint(0, 10**6)).scaleb(-6)})
    tables["measures"].append({"measure_id": VASCULAR, "data_source": "direct_submission"})
    tables["patients"] = [
        {
            "patient_id": f"P{number}",
            "provider_id": f"C{number % 3}",
            "measure_id": VASCULAR,
            "systolic": drawn.randint(110, 160),
            "diastolic": drawn.randint(60, 100),
            "is_tobacco_free": drawn.choice([True, True, False, None]),
            "statin": drawn.choice(["taken", "not_taken", "not_indicated"]),
            "aspirin": "not_indicated",
        }
        for number in range(drawn.randint(1, 150))
    ]
    return tables


def costs_of(drawn: random.Random) -> Rows:
    return [
        {
            "provider_id": f"G{number}",
            "patients": drawn.randint(600, 5_000),
            "member_months": drawn.randint(5_000, 10**5),
            "total_cost": Decimal(drawn.randint(10**7, 10**10)).scaleb(-2),
            "risk_score": Decimal(drawn.randint(1_000, 30_000)).scaleb(-4),
            "resource_units": drawn.choice([None, Decimal(drawn.randint(10**7, 10**10)).scaleb(-2)]),
        }
        for number in range(drawn.randint(1, 8))
    ]


def content(drawn: dict[str, Rows]) -> ReportCardInputs:
    def table(declared: DeclaredTable, name: str) -> pa.Table:
        return pa.Table.from_pylist(drawn.get(name, []), schema=empty_table(declared).schema)

    none = pa.table({name: pa.array([], pa.string()) for name in ("provider_id", "measure_id")})
    return ReportCardInputs(
        table(MEASURES, "measures"),
        table(RISK_CATEGORIES, "risk"),
        table(PATIENTS, "patients"),
        table(COUNTS, "counts"),
        table(EXPECTED, "expected"),
        table(COSTS, "costs"),
        empty_table(ANSWERED),
        none,
        none,
    )


def fetched(engine: DuckDBEngine, tables: dict[str, ir.Table]) -> dict[str, Rows]:
    keys = ("provider_id", "measure_id", "risk_category")
    return {
        name: engine.to_arrow(table.order_by([key for key in keys if key in table.columns])).to_pylist()
        for name, table in tables.items()
    }


def rated(drawn: dict[str, Rows]) -> dict[str, Rows]:
    """Categories with their expected numbers, results of clinics and their shares."""
    given_rows, scenarios = content(drawn), [scenario()]
    engine = DuckDBEngine(threads=1)
    try:
        parts = [given_counts(engine, given_rows, scenarios)]
        parts.append(counts_of(judge_patients(engine, given_rows, scenarios), "is_optimal"))
        categories = count_categories(engine, parts, given_rows)
        clinics = rate_clinics(engine, categories, given_rows, scenarios)
        providers = rate_providers(engine, clinics, scenarios)
        return fetched(
            engine, {"categories": rules.expected_met(categories), "clinics": clinics, "providers": providers}
        )
    finally:
        engine.close()


@few
@given(SEEDS)
def test_the_state_is_as_expected_and_ratings_are_exact(seed: int) -> None:
    drawn = random.Random(seed)
    files = measures_of(drawn)
    tables = rated(files)
    for measure in {row["measure_id"] for row in tables["categories"]}:
        rows = [row for row in tables["categories"] if row["measure_id"] == measure]
        expected = sum({row["provider_id"]: row["expected_met"] for row in rows}.values(), Decimal(0))
        # Each statewide rate is rounded to twelve decimals.
        assert abs(expected - sum(row["met"] for row in rows)) <= sum(row["patients"] for row in rows) * Decimal(
            "1e-12"
        )
    met, patients = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for row in files["counts"]:
        met[row["provider_id"], row["measure_id"]] += row["met"]
        patients[row["provider_id"], row["measure_id"]] += row["patients"]
    model = {(row["provider_id"], row["measure_id"]): row["expected_rate"] for row in files["expected"]}
    for row in tables["clinics"]:
        place = row["provider_id"], row["measure_id"]
        if row["status"] == "unverified":
            assert_rated_exactly(row)
            assert row["expected_rate"] == model.get(place, row["expected_rate"])
        else:
            assert row["status"] == (
                "not_reported" if row["measure_id"] != VASCULAR and not patients[place] else "too_few_cases"
            )
            assert [row[name] for name in CLINIC_QUANTITIES] == [None] * len(CLINIC_QUANTITIES)
        if row["measure_id"] != VASCULAR:
            # Risk adjustment leaves the actual rate as it is.
            is_shown = patients[place] >= row["minimum_patients"]
            assert (row["met"], row["patients"]) == ((met[place], patients[place]) if is_shown else (None, None))
    for row in tables["providers"]:
        assert row["better_measures"] <= row["rated_measures"]
    assert rated({name: drawn.sample(rows, len(rows)) for name, rows in files.items()}) == tables


def assert_rated_exactly(row: dict[str, Any]) -> None:
    met, patients, reference = row["met"], row["patients"], Fraction(row["expected_rate"])
    assert patients >= row["minimum_patients"]
    assert abs(Fraction(row["actual_rate"]) - Fraction(met, patients)) <= Fraction(1, 10**12)
    distance = met - patients * reference
    is_outside = distance**2 > Fraction("1.959964") ** 2 * patients * reference * (1 - reference)
    assert row["rating"] == (0 if not is_outside else 1 if distance > 0 else -1)


@few
@given(SEEDS)
def test_cost_indexes_average_to_one(seed: int) -> None:
    """Weighted by what is expected, the indexes of all groups together are 1; resource use times price is cost."""
    engine = DuckDBEngine(threads=1)
    try:
        rows = fetched(
            engine, {"costs": rate_costs(engine, content({"costs": costs_of(random.Random(seed))}), [scenario()])}
        )["costs"]
    finally:
        engine.close()
    known = all(row["total_cost_index"] is not None for row in rows)
    weights = [row["expected_cost_per_member_month"] * row["member_months"] for row in rows]
    if known:
        mean = sum(weight * row["total_cost_index"] for weight, row in zip(weights, rows, strict=True)) / sum(weights)
        # Costs are kept to a millionth of a dollar per month.
        smallest = min(row["expected_cost_per_member_month"] for row in rows)
        assert abs(mean - 1) <= Decimal("1e-9") + Decimal("3e-6") / smallest
    for row in rows:
        if row["price_index"] is not None:
            product = row["resource_use_index"] * row["price_index"]
            assert abs(product - row["total_cost_index"]) <= Decimal("1e-10") * (1 + row["resource_use_index"])
