"""Tables of the user's own with a row per provider and period, and the change in them when a program began."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import InputDataError, OpenvbpError, Problem, UsageError
from openvbp.estimators.cluster_robust import cluster_robust
from openvbp.estimators.difference_in_differences import difference_in_differences
from openvbp.estimators.estimate import Estimate
from openvbp.estimators.least_squares import least_squares
from openvbp.profiling.tables import (
    as_number,
    demand_columns,
    demand_some,
    first_reason,
    open_table,
    rejected_by_reason,
)

WITH_CONTROLS = "difference-in-differences against providers outside the program"
WITHOUT_CONTROLS = "before and after in the same providers: no counterfactual"


@dataclass(frozen=True)
class Panel:
    """Rows of provider × period that can be used; arrays of one length."""

    provider: np.ndarray
    period: np.ndarray
    """Numbers of the periods in order."""
    periods: tuple[str, ...]
    is_after: np.ndarray
    is_treated: np.ndarray
    weight: np.ndarray
    values: dict[str, np.ndarray]
    rejected: dict[str, int]

    @property
    def read(self) -> str:
        """How many rows were read, and why some are left out, in a sentence."""
        rejected = sum(self.rejected.values())
        reasons = "".join(f"; {count:,} because {reason}" for reason, count in self.rejected.items())
        accepted = len(self.provider)
        return f"{accepted + rejected:,} rows read, {accepted:,} accepted, {rejected:,} rejected{reasons}."

    def take(self, chosen: np.ndarray) -> Panel:
        """Keep rows."""
        arrays = (self.provider, self.period, self.is_after, self.is_treated, self.weight)
        provider, period, after, treated, weight = (one[chosen] for one in arrays)
        values = {name: one[chosen] for name, one in self.values.items()}
        return Panel(provider, period, self.periods, after, treated, weight, values, self.rejected)


def read_panel(
    engine: Engine,
    path: Path,
    *,
    values: Sequence[str],
    texts: Sequence[str] = (),
    weight: str,
    since: str,
    in_program: set[str],
) -> Panel:
    """Read a table of providers and periods.

    Parameters
    ----------
    engine
        Where it is read.
    path
        ``provider_id``, ``period``, the values and texts, the weight (above zero), and optional ``treated`` (0 or 1).
    values, texts
        Columns that must be numbers and texts; values that are not there are left out.
    weight
        Column of what a row stands for.
    since
        First period of the program.
    in_program
        Providers that are treated where the table does not say.

    Raises
    ------
    UsageError
        If a column or the first period is missing.
    InputDataError
        If no row can be used, a provider stands twice, or no period lies before, or none after, the program began.
    """
    table = open_table(engine, path, f"diagnosis_{path.stem}")
    demand_columns(table, ["provider_id", "period", weight, *texts], str(path))
    listed = [name for name in values if name in table.columns]
    read = engine.compute(_read(table, listed, texts, weight, in_program), f"diagnosis_read_{path.stem}")
    rejected = rejected_by_reason(engine, read)
    rows = engine.to_arrow(read.filter(_.reason.isnull()).order_by("provider_id", "period", *texts))
    demand_some(rows.num_rows, rejected, str(path))
    _demand_once(rows.select(["provider_id", "period", *texts]).to_pylist(), str(path))
    return _of_rows(rows, [*listed, *texts], since, rejected, str(path))


def _of_rows(rows: pa.Table, values: Sequence[str], since: str, rejected: dict[str, int], where: str) -> Panel:
    column = {name: np.array(rows[name].to_pylist()) for name in rows.column_names if name != "reason"}
    periods = sorted(set(column["period"].tolist()), key=_in_order)
    if since not in periods:
        what = f"the first period of the program, '{since}', is not in the table" if since else "no first period"
        raise UsageError(Problem(what, "--since", "choose one of: " + ", ".join(periods)))
    first = periods.index(since)
    if first == 0:
        what = "no period lies before the program"
        raise InputDataError(Problem(what, where, "give a period before --since: a change is looked for"))
    number = np.array([periods.index(one) for one in column["period"]])
    return Panel(
        provider=column["provider_id"],
        period=number,
        periods=tuple(periods),
        is_after=number >= first,
        is_treated=column["treated"].astype(bool),
        weight=column["weight"].astype(float),
        values={name: column[name] for name in values},
        rejected=rejected,
    )


def _in_order(period: str) -> tuple[float, str]:
    try:
        return float(period), period
    except ValueError:
        return float("inf"), period


def _read(table: ir.Table, values: Sequence[str], texts: Sequence[str], weight: str, in_program: set[str]) -> ir.Table:
    provider = table.provider_id.cast("string")
    treated = as_number(table.treated) if "treated" in table.columns else provider.isin(sorted(in_program) or [""])
    read = table.select(
        provider_id=provider,
        period=table.period.cast("string"),
        treated=treated.cast("float64"),
        weight=as_number(table[weight]),
        **{name: as_number(table[name]) for name in values},
        **{name: table[name].cast("string") for name in texts},
    )
    missing = [(read[name].isnull(), f"{name} is missing") for name in ("provider_id", "period", *texts)]
    numbers = [(read[name].isnull() | read[name].isnan(), f"{name} is missing or no number") for name in values]
    return read.mutate(
        reason=first_reason(
            [
                *missing,
                *numbers,
                (~(read.weight > 0).fill_null(False), f"{weight} is missing or not above 0"),  # noqa: FBT003
                (read.treated.isnull() | read.treated.notin([0.0, 1.0]), "treated is neither 0 nor 1"),
            ]
        ),
        treated=ibis.coalesce(read.treated, ibis.literal(0.0)),
    )


def _demand_once(rows: Sequence[dict[str, Any]], where: str) -> None:
    keys = [tuple(row.values()) for row in rows]
    if len(set(keys)) < len(keys):
        what = "providers stand more than once in a period"
        raise InputDataError(Problem(what, where, "give one row each", len(keys) - len(set(keys))))


def change(panel: Panel, values: np.ndarray) -> dict[str, Any]:
    """Estimate how values changed when the program began.

    Parameters
    ----------
    panel
        Providers × periods.
    values
        One per row.

    Returns
    -------
    ``method``, ``estimate``, ``standard_error``, ``low``, ``high``, ``p_value``, ``minimum_detectable_effect``,
    ``before`` (weighted mean of the treated before), ``rows``, ``treated`` and ``untreated`` providers; or ``why_not``.
    """
    _names, provider = np.unique(panel.provider, return_inverse=True)
    treated, after = panel.is_treated.astype(float), panel.is_after.astype(float)
    untreated = len(np.unique(provider[~panel.is_treated]))
    row: dict[str, Any] = {
        "method": WITH_CONTROLS if untreated else WITHOUT_CONTROLS,
        "rows": len(values),
        "treated": len(np.unique(provider[panel.is_treated])),
        "untreated": untreated,
    }
    start = panel.is_treated & ~panel.is_after
    row["before"] = float(np.average(values[start], weights=panel.weight[start])) if start.any() else None
    try:
        return row | _as_row(_estimated(panel, values, provider, treated * after, untreated > 0))
    except OpenvbpError as error:
        return row | {"why_not": error.problems[0].what}


def _estimated(
    panel: Panel,
    values: np.ndarray,
    provider: np.ndarray,
    given: np.ndarray,
    has_controls: bool,  # noqa: FBT001
) -> Estimate:
    if has_controls:
        found = difference_in_differences(values, given, unit=provider, period=panel.period, weights=panel.weight)
        return found.effect
    fit = least_squares(values, {"after": given}, fixed_effects=[provider], weights=panel.weight)
    return cluster_robust(fit, provider).estimate("after")


def _as_row(found: Estimate) -> dict[str, Any]:
    return {
        "estimate": found.estimate,
        "standard_error": found.standard_error,
        "low": found.low,
        "high": found.high,
        "p_value": found.p_value,
        "minimum_detectable_effect": found.minimum_detectable_effect,
    }
