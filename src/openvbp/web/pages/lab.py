"""The lab: change parameters, see who gains and loses, take the reform along as a link, a command or a file."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import yaml

from openvbp.errors import Problem, UsageError
from openvbp.parameters import Parameter, Scenario
from openvbp.scenarios import parameter_paths
from openvbp.web import charts, words
from openvbp.web.lab import Answer, Lab, ProviderOutcome, Reform
from openvbp.web.page import ForbiddenError, Page, Rows
from openvbp.web.reform_effects import Effects, demand_grouping, effects, groupings_of
from openvbp.web.runs import ServedRun, address_part
from openvbp.web.site import Site
from openvbp.web.viewer import Asked

_FIELD = "set."
"""Begin of the names of the form's fields; the link has ``set=path:value`` instead."""
MOST_FIELDS = 24
FIRST_FIELDS = 7
"""Fields that are seen at once; the others are folded away."""
_TEXTS = ("identifier", "flag")


def lab(site: Site, asked: Asked) -> Page:
    """Show what a reform does."""
    run = _run(site, asked)
    _demand_open(site, run, asked)
    found = site.labs.of(run.full)
    reform = _reform(asked, found.rules_in_force)
    answer = found.answer(reform)
    groupings = groupings_of(run.providers)
    grouping = asked.text("by") or next(iter(groupings))
    demand_grouping(grouping, run.providers)
    effect = effects(answer, run.providers, grouping)
    provider_id = _provider(site, run, asked, effect)
    own = (answer.before.get(provider_id), answer.after.get(provider_id)) if provider_id else None
    address = _address(run, reform, grouping, provider_id)
    return Page(
        "lab.html",
        f"What if? {run.record['title']}, {run.record['period']}",
        {
            **site.about(run),
            "set": dict(reform.changes),
            "given": dict(reform.assumed),
            "seconds": round(answer.seconds, 4),
        },
        [
            Rows("groups", effect.groups),
            Rows("totals", [_totals(effect)]),
            Rows("most_moved", effect.moved),
            Rows("providers", _provider_rows(answer, run)),
        ],
        {
            "run": run,
            "reform": reform,
            "effect": effect,
            "seconds": answer.seconds,
            "grouping": grouping,
            "groupings": groupings,
            "group_bars": _bars([float(row["change"]) for row in effect.groups]),
            "fields": _contract_fields(found, reform) if run.is_contract else _fields(found, reform),
            "first_fields": max(FIRST_FIELDS, len(reform.changes)),
            "paths": parameter_paths(found.rules_in_force),
            "provider_id": provider_id,
            "own": own,
            "own_name": run.providers[provider_id]["provider_name"] or provider_id if provider_id else "",
            "copies": _copies(run, reform),
            "link": address,
            "runs": list(site.runs.values()),
            "said": _said(effect, run),
        },
        "answer",
        address if any(name.startswith((_FIELD, "add_")) for name in asked.query) else "",
    )


def _run(site: Site, asked: Asked) -> ServedRun:
    program, period = asked.text("program"), asked.text("period")
    if not program and site.runs:
        return next(iter(site.runs.values()))
    if not period:
        of_program = [one for one in site.runs.values() if one.program == program]
        if of_program:
            return of_program[0]
    return site.run(program, period)


def _demand_open(site: Site, run: ServedRun, asked: Asked) -> None:
    """Refuse where results are withheld: enough reforms would give every withheld count back."""
    if run.suppressed_cells and not site.sees_all(asked.viewer):
        raise ForbiddenError(
            Problem(
                "small numbers of this run are withheld, and trying reforms on it would give them back",
                f"{run.record['title']} {run.record['period']}",
                "sign in as somebody who may see all providers",
            )
        )


def _reform(asked: Asked, base: Scenario) -> Reform:
    changes: dict[str, str] = {}
    assumed: dict[str, str] = {}
    for name, text in asked.pairs:
        if name in ("set", "given"):
            path, colon, value = text.partition(":")
            if not colon or not path.strip() or not value.strip():
                raise UsageError(
                    Problem(f"'{text}' is not path:value", f"{name}=", "write for example set=applicable_percent:0.03")
                )
            (changes if name == "set" else assumed)[path.strip()] = value.strip()
        elif (
            name.startswith(_FIELD) and text.strip() and not _is_in_force(base, name.removeprefix(_FIELD), text.strip())
        ):
            changes[name.removeprefix(_FIELD)] = text.strip()
    if asked.text("add_path") and asked.text("add_value"):
        changes[asked.text("add_path")] = asked.text("add_value")
    return Reform(tuple(changes.items()), tuple(assumed.items()))


def _is_in_force(base: Scenario, path: str, text: str) -> bool:
    name, _, key = path.partition(".")
    if name not in base.parameters or key not in base.parameters[name].values:
        return False
    return text == _value_text(base.value(name, key))


