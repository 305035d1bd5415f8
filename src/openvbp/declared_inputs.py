"""The user's own files of a program, read one after the other: what each gave, and what was rejected."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.checked_rows import IS_COPY, RowCheck, accepted, check_rows, rejected_cells, type_of
from openvbp.declared_tables import DeclaredTable, TextRows, read_rows
from openvbp.engine import Engine
from openvbp.program import InputFile


def empty_table(table: DeclaredTable) -> pa.Table:
    """Give a declared table without rows, for a file that is not given."""
    return ibis.schema({one.name: type_of(one.kind) for one in table.columns}).to_pyarrow().empty_table()


class DeclaredInputs:
    """Reads declared files of one folder and keeps what was read.

    Parameters
    ----------
    engine
        Where rows are checked.
    directory
        The folder.
    """

    def __init__(self, engine: Engine, directory: Path) -> None:
        self.engine = engine
        self.directory = directory
        self.rows: dict[DeclaredTable, ir.Table] = {}
        """Rows of the files read, as :func:`openvbp.checked_rows.check_rows` gives them."""
        self._texts: dict[DeclaredTable, TextRows] = {}
        self._kept: dict[DeclaredTable, pa.Table] = {}

    def has(self, *tables: DeclaredTable) -> bool:
        """Whether the file of any of the tables is there."""
        return any((self.directory / table.file_name).is_file() for table in tables)

    def read(self, table: DeclaredTable, checks: Sequence[RowCheck] = ()) -> pa.Table:
        """Read and check a file; gives the accepted rows, in the order of their key.

        Raises
        ------
        InputDataError
            If the file is missing or broken, no row can be used, or rows contradict each other.
        """
        self._texts[table] = read_rows(self.directory, table)
        self.rows[table] = check_rows(self.engine, self._texts[table], checks)
        self._kept[table] = self.engine.to_arrow(accepted(self.rows[table]).order_by(table.key))
        return self._kept[table]

    def read_if_given(self, table: DeclaredTable, checks: Sequence[RowCheck] = ()) -> pa.Table:
        """Read and check a file; an empty table where it is not there."""
        return self.read(table, checks) if self.has(table) else empty_table(table)

    def accepted(self, table: DeclaredTable) -> pa.Table:
        """Accepted rows of a file that was read; an empty table where it was not."""
        return self._kept[table] if table in self._kept else empty_table(table)

    def names(self, table: DeclaredTable) -> list[str]:
        """First key column of the accepted rows."""
        names: list[str] = self.accepted(table)[table.key[0]].to_pylist()
        return names

    def rejected_places(self, table: DeclaredTable, columns: Sequence[str] = ()) -> pa.Table:
        """Where rows were rejected, other than copies: the key, or the given columns of it."""
        columns = columns or table.key
        if table not in self.rows:
            return pa.table({column: pa.array([], pa.string()) for column in columns})
        broken = self.rows[table].filter(_.problem.notnull() & (_.problem != IS_COPY))
        for column in columns:
            broken = broken.filter(broken[column].notnull())
        return self.engine.to_arrow(broken.select(*columns).distinct().order_by(columns))

    def rejected(self) -> pa.Table:
        """All rejected rows, in the columns of ``rejected/cells``."""
        return pa.concat_tables(self.engine.to_arrow(rejected_cells(rows, table)) for table, rows in self.rows.items())

    def files(self) -> list[InputFile]:
        """The files read, for the run record."""
        found = []
        for table, text in self._texts.items():
            name, rows, kept = table.file_name, text.rows.num_rows, self._kept[table].num_rows
            found.append(InputFile(name, text.sha256, name.removesuffix(".csv"), rows, kept, rows - kept))
        return found
