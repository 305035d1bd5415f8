"""Why this payment: how it comes together, and behind every number its rule, paragraph and source."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

from openvbp.errors import Problem
from openvbp.reporting.explanation import Explanation, Step
from openvbp.web import charts, words
from openvbp.web.page import NotFoundError, Page, Rows
from openvbp.web.pages.card import card_content
from openvbp.web.payment_path import explained, money_path, score_path, sentences
from openvbp.web.runs import HeldRun, ServedRun, address_part
from openvbp.web.site import Site, measure_title, rules_by_name
from openvbp.web.viewer import Asked

KINDS: Mapping[str, str] = {
    "input": "read from a file",
    "parameter": "set by the rule",
    "count": "counted",
}
"""Where values come from that no rule computes."""


def why(site: Site, asked: Asked, program: str, period: str, provider: str) -> Page:
    """Explain the payment of one provider."""
    run = site.run(program, period)
    provider_id = site.provider(run, provider)
    scenario_id = site.scenario(run, asked)
    held = site.held(run, asked, provider_id)
    content = card_content(site, run, held, provider_id, scenario_id)
    found = explained(held, provider_id, scenario_id)
    score = content["summary"]["score"]
    paths = [
        (title, path)
        for title, path in (
            ("From the domains to the score", score_path(content["domain_rows"], score)),
            ("From the score to the money", money_path(content["payments"], content["domain_rows"], score)),
        )
        if path
    ]
    steps = found.steps if found else []
    measure_steps = _measure_steps(found) if found else {}
    listed = {row["measure_id"] for row in content["measure_rows"]}
    return Page(
        "why.html",
        f"Why this payment? {content['name']}: {run.record['title']}, {run.record['period']}",
        {
            **site.about(run, scenario_id),
            "provider_id": provider_id,
            "provider_name": content["provider"]["provider_name"],
        },
        [
            Rows("steps", [step_row(one) for one in steps]),
            Rows("payments", content["payments"]),
            Rows("domains", content["domain_rows"]),
        ],
        {
            **content,
            "sentences": sentences(content["payments"]),
            "paths": [(title, charts.waterfall(path.bars, path.sentence), path) for title, path in reversed(paths)],
            "chain": _chain(found, {row["domain_id"] for row in content["domain_rows"]}) if found else [],
            "others": _others(found, {row["domain_id"] for row in content["domain_rows"]}) if found else [],
            "label": functools.partial(label, run),
            "measure_steps": measure_steps,
            "paid_only": [
                (measure_title(run.program, name), of_measure)
                for name, of_measure in measure_steps.items()
                if name not in listed
            ],
            "domain_steps": _domain_steps(found) if found else {},
            "steps": len(steps),
        },
    )


def step(site: Site, asked: Asked, program: str, period: str, provider: str, step_number: int) -> Page:
    """Open one number: its rule, paragraph, inputs, numerator, denominator and source."""
    run = site.run(program, period)
    provider_id = site.provider(run, provider)
    scenario_id = site.scenario(run, asked)
    held = site.held(run, asked, provider_id)
    found = explained(held, provider_id, scenario_id)
    known = {one.step_number: one for one in found.steps} if found else {}
    if found is None or step_number not in known:
        raise NotFoundError(
            Problem(
                f"there is no step {step_number}",
                f"{run.record['title']}, {provider_id}",
                "open one from the page above",
            )
        )
    one = known[step_number]
    rule = rules_by_name(run.program).get(one.rule_id)
    inputs = found.inputs_of(one)
    used = [other for other in found.steps if one in found.inputs_of(other)]
    measures = {other.measure_id for other in (one, *inputs) if other.measure_id}
    sources = [_source(run, held, provider_id, scenario_id, name) for name in sorted(measures)]
    return Page(
        "step.html",
        f"{label(run, one)}: {words.step_words(one.value, one.unit, one.note)}",
        {**site.about(run, scenario_id), "provider_id": provider_id, "step": step_number},
        [
            Rows("step", [{**step_row(one), "rule_text": rule.text if rule else None}]),
            Rows("inputs", [step_row(other) for other in inputs]),
            Rows("used_by", [step_row(other) for other in used]),
            Rows("cases", sources),
        ],
        {
            "run": run,
            "scenario": scenario_id,
            "provider_id": provider_id,
            "name": run.providers[provider_id]["provider_name"] or provider_id,
            "href": f"{run.address}{address_part(provider_id)}",
            "step": one,
            "rule": rule,
            "kind": KINDS.get(one.rule_id, "computed by a rule"),
            "label": functools.partial(label, run),
            "inputs": inputs,
            "used": used,
            "sources": sources,
            "files": [file for file in run.record["input_files"] if file["name"] and file["name"] in one.citation],
            "shows_digests": held is run.full or not run.suppressed_cells,
        },
        "step",
    )


def step_row(one: Step) -> dict[str, Any]:
    """Give a step as a row."""
    return {**vars(one), "inputs": " ".join(one.inputs)}


def label(run: ServedRun, one: Step) -> str:
    """Name a step for a reader."""
    name = words.title_of(one.quantity)
    if one.measure_id:
        return f"{name}, {measure_title(run.program, one.measure_id)}"
    return f"{name}, {words.title_of(one.domain_id)}" if one.domain_id else name


def _chain(found: Explanation, domains: Set[str]) -> list[Step]:
    """Give the steps that belong to none of these domains and to no measure, the ends of the chain first."""
    order: dict[int, Step] = {}

    def follow(steps: Iterable[Step]) -> None:
        for one in steps:
            if one.step_number not in order and not one.measure_id and one.domain_id not in domains:
                order[one.step_number] = one
                follow(other for other in found.inputs_of(one) if not other.is_given)

    follow(found.roots())
    return list(order.values())


def _others(found: Explanation, domains: Set[str]) -> list[Step]:
    """Give the values of the provider as a whole that nothing else was made from and that no rule made."""
    used = {other.step_number for one in found.steps for other in found.inputs_of(one)}
    return [
        one
        for one in found.steps
        if one.is_given and one.step_number not in used and not one.measure_id and one.domain_id not in domains
    ]


def _measure_steps(found: Explanation) -> dict[str, dict[str, Step]]:
    """Give of every measure the steps by quantity."""
    steps: dict[str, dict[str, Step]] = {}
    for one in found.steps:
        if one.measure_id:
            steps.setdefault(one.measure_id, {})[one.quantity] = one
    return {name: _shown(of_measure) for name, of_measure in steps.items()}


def _shown(steps: Mapping[str, Step]) -> dict[str, Step]:
    """Choose what a measure's row shows: computed values last to first, then what was read or set."""
    computed = [one for one in steps.values() if not one.is_given and one.unit != "flag"]
    given = [one for one in steps.values() if one.is_given]
    return {one.quantity: one for one in [*reversed(computed), *given]}


