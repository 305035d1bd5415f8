"""Sites and physicians at random: exact probabilities, nothing masked ever shown, fees that never fall."""

from __future__ import annotations

import math
import random
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from openvbp.engine import DuckDBEngine
from openvbp.parameters import CitedValue, Parameter, Scenario, load_parameters
from openvbp.programs.germany_external_quality import PROGRAM, rules
from openvbp.programs.germany_external_quality.inputs import GermanInputs
from openvbp.programs.germany_external_quality.result_tables import (
    measure_result,
    payment_result,
    provider_result,
    step_result,
)
from openvbp.programs.germany_external_quality.scores import pay_documentations, score_sites

PARAMETERS = load_parameters(PROGRAM.parameters_file)
KINDS = {
    "FIXED": ("fixed", True, Decimal("0.1"), None),
    "PERCENTILE": ("percentile", False, None, Decimal("0.25")),
    "SENTINEL": ("sentinel", True, None, None),
}
Rows = list[dict[str, Any]]


counts = st.integers(1, 60).flatmap(lambda cases: st.tuples(st.integers(0, cases), st.just(cases)))


@settings(max_examples=50, deadline=None)
@given(
    st.integers(1, 60).flatmap(lambda cases: st.tuples(st.integers(0, cases), st.just(cases))),
    st.integers(1, 99),
    st.booleans(),
)
def test_the_probability_is_that_of_the_binomial_distribution(
    result: tuple[int, int], percent: int, is_lower: bool
) -> None:
    observed, cases = result
    share = Fraction(percent, 100)
    tail = range(observed, cases + 1) if is_lower else range(observed + 1)
    exact = sum(math.comb(cases, number) * share**number * (1 - share) ** (cases - number) for number in tail)
    found = rules.chance_probability.function(observed, cases, Decimal(percent).scaleb(-2), is_lower)
    assert abs(Fraction(found) - exact) <= Fraction(1, 2 * 10**10)
    worse = observed + 1 if is_lower else observed - 1
    if 0 <= worse <= cases:
        assert rules.chance_probability.function(worse, cases, Decimal(percent).scaleb(-2), is_lower) <= found


def test_many_cases_are_summed_exactly() -> None:
    """One fifth of a hundred thousand and 300 more: the normal approximation with continuity gives about 0.0089."""
    found = rules.chance_probability.function(20_300, 100_000, Decimal("0.2"), True)
    assert Decimal("0.0088") < found < Decimal("0.0091")


def scenario() -> Scenario:
    in_force = PARAMETERS.in_force(PARAMETERS.period("CY2015"))
    given_values = {
        "reference_limit": {name: kind[2] for name, kind in KINDS.items()},
        "reference_percentile": {name: kind[3] for name, kind in KINDS.items()},
        "documentation_fee": {"DM.first": Decimal(25), "DM.follow_up": Decimal(15)},
    }
    parameters: dict[str, Parameter] = dict(in_force.parameters)
    for name, values in given_values.items():
        old = parameters[name]
        cited = {key: CitedValue(value, "test", None) for key, value in values.items() if value is not None}
        parameters[name] = Parameter(name, old.label, old.unit, old.by, cited)
    return Scenario("actual", in_force.period, parameters)


@st.composite
def files(draw: st.DrawFn) -> tuple[Rows, Rows, Rows]:
    """Results of sites, many of them small, dialogue, documentations."""
    results: Rows = []
    dialogue: Rows = []
    documentations: Rows = []
    for number in range(draw(st.integers(1, 12))):
        for name in KINDS:
            cases = draw(st.one_of(st.integers(0, 6), st.integers(0, 300)))
            place = {"provider_id": f"S{number}", "indicator_id": name}
            results.append({**place, "observed": draw(st.integers(0, cases)), "cases": cases})
            if draw(st.booleans()):
                dialogue.append({**place, "assessment": draw(st.sampled_from(["no_concern", "qualitative_concern"]))})
        documentations.append(
            {
                "provider_id": f"P{number}",
                "programme_id": "DM",
                "documentation_type": draw(st.sampled_from(["first", "follow_up"])),
                "enrolled_patients": draw(st.integers(0, 20)),
                "documentations": draw(st.integers(0, 100)),
            }
        )
    return results, dialogue, documentations


