"""Charts of the report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from openvbp.diagnosis.provider_groups import UNKNOWN
from openvbp.diagnosis.section import Section, percent
from openvbp.profiling.charts import COLOURS, Chart

_BELOW, _ABOVE, _LINE, _OTHER = "var(--stop)", "var(--bar)", "var(--ink)", "var(--quiet)"


def charts(section: Section) -> list[tuple[str, str]]:
    """Draw what a section has to show.

    Returns
    -------
    Caption and SVG of each chart.
    """
    drawn = {
        "bunching": _bunching,
        "put-back": _put_back,
        "exclusions": _exclusions,
        "multitasking": _multitasking,
        "penalties": _penalties,
        "equity": _equity,
    }.get(section.name)
    return drawn(section) if drawn else []


def _bunching(section: Section) -> list[tuple[str, str]]:
    rows = section.tables["histogram"]
    top = max(max(row["observed"], row["fitted"]) for row in rows) * 1.05
    words = (
        "Providers' measures by patients above what the threshold needs, with the smooth line that would be expected"
    )
    span = (rows[0]["patients_above_need"] - 1, rows[-1]["patients_above_need"] + 1)
    chart = Chart(words, span, (0, top), "Patients above the need", "Provider × measures")
    chart.line([(-0.5, 0), (-0.5, top)], _OTHER, dashes="4 3")
    chart.line([(row["patients_above_need"], row["fitted"]) for row in rows], _LINE, dashes="5 3")
    for row in rows:
        at, count = row["patients_above_need"], row["observed"]
        colour = _BELOW if at < 0 else _ABOVE
        chart.line([(at, 0), (at, count)], colour, width=9)
        chart.point(at, count, colour, f"{at:+d} patients: {count:,}, expected {row['fitted']:,.0f}")
    key = (("short of the threshold", _BELOW), ("enough", _ABOVE), ("expected without bunching", _LINE))
    drawn = [("Patients above what the threshold needs", chart.svg(key))]
    return drawn + _placebo(section)


def _placebo(section: Section) -> list[tuple[str, str]]:
    rows = section.tables["placebo"]
    if not rows:
        return []
    (true,) = section.tables["threshold"]
    listed = [*({"shift": 0} | dict(true) for _once in (0,)), *rows]
    low = min(row["shift"] for row in listed) - 1
    high = max(row["shift"] for row in listed) + 1
    tops = [row["missing_high"] for row in listed if math.isfinite(row["missing_high"])]
    words = "Share of the expected rows that are just below the threshold, and below placebo thresholds"
    chart = Chart(
        words,
        (low, high),
        (0, max(1.5, min(2.5, max(tops))) * 1.02),
        "Percentage points from the threshold",
        "Observed ÷ expected, 1 to 4 short",
    )
    chart.line([(low, 1), (high, 1)], _OTHER, width=1)
    for row in listed:
        colour = _BELOW if row["shift"] == 0 else _ABOVE
        chart.line([(row["shift"], row["missing_low"]), (row["shift"], min(row["missing_high"], chart.y[1]))], colour)
        title = (
            f"{row['shift']:+d} points: {row['missing']:.2f} ({row['missing_low']:.2f} to {row['missing_high']:.2f})"
        )
        chart.point(row["shift"], row["missing"], colour, title, radius=4)
    return [("The same where nothing is to be gained", chart.svg((("threshold", _BELOW), ("placebo", _ABOVE))))]


def _put_back(section: Section) -> list[tuple[str, str]]:
    last = section.tables["periods"][-1]["period"]
    rows = [row for row in section.tables["measures"] if row["period"] == last and row["left_out_share"] is not None]
    if not rows:
        return []
    words = f"Achievement of {len(rows)} measures in {last} as reported, and with everybody put back"
    chart = Chart(words, (0, len(rows) + 1), (0, 100), "Measures, most left out first", "Percent achieved")
    for at, row in enumerate(rows, 1):
        reported, whole = 100 * row["reported"], 100 * row["in_population"]
        chart.line([(at, reported), (at, whole)], _OTHER)
        said = f"{row['measure_id']}: reported {reported:.1f} %, in the population {whole:.1f} %"
        chart.point(at, reported, _ABOVE, said)
        chart.point(at, whole, _BELOW, said)
    key = (("as reported", _ABOVE), ("everybody put back", _BELOW))
    return [(f"Reported and population achievement, {last}", chart.svg(key))]


def _exclusions(section: Section) -> list[tuple[str, str]]:
    rows = [
        (f"{row['method']}, {row['estimate_of']}", row["percentage_points"], row["low"], row["high"], True)
        for row in section.tables["estimates"]
        if "why_not" not in row
    ]
    label = "Estimates, in the order of the table"
    return [("Left out after a missed threshold", _intervals(rows, label, "Percentage points", ()))]


def _multitasking(section: Section) -> list[tuple[str, str]]:
    rows = [
        (row["outcome"], row["estimate"], row["low"], row["high"], not row["is_paid_for"])
        for row in section.tables["outcomes"]
        if math.isfinite(row.get("low", math.nan))
    ]
    key = (("not paid for", _BELOW), ("paid for", _ABOVE))
    label = "Outcomes, in the order of the table"
    return [("Change when the program began", _intervals(rows, label, "Unit of the outcome", key))] if rows else []


def _intervals(
    rows: Sequence[tuple[str, float, float, float, bool]], x: str, y: str, key: Sequence[tuple[str, str]]
) -> str:
    """Draw estimates with their intervals beside a line at zero."""
    low, high = min(0.0, *(row[2] for row in rows)), max(0.0, *(row[3] for row in rows))
    room = 0.05 * (high - low)
    words = "Estimates with 95 % intervals: " + "; ".join(f"{row[0]} {row[1]:.2f}" for row in rows)
    chart = Chart(words, (0, len(rows) + 1), (low - room, high + room), x, y)
    chart.line([(0, 0), (len(rows) + 1, 0)], _OTHER)
    for at, (name, estimate, lower, upper, is_main) in enumerate(rows, 1):
        colour = _BELOW if is_main else _ABOVE
        chart.line([(at, lower), (at, upper)], colour, width=2)
        chart.point(at, estimate, colour, f"{name}: {estimate:.3f} ({lower:.3f} to {upper:.3f})", radius=4.5)
    return chart.svg(key)


def _penalties(section: Section) -> list[tuple[str, str]]:
    rows = [row for row in section.tables["transitions"] if row["share"] is not None]
    if not rows:
        return []
    words = "Share of providers penalised in a later period, by whether they were before, with 95 % intervals"
    chart = Chart(
        words, (0, len(rows) / 2 + 1), (0, 100), "Pairs of periods, in the order of the table", "Percent penalised"
    )
    for at, row in enumerate(rows):
        place = at // 2 + 1 + (0.08 if at % 2 else -0.08)
        colour = _BELOW if row["is_penalised_before"] else _ABOVE
        chart.line([(place, 100 * row["low"]), (place, 100 * row["high"])], colour, width=2)
        state = "penalised" if row["is_penalised_before"] else "others"
        title = f"{row['before']} to {row['after']}, {state}: {percent(row['share'])}; by lot {percent(row['chance'])}"
        chart.point(place, 100 * row["share"], colour, title, radius=4.5)
        chart.line([(place - 0.3, 100 * row["chance"]), (place + 0.3, 100 * row["chance"])], _OTHER, dashes="3 3")
    key = (("penalised before", _BELOW), ("others", _ABOVE), ("if penalties fell by lot", _OTHER))
    return [("Who is penalised again", chart.svg(key))]


def _equity(section: Section) -> list[tuple[str, str]]:
    drawn = []
    rows = [row for row in section.tables["rates"] if row["share"] is not None and row["group"] != UNKNOWN]
    for column in dict.fromkeys(row["by"] for row in rows):
        mine = [row for row in rows if row["by"] == column]
        drawn.append((f"Penalised by {column}", _shares(column, mine)))
    return drawn


def _shares(column: str, rows: Sequence[Mapping[str, Any]]) -> str:
    groups = list(dict.fromkeys(row["group"] for row in rows))
    periods = list(dict.fromkeys(row["period"] for row in rows))
    top = min(100.0, 100 * max(row["high"] for row in rows) * 1.1)
    words = f"Share penalised by {column}: {', '.join(groups)}, in {', '.join(periods)}, with 95 % intervals"
    label = " · ".join(f"{at} {group}" for at, group in enumerate(groups, 1))
    chart = Chart(words, (0.5, len(groups) + 0.5), (0, top), label, "Percent penalised")
    for row in rows:
        offset = (periods.index(row["period"]) - (len(periods) - 1) / 2) * 0.6 / max(len(periods), 2)
        place = groups.index(row["group"]) + 1 + offset
        colour = COLOURS[periods.index(row["period"]) % len(COLOURS)]
        chart.line([(place, 100 * row["low"]), (place, min(top, 100 * row["high"]))], colour, width=2)
        title = f"{row['period']}, {row['group']}: {percent(row['share'])} of {row['providers']:,}"
        chart.point(place, 100 * row["share"], colour, title, radius=4.5)
    return chart.svg([(period, COLOURS[at % len(COLOURS)]) for at, period in enumerate(periods)])
