"""The fewest measures that keep a share of the money: small cases that can be checked by hand."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import pytest

from openvbp.harmonization.burden import pays_from
from openvbp.harmonization.measure_selection import PaymentLine, smallest_selection


def line(name: str, amount: str, measures: Iterable[str], needed: int = 1) -> PaymentLine:
    return PaymentLine(name, Decimal(amount), frozenset(measures), needed)


def test_one_measure_that_two_lines_share_is_better_than_the_richest() -> None:
    lines = [line("x", "6", "ab"), line("y", "5", "bc"), line("z", "7", "d")]
    assert smallest_selection(lines, Decimal("0.6")).measures == ("b",)
    assert smallest_selection(lines, Decimal("0.62")).measures == ("b", "d")


def test_a_line_pays_nothing_with_fewer_measures_than_it_needs() -> None:
    """Greedy would take d, then two of abc, and still lack the third."""
    lines = [line("x", "10", "abc", 3), line("y", "6", "d")]
    found = smallest_selection(lines, Decimal("0.625"))
    assert (found.measures, found.kept) == (("a", "b", "c"), 10)
    assert smallest_selection(lines, Decimal("0.375")).measures == ("d",)


def test_a_line_that_cannot_be_earned_is_not_asked_for() -> None:
    lines = [line("x", "10", "a", 2), line("y", "6", "b")]
    found = smallest_selection(lines, Decimal(1))
    assert (found.measures, found.kept, found.total) == (("b",), 6, 16)


def test_cents_are_exact() -> None:
    lines = [line("x", "0.10", "a"), line("y", "0.20", "b"), line("z", "0.70", "c")]
    assert smallest_selection(lines, Decimal("0.9")).measures == ("b", "c")
    assert smallest_selection(lines, Decimal("0.900001")).measures == ("a", "b", "c")


def test_forty_measures_on_twenty_lines_take_few_steps() -> None:
    """Pairs of lines share one measure each; the other measures serve one line."""
    lines = [line(f"l{place}", "1", {f"s{place // 2}", f"o{place}", f"p{place}"}) for place in range(20)]
    found = smallest_selection(lines, Decimal(1))
    assert found.measures == tuple(f"s{place}" for place in range(10))
    assert found.sets_looked_at < 1000


@pytest.mark.parametrize(
    ("cost", "reward", "patients"), [("486", "4", 122), ("484", "4", 121), ("0", "4", 0), ("1", "0", None)]
)
def test_the_size_from_which_it_pays(cost: str, reward: str, patients: int | None) -> None:
    assert pays_from(Decimal(cost), Decimal(reward)) == patients
