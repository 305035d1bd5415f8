"""Repeated operands in columns of their own, so that the SQL of a formula stays as short as the formula.

An expression used twice is written twice into the SQL, and its own operands, if used twice, four times. Spark spends
seconds on reading a few dozen kilobytes of nested brackets.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import ibis.expr.operations as ops
import ibis.expr.types as ir

_LEAST_PARTS = 12
"""Parts of an operand that is worth a column: each level of columns repeats the names of all others."""


def computed_once(table: ir.Table) -> ir.Table:
    """Compute each operand once that the last columns of a table use more than once.

    Parameters
    ----------
    table
        A table just made by ``mutate`` or ``select``; any other is given back as it is. Every operand must be
        computable for every row, because it no longer stands behind a condition.

    Returns
    -------
    The same columns and rows.
    """
    project = table.op()
    if not isinstance(project, ops.Project):
        return table
    levels = _repeated(list(project.values.values()))
    result, columns = project.parent.to_expr(), {}
    for level in range(1, max(levels.values(), default=0) + 1):
        known = _columns(project.parent, result, columns)
        made = {f"openvbp_operand_{level}_{number}": node for number, node in enumerate(_at(levels, level))}
        result = result.mutate(**{name: node.replace(known, filter=ops.Value).to_expr() for name, node in made.items()})
        columns |= {node: name for name, node in made.items()}
    known = _columns(project.parent, result, columns)
    return result.select(
        **{name: node.replace(known, filter=ops.Value).to_expr() for name, node in project.values.items()}
    )


def _repeated(roots: list[ops.Value]) -> dict[ops.Value, int]:
    """Find the operands worth a column, with the level at which each can be computed."""
    ordered: dict[ops.Value, None] = {}
    for root in roots:
        _collect(root, ordered)
    uses = Counter(part for node in ordered for part in _parts(node))
    sizes: dict[ops.Value, int] = {}
    reached: dict[ops.Value, int] = {}
    levels: dict[ops.Value, int] = {}
    for node in ordered:
        size = _LEAST_PARTS if isinstance(node, ops.WindowFunction) else 1 + sum(sizes[part] for part in _parts(node))
        level = max((reached[part] for part in _parts(node)), default=0)
        if uses[node] > 1 and size >= _LEAST_PARTS and not node.shape.is_scalar():
            level += 1
            levels[node], size = level, 1
        sizes[node], reached[node] = size, level
    return levels


def _collect(node: ops.Value, ordered: dict[ops.Value, None]) -> None:
    """Put the parts of an expression before what is made of them."""
    if node not in ordered:
        for part in _parts(node):
            _collect(part, ordered)
        ordered[node] = None


def _parts(node: ops.Value) -> Iterator[ops.Value]:
    """Operands that could be columns; what stands in a window cannot."""
    if not isinstance(node, ops.Field | ops.WindowFunction):
        children: Any = node.__children__
        yield from (part for part in children if isinstance(part, ops.Value))


def _at(levels: dict[ops.Value, int], level: int) -> list[ops.Value]:
    return [node for node, one in levels.items() if one == level]


def _columns(parent: ops.Relation, table: ir.Table, columns: dict[ops.Value, str]) -> dict[ops.Value, ops.Value]:
    """What the columns of the first table and the operands found so far are in another table."""
    fields = {ops.Field(parent, name): table[name].op() for name in parent.to_expr().columns}
    return fields | {node: table[name].op() for node, name in columns.items()}
