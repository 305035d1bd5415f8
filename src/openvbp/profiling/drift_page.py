"""Drift of coding as a page; small counts are withheld."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from openvbp.html_page import page, table
from openvbp.profiling.charts import Chart
from openvbp.profiling.small_cells import is_small

MOST_LISTED = 50
_SHARES = (
    ("recoded_share", "Written again next period"),
    ("new_share", "New"),
    ("once_share", "In one period only"),
    ("one_claim_share", "On one claim"),
    ("assessed_only_share", "From assessments only"),
)


def render_page(found: dict[str, Any]) -> str:
    """Write the page.

    Parameters
    ----------
    found
        As of :func:`openvbp.profiling.drift.coding_drift`.
    """
    asked = found["options"]
    flagged = sorted({row["provider_id"] for row in found["providers"] if row["is_flagged"]})
    ways = {"same": "of the same persons, adjusted for earlier risk and contacts", "all": "of all persons"}
    known = {row["provider_id"] for row in found["providers"] if row[f"compared_{asked['compared']}"]}
    lead = (
        f'<p class="folder">{escape(found["data"])}</p><p>Coded risk {found["periods"][0]} to {found["periods"][-1]}, '
        f"{found['accepted']:,} persons × periods. <strong>{len(flagged):,} of {len(known):,} providers</strong> stand "
        f"out by the change {ways[asked['compared']]}: more than {asked['threshold']:g} robust deviations above the "
        "others. That is a reason to look at records, not a finding: patients who become more ill look the same.</p>"
    )
    charts = [
        (f"Change from {one['before']} to {one['after']}", _chart(found, one["after"])) for one in found["changes"]
    ]
    sections = [
        ("Pairs of periods", _pairs(found)),
        *charts,
        ("Providers that stand out", _listed(found)),
        ("Systems and vendors", _pools(found)),
        ("Rows that were left out", _rejected(found)),
    ]
    return page("Drift of coding", sections, lead=lead)


def _pairs(found: dict[str, Any]) -> str:
    rows = [
        (
            f"{one['before']} to {one['after']}",
            f"{one['providers']:,}",
            _number(one["median_change"], 4),
            _number(one["deviation_of_z"], 2),
            f"{one['flagged']:,}",
        )
        for one in found["changes"]
    ]
    note = (
        "<p>Deviation of z: 1 where providers differ by chance alone; above 1, coding differs between them anyway, and "
        "the limit is wider by as much. Of the same persons, less than 1 is taken as 1.</p>"
    )
    header = ("Periods", "Providers compared", "Median change", "Deviation of z", "Stand out")
    return table(header, rows) + note


def _chart(found: dict[str, Any], period: int) -> str:
    asked = found["options"]
    way = asked["compared"]
    rows = [row for row in found["providers"] if row["period"] == period and row[f"robust_z_{way}"] is not None]
    if not rows:
        return "<p>No provider has enough persons.</p>"
    sizes, z = [row[f"compared_{way}"] for row in rows], [row[f"robust_z_{way}"] for row in rows]
    words = f"Robust z of {len(rows):,} providers by persons compared; {asked['threshold']:g} and more stand out"
    y = (min(-3.5, *z) - 0.3, max(asked["threshold"] + 0.5, *z) + 0.3)
    x = (min(sizes) / 1.15, max(sizes) * 1.15)
    chart = Chart(words, x, y, "Persons compared", "Robust z of the change", is_logarithmic=True)
    chart.line([(x[0], asked["threshold"]), (x[1], asked["threshold"])], "var(--ink)", dashes="3 4")
    for row in rows:
        colour = "var(--stop)" if row["is_flagged"] else "var(--bar)"
        title = f"{row['provider_id']}: robust z {row[f'robust_z_{way}']:.1f}, change {row[f'change_{way}']:+.3f}"
        chart.point(row[f"compared_{way}"], row[f"robust_z_{way}"], colour, title)
    return chart.svg([("stands out", "var(--stop)"), ("does not", "var(--bar)")])


def _listed(found: dict[str, Any]) -> str:
    way = found["options"]["compared"]
    rows = [row for row in found["providers"] if row["is_flagged"] or row["is_flagged_by_sum"]]
    rows.sort(key=lambda row: (-(row[f"robust_z_{way}"] or 0), row["provider_id"], row["period"]))
    shown = rows[:MOST_LISTED]
    if not shown:
        return "<p>No provider stands out.</p>"
    known = [(name, label) for name, label in _SHARES if any(row[name] is not None for row in found["providers"])]
    usual = {name: _middle([row[name] for row in found["providers"] if row[name] is not None]) for name, _l in known}
    header = (
        "Provider",
        "Period",
        "Persons compared",
        "Change",
        "Robust z",
        "Same / all",
        "Cumulated",
        "Coded ÷ expected",
    )
    cells: list[Sequence[str]] = [
        (
            escape(row["provider_id"]),
            f"{row['period']}",
            f"{row[f'compared_{way}']:,}",
            _number(row[f"change_{way}"], 3),
            _number(row[f"robust_z_{way}"], 1),
            f"{_number(row['robust_z_same'], 1)} / {_number(row['robust_z_all'], 1)}",
            _number(row["cumulated"], 1),
            _number(row["coded_to_expected"], 2),
            *(_share(row, name) for name, _label in known),
        )
        for row in shown
    ]
    middle = ("median provider", *[""] * (len(header) - 1), *(_percent(usual[name]) for name, _label in known))
    note = "<p>Coded ÷ expected: coded risk against that of all persons of the same demographics.</p>"
    further = f"<p>{len(rows) - len(shown):,} more are in providers.parquet.</p>" if len(rows) > len(shown) else ""
    return table((*header, *(label for _name, label in known)), [*cells, middle]) + note + further


def _pools(found: dict[str, Any]) -> str:
    rows = [
        (
            escape(row["pool"]),
            f"{row['period']}",
            f"{row['providers']:,}",
            f"{row['persons']:,}",
            _number(row["robust_z"], 1),
            "<strong>stands out</strong>" if row["is_flagged"] else "",
        )
        for row in sorted(found["pools"], key=lambda row: (-row["robust_z"], row["pool"], row["period"]))[:MOST_LISTED]
    ]
    header = ("System or vendor", "Period", "Providers", "Persons compared", "Robust z", "")
    return table(header, rows) if rows else ""


def _rejected(found: dict[str, Any]) -> str:
    rows = [(escape(reason), f"{count:,}") for reason, count in found["rejected"].items()]
    return table(("Reason", "Rows"), rows) if rows else ""


def _share(row: dict[str, Any], name: str) -> str:
    if is_small(row[name.removesuffix("_share") + "_count"] or 0):
        return "withheld"
    return _percent(row[name])


def _middle(values: Sequence[float]) -> float | None:
    return sorted(values)[(len(values) - 1) // 2] if values else None


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.1%}"


def _number(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}".replace("-", "−")
