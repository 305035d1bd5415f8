"""Intervals of a proportion: published values, and decisions that agree with exact arithmetic on every engine."""

from __future__ import annotations

import math
import random
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
import pytest

from openvbp.engine import DuckDBEngine, Engine
from openvbp.scoring import intervals

LEVEL = Decimal("0.95")
SCHEMA = pa.schema(
    [
        ("number", pa.int64()),
        ("met", pa.int64()),
        ("patients", pa.int64()),
        ("reference", pa.decimal128(18, 6)),
        ("critical", pa.decimal128(8, 6)),
    ]
)
Row = dict[str, int | Decimal | None]


def case(met: int | None, patients: int, reference: str | None = "0.5", critical: str = "1.959964") -> Row:
    given = None if reference is None else Decimal(reference)
    return {"met": met, "patients": patients, "reference": given, "critical": Decimal(critical)}


def computed(engine: Engine, rows: list[Row]) -> list[Row]:
    numbered = [{"number": number, **row} for number, row in enumerate(rows)]
    table = engine.table(pa.Table.from_pylist(numbered, schema=SCHEMA), "proportion")
    lower, upper = intervals.wilson_bounds(table.met, table.patients, table.critical)
    sign = intervals.wilson_comparison(table.met, table.patients, table.reference, table.critical)
    found = engine.to_arrow(table.mutate(lower=lower, upper=upper, sign=sign))
    return found.sort_by("number").to_pylist()


def exact_sign(row: Row) -> int:
    """Whether the reference solves Wilson's quadratic inequality, in fractions."""
    met, patients, reference, critical = (Fraction(row[name]) for name in SCHEMA.names[1:])
    distance = met - patients * reference
    inside = distance**2 <= critical**2 * patients * reference * (1 - reference)
    return 0 if inside else 1 if distance > 0 else -1


def random_cases(number: int) -> list[Row]:
    """Proportions of every size, with references near their bounds."""
    drawn = random.Random(1927)
    rows = []
    for _number in range(number):
        patients = drawn.choice([drawn.randint(1, 40), drawn.randint(1, 5_000), drawn.randint(1, 999_999)])
        met = drawn.choice([0, patients, drawn.randint(0, patients)])
        share, width = met / patients, 2 * math.sqrt(0.25 / patients)
        near = min(max(share + drawn.uniform(-width, width), 0), 1)
        rows.append(case(met, patients, f"{near:.6f}"))
    return rows


def test_the_critical_value_is_that_of_the_normal_distribution() -> None:
    assert intervals.critical_value(LEVEL) == Decimal("1.959964")
    assert intervals.critical_value(Decimal("0.99")) == Decimal("2.575829")


def test_known_bounds_and_decisions_on_every_engine(engine: Engine) -> None:
    """Bounds of 0, 5 and 10 of 10 as in Brown, Cai and DasGupta's formula (4), by hand from z² = 3.841459."""
    known = {
        (0, 10): ("0.000000", "0.277533"),
        (5, 10): ("0.236593", "0.763407"),
        (10, 10): ("0.722467", "1.000000"),
        (1, 1): ("0.206549", "1.000000"),
    }
    rows = [case(*place) for place in known]
    # The reference is on the bound itself: 21² · 0.16² = 2² · 21 · 0.16 · 0.84.
    edges = [case(0, 21, "0.16", "2"), case(0, 21, "0.160001", "2"), case(21, 21, "0.84", "2")]
    edges += [case(0, 5, "0"), case(5, 5, "1"), case(1, 5, "0"), case(4, 5, "1")]
    missing = [case(0, 0), case(None, 10), case(3, 10, None)]
    further = random_cases(300)
    found = computed(engine, [*rows, *edges, *missing, *further])
    by_place = {(row["met"], row["patients"]): row for row in found[: len(rows)]}
    for place, bounds in known.items():
        assert (by_place[place]["lower"], by_place[place]["upper"]) == tuple(map(Decimal, bounds))
    assert [row["sign"] for row in found[len(rows) : len(rows) + len(edges)]] == [0, -1, 0, 0, 0, 1, -1]
    empty = found[len(rows) + len(edges) :][: len(missing)]
    assert [row["sign"] for row in empty] == [None, None, None]
    assert empty[0]["lower"] is empty[1]["upper"] is None
    for row in found[-len(further) :]:
        assert row["sign"] == exact_sign(row)
        assert 0 <= row["lower"] <= Decimal(row["met"]) / row["patients"] + Decimal("1e-6")
        # The bounds that are read and the decision agree wherever six decimals can tell.
        if abs(row["reference"] - row["lower"]) > Decimal("2e-6") < abs(row["reference"] - row["upper"]):
            outside = 1 if row["lower"] > row["reference"] else -1 if row["upper"] < row["reference"] else 0
            assert row["sign"] == outside
    signs = {row["sign"] for row in found[-len(further) :]}
    assert signs == {-1, 0, 1}