def _value_text(value: Any) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _fields(found: Lab, reform: Reform) -> list[dict[str, Any]]:
    """List the parameters that the form shows: those of the program as a whole and few by domain, and all changed."""
    changed = dict(reform.changes)
    fields: list[dict[str, Any]] = []
    for parameter in found.rules_in_force.parameters.values():
        short = len(parameter.values) <= 6
        for field in _fields_of(parameter, changed):
            if field["is_changed"] or (short and len(fields) < MOST_FIELDS and field["in_force"]):
                fields.append(field)
    # What has been changed comes first, then numbers, then what is named or switched.
    return sorted(fields, key=lambda row: (not row["is_changed"], row["unit"] in _TEXTS))


def _contract_fields(found: Lab, reform: Reform) -> list[dict[str, Any]]:
    """List all terms of a contract, for all were negotiated: corridors first, then those of the whole contract."""
    changed = dict(reform.changes)
    parameters = sorted(
        found.rules_in_force.parameters.values(),
        key=lambda one: (one.unit in _TEXTS, one.by != "corridor", one.by is not None),
    )
    fields = [field for parameter in parameters for field in _fields_of(parameter, changed)]
    return sorted(fields, key=lambda row: not row["is_changed"])


def _fields_of(parameter: Parameter, changed: Mapping[str, str]) -> list[dict[str, Any]]:
    fields = []
    for key, cited in parameter.values.items():
        path = f"{parameter.name}.{key}" if key else parameter.name
        fields.append(
            {
                "path": path,
                "label": parameter.label + (f": {words.title_of(key)}" if key else ""),
                "unit": parameter.unit,
                "in_force": _value_text(cited.value),
                "value": changed.get(path, _value_text(cited.value)),
                "is_changed": path in changed,
                "cite": cited.cite,
                "unverified": cited.unverified,
            }
        )
    return fields


def _provider(site: Site, run: ServedRun, asked: Asked, effect: Effects) -> str:
    if asked.text("provider"):
        return site.provider(run, address_part(asked.text("provider")))
    if effect.moved:
        return effect.moved[0]["provider_id"]
    return next(iter(run.providers), "")


def _address(run: ServedRun, reform: Reform, grouping: str, provider_id: str) -> str:
    pairs = [("program", run.program), ("period", run.period)]
    pairs += [("set", f"{path}:{value}") for path, value in reform.changes]
    pairs += [("given", f"{path}:{value}") for path, value in reform.assumed]
    pairs += [("by", grouping), ("provider", provider_id)]
    return f"/lab?{urlencode(pairs, safe=':')}"


def _copies(run: ServedRun, reform: Reform) -> Mapping[str, str]:
    """Write the reform for other tools: a contract is named by its file, and DATA stands for its tables or claims."""
    both = [*reform.assumed, *reform.changes]
    period, program = run.record["period"], run.argument
    assignments = [f"{path}={value}" for path, value in both]
    sets = " \\\n    ".join(f"--set {shlex.quote(one)}" for one in assignments)
    content: dict[str, Any] = {"program": run.program, "period": period, "set": dict(reform.changes)}
    if reform.assumed:
        content["given"] = dict(reform.assumed)
    return {
        "Command line": (
            f"openvbp run {shlex.quote(program)} --period {shlex.quote(period)} --data DATA --out RUN \\\n    {sets}"
        ),
        "Python": (
            f"import openvbp as vbp\n\nrun = vbp.{'settle_from_claims' if run.is_from_claims else 'run'}(\n"
            f'    {program!r}, period={period!r}, data="DATA", out="RUN",\n'
            f"    changes={assignments!r},\n"
            ")\n"
            'run.table("payment_result", as_="pandas").query("scenario_id == \'what_if\'")'
        ),
        "YAML": yaml.safe_dump(content, sort_keys=False, allow_unicode=True).rstrip(),
    }


def _said(effect: Effects, run: ServedRun) -> Any:
    """Give the function that writes values of what is compared."""

    def said(value: Any, *, sign: bool = False) -> str:
        if value is None:
            return words.NONE
        if effect.column == "amount":
            text = words.money(value, run.currency)
        elif effect.column == "rate":
            text = words.percent(value, 3)
        else:
            text = f"{words.rounded(value, 2)} points"
        return f"+{text}" if sign and value > 0 else text

    return said


def _totals(effect: Effects) -> dict[str, Any]:
    names = (
        "column",
        "total_before",
        "total_after",
        "taken_before",
        "taken_after",
        "winners",
        "losers",
        "unchanged",
        "unknown",
    )
    return {name: getattr(effect, name) for name in names}


def _bars(values: list[float]) -> list[Any]:
    largest = max((abs(value) for value in values), default=0.0)
    return [charts.change_bar(value, largest, "") for value in values]


def _provider_rows(answer: Answer, run: ServedRun) -> list[dict[str, Any]]:
    def one_side(side: str, outcome: ProviderOutcome | None) -> dict[str, Any]:
        names = ("score", "rate", "amount", "status")
        return {f"{side}_{name}": None if outcome is None else getattr(outcome, name) for name in names}

    return [
        {
            "provider_id": one,
            "provider_name": run.providers.get(one, {}).get("provider_name"),
            **one_side("before", answer.before.get(one)),
            **one_side("after", answer.after.get(one)),
        }
        for one in answer.before
    ]
