"""One definition turned into another, clause by clause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from openvbp.errors import Problem, UsageError
from openvbp.measures.elements import events_identity
from openvbp.measures.measure import ROLES, Episode, Measure, Role
from openvbp.measures.values import Constant, Value, all_of, any_of, conjuncts, identity
from openvbp.measures.wording import in_words

_JOINED_BY_OR: tuple[Role, ...] = ("denominator_exclusion", "numerator_exclusion", "denominator_exception")


@dataclass(frozen=True)
class ClauseStep:
    """One clause taken out, put in, or exchanged."""

    role: Role
    change: str
    """In words."""
    measure: Measure
    """The definition after this step and all before it."""


def clause_steps(first: Measure, second: Measure) -> list[ClauseStep]:
    """Turn the first definition into the second.

    Populations come in their order; in each, clauses that only the first has go out one by one, then those that only
    the second has come in. A numerator that is no list of clauses is exchanged as a whole.

    Raises
    ------
    UsageError
        If the two are not proportions of the same subjects, or are the same.
    """
    _demand_comparable(first, second)
    steps: list[ClauseStep] = []
    current = first
    for role in ROLES:
        ours, theirs = getattr(first, role), getattr(second, role)
        if identity(ours) == identity(theirs):
            continue
        for change, value in _changes(role, ours, theirs):
            current = replace(current, **{role: value})  # type: ignore[arg-type]
            steps.append(ClauseStep(role, change, current))
    if not steps:
        what = f"{first.id} and {second.id} have the same definition"
        raise UsageError(Problem(what, "--first, --second", "there is nothing to compare"))
    return [replace(step, measure=_named(step.measure, number)) for number, step in enumerate(steps, start=1)]


def _named(measure: Measure, number: int) -> Measure:
    return replace(measure, id=f"{measure.id} step {number}")


def _changes(role: Role, ours: Value, theirs: Value) -> list[tuple[str, Value]]:
    operator = "or" if role in _JOINED_BY_OR else "and"
    mine, others = (_parts(one, operator) for one in (ours, theirs))
    if role == "numerator" and (len(mine) < 2 or len(others) < 2):
        return [(f"instead of: {in_words(ours)}; now: {in_words(theirs)}", theirs)]
    known, wanted = [identity(one) for one in mine], [identity(one) for one in others]
    left = list(mine)
    found: list[tuple[str, Value]] = []
    for part, key in zip(mine, known, strict=True):
        if key not in wanted:
            left = [one for one in left if one is not part]
            found.append((f"without: {in_words(part)}", _joined(left, operator)))
    for part, key in zip(others, wanted, strict=True):
        if key not in known:
            left = [*left, part]
            found.append((f"with: {in_words(part)}", _joined(left, operator)))
    return found


def _parts(value: Value, operator: str) -> list[Value]:
    """Clauses; none where the population is everybody, or nobody is excluded."""
    return [] if isinstance(value, Constant) else conjuncts(value, operator)


def _joined(parts: Sequence[Value], operator: str) -> Value:
    if not parts:
        return Constant(operator == "and")
    return all_of(parts) if operator == "and" else any_of(parts)


def _demand_comparable(first: Measure, second: Measure) -> None:
    problems = []
    for one in (first, second):
        if one.scoring != "proportion":
            problems.append(Problem(f"{one.id} is a {one.scoring}", "--first, --second", "compare two proportions"))
    if _subjects(first) != _subjects(second):
        what = f"{first.id} and {second.id} have different subjects"
        to_do = "compare measures on persons, or on the same index events"
        problems.append(Problem(what, "--first, --second", to_do))
    if problems:
        raise UsageError(problems)


def _subjects(measure: Measure) -> Any:
    return events_identity(measure.basis.index) if isinstance(measure.basis, Episode) else "persons"
