"""Draws from what a finished run knows of its measures: published ratios with expected rates, or counts of cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from openvbp.engine import open_engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.outcome_models.posterior_draws import draw_rows
from openvbp.outcome_models.rows import Floats
from openvbp.parameters import ACTUAL
from openvbp.program import DrawnColumn
from openvbp.programs import program as find_program
from openvbp.run_folder import RunFolder
from openvbp.uncertainty.count_posterior import rate_posterior
from openvbp.uncertainty.draw_files import demand_drawn_input
from openvbp.uncertainty.published_counts import approximate

MOST_ROWS = 20_000_000
"""More rows of draws do not fit into the memory of a small machine when they are paid."""


@dataclass(frozen=True)
class RunDraws:
    """Draws, how they were made, and what of each measure was drawn."""

    rows: pa.Table
    how: str
    measures: Sequence[Mapping[str, Any]]
    """measure_id, drawn, not_drawn; and tau (ratios), or alpha, beta and is_fitted (counts)."""
    not_drawn_because: str


@dataclass(frozen=True)
class _Drawn:
    """Draws of the providers of one measure (N × J), and what is told of it."""

    providers: Sequence[str]
    values: Floats
    told: Mapping[str, Any]


def draws_of_run(run: RunFolder, number: int, seed: int) -> RunDraws:
    """Draw the true rates or ratios of a finished run.

    Parameters
    ----------
    run
        Of a program whose measures are ratios of predicted over expected events, or shares of counted cases.
    number
        Draws of each.
    seed
        Zero or more.

    Raises
    ------
    UsageError
        If nothing in the run tells how uncertain its inputs are, or the draws would be too many.
    InputDataError
        If no measure has what its draws follow from.
    """
    drawn = demand_drawn_input(find_program(run.record["program"]))
    counted = next((one for one in drawn.columns if one.all_cases is not None), None)
    if not drawn.is_shrunken_ratio and counted is None:
        named = ", ".join(one.quantity or "rates of measures" for one in drawn.columns)
        what = f"nothing in a run of {run.record['program']} tells how uncertain they are: {named}"
        what_to_do = "make draws of your own, or of a model of the cases: openvbp outcomes fit --draws"
        raise UsageError(Problem(what, str(run.path), what_to_do))
    rows = _scored(run, counted)
    measures = sorted({one["measure_id"] for one in rows})
    _demand_moderate(run, len(rows), number)
    tables, facts = [], []
    for place, measure_id in enumerate(measures):
        of_measure = [one for one in rows if one["measure_id"] == measure_id]
        if counted is None:
            found = _ratios(of_measure, number, (seed, place))
        else:
            found = _rates(of_measure, counted, number, (seed, place))
        facts.append(
            {
                "measure_id": measure_id,
                "drawn": len(found.providers),
                "not_drawn": len(of_measure) - len(found.providers),
                **found.told,
            }
        )
        if found.providers:
            tables.append(draw_rows(found.providers, measure_id, found.values))
    if not tables:
        needed = "a number of cases and an expected rate" if counted is None else "counts of cases"
        what_to_do = "add a file with them, or make draws of your own"
        raise InputDataError(Problem(f"no measure of the run has {needed}", str(run.path), what_to_do, len(rows)))
    return RunDraws(pa.concat_tables(tables), _HOW[counted is None], facts, _WHY_NOT[counted is None])


_HOW = {
    True: "of each ratio, by a normal approximation from the ratio, the expected rate and the cases",
    False: "of each rate from what its cases tell: true rates differ between providers as a beta distribution does "
    "(α, β), counts of cases by chance",
}
_WHY_NOT = {
    True: "the number of cases or the expected rate is not published",
    False: "the counts are not known",
}


def _scored(run: RunFolder, counted: DrawnColumn | None) -> list[dict[str, Any]]:
    """Measure results that are scored, and from whose rate anything follows."""
    if "measure_result" not in run.tables:
        what_to_do = "add the file of measures, or make draws of your own"
        raise InputDataError(Problem("the run has no measures", str(run.path), what_to_do))
    rows = run.read("measure_result", scenario_id=ACTUAL)
    if counted is not None and counted.decides is not None:
        with open_engine() as engine:
            table = engine.table(rows, "measure_result_drawn")
            rows = engine.to_arrow(table.filter(counted.decides(table)).order_by("measure_id", "provider_id"))
    return [one for one in rows.to_pylist() if one["status"] in ("scored", "unverified") and one["rate"] is not None]


def _demand_moderate(run: RunFolder, rates: int, number: int) -> None:
    if rates * number > MOST_ROWS:
        what = f"{rates:,} rates × {number:,} draws are {rates * number:,} rows, more than {MOST_ROWS:,}"
        raise UsageError(Problem(what, str(run.path), f"give --number {max(MOST_ROWS // rates, 20):,} or less"))


def _ratios(rows: Sequence[Mapping[str, Any]], number: int, seed: Sequence[int]) -> _Drawn:
    usable = [one for one in rows if one["expected"] is not None and one["denominator"] is not None]
    if not usable:
        return _Drawn([], np.empty((number, 0)), {"tau": None})
    found = approximate(*(_column(usable, name) for name in ("rate", "expected", "denominator")))
    names = [one["provider_id"] for one in usable]
    return _Drawn(names, found.draw(number, seed), {"tau": round(found.tau, 6)})


def _rates(rows: Sequence[Mapping[str, Any]], counted: DrawnColumn, number: int, seed: Sequence[int]) -> _Drawn:
    whole = counted.all_cases or 1
    usable = [one for one in rows if one["denominator"] and 0 <= one["rate"] <= whole]
    if not usable:
        return _Drawn([], np.empty((number, 0)), {"alpha": None, "beta": None, "is_fitted": None})
    cases = _column(usable, "denominator")
    found = rate_posterior(_column(usable, "rate") / whole * cases, cases)
    told = {"alpha": round(found.alpha, 4), "beta": round(found.beta, 4), "is_fitted": found.is_fitted}
    return _Drawn([one["provider_id"] for one in usable], found.draw(number, seed) * whole, told)


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> Floats:
    return np.array([float(one[name]) for one in rows])


def render(drawn: RunDraws, number: int) -> str:
    """Write what was drawn for a terminal."""
    is_ratio = "tau" in drawn.measures[0]
    head = "   τ" if is_ratio else f"{'α':>10} {'β':>10}"
    width = max(20, *(len(one["measure_id"]) for one in drawn.measures))
    lines = [f"{number:,} draws {drawn.how}", f"{'measure':<{width}} {'drawn':>8} {'not drawn':>10} {head}"]
    for one in drawn.measures:
        told = [one["tau"]] if is_ratio else [one["alpha"], one["beta"]]
        numbers = " ".join(("" if value is None else f"{value:.4f}").rjust(10 if not is_ratio else 9) for value in told)
        note = "" if one.get("is_fitted") in (True, None) else "  nothing learned from other providers"
        lines.append(f"{one['measure_id']:<{width}} {one['drawn']:>8,} {one['not_drawn']:>10,} {numbers}{note}")
    if any(one["not_drawn"] for one in drawn.measures):
        lines.append(f"not drawn: {drawn.not_drawn_because}")
    return "\n".join(lines)
