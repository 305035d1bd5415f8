"""Charts of a review."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openvbp.design_review.aspect import Aspect
from openvbp.design_review.measure_scores import RELIABLE
from openvbp.diagnosis.section import percent
from openvbp.profiling.charts import Chart

_PAID, _CHARGED, _TRULY = "var(--bar)", "var(--stop)", "var(--clean)"


def figure(aspect: Aspect) -> str:
    """Draw what an aspect has to show; empty where a table does."""
    rows = next(iter(aspect.tables.values()), ())
    drawers = {"chance": _chance, "reliability": _reliability}
    return drawers[aspect.name](rows) if rows and aspect.name in drawers else ""


def _chance(rows: Sequence[Mapping[str, Any]]) -> str:
    """Probabilities by number of members: paid or charged for nothing, and paid for true savings."""
    true = max(row["true_savings_share"] for row in rows)
    lines = [
        (f"paid with true savings of {percent(true)}", _TRULY, "paid_share", true),
        ("paid without true savings", _PAID, "paid_share", 0.0),
        ("charged without true savings", _CHARGED, "charged_share", 0.0),
    ]
    sizes = [row["members"] for row in rows]
    words = "Probability of being paid, or charged, by number of members"
    chart = Chart(words, (min(sizes) * 0.8, max(sizes) * 1.25), (0, 100), "Members", "Percent", is_logarithmic=True)
    for name, colour, column, savings in lines:
        mine = sorted((row["members"], 100 * row[column]) for row in rows if row["true_savings_share"] == savings)
        chart.line(mine, colour)
        for members, share in mine:
            chart.point(members, share, colour, f"{members:,} members, {name}: {share:.1f} %", radius=4.5)
    return chart.svg([(name, colour) for name, colour, _column, _savings in lines])


def _reliability(rows: Sequence[Mapping[str, Any]]) -> str:
    """Median reliability of each measure by its median cases."""
    known = [row for row in rows if row["median_cases"] > 0]
    if not known:
        return ""
    cases = [row["median_cases"] for row in known]
    words = "Reliability of the median provider by its cases, one point for each measure"
    ends = (min(cases) * 0.8, max(cases) * 1.25)
    chart = Chart(words, ends, (0, 1), "Median cases (or predicted events)", "Reliability", is_logarithmic=True)
    chart.line([(ends[0], RELIABLE), (ends[1], RELIABLE)], _CHARGED, dashes="4 4")
    for row in known:
        title = f"{row['measure']}: {row['median_reliability']:.2f} with {row['median_cases']:,.0f} cases"
        chart.point(row["median_cases"], row["median_reliability"], _PAID, title, radius=4.5)
    return chart.svg([("a measure", _PAID), ("reliable from here on", _CHARGED)])
