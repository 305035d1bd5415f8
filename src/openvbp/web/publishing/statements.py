"""Statements of all providers of a run, with a list of them, in a folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

import openvbp
from openvbp.errors import Problem, UsageError
from openvbp.parameters import ACTUAL
from openvbp.reporting.disclosure import SMALLEST_CELL, reason
from openvbp.reporting.export import without_traces
from openvbp.reporting.workbook import write_workbook
from openvbp.web import rendering, words
from openvbp.web.pages.league import league_rows
from openvbp.web.publishing.file_names import file_names
from openvbp.web.publishing.statement import StatementSite, statement, style
from openvbp.web.publishing.whole_folder import as_record, whole_folder
from openvbp.web.runs import HeldRun, ServedRun, serve_run

RECORD = "openvbp-statements.json"
INDEX = "index"


@dataclass(frozen=True)
class WrittenStatements:
    """What was written."""

    folder: str
    statements: int
    workbooks: int
    bytes: int
    is_public: bool
    withheld_cells: int
    """Cells that are withheld from the public; none are from a provider's own statement."""
    seconds: float

    @property
    def sentence(self) -> str:
        """The same in words."""
        kind = (
            f"for everybody, {self.withheld_cells:,} cells withheld"
            if self.is_public
            else "each for its own provider, nothing withheld: do not publish them"
        )
        workbooks = f" and {self.workbooks:,} workbooks" if self.workbooks else ""
        return (
            f"wrote {self.folder}: {self.statements:,} statements{workbooks}, {self.bytes / 1e6:,.1f} MB, "
            f"in {self.seconds:,.0f} s ({kind})\nopen {self.folder}/{INDEX}.html"
        )


def write_statements(
    run: Path,
    to: Path,
    *,
    provider_id: str | None = None,
    workbooks: bool = False,
    public: bool = False,
    smallest_cell: int = SMALLEST_CELL,
    say: Callable[[str], None] = lambda _: None,
) -> WrittenStatements:
    """Write a statement for each provider of a run, and a list of them.

    Parameters
    ----------
    run
        Folder of a finished run.
    to
        Folder of the statements; one that was written so before is replaced when the new one is whole.
    provider_id
        Only this provider.
    workbooks
        Write each provider's workbook with live formulas as well.
    public
        Withhold small counts of patients and all that gives one back: statements that everybody may read.
    smallest_cell
        With ``public``: the smallest count that is shown.
    say
        Takes a line on what is done.

    Raises
    ------
    UsageError
        If the folder is no finished run, has no such provider, or something else is in the place of the statements.
    InputDataError
        If the run is damaged.
    MachineError
        If the folder cannot be written.

    Examples
    --------
    >>> write_statements(Path("RUN"), Path("statements"))  # doctest: +SKIP
    """
    started = time.monotonic()
    if to.absolute() == run.absolute() or to.absolute() in run.absolute().parents:
        raise UsageError(Problem("statements would take the place of the run", str(to), "choose another folder"))
    with whole_folder(to, RECORD, "statements") as folder:
        say(f"reading {run}")
        served = serve_run(run, smallest_cell)
        site = StatementSite({served.name: served}, shows_all=not public)
        names = file_names(served.providers, [INDEX])
        chosen = [_demand(served, provider_id)] if provider_id else list(names)
        say(f"writing {len(chosen):,} statements")
        for one in chosen:
            workbook = f"{names[one]}.xlsx" if workbooks else ""
            folder.write(f"{names[one]}.html", statement(site, served, one, workbook=workbook))
            if workbooks:
                target = folder.reserve(workbook)
                _write_workbook(site, served, one, smallest_cell, target)
                folder.count(target)
        folder.write(f"{INDEX}.html", _index(site, served, {one: names[one] for one in chosen}, workbooks=workbooks))
        folder.write(RECORD, as_record({"openvbp": openvbp.__version__, "run": served.name, "is_public": public}))
    return WrittenStatements(
        str(to),
        len(chosen),
        len(chosen) if workbooks else 0,
        folder.bytes,
        public,
        served.suppressed_cells if public else 0,
        round(time.monotonic() - started, 1),
    )


def as_content(written: WrittenStatements) -> dict[str, Any]:
    """Give what was written for JSON."""
    return asdict(written)


def _demand(run: ServedRun, provider_id: str) -> str:
    if provider_id not in run.providers:
        raise UsageError(
            Problem(
                f"the run has no provider '{provider_id}'",
                str(run.full.path),
                "give an id that the run contains",
                examples=tuple(list(run.providers)[:3]),
            )
        )
    return provider_id


def _index(site: StatementSite, run: ServedRun, names: dict[str, str], *, workbooks: bool) -> str:
    held = run.full if site.shows_all else run.public
    known = {row["provider_id"]: row for row in league_rows(run, held, ACTUAL)}
    empty = dict.fromkeys(("score", "payment_rate", "payment_amount", "currency", "status"))
    rows = [{**empty, **run.providers[one], **known.get(one, {}), "file": name} for one, name in names.items()]
    content = {
        "run": run,
        "rows": sorted(rows, key=lambda row: row["provider_id"]),
        "style": style(),
        "is_public": not site.shows_all,
        "has_workbooks": workbooks,
        "component": words.title_of(run.main_component),
    }
    return rendering.environment().get_template("statements.html").render(content)


def _write_workbook(site: StatementSite, run: ServedRun, provider_id: str, smallest_cell: int, path: Path) -> None:
    held = run.full if site.shows_all else run.public
    record = held if site.shows_all else without_traces(held, run.suppressed_cells, reason(smallest_cell))
    write_workbook(record, {name: _rows_of(held, name, provider_id) for name in held.tables}, path)


def _rows_of(held: HeldRun, name: str, provider_id: str) -> pa.Table:
    """Give the rows of a provider, found by scenario: to search a long table takes longer than the workbook."""
    if "scenario_id" not in held.held[name].column_names:
        return held.read(name, provider_id=provider_id)
    parts = [held.read(name, scenario_id=one, provider_id=provider_id) for one in held.record["scenarios"]]
    return pa.concat_tables(parts)
