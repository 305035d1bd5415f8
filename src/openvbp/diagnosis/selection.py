"""Risk selection: are patients with high risk taken on less, or removed from lists, since there is a program."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
from ibis import _

from openvbp.diagnosis.panel import Panel, change
from openvbp.diagnosis.section import CannotBeMadeError, Section, number, percent
from openvbp.engine import Engine
from openvbp.estimators.estimate import from_standard_error
from openvbp.profiling.small_cells import is_small

OUTCOMES = {"expected_risk": "mean predicted risk", "removal_share": "share removed from the list"}


def selection_of_panel(panel: Panel) -> Section:
    """Estimate the change of predicted risk and of removals when the program began.

    Parameters
    ----------
    panel
        Provider × period with ``expected_risk`` (mean over its patients, by a model whose coefficients are from before
        the program) and ``removals`` (patients removed from the list), weighted by ``persons``.

    Raises
    ------
    CannotBeMadeError
        If neither can be estimated.
    """
    values = dict(panel.values)
    if "removals" in values:
        values["removal_share"] = values["removals"].astype(float) / panel.weight
    rows = [{"outcome": name, **change(panel, values[name].astype(float))} for name in OUTCOMES if name in values]
    made = [row for row in rows if "why_not" not in row]
    if not made:
        raise CannotBeMadeError(rows[0]["why_not"] if rows else "there is neither expected_risk nor removals")
    findings = [
        f"The {OUTCOMES[row['outcome']]} changed by {number(row['estimate'], 4)} ({number(row['low'], 4)} to "
        f"{number(row['high'], 4)}; before {number(row['before'], 4)}); {row['method']}; "
        f"{number(row['minimum_detectable_effect'], 4)} would have been found four times in five."
        for row in made
    ]
    return Section("selection", [*findings, panel.read], {"changes": rows})


def selection_of_persons(engine: Engine, risk: ir.Table, attribution: ir.Table) -> Section:
    """Compare the earlier risk of patients whom providers lost with that of those they kept.

    Risk is that of the period before, so that what was written after somebody left does not count.

    Parameters
    ----------
    engine
        Where to compute.
    risk
        ``person_id``, ``period``, ``risk`` by one set of coefficients.
    attribution
        ``person_id``, ``period``, ``provider_id``, one row per person and period.

    Raises
    ------
    CannotBeMadeError
        If no two periods follow each other with persons in both, or all stayed, or all left.
    """
    followed = engine.compute(_followed(risk, attribution), "diagnosis_followed")
    providers = engine.to_arrow(_by_provider(followed)).to_pylist()
    both = [row for row in providers if row["kept"] and row["left"]]
    if len({row["provider_id"] for row in both}) < 2:
        raise CannotBeMadeError("fewer than two providers kept some patients and lost others")
    total = _difference(both)
    if is_small(total["left"]) or is_small(total["kept"]):
        raise CannotBeMadeError("fewer than 11 patients left their providers, or stayed: a small number is not shown")
    listed = [
        {**row, "difference": row["risk_left"] - row["risk_kept"]}
        for row in both
        if not is_small(row["kept"]) and not is_small(row["left"])
    ]
    findings = [
        f"{total['left']:,} of {total['kept'] + total['left']:,} patients ({percent(total['left_share'])}) left their "
        f"provider for another one. Their risk of the year before, less that of the same provider's patients who "
        f"stayed, was {number(total['estimate'], 3)} ({number(total['low'], 3)} to {number(total['high'], 3)}; "
        f"{total['providers']:,} providers).",
        "Patients also leave of their own will: only a difference that began with the program, or that one provider "
        "has, speaks for selection.",
    ]
    return Section("selection", findings, {"left_or_kept": [total]}, {"providers": listed})


def _by_provider(followed: ir.Table) -> ir.Table:
    is_kept = followed.what == "kept"
    return (
        followed.group_by("period", "provider_id")
        .agg(
            kept=is_kept.sum(),
            left=(~is_kept).sum(),
            risk_kept=ibis.cases((is_kept, followed.risk)).mean(),
            risk_left=ibis.cases((~is_kept, followed.risk)).mean(),
        )
        .order_by("period", "provider_id")
    )


def _followed(risk: ir.Table, attribution: ir.Table) -> ir.Table:
    """Person and period with the provider, the risk, and what became of the two in the next period."""
    later = attribution.select("person_id", next_provider="provider_id", period=_.period - 1)
    known = risk.select("person_id", "period", "risk")
    rows = attribution.select("person_id", "period", "provider_id").inner_join(later, ["person_id", "period"])
    rows = rows.select("person_id", "period", "provider_id", "next_provider").inner_join(known, ["person_id", "period"])
    what = ibis.ifelse(rows.provider_id == rows.next_provider, ibis.literal("kept"), ibis.literal("left"))
    return rows.select("period", "provider_id", "risk", what=what)


def _difference(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean over providers of risk of those who left less that of those who stayed, weighted by those who left."""
    weight = np.array([row["left"] for row in rows], float)
    gap = np.array([row["risk_left"] - row["risk_kept"] for row in rows])
    mean = float(np.average(gap, weights=weight))
    names, provider = np.unique([row["provider_id"] for row in rows], return_inverse=True)
    scores = np.bincount(provider, weight * (gap - mean), len(names))
    error = float(np.sqrt(len(names) / (len(names) - 1) * (scores**2).sum()) / weight.sum())
    found = from_standard_error(
        mean, error, observations=len(rows), clusters=len(names), degrees_of_freedom=len(names) - 1
    )
    kept, left = sum(row["kept"] for row in rows), sum(row["left"] for row in rows)
    return {
        "kept": kept,
        "left": left,
        "left_share": left / (kept + left),
        "providers": len(names),
        "estimate": found.estimate,
        "standard_error": found.standard_error,
        "low": found.low,
        "high": found.high,
    }
