"""Why a payment is what it is, with all its numbers: each with its paragraph or source, and those it was made from."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from openvbp.reporting.explanation import Explanation, Step
from openvbp.web import words
from openvbp.web.page import Page
from openvbp.web.pages import law, why
from openvbp.web.runs import ServedRun, address_part
from openvbp.web.site import Site, measure_title
from openvbp.web.viewer import Asked


def numbers(site: Site, run: ServedRun, provider_id: str, asked: Asked) -> Page:
    """Show on one page what the server shows as the payment explained, and on a page for each of its numbers."""
    page = why.why(site, asked, run.program, run.period, address_part(provider_id))
    found = why.explained(run.public, provider_id, page.content["scenario"])
    content = {
        **page.content,
        "law": _law_in_force(run),
        "groups": _groups(run, found, page.content) if found else [],
    }
    return dataclasses.replace(page, template="published_why.html", content=content)


def _groups(run: ServedRun, found: Explanation, content: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Put the steps below what they are of: the provider as a whole, then each domain and its measures."""
    steps: dict[str, list[Step]] = {"": [*content["chain"], *content["others"]]}
    told = {one.step_number for one in steps[""]}
    titles = {"": "The provider as a whole"}
    for domain in content["domains"]:
        titles[domain["domain_id"]] = domain["title"]
        titles |= {row["measure_id"]: row["title"] for row in domain["measures"]}
    for one in reversed(found.steps):
        if one.step_number not in told:
            name = one.measure_id or one.domain_id or ""
            steps.setdefault(name, []).append(one)
            titles.setdefault(name, measure_title(run.program, name) if one.measure_id else words.title_of(name))
    cases = {row["measure_id"]: _cases(row) for row in content["measure_rows"]}
    return [
        {"title": title, "cases": cases.get(name), "steps": [_row(found, one) for one in _in_order(steps[name])]}
        for name, title in titles.items()
        if steps.get(name)
    ]


def _in_order(steps: Sequence[Step]) -> list[Step]:
    """Put computed values, the last first, before what was read or set."""
    return sorted(steps, key=lambda one: one.is_given)


def _row(found: Explanation, one: Step) -> dict[str, Any]:
    return {
        "number": one.step_number,
        "name": words.title_of(one.quantity),
        "value": _value(one),
        "source": one.citation if one.citation not in ("input", "count") else why.KINDS.get(one.rule_id, one.rule_id),
        "note": one.note,
        "inputs": _inputs(found.inputs_of(one)),
    }


def _inputs(steps: Sequence[Step]) -> list[tuple[str, list[tuple[int, str]]]]:
    """Give the quantities that a step was made from, each with the number and the value of its steps."""
    found: dict[str, list[tuple[int, str]]] = {}
    for one in steps:
        found.setdefault(words.title_of(one.quantity), []).append((one.step_number, _value(one)))
    return list(found.items())


def _value(one: Step) -> str:
    return words.step_words(one.value, one.unit, one.note)


@functools.lru_cache(maxsize=64)
def _law_in_force(run: ServedRun) -> str:
    """Give the program and day of the rules of a run, as a part of an address."""
    days = law.law(Site({run.name: run}), Asked(), run.program).content["days"]
    known = [day for day in days if str(day) <= run.record["period_start"]]
    return f"{run.program}?on={known[-1]}" if known else run.program


def _cases(row: Mapping[str, Any]) -> dict[str, Any]:
    is_withheld = row["status"] == "suppressed"
    missing = row["numerator"] is None or row["denominator"] is None
    why_missing = (
        "withheld: a small count, or one that would give it back" if is_withheld else "not in the published files"
    )
    return {
        "numerator": row["numerator"],
        "denominator": row["denominator"],
        "remarks": "; ".join(one for one in (row["status_reason"], why_missing if missing else "") if one),
    }
