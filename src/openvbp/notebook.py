"""Tables and charts of a finished run for notebooks, with the extra ``openvbp[notebook]``."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pyarrow.compute as pc

from openvbp.errors import Problem, UsageError
from openvbp.parameters import ACTUAL
from openvbp.reporting.explanation import explain

if TYPE_CHECKING:
    import altair
    import great_tables
    import pyarrow as pa

    from openvbp.run_folder import RunFolder

_SHOWN = ("provider_id", "provider_name", "score", "rank", "rate", "amount", "status")
_LABELS = {
    "provider_id": "Provider",
    "provider_name": "Name",
    "score": "Score",
    "rank": "Rank",
    "rate": "Share of payments",
    "amount": "Amount",
    "status": "Status",
}


def league_table(run: RunFolder, *, scenario: str = ACTUAL, component: str = "net", most: int = 25) -> great_tables.GT:
    """Show providers by score, with what they are paid.

    Parameters
    ----------
    run
        A finished run.
    scenario
        One of its scenarios.
    component
        Payment component that is shown.
    most
        How many providers: those with the best ranks; who has no score comes last, and never as zero.

    Raises
    ------
    UsageError
        If great_tables is not installed, or the run has no such scenario or component.
    """
    gt = _library("great_tables")
    rows = league_rows(run, scenario=scenario, component=component).slice(0, most)
    shown = rows.select([name for name in _SHOWN if rows[name].null_count < rows.num_rows])
    frame = shown.to_pandas()
    # The library multiplies shares by floats.
    frame = frame.astype({name: float for name in ("score", "rate", "amount") if name in frame.columns})
    table = gt.GT(frame).tab_header(title=run.title, subtitle=f"{component}, rules: {scenario}")
    table = table.cols_label(**{name: _LABELS[name] for name in shown.column_names}).sub_missing(
        missing_text="not scored"
    )
    numbers = {"score": 2, "amount": 0}
    for name, decimals in numbers.items():
        if name in shown.column_names:
            table = table.fmt_number(columns=name, decimals=decimals)
    if "rate" in shown.column_names:
        table = table.fmt_percent(columns="rate", decimals=2)
    return table.tab_source_note("Ranks are no statement of significance.")


def league_rows(run: RunFolder, *, scenario: str = ACTUAL, component: str = "net") -> pa.Table:
    """Give providers with score and payment, best rank first.

    Returns
    -------
    One row per provider: ``provider_id``, ``provider_name``, ``score``, ``rank``, ``status``; of the component
    ``rate``, ``amount`` and ``currency``, null where nothing is paid.

    Raises
    ------
    UsageError
        If the run has no such scenario or component.
    """
    run.demand_scenario(scenario)
    scores = run.read("provider_result", scenario_id=scenario)
    payments = run.read("payment_result", scenario_id=scenario)
    known = sorted(set(payments["component_id"].to_pylist()))
    if component not in known:
        what = f"the run has no payment component '{component}'"
        raise UsageError(Problem(what, str(run.path), "choose one of: " + ", ".join(known)))
    paid = payments.filter(pc.field("component_id") == component).select(["provider_id", "rate", "amount", "currency"])
    columns = ["provider_id", "provider_name", "score", "rank", "status"]
    joined = scores.select(columns).join(paid, "provider_id", join_type="left outer")
    return joined.sort_by([("rank", "ascending"), ("provider_id", "ascending")])


def payments_chart(run: RunFolder, *, scenario: str = ACTUAL, component: str = "net") -> altair.Chart:
    """Draw each provider's payment against its score; who has no score or payment is left out and counted.

    Raises
    ------
    UsageError
        If altair is not installed, or the run has no such scenario or component.
    """
    alt = _library("altair")
    rows = league_rows(run, scenario=scenario, component=component).to_pandas()
    drawn = rows.dropna(subset=["score", "amount"]).astype({"score": float, "amount": float})
    left_out = len(rows) - len(drawn)
    title = f"{run.title}: {len(drawn):,} providers" + (f", {left_out:,} without score or payment" if left_out else "")
    return (
        alt.Chart(drawn, title=title)
        .mark_circle(size=40, opacity=0.5)
        .encode(
            x=alt.X("score:Q", title="Score"),
            y=alt.Y("amount:Q", title=f"{component}, {drawn.currency.iloc[0] if len(drawn) else ''}"),
            tooltip=["provider_id", "provider_name", "score", "amount"],
        )
    )


def points_chart(run: RunFolder, provider_id: str, *, scenario: str = ACTUAL) -> altair.Chart:
    """Draw what each measure of a provider earned of what it could earn.

    Raises
    ------
    UsageError
        If altair is not installed, or the run has no such scenario or provider.
    """
    alt = _library("altair")
    explained = explain(run, provider_id, scenario_id=scenario)
    rows = run.read("measure_result", scenario_id=scenario, provider_id=provider_id).to_pandas()
    known = rows.dropna(subset=["maximum_points"]).astype({"points": float, "maximum_points": float})
    named = explained.provider.get("provider_name") or provider_id
    base = alt.Chart(known, title=f"{named}, {run.title}").encode(y=alt.Y("measure_id:N", title=None, sort="-x"))
    most = base.mark_bar(color="#d8dee6").encode(x=alt.X("maximum_points:Q", title="Points"))
    return most + base.mark_bar().encode(x="points:Q", tooltip=["measure_id", "points", "maximum_points", "status"])


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        to_do = "pip install 'openvbp[notebook]'"
        raise UsageError(Problem(f"{name} is not installed", "openvbp.notebook", to_do)) from None
