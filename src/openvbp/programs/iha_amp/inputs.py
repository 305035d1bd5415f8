"""Read the user's files; weights, standards, plans' terms and cut points become parameters that scenarios change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from openvbp.declared_inputs import DeclaredInputs
from openvbp.declared_tables import DeclaredTable
from openvbp.engine import open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.parameters import CitedValue, Scenario
from openvbp.program import Check, ProgramInputs
from openvbp.programs.iha_amp import input_files
from openvbp.programs.iha_amp.input_files import (
    DOMAINS,
    MEASURES,
    MEDICARE_MEASURES,
    MEDICARE_RESULTS,
    ORGANIZATIONS,
    PLANS,
    RESOURCE_MEASURES,
    RESOURCE_USE,
    RESULTS,
    SUMMARY,
    TOPICS,
)

COMMERCIAL, MEDICARE = "commercial", "medicare"
"""The two report cards, and the names of their summaries."""
STARS = ("two_stars", "three_stars", "four_stars", "five_stars")
_MOST_MEMBERS = 3 * 10**7
"""Members of one plan: more could not be divided by exactly."""


@dataclass(frozen=True)
class CaliforniaInputs:
    """Accepted rows by table, where rows were rejected, and the rejected cells; tables not given are empty."""

    accepted: dict[DeclaredTable, pa.Table]
    rejected_places: dict[DeclaredTable, pa.Table]
    """The key columns of rejected rows, other than copies."""
    rejected: pa.Table
    results: pa.Table | None = None
    """Accepted rows of ``measure_results.csv``, of draws a version for each scenario."""

    def __post_init__(self) -> None:
        """Take the rows as they were read, unless they are drawn."""
        if self.results is None:
            object.__setattr__(self, "results", self.accepted[RESULTS])

    @property
    def has_topics(self) -> bool:
        """Whether any measure belongs to a topic of the report card."""
        topics = self.accepted[MEASURES]["topic_id"]
        return topics.null_count < len(topics)


def read(directory: Path, declared: Scenario) -> ProgramInputs:
    """Read quality always, plans and their resource use, topics and the Medicare card where they are given.

    Raises
    ------
    InputDataError
        If a file is missing or broken, no row can be used, rows contradict each other, or names are used twice.
    """
    with open_engine() as engine:
        reader = DeclaredInputs(engine, directory)
        _read_quality(reader)
        if reader.has(PLANS, ORGANIZATIONS, RESOURCE_MEASURES, RESOURCE_USE):
            _read_plans(reader)
        if reader.has(TOPICS):
            reader.read(TOPICS, input_files.star_checks(STARS[:3]))
        if reader.has(MEDICARE_MEASURES, MEDICARE_RESULTS):
            reader.read(MEDICARE_MEASURES, input_files.star_checks(STARS))
            measures = reader.names(MEDICARE_MEASURES)
            reader.read(MEDICARE_RESULTS, input_files.result_checks(measures, MEDICARE_MEASURES.file_name))
        _demand_different_names(reader)
        _demand_cut_points(reader)
        _demand_divisible_members(reader)
        read_places = (RESULTS, ORGANIZATIONS, RESOURCE_USE, MEDICARE_RESULTS)
        all_tables = (MEASURES, *read_places, PLANS, MEDICARE_MEASURES)
        content = CaliforniaInputs(
            {table: reader.accepted(table) for table in all_tables},
            {table: reader.rejected_places(table) for table in read_places},
            reader.rejected(),
        )
        return ProgramInputs(reader.files(), _completed(declared, reader), content, _checks(reader))


def _read_quality(reader: DeclaredInputs) -> None:
    reader.read(DOMAINS, input_files.domain_checks())
    reader.read(MEASURES, input_files.measure_checks(reader.names(DOMAINS)))
    checks = input_files.result_checks(reader.names(MEASURES), MEASURES.file_name)
    reader.read(RESULTS, [*checks, *input_files.baseline_checks()])


def _read_plans(reader: DeclaredInputs) -> None:
    reader.read(PLANS, input_files.plan_checks())
    plans = reader.names(PLANS)
    reader.read(ORGANIZATIONS, input_files.organization_checks(plans))
    if reader.has(RESOURCE_MEASURES, RESOURCE_USE):
        reader.read(RESOURCE_MEASURES, input_files.resource_measure_checks(reader.names(MEASURES)))
        reader.read(RESOURCE_USE, input_files.resource_use_checks(reader.names(RESOURCE_MEASURES), plans))


def _completed(declared: Scenario, reader: DeclaredInputs) -> Scenario:
    """Give parameters the values of the files."""
    parameters = dict(declared.parameters)

    def add(name: str, table: DeclaredTable, column: str, rows: Iterable[tuple[str, Any]]) -> None:
        cite = f"{table.file_name}, column '{column}'"
        values = dict(parameters[name].values)
        values |= {key: CitedValue(value, cite, None) for key, value in rows if value is not None}
        parameters[name] = replace(parameters[name], values=values)

    def add_columns(table: DeclaredTable, columns: dict[str, str], prefix: str = "") -> None:
        rows = reader.accepted(table).to_pylist()
        for column, name in columns.items():
            add(name, table, column, ((prefix + row[table.key[0]], row[column]) for row in rows))

    standards = ("minimum_patients", "attainment_threshold", "attainment_benchmark")
    add_columns(MEASURES, {"weight": "measure_weight", **{name: name for name in standards}})
    add_columns(DOMAINS, {"weight": "domain_weight"})
    terms = ("minimum_quality", "gold_standard", "trend_limit", "trend_confidence_level", "incentive_budget")
    add_columns(PLANS, {name: name for name in terms})
    add_columns(RESOURCE_MEASURES, {"unit_cost": "unit_cost"})
    add_columns(MEDICARE_MEASURES, {name: name for name in STARS}, f"{MEDICARE}.")
    for name in STARS[:3]:
        rows = reader.accepted(TOPICS).to_pylist()
        topic = ((row["topic_id"], row[name]) for row in rows)
        add(
            name, TOPICS, name, ((COMMERCIAL if one == SUMMARY else f"{COMMERCIAL}.{one}", line) for one, line in topic)
        )
    return replace(declared, parameters=parameters)


def _demand_different_names(reader: DeclaredInputs) -> None:
    """A plan stands where a domain does, and so do the cards: one name must mean one of them."""
    domains, plans = set(reader.names(DOMAINS)), set(reader.names(PLANS))
    both = sorted((domains & plans) | ((domains | plans) & {COMMERCIAL, MEDICARE}))
    if both:
        what = "a plan, a domain or a report card has the name of another"
        where = f"{DOMAINS.file_name}, {PLANS.file_name}"
        raise InputDataError(Problem(what, where, "name them apart", len(both), tuple(both[:3])))


def _demand_cut_points(reader: DeclaredInputs) -> None:
    topics = set(reader.names(TOPICS))
    used = {name for name in reader.accepted(MEASURES)["topic_id"].to_pylist() if name is not None}
    missing = sorted(used - topics) if topics else []
    if topics and SUMMARY not in topics:
        missing.append(SUMMARY)
    if missing:
        what = "topics have no cut points"
        to_do = f"add a row for each topic of {MEASURES.file_name} and one named {SUMMARY}"
        raise InputDataError(Problem(what, TOPICS.file_name, to_do, len(missing), tuple(missing[:3])))
    if topics and not used:
        to_do = "name the topic of each measure in the column topic_id"
        raise InputDataError(Problem("no measure belongs to a topic", MEASURES.file_name, to_do))


def _demand_divisible_members(reader: DeclaredInputs) -> None:
    members: dict[str, int] = {}
    for row in reader.accepted(ORGANIZATIONS).to_pylist():
        members[row["plan_id"]] = members.get(row["plan_id"], 0) + row["members"]
    large = sorted(plan for plan, number in members.items() if number > _MOST_MEMBERS)
    if large:
        what = "a plan has more than thirty million members"
        to_do = "give the members of each organization in this plan"
        raise InputDataError(Problem(what, ORGANIZATIONS.file_name, to_do, len(large), tuple(large[:3])))


def _checks(reader: DeclaredInputs) -> list[Check]:
    """Note resource use of pairs that no plan lists, and organizations of plans without quality results."""
    listed = {(row["plan_id"], row["provider_id"]) for row in reader.accepted(ORGANIZATIONS).to_pylist()}
    used = {(row["plan_id"], row["provider_id"]) for row in reader.accepted(RESOURCE_USE).to_pylist()}
    alone = [" ".join(pair) for pair in sorted(used - listed)]
    measured = set(reader.names(RESULTS))
    without = sorted({provider for _plan, provider in listed} - measured)
    found = []
    if alone:
        meaning = "rows of resource_use.csv have no row of plan_organizations.csv that can be used; they are left out"
        found.append(Check("resource_use_without_members", len(alone), meaning, tuple(alone[:3])))
    if without:
        meaning = "organizations of plan_organizations.csv have no row of measure_results.csv that can be used"
        found.append(Check("organizations_without_quality", len(without), meaning, tuple(without[:3])))
    return found
