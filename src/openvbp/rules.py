"""Rules: functions that carry their paragraph of law.

A rule is a short function from an Ibis table to the same table with one more column. What it computes, from
what, and by which paragraph is declared beside it; explanations and the program pages are made from that.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from types import ModuleType

import ibis.expr.types as ir


@dataclass(frozen=True)
class Rule:
    """One paragraph of a regulation as a function."""

    rule_id: str
    citation: str
    gives: str
    unit: str
    inputs: tuple[str, ...]
    since: date | None
    until: date | None
    text: str
    function: Callable[..., ir.Table]

    def __call__(self, *tables: ir.Table) -> ir.Table:
        """Apply the rule to its table or tables."""
        return self.function(*tables)


def rule(
    citation: str,
    *,
    gives: str,
    unit: str,
    inputs: tuple[str, ...],
    since: date | None = None,
    until: date | None = None,
) -> Callable[[Callable[..., ir.Table]], Rule]:
    """Declare a function as a rule.

    Parameters
    ----------
    citation
        The paragraph, for example ``42 CFR 412.165(a)(2)``.
    gives
        The column that the function adds: the quantity it determines.
    unit
        Unit of that quantity.
    inputs
        The quantities it is determined from.
    since, until
        First and last day on which the rule has this shape, if it changed.
    """

    def declare(function: Callable[..., ir.Table]) -> Rule:
        text = inspect.cleandoc(function.__doc__ or "").strip()
        if not text:
            raise ValueError(f"rule {function.__name__} has no docstring")
        return Rule(function.__name__, citation, gives, unit, inputs, since, until, text, function)

    return declare


def rules_of(module: ModuleType) -> list[Rule]:
    """List a module's rules in the order in which they are written, which is the regulation's."""
    return [value for value in vars(module).values() if isinstance(value, Rule)]


def in_force(rules: list[Rule], day: date) -> list[Rule]:
    """Keep the rules whose shape applies on a day."""
    return [
        rule
        for rule in rules
        if (rule.since is None or rule.since <= day) and (rule.until is None or day <= rule.until)
    ]
