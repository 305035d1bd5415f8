"""The page of a run on bundles: what was read, populations, and how they compare with what is expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from openvbp.html_page import page as html_page
from openvbp.html_page import table
from openvbp.measures.report_page import SMALLEST_CELL


def page(summary: Mapping[str, Any]) -> str:
    """Write the page of the summary of :func:`openvbp.measures.fhir.run.run_on_bundles`."""
    warning = ""
    if summary["is_incomplete"]:
        warning = "<p><strong>Value sets were missing: these results are for exploration only.</strong></p>"
    lead = f"<p>Period {escape(summary['period'])}. Counts of patients below {SMALLEST_CELL} are withheld.</p>{warning}"
    reading = summary["reading"]
    sections = [
        ("Compared with what is expected", _comparison(summary["compared"])),
        ("Populations", _populations(summary["measures"])),
        ("What was read", _resources(reading["resources"])),
        ("Why resources were rejected", _rejected(reading["rejected"])),
        ("How values were taken", _counted("What", reading["notes"])),
        ("Bundles not used", _counted("Why", reading["bundles_rejected"])),
        ("Not verified", _unverified(summary["measures"])),
    ]
    return html_page("Measures on health records", sections, lead=lead)


def _count(number: int) -> str:
    return f"&lt; {SMALLEST_CELL}" if 0 < number < SMALLEST_CELL else f"{number:,}"


def _comparison(found: Mapping[str, Any] | None) -> str:
    # Tests of made-up patients are counted as they are.
    if found is None:
        return ""
    names = ("patients", "agrees", "differs", "known", "not_needed", "reports_on_others")
    titles = ("Tests", "Agree", "Differ", "Known to differ", "Listed, but agree", "On others")
    rows = [(escape(found["measure"] or "no report of the period"), *(f"{found[name]:,}" for name in names))]
    differences = [(escape(name), f"{count:,}") for name, count in found["differences_by_population"].items()]
    more = table(("Population", "Differ"), differences) if differences else ""
    return table(("Measure", *titles), rows) + more


def _populations(measures: Sequence[Mapping[str, Any]]) -> str:
    header = ("Measure", "Better", "Patients", "Population", "Count")
    rows = []
    for one in measures:
        better = "higher" if one["direction"] == "higher_is_better" else "lower"
        counted = {**one["populations"], "not evaluable": one["not_evaluable"]}
        rows += [
            (escape(one["measure"]), better, _count(one["patients"]), escape(name.replace("-", " ")), _count(count))
            for name, count in counted.items()
        ]
    return table(header, rows)


def _resources(resources: Sequence[Mapping[str, Any]]) -> str:
    names = ("read", "accepted", "rejected", "not used")
    rows = [(escape(one["resource"]), *(f"{one[name]:,}" for name in names)) for one in resources]
    return table(("Resource", "Read", "Accepted", "Rejected", "Not used"), rows)


def _rejected(rejected: Sequence[Mapping[str, Any]]) -> str:
    rows = [(escape(one["resource"]), escape(one["reason"]), f"{one['count']:,}") for one in rejected]
    return table(("Resource", "Why", "Count"), rows) if rows else ""


def _counted(what: str, counts: Mapping[str, int]) -> str:
    rows = [(escape(name), f"{count:,}") for name, count in counts.items()]
    return table((what, "Count"), rows) if rows else ""


def _unverified(measures: Sequence[Mapping[str, Any]]) -> str:
    rows = [(escape(one["measure"]), escape(one["unverified"])) for one in measures if one["unverified"]]
    return table(("Measure", "What has not been read in its source"), rows) if rows else ""
