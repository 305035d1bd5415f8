"""All numbers of a provider on one page: each with its paragraph or source, and the numbers it was made from."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

from openvbp.parameters import ACTUAL
from openvbp.reporting.explanation import Step
from openvbp.web import words
from openvbp.web.page import Page
from openvbp.web.pages import law, why
from openvbp.web.runs import ServedRun, address_part
from openvbp.web.site import Site, measure_title
from openvbp.web.viewer import Asked


def numbers(site: Site, run: ServedRun, provider_id: str) -> Page:
    """Show all numbers of a provider on a page, each leading to those it was made from."""
    results = run.public.rows("measure_result", scenario_id=ACTUAL, provider_id=provider_id)
    name = run.providers[provider_id]["provider_name"] or provider_id
    return Page(
        "published_steps.html",
        f"Every number: {name}, {run.record['title']}, {run.record['period']}",
        site.about(run),
        [],
        {
            "run": run,
            "name": name,
            "href": f"{run.address}{address_part(provider_id)}",
            "law": _law_in_force(run),
            "cases": [_cases(run, row) for row in results],
            "steps": _step_rows(run, provider_id, [row["measure_id"] for row in results]),
        },
    )


def _step_rows(run: ServedRun, provider_id: str, measures: Sequence[str]) -> list[dict[str, Any]]:
    found = why.explained(run.public, provider_id, ACTUAL)
    if found is None:
        return []
    places = {measure_id: number for number, measure_id in enumerate(measures, 1)}
    return [
        {
            "number": one.step_number,
            "label": why.label(run, one),
            "value": words.step_words(one.value, one.unit, one.note),
            "source": _source(one),
            "note": one.note,
            "cases": places.get(one.measure_id or ""),
            "inputs": [(other.step_number, words.title_of(other.quantity)) for other in found.inputs_of(one)],
        }
        for one in found.steps
    ]


@functools.lru_cache(maxsize=64)
def _law_in_force(run: ServedRun) -> str:
    """Give the program and day of the rules of a run, as a part of an address."""
    days = law.law(Site({run.name: run}), Asked(), run.program).content["days"]
    known = [day for day in days if str(day) <= run.record["period_start"]]
    return f"{run.program}?on={known[-1]}" if known else run.program


def _source(one: Step) -> str:
    return one.citation if one.citation not in ("input", "count") else why.KINDS.get(one.rule_id, one.rule_id)


def _cases(run: ServedRun, row: Mapping[str, Any]) -> dict[str, Any]:
    is_withheld = row["status"] == "suppressed"
    missing = row["numerator"] is None or row["denominator"] is None
    why_missing = (
        "withheld: a small count, or one that would give it back" if is_withheld else "not in the published files"
    )
    return {
        "title": measure_title(run.program, row["measure_id"]),
        "numerator": row["numerator"],
        "denominator": row["denominator"],
        "remarks": "; ".join(one for one in (row["status_reason"], why_missing if missing else "") if one),
    }
