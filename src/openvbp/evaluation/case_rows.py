"""Rows of cases collapsed where they are: patients never leave the engine, only counts do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem

_KEYS = ("provider", "condition", "start", "end", "period")


def counted(engine: Engine, cases: ir.Table, where: str) -> pa.Table:
    """Count cases by provider, condition and window.

    Parameters
    ----------
    engine
        Where the rows are.
    cases
        A row per case, columns by role: ``provider``, ``condition``, ``start`` and ``end`` or ``period`` (texts),
        ``outcome`` and ``expected`` (numbers), and others (texts), which are the same in all rows of a cell.
    where
        Of the file, for messages.

    Returns
    -------
    A row per cell: keys, others, ``observed``, ``cases``, ``expected`` and ``variance`` if there is a model, ``rows``
    and ``without_outcome``, which count rows of the file.

    Raises
    ------
    InputDataError
        If an outcome is neither 0 nor 1, a case has an outcome and no expected probability, or others differ in a cell.
    """
    keys = [name for name in _KEYS if name in cases.columns]
    others = [name for name in cases.columns if name not in (*keys, "outcome", "expected")]
    known = _.outcome.notnull()
    sums: dict[str, Any] = {
        "observed": _.outcome.sum(),
        "cases": _.outcome.count(),
        "rows": _.count(),
        "without_outcome": _.outcome.isnull().cast("int64").sum(),
        "wrong": (known & (_.outcome != 0) & (_.outcome != 1)).cast("int64").sum(),
    }
    if "expected" in cases.columns:
        probability = ibis.ifelse(known, _.expected, ibis.null("float64"))
        # Decimals add up to the same in any order.
        exact = "decimal(18, 12)"
        sums |= {
            "expected": probability.cast(exact).sum().cast("float64"),
            "variance": (probability * (1 - probability)).cast(exact).sum().cast("float64"),
            "unexpected": (known & _.expected.isnull()).cast("int64").sum(),
        }
    for name in others:
        sums |= {name: _[name].min(), f"{name} last": _[name].max()}
    cells = engine.to_arrow(cases.group_by(keys).agg(**sums).order_by(keys))
    _demand_usable(cells, others, where)
    return cells.drop_columns([f"{name} last" for name in others])


def _demand_usable(cells: pa.Table, others: list[str], where: str) -> None:
    found = {
        "outcomes of cases are neither 0 nor 1": (_total(cells, "wrong"), "code the outcome 0 or 1, or leave it empty"),
        "cases have no expected probability": (_total(cells, "unexpected"), "score all cases with one model"),
    }
    for name in others:
        differing = pc.sum(pc.not_equal(cells[name], cells[f"{name} last"])).as_py() or 0
        what = f"'{name.removeprefix('attribute ')}' differs between cases of one provider, condition and window"
        found[what] = (differing, "take what belongs to the provider")
    problems = [Problem(what, where, remedy, count) for what, (count, remedy) in found.items() if count]
    if problems:
        raise InputDataError(problems)


def _total(cells: pa.Table, name: str) -> int:
    return int(pc.sum(cells[name]).as_py() or 0) if name in cells.column_names else 0


def rejected_rows(cells: pa.Table, reasons: Mapping[int, str]) -> dict[str, int]:
    """Count rows of the file by the reason for which they are not in a cell.

    Parameters
    ----------
    cells
        Of :func:`counted`.
    reasons
        Place of a cell that cannot be used, and why.
    """
    found: dict[str, int] = {}
    rows, without = cells["rows"].to_pylist(), cells["without_outcome"].to_pylist()
    for at, (count, missing) in enumerate(zip(rows, without, strict=True)):
        reason, rejected = (reasons[at], count) if at in reasons else ("outcome is not given or no number", missing)
        if rejected:
            found[reason] = found.get(reason, 0) + rejected
    return found
