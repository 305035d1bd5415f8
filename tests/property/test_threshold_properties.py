"""Any schedule is inferred back from the points that it gives, and any other declared one is found."""

from __future__ import annotations

import random
from decimal import Decimal

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from openvbp.audit.points_schedule import PointsRow, Schedule, infer_schedule
from openvbp.audit.threshold_findings import findings
from threshold_tables import audit, declared, paid, row, schedule

_PROVIDERS = 40


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    lower = draw(st.integers(0, 85))
    return schedule(lower, draw(st.integers(lower + 5, 100)), draw(st.integers(1, 60)))


def counts(seed: int, providers: int = _PROVIDERS) -> list[tuple[int, int]]:
    """Counts of providers with 5 to 400 patients and any rate."""
    chance = random.Random(seed)
    denominators = [chance.randint(5, 400) for _ in range(providers)]
    return [(chance.randint(0, denominator), denominator) for denominator in denominators]


def published(true: Schedule, seed: int, places: int) -> list[PointsRow]:
    return [PointsRow(str(n), *one, Decimal(paid(true, *one, places))) for n, one in enumerate(counts(seed))]


@settings(max_examples=50, deadline=None)
@given(true=schedules(), seed=st.integers(0, 10**6), places=st.integers(2, 12))
def test_a_schedule_is_inferred_back_from_its_points(true: Schedule, seed: int, places: int) -> None:
    rows = published(true, seed, places)
    found = infer_schedule(rows, true.points)
    partial = {(row.numerator, row.denominator) for row in rows if 0 < row.points < true.points}
    if len(partial) < 2:
        assert found.schedules == ()
        return
    assert true in found.schedules
    if places >= 8 and len({Decimal(n) / d for n, d in partial}) > 2:
        assert found.schedule == true


@settings(max_examples=20, deadline=None)
@given(true=schedules(), wrong=schedules(), seed=st.integers(0, 10**6))
def test_a_declared_schedule_that_was_not_paid_is_found(true: Schedule, wrong: Schedule, seed: int) -> None:
    assume((true.lower, true.upper) != (wrong.lower, wrong.upper))
    rows = [row(str(n), "M", one, paid(true, *one), true.points) for n, one in enumerate(counts(seed))]
    assume(sum(0 < Decimal(one["points"]) < true.points for one in rows) > 4)
    (found,) = findings(audit(rows, {"M": declared(wrong.lower, wrong.upper, true.points)}))
    assert (found.kind, found.inferred) == ("thresholds", str(true))
    assert findings(audit(rows, {"M": declared(true.lower, true.upper, true.points)})) == []


@settings(max_examples=15, deadline=None)
@given(true=schedules(), seed=st.integers(0, 10**6), order=st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter(true: Schedule, seed: int, order: random.Random) -> None:
    rows = published(true, seed, 4)
    shuffled = rows.copy()
    order.shuffle(shuffled)
    assert infer_schedule(shuffled, true.points) == infer_schedule(rows, true.points)
