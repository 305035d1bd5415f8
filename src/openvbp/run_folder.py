"""A finished run: its folder, its record, its result tables."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, get_args

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from openvbp.errors import Problem, UsageError

RECORD = "run.json"
RESULTS = "results"
COUNTED = Path("evidence") / "claims"
"""Where a run that began with claims keeps what was counted: its tables, and the single persons behind them."""
TableForm = Literal["arrow", "pandas", "polars", "ibis"]


@dataclass(frozen=True)
class RunFolder:
    """A finished run on disk."""

    path: Path
    record: dict[str, Any]
    """Content of ``run.json``."""

    @property
    def title(self) -> str:
        """Program and period, for headings."""
        return f"{self.record['title']} {self.record['period']}"

    @property
    def tables(self) -> list[str]:
        """Names of the result tables that this run wrote."""
        return [path.removeprefix(f"{RESULTS}/") for path in self.record["rows"] if path.startswith(f"{RESULTS}/")]

    def table_path(self, name: str) -> Path:
        """Where a result table is.

        Raises
        ------
        UsageError
            If the run has no such table.
        """
        if name not in self.tables:
            raise UsageError(
                Problem(f"the run has no table '{name}'", str(self.path), "choose one of: " + ", ".join(self.tables))
            )
        return self.path / RESULTS / f"{name}.parquet"

    def read(self, name: str, **equal: str) -> pa.Table:
        """Read a result table, or only the rows whose columns equal the given values."""
        conditions = [(column, "==", value) for column, value in equal.items()]
        return pq.read_table(self.table_path(name), filters=conditions or None)

    def table(self, name: str, as_: TableForm = "arrow") -> Any:
        """Give a result table to another tool.

        Parameters
        ----------
        name
            One of :attr:`tables`.
        as_
            ``arrow``, ``pandas``, ``polars``, or ``ibis``: an expression on the file, of DuckDB, computed when asked.

        Raises
        ------
        UsageError
            If the run has no such table, or there is no such form.
        """
        if as_ == "ibis":
            return ibis.duckdb.connect().read_parquet(self.table_path(name), table_name=name)
        read = self.read(name)
        if as_ == "pandas":
            return read.to_pandas()
        if as_ == "polars":
            return import_module("polars").from_arrow(read)
        if as_ != "arrow":
            forms = ", ".join(get_args(TableForm))
            raise UsageError(Problem(f"there is no form '{as_}' of a table", "as_", f"choose one of {forms}"))
        return read

    def demand_scenario(self, scenario_id: str) -> None:
        """Raise a ``UsageError`` if the run has no such scenario."""
        scenarios = list(self.record["scenarios"])
        if scenario_id not in scenarios:
            raise UsageError(
                Problem(
                    f"the run has no scenario '{scenario_id}'",
                    str(self.path),
                    "choose one of the run's scenarios",
                    examples=tuple(scenarios[:3]),
                )
            )


def is_run(path: Path) -> bool:
    """Whether a folder holds a finished run."""
    return (path / RECORD).is_file()


def open_run(path: Path) -> RunFolder:
    """Open a finished run.

    Raises
    ------
    UsageError
        If the folder is not a finished run.
    """
    try:
        return RunFolder(path, json.loads((path / RECORD).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise UsageError(
            Problem("not a finished run", str(path), "give the --out folder of an 'openvbp run' that ended well")
        ) from error
