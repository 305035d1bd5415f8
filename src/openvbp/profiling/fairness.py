"""Fairness card of a model: whether it tells cases apart, and holds, for every group."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from openvbp import __version__
from openvbp.engine import Engine, EngineName, cannot_write, open_engine
from openvbp.errors import Problem, UsageError
from openvbp.profiling.cases import Cases, checked_cases
from openvbp.profiling.discrimination import band_figures, by_value, group_figures
from openvbp.profiling.fairness_page import render_page
from openvbp.profiling.recalibration import group_recalibration
from openvbp.profiling.social_risk import against_peers, check_covariates, peer_ratios, providers_of, within_and_between
from openvbp.profiling.tables import open_table


@dataclass(frozen=True)
class Options:
    """What a card is asked for beside the columns."""

    covariates: tuple[str, ...] = ()
    """Of the model; empty where they are not known."""
    social_risk: tuple[str, ...] = ()
    """Covariates that are declared to be social risk."""
    provider: str = ""
    peers_by: tuple[str, str] | None = None
    """Column and group whose share makes the peer groups of providers, for example dual and 1."""
    peer_groups: int = 5
    bands: int = 10
    minimum: int = 50
    """Groups of fewer cases get no ratio, area or calibration."""


def fairness_card(
    engine: Engine,
    table: Any,
    *,
    outcome: str,
    predicted: str,
    groups: Sequence[str],
    options: Options | None = None,
    where: str = "cases",
) -> dict[str, Any]:
    """Compute the card of a model.

    Parameters
    ----------
    engine
        Where to compute.
    table
        Ibis table of one row per case.
    outcome, predicted, groups
        Columns: what happened (0 or 1), its predicted probability, and groups.
    options
        See :class:`Options`.
    where
        For messages.

    Returns
    -------
    ``groups`` (one row per column and group), ``bands`` (per column, group and band of risk), and with a provider
    ``providers``, ``decomposition`` and ``disparities``; ``accepted``, ``rejected`` (rows by reason), what was asked.

    Raises
    ------
    UsageError, InputDataError
        If a column is missing, no row can be used, or social risk is in the model and not declared.
    """
    asked = options or Options()
    if asked.peers_by and (not asked.provider or asked.peers_by[0] not in groups):
        what_to_do = "give --provider, and a column of --groups"
        raise UsageError(Problem("peer groups need a provider and a group", "--peers-by", what_to_do))
    declared = check_covariates(asked.covariates, asked.social_risk, groups)
    cases = checked_cases(
        engine, table, outcome=outcome, predicted=predicted, groups=groups, provider=asked.provider, where=where
    )
    values = by_value(engine, cases, asked.bands)
    fits = group_recalibration(engine, values)
    rows = [row | fits[str(row["column"]), str(row["group"])] for row in group_figures(engine, values)]
    card = {
        "openvbp": __version__,
        "data": where,
        "outcome": outcome,
        "predicted": predicted,
        "accepted": cases.accepted,
        "rejected": cases.rejected,
        "covariates": list(asked.covariates),
        "social_risk_in_model": declared,
        "minimum": asked.minimum,
        "groups": [_without_figures(row) if row["cases"] < asked.minimum else row for row in rows],
        "bands": band_figures(engine, values),
    }
    return card | (_of_providers(engine, cases, asked) if asked.provider else {})


def _without_figures(row: dict[str, Any]) -> dict[str, Any]:
    counts = ("column", "group", "cases", "observed", "expected")
    return {name: value if name in counts else None for name, value in row.items()}


def _of_providers(engine: Engine, cases: Cases, asked: Options) -> dict[str, Any]:
    providers = providers_of(engine, cases, asked.peers_by, asked.peer_groups)
    if len(providers) < 2:
        what = "all cases are of one provider: there is nothing within or between providers"
        raise UsageError(Problem(what, "--provider", "leave the option out, or give cases of several"))
    rows = [row | {"ratio": row["observed"] / row["expected"]} for row in providers if row["expected"]]
    found: dict[str, Any] = {
        "providers": rows,
        "disparities": within_and_between(engine, cases),
        "peers_by": list(asked.peers_by) if asked.peers_by else None,
    }
    if asked.peers_by:
        of_peers, variation = peer_ratios(rows)
        found["providers"] = [
            row | {"ratio_within_peers": against_peers(row["ratio"], peers)}
            for row, peers in zip(rows, of_peers, strict=True)
        ]
        found["decomposition"] = {
            "total": variation.total,
            "between": variation.between,
            "within": variation.within,
            "share_between": variation.share_between,
        }
    return found


def write_fairness_card(
    *,
    data: Path,
    out: Path,
    outcome: str,
    predicted: str,
    groups: Sequence[str],
    options: Options | None = None,
    engine: EngineName = "duckdb",
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, Any]:
    """Compute the card of a model from a file, and write it.

    Parameters
    ----------
    data
        Parquet or CSV, one row per case.
    out
        Folder; gets ``groups.parquet``, ``bands.parquet``, ``providers.parquet`` (with a provider), ``fairness.json``
        and ``fairness.html``. Tables and JSON hold every figure; the page withholds small cells.
    outcome, predicted, groups, options
        As of :func:`fairness_card`.
    engine, threads, progress
        Where to compute, and who is told.

    Raises
    ------
    UsageError, InputDataError, MachineError
        As of :func:`fairness_card`, or if a file cannot be written.
    """
    with open_engine(engine, threads) as opened:
        table = open_table(opened, data, "profiling_data")
        card = fairness_card(
            opened,
            table,
            outcome=outcome,
            predicted=predicted,
            groups=list(dict.fromkeys(groups)),
            options=options,
            where=str(data),
        )
    progress(f"{card['accepted']:,} cases looked at")
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in ("groups", "bands", "providers"):
            if card.get(name):
                pq.write_table(pa.Table.from_pylist(card[name]), out / f"{name}.parquet", compression="zstd")
        (out / "fairness.json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
        (out / "fairness.html").write_text(render_page(card), encoding="utf-8")
    except OSError as error:
        raise cannot_write(out, error) from error
    return card
