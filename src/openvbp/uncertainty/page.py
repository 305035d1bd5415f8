"""Payments with their intervals as one HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from openvbp.html_page import page, table
from openvbp.profiling.charts import Chart

_MOST_DRAWN = 300
_MOST_LISTED = 5_000
_UNSURE, _SURE, _POINT = "var(--quiet)", "var(--stop)", "var(--bar)"
_WORDS = {"drawn": "drawn", "partly_drawn": "partly drawn", "not_drawn": "not drawn"}


def render_page(title: str, record: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """Write the page.

    Parameters
    ----------
    title
        Program and period.
    record
        What ``run.json`` says of the draws.
    rows
        ``payment_interval`` of the component that is the money.
    """
    sections = []
    for name, found in record["scenarios"].items():
        of_scenario = [one for one in rows if one["scenario_id"] == name]
        heading = "" if len(record["scenarios"]) == 1 else f", {name}"
        sections += [
            (f"What the draws say{heading}", _findings(found)),
            (f"Payments with their intervals{heading}", _chart(of_scenario, record)),
            (f"Providers{heading}", _providers(of_scenario, record)),
        ]
    rejected = "; ".join(f"{count:,} {escape(reason)}" for reason, count in record["rejected_rows"].items())
    lead = (
        f'<p class="folder">{escape(record["file"])}: {record["draws"]:,} draws, {record["rows"]:,} rows, '
        f"{record['accepted_rows']:,} accepted, {sum(record['rejected_rows'].values()):,} rejected"
        f"{': ' + rejected if rejected else ''}</p>"
    )
    return page(f"Uncertainty of payments: {title}", sections, lead=lead)


def _findings(found: Mapping[str, Any]) -> str:
    listed = [
        ("lose money", found["taken"], "providers"),
        ("neither lose nor gain", found["neither"], "providers"),
        ("gain money", found["given"], "providers"),
        ("lose money in more than 90 % of the draws", found["taken_if_sure"], "providers"),
        ("rates above their threshold", found["rates_above_threshold"], "rates"),
    ]
    rows = [(escape(words), f"{one[unit]:,}", f"{one['not_so']:.1%}") for words, one, unit in listed if one[unit]]
    counts = found["providers"]
    note = (
        f"<p>{counts['drawn']:,} providers have draws of every uncertain input, {counts['partly_drawn']:,} of some "
        f"(the others stay at the published value, so that their intervals are too short), {counts['not_drawn']:,} of "
        "none (no interval).</p>"
    )
    header = ("By the published rates", "number", "of them not, at their true rates")
    return table(header, rows) + note


def _chart(rows: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> str:
    """Draw providers by rank of their payment, with intervals: percent of payments, or amounts of money."""
    quantity, factor = ("rate", 100) if record["is_share_of_payments"] else ("amount", 1)
    known = [one for one in rows if one[quantity] is not None and one[f"{quantity}_low"] is not None]
    known.sort(key=lambda one: (one[quantity], one[f"{quantity}_high"] + one[f"{quantity}_low"], one["provider_id"]))
    if not known:
        return "<p>No provider has an interval.</p>"
    places = np.unique(np.linspace(0, len(known) - 1, min(len(known), _MOST_DRAWN)).round().astype(int))
    drawn = [known[place] for place in places]
    low, high = (
        reach(float(one[name]) * factor for one in drawn for name in (quantity, f"{quantity}_{end}"))
        for reach, end in ((min, "low"), (max, "high"))
    )
    room = max((high - low) * 0.03, 0.01)
    span = f"{low:.2f} % to {high:.2f} %" if record["is_share_of_payments"] else f"{low:,.0f} to {high:,.0f}"
    chart = Chart(
        f"Payments of {len(drawn):,} providers with intervals, from {span}",
        (0.0, float(len(drawn) + 1)),
        (low - room, high + room),
        "providers by payment, lowest first",
        "percent of base payments" if record["is_share_of_payments"] else f"amount of {record['component_id']}",
    )
    if low - room < 0 < high + room:
        chart.line([(0.0, 0.0), (float(len(drawn) + 1), 0.0)], "var(--quiet)", dashes="4 3")
    for place, one in enumerate(drawn, 1):
        colour = _UNSURE if one["probability_sign_flips"] > 0.1 else _SURE if one[quantity] < 0 else _POINT
        ends = [(float(place), float(one[f"{quantity}_{end}"]) * factor) for end in ("low", "high")]
        chart.line(ends, colour, width=1.2)
        chart.point(float(place), float(one[quantity]) * factor, colour, _title(one, record), radius=2.0)
    key = (
        ("loses money", _SURE),
        ("loses nothing", _POINT),
        ("unsure: P(sign flips) above 0.1", _UNSURE),
    )
    shown = f"{len(drawn):,} of {len(known):,} providers, evenly by rank. " if len(drawn) < len(known) else ""
    return (
        chart.svg(key) + f"<p>{shown}A line holds the middle 90 % of the draws; the dot is the payment of the run.</p>"
    )


def _title(one: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    quantity, words = ("rate", _percent) if record["is_share_of_payments"] else ("amount", _money)
    point, low, high = (words(one[name]) for name in (quantity, f"{quantity}_low", f"{quantity}_high"))
    flips = f"sign flips with probability {float(one['probability_sign_flips']):.2f}"
    return f"{one['provider_id']}: {point} ({low} to {high}), {flips}"


def _providers(rows: Sequence[Mapping[str, Any]], record: Mapping[str, Any]) -> str:
    """List providers, the least certain first: by the sign, then by the width of the interval."""
    ordered = sorted(
        rows, key=lambda one: (-float(one["probability_sign_flips"] or 0), -_width(one), one["provider_id"])
    )
    rates = ("rate", "rate_low", "rate_high") if record["is_share_of_payments"] else ()
    header = (*(("payment", "5 %", "95 %") if rates else ()), "amount", "5 %", "95 %", "P(loses)", "P(sign flips)")
    header = ("Provider", *header, "draws")
    cells = [
        (
            escape(one["provider_id"]),
            *(_percent(one[name]) for name in rates),
            *(_money(one[name]) for name in ("amount", "amount_low", "amount_high")),
            *(_probability(one[name]) for name in ("probability_taken", "probability_sign_flips")),
            _WORDS[one["draw_status"]],
        )
        for one in ordered[:_MOST_LISTED]
    ]
    left = f"<p>{len(ordered) - _MOST_LISTED:,} more in the tables.</p>" if len(ordered) > _MOST_LISTED else ""
    return table(header, cells) + left


def _width(one: Mapping[str, Any]) -> float:
    """Width of the interval as a share of the payment; none for a payment of zero or without an interval."""
    for name in ("amount", "rate"):
        if one[name] and one[f"{name}_low"] is not None:
            return float((one[f"{name}_high"] - one[f"{name}_low"]) / abs(one[name]))
    return -1.0


def _percent(value: Any) -> str:
    return "" if value is None else f"{float(value) * 100:.2f} %".replace("-", "−")


def _money(value: Any) -> str:
    return "" if value is None else f"{float(value):,.0f}".replace("-", "−")


def _probability(value: Any) -> str:
    return "" if value is None else f"{float(value):.3f}"
