"""Changed terms that contradict each other, or need what the tables do not hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import get_args

from openvbp.errors import Problem, UsageError
from openvbp.parameters import Scenario
from openvbp.programs.contract.compiled import LADDERS
from openvbp.programs.contract.input_files import EXPERIENCE_FILE, MEMBERS_FILE, QUALITY_FILE
from openvbp.programs.contract.inputs import ContractInputs
from openvbp.programs.contract.terms import Comparator

_RATES = ("annual_trend", "efficiency_modifier", "quality_modifier")
_SUMS = {
    "baseline_weight": "the weights of the baseline years",
    "practices_criterion": "the criteria of practices",
    "clinicians_criterion": "the criteria of clinicians",
}


def demand_possible(scenarios: Sequence[Scenario], content: ContractInputs) -> None:
    """Refuse scenarios by which the contract cannot be settled.

    Raises
    ------
    UsageError
        If corridors or ladder steps are out of order, weights or criteria do not add up to 1, a rate is not between -1
        and 1, or a term needs rates, risk scores or costs of members that the tables do not hold.
    """
    problems = []
    for scenario in scenarios:
        problems += [*_contradictions(scenario), *_lacking(scenario, content)]
    if problems:
        raise UsageError(problems)


def _contradictions(scenario: Scenario) -> Iterator[Problem]:
    where = _where(scenario)
    for name in ("savings", "losses"):
        if not _rise(scenario, f"{name}_corridor_end"):
            yield Problem(f"corridors of {name} overlap", where, "let each end above the one before")
    for ladder in LADDERS:
        if not _rise(scenario, f"{ladder}_score"):
            yield Problem(f"steps of {ladder} are out of order", where, "let their scores rise")
    for name, words in _SUMS.items():
        parts = scenario.keyed(name) if name in scenario.parameters else {}
        if parts and sum(parts.values()) != 1:
            what = f"{words} add up to {sum(parts.values()):f}, not to 1"
            yield Problem(what, where, "change several of them together")
    for name in _RATES:
        for key, value in (scenario.keyed(name) if name in scenario.parameters else {}).items():
            if not -1 < value < 1:
                path = f"{name}.{key}" if key else name
                yield Problem(f"{path}: {value:f} is not a rate between -1 and 1", where, "write for example 0.035")


def _rise(scenario: Scenario, name: str) -> bool:
    values = [one.value for one in scenario.parameters[name].values.values()]
    # Only the last corridor may have no end.
    return all(low is not None and (high is None or low < high) for low, high in pairwise(values))


def _lacking(scenario: Scenario, content: ContractInputs) -> Iterator[Problem]:
    where = _where(scenario)
    yield from _comparators(scenario, content)
    unscored = [row for row in content.experience.to_pylist() if not row["risk_score"]]
    if scenario.value("is_risk_adjusted") and unscored:
        what = f"the budget follows the risk score, which is missing or zero in {EXPERIENCE_FILE}"
        yield Problem(what, where, "fill the column risk_score", len(unscored))
    point, agreed = scenario.value("stop_loss_attachment_point"), content.terms.stop_loss
    is_lower = agreed is not None and point is not None and point < agreed.attachment_point
    if (point is not None and agreed is None) or (is_lower and not _are_all_members_known(content)):
        known = f"known above {agreed.attachment_point:,} only" if agreed else "not known"
        what = f"stop loss cannot begin at {point:,}: what single members cost is {known}"
        yield Problem(
            what, where, f"write the point into the contract file, and all members above it into {MEMBERS_FILE}"
        )


def _are_all_members_known(content: ContractInputs) -> bool:
    """Whether the costs of the listed members come to the experience, as where they were counted from claims."""
    if content.members is None:
        return False
    listed: Counter[tuple[str, int]] = Counter()
    for row in content.members.to_pylist():
        listed[row["population"], row["year"]] += row["expenditures"]
    return all(listed[row["population"], row["year"]] == row["expenditures"] for row in content.experience.to_pylist())


def _comparators(scenario: Scenario, content: ContractInputs) -> Iterator[Problem]:
    """Say which measures are compared with a rate that is not known."""
    if content.quality is None:
        return
    where, rows = _where(scenario), {row["measure_id"]: row for row in content.quality.to_pylist()}
    for measure_id, comparator in scenario.keyed("measure_compared_with").items():
        path = f"measure_compared_with.{measure_id}"
        if comparator not in get_args(Comparator):
            what = f"{path}: '{comparator}' is nothing to compare with"
            yield Problem(what, where, "choose one of: " + ", ".join(get_args(Comparator)))
        elif comparator == "fixed" and scenario.value("measure_target", measure_id) is None:
            yield Problem(f"{path}: there is no target", where, f"set measure_target.{measure_id} too")
        elif comparator != "fixed" and rows[measure_id][f"{comparator}_rate"] is None:
            what = f"{path}: the {comparator} rate is missing in {QUALITY_FILE}"
            yield Problem(what, where, f"fill the column {comparator}_rate")


def _where(scenario: Scenario) -> str:
    return f"scenario {scenario.scenario_id}"