@pytest.mark.parametrize("patients", [1, 2, 10, 30, 1_000, 999_999])
def test_none_and_all_have_exact_bounds_in_closed_form(patients: int) -> None:
    end = 1 - 0.025 ** (1 / patients)
    lower, upper = intervals.clopper_pearson(0, patients, LEVEL)
    assert lower == 0
    assert abs(float(upper) - end) <= 5.1e-7
    lower, upper = intervals.clopper_pearson(patients, patients, LEVEL)
    assert upper == 1
    assert abs(float(lower) - (1 - end)) <= 5.1e-7


def test_exact_bounds_as_tables_print_them() -> None:
    """95 % limits of 5 and of 1 of 10, and of 1 of 30."""
    assert intervals.clopper_pearson(5, 10, LEVEL) == (Decimal("0.187086"), Decimal("0.812914"))
    assert intervals.clopper_pearson(1, 10, LEVEL) == (Decimal("0.002529"), Decimal("0.445016"))
    assert intervals.clopper_pearson(1, 30, LEVEL) == (Decimal("0.000844"), Decimal("0.172169"))


def tail(met: int, patients: int, share: Fraction) -> Fraction:
    """Probability of so many or more, exactly."""
    return sum(
        (math.comb(patients, k) * share**k * (1 - share) ** (patients - k) for k in range(met, patients + 1)),
        Fraction(0),
    )


@pytest.mark.parametrize(("met", "patients"), [(1, 7), (3, 20), (17, 20), (29, 60), (59, 60)])
@pytest.mark.parametrize("level", ["0.5", "0.95", "0.999"])
def test_exact_bounds_enclose_the_binomial_tails(met: int, patients: int, level: str) -> None:
    """At the lower bound so many or more, at the upper one so many or fewer, have half the error's probability."""
    lower, upper = intervals.clopper_pearson(met, patients, Decimal(level))
    half, last = Fraction(1 - Decimal(level)) / 2, Fraction(6, 10**7)
    assert tail(met, patients, Fraction(lower) - last) < half < tail(met, patients, Fraction(lower) + last)
    below = tail(met + 1, patients, Fraction(upper) - last), tail(met + 1, patients, Fraction(upper) + last)
    assert 1 - below[1] < half < 1 - below[0]


def test_bounds_that_are_given_are_compared_inclusively(duckdb_engine: DuckDBEngine) -> None:
    rows = [("0.2", "0.4", "0.2"), ("0.2", "0.4", "0.4"), ("0.2", "0.4", "0.199999"), ("0.2", "0.4", "0.400001")]
    values = [dict(zip(("lower", "upper", "reference"), map(Decimal, row), strict=True)) for row in rows]
    values.append({"lower": None, "upper": None, "reference": Decimal("0.3")})
    schema = pa.schema([(name, pa.decimal128(18, 6)) for name in ("lower", "upper", "reference")])
    table = duckdb_engine.table(pa.Table.from_pylist(values, schema=schema), "bounds")
    sign = intervals.comparison_with_bounds(table.lower, table.upper, table.reference)
    assert duckdb_engine.to_arrow(table.select(sign=sign))["sign"].to_pylist() == [0, 0, 1, -1, None]
