"""Explanation steps: wide tables of quantities turned into ``step_result`` rows.

A program computes wide tables, one column per quantity. Each quantity comes from a rule, an input file or a
parameter; this module writes one row per value with the rule, the citation and the quantities it came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import InternalError, Problem
from openvbp.parameters import Scenario
from openvbp.rules import Rule

VALUE_TYPE = "decimal(38, 16)"
_KIND = pa.schema(
    [
        *(
            (name, pa.string())
            for name in (
                "scenario_id",
                "quantity",
                "measure_key",
                "domain_key",
                "rule_id",
                "citation",
                "unit",
                "inputs",
            )
        ),
        ("step_number", pa.int64()),
        ("is_computed", pa.bool_()),
    ]
)


@dataclass(frozen=True)
class Given:
    """A quantity that is not computed: read from an input file or taken from the parameters."""

    quantity: str
    unit: str
    kind: str
    """``input``, ``parameter`` or ``count`` (of rows of the table below)."""


@dataclass(frozen=True)
class StepGroup:
    """A wide table and those of its columns that are steps."""

    table: ir.Table
    quantities: tuple[str, ...]
    noted: str
    """The quantity whose row carries the table's ``status_reason`` as its note."""


@dataclass(frozen=True)
class Source:
    """Where an input or a parameter of one scenario comes from."""

    scenario_id: str
    quantity: str
    measure_id: str
    domain_id: str
    citation: str


def first_row_of_each(rows: ir.Table, keys: Sequence[str]) -> ir.Table:
    """Keep one row per key, that of its first domain, where every domain's row holds what belongs to the whole."""
    first = rows.group_by(keys).agg(first_domain=_.domain_id.min())
    joined = rows.inner_join(first, list(keys))
    return joined.filter(_.domain_id == _.first_domain).drop("first_domain")


def parameter_sources(scenarios: Iterable[Scenario]) -> list[Source]:
    """Citations of every parameter value, by measure or domain where it has one."""
    sources = []
    for scenario in scenarios:
        for parameter in scenario.parameters.values():
            for key, cited in parameter.values.items():
                measure_id = key if parameter.by == "measure_id" else ""
                domain_id = key if parameter.by == "domain_id" else ""
                sources.append(Source(scenario.scenario_id, parameter.name, measure_id, domain_id, cited.cite))
    return sources


def step_rows(
    engine: Engine,
    groups: Sequence[StepGroup],
    rules: Sequence[Rule],
    given: Sequence[Given],
    sources: Sequence[Source],
) -> ir.Table:
    """Write one row per value.

    Parameters
    ----------
    groups
        Wide tables at the grain of measures, domains or providers.
    rules
        The rules in force, in their order.
    given
        The quantities that no rule computes.
    sources
        Citations of inputs and parameters.

    Returns
    -------
    Rows of ``step_result`` (scenario × provider × step) without the program and period columns.

    Raises
    ------
    InternalError
        If a quantity has no rule and is not given.
    """
    kinds = engine.table(_kinds(engine, groups, rules, given, sources), "step_kind")
    values = _together([_long(group) for group in groups])
    keys = ["scenario_id", "quantity", "measure_key", "domain_key"]
    steps = values.mutate(measure_key=_.measure_id.fill_null(""), domain_key=_.domain_id.fill_null(""))
    steps = steps.inner_join(kinds, keys)
    # A missing input has no step of its own: the note of what could not be computed from it names it.
    return steps.filter(_.value.notnull() | _.is_computed).drop("measure_key", "domain_key", "is_computed")


def _kinds(
    engine: Engine,
    groups: Sequence[StepGroup],
    rules: Sequence[Rule],
    given: Sequence[Given],
    sources: Sequence[Source],
) -> pa.Table:
    """List the steps that there can be: scenario × quantity × measure × domain, numbered alike for every provider.

    A quantity follows what it is made from; within it, domains and measures follow the alphabet.
    """
    definitions = _definitions(rules, given)
    unknown = {quantity for group in groups for quantity in group.quantities} - definitions.keys()
    if unknown:
        raise InternalError(Problem("quantities without a rule", ", ".join(sorted(unknown)), "report this"))
    order = {quantity: place for place, quantity in enumerate(definitions)}
    places = {
        (order[quantity], row["domain_id"] or "", row["measure_id"] or "", quantity, row["scenario_id"])
        for number, group in enumerate(groups)
        for row in _places(engine, group, number)
        for quantity in group.quantities
    }
    numbers: dict[tuple[int, str, str], int] = {}
    for place, domain, measure, *_rest in sorted(places):
        numbers.setdefault((place, domain, measure), len(numbers) + 1)
    cited = {(one.scenario_id, one.quantity, one.measure_id, one.domain_id): one.citation for one in sources}
    rows = []
    for place, domain, measure, quantity, scenario_id in sorted(places):
        definition = definitions[quantity]
        source = cited.get((scenario_id, quantity, measure, "" if measure else domain))
        source = source or cited.get((scenario_id, quantity, "", ""))
        rows.append(
            {
                **definition,
                "scenario_id": scenario_id,
                "quantity": quantity,
                "measure_key": measure,
                "domain_key": domain,
                "step_number": numbers[place, domain, measure],
                "citation": source or definition["citation"],
            }
        )
    return pa.Table.from_pylist(rows, schema=_KIND)


def _places(engine: Engine, group: StepGroup, number: int) -> list[dict[str, Any]]:
    """Scenarios, measures and domains that a wide table has."""
    rows = engine.compute(group.table.select("scenario_id", **_keys(group.table)).distinct(), f"step_place_{number}")
    return engine.to_arrow(rows).to_pylist()


def _definitions(rules: Sequence[Rule], given: Sequence[Given]) -> dict[str, dict[str, Any]]:
    """Every quantity with its rule, ordered so that a quantity follows what it is made from."""
    definitions: dict[str, dict[str, Any]] = {
        one.quantity: {"rule_id": one.kind, "citation": one.kind, "unit": one.unit, "inputs": "", "is_computed": False}
        for one in given
    }
    for rule in rules:
        definitions[rule.gives] = {
            "rule_id": rule.rule_id,
            "citation": rule.citation,
            "unit": rule.unit,
            "inputs": " ".join(rule.inputs),
            "is_computed": True,
        }
    return definitions


def _together(tables: Sequence[ir.Table]) -> ir.Table:
    return ibis.union(*tables) if len(tables) > 1 else tables[0]


def _keys(table: ir.Table) -> dict[str, ir.Value]:
    return {name: table[name] if name in table.columns else ibis.null("string") for name in ("measure_id", "domain_id")}


def _long(group: StepGroup) -> ir.Table:
    """Turn the columns of a wide table into rows."""
    table = group.table
    wide = table.select(
        "scenario_id",
        "provider_id",
        "status_reason",
        **_keys(table),
        **{
            quantity: table[quantity]
            .cast("int64" if table[quantity].type().is_boolean() else VALUE_TYPE)
            .cast(VALUE_TYPE)
            for quantity in group.quantities
        },
    )
    long = wide.pivot_longer(list(group.quantities), names_to="quantity", values_to="value")
    return long.select(
        "scenario_id",
        "provider_id",
        "measure_id",
        "domain_id",
        "quantity",
        "value",
        note=ibis.ifelse(long.quantity == group.noted, long.status_reason, ibis.null("string")),
    )
