"""Draws scored by a program's own rules: each draw is a scenario whose input differs, not its parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.errors import InputDataError, Problem
from openvbp.parameters import Scenario
from openvbp.program import DrawnInput, Program, RunContext
from openvbp.uncertainty.draw_files import Draws
from openvbp.uncertainty.drawn_inputs import in_place, quantities, rates, tables_drawn, with_draws

ROWS_AT_ONCE = 1_500_000
"""Input rows of the draws that are scored together: bounds memory."""
_PAIR = ["provider_id", "measure_id"]
_SHARE, _MONEY, _RATE = "decimal(18, 16)", "decimal(28, 10)", "decimal(18, 10)"
_PAYMENT = ("scenario_id", "draw", "provider_id", "component_id", "rate", "amount")
_MEASURE = ("scenario_id", "draw", "provider_id", "measure_id", "rate", "threshold", "points")
NO_PROVIDER = "the provider is not in the run"
NO_MEASURE = "the measure is not in the run"
NO_VALUE = "the run has no scored value of the measure for the provider, so nothing is replaced"


def drawn_pairs(drawn: DrawnInput, context: RunContext, draws: Draws) -> ir.Table:
    """Say of every provider and measure of the draws whether they can be used: ``rows``, and ``reason`` if not.

    A value is replaced only where the run under the rules in force scores one: draws do not make a measure count. Of
    quantities every known one is replaced.
    """
    engine = context.engine
    pairs = engine.table(draws.rows.group_by(_PAIR).aggregate([("draw", "count")]), "pair_drawn")
    known = _known(drawn, context)
    measures = known.select("measure_id", is_measure=True).distinct()
    providers = context.tables["results/provider"].select("provider_id", is_provider=True).distinct()
    usable = known.filter(_.is_usable).select(*_PAIR, is_scored=True)
    joined = pairs.left_join(providers, "provider_id").drop("provider_id_right")
    joined = joined.left_join(measures, "measure_id").drop("measure_id_right")
    joined = joined.left_join(usable, _PAIR).drop(*(f"{key}_right" for key in _PAIR))
    reason = ibis.cases(
        (joined.is_provider.isnull(), NO_PROVIDER),
        (joined.is_measure.isnull(), NO_MEASURE),
        (joined.is_scored.isnull(), NO_VALUE),
        else_=ibis.null("string"),
    )
    return engine.compute(joined.select(*_PAIR, rows=joined.draw_count, reason=reason), "pair_judged")


def _known(drawn: DrawnInput, context: RunContext) -> ir.Table:
    """Measures and quantities of the run that draws may name: provider × name, and whether they can be replaced."""
    parts = []
    results = rates(drawn, context)
    if results is not None:
        results = results.filter(_.scenario_id == context.detailed[0].scenario_id)
        usable = results.status.isin(["scored", "unverified"]) & results.rate.notnull()
        for column in drawn.columns:
            usable = usable & column.decides(results) if column.decides else usable
        parts.append(results.select(*_PAIR, is_usable=usable.fill_null(False)))  # noqa: FBT003
    found = quantities(drawn, context)
    if found is not None:
        parts.append(found.mutate(is_usable=ibis.literal(True)))  # noqa: FBT003
    if not parts:
        where = f"{context.inputs.files[0].name} and what else the run reads"
        raise InputDataError(Problem("the run has nothing that may be drawn", where, "leave out --draws"))
    return ibis.union(*parts) if len(parts) > 1 else parts[0]


def drawable(drawn: DrawnInput, context: RunContext) -> ir.Table:
    """List what decides payments and is uncertain: scenario × provider × measure or quantity."""
    detailed, parts = [one.scenario_id for one in context.detailed], []
    results = rates(drawn, context)
    if results is not None:
        results = results.filter(_.scenario_id.isin(detailed))
        scored = results.filter(_.status.isin(["scored", "unverified"]) & _.rate.notnull())
        parts.append(scored.select("scenario_id", *_PAIR))
    found = quantities(drawn, context)
    if found is not None:
        ids = context.engine.table(pa.table({"scenario_id": detailed}), "scenario_drawn")
        parts.append(found.cross_join(ids).select("scenario_id", *_PAIR))
    return ibis.union(*parts) if len(parts) > 1 else parts[0]


def demand_some(context: RunContext, pairs: ir.Table, draws: Draws) -> None:
    """Refuse draws of which none belongs to the run.

    Raises
    ------
    InputDataError
        If so.
    """
    counts = context.engine.to_arrow(pairs.group_by("reason").agg(pairs=_.count()).order_by(ibis.desc("pairs")))
    listed = counts.to_pylist()
    if all(one["reason"] is not None for one in listed):
        raise InputDataError(
            Problem(
                "no draw belongs to a scored value of the run",
                draws.name,
                "name providers and measures as RUN/results/measure_result does, for example READM-30-AMI",
                draws.rows.num_rows,
                tuple(f"{one['reason']}: {one['pairs']:,} providers and measures" for one in listed),
            )
        )


def score_draws(
    program: Program, drawn: DrawnInput, context: RunContext, draws: Draws, pairs: ir.Table
) -> dict[str, ir.Table]:
    """Score and pay every draw.

    Returns
    -------
    ``payment`` (scenario × draw × provider × component: rate, amount) and ``measure`` (scenario × draw × provider ×
    measure that is drawn: rate, threshold, points).
    """
    engine, sources = context.engine, tables_drawn(drawn, context)
    usable = pairs.filter(_.reason.isnull()).select(*_PAIR)
    values = engine.table(draws.rows, "value_drawn").semi_join(usable, _PAIR)
    values = engine.compute(values, "value_usable")
    rows = sum(int(engine.to_arrow(one.count().name("rows").as_table())["rows"][0].as_py()) for one in sources.values())
    found: dict[str, list[ir.Table]] = {"payment": [], "measure": []}
    for place, portion in enumerate(_portions(draws.number, len(context.detailed) * rows)):
        versions = [
            (replace(one, scenario_id=f"{one.scenario_id} draw {number}"), one.scenario_id, number)
            for one in context.detailed
            for number in portion
        ]
        names = engine.table(_names(versions), "draw_version")
        replaced = {
            name: engine.compute(
                with_draws(source, [one for one in drawn.columns if one.table == name], values, names),
                f"{name.replace('/', '_')}_drawn",
            )
            for name, source in sources.items()
        }
        tables = _results(program, context, [scenario for scenario, _of, _number in versions], replaced)
        kept = {"payment": tables["results/payment_result"]}
        if "results/measure_result" in tables:
            kept["measure"] = tables["results/measure_result"].semi_join(usable, _PAIR)
        for name, columns in (("payment", _PAYMENT), ("measure", _MEASURE)):
            if name in kept:
                named = _named(kept[name], names).select(*columns)
                found[name].append(engine.compute(_typed(named), f"{name}_drawn_{place}"))
    return {name: ibis.union(*parts) if len(parts) > 1 else parts[0] for name, parts in found.items() if parts}


def _portions(number: int, rows: int) -> Iterator[range]:
    at_once = max(1, ROWS_AT_ONCE // max(rows, 1))
    for first in range(1, number + 1, at_once):
        yield range(first, min(first + at_once, number + 1))


def _names(versions: Sequence[tuple[Scenario, str, int]]) -> pa.Table:
    """The scenario and the draw of each version."""
    return pa.table(
        {
            "scenario_id": [scenario.scenario_id for scenario, _of, _number in versions],
            "of_scenario": [of for _scenario, of, _number in versions],
            "draw": pa.array([number for _scenario, _of, number in versions], pa.int64()),
        }
    )


def _results(
    program: Program, context: RunContext, scenarios: Sequence[Scenario], replaced: Mapping[str, ir.Table]
) -> dict[str, ir.Table]:
    """Apply the stages that follow from replaced inputs."""
    inner, first = in_place(context, replaced)
    inner.scenarios = inner.detailed = scenarios
    for stage in program.stages[first:]:
        inner.tables.update(stage.compute(inner))
    return inner.tables


def _named(table: ir.Table, names: ir.Table) -> ir.Table:
    joined = table.inner_join(names, "scenario_id")
    return joined.mutate(scenario_id=joined.of_scenario).drop("of_scenario")


def _typed(table: ir.Table) -> ir.Table:
    types = {"rate": _SHARE if "component_id" in table.columns else _RATE, "amount": _MONEY, "threshold": _RATE}
    types["points"] = "decimal(18, 4)"
    return table.mutate(**{name: table[name].cast(kind) for name, kind in types.items() if name in table.columns})
