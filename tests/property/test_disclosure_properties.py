"""Totals determine no withheld count; made-up results lose every small count and what was made from it."""

from __future__ import annotations

import itertools
from decimal import Decimal
from fractions import Fraction

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from disclosure_tables import results, table
from openvbp.errors import UsageError
from openvbp.reporting.disclosure import PublicTables, withhold
from openvbp.reporting.disclosure_sums import second_cells


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    patients = draw(st.integers(0, 60))
    return draw(st.integers(0, patients)), patients


@settings(max_examples=50, deadline=None)
@given(st.lists(counts(), min_size=6, max_size=16).filter(lambda one: len(one) % 2 == 0), st.integers(3, 12))
def test_no_small_count_and_nothing_made_from_it_is_left(fractions: list[tuple[int, int]], smallest: int) -> None:
    given_tables = results(fractions, len(fractions) // 2)
    public = withhold(given_tables, smallest)
    open_measures = set()
    for before, after in zip(
        given_tables["measure_result"].to_pylist(), public.tables["measure_result"].to_pylist(), strict=True
    ):
        done, patients = before["numerator"], before["denominator"]
        is_small = any(0 < count < smallest for count in (done, patients, patients - done))
        if is_small or after["numerator"] is None:
            assert all(after[name] is None for name in ("numerator", "denominator", "rate", "points"))
            assert after["status"] == "suppressed"
            open_measures |= {before["provider_id"]} if 0 < before["points"] < 10 else set()
        else:
            assert after == before
    for before, after in zip(
        given_tables["provider_result"].to_pylist(), public.tables["provider_result"].to_pylist(), strict=True
    ):
        assert after["score"] == (None if before["provider_id"] in open_measures else before["score"])
        assert (after["rank"] is None) == bool(open_measures)
    filled = sum(sum(len(one) - one.null_count for one in rows.columns) for rows in public.tables.values())
    assert_counted(given_tables, public, filled)


def assert_counted(before: dict[str, pa.Table], public: PublicTables, filled: int) -> None:
    """What is missing was counted as suppressed; what was put in says why."""
    was_filled = sum(sum(len(one) - one.null_count for one in rows.columns) for rows in before.values())
    said = sum(
        rows[name].to_pylist().count(public.reason)
        for rows in public.tables.values()
        for name in ("note", "status_reason")
        if name in rows.column_names
    )
    assert was_filled - filled + said == sum(public.suppressed.values())


def rank(rows: list[list[Fraction]]) -> int:
    """Rank of a matrix, by elimination in fractions."""
    left, found = [list(row) for row in rows], 0
    for column in range(len(left[0]) if left else 0):
        pivot = next((row for row in left if row[column]), None)
        if pivot is None:
            continue
        left.remove(pivot)
        found += 1
        left = [
            [value - other * row[column] / pivot[column] for value, other in zip(row, pivot, strict=True)]
            for row in left
        ]
    return found


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=2, max_size=14),
    st.sets(st.integers(0, 13), max_size=4),
)
def test_totals_of_groups_determine_no_withheld_cell(places: list[tuple[int, int]], small: set[int]) -> None:
    """The rank test: a cell is determined if and only if a row with it alone adds nothing to the rank."""
    cells = {number: ("", f"peers {peers}", f"state {state}") for number, (peers, state) in enumerate(places)}
    withheld = small & set(cells)
    gone = sorted(withheld | second_cells(cells, withheld, lambda one: one))
    members = {group: [one for one in cells if group in cells[one]] for groups in cells.values() for group in groups}
    totals = [[Fraction(one in found) for one in gone] for found in members.values() if len(found) > 1]
    known = rank(totals)
    for number, cell in enumerate(gone):
        alone = [Fraction(number == other) for other in range(len(gone))]
        if rank([*totals, alone]) == known:
            assert can_not_be_cured(cell, gone, cells, totals)


def can_not_be_cured(
    cell: int, gone: list[int], cells: dict[int, tuple[str, str, str]], totals: list[list[Fraction]]
) -> bool:
    """Whether a sum of differences of whole groups, without any cell that is left, is the cell: nothing protects it."""
    left = [one for one in cells if one not in gone]
    everything = [*gone, *left]
    members = {group: [one for one in cells if group in cells[one]] for groups in cells.values() for group in groups}
    rows = [[Fraction(one in found) for one in everything] for found in members.values() if len(found) > 1]
    return rank([*rows, [Fraction(one == cell) for one in everything]]) == rank(rows)


def test_a_lone_cell_gets_a_second_one_that_is_the_smallest() -> None:
    sizes = {"A": 5, "B": 300, "C": 40}
    cells = dict.fromkeys(sizes, ("",))
    assert second_cells(cells, {"A"}, sizes.__getitem__) == {"C"}
    assert second_cells(cells, {"A", "B"}, sizes.__getitem__) == set()


def test_a_difference_of_totals_gives_nothing_back() -> None:
    """Peers 1, 2, 3 and state 1, 2: each holds two withheld cells, and still the difference would be the third."""
    cells = {1: ("", "peers", "state"), 2: ("", "peers", "state"), 3: ("", "peers", "other"), 4: ("", "rest", "other")}
    assert second_cells(cells, {1, 2, 3}, lambda one: one) == {4}


@pytest.mark.parametrize("smallest", [0, 1, 2])
def test_a_smallest_cell_that_hides_nothing_is_refused(smallest: int) -> None:
    with pytest.raises(UsageError, match="hides nothing"):
        withhold(results([(1, 12)] * 2, 1), smallest)


def test_rates_for_which_no_counts_are_known_stay() -> None:
    rows = [{"provider_id": one, "measure_id": "M", "rate": Decimal("0.25")} for one in ("A", "B")]
    given_tables = {"measure_result": table("measure_result", rows)}
    assert withhold(given_tables).tables["measure_result"].equals(given_tables["measure_result"])


def test_points_on_different_sides_in_different_scenarios_carry_their_counts() -> None:
    """A sweep of thresholds would else close in on the share from both sides."""
    rows = [
        {"provider_id": provider, "measure_id": "M", "numerator": done, "denominator": 40, "domain_id": "D"}
        | {"scenario_id": scenario, "points": points, "maximum_points": 10, "rate": Decimal(done) / 40}
        for provider, done in (("A", 35), ("B", 20), ("C", 20))
        for scenario, points in (("actual", 10), ("stricter", 0))
    ]
    scores = [
        {"provider_id": provider, "scenario_id": scenario, "score": 1, "rank": 1}
        for provider, scenario in itertools.product("ABC", ("actual", "stricter"))
    ]
    given_tables = {
        "measure_result": table("measure_result", rows),
        "provider_result": table("provider_result", scores),
    }
    public = withhold(given_tables).tables["provider_result"].to_pylist()
    assert {row["provider_id"] for row in public if row["score"] is None} == {"A", "B"}