def _domain_steps(found: Explanation) -> dict[str, dict[str, Step]]:
    steps: dict[str, dict[str, Step]] = {}
    for one in found.steps:
        if one.domain_id and not one.measure_id:
            steps.setdefault(one.domain_id, {})[one.quantity] = one
    return steps


def _source(run: ServedRun, held: HeldRun, provider_id: str, scenario_id: str, measure_id: str) -> dict[str, Any]:
    """Give numerator, denominator and exclusions of a measure, and why one is not known."""
    rows: Sequence[Mapping[str, Any]] = held.rows("measure_result", scenario_id=scenario_id, provider_id=provider_id)
    row = next((one for one in rows if one["measure_id"] == measure_id), None)
    found = explained(held, provider_id, scenario_id)
    steps = [one for one in found.steps if one.measure_id == measure_id] if found else []
    excluded = [one for one in steps if any(part in one.quantity for part in ("exclu", "except"))]
    numerator, denominator = (row[name] if row else None for name in ("numerator", "denominator"))
    withheld = row is not None and row["status"] == "suppressed"
    not_given = "withheld: a small count, or one that would give it back" if withheld else "not in the published files"
    if row is None:
        not_given = "the measure is paid without a result of its own"
    return {
        "measure_id": measure_id,
        "title": measure_title(run.program, measure_id),
        "numerator": numerator,
        "denominator": denominator,
        "exclusions": [f"{words.title_of(one.quantity)} {words.value_words(one.value, one.unit)}" for one in excluded],
        "why_missing": not_given if numerator is None or denominator is None else "",
        "status": row["status"] if row else None,
        "status_reason": row["status_reason"] if row else None,
    }
