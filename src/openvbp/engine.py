"""The only place that opens a query engine: DuckDB by default, Spark when asked.

Everything else speaks Ibis expressions and Arrow tables.
"""

from __future__ import annotations

import contextlib
import csv
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from openvbp.errors import InputDataError, MachineError, Problem, UsageError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EngineName = Literal["duckdb", "spark"]


class Engine(Protocol):
    """What the project needs of a query engine."""

    name: EngineName

    def table(self, rows: pa.Table, name: str) -> ir.Table:
        """Make an Arrow table queryable under a name."""
        ...

    def read_parquet(self, path: Path, name: str) -> ir.Table:
        """Make a Parquet file, or the files that a pattern names, queryable under a name."""
        ...

    def read_csv(self, path: Path, name: str) -> ir.Table:
        """Make the cells of a CSV file with a header queryable as text under a name; empty cells are null."""
        ...

    def compute(self, expression: ir.Table, name: str) -> ir.Table:
        """Compute an expression once and keep the rows under a name."""
        ...

    @property
    def computed(self) -> int:
        """How many tables have been computed so far."""
        ...

    def compute_again(self, first: int, last: int) -> None:
        """Compute the tables number ``first`` to before ``last`` again, in order, from what their sources hold now."""
        ...

    def view(self, expression: ir.Table, name: str) -> ir.Table:
        """Keep an expression under a name without computing it: what is built on it compiles faster."""
        ...

    def to_arrow(self, expression: ir.Table) -> pa.Table:
        """Fetch the rows of an expression."""
        ...

    def write_parquet(self, expression: ir.Table, path: Path) -> None:
        """Write the rows of an expression, in its order, to one file; the same rows give the same bytes."""
        ...

    def keep(self, expression: ir.Table, path: Path, name: str) -> ir.Table:
        """Compute a large table once, in any order; in the scratch file ``path`` it takes no memory."""
        ...

    def close(self) -> None:
        """Release the engine's memory and files."""
        ...


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    """Turn DuckDB's errors of the machine into the operating system's."""
    try:
        yield
    except (duckdb.IOException, duckdb.OutOfMemoryException) as error:
        raise OSError(None, str(error).splitlines()[0]) from error


