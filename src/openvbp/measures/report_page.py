"""The page of a run of measures: rates, who answers for each measure, how units differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import pyarrow as pa

from openvbp.html_page import page as html_page
from openvbp.html_page import table
from openvbp.measures.rates import ALL

SMALLEST_CELL = 11
"""Rates of units with fewer subjects are not shown (CMS cell size policy)."""


def page(summary: Mapping[str, Any], found: pa.Table) -> str:
    """Write the page.

    Parameters
    ----------
    summary
        Of :func:`openvbp.measures.run.run_measures`.
    found
        Rates, as of :func:`openvbp.measures.rates.rates`.
    """
    rows = found.to_pylist()
    overall = [row for row in rows if row["unit"] == ALL]
    warning = ""
    if summary["is_incomplete"]:
        warning = "<p><strong>Value sets were missing: these results are for exploration only.</strong></p>"
    lead = (
        f"<p>Periods: {escape(', '.join(summary['periods']))}. Counts below {SMALLEST_CELL} are withheld; "
        f"with them the rate.</p>{warning}"
    )
    sections = [
        ("Results", _results([row for row in overall if row["stratum"] is None], summary)),
        ("By group", _strata([row for row in overall if row["stratum"] is not None])),
        ("How units differ", _spread([row for row in rows if row["unit"] != ALL and row["stratum"] is None])),
        ("Who answers for the measures", _governance(summary["measures"])),
        ("Value sets", _value_sets(summary["value_sets"])),
    ]
    return html_page("Measures", sections, lead=lead)


def _is_small(row: Mapping[str, Any]) -> bool:
    """Whether a count or its complement would tell of few persons."""
    parts = (row["met"], row["denominator"] - row["met"])
    return any(0 < one < SMALLEST_CELL for one in (row["denominator"], *parts))


def _rate(row: Mapping[str, Any]) -> str:
    if _is_small(row):
        return "withheld"
    if row["rate"] is None:
        return "nobody counts"
    if row["scoring"] in ("ratio", "continuous"):
        return f"{row['rate']:,.4f}"
    return f"{100 * row['rate']:.2f} %"


def _count(number: int) -> str:
    return f"&lt; {SMALLEST_CELL}" if 0 < number < SMALLEST_CELL else f"{number:,}"


def _results(rows: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> str:
    unseen = {one["value_set"] for one in summary["value_sets"] if one["codes_found"] == 0}
    lacking = {one["measure"]: sorted(unseen & set(one["value_sets"])) for one in summary["measures"]}
    titles = {one["measure"]: one.get("title") or one["measure"] for one in summary["measures"]}
    header = ("Measure", "Period", "Better", "Denominator", "Excluded", "Not evaluable", "Rate")
    cells = [
        (
            f"{escape(titles.get(row['measure'], row['measure']))}<br/><small>{escape(row['measure'])}"
            f"{' · not verified' if row['is_unverified'] else ''}"
            f"{_unseen(lacking.get(row['measure'], []))}</small>",
            escape(row["period"]),
            "higher" if row["direction"] == "higher_is_better" else "lower",
            _count(row["denominator"]),
            _count(row["excluded"] + row["exception"]),
            _count(row["not_evaluable"]),
            _rate(row),
        )
        for row in rows
    ]
    return table(header, cells)


def _unseen(value_sets: Sequence[str]) -> str:
    return f" · no code in the data of {escape(', '.join(value_sets))}" if value_sets else ""


def _strata(rows: Sequence[Mapping[str, Any]]) -> str:
    if not rows:
        return ""
    header = ("Measure", "Period", "Group", "Denominator", "Rate")
    cells = [
        (
            escape(row["measure"]),
            escape(row["period"]),
            escape(f"{row['stratum']}: {row['stratum_value'] if row['stratum_value'] is not None else 'not known'}"),
            _count(row["denominator"]),
            _rate(row),
        )
        for row in rows
    ]
    return table(header, cells)


def _spread(rows: Sequence[Mapping[str, Any]]) -> str:
    """Quartiles of the rates of units that are large enough."""
    groups: dict[tuple[str, str, str], list[Any]] = {}
    few: dict[tuple[str, str, str], int] = {}
    for row in rows:
        key = row["measure"], row["period"], row["unit"]
        if row["rate"] is not None and row["denominator"] >= SMALLEST_CELL:
            groups.setdefault(key, []).append(row["rate"])
        else:
            few[key] = few.get(key, 0) + 1
    if not groups:
        return ""
    header = ("Measure", "Period", "Unit", "Units", "Too small", "Lowest quarter", "Median", "Highest quarter")
    cells = []
    for key, found in sorted(groups.items()):
        ordered = sorted(found)
        quartiles = [ordered[max(0, -(-percent * len(ordered) // 100) - 1)] for percent in (25, 50, 75)]
        cells.append(
            (*map(escape, key), f"{len(ordered):,}", f"{few.get(key, 0):,}", *(f"{one:,.4f}" for one in quartiles))
        )
    return table(header, cells)


def _governance(measures: Sequence[Mapping[str, Any]]) -> str:
    header = ("Measure", "Version", "Why", "Steward", "Licence", "Source", "Next review")
    cells = [
        (
            escape(one["measure"]),
            escape(one["version"]),
            escape(one.get("why", "")),
            escape(one.get("steward", "")),
            escape(one.get("licence", "")),
            escape(one.get("cite", "") + (f" Not verified: {one['unverified']}" if one.get("unverified") else "")),
            escape(one.get("next_review", "")),
        )
        for one in measures
    ]
    return table(header, cells)


def _value_sets(sets: Sequence[Mapping[str, Any]]) -> str:
    header = ("Value set", "Codes", "Found in the data", "Version", "Source", "Licence", "SHA-256")
    cells = [
        (
            escape(one["value_set"]),
            f"{one['codes']:,}",
            "" if one["codes_found"] is None else f"{one['codes_found']:,}",
            escape(one["version"]),
            escape(one["source"]),
            escape(one["licence"]),
            f"<code>{escape(one['sha256'][:16])}</code>",
        )
        for one in sets
    ]
    return table(header, cells) if cells else ""
