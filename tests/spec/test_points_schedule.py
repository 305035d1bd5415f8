"""Which schedule a few published rows show."""

from __future__ import annotations

from decimal import Decimal

import pytest

from openvbp.audit.points_schedule import ROUNDED, PointsRow, infer_schedule
from threshold_tables import paid, schedule

TEN = Decimal(10)
TRUE = schedule(40, 90, 10)


def rows(*counts: tuple[int, int], places: int = 12, by: object = TRUE) -> list[PointsRow]:
    return [
        PointsRow(str(place), *one, Decimal(paid(by, *one, places)))  # type: ignore[arg-type]
        for place, one in enumerate(counts)
    ]


@pytest.mark.parametrize(
    ("numerator", "denominator", "points"),
    [
        (0, 10, "0"),  # floor
        (4, 10, "0"),  # at the lower threshold
        (13, 20, "5"),  # half way
        (1, 2, "2"),
        (2, 3, "5.333333333333"),
        (9, 10, "10"),  # at the upper threshold
        (10, 10, "10"),  # ceiling
    ],
)
def test_points_of_a_schedule(numerator: int, denominator: int, points: str) -> None:
    assert TRUE.exact_points(PointsRow("", numerator, denominator, Decimal(0))) == Decimal(points)


def test_a_row_is_missed_only_beyond_the_printed_decimals() -> None:
    assert not TRUE.misses_by(PointsRow("", 2, 3, Decimal("5.33")), ROUNDED)
    assert TRUE.misses_by(PointsRow("", 2, 3, Decimal("5.34")), ROUNDED)
    assert TRUE.misses_by(PointsRow("", 1, 3, Decimal("0.01")), ROUNDED)
    assert TRUE.misses_by(PointsRow("", 19, 20, Decimal("9.99")), ROUNDED)


def test_all_points_from_a_single_threshold_on() -> None:
    single = schedule(90, 90, 5)
    assert not single.misses_by(PointsRow("", 9, 10, Decimal(5)), ROUNDED)
    assert single.misses_by(PointsRow("", 9, 10, Decimal(0)), ROUNDED)
    assert not single.misses_by(PointsRow("", 89, 100, Decimal(0)), ROUNDED)


def test_two_partly_paid_rows_show_the_line() -> None:
    found = infer_schedule(rows((2, 3), (53, 97), (1, 10), (99, 100)), TEN)
    assert found.schedule == TRUE
    assert (found.partial_rows, found.zero_up_to, found.full_from) == (2, Decimal(10), Decimal(99))


def test_thresholds_in_tenths() -> None:
    true = schedule("40.5", "77.5", 10)
    assert infer_schedule(rows((2, 3), (53, 97), (51, 83), by=true), TEN).schedule == true


def test_two_decimals_are_enough_where_there_are_more_rows() -> None:
    counts = [(n, 97) for n in range(42, 86, 3)]
    assert infer_schedule(rows(*counts, places=2), TEN).schedule == TRUE


def test_rows_set_by_hand_do_not_bend_the_line() -> None:
    by_hand = [PointsRow("hand", 60, 97, Decimal("9.5")), PointsRow("other", 50, 97, Decimal("8.1"))]
    found = infer_schedule([*rows((2, 3), (53, 97), (51, 83)), *by_hand], TEN)
    assert found.schedule == TRUE


@pytest.mark.parametrize("counts", [((99, 100), (1, 10)), ((99, 100), (2, 3))])
def test_fewer_than_two_partly_paid_rows_show_nothing(counts: tuple[tuple[int, int], ...]) -> None:
    assert infer_schedule(rows(*counts), TEN).schedules == ()


def test_rows_at_one_rate_leave_several_schedules() -> None:
    found = infer_schedule(rows((13, 20), (26, 40)), TEN)
    assert found.schedule is None
    assert TRUE in found.schedules


def test_rows_on_no_common_line_show_nothing() -> None:
    steps = [PointsRow(str(n), n, 97, Decimal(2 if n < 60 else 7)) for n in range(40, 80, 5)]
    assert infer_schedule(steps, TEN).schedules == ()
