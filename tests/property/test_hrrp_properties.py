"""What must hold for any set of hospitals: floors, neutrality, monotonicity, order of rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hrrp_files import scenario
from openvbp.engine import DuckDBEngine, Engine
from openvbp.payment.excess_ratio import HIGHEST_MODIFIER
from openvbp.programs.hrrp.hospital_report import Stays, stay_rows
from openvbp.programs.hrrp.inputs import condition_rows, hospital_rows, input_tables
from openvbp.programs.hrrp.measures import measure_catalogue
from openvbp.programs.hrrp.merged_files import Condition, Hospital, ReadmissionInputs
from openvbp.programs.hrrp.rules import expected_rate_of_stays, predicted_rate_of_stays
from openvbp.programs.hrrp.scores import score
from openvbp.scenarios import override

MEASURES = list(measure_catalogue())
FEW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_NAMES = (f"made_{number}_" for number in itertools.count())
CENT = Decimal("0.01")


@dataclass(frozen=True)
class OneCondition:
    ratio: Decimal
    payment_ratio: Decimal
    discharges: int


@dataclass(frozen=True)
class OneHospital:
    dual_proportion: Decimal
    base: Decimal
    conditions: tuple[OneCondition, ...]


conditions = st.builds(
    OneCondition,
    ratio=st.integers(5_000, 20_000).map(lambda n: Decimal(n) / 10_000),
    payment_ratio=st.integers(0, 1_600).map(lambda n: Decimal(n) / 10_000),
    discharges=st.sampled_from([0, 24, 25, 1_000]),
)
hospitals = st.builds(
    OneHospital,
    dual_proportion=st.integers(0, 10_000).map(lambda n: Decimal(n) / 10_000),
    base=st.integers(0, 100_000_000_000).map(lambda n: Decimal(n) / 100),
    conditions=st.tuples(*(conditions for _ in MEASURES)),
)


def spread(count: int) -> st.SearchStrategy[list[OneHospital]]:
    """Hospitals whose dual proportions are not all the same."""
    return st.lists(hospitals, min_size=count, max_size=12).filter(
        lambda made: len({one.dual_proportion for one in made}) > 1
    )


def merged(made: Sequence[OneHospital], order: Sequence[int], medians: Decimal | None = None) -> ReadmissionInputs:
    """The hospitals as the reader would merge them, in any order of rows."""
    inputs = ReadmissionInputs()
    for number in order:
        one, provider_id = made[number], f"{number:06d}"
        values = {
            "published_dual_proportion": one.dual_proportion,
            "base_operating_drg_payment_amount": one.base,
            "published_peer_group": Decimal(1),
        }
        if medians is None:
            del values["published_peer_group"]
        inputs.hospitals[provider_id] = Hospital(provider_id, values=values)
        for measure_id, of in zip(MEASURES, one.conditions, strict=True):
            condition = {
                "published_excess_readmission_ratio": of.ratio,
                "published_drg_payment_ratio": of.payment_ratio,
                "eligible_discharges": Decimal(of.discharges),
            }
            if medians is not None:
                condition["published_peer_group_median"] = medians
            inputs.conditions[provider_id, measure_id] = Condition(condition)
    return inputs


class ReplayingEngine(DuckDBEngine):
    """Remembers the statements of a run, so that other hospitals go through the same ones at once."""

    def __init__(self) -> None:
        super().__init__(threads=1)
        self.statements: list[str] = []
        self.recipes: dict[object, list[str]] = {}

    def compute(self, expression: ir.Table, name: str) -> ir.Table:
        self.statements.append(f'CREATE OR REPLACE TEMP TABLE "{name}" AS {self._connection.compile(expression)}')
        return super().compute(expression, name)

    def scored(
        self, inputs: ReadmissionInputs, period: str = "FY2024", changes: dict[str, str] | None = None
    ) -> list[dict[str, Any]]:
        """Hospitals with every quantity, ordered by id."""
        is_published = any("published_peer_group_median" in one.values for one in inputs.conditions.values())
        key = (period, tuple((changes or {}).items()), is_published)
        names = list(self.recipes)
        name = f"made_{names.index(key) if key in names else len(names)}_"
        if key in self.recipes:
            self.table(condition_rows(inputs), "condition_read")
            self.table(hospital_rows(inputs), "hospital_read")
            for statement in self.recipes[key]:
                self._connection.con.execute(statement)
        else:
            self.statements = []
            rules = scenario(period)
            scenarios = [override(rules, "changed", changes)] if changes else [rules]
            published = ("published_peer_group", "published_peer_group_median") if is_published else ()
            score(self, input_tables(self, inputs), scenarios, published, name=name)
            self.recipes[key] = self.statements
        rows = self._connection.con.sql(f'SELECT * FROM "{name}hospital_computed" ORDER BY provider_id')
        return rows.to_arrow_table().to_pylist()


@pytest.fixture(scope="module")
def replay() -> Iterator[ReplayingEngine]:
    engine = ReplayingEngine()
    yield engine
    engine.close()


@FEW
@given(made=spread(2), period=st.sampled_from(["FY2013", "FY2014", "FY2018", "FY2019", "FY2024", "FY2027"]))
def test_factor_is_between_the_floor_and_one(replay: ReplayingEngine, made: list[OneHospital], period: str) -> None:
    floor = scenario(period).value("floor_adjustment_factor")
    for row in replay.scored(merged(made, range(len(made))), period):
        assert floor <= row["payment_adjustment_factor"] <= 1
        assert row["payment_adjustment_factor"] == 1 - row["payment_reduction"]
        assert row["is_cap_applied"] == (row["excess_payment_share"] > 1 - floor)


@FEW
@given(made=spread(5))
def test_savings_equal_those_without_peer_groups_to_the_cent(replay: ReplayingEngine, made: list[OneHospital]) -> None:
    rows = replay.scored(merged(made, range(len(made))))
    cap = Decimal("0.03")
    modifier = rows[0]["neutrality_modifier"]
    assert {row["neutrality_modifier"] for row in rows} == {modifier}
    base = [row["base_operating_drg_payment_amount"] for row in rows]
    stratified = [min(cap, modifier * row["excess_sum"]) for row in rows]
    plain = [min(cap, row["non_stratified_sum"]) for row in rows]
    saved = sum((amount * share for amount, share in zip(base, stratified, strict=True)), Decimal(0))
    target = sum((amount * share for amount, share in zip(base, plain, strict=True)), Decimal(0))
    if rows[0]["is_modifier_computed"]:
        assert abs(saved - target) <= CENT
    else:
        # The hospitals that exceed their peers cannot save as much, whatever the factor.
        highest = [min(cap, HIGHEST_MODIFIER * row["excess_sum"]) for row in rows]
        most = sum((amount * share for amount, share in zip(base, highest, strict=True)), Decimal(0))
        assert most < target or most == 0


@FEW
@given(
    made=st.lists(hospitals, min_size=1, max_size=4),
    which=st.integers(0, len(MEASURES) - 1),
    more=st.integers(1, 5_000).map(lambda n: Decimal(n) / 10_000),
    period=st.sampled_from(["FY2018", "FY2024"]),
)
def test_a_higher_ratio_never_lowers_the_reduction(
    replay: ReplayingEngine, made: list[OneHospital], which: int, more: Decimal, period: str
) -> None:
    """With the medians and the modifier as published."""
    worse = [
        OneHospital(
            one.dual_proportion,
            one.base,
            tuple(
                OneCondition(of.ratio + more, of.payment_ratio, of.discharges) if number == which else of
                for number, of in enumerate(one.conditions)
            ),
        )
        for one in made
    ]
    median = Decimal("0.9876")
    before = replay.scored(merged(made, range(len(made)), median), period)
    after = replay.scored(merged(worse, range(len(made)), median), period)
    for old, new in zip(before, after, strict=True):
        assert new["payment_reduction"] >= old["payment_reduction"]
        assert new["excess_payment_share"] >= old["excess_payment_share"]


@FEW
@given(made=spread(5), data=st.data())
def test_order_of_rows_does_not_matter(replay: ReplayingEngine, made: list[OneHospital], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(made))))
    assert replay.scored(merged(made, order)) == replay.scored(merged(made, range(len(made))))


@FEW
@given(made=spread(5))
def test_a_higher_minimum_never_counts_more(replay: ReplayingEngine, made: list[OneHospital]) -> None:
    """With the medians as published: fewer conditions count, so less is taken."""
    inputs = merged(made, range(len(made)), Decimal("0.9876"))
    low = replay.scored(inputs, changes={"minimum_discharges": "20"})
    high = replay.scored(inputs, changes={"minimum_discharges": "26"})
    for more, fewer in zip(low, high, strict=True):
        assert fewer["payment_reduction"] <= more["payment_reduction"]


@FEW
@given(made=spread(5))
def test_peer_groups_are_ordered_by_dual_proportion(replay: ReplayingEngine, made: list[OneHospital]) -> None:
    rows = replay.scored(merged(made, range(len(made))))
    groups = sorted((row["dual_proportion"], row["peer_group"]) for row in rows)
    assert [group for _, group in groups] == sorted(group for _, group in groups)
    assert all(1 <= group <= 5 for _, group in groups)
    by_proportion: dict[Decimal, set[int]] = {}
    for proportion, group in groups:
        by_proportion.setdefault(proportion, set()).add(group)
    assert all(len(found) == 1 for found in by_proportion.values())


@FEW
@given(
    case_mix=st.lists(st.integers(-50_000, 50_000).map(lambda n: Decimal(n) / 10_000), min_size=1, max_size=40),
    effects=st.tuples(st.integers(-50_000, 0), st.integers(-50_000, 0)),
    data=st.data(),
)
def test_rates_of_stays_do_not_depend_on_the_order_of_patients(
    duckdb_engine: Engine, case_mix: list[Decimal], effects: tuple[int, int], data: st.DataObject
) -> None:
    hospital, average = (Decimal(one) / 10_000 for one in effects)

    def rates(order: Sequence[Decimal]) -> tuple[Decimal, Decimal]:
        stays = Stays("READM-30-AMI", hospital, average, list(order))
        table = duckdb_engine.table(stay_rows("A", [stays]), next(_NAMES))
        rows = duckdb_engine.to_arrow(expected_rate_of_stays(predicted_rate_of_stays(table))).to_pylist()
        pairs = {(row["predicted_rate_of_stays"], row["expected_rate_of_stays"]) for row in rows}
        assert len(pairs) == 1
        return pairs.pop()

    predicted, expected = rates(case_mix)
    assert rates(data.draw(st.permutations(case_mix))) == (predicted, expected)
    assert 0 <= predicted <= 1
    assert (predicted >= expected) if hospital >= average else (predicted <= expected)


def test_stay_table_names_no_patient() -> None:
    stays = Stays("READM-30-AMI", Decimal("-2.1"), Decimal("-2.0"), [Decimal("0.5")])
    table: pa.Table = stay_rows("010001", [stays])
    assert set(table.column_names) == {"provider_id", "measure_id", "case_mix", "hospital_effect", "average_effect"}