def _physical_memory() -> int:
    """Bytes of memory of the machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


class DuckDBEngine:
    """DuckDB in this process; no extension is ever downloaded."""

    name: EngineName = "duckdb"

    def __init__(self, threads: int | None = None) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="openvbp-")
        settings: dict[str, Any] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "temp_directory": self._scratch.name,
            # A file that is written again under its name was once read in part from the cache ("Out of buffer"); files
            # here are local, and the system keeps them in memory anyway.
            "enable_external_file_cache": False,
            # Beyond half of the machine DuckDB goes on in its scratch folder; its own limit counts too little and has
            # ended in the system's killing the process.
            "memory_limit": f"{_physical_memory() // 2}B",
        }
        if threads:
            settings["threads"] = threads
        self._connection = ibis.duckdb.connect(**settings)
        self._computed: list[tuple[str, str]] = []

    def table(self, rows: pa.Table, name: str) -> ir.Table:
        self._connection.con.register(name, rows)
        return self._connection.table(name)

    def read_parquet(self, path: Path, name: str) -> ir.Table:
        return self._connection.read_parquet(str(path), table_name=name)

    def read_csv(self, path: Path, name: str) -> ir.Table:
        # Columns are named here: left to guess, DuckDB takes a row of more cells for the header.
        options: dict[str, Any] = {"header": True, "auto_detect": False, "delim": ",", "quote": '"', "escape": '"'}
        options["columns"] = dict.fromkeys(_csv_header(path), "VARCHAR")
        try:
            rows = self._connection.read_csv(str(path), table_name=name, **options)
            self._connection.con.execute(f'SELECT count(*) FROM "{name}"').fetchall()  # noqa: S608 (our own name; every row is read once)
        except duckdb.Error:
            # The cause may quote a row, so it is not shown.
            raise _unreadable_csv(path) from None
        return rows

    def compute(self, expression: ir.Table, name: str) -> ir.Table:
        self._computed.append((name, self._connection.compile(expression)))
        self._compute(*self._computed[-1])
        return self._connection.table(name)

    @property
    def computed(self) -> int:
        return len(self._computed)

    def compute_again(self, first: int, last: int) -> None:
        for name, _query in self._computed[first:last]:
            self._execute(f'DROP TABLE IF EXISTS "{name}"')
        for name, query in self._computed[first:last]:
            self._compute(name, query)

    def _compute(self, name: str, query: str) -> None:
        # Written out because Ibis' create_table makes each table twice.
        self._execute(f'CREATE OR REPLACE TEMP TABLE "{name}" AS {query}')

    def view(self, expression: ir.Table, name: str) -> ir.Table:
        self._execute(f'CREATE OR REPLACE TEMP VIEW "{name}" AS {self._connection.compile(expression)}')
        return self._connection.table(name)

    def to_arrow(self, expression: ir.Table) -> pa.Table:
        return self._connection.to_pyarrow(expression)

    def write_parquet(self, expression: ir.Table, path: Path) -> None:
        self._copy(expression, path, "zstd")

    def keep(self, expression: ir.Table, path: Path, name: str) -> ir.Table:
        # To keep rows in order DuckDB holds back what is not its turn, which may be most of a large table.
        self._execute("SET preserve_insertion_order = false")
        try:
            self._copy(expression, path, "snappy")
        finally:
            self._execute("RESET preserve_insertion_order")
        return self.read_parquet(path, name)

    def _copy(self, expression: ir.Table, path: Path, compression: str) -> None:
        target = str(path).replace("'", "''")
        query = self._connection.compile(expression)
        self._execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION {compression})")

    def _execute(self, sql: str) -> None:
        with _disk_errors():
            self._connection.con.execute(sql)

    def close(self) -> None:
        self._connection.disconnect()
        self._scratch.cleanup()


class SparkEngine:
    """A Spark session: the one that runs already, or a local one of our own."""

    name: EngineName = "spark"

    def __init__(self) -> None:
        try:
            from pyspark.sql import SparkSession
        except ImportError as error:
            raise UsageError(
                Problem("pyspark is not installed", "--engine spark", "pip install 'openvbp[spark]' and Java 17")
            ) from error
        running = SparkSession.getActiveSession()
        self._owns_session = running is None
        self._session = running or _local_spark_session(SparkSession.builder)
        self._connection = ibis.pyspark.connect(self._session)
        self._computed: list[tuple[str, str]] = []

    def table(self, rows: pa.Table, name: str) -> ir.Table:
        self._session.createDataFrame(rows).createOrReplaceTempView(name)
        return self._connection.table(name)

    def read_parquet(self, path: Path, name: str) -> ir.Table:
        self._session.read.parquet(str(path)).createOrReplaceTempView(name)
        return self._connection.table(name)

    def read_csv(self, path: Path, name: str) -> ir.Table:
        rows = self._session.read.options(header=True, mode="FAILFAST", escape='"', multiLine=True).csv(str(path))
        rows.createOrReplaceTempView(name)
        return self._connection.table(name)

    def compute(self, expression: ir.Table, name: str) -> ir.Table:
        self._computed.append((name, self._connection.compile(expression)))
        self._compute(*self._computed[-1])
        return self._connection.table(name)

    @property
    def computed(self) -> int:
        return len(self._computed)

    def compute_again(self, first: int, last: int) -> None:
        for name, query in self._computed[first:last]:
            self._compute(name, query)

    def _compute(self, name: str, query: str) -> None:
        # A checkpoint cuts the plan, which otherwise grows with every stage.
        self._session.sql(query).localCheckpoint(eager=True).createOrReplaceTempView(name)

    def view(self, expression: ir.Table, name: str) -> ir.Table:
        self._session.sql(self._connection.compile(expression)).createOrReplaceTempView(name)
        return self._connection.table(name)

    def to_arrow(self, expression: ir.Table) -> pa.Table:
        return self._session.sql(self._connection.compile(expression)).toArrow().cast(expression.schema().to_pyarrow())

    def write_parquet(self, expression: ir.Table, path: Path) -> None:
        pq.write_table(self.to_arrow(expression), path, compression="zstd")

    def keep(self, expression: ir.Table, path: Path, name: str) -> ir.Table:  # noqa: ARG002 (Spark keeps by itself)
        return self.compute(expression, name)

    def close(self) -> None:
        if self._owns_session:
            self._session.stop()


def _local_spark_session(builder: Any) -> SparkSession:
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    return (
        builder.master("local[*]")
        .appName("openvbp")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", str(os.cpu_count() or 2))
        .config("spark.sql.session.timeZone", "UTC")
        # Inferring filters takes exponential time where a condition is over many computed columns.
        .config("spark.sql.constraintPropagation.enabled", "false")
        .config("spark.driver.memory", "2g")
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )


@contextlib.contextmanager
def open_engine(name: EngineName = "duckdb", threads: int | None = None) -> Iterator[Engine]:
    """Open an engine for the duration of a ``with`` block.

    Parameters
    ----------
    name
        ``duckdb`` or ``spark``.
    threads
        Threads of DuckDB; all cores when not given. Spark has its own settings.

    Raises
    ------
    UsageError
        If the engine is unknown or not installed.
    """
    if name not in ("duckdb", "spark"):
        raise UsageError(Problem(f"there is no engine '{name}'", "--engine", "choose duckdb or spark"))
    engine: Engine = DuckDBEngine(threads) if name == "duckdb" else SparkEngine()
    try:
        yield engine
    finally:
        engine.close()


def kept_table(engine: Engine, expression: ir.Table, name: str, scratch: Path | None) -> ir.Table:
    """Compute a large table once: in a file of the scratch folder if there is one, else in the engine."""
    return (
        engine.compute(expression, name)
        if scratch is None
        else engine.keep(expression, scratch / f"{name}.parquet", name)
    )


class Database:
    """A database of the user, open for reading."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def tables(self) -> list[str]:
        """Names of its tables."""
        return sorted(self._connection.list_tables())

    def columns(self, table: str) -> list[str]:
        """Names of a table's columns."""
        return list(self._connection.table(table).columns)

    def read(self, table: str, rows: int) -> pa.RecordBatchReader:
        """Read a table in batches of at most so many rows; to the end, before another is read."""
        return self._connection.table(table).to_pyarrow_batches(chunk_size=rows)


