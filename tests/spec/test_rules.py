"""Every rule gives what its worked examples say, on every engine."""

from __future__ import annotations

from decimal import Decimal
from importlib import import_module

import pytest
from specs import CASE, Spec, all_specs

from openvbp.engine import Engine
from openvbp.programs import program_ids
from openvbp.rules import Rule, rules_of

SPECS = all_specs()


def rule_of(spec: Spec) -> Rule:
    return getattr(import_module(f"openvbp.programs.{spec.program_id}.rules"), spec.rule_id)


def is_of_tables(rule: Rule) -> bool:
    """Most rules add a column to a table; a few are computed once from totals."""
    return rule.function.__annotations__["return"] == "ir.Table"


@pytest.mark.parametrize("spec", [one for one in SPECS if is_of_tables(rule_of(one))], ids=lambda spec: spec.name)
def test_rule_gives_what_the_examples_say(spec: Spec, engine: Engine) -> None:
    table = engine.table(spec.input_table(), f"spec_{spec.program_id}_{spec.rule_id}")
    given = rule_of(spec)(table)
    rows = {row[CASE]: row for row in engine.to_arrow(given.select(CASE, *spec.expected)).to_pylist()}
    assert [rows[row[CASE]] for row in spec.expected_rows()] == spec.expected_rows()
    assert len(rows) == len(spec.rows)


@pytest.mark.parametrize("spec", [one for one in SPECS if not is_of_tables(rule_of(one))], ids=lambda spec: spec.name)
def test_rule_of_totals_gives_what_the_examples_say(spec: Spec) -> None:
    for row, expected in zip(spec.rows, spec.expected_rows(), strict=True):
        arguments = [spec.value(name, row[name]) for name in spec.given]
        assert rule_of(spec).function(*arguments) == Decimal(expected[spec.expected[0]]), row[CASE]


@pytest.mark.parametrize("program_id", program_ids())
def test_every_rule_has_examples(program_id: str) -> None:
    rules = {rule.rule_id for rule in rules_of(import_module(f"openvbp.programs.{program_id}.rules"))}
    shown = {spec.rule_id for spec in SPECS if spec.program_id == program_id}
    assert rules == shown


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_examples_show_the_ends_and_the_missing(spec: Spec) -> None:
    """A floor, a ceiling, an ordinary and a missing case make at least four."""
    assert len(spec.rows) >= 4, f"{spec.name} has only {len(spec.rows)} examples"
    assert len({row[CASE] for row in spec.rows}) == len(spec.rows)
