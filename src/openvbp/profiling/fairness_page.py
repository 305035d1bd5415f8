"""The fairness card as a page; small cells are withheld."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from openvbp.html_page import page, table
from openvbp.profiling.charts import COLOURS, Chart
from openvbp.profiling.discrimination import ALL
from openvbp.profiling.small_cells import SMALLEST_CELL, withheld_groups

_WITHHELD = "withheld"


def render_page(card: dict[str, Any]) -> str:
    """Write the page.

    Parameters
    ----------
    card
        As of :func:`openvbp.profiling.fairness.fairness_card`.
    """
    lead = (
        f'<p class="folder">{escape(card["data"])}</p><p>Predictions of <strong>{escape(card["predicted"])}</strong> '
        f"against <strong>{escape(card['outcome'])}</strong>, {card['accepted']:,} cases. Discrimination (area under "
        "the curve) says whether a model ranks patients rightly; it is blind to predictions that are too low for a "
        "whole group. Observed ÷ expected, intercept and slope are not.</p>"
    )
    columns = [column for column in dict.fromkeys(row["column"] for row in card["groups"]) if column != ALL]
    sections = [
        ("Social risk in the model", _covariates(card)),
        ("Groups", _groups(card)),
        *((f"Calibration by {column}", _calibration(card, column)) for column in columns),
        ("Within and between providers", _disparities(card)),
        ("Peer groups of providers", _peers(card)),
        ("Rows that were left out", _rejected(card)),
    ]
    return page("Fairness card", sections, lead=lead)


def _covariates(card: dict[str, Any]) -> str:
    if not card["covariates"]:
        return "<p>The model's covariates were not given: whether it adjusts for social risk is not known.</p>"
    found = card["social_risk_in_model"]
    if not found:
        return "<p>No covariate of the model is social risk.</p>"
    named = ", ".join(f"<strong>{escape(one)}</strong>" for one in found)
    return f"<p>The model adjusts for social risk, as declared: {named}. It may hide a group's worse outcomes.</p>"


def hidden_groups(card: dict[str, Any], rows: str = "groups") -> set[tuple[str, str]]:
    """Columns and groups whose figures are not shown."""
    found = set()
    for column in {row["column"] for row in card[rows]} - {ALL}:
        mine = [row for row in card[rows] if row["column"] == column]
        found |= {(column, group) for group in withheld_groups(mine)}
    return found


def _groups(card: dict[str, Any]) -> str:
    hidden = hidden_groups(card)
    header = ("Column", "Group", "Cases", "Observed", "Expected", "O/E", "Area under the curve", "Intercept", "Slope")
    rows: list[Sequence[str]] = []
    for row in card["groups"]:
        names = (escape(row["column"]), escape(row["group"]))
        if (row["column"], row["group"]) in hidden:
            rows.append((*names, *[_WITHHELD] * (len(header) - 2)))
            continue
        counts = (f"{row['cases']:,}", f"{row['observed']:,}", f"{row['expected']:,.1f}")
        rows.append(
            (
                *names,
                *counts,
                _number(row["ratio"]),
                _with_error(row["area"], row["area_standard_error"]),
                _with_error(row["intercept"], row["intercept_standard_error"]),
                _with_error(row["slope"], row["slope_standard_error"]),
            )
        )
    notes = [
        "In brackets: standard errors. Intercept: what would have to be added on the logit scale, the slope held at 1; "
        "0 is right. Slope: 1 is right.",
        f"Groups of fewer than {card['minimum']} cases have counts only.",
    ]
    if hidden:
        notes.append(f"Withheld: groups with a count below {SMALLEST_CELL}, or that would give one back.")
    return table(header, rows) + "".join(f"<p>{note}</p>" for note in notes)


def _calibration(card: dict[str, Any], column: str) -> str:
    # A group with one small band goes whole: the rest would tell it.
    hidden = hidden_groups(card) | hidden_groups(card, "bands")
    shown = [row["group"] for row in card["groups"] if row["column"] == column and (column, row["group"]) not in hidden]
    bands = [row for row in card["bands"] if row["column"] == column and row["group"] in shown]
    if not bands:
        return f"<p>Every group has a band of risk with a count below {SMALLEST_CELL}: fewer bands may be shown.</p>"
    rates = [(row, row["expected"] / row["cases"], row["observed"] / row["cases"]) for row in bands]
    highest = max(max(expected, observed) for _row, expected, observed in rates) * 1.05
    chart = Chart(
        f"Observed against predicted rate by band of risk, for each group of {column}",
        (0, highest),
        (0, highest),
        "Predicted rate",
        "Observed rate",
    )
    chart.line([(0, 0), (highest, highest)], "var(--quiet)", dashes="4 4", width=1)
    key = []
    for at, group in enumerate(shown):
        colour = COLOURS[at % len(COLOURS)]
        mine = [one for one in rates if one[0]["group"] == group]
        chart.line([(expected, observed) for _row, expected, observed in mine], colour)
        for row, expected, observed in mine:
            title = f"{column} {group}, band {row['band']}: predicted {expected:.3f}, observed {observed:.3f}"
            chart.point(expected, observed, colour, title)
        key.append((f"{column} {group}", colour))
    left_out = sum(1 for name, _group in hidden if name == column)
    note = f"<p>{left_out} groups have bands with small counts and are not drawn.</p>" if left_out else ""
    return chart.svg(key) + note


def _disparities(card: dict[str, Any]) -> str:
    hidden = hidden_groups(card)
    enough = {(row["column"], row["group"]) for row in card["groups"] if row["ratio"] is not None}
    rows = [
        (escape(row["column"]), escape(row["group"]), *(_number(row[name]) for name in ("ratio", "between", "within")))
        for row in card.get("disparities", ())
        if (row["column"], row["group"]) in enough - hidden
    ]
    note = (
        "<p>O/E is the product of two: what the group's O/E would be if everybody fared as all patients of their "
        "provider do, and how the group fares against all patients of the same providers.</p>"
    )
    return table(("Column", "Group", "O/E", "Between providers", "Within providers"), rows) + note if rows else ""


def _peers(card: dict[str, Any]) -> str:
    one = card.get("decomposition")
    if not one:
        return ""
    column, group = card["peers_by"]
    rows = []
    for peers in sorted({row["peer_group"] for row in card["providers"]}):
        mine = [row for row in card["providers"] if row["peer_group"] == peers]
        observed, expected = sum(row["observed"] for row in mine), sum(row["expected"] for row in mine)
        shares = [row["share"] for row in mine]
        shown = (
            [_WITHHELD] * 2
            if 0 < observed < SMALLEST_CELL
            else [f"{observed / expected:.3f}", f"{min(shares):.1%} to {max(shares):.1%}"]
        )
        rows.append((f"{peers}", f"{len(mine):,}", *shown))
    header = ("Peer group", "Providers", "O/E", f"Share of {column}={group}")
    note = (
        f"<p>Variance of providers' O/E, weighted by expected events: {one['total']:.4f} without peer groups; "
        f"{one['within']:.4f} within them, {one['between']:.4f} between ({one['share_between']:.1%}). Held against its "
        "peers, a provider is excused from what its peer group has in common, be it its patients' social risk or poor "
        "care.</p>"
    )
    return table(header, rows) + note


def _rejected(card: dict[str, Any]) -> str:
    rows = [(escape(reason), f"{count:,}") for reason, count in card["rejected"].items()]
    return table(("Reason", "Rows"), rows) if rows else ""


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}".replace("-", "−")


def _with_error(value: float | None, error: float | None) -> str:
    return _number(value) + (f" ({error:.3f})" if value is not None and error is not None else "")
