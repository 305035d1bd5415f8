"""The figures that rules are compared by at first sight, and how figures are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from openvbp.attribution_comparison.comparison import Comparison


def overview(found: Comparison) -> list[dict[str, Any]]:
    """One row per rule: the figures that are looked at first; none where a figure is not defined for the rule.

    Parameters
    ----------
    found
        A comparison.

    Returns
    -------
    ``rule``, ``assigned``, ``churn``, ``visit_share``, ``charge_share``, ``agreement`` and ``kappa`` with the
    reference, ``median_panel``, ``reliability``, ``changed_class``, ``dollars_moved``.
    """
    assigned = {row["rule"]: row["value"] for row in found.assigned if row["stratum"] == "all"}
    care = {row["rule"]: row for row in found.care if row["stratum"] == "all"}
    churn, panels = by_rule(found.churn), by_rule(found.panels)
    reliability, sensitivity = by_rule(found.reliabilities), by_rule(found.sensitivity)
    pairs = {frozenset((row["rule"], row["other_rule"])): row for row in found.agreements}
    rows = []
    for one in found.rules:
        rule = one["rule"]
        pair = pairs.get(frozenset((rule, found.reference)), {})
        rows.append(
            {
                "rule": rule,
                "assigned": assigned.get(rule),
                "churn": churn.get(rule, {}).get("churn"),
                "visit_share": care.get(rule, {}).get("visit_share"),
                "charge_share": care.get(rule, {}).get("charge_share"),
                "agreement": pair.get("agreement"),
                "kappa": pair.get("kappa"),
                "median_panel": panels.get(rule, {}).get("percentile_50"),
                "reliability": reliability.get(rule, {}).get("reliability"),
                "changed_class": sensitivity.get(rule, {}).get("changed_class"),
                "dollars_moved": sensitivity.get(rule, {}).get("dollars_moved"),
            }
        )
    return rows


def render_text(found: Comparison) -> str:
    """Write the overview for a terminal."""
    header = ("rule", "assigned", "churn", "visits", "charges", "same", "kappa", "panel", "reliab.", "class", "$ moved")
    rows = [[row["rule"], *(text for _name, text in cells(row))] for row in overview(found)]
    widths = [max(len(line[at]) for line in [header, *rows]) for at in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in [header, *rows]
    ]
    unverified = [one["rule"] for one in found.rules if not one["is_verified"]]
    notes = [
        f"Attribution in {found.period}; churn from {found.previous_period}.",
        f"same, kappa, class and $ moved: against {found.reference}.",
        "visits, charges: median share of a person's ambulatory visits and charges with the assigned unit.",
        "class: share of units in another third by cost.",
        "$ moved: half of all changes of a payment that withholds a share of cost and returns it by rank.",
    ]
    if unverified:
        notes.append("Not verified in their sources: " + ", ".join(unverified) + ".")
    return "\n".join([*lines, "", *notes])


def cells(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Texts of the figures of a row of the overview, in order, by name."""
    shares = ("assigned", "churn", "visit_share", "charge_share", "agreement")
    return [
        *((name, percent(row[name])) for name in shares),
        ("kappa", decimal(row["kappa"], 2)),
        ("median_panel", decimal(row["median_panel"], 0)),
        ("reliability", decimal(row["reliability"], 2)),
        ("changed_class", percent(row["changed_class"])),
        ("dollars_moved", money(row["dollars_moved"])),
    ]


def percent(value: float | None) -> str:
    """A share as a text; a dash where there is none."""
    return "–" if value is None else f"{100 * value:.1f} %"


def decimal(value: float | None, places: int) -> str:
    """A number as a text; a dash where there is none."""
    return "–" if value is None else f"{value:,.{places}f}"


def money(value: Decimal | None) -> str:
    """Whole dollars as a text; a dash where there are none."""
    return "–" if value is None else f"${value:,.0f}"


def by_rule(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Rows by their rule."""
    return {row["rule"]: row for row in rows}
