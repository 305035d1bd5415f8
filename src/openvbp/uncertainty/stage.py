"""Draws as a stage of a run: what is written, recorded and printed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import ibis.expr.types as ir
import pyarrow.parquet as pq
from ibis import _

from openvbp.engine import cannot_write
from openvbp.errors import InputDataError, Problem
from openvbp.program import Program, RunContext, Stage
from openvbp.run_folder import RESULTS
from openvbp.uncertainty.draw_files import Draws, demand_drawn_input
from openvbp.uncertainty.intervals import coverage, measure_intervals, payment_intervals
from openvbp.uncertainty.page import render_page
from openvbp.uncertainty.scoring import demand_some, drawable, drawn_pairs, score_draws

FOLDER = "uncertainty"
PAGE = "uncertainty.html"
SURE = 0.9
"""Share of the draws from which a provider would be penalised by the rule that asks for certainty."""
_REJECTED = "rejected/draws"
_DRAWN = f"{FOLDER}/payment_draw"
_PAYMENTS, _MEASURES = (f"{RESULTS}/{name}" for name in ("payment_interval", "measure_interval"))


def draw_stage(program: Program, draws: Draws) -> Stage:
    """Make the stage that scores draws: it writes the payments of every draw, intervals, and what was rejected."""
    drawn = demand_drawn_input(program)

    def compute(context: RunContext) -> Mapping[str, ir.Table]:
        if f"{RESULTS}/payment_result" not in context.tables:
            what_to_do = "add the files from which the program pays, or leave out --draws"
            raise InputDataError(Problem("the run pays nothing that could be drawn", draws.name, what_to_do))
        pairs = drawn_pairs(drawn, context, draws)
        demand_some(context, pairs, draws)
        scored = score_draws(program, drawn, context, draws, pairs)
        is_detailed = _.scenario_id.isin([one.scenario_id for one in context.detailed])
        payments = context.tables[f"{RESULTS}/payment_result"].filter(is_detailed)
        covered = coverage(pairs, drawable(drawn, context))
        tables = {
            _DRAWN: scored["payment"].filter(_.rate.notnull() | _.amount.notnull()),
            _PAYMENTS: payment_intervals(
                scored["payment"], payments, covered, is_of_one_account=drawn.is_of_one_account
            ),
            _REJECTED: pairs.filter(_.reason.notnull()),
        }
        if "measure" in scored and _has_rows(context, scored["measure"]):
            measures = context.tables[f"{RESULTS}/measure_result"].filter(is_detailed)
            tables[_MEASURES] = measure_intervals(scored["measure"], measures)
        return tables

    return Stage(FOLDER, compute)


def _has_rows(context: RunContext, rows: ir.Table) -> bool:
    return context.engine.to_arrow(rows.filter(_.rate.notnull()).limit(1)).num_rows > 0


def forget_draws(out: Path, draws: Draws | None) -> None:
    """Remove what an earlier run with draws left in the run folder: it belongs to no run without them."""
    (out / PAGE).unlink(missing_ok=True)
    if draws is None:
        shutil.rmtree(out / FOLDER, ignore_errors=True)
        for name in (*(f"{one}.parquet" for one in (_REJECTED, _PAYMENTS, _MEASURES)), f"stages/{FOLDER}.json"):
            (out / name).unlink(missing_ok=True)


def record_draws(program: Program, draws: Draws, out: Path, title: str) -> dict[str, Any]:
    """Sum up the stage for ``run.json`` and write its page.

    Raises
    ------
    MachineError
        If the page cannot be written.
    """
    payments, rejected = (pq.read_table(out / f"{one}.parquet") for one in (_PAYMENTS, _REJECTED))
    measures = _written_now(out, _MEASURES)
    rows_rejected: dict[str, int] = {}
    for one in rejected.to_pylist():
        rows_rejected[one["reason"]] = rows_rejected.get(one["reason"], 0) + one["rows"]
    drawn = demand_drawn_input(program)
    component = drawn.component_id
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
        "is_share_of_payments": drawn.is_share_of_payments,
        "scenarios": {
            name: summarize(
                [one for one in of_component if one["scenario_id"] == name],
                [one for one in measures if one["scenario_id"] == name],
            )
            for name in scenarios
        },
    }
    try:
        (out / PAGE).write_text(render_page(title, record, of_component), encoding="utf-8")
    except OSError as error:
        raise cannot_write(out / PAGE, error) from error
    return record


def _written_now(out: Path, name: str) -> list[dict[str, Any]]:
    """Rows of a table that the stage may write; without it, one that an earlier run left is removed."""
    path = out / f"{name}.parquet"
    if name in json.loads((out / "stages" / f"{FOLDER}.json").read_text(encoding="utf-8"))["tables"]:
        return pq.read_table(path).to_pylist()
    path.unlink(missing_ok=True)
    return []


def sign(payment: Mapping[str, Any]) -> int:
    """Whether a payment of ``payment_interval`` takes money (-1) or gives it (1), by its amount, else its rate."""
    value = payment["rate"] if payment["amount"] is None else payment["amount"]
    return (value > 0) - (value < 0)


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
    taken with a probability above 0.9, and of rates above their threshold; and of amounts other than zero the median
    width of their intervals, as a share of the amount.
    """
    known = [one for one in payments if one["probability_sign_flips"] is not None]
    compared = [one for one in measures if one["probability_side_flips"] is not None]
    groups = {
        "taken": [one for one in known if sign(one) < 0],
        "neither": [one for one in known if sign(one) == 0],
        "given": [one for one in known if sign(one) > 0],
    }
    sure = [one for one in known if one["probability_taken"] > SURE]
    above = [one for one in compared if one["rate"] > one["threshold"]]
    return {
        "providers": {
            name: sum(one["draw_status"] == name for one in payments) for name in ("drawn", "partly_drawn", "not_drawn")
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
        "width_of_amounts": _width(known),
    }


def _width(payments: Sequence[Mapping[str, Any]]) -> float | None:
    widths = [
        float((one["amount_high"] - one["amount_low"]) / abs(one["amount"]))
        for one in payments
        if one["amount"] and one["amount_low"] is not None
    ]
    return round(median(widths), 6) if widths else None


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
        if not record["is_share_of_payments"] and one["width_of_amounts"] is not None:
            width = one["width_of_amounts"]
            lines.append(f"  the middle 90% of the draws spans {width:.1%} of the amount (median of providers)")
        rates = one["rates_above_threshold"]
        if rates["rates"]:
            lines.append(f"  {rates['rates']:>7,} rates above their threshold: {rates['not_so']:.1%} truly are not")
    return "\n".join(lines)
