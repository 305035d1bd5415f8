"""Draws as a stage of a run: what is written, recorded and printed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow.parquet as pq
from ibis import _

from openvbp.engine import cannot_write
from openvbp.program import Program, RunContext, Stage
from openvbp.uncertainty.draw_files import Draws, demand_drawn_input
from openvbp.uncertainty.intervals import coverage, measure_intervals, payment_intervals
from openvbp.uncertainty.page import render_page
from openvbp.uncertainty.scoring import demand_some, drawn_pairs, score_draws

FOLDER = "uncertainty"
PAGE = "uncertainty.html"
SURE = 0.9
"""Share of the draws from which a provider would be penalised by the rule that asks for certainty."""
_REJECTED = "rejected/draws"
_PAYMENTS, _MEASURES, _DRAWN = (f"{FOLDER}/{name}" for name in ("payment_interval", "measure_interval", "payment_draw"))


def draw_stage(program: Program, draws: Draws) -> Stage:
    """Make the stage that scores draws: it writes the payments of every draw, intervals, and what was rejected."""
    drawn = demand_drawn_input(program)

    def compute(context: RunContext) -> Mapping[str, ir.Table]:
        pairs = drawn_pairs(context, draws)
        demand_some(context, pairs, draws)
        scored = score_draws(program, drawn, context, draws, pairs)
        detailed = [one.scenario_id for one in context.detailed]
        measures, payments = (
            context.tables[f"results/{name}"].filter(_.scenario_id.isin(detailed))
            for name in ("measure_result", "payment_result")
        )
        return {
            _DRAWN: scored["payment"].filter(_.rate.notnull()),
            _PAYMENTS: payment_intervals(scored["payment"], payments, coverage(pairs, measures)),
            _MEASURES: measure_intervals(scored["measure"], measures),
            _REJECTED: pairs.filter(_.reason.notnull()),
        }

    return Stage(FOLDER, compute)


def forget_draws(out: Path, draws: Draws | None) -> None:
    """Remove what an earlier run with draws left in the run folder: it belongs to no run without them."""
    (out / PAGE).unlink(missing_ok=True)
    if draws is None:
        shutil.rmtree(out / FOLDER, ignore_errors=True)
        for name in (f"{_REJECTED}.parquet", f"stages/{FOLDER}.json"):
            (out / name).unlink(missing_ok=True)


def record_draws(program: Program, draws: Draws, out: Path, title: str) -> dict[str, Any]:
    """Sum up the stage for ``run.json`` and write its page.

    Raises
    ------
    MachineError
        If the page cannot be written.
    """
    payments, measures, rejected = (pq.read_table(out / f"{one}.parquet") for one in (_PAYMENTS, _MEASURES, _REJECTED))
    rows_rejected: dict[str, int] = {}
    for one in rejected.to_pylist():
        rows_rejected[one["reason"]] = rows_rejected.get(one["reason"], 0) + one["rows"]
    component = demand_drawn_input(program).component_id
    of_component = [one for one in payments.to_pylist() if one["component_id"] == component]
    scenarios = sorted({one["scenario_id"] for one in of_component})
    record = {
        "file": draws.name,
        "sha256": draws.sha256,
        "draws": draws.number,
        "rows": draws.rows.num_rows,
        "accepted_rows": draws.rows.num_rows - sum(rows_rejected.values()),
        "rejected_rows": rows_rejected,
        "component_id": component,
        "scenarios": {
            name: summarize(
                [one for one in of_component if one["scenario_id"] == name],
                [one for one in measures.to_pylist() if one["scenario_id"] == name],
            )
            for name in scenarios
        },
    }
    try:
        (out / PAGE).write_text(render_page(title, record, of_component), encoding="utf-8")
    except OSError as error:
        raise cannot_write(out / PAGE, error) from error
    return record


def summarize(payments: Sequence[Mapping[str, Any]], measures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Say how many are paid less than the rest by chance, as the draws have it.

    Parameters
    ----------
    payments
        Rows of ``payment_interval`` of one scenario and component.
    measures
        Rows of ``measure_interval`` of the scenario.

    Returns
    -------
    Counts of providers by status; and of those from whom money is taken, those to whom it is given and those of
    neither, how many there are and the mean probability that the sign is another; the same of providers from whom it is
    taken with a probability above 0.9, and of rates above their threshold.
    """
    known = [one for one in payments if one["probability_sign_flips"] is not None]
    compared = [one for one in measures if one["probability_side_flips"] is not None]
    groups = {
        "taken": [one for one in known if one["rate"] < 0],
        "neither": [one for one in known if one["rate"] == 0],
        "given": [one for one in known if one["rate"] > 0],
    }
    sure = [one for one in known if one["probability_taken"] > SURE]
    above = [one for one in compared if one["rate"] > one["threshold"]]
    return {
        "providers": {
            name: sum(one["status"] == name for one in payments) for name in ("drawn", "partly_drawn", "not_drawn")
        },
        **{name: _group(rows, "probability_sign_flips") for name, rows in groups.items()},
        "taken_if_sure": {
            "providers": len(sure),
            "not_so": _mean([1 - one["probability_taken"] for one in sure]),
        },
        "rates_above_threshold": {
            "rates": len(above),
            "not_so": _mean([one["probability_side_flips"] for one in above]),
        },
    }


def _group(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    return {"providers": len(rows), "not_so": _mean([one[name] for one in rows])}


def _mean(values: Sequence[Any]) -> float | None:
    return round(float(sum(values) / len(values)), 6) if values else None


def render(record: Mapping[str, Any]) -> str:
    """Write what the draws found for a terminal."""
    lines = [
        f"draws: {record['rows']:,} rows read, {record['accepted_rows']:,} accepted, "
        f"{sum(record['rejected_rows'].values()):,} rejected; {record['draws']:,} draws of each provider and measure",
        *(f"  rejected {rows:,}: {reason}" for reason, rows in record["rejected_rows"].items()),
    ]
    for name, one in record["scenarios"].items():
        counts = one["providers"]
        lines += [
            f"{name}, {record['component_id']}: {counts['drawn']:,} providers drawn, "
            f"{counts['partly_drawn']:,} partly, {counts['not_drawn']:,} not drawn (no interval)",
            *(
                f"  {found['providers']:>7,} {words}: {found['not_so']:.1%} of them would {other}"
                for words, other, found in (
                    ("lose money", "not, at their true rates", one["taken"]),
                    ("neither lose nor gain", "do one of the two, at their true rates", one["neither"]),
                    ("gain money", "not, at their true rates", one["given"]),
                    (
                        f"lose money in more than {SURE:.0%} of the draws",
                        "not, at their true rates",
                        one["taken_if_sure"],
                    ),
                )
                if found["providers"]
            ),
        ]
        rates = one["rates_above_threshold"]
        if rates["rates"]:
            lines.append(f"  {rates['rates']:>7,} rates above their threshold: {rates['not_so']:.1%} truly are not")
    return "\n".join(lines)
