"""A cost model of a file of episodes: what is written, and what is printed. UNVERIFIED, as the model is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from openvbp import __version__
from openvbp.engine import cannot_write, open_engine
from openvbp.outcome_models.case_files import CheckedRows, check_rows, covariate_columns, nothing_left, open_file
from openvbp.outcome_models.cost_model import CostOptions, CostResult, cost_measures
from openvbp.outcome_models.cost_page import render_cost_page
from openvbp.outcome_models.result_tables import PROVIDERS, rounded

COST_MODEL = "cost_model.json"
PAGE = "costs.html"


@dataclass(frozen=True)
class CostColumns:
    """Names of the columns in the user's file; no stratum means one model for all."""

    provider: str
    cost: str
    covariates: tuple[str, ...]
    stratum: str = ""


def measure_costs(
    *,
    data: Path,
    columns: CostColumns,
    out: Path,
    options: CostOptions | None = None,
    threads: int | None = None,
) -> dict[str, Any]:
    """Compare providers by the cost of their episodes.

    Parameters
    ----------
    data
        Parquet or CSV with a row per episode, its cost price-standardized.
    columns
        Names of provider, cost, covariates and stratum.
    out
        Folder for ``providers.parquet`` (a row per provider), ``rejected.parquet``, ``cost_model.json`` and
        ``costs.html``.
    options
        Percentiles; see :class:`openvbp.outcome_models.cost_model.CostOptions`.
    threads
        Of DuckDB.

    Returns
    -------
    The content of ``cost_model.json``.

    Raises
    ------
    UsageError, InputDataError
        If columns, rows or strata cannot be used.
    MachineError
        If the results cannot be written.
    """
    asked = options or CostOptions()
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in (PROVIDERS, COST_MODEL, PAGE):
            (out / name).unlink(missing_ok=True)
    except OSError as error:
        raise cannot_write(out, error, "choose another --out") from error
    checked, rows = _read(data, columns, out, threads)
    names = covariate_columns(columns.covariates)
    values = np.column_stack([rows[name].to_numpy() for name in names]) if names else np.empty((rows.num_rows, 0))
    stratum = np.array(rows["stratum"].to_pylist()) if columns.stratum else None
    found = cost_measures(values, rows["cost"].to_numpy(), np.array(rows["provider_id"].to_pylist()), stratum, asked)
    summary = {
        "openvbp": __version__,
        "data": str(data),
        "columns": asdict(columns),
        "options": asdict(asked),
        "is_unverified": True,
        "rows_read": checked.accepted + sum(checked.rejected.values()),
        "rows_accepted": checked.accepted,
        "rows_rejected": checked.rejected,
        "episodes_left_out": int(found.left_out.sum()),
        "providers": len(found.providers),
        "strata": 1 if stratum is None else len(np.unique(stratum)),
        "mean_cost": rounded(found.overall),
        "explained": rounded(found.explained),
        "measure_quartiles": [rounded(one) for one in np.nanquantile(found.measure, [0, 0.25, 0.5, 0.75, 1])],
    }
    try:
        providers = _table(found)
        pq.write_table(providers, out / PROVIDERS)
        (out / PAGE).write_text(render_cost_page(summary, providers), encoding="utf-8")
        (out / COST_MODEL).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(out, error, "free disk space or choose another --out") from error
    return summary


def _read(data: Path, columns: CostColumns, out: Path, threads: int | None) -> tuple[CheckedRows, pa.Table]:
    """Check the rows of the file; give those that can be used, in the order of the file."""
    texts = {"provider_id": columns.provider} | ({"stratum": columns.stratum} if columns.stratum else {})
    needed = {"provider_id": "provider", "cost": "cost"} | ({"stratum": "stratum"} if columns.stratum else {})
    with open_engine("duckdb", threads) as engine:
        table = open_file(engine, data, texts, {"cost": columns.cost}, columns.covariates)
        cost = table["cost"]
        wrong = [(cost.isnan() | cost.isinf(), "cost is no finite number"), (cost < 0, "cost is below zero")]
        checked = check_rows(engine, table, needed, wrong, columns.covariates, out)
        if not checked.accepted:
            raise nothing_left(data, checked.rejected)
        return checked, engine.to_arrow(checked.kept.order_by("row_number"))


def _table(found: CostResult) -> pa.Table:
    numbers = {
        "observed_cost": found.observed,
        "expected_cost": found.expected,
        "ratio": found.ratio,
        "amount": found.amount,
        "measure": found.measure,
    }
    # Sums of floats depend on their order: the digits beyond are not written. Not a number is null.
    written = {name: pa.array(np.round(values, 6), from_pandas=True) for name, values in numbers.items()}
    counts = {"episodes": found.episodes, "episodes_left_out": found.left_out}
    return pa.table({"provider_id": list(found.providers), **counts, **written})


def render(summary: Mapping[str, Any]) -> str:
    """Write what a cost model found for a terminal."""
    quartiles: Sequence[float] = summary["measure_quartiles"]
    rejected = sum(summary["rows_rejected"].values())
    return "\n".join(
        [
            f"{summary['rows_read']:,} rows read, {summary['rows_accepted']:,} accepted, {rejected:,} rejected",
            *(f"  rejected {rows:,}: {reason}" for reason, rows in summary["rows_rejected"].items()),
            f"{summary['providers']:,} providers, {summary['strata']:,} strata, mean cost {summary['mean_cost']:,.2f}, "
            f"R² {summary['explained']:.3f}",
            f"left out for an extreme residual: {summary['episodes_left_out']:,} episodes",
            "measure, from lowest to highest quartile: " + ", ".join(f"{one:.3f}" for one in quartiles),
            "UNVERIFIED: the steps follow a summary of Medicare Spending Per Beneficiary, not its specification.",
        ]
    )