SCHEMAS = (
    {"provider_id": pa.string(), "indicator_id": pa.string(), "observed": pa.int64(), "cases": pa.int64()},
    {"provider_id": pa.string(), "indicator_id": pa.string(), "assessment": pa.string()},
    {
        **dict.fromkeys(("provider_id", "programme_id", "documentation_type"), pa.string()),
        "enrolled_patients": pa.int64(),
        "documentations": pa.int64(),
    },
)


def computed(drawn: tuple[Rows, Rows, Rows]) -> dict[str, Rows]:
    """Every table that a run would write."""
    results, dialogue, documentations = (
        pa.Table.from_pylist(rows, schema=pa.schema(schema)) for rows, schema in zip(drawn, SCHEMAS, strict=True)
    )
    indicators = pa.Table.from_pylist(
        [
            {"indicator_id": name, "module_id": "M", "reference_kind": kind, "is_lower_better": is_lower}
            for name, (kind, is_lower, *_rest) in KINDS.items()
        ]
    )
    none = pa.table({name: pa.array([], pa.string()) for name in ("provider_id", "indicator_id")})
    inputs = GermanInputs(indicators, results, dialogue, documentations, none, none.select(["provider_id"]), none)
    actual = scenario()
    engine = DuckDBEngine(threads=1)
    try:
        sites = score_sites(engine, inputs, [actual])
        paid = pay_documentations(engine, inputs, [actual])
        tables = {
            "sites": sites,
            "measures": measure_result(sites),
            "providers": provider_result(sites),
            "payments": payment_result(paid, engine.table(inputs.rejected_documentations, "nobody")),
            "steps": step_result(engine, sites, paid, [actual]),
        }
        return {
            name: sorted(engine.to_arrow(table).to_pylist(), key=lambda row: str(sorted(row.items(), key=str)))
            for name, table in tables.items()
        }
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
@given(files(), st.randoms(use_true_random=False))
def test_small_counts_are_never_reported_and_the_rest_follows_the_range(
    drawn: tuple[Rows, Rows, Rows], order: random.Random
) -> None:
    tables = computed(drawn)
    small = {
        (row["provider_id"], row["indicator_id"]) for row in drawn[0] if 0 < row["cases"] < 4 or 0 < row["observed"] < 4
    }
    hidden = ("observed", "cases", "numerator", "denominator", "rate", "indicator_rate", "is_conspicuous")
    hidden += ("chance_probability", "has_qualitative_concern", "assessment")
    for name in ("sites", "measures"):
        for row in tables[name]:
            is_small = (row["provider_id"], row["measure_id"]) in small
            assert (row["status"] == "suppressed") == is_small
            if is_small:
                assert all(row.get(column) is None for column in hidden)
    public = {"is_masked", "range_limit", "reference_limit", "reference_percentile", "is_lower_better"}
    public |= {"smallest_reported_count", "is_event_count_masked"}
    for row in tables["steps"]:
        if (row["provider_id"], row["measure_id"]) in small and row["quantity"] not in public:
            assert row["value"] is None
    for row in tables["sites"]:
        if row["status"] != "scored":
            continue
        limit, rate = row["range_limit"], row["indicator_rate"]
        assert row["is_conspicuous"] == (rate > limit if row["is_lower_better"] else rate < limit)
        has_chance = row["is_conspicuous"] and row["measure_id"] != "SENTINEL"
        assert (row["chance_probability"] is not None) == has_chance
    shuffled = tuple(order.sample(rows, len(rows)) for rows in drawn)
    assert computed(shuffled) == tables  # type: ignore[arg-type]


@slow
@given(files())
def test_fees_are_flat_and_never_negative(drawn: tuple[Rows, Rows, Rows]) -> None:
    payments = {(row["provider_id"], row["component_id"]): row for row in computed(drawn)["payments"]}
    fees = {"first": (25, 1), "follow_up": (15, 4)}
    for row in drawn[2]:
        fee, most = fees[row["documentation_type"]]
        amount = fee * min(row["documentations"], most * row["enrolled_patients"])
        name = f"documentation.DM.{row['documentation_type']}"
        assert payments[row["provider_id"], name]["amount"] == amount
        assert payments[row["provider_id"], "net"]["amount"] == amount >= 0
