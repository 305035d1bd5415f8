"""Drift of coding: providers whose patients' coded risk rises by more than that of everybody else's."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ibis import _

from openvbp import __version__
from openvbp.engine import Engine, cannot_write
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.profiling.coded_risk import UNIT, CodedRisk, checked_risk
from openvbp.profiling.coding_change import (
    Change,
    by_provider,
    changes_of_all,
    changes_of_same,
    cumulated,
    lower_deviation,
    pooled,
)
from openvbp.profiling.drift_page import render_page
from openvbp.profiling.persistence import persistence
from openvbp.profiling.tables import demand_columns

Compared = Literal["same", "all"]
SHARES = {
    "recoded_share": ("recoded", "followed"),
    "new_share": ("new", "known"),
    "once_share": ("once", "seen_again"),
    "one_claim_share": ("one_claim", "sourced"),
    "assessed_only_share": ("assessed_only", "sourced"),
}
"""Shares of conditions: what is counted, of what (:func:`openvbp.profiling.persistence.persistence`)."""


@dataclass(frozen=True)
class Options:
    """How drift is looked for."""

    compared: Compared = "same"
    """Whose change decides: that of the same persons, adjusted, or that of all persons."""
    threshold: float = 3.0
    """Robust z from which on a provider is flagged."""
    minimum: int = 50
    """Persons that a provider needs."""
    slack: float = 0.5
    decision: float = 4.0
    """Cumulated sum from which on a provider is flagged."""


def coding_drift(
    engine: Engine,
    scores: ir.Table,
    attribution: ir.Table,
    *,
    sources: ir.Table | None = None,
    pools: ir.Table | None = None,
    options: Options | None = None,
    where: str = "scores",
) -> dict[str, Any]:
    """Look for drift of coding.

    Parameters
    ----------
    engine
        Where to compute.
    scores, attribution
        As of :func:`openvbp.profiling.coded_risk.checked_risk`.
    sources
        Where each condition was seen (:class:`openvbp.profiling.rescoring.Rescored`), if claims were looked at.
    pools
        ``provider_id``, ``pool``: health system, or vendor that codes for several providers.
    options
        See :class:`Options`.
    where
        For messages.

    Returns
    -------
    ``providers``: one row per provider and period; ``pools``: one per pool and period; ``changes``: one per pair of
    periods; ``accepted``, ``rejected``.

    Raises
    ------
    UsageError, InputDataError
        As of :func:`checked_risk`, or if no provider has enough persons in any pair of periods.
    """
    asked = options or Options()
    if asked.compared not in ("same", "all") or asked.threshold <= 0 or asked.decision <= 0 or asked.minimum < 2:
        what_to_do = "compare same or all, with a threshold above 0 and at least 2 persons"
        raise UsageError(Problem("drift cannot be looked for in this way", "--compared, --threshold", what_to_do))
    risk = checked_risk(engine, scores, attribution, where)
    rows = by_provider(engine, risk)
    changes: dict[int, dict[Compared, Change]] = {}
    for before, after in itertools.pairwise(risk.periods):
        changes[after] = {
            "all": changes_of_all(rows, before, after, asked.minimum),
            "same": changes_of_same(engine, risk, before, after, asked.minimum),
        }
    compared = {after: found[asked.compared] for after, found in changes.items()}
    if not any(np.isfinite(one.robust_z).any() for one in compared.values()):
        what = f"no providers of {asked.minimum} persons can be compared, or none differ"
        raise InputDataError(Problem(what, where, "lower --minimum, or give more persons"))
    providers = _provider_rows(rows, changes, asked)
    _add_shares(engine, risk, sources, providers)
    return {
        "openvbp": __version__,
        "data": where,
        "accepted": risk.accepted,
        "rejected": risk.rejected,
        "options": vars(asked),
        "periods": list(risk.periods),
        "changes": [_summary(after, one, asked) for after, one in compared.items()],
        "providers": providers,
        "pools": [] if pools is None else _pool_rows(engine, pools, providers, asked),
    }


def _provider_rows(
    rows: Sequence[dict[str, Any]], changes: dict[int, dict[Compared, Change]], asked: Options
) -> list[dict[str, Any]]:
    found = {
        (way, provider, after): (float(one.persons[at]), float(one.change[at]), float(one.z[at]), one.robust_z[at])
        for after, ways in changes.items()
        for way, one in ways.items()
        for at, provider in enumerate(one.provider_id)
    }
    listed = []
    for provider, mine in itertools.groupby(rows, key=lambda row: row["provider_id"]):
        periods = list(mine)
        decided = [
            _finite(found.get((asked.compared, provider, row["period"]), (0, 0, 0, math.nan))[3]) for row in periods
        ]
        for row, z, total in zip(periods, decided, cumulated(decided, asked.slack), strict=True):
            one: dict[str, Any] = {
                "provider_id": provider,
                "period": row["period"],
                "persons": row["persons"],
                "mean_coded": row["coded"] / row["persons"] / UNIT,
                "mean_demographic": _per_person(row["demographic"], row["persons"]),
                "coded_to_expected": row["coded"] / row["expected"] if row["expected"] else None,
            }
            for way in ("all", "same"):
                persons, change, plain, robust_z = found.get((way, provider, row["period"]), (0, None, None, math.nan))
                one |= {f"compared_{way}": int(persons), f"change_{way}": change}
                one |= {f"z_{way}": _finite(plain), f"robust_z_{way}": _finite(robust_z)}
            one["cumulated"] = total
            one["is_flagged"] = z is not None and z > asked.threshold
            one["is_flagged_by_sum"] = total > asked.decision
            listed.append(one)
    return listed


def _per_person(total: int | None, persons: int) -> float | None:
    return None if total is None else total / persons / UNIT


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _add_shares(engine: Engine, risk: CodedRisk, sources: ir.Table | None, providers: list[dict[str, Any]]) -> None:
    known = engine.to_arrow(risk.rows.agg(known=_.conditions.count()))["known"][0].as_py()
    counts = {(row["provider_id"], row["period"]): row for row in persistence(engine, risk, sources)} if known else {}
    for row in providers:
        mine = counts.get((row["provider_id"], row["period"]), {})
        row["conditions"] = mine.get("conditions", 0) if known else None
        for share, (part, whole) in SHARES.items():
            # What is withheld on the page is decided by counts.
            row[share.removesuffix("_share") + "_count"] = mine[part] if mine.get(whole) else None
            row[share] = mine[part] / mine[whole] if mine.get(whole) else None


def _summary(after: int, one: Change, asked: Options) -> dict[str, Any]:
    finite = one.z[np.isfinite(one.z)]
    return {
        "before": after - 1,
        "after": after,
        "providers": len(one.provider_id),
        "median_change": float(np.median(one.change)) if len(one.change) else None,
        "deviation_of_z": lower_deviation(finite) if len(finite) else None,
        "flagged": int((one.robust_z > asked.threshold).sum()),
    }


def _pool_rows(
    engine: Engine, pools: ir.Table, providers: Sequence[dict[str, Any]], asked: Options
) -> list[dict[str, Any]]:
    demand_columns(pools, ["provider_id", "pool"], "--pools")
    named = pools.select(provider_id=pools.provider_id.cast("string"), pool=pools.pool.cast("string"))
    rows = engine.to_arrow(named.filter(_.pool.notnull()).distinct().order_by("pool", "provider_id")).to_pylist()
    if len({row["provider_id"] for row in rows}) < len(rows):
        count = len(rows) - len({row["provider_id"] for row in rows})
        raise InputDataError(Problem("providers are in more than one pool", "--pools", "name one pool for each", count))
    pool_of = {row["provider_id"]: row["pool"] for row in rows}
    parts: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for row in providers:
        if row[f"robust_z_{asked.compared}"] is not None and row["provider_id"] in pool_of:
            parts.setdefault((pool_of[row["provider_id"]], row["period"]), []).append(row)
    found = []
    for (pool, period), mine in sorted(parts.items()):
        weights = [row[f"compared_{asked.compared}"] for row in mine]
        z = pooled([row[f"robust_z_{asked.compared}"] for row in mine], weights)
        found.append(
            {
                "pool": pool,
                "period": period,
                "providers": len(mine),
                "persons": sum(weights),
                "robust_z": z,
                "is_flagged": z > asked.threshold,
            }
        )
    return found


def write_drift(found: dict[str, Any], out: Path) -> None:
    """Write what was found.

    Parameters
    ----------
    found
        As of :func:`coding_drift`.
    out
        Folder; gets ``providers.parquet``, ``pools.parquet`` (with pools), ``drift.json`` and ``drift.html``. The page
        withholds shares of fewer than 11 conditions.

    Raises
    ------
    MachineError
        If a file cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in ("providers", "pools"):
            if found[name]:
                pq.write_table(pa.Table.from_pylist(found[name]), out / f"{name}.parquet", compression="zstd")
        (out / "drift.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        (out / "drift.html").write_text(render_page(found), encoding="utf-8")
    except OSError as error:
        raise cannot_write(out, error) from error
