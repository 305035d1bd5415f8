"""Rules applied one after the other to a table."""

from __future__ import annotations

from collections.abc import Sequence

import ibis.expr.types as ir

from openvbp.engine import Engine
from openvbp.rules import Rule

_AT_ONCE = 5
"""Rules in one query: of many more, engines take long to compile one query, and Spark refuses."""


def apply_rules(engine: Engine, rules: Sequence[Rule], table: ir.Table, name: str) -> ir.Table:
    """Apply rules in their order, a few in each query.

    Parameters
    ----------
    table
        What the first rule starts from.
    name
        Prefix of the names of the tables computed on the way; none of another call.

    Returns
    -------
    The table with the columns of all rules, computed.
    """
    for start in range(0, len(rules), _AT_ONCE):
        for rule in rules[start : start + _AT_ONCE]:
            table = rule(table)
        table = engine.compute(table, f"{name}_{start}")
    return table
