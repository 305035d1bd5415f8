"""Checks a claims folder, loudly: every row is accepted or rejected with a reason, and what would mislead stops."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir

from openvbp.claims.check_result import ClaimsCheck, RowAccount
from openvbp.claims.contract import PASSES_THROUGH, load_table
from openvbp.claims.coverage import Coverage, check_coverage, measure_coverage
from openvbp.claims.defects import Finding, defects
from openvbp.claims.duplicate_rows import DuplicateRows, find_duplicates
from openvbp.claims.enrollment_checks import Enrollment, overlaps, person_checks, read_enrollment, with_enrollment
from openvbp.claims.provider_lists import check_provider_lists
from openvbp.claims.row_checks import (
    AS_READ,
    CheckedTable,
    amount_checks,
    checked_table,
    contract_checks,
    date_checks,
    is_rejected,
    reasons,
    with_checks,
)
from openvbp.claims.tables import ClaimsData
from openvbp.claims.value_checks import CodeMatch, check_values, compare_codes, distinct_values, valued_columns
from openvbp.engine import Engine, cannot_write
from openvbp.errors import InputDataError, InternalError, Problem

NEEDED = ("eligibility", "medical_claim")
REJECTED = "rejected_by_checks"
"""Beside ``rejected``, in which adapters keep the rows of the source that they could not read."""


def check_claims(
    engine: Engine, data: ClaimsData, *, code_lists: Path | None = None, rejected: Path | None = None
) -> ClaimsCheck:
    """Check a claims folder.

    Parameters
    ----------
    engine
        Where to compute.
    data
        The folder, opened.
    code_lists
        Folder of code lists, one CSV file a system; without it codes are only looked at for their form.
    rejected
        Folder for the rows that are rejected; ``rejected_by_checks`` in the claims folder when not given. A table
        without rejected rows leaves no file there.

    Returns
    -------
    All findings, and for each table how many rows were read, accepted and rejected. It does not raise for what it
    finds: :meth:`ClaimsCheck.demand_usable` does.

    Raises
    ------
    InputDataError
        If a file cannot be read, or there is no folder of code lists.
    MachineError
        If rejected rows cannot be written.
    """
    if code_lists is not None and not code_lists.is_dir():
        raise InputDataError(Problem("there is no such folder", str(code_lists), "give the folder of the code lists"))
    with _unreadable_files(data.folder):
        return _Checking(engine, data, rejected or data.folder / REJECTED).check(code_lists)


@contextlib.contextmanager
def _unreadable_files(folder: Path) -> Iterator[None]:
    try:
        yield
    except (duckdb.InvalidInputException, duckdb.ConversionException):
        # The cause may quote a row, so it is not shown.
        raise InputDataError(
            Problem(
                "a file cannot be read to its end",
                str(folder),
                "write it again as UTF-8 CSV with as many cells in each row as in the header, or as Parquet",
            )
        ) from None


class _Checking:
    """One check while it goes on: what was read and found so far."""

    def __init__(self, engine: Engine, data: ClaimsData, rejected: Path) -> None:
        self.engine = engine
        self.data = data
        self.rejected_folder = rejected
        self.findings: list[Finding] = []
        self.typed: dict[str, CheckedTable] = {}
        self.tables: dict[str, CheckedTable] = {}
        self.enrollment: Enrollment | None = None
        self.rows: dict[str, RowAccount] = {}
        self.duplicates: dict[str, DuplicateRows] = {}

    def check(self, code_lists: Path | None) -> ClaimsCheck:
        for name in NEEDED:
            if name not in self.data:
                self.find("missing_table", name, "", 1, 1, unit="tables")
        for name in self.data.files:
            self.open_table(name)
        self.read_enrollment()
        for name in list(self.typed):
            self.check_rows(name)
        matches: list[CodeMatch] = []
        values = distinct_values(self.engine, self.typed)
        if values is not None:
            matches, found = compare_codes(self.engine, values, code_lists)
            self.findings += [*check_values(self.engine, values), *found, *check_provider_lists(self.engine, values)]
        coverage = Coverage()
        if self.enrollment is not None and "eligibility" in self.typed:
            (spans,) = self.engine.to_arrow(overlaps(self.typed["eligibility"])).to_pylist()
            self.count(
                "enrollment_overlap", "eligibility", "enrollment_start_date", spans["overlapping"], spans["spans"]
            )
            stated = self.data.paid_through
            coverage = measure_coverage(self.engine, self.typed, self.enrollment, stated)
            self.findings += check_coverage(coverage)
        return ClaimsCheck(
            self.data.folder,
            tuple(sorted(self.findings, key=_worst_first)),
            self.rows,
            tuple(matches),
            coverage,
            self.tables,
            self.duplicates,
        )

    def find(self, defect_id: str, table: str, column: str, count: int, total: int, **words: str) -> None:
        self.findings.append(Finding(defects()[defect_id], table, column, count, total, **words))

    def count(self, defect_id: str, table: str, column: str, count: int, total: int) -> None:
        if count:
            self.find(defect_id, table, column, count, total)

    def open_table(self, name: str) -> None:
        """Look at a table's columns; one that lacks required columns is not looked at further."""
        declared = load_table(name)
        as_read = self.data.as_read(name)
        if self.data.files[name].suffix == ".csv":
            # A text file would be parsed again by every query.
            as_read = self.engine.compute(as_read, f"claims_check_{name}_as_read")
        missing = [column for column in declared.required if column not in as_read.columns]
        for column in missing:
            self.find("missing_column", name, column, 1, 1, unit="columns")
        for column in as_read.columns:
            if column not in declared.column and not column.startswith(PASSES_THROUGH):
                self.find("unknown_column", name, column, 1, 1, unit="columns")
        if not missing:
            rows = self.engine.view(checked_table(as_read, declared).rows, f"claims_check_{name}")
            self.typed[name] = CheckedTable(declared, rows)

    def judged(self, name: str, table: CheckedTable) -> CheckedTable:
        """Put beside the rows of a table what is known of their persons, and whether they meet each condition."""
        if self.enrollment is not None:
            table = with_enrollment(table, self.enrollment)
        elsewhere = valued_columns(table.declared)
        checks = [*contract_checks(table, elsewhere), *date_checks(table), *amount_checks(table), *person_checks(table)]
        return with_checks(table, checks, lambda rows: self.engine.view(rows, f"claims_check_{name}"))

    def right_rows(self, table: CheckedTable) -> ir.Table:
        """Give the rows of a table that have no defect for which they are taken out."""
        judged = self.judged(f"{table.declared.name}_suspects_judged", table)
        return judged.rows.filter(~is_rejected(judged)).select(judged.own)

    def read_enrollment(self) -> None:
        if "eligibility" in self.typed:
            eligibility = self.judged("eligibility_alone", self.typed["eligibility"])
            self.enrollment = read_enrollment(self.engine, eligibility)

    def check_rows(self, name: str) -> None:
        """Count all defects of a table's rows in one query, then write the rows that are rejected."""
        table = self.tables[name] = self.judged(f"{name}_judged", self.typed[name])
        checks, wrong = table.checks, is_rejected(table)
        counted = {f"check_{place}": table.rows.count(where=check.is_wrong) for place, check in enumerate(checks)}
        (found,) = self.engine.to_arrow(
            table.rows.aggregate(read=table.rows.count(), right=table.rows.count(where=~wrong), **counted)
        ).to_pylist()
        if not found["read"]:
            self.find("empty_table", name, "", 0, 0)
            del self.tables[name], self.typed[name]
            return
        for place, check in enumerate(checks):
            self.count(check.defect_id, name, check.column, found[f"check_{place}"], found["read"])
        duplicates = find_duplicates(self.engine, self.typed[name], self.right_rows)
        accepted = found["right"]
        if duplicates is not None:
            self.duplicates[name] = duplicates
            accepted += duplicates.kept_count - duplicates.repeated_count
            key = ", ".join(table.declared.key)
            self.count("duplicate_identical", name, key, duplicates.copies_count, found["read"])
            self.count("duplicate_conflicting", name, key, duplicates.conflicting_count, found["read"])
        rejected = self.write_rejected(name, wrong, has_wrong_rows=found["right"] < found["read"])
        self.account(name, RowAccount(found["read"], accepted, rejected))

    def write_rejected(self, name: str, wrong: ir.BooleanValue, *, has_wrong_rows: bool) -> int:
        """Write the rows that are rejected with their reasons; nothing where there are none."""
        table, path = self.tables[name], self.rejected_folder / f"{name}.parquet"
        parts = []
        if has_wrong_rows:
            rows = table.rows.filter(wrong)
            cells = {
                column: rows[f"{column}{AS_READ}"].cast("string") if table.has(f"{column}{AS_READ}") else rows[column]
                for column in table.own
            }
            parts.append(rows.select(**cells, reasons=reasons(table)))
        if name in self.duplicates:
            rows = self.duplicates[name].rejected
            texts = [column for column in table.own if table.has(f"{column}{AS_READ}")]
            parts.append(rows.select(*table.own, "reasons").mutate(**{c: rows[c].cast("string") for c in texts}))
        try:
            if not parts:
                path.unlink(missing_ok=True)
                return 0
            kept = self.engine.compute(
                ibis.union(*parts) if len(parts) > 1 else parts[0], f"claims_check_{name}_rejected"
            )
            self.rejected_folder.mkdir(parents=True, exist_ok=True)
            self.engine.write_parquet(kept, path)
        except OSError as error:
            raise cannot_write(path, error, "free disk space, or choose another folder with --rejected") from error
        return self.engine.to_arrow(kept.aggregate(rows=kept.count()))["rows"][0].as_py()

    def account(self, name: str, rows: RowAccount) -> None:
        """Demand that the account closes, and that enough rows are left."""
        if rows.read != rows.accepted + rows.rejected:
            words = f"{rows.read:,} rows were read, {rows.accepted:,} accepted and {rows.rejected:,} rejected"
            raise InternalError(Problem(words, name, "report this"))
        self.rows[name] = rows
        # A file that was delivered twice loses half its rows, and nothing else.
        copies = self.duplicates[name].copies_count if name in self.duplicates else 0
        most = Finding(defects()["too_many_rejected"], name, "", rows.rejected - copies, rows.read - copies)
        if most.outcome == "stop":
            self.findings.append(most)


def _worst_first(finding: Finding) -> tuple[int, str, str, str]:
    order = ("stop", "limit broken", "rejected", "warning")
    return order.index(finding.outcome), finding.table, finding.defect.defect_id, finding.column
