"""Figures as SVG: a forest of estimates, the effect path, the specification curve, means at a cutoff."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from html import escape

from openvbp.evaluation.findings import Finding
from openvbp.evaluation.windows import parse_window
from openvbp.profiling.charts import COLOURS, WIDTH, Chart, ticks

_LINE = 22
_LABELS = 300
_RIGHT = 170
_BELOW = 34


def forest(rows: Sequence[Finding], unit: str) -> str:
    """Draw estimates with intervals, one line each."""
    shown = [one for one in rows if one.is_estimated and math.isfinite(one.low) and math.isfinite(one.high)]
    if not shown:
        return ""
    low, high = _span([0.0, *(one.low for one in shown), *(one.high for one in shown)])
    height = _LINE * len(shown) + _BELOW

    def across(value: float) -> float:
        return _LABELS + (value - low) / (high - low) * (WIDTH - _LABELS - _RIGHT)

    marks = []
    for value in ticks(low, high):
        x = f"{across(value):.1f}"
        marks.append(f'<line x1="{x}" y1="4" x2="{x}" y2="{height - _BELOW}"/>')
        marks.append(f'<text x="{x}" y="{height - _BELOW + 16}" text-anchor="middle">{value:g}</text>')
    zero = f"{across(0):.1f}"
    marks.append(f'<line x1="{zero}" y1="4" x2="{zero}" y2="{height - _BELOW}" style="stroke:var(--ink)"/>')
    for at, one in enumerate(shown):
        marks.append(_forest_line(one, _LINE * at + _LINE / 2 + 2, across))
    marks.append(
        f'<text x="{across((low + high) / 2):.1f}" y="{height - 2}" text-anchor="middle">{escape(unit)}</text>'
    )
    words = f"Estimates with 95 % intervals of {len(shown)} analyses"
    drawing = f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(words)}">{"".join(marks)}</svg>'
    return f"<figure>{drawing}</figure>"


def _forest_line(one: Finding, y: float, across: Callable[[float], float]) -> str:
    left, right, middle = across(one.low), across(one.high), across(one.estimate)
    colour = "var(--stop)" if one.is_significant else "var(--bar)"
    label = one.label if len(one.label) <= 46 else f"{one.label[:45]}…"
    figures = f"{one.estimate:+.3f} ({one.low:+.3f}, {one.high:+.3f})".replace("-", "−")
    return (
        f'<text x="0" y="{y + 4:.1f}" style="fill:var(--ink)">{escape(label)}</text>'
        f'<line x1="{left:.1f}" y1="{y:.1f}" x2="{right:.1f}" y2="{y:.1f}" style="stroke:{colour};stroke-width:2"/>'
        f'<circle cx="{middle:.1f}" cy="{y:.1f}" r="3.6" style="fill:{colour}"/>'
        f'<text x="{WIDTH}" y="{y + 4:.1f}" text-anchor="end">{escape(figures)}</text>'
    )


def effect_path(rows: Sequence[Finding], clocks: Sequence[tuple[str, float]], unit: str) -> str:
    """Draw the effect in each window with its interval; the days of the clocks are marked.

    Parameters
    ----------
    rows
        Of the event study: labels before or after onset are windows.
    clocks
        Name and year with fraction of each.
    unit
        Of the outcome.
    """
    shown = [one for one in rows if one.is_estimated and math.isfinite(one.low)]
    if not shown:
        return ""
    since_start = [re.match(r"([+-]\d+) windows since start", one.label) for one in shown]
    is_staggered = all(since_start)
    years = [float(one[1]) if one else _year(row.label) for one, row in zip(since_start, shown, strict=True)]
    clocks = [] if is_staggered else clocks
    places = [*years, *(year for _, year in clocks)]
    y = _span([0.0, *(one.low for one in shown), *(one.high for one in shown)])
    axis = "Windows since the provider's own start" if is_staggered else "Middle of the window, year"
    words = f"Effect in {len(shown)} windows against the last before onset, with 95 % intervals"
    chart = Chart(words, (min(places) - 0.6, max(places) + 0.6), y, axis, f"Effect, {unit}")
    chart.line([(chart.x[0], 0.0), (chart.x[1], 0.0)], "var(--ink)", width=1)
    key = [("effect in a window", COLOURS[0])]
    for (name, year), colour in zip(clocks, COLOURS[1:], strict=False):
        chart.line([(year, y[0]), (year, y[1])], colour, dashes="4 3")
        key.append((name, colour))
    for one, year in zip(shown, years, strict=True):
        chart.line([(year, one.low), (year, one.high)], COLOURS[0], width=2)
        chart.point(year, one.estimate, COLOURS[0], f"{one.label}: {one.estimate:+.3f}", radius=4.5)
    return chart.svg(key)


def curve_figure(rows: Sequence[Finding], unit: str) -> str:
    """Draw all specifications in order of their estimates, coloured by comparison group."""
    shown = sorted((one for one in rows if one.is_estimated and math.isfinite(one.low)), key=lambda one: one.estimate)
    if not shown:
        return ""
    ends = sorted([one.low for one in shown] + [one.high for one in shown])
    # A few wide intervals of small groups would flatten all others: the axis holds 95 % of the ends.
    cut = max(1, len(ends) // 40)
    inside = [0.0, ends[cut], ends[-1 - cut], shown[0].estimate, shown[-1].estimate]
    y = _span(inside)
    words = f"{len(shown)} specifications in order of their estimates, with 95 % intervals"
    chart = Chart(words, (0, len(shown) + 1), y, "Specification, by estimate", f"Estimate, {unit}")
    chart.line([(0, 0.0), (len(shown) + 1, 0.0)], "var(--ink)", width=1)
    groups = list(dict.fromkeys(one.compare for one in rows))
    colours = {name: COLOURS[at % len(COLOURS)] for at, name in enumerate(groups)}
    for at, one in enumerate(shown, start=1):
        ends_ = (max(one.low, y[0]), min(one.high, y[1]))
        chart.line([(at, ends_[0]), (at, ends_[1])], colours[one.compare], width=0.7)
    for at, one in enumerate(shown, start=1):
        chart.point(at, one.estimate, colours[one.compare], f"{one.label}: {one.estimate:+.3f}", radius=2.2)
    return chart.svg(list(colours.items()))


def cutoff_figure(bins: Sequence[tuple[float, float, int]], cutoff: float, score: str, outcome: str) -> str:
    """Draw mean outcomes of bins of the score, on both sides of the cutoff."""
    if not bins:
        return ""
    x = _span([one[0] for one in bins] + [cutoff])
    y = _span([one[1] for one in bins])
    chart = Chart(f"Mean outcome by score in {len(bins)} bins", x, y, score, outcome)
    chart.line([(cutoff, y[0]), (cutoff, y[1])], "var(--ink)", dashes="4 3")
    for place, mean, count in bins:
        colour = COLOURS[1] if place > cutoff else COLOURS[0]
        chart.point(place, mean, colour, f"{count:,} providers: {mean:.3f}", radius=4)
    return chart.svg([("at or below the cutoff", COLOURS[0]), ("above it", COLOURS[1])])


def _year(label: str) -> float:
    window = parse_window(label)
    return window.start.year + (window.start.timetuple().tm_yday + window.days / 2) / 365.25


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    room = 0.06 * (high - low) or 0.1
    return low - room, high + room
