"""An engine for the same program again and again with other parameters: only what depends on what changed is computed.

Parameters reach a program's rules as small tables. The SQL of an expression depends on nothing but the expression, so
it is made once; a computed table is made again only if its SQL or a table that it reads has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa

from openvbp.engine import DuckDBEngine

Made = TypeVar("Made")


class LabEngine(DuckDBEngine):
    """DuckDB that remembers what it has computed from what; one thread at a time."""

    def __init__(self, threads: int | None = None) -> None:
        super().__init__(threads)
        self._sql: dict[Any, tuple[str, tuple[str, ...]]] = {}
        self._rows: dict[str, pa.Table] = {}
        self._states: dict[str, int] = {}
        """Number of the state in which each table is."""
        self._made: dict[str, tuple[str, tuple[int | None, ...]]] = {}
        """Of what each computed table was made."""
        self._known: dict[str, ir.Table] = {}
        self._shapes: dict[str, Any] = {}
        """What the columns of each computed table follow from: while it stays, the database is not asked for them."""
        self._recorded: list[tuple[ir.Table, str]] | None = None
        self._replays: dict[str, tuple[Any, list[tuple[ir.Table, str]], Any]] = {}

    def table(self, rows: pa.Table, name: str) -> ir.Table:
        """Make an Arrow table queryable; equal rows change nothing."""
        before = self._rows.get(name)
        if before is None or not before.equals(rows):
            self._rows[name] = rows
            self._changed(name)
            if before is not None and before.schema.equals(rows.schema):
                self._connection.con.register(name, rows)
            else:
                self._known[name] = super().table(rows, name)
        return self._known[name]

    def compute(self, expression: ir.Table, name: str) -> ir.Table:
        """Compute an expression, if not the same has been computed from the same."""
        if self._recorded is not None:
            self._recorded.append((expression, name))
        if self._is_new(expression, name):
            sql, sources = self._compiled(expression)
            made_of = self._made.pop(name)
            self._compute(name, sql)
            # Not before: after an error the old table is still there, and is none of this.
            self._made[name] = made_of
            shape = (sql, tuple(self._known[one].schema() if one in self._known else None for one in sources))
            if self._shapes.get(name) != shape:
                self._shapes[name], self._known[name] = shape, self._connection.table(name)
        return self._known[name]

    def replayed(self, name: str, make: Callable[..., Made], *tables: ir.Table) -> Made:
        """Give what a function makes of tables, computing it anew but building its expressions only once.

        Parameters
        ----------
        name
            Names the function; none of another.
        make
            Builds expressions and computes some of them; it looks at no rows, and depends on nothing but the tables.
        tables
            What it is given: tables of this engine.
        """
        nodes = tuple(one.op() for one in tables)
        known, recorded, made = self._replays.get(name, (None, [], None))
        if known != nodes:
            self._recorded = recorded = []
            try:
                made = make(*tables)
            finally:
                self._recorded = None
            self._replays[name] = (nodes, recorded, made)
        else:
            for expression, table in recorded:
                self.compute(expression, table)
        return cast(Made, made)

    def view(self, expression: ir.Table, name: str) -> ir.Table:
        """Keep an expression under a name."""
        if self._is_new(expression, name):
            self._execute(f'CREATE OR REPLACE TEMP VIEW "{name}" AS {self._compiled(expression)[0]}')
        return self._connection.table(name)

    def to_arrow(self, expression: ir.Table) -> pa.Table:
        """Fetch the rows of an expression, in the types that Ibis expects."""
        rows = self._connection.con.execute(self._compiled(expression)[0]).to_arrow_table()
        return rows.cast(expression.schema().to_pyarrow())

    def _compiled(self, expression: ir.Table) -> tuple[str, tuple[str, ...]]:
        """Give the SQL of an expression and the names of the tables it reads."""
        node = expression.op()
        if node not in self._sql:
            names = sorted({table.name for table in node.find(ops.DatabaseTable)})
            self._sql[node] = (self._connection.compile(expression), tuple(names))
        return self._sql[node]

    def _is_new(self, expression: ir.Table, name: str) -> bool:
        sql, sources = self._compiled(expression)
        made_of = (sql, tuple(self._states.get(one) for one in sources))
        if self._made.get(name) == made_of:
            return False
        self._made[name] = made_of
        self._changed(name)
        return True

    def _changed(self, name: str) -> None:
        self._states[name] = max(self._states.values(), default=0) + 1