@contextlib.contextmanager
def open_database(address: str) -> Iterator[Database]:
    """Open a database for the duration of a ``with`` block.

    Parameters
    ----------
    address
        Path of a DuckDB file, or ``postgresql://user:password@host/name``.

    Raises
    ------
    UsageError
        If the driver of PostgreSQL is not installed.
    InputDataError
        If there is no such database, or it cannot be opened.
    """
    is_file = "://" not in address
    shown = address if is_file else address.rpartition("@")[2].partition("?")[0]
    try:
        connection = ibis.duckdb.connect(address, read_only=True) if is_file else ibis.connect(address)
    except ImportError as error:
        raise UsageError(
            Problem("the driver of PostgreSQL is not installed", shown, "pip install 'openvbp[postgres]'")
        ) from error
    except Exception:
        # The cause may quote the password, so it is not shown.
        what_to_do = "check path, host, port, name, user and password"
        raise InputDataError(Problem("the database cannot be opened", shown, what_to_do)) from None
    try:
        yield Database(connection)
    finally:
        connection.disconnect()


def write_database(tables: Mapping[str, pa.Table], path: Path) -> None:
    """Write tables to a DuckDB database file, one table each."""
    with _disk_errors(), contextlib.closing(duckdb.connect(str(path))) as connection:
        for name, rows in tables.items():
            connection.from_arrow(rows).create(name)


def _csv_header(path: Path) -> list[str]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            return next(csv.reader(lines), [])
    except (UnicodeDecodeError, csv.Error):
        raise _unreadable_csv(path) from None


def _unreadable_csv(path: Path) -> InputDataError:
    return InputDataError(
        Problem("file cannot be read as UTF-8 CSV", str(path), "save it as comma-separated UTF-8 text with one header")
    )


def cannot_write(
    path: Path,
    error: OSError,
    what_to_do: str = "free disk space or choose another --out; run the same command again to go on where it stopped",
) -> MachineError:
    """Say why a file could not be written and what to do."""
    return MachineError(Problem(f"cannot write: {error.strerror or error}", str(path), what_to_do))
