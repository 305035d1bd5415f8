"""A cost model as one HTML page: providers by size and cost, what the model is, what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pyarrow as pa

from openvbp.html_page import page, table

_WIDTH, _HEIGHT, _LEFT, _FOOT = 900, 360, 44, 34
_MOST_DRAWN = 2_000
_MOST_LISTED = 5_000
_TICKS = (0.25, 0.5, 0.67, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0)


def render_cost_page(summary: Mapping[str, Any], providers: pa.Table) -> str:
    """Write the page.

    Parameters
    ----------
    summary
        Content of ``cost_model.json``.
    providers
        The table that is written beside it, a row per provider.
    """
    rows = sorted(
        (row for row in providers.to_pylist() if row["measure"] is not None),
        key=lambda row: (-row["measure"], row["provider_id"]),
    )
    low, middle, high = summary["measure_quartiles"][1:4]
    lead = (
        f'<p class="folder">{escape(str(summary["data"]))}</p>\n'
        f'<p class="verdict warning">{summary["providers"]:,} providers; half of their measures lie between '
        f"{low:.3f} and {high:.3f}, the median is {middle:.3f}.</p>"
    )
    unmeasured = providers.num_rows - len(rows)
    sections = [
        ("What to know", _caveats(summary, unmeasured)),
        ("Providers by size and cost", _scatter(rows)),
        ("The model", _model(summary)),
        ("Providers", _providers(rows)),
    ]
    return page("Cost model", sections, lead=lead)


def _caveats(summary: Mapping[str, Any], unmeasured: int) -> str:
    lines = ["UNVERIFIED: the steps follow a summary of Medicare Spending Per Beneficiary, not its specification."]
    if summary["episodes_left_out"]:
        lines.append(f"{summary['episodes_left_out']:,} episodes were left out for an extreme residual.")
    if unmeasured:
        lines.append(f"{unmeasured:,} providers have no measure: all their episodes were left out.")
    lines.append("No limits are computed: small providers spread by chance, as the chart shows.")
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def _scatter(rows: Sequence[Mapping[str, Any]]) -> str:
    """Draw providers by episodes and measure, both on scales of equal proportions."""
    if not rows or rows[-1]["measure"] <= 0:
        return "<p>There is nothing to draw: a measure is missing or not above zero.</p>"
    places = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MOST_DRAWN)).round().astype(int))
    drawn = [rows[place] for place in places]
    low, high = min(0.8, rows[-1]["measure"]) / 1.05, max(1.25, rows[0]["measure"]) * 1.05
    sizes = [row["episodes"] for row in drawn]
    least, most = min(sizes), max(max(sizes), min(sizes) + 1)

    def across(episodes: float) -> float:
        share = np.log(episodes / least) / np.log(most / least)
        return float(_LEFT + 8 + (_WIDTH - _LEFT - 16) * share)

    def up(measure: float) -> float:
        return float(8 + (_HEIGHT - _FOOT - 16) * (np.log(high / measure) / np.log(high / low)))

    lines = "".join(
        f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{up(one):.1f}" y2="{up(one):.1f}"/>'
        f'<text x="0" y="{up(one) + 4:.1f}">{one:g}</text>'
        for one in _TICKS
        if low <= one <= high
    )
    dots = "".join(_dot(row, across(row["episodes"]), up(row["measure"])) for row in drawn)
    words = (
        f"Measures of {len(rows):,} providers from {rows[-1]['measure']:.2f} to {rows[0]['measure']:.2f}, by episodes"
    )
    shown = f"{len(drawn):,} of {len(rows):,} providers, evenly by rank. " if len(drawn) < len(rows) else ""
    axis = (
        f'<text x="{_LEFT}" y="{_HEIGHT - 8}">{least:,} episodes</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 8}" text-anchor="end">{most:,} episodes</text>'
    )
    note = (
        f"<p>{shown}A dot is a provider, farther right with more episodes, higher with a higher measure: its mean "
        "observed over its mean expected cost, over the median of that, each provider counted once per episode. 1 is "
        "the middle.</p>"
    )
    svg = f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(words)}">{lines}{dots}{axis}</svg>'
    return f"<figure>{svg}</figure>{note}"


def _dot(row: Mapping[str, Any], x: float, y: float) -> str:
    title = (
        f"{row['provider_id']}: {row['measure']:.3f}, {row['episodes']:,} episodes, "
        f"observed {row['observed_cost']:,.0f}, expected {row['expected_cost']:,.0f}"
    )
    circle = f'<circle style="fill:var(--bar);fill-opacity:.6" cx="{x:.1f}" cy="{y:.1f}" r="3">'
    return f"{circle}<title>{escape(title)}</title></circle>"


def _model(summary: Mapping[str, Any]) -> str:
    columns, options = summary["columns"], summary["options"]
    rejected = sum(summary["rows_rejected"].values())
    reasons = "; ".join(f"{rows:,} {reason}" for reason, rows in summary["rows_rejected"].items())
    counts = f"{summary['rows_read']:,}, {summary['rows_accepted']:,}, {rejected:,}"
    facts = [
        ("Rows read, accepted, rejected", counts + (f" ({reasons})" if reasons else "")),
        ("Cost, provider", f"{columns['cost']}, {columns['provider']}"),
        ("Covariates", ", ".join(columns["covariates"]) or "none"),
        ("Strata", f"{summary['strata']:,}" + (f", by {columns['stratum']}" if columns["stratum"] else "")),
        ("Mean cost of an episode", f"{summary['mean_cost']:,.2f}"),
        ("Share of the variance of costs explained, R²", f"{summary['explained']:.3f}"),
        ("Episodes left out for an extreme residual", f"{summary['episodes_left_out']:,}"),
        ("Expected costs are raised to this percentile", f"{options['lowest_expected']:.1%}"),
        ("Percentiles of residuals kept", f"{options['lowest_residual']:.1%} to {options['highest_residual']:.1%}"),
    ]
    return table(("", ""), ((escape(name), f"<span>{escape(text)}</span>") for name, text in facts))


def _providers(rows: Sequence[Mapping[str, Any]]) -> str:
    shown = [
        (
            escape(row["provider_id"]),
            f"{row['episodes']:,}",
            f"{row['episodes_left_out']:,}",
            f"{row['observed_cost']:,.2f}",
            f"{row['expected_cost']:,.2f}",
            f"{row['ratio']:.3f}",
            f"{row['amount']:,.2f}",
            f"{row['measure']:.3f}",
        )
        for row in rows[:_MOST_LISTED]
    ]
    headings = ("Provider", "Episodes", "Left out", "Observed", "Expected", "Ratio", "Amount", "Measure")
    listed = (
        f"<p>The {_MOST_LISTED:,} of highest measure are listed; all are in providers.parquet.</p>"
        if len(rows) > _MOST_LISTED
        else ""
    )
    title = f"{len(rows):,} providers, highest measure first"
    return f"<details><summary>{title}</summary>{table(headings, shown)}{listed}</details>"
