"""Draws in every program that pays by uncertain inputs: who gets another's value gets the other's payment."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from draws_files import EXCHANGES, Exchange
from openvbp.outcome_models.posterior_draws import draw_rows, write_draws
from openvbp.pipeline import run
from openvbp.programs import program, program_ids
from openvbp.run_folder import RunFolder
from openvbp.uncertainty.run_draws import draws_of_run

AS_GIVEN, EXCHANGED, ALL_MOVED = 10, 6, 4
"""Draws in which all keep their value, in which the first two exchange theirs, in which each gets the next one's."""


def orders(made: Exchange) -> list[list[int]]:
    """Of each draw, whose value each provider gets."""
    places = list(range(len(made.values)))
    exchanged = [1, 0, *places[2:]]
    moved = [*places[1:], 0]
    return [places] * AS_GIVEN + [exchanged] * EXCHANGED + [moved] * ALL_MOVED


def drawn(made: Exchange) -> pa.Table:
    values = np.array(list(made.values.values()))
    return draw_rows(list(made.values), made.name, np.array([values[order] for order in orders(made)]))


def paid(finished: RunFolder) -> dict[tuple[str, str], tuple[object, object]]:
    rows = finished.read("payment_result", scenario_id="actual").to_pylist()
    return {(one["provider_id"], one["component_id"]): (one["rate"], one["amount"]) for one in rows}


def direction(payment: tuple[object, object]) -> int:
    rate, amount = payment
    value = float(rate if amount is None else amount)  # type: ignore[arg-type]
    return (value > 0) - (value < 0)


def settled(name: str, folder: Path) -> RunFolder:
    made, file = EXCHANGES[name], folder / "draws.parquet"
    made.write(folder / "FILES", made.values)
    write_draws(drawn(made), file)
    return run(made.program, period=made.period, data=folder / "FILES", out=folder / "RUN", draws=file, threads=1)


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_drawn_value_is_paid_as_it_is_where_it_stands(name: str, tmp_path: Path) -> None:
    made, finished = EXCHANGES[name], settled(name, tmp_path)
    assert finished.record["draws"]["rejected_rows"] == {}
    payments, names = paid(finished), list(made.values)
    component = finished.record["draws"]["component_id"]
    net = [payments[one, component] for one in names]
    assert len(set(net)) > 1
    # Payments of the value in whose place a provider is put.
    expected = {
        (provider, one, draw): payments[names[order[place]], one]
        for draw, order in enumerate(orders(made), 1)
        for place, provider in enumerate(names)
        for one in {component_id for _provider, component_id in payments}
    }
    rows = pq.read_table(finished.path / "uncertainty" / "payment_draw.parquet").to_pylist()
    rows = [one for one in rows if one["provider_id"] in names]
    found = {(one["provider_id"], one["component_id"], one["draw"]): (one["rate"], one["amount"]) for one in rows}
    assert found == {key: value for key, value in expected.items() if value != (None, None)}
    flips = {
        provider: sum(direction(net[order[place]]) != direction(net[place]) for order in orders(made)) / 20
        for place, provider in enumerate(names)
    }
    assert any(flips.values())
    intervals = {
        one["provider_id"]: one
        for one in finished.read("payment_interval").to_pylist()
        if one["component_id"] == component and one["provider_id"] in names
    }
    assert {key: float(one["probability_sign_flips"]) for key, one in intervals.items()} == pytest.approx(flips)
    for one in intervals.values():
        assert one["amount_low"] <= one["amount"] <= one["amount_high"]
    if name == "mips":
        # Percentages beside numbers of cases are counts too.
        means = draws_of_run(finished, 200, 1).rows.group_by("provider_id").aggregate([("value", "mean")]).to_pylist()
        assert {one["provider_id"]: one["value_mean"] for one in means} == pytest.approx(made.values, abs=1.5)


def test_every_program_is_drawn_or_says_why_not() -> None:
    for one in program_ids():
        found = program(one)
        assert (found.drawn_input is None) == bool(found.why_not_drawn), one
