"""What the checks of a claims folder found, and the rows that they accepted."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import ibis
import ibis.expr.types as ir

from openvbp.claims.contract import PASSES_THROUGH
from openvbp.claims.coverage import Coverage
from openvbp.claims.defects import Finding
from openvbp.claims.duplicate_rows import DuplicateRows
from openvbp.claims.row_checks import CheckedTable, is_rejected
from openvbp.claims.tables import MANIFEST, ClaimsData
from openvbp.claims.value_checks import CodeMatch
from openvbp.engine import Engine, cannot_write
from openvbp.errors import InputDataError, Problem, UsageError


@dataclass(frozen=True)
class RowAccount:
    """What became of the rows of a table: those read are those accepted and those rejected."""

    read: int
    accepted: int
    rejected: int


@dataclass(frozen=True)
class ClaimsCheck:
    """What the checks of a claims folder found."""

    folder: Path
    findings: tuple[Finding, ...]
    """Worst first."""
    rows: dict[str, RowAccount]
    matches: tuple[CodeMatch, ...]
    coverage: Coverage
    tables: dict[str, CheckedTable]
    duplicates: dict[str, DuplicateRows]

    @property
    def must_stop(self) -> bool:
        """Whether the folder must not be used."""
        return any(one.outcome == "stop" for one in self.findings)

    @property
    def is_usable_as_it_is(self) -> bool:
        """Whether no row is rejected and no limit broken."""
        return all(one.outcome == "warning" for one in self.findings)

    def demand_usable(self) -> None:
        """Refuse a folder that must not be used.

        Raises
        ------
        InputDataError
            Names every finding for which the checks stop.
        """
        stops = [one.as_problem(str(self.folder)) for one in self.findings if one.outcome == "stop"]
        if stops:
            raise InputDataError(stops)

    def accepted(self, name: str) -> ir.Table:
        """Give the rows of a table that were accepted, each once.

        Parameters
        ----------
        name
            A table of the folder that has its required columns.

        Returns
        -------
        Rows with every column of the contract, as :meth:`~openvbp.claims.tables.ClaimsData.table` gives them. Valid
        until the same engine checks another folder.
        """
        table = self.tables[name]
        rows = table.rows.filter(~is_rejected(table)).select(table.own)
        found = self.duplicates.get(name)
        if found is not None:
            groups = found.repeated
            alone = rows.anti_join(groups, [rows[column].identical_to(groups[column]) for column in groups.columns])
            rows = alone.union(found.kept.select(table.own))
        own = [column for column in rows.columns if column.startswith(PASSES_THROUGH)]
        declared = {
            column.name: rows[column.name] if table.has(column.name) else ibis.null(column.type)
            for column in table.declared.columns
        }
        return rows.select(**declared, **{column: rows[column] for column in own})


def write_accepted(engine: Engine, data: ClaimsData, checked: ClaimsCheck, out: Path) -> dict[str, int]:
    """Write the accepted rows as a claims folder of their own, with the columns that the files have.

    Parameters
    ----------
    engine
        The engine of the check.
    data
        The folder that was checked.
    checked
        What was found.
    out
        Folder to make.

    Returns
    -------
    Rows written, by table.

    Raises
    ------
    InputDataError
        If the folder must not be used, or a table has no accepted row.
    UsageError
        If ``out`` is the folder that was checked.
    MachineError
        If a file cannot be written.
    """
    checked.demand_usable()
    if out.resolve() == data.folder.resolve():
        raise UsageError(Problem("accepted rows would replace the folder checked", str(out), "name another folder"))
    empty = [name for name, account in checked.rows.items() if not account.accepted]
    if empty:
        raise InputDataError(
            Problem("every row is rejected", str(data.folder), "correct the table", len(empty), tuple(empty))
        )
    written = {}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, account in checked.rows.items():
            own = [column for column in checked.accepted(name).columns if checked.tables[name].has(column)]
            engine.write_parquet(checked.accepted(name).select(own), out / f"{name}.parquet")
            written[name] = account.accepted
        accounts = {name: asdict(account) for name, account in checked.rows.items()}
        manifest = {**data.manifest, "checked": {"folder": str(data.folder), "rows": accounts}}
        (out / MANIFEST).write_text(json.dumps(manifest, indent=1, default=str) + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(out, error) from error
    return written
