"""Rule files, and the lists they refer to: reading, and saying what is wrong with them and where."""

from __future__ import annotations

import csv
import difflib
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from openvbp.attribution.rule import Rule
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.exact_yaml import load_exact
from openvbp.terms_file import TermsFile, read_terms

_FOLDER = Path(__file__).parent
_RULES = _FOLDER / "rules"
_ADVICE = "see docs/how-to/attribute.md"


class Condition(BaseModel):
    """What a line must be besides its code; codes of bill types and revenue centres are beginnings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    cite: str = ""
    claim_type: str | None = None
    has_allowed_amount: bool = False
    place_of_service: tuple[str, ...] = ()
    bill_types: tuple[str, ...] = ()
    revenue_centers: tuple[str, ...] = ()
    outside_bill_types: tuple[str, ...] = ()
    """Not on a day of a claim of the same person with such a bill type."""
    counts_as_specialty: str | None = None


@dataclass(frozen=True)
class DatedCode:
    """A code of a list, in force in some years of programs."""

    list_id: str
    code: str
    condition: str
    first_year: int | None
    last_year: int | None
    is_unverified: bool

    def is_in_force(self, year: int) -> bool:
        """Whether the code counts in a program year."""
        return (self.first_year or year) <= year <= (self.last_year or year)


def rule_ids() -> list[str]:
    """Names of the rules that come with openvbp."""
    return sorted(path.stem for path in _RULES.glob("*.yaml"))


def shipped_rule(rule_id: str) -> Rule:
    """Read a rule that comes with openvbp.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    if rule_id not in rule_ids():
        near = difflib.get_close_matches(rule_id, rule_ids(), n=1, cutoff=0.5)
        meant = f"; did you mean '{near[0]}'?" if near else ""
        raise UsageError(
            Problem(
                f"there is no attribution rule '{rule_id}'{meant}",
                "--rule",
                "choose one of 'openvbp attribute --rules', or give the path of a rule file ending in .yaml",
            )
        )
    return read_rule(_RULES / f"{rule_id}.yaml")


def find_rule(name: str) -> Rule:
    """Read a rule by its name, or from the path of a rule file."""
    return read_rule(Path(name)) if name.endswith((".yaml", ".yml")) else shipped_rule(name)


def read_rule(path: Path) -> Rule:
    """Read and check a rule file.

    Raises
    ------
    UsageError
        If there is no such file.
    InputDataError
        With every error found: line, term, what is wrong, what to write. A list or group that is not known is one.
    """
    read = read_terms(path, Rule, holds="rule", advice=_ADVICE)
    if lost := list(_unknown_names(read)):
        raise InputDataError(lost)
    return read.terms


def _unknown_names(read: TermsFile[Rule]) -> Iterable[Problem]:
    rule = read.terms
    known = {
        "service list": {one.list_id for one in service_lists()} | set(rule.service_lists),
        "clinician group": {one.list_id for one in clinician_groups()} | set(rule.clinician_groups),
        "condition": set(conditions()),
    }
    used: list[tuple[str, str, tuple[str | int, ...]]] = []
    for name, pool in rule.pools.items():
        used += [("service list", one, ("pools", name, "services", at)) for at, one in enumerate(pool.services)]
        used += [("clinician group", one, ("pools", name, "clinicians", at)) for at, one in enumerate(pool.clinicians)]
    for name, own in rule.service_lists.items():
        used.append(("condition", own.condition, ("service_lists", name, "condition")))
    if rule.candidate_events:
        other = rule.candidate_events.other_services
        used += [("service list", one, ("candidate_events", "other_services")) for one in other]
    for kind, name, place in used:
        if name not in known[kind]:
            near = difflib.get_close_matches(name, sorted(known[kind]), n=1, cutoff=0.5)
            meant = f"; did you mean '{near[0]}'?" if near else ""
            what = f"there is no {kind} '{name}'{meant}"
            advice = f"declare it in the rule, or use one of: {', '.join(sorted(known[kind]))}"
            yield Problem(what, read.where(*place), advice)


@functools.cache
def service_lists() -> tuple[DatedCode, ...]:
    """Codes of the service lists; ``*`` is any code."""
    return tuple(
        DatedCode(row["list_id"], row["code"], row["condition"], *_years(row), row["unverified"] == "true")
        for row in _rows("service_lists.csv")
    )


@functools.cache
def clinician_groups() -> tuple[DatedCode, ...]:
    """Specialty codes of the clinician groups."""
    return tuple(
        DatedCode(row["group_id"], row["specialty_code"], "", *_years(row), row["unverified"] == "true")
        for row in _rows("clinician_groups.csv")
    )


@functools.cache
def conditions() -> dict[str, Condition]:
    """Conditions of services by name."""
    declared: dict[str, Any] = load_exact((_FOLDER / "conditions.yaml").read_bytes())
    return {name: Condition.model_validate(terms) for name, terms in declared.items()}


def codes_in_force(rule: Rule, list_id: str, year: int) -> dict[str, frozenset[str]]:
    """Codes of a service list that count in a program year, by condition; a rule's own list comes first."""
    own = rule.service_lists.get(list_id)
    if own is not None:
        return {own.condition: frozenset(own.codes)}
    found: dict[str, set[str]] = {}
    for one in service_lists():
        if one.list_id == list_id and one.is_in_force(year):
            found.setdefault(one.condition, set()).add(one.code)
    return {condition: frozenset(codes) for condition, codes in found.items()}


def specialties_in_force(rule: Rule, groups: Sequence[str], year: int) -> frozenset[str]:
    """Specialty codes of clinician groups that count in a program year."""
    own = {code for group in groups for code in rule.clinician_groups.get(group, ())}
    shipped = {
        one.code
        for one in clinician_groups()
        if one.list_id in groups and one.list_id not in rule.clinician_groups and one.is_in_force(year)
    }
    return frozenset(own | shipped)


def is_unverified(rule: Rule, year: int) -> bool:
    """Whether the rule, or a code it uses in a year, has not been read in its source."""
    lists = {name for pool in rule.pools.values() for name in pool.services if name not in rule.service_lists}
    groups = {name for pool in rule.pools.values() for name in pool.clinicians if name not in rule.clinician_groups}
    used = [one for one in service_lists() if one.list_id in lists]
    used += [one for one in clinician_groups() if one.list_id in groups]
    return rule.unverified is not None or any(one.is_unverified and one.is_in_force(year) for one in used)


def _years(row: Mapping[str, str]) -> tuple[int | None, int | None]:
    return int(row["first_year"]) if row["first_year"] else None, int(row["last_year"]) if row["last_year"] else None


def _rows(name: str) -> list[dict[str, str]]:
    with (_FOLDER / name).open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))
