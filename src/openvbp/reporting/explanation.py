"""Why a provider got what it got: its steps as a tree, from the payment down to the published rates."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from openvbp.errors import Problem, UsageError
from openvbp.parameters import ACTUAL
from openvbp.run_folder import RunFolder

_NAMED_MEASURE = re.compile(r"(?P<quantity>\w+)\[(?P<measure_id>[^\]]+)\]")
_GIVEN = ("input", "parameter", "count")

_CURRENCY_SIGNS = {"usd": "$", "gbp": "£", "eur": "€"}


@dataclass(frozen=True)
class Step:
    """One value with the rule that made it."""

    step_number: int
    quantity: str
    measure_id: str | None
    domain_id: str | None
    value: Decimal | None
    unit: str
    rule_id: str
    citation: str
    inputs: tuple[str, ...]
    note: str | None

    @property
    def is_given(self) -> bool:
        """Whether the value was read or counted, not computed by a rule."""
        return self.rule_id in _GIVEN


@dataclass(frozen=True)
class Explanation:
    """All steps of one provider under one scenario."""

    title: str
    scenario_id: str
    provider: dict[str, Any]
    steps: Sequence[Step]
    measure_id: str | None
    """The measure asked for; ``None`` for the whole chain."""
    _merged: frozenset[str] = field(default=frozenset(), repr=False)
    """Measures that count only through the measure into which they are combined."""

    def inputs_of(self, step: Step) -> list[Step]:
        """Find the steps that a step was made from.

        An input is of the same measure, domain or provider; all of them where the step is at a coarser grain. An
        input named with a measure in brackets is that measure's.
        """
        return [found for name in step.inputs for found in self._named(name, step)]

    def _named(self, name: str, step: Step) -> list[Step]:
        named = _NAMED_MEASURE.fullmatch(name)
        if named:
            same = self._by_quantity.get(named["quantity"], ())
            return [one for one in same if one.measure_id == named["measure_id"]]
        return [
            one
            for one in self._by_quantity.get(name, ())
            if one is not step
            and _agree(one.measure_id, step.measure_id)
            and _agree(one.domain_id, step.domain_id)
            and (step.measure_id is not None or one.measure_id not in self._merged)
        ]

    @functools.cached_property
    def _by_quantity(self) -> Mapping[str, Sequence[Step]]:
        found: dict[str, list[Step]] = {}
        for one in self.steps:
            found.setdefault(one.quantity, []).append(one)
        return found

    def roots(self) -> list[Step]:
        """Find the computed steps that no other step was made from: the ends of the chain."""
        if self.measure_id:
            mine = [one for one in self.steps if one.measure_id == self.measure_id and not one.is_given]
            used = {one.step_number for step in mine for one in self.inputs_of(step)}
            return [one for one in mine if one.step_number not in used]
        used = {one.step_number for step in self.steps for one in self.inputs_of(step)}
        return [one for one in self.steps if not one.is_given and one.step_number not in used]


def _agree(left: str | None, right: str | None) -> bool:
    return left is None or right is None or left == right


def explain(
    run: RunFolder, provider_id: str, *, measure_id: str | None = None, scenario_id: str = ACTUAL
) -> Explanation:
    """Collect the steps of one provider.

    Parameters
    ----------
    run
        A finished run.
    provider_id
        The provider, as the program names it.
    measure_id
        Explain this measure only.
    scenario_id
        The rules under which to explain.

    Raises
    ------
    UsageError
        If the run has no such provider, measure or scenario, or kept no steps for the scenario.

    Examples
    --------
    >>> explain(open_run(Path("RUN")), "010001").roots()  # doctest: +SKIP
    """
    run.demand_scenario(scenario_id)
    providers = run.read("provider", provider_id=provider_id).to_pylist()
    if not providers:
        raise _unknown(run, "provider", provider_id, run.read("provider")["provider_id"].to_pylist())
    rows = run.read("step_result", provider_id=provider_id, scenario_id=scenario_id).sort_by("step_number").to_pylist()
    if not rows:
        raise UsageError(
            Problem(
                f"scenario '{scenario_id}' has scores and payments, but no steps",
                str(run.path),
                "run it with --set to keep its steps",
            )
        )
    steps = [_step(row) for row in rows]
    measures = sorted({step.measure_id for step in steps if step.measure_id})
    if measure_id and measure_id not in measures:
        raise _unknown(run, "measure", measure_id, measures)
    merged = {
        named["measure_id"] for step in steps for name in step.inputs if (named := _NAMED_MEASURE.fullmatch(name))
    }
    return Explanation(run.title, scenario_id, providers[0], steps, measure_id, frozenset(merged))


def _step(row: dict[str, Any]) -> Step:
    return Step(
        **{name: row[name] for name in Step.__annotations__ if name != "inputs"}, inputs=tuple(row["inputs"].split())
    )


def _unknown(run: RunFolder, what: str, asked: str, known: Sequence[str]) -> UsageError:
    without_zeros = [one for one in known if one.lstrip("0") == asked.lstrip("0")]
    near = without_zeros or difflib.get_close_matches(asked, known, n=3, cutoff=0.5) or known[:3]
    return UsageError(
        Problem(
            f"the run has no {what} '{asked}'",
            str(run.path),
            f"use one of its {len(known):,} {what}s",
            examples=tuple(near),
        )
    )


def render(explanation: Explanation) -> str:
    """Write an explanation as an indented tree for a terminal.

    Values that were read or counted stand beside the step that uses them; a single measure is shown with the source of
    each of them.
    """
    provider = explanation.provider
    place = ", ".join(str(provider[name]) for name in ("provider_name", "place", "state") if provider.get(name))
    lines = [
        f"{explanation.title}, {provider['provider_id']} {place}",
        f"rules: {'in force' if explanation.scenario_id == ACTUAL else 'scenario ' + explanation.scenario_id}",
        "",
    ]
    shown: set[int] = set()
    for root in explanation.roots():
        lines += _tree(explanation, root, None, shown)
    return "\n".join(lines)


def _tree(explanation: Explanation, step: Step, parent: Step | None, shown: set[int]) -> list[str]:
    """Write a step and, below it, what it was made from."""
    if step.step_number in shown:
        return [f"{_label(step, parent)} {written(step.value, step.unit)} (see above)"]
    shown.add(step.step_number)
    note = f": {step.note}" if step.note else ""
    lines = [f"{_label(step, parent)} {written(step.value, step.unit)}{note}  [{step.citation}]"]
    if step.value is None and step.note and step.measure_id and not explanation.measure_id:
        return lines
    branches = _without_measures_below(explanation, step, explanation.inputs_of(step))
    if not explanation.measure_id:
        beside = [one for one in branches if one.is_given or _is_flag_of_given(explanation, one)]
        branches = [one for one in branches if one not in beside]
        if beside:
            lines.append(
                "│  from " + ", ".join(f"{_label(one, step)} {written(one.value, one.unit)}" for one in beside)
            )
    for number, one in enumerate(branches, 1):
        first, rest = ("└─ ", "   ") if number == len(branches) else ("├─ ", "│  ")
        below = _tree(explanation, one, step, shown)
        lines += [first + below[0], *(rest + line for line in below[1:])]
    if not branches and len(lines) == 2:
        lines[1] = "   " + lines[1].removeprefix("│  ")
    return lines


def _is_flag_of_given(explanation: Explanation, step: Step) -> bool:
    """Whether a step is a yes or no that follows from values read or counted alone."""
    return step.unit == "flag" and all(one.is_given for one in explanation.inputs_of(step))


def _without_measures_below(explanation: Explanation, step: Step, inputs: list[Step]) -> list[Step]:
    """Leave out measures from which another input is made: they stand below that one."""
    if step.measure_id:
        return inputs
    below = {one.step_number for other in inputs for one in explanation.inputs_of(other) if one.measure_id}
    return [one for one in inputs if one.step_number not in below]


def _label(step: Step, parent: Step | None) -> str:
    """Name a step; its measure or domain only where the step above does not say it."""
    name = step.quantity.replace("_", " ")
    if step.measure_id and (parent is None or parent.measure_id != step.measure_id):
        return f"{step.measure_id}: {name}"
    if step.domain_id and not step.measure_id and (parent is None or parent.domain_id != step.domain_id):
        return f"{step.domain_id.replace('_', ' ')}: {name}"
    return name


def written(value: Decimal | None, unit: str) -> str:
    """Write a value for a reader: no trailing zeros, money to the cent or penny, flags as yes or no."""
    if value is None:
        return "not determined"
    if unit == "flag":
        return "yes" if value else "no"
    if unit in _CURRENCY_SIGNS:
        cents = value.quantize(Decimal("0.01"), ROUND_HALF_UP)
        return f"{'-' if cents < 0 else ''}{_CURRENCY_SIGNS[unit]}{abs(cents):,.2f}"
    text = f"{value:,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def as_rows(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """Steps as rows for JSON, values as exact text."""
    return [
        {**vars(step), "value": None if step.value is None else written(step.value, "").replace(",", "")}
        for step in steps
    ]
