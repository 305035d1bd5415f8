"""The rules of a program on any day: parameters and paragraphs beside each other, with a slider through time."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from openvbp.errors import Problem, UsageError
from openvbp.parameters import CitedValue, DeclaredParameter, ParameterSet
from openvbp.periods import parse_period
from openvbp.programs import program as find_program
from openvbp.programs import program_ids, program_of
from openvbp.rules import in_force
from openvbp.web import words
from openvbp.web.page import NotFoundError, Page, Rows
from openvbp.web.runs import ServedRun
from openvbp.web.site import Site, rules_by_name
from openvbp.web.viewer import Asked

MOST_KEYS = 60
"""A parameter with more values is shown with these; the twins have all."""


def law(site: Site, asked: Asked, program: str) -> Page:
    """Show what holds on a day: of a contract, the terms under which its period of that day was settled."""
    served = sorted(
        (one for one in site.runs.values() if one.program == program), key=lambda one: one.record["period_start"]
    )
    if program in program_ids():
        parameters = find_program(program).parameters
        days = _days(parameters)
        day = _day(asked, days)
    else:
        days = _first_days(program, served)
        day = _day(asked, days)
        begun = [one for one in served if one.record["period_start"] <= day.isoformat()]
        parameters = program_of((begun or served[:1])[-1].full).parameters
    rows = [
        row for name, (declared, history) in parameters.dated.items() for row in _values(name, declared, history, day)
    ]
    rules = in_force(list(rules_by_name(program).values()), day)
    return Page(
        "law.html",
        f"Rules: {parameters.title} on {day.isoformat()}",
        {
            "program": program,
            "program_title": parameters.title,
            "day": day.isoformat(),
            "law": "; ".join(parameters.authority.values()),
            "parameters_digest": parameters.digest,
        },
        [
            Rows("parameters", rows),
            Rows("rules", [_rule_row(one) for one in rules]),
        ],
        {
            "program": program,
            "parameters": parameters,
            "day": day,
            "days": days,
            "at": max((number for number, one in enumerate(days) if one <= day), default=0),
            "groups": [
                (label, unit, rows_of[:MOST_KEYS], len(rows_of))
                for (label, unit), group in itertools.groupby(rows, lambda row: (row["label"], row["unit"]))
                for rows_of in [list(group)]
            ],
            "rules": rules,
            "served": served,
            "is_contract": program not in program_ids(),
        },
        "law",
    )


def _days(parameters: ParameterSet) -> list[date]:
    """Give the days on which something changes, from the first period on."""
    first = parse_period(parameters.first_period, parameters.calendar).start
    last = parse_period(parameters.last_period, parameters.calendar).start
    changes = {
        since
        for _, history in parameters.dated.values()
        for dates in history.values()
        for since in dates
        if since >= first
    }
    return sorted({first, *(one for one in changes if one <= last), last})


def _first_days(contract: str, served: Sequence[ServedRun]) -> list[date]:
    """Give the first days of the periods of a contract."""
    if not served:
        raise NotFoundError(
            Problem(
                f"there is no program and no served contract '{contract}'",
                f"/law/{contract}",
                "choose one on the first page",
                examples=program_ids()[:3],
            )
        )
    return sorted({date.fromisoformat(one.record["period_start"]) for one in served})


def _day(asked: Asked, days: list[date]) -> date:
    if asked.text("on"):
        try:
            return date.fromisoformat(asked.text("on"))
        except ValueError as error:
            raise UsageError(
                Problem(f"'{asked.text('on')}' is no day", "on=", "write for example on=2023-10-01")
            ) from error
    at = asked.text("at")
    return days[min(int(at), len(days) - 1)] if at.isdigit() and len(at) < 6 else days[-1]


def _values(
    name: str, declared: DeclaredParameter, history: Mapping[str, Mapping[date, CitedValue]], day: date
) -> list[dict[str, Any]]:
    rows = []
    for key, dates in history.items():
        latest = max((one for one in dates if one <= day), default=None)
        if latest is None or dates[latest].value is None:
            continue
        cited = dates[latest]
        after = min((one for one in dates if one > day), default=None)
        rows.append(
            {
                "path": f"{name}.{key}" if key else name,
                "key": words.title_of(key) if key else "",
                "label": declared.label,
                "unit": declared.unit,
                "value": cited.value,
                "since": cited.since,
                "until": after,
                "cite": cited.cite,
                "unverified": cited.unverified,
                "note": cited.note,
            }
        )
    return rows


def _rule_row(rule: Any) -> dict[str, Any]:
    names = ("rule_id", "citation", "gives", "unit", "since", "until", "text")
    return {name: getattr(rule, name) for name in names} | {"inputs": " ".join(rule.inputs)}
