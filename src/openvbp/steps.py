"""Explanation steps: wide tables of quantities turned into ``step_result`` rows.

A program computes wide tables, one column per quantity. Each quantity comes from a rule, an input file or a
parameter; this module writes one row per value with the rule, the citation and the quantities it came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import InternalError, Problem
from openvbp.parameters import Scenario
from openvbp.rules import Rule

VALUE_TYPE = "decimal(38, 16)"
_DEFINITION = pa.schema(
    [(name, pa.string()) for name in ("quantity", "rule_id", "rule_citation", "unit", "inputs")]
    + [("rule_order", pa.int64()), ("is_computed", pa.bool_())]
)
_SOURCE = pa.schema(
    [(name, pa.string()) for name in ("scenario_id", "quantity", "measure_key", "domain_key", "citation")]
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
    definitions = _definitions(rules, given)
    unknown = {quantity for group in groups for quantity in group.quantities} - set(definitions["quantity"].to_pylist())
    if unknown:
        raise InternalError(Problem("quantities without a rule", ", ".join(sorted(unknown)), "report this"))
    source_rows = [
        {
            "scenario_id": source.scenario_id,
            "quantity": source.quantity,
            "measure_key": source.measure_id,
            "domain_key": source.domain_id,
            "citation": source.citation,
        }
        for source in sources
    ]
    definition = engine.table(definitions, "step_definition")
    source = engine.table(pa.Table.from_pylist(source_rows, schema=_SOURCE), "step_source")
    values = ibis.union(*(_long(group) for group in groups)) if len(groups) > 1 else _long(groups[0])
    # A missing input has no step of its own: the note of what could not be computed from it names it.
    steps = (
        values.inner_join(definition, "quantity")
        .filter(_.value.notnull() | _.is_computed)
        .mutate(
            measure_key=_.measure_id.fill_null(""),
            domain_key=ibis.ifelse(_.measure_id.notnull(), "", _.domain_id.fill_null("")),
        )
    )
    keys = ["scenario_id", "quantity", "measure_key", "domain_key"]
    steps = steps.left_join(source, keys).drop([f"{key}_right" for key in keys])
    # A step has the same number for every provider: only its kinds are sorted, not all the steps.
    place = ["rule_order", "domain_place", "measure_key"]
    steps = steps.mutate(domain_place=steps.domain_id.fill_null(""))
    kinds = steps.select(*place).distinct()
    kinds = kinds.mutate(step_number=ibis.row_number().over(order_by=place) + 1)
    steps = steps.inner_join(kinds, place)
    return steps.select(
        "scenario_id",
        "provider_id",
        "step_number",
        "quantity",
        "measure_id",
        "domain_id",
        "value",
        "unit",
        "rule_id",
        "inputs",
        "note",
        citation=ibis.coalesce(steps.citation, steps.rule_citation),
    )


def _definitions(rules: Sequence[Rule], given: Sequence[Given]) -> pa.Table:
    """Every quantity with its rule, ordered so that a quantity follows what it is made from."""
    rows = [
        {
            "quantity": one.quantity,
            "rule_id": one.kind,
            "rule_citation": one.kind,
            "unit": one.unit,
            "inputs": "",
            "is_computed": False,
        }
        for one in given
    ] + [
        {
            "quantity": rule.gives,
            "rule_id": rule.rule_id,
            "rule_citation": rule.citation,
            "unit": rule.unit,
            "inputs": " ".join(rule.inputs),
            "is_computed": True,
        }
        for rule in rules
    ]
    return pa.Table.from_pylist([{**row, "rule_order": order} for order, row in enumerate(rows)], schema=_DEFINITION)


def _long(group: StepGroup) -> ir.Table:
    """Turn the columns of a wide table into rows."""
    table = group.table
    keys = {name: table[name] if name in table.columns else ibis.null("string") for name in ("measure_id", "domain_id")}
    wide = table.select(
        "scenario_id",
        "provider_id",
        "status_reason",
        **keys,
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
