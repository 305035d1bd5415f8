"""Cases of an outcome model: one row per case, with what happened, what was predicted, and groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.profiling.tables import as_number, demand_columns, demand_some, first_reason, rejected_by_reason

PROBABILITY_DECIMALS = 9
"""Predicted probabilities are rounded to so many decimals and then summed as whole numbers: exact on every engine."""
ONE = 10**PROBABILITY_DECIMALS
NOT_KNOWN = "not known"
"""Group of cases whose group is missing."""
MOST_GROUPS = 50


@dataclass(frozen=True)
class Cases:
    """Checked cases."""

    rows: ir.Table
    """One row per accepted case: ``units`` (predicted probability × 10⁹), ``event`` (0 or 1), ``group_N`` (text) for
    each column of groups, ``provider_id`` where one was named."""
    groups: tuple[str, ...]
    accepted: int
    rejected: dict[str, int]
    """Rows by reason."""


def checked_cases(
    engine: Engine,
    rows: ir.Table,
    *,
    outcome: str,
    predicted: str,
    groups: Sequence[str],
    provider: str = "",
    where: str,
) -> Cases:
    """Tell cases that can be used from those that cannot.

    Parameters
    ----------
    engine
        Where to compute; the rows are kept.
    rows
        One row per case.
    outcome, predicted
        Columns: 0 or 1 (or truth values), and a probability.
    groups
        Columns of groups; a missing group is a group of its own, :data:`NOT_KNOWN`.
    provider
        Column of the provider, empty for none.
    where
        For messages.

    Raises
    ------
    UsageError
        If a column is not there.
    InputDataError
        If there is no group to look at, no case can be used, or a column of groups has more than
        :data:`MOST_GROUPS` values.
    """
    if not groups:
        raise InputDataError(Problem("no column of groups is named", where, "name at least one, for example dual"))
    demand_columns(rows, [outcome, predicted, *groups, *([provider] if provider else [])], where)
    probability, happened = as_number(rows[predicted]), as_number(rows[outcome])
    read = rows.select(
        probability=probability,
        happened=happened,
        **{f"group_{at}": rows[name].cast("string").fill_null(NOT_KNOWN) for at, name in enumerate(groups)},
        provider_id=rows[provider].cast("string") if provider else ibis.literal(""),
        is_without_prediction=rows[predicted].isnull(),
        is_without_outcome=rows[outcome].isnull(),
    )
    reason = first_reason(
        [
            (read.is_without_prediction, "predicted probability is missing"),
            (read.probability.isnull(), "predicted probability is not a number"),
            (~read.probability.between(0, 1), "predicted probability is outside 0 to 1"),
            (read.is_without_outcome, "outcome is missing"),
            (read.happened.isnull() | read.happened.notin((0, 1)), "outcome is neither 0 nor 1"),
            (read.provider_id.isnull(), "provider is missing"),
        ]
    )
    checked = engine.compute(read.mutate(reason=reason), "profiling_read")
    rejected = rejected_by_reason(engine, checked)
    right = checked.filter(_.reason.isnull())
    accepted = engine.to_arrow(right.agg(rows=_.count()))["rows"][0].as_py()
    demand_some(accepted, rejected, where)
    kept = right.select(
        *(f"group_{at}" for at in range(len(groups))),
        "provider_id",
        units=(right.probability * float(ONE)).round().cast("int64"),
        event=right.happened.round().cast("int64"),
    )
    kept = engine.compute(kept, "profiling_cases")
    _check_groups(engine, kept, groups, where)
    return Cases(kept, tuple(groups), accepted, rejected)


def _check_groups(engine: Engine, rows: ir.Table, groups: Sequence[str], where: str) -> None:
    counted = engine.to_arrow(rows.agg(**{f"group_{at}": rows[f"group_{at}"].nunique() for at in range(len(groups))}))
    many = {name: counted[f"group_{at}"][0].as_py() for at, name in enumerate(groups)}
    wide = [f"{name}: {values:,} values" for name, values in many.items() if values > MOST_GROUPS]
    if wide:
        what_to_do = f"cut it into at most {MOST_GROUPS} groups, for example fifths"
        raise InputDataError(Problem("a column of groups has too many values", where, what_to_do, len(wide), (*wide,)))
