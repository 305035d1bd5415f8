"""The commands that read a finished run: explain, compare, export."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openvbp.errors import Problem, UsageError
from openvbp.terminal import Json, say, show

if TYPE_CHECKING:
    from openvbp.run_folder import RunFolder

app = typer.Typer()

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")]


@app.command()
def explain(
    run: RunArgument,
    provider: Annotated[str, typer.Argument(metavar="PROVIDER", help="Provider id, for example 010001.")],
    measure: Annotated[str | None, typer.Option(help="Only this measure, with the source of every value.")] = None,
    scenario: Annotated[str, typer.Option(help="Scenario of the run.")] = "actual",
    json_: Json = False,
) -> None:
    """Show why a provider got its score and payment: every value, its rule and its paragraph of law."""
    from openvbp.reporting import explanation
    from openvbp.run_folder import open_run

    found = explanation.explain(open_run(run), provider, measure_id=measure, scenario_id=scenario)
    content = {"provider": found.provider, "scenario_id": scenario, "steps": explanation.as_rows(found.steps)}
    show(content, explanation.render(found), json_)


@app.command()
def compare(
    run: RunArgument,
    published: Annotated[
        Path, typer.Argument(metavar="PUBLISHED", help="Published file or folder of them, or another finished run.")
    ],
    json_: Json = False,
) -> None:
    """Compare a run with published results, or with another run (a restatement); exit 1 if anything differs."""
    from openvbp.programs import program as find_program
    from openvbp.reporting import comparison
    from openvbp.run_folder import is_run, open_run

    opened = open_run(run)
    found = find_program(opened.record["program"])
    if is_run(published):
        _compare_runs(opened, open_run(published), json_, is_settled=found.settlement is not None)
        return
    values = found.read_published_values(published, opened.record["period"])
    compared = comparison.compare(opened, values, found.tolerances)
    show(dataclasses.asdict(compared), comparison.render(compared), json_)
    if not compared.is_equal:
        raise typer.Exit(1)


def _compare_runs(before: RunFolder, after: RunFolder, json_: bool, *, is_settled: bool) -> None:
    """Print what changed from one run to the other; of a settlement, by which inputs."""
    from openvbp.reporting import delta
    from openvbp.reporting.settlement_letter import Words, as_providers

    if not is_settled:
        change = delta.run_change(before, after)
        show(dataclasses.asdict(change), delta.render_run_change(change), json_)
        is_changed = not change.is_empty
    else:
        from openvbp.settlement_audit import compare_settlements

        found = compare_settlements(before, after)
        words = Words(found.settlement.outcome, found.settlement.currency, found.rules, found.units, found.sources)
        content = {
            "title": found.title,
            "providers": as_providers(found.replays, ("before", "after")),
            "changes": delta.change_rows(found.replays),
            "only_before": found.only_before,
            "only_after": found.only_after,
        }
        text = delta.render_restatement(found.replays, words, found.title, found.only_before, found.only_after)
        show(content, text, json_)
        moved = [one for one in found.replays if one.causes or one.before != one.after]
        is_changed = bool(moved or found.only_before or found.only_after)
    if is_changed:
        raise typer.Exit(1)


@app.command()
def export(
    run: RunArgument,
    to: Annotated[Path | None, typer.Option(help="File ending in .duckdb, .xlsx, .csv or .parquet.")] = None,
    statements: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for a printable statement of each provider, instead.")
    ] = None,
    workbooks: Annotated[
        bool, typer.Option("--workbooks", help="With --statements: each provider's workbook as well.")
    ] = False,
    table: Annotated[str | None, typer.Option(help="One table of the results model.")] = None,
    provider: Annotated[str | None, typer.Option(help="Only this provider's rows.")] = None,
    public: Annotated[
        bool, typer.Option("--public", help="For publication: withhold small counts and all that gives one back.")
    ] = False,
    smallest_cell: Annotated[
        int | None,
        typer.Option(help="With --public: the smallest count that is published; 11 (CMS) when absent.", min=3),
    ] = None,
    json_: Json = False,
) -> None:
    """Write the results to one file for other tools, or a statement of each provider to print."""
    from openvbp.reporting import disclosure
    from openvbp.reporting import export as exporting
    from openvbp.run_folder import open_run

    _demand_one_target(to, statements, table=table, workbooks=workbooks)
    if statements:
        _write_statements(
            run, statements, provider, workbooks=workbooks, public=public, cell=smallest_cell, json_=json_
        )
        return
    opened = open_run(run)
    asked = disclosure.asked_for(opened, is_public=public, smallest_cell=smallest_cell)
    written = exporting.export(opened, to, table=table, provider_id=provider, public=asked)
    lines = [f"{name}: {rows:,} rows" for name, rows in written.items()]
    content = {"file": str(to), "rows": written} | ({"suppressed": asked.suppressed} if asked else {})
    show(content, "\n".join([f"wrote {to}", *lines, *([asked.summary] if asked else [])]), json_)


def _demand_one_target(to: Path | None, statements: Path | None, *, table: str | None, workbooks: bool) -> None:
    where = "--to, --statements"
    if (to is None) == (statements is None):
        raise UsageError(Problem("where to?", where, "give --to FILE, or --statements DIR"))
    if statements and table:
        raise UsageError(Problem("statements are made of all tables", "--table", "leave it out"))
    if to and workbooks:
        raise UsageError(Problem("workbooks stand beside statements", "--workbooks", "give --statements DIR"))


def _write_statements(
    run: Path, to: Path, provider: str | None, *, workbooks: bool, public: bool, cell: int | None, json_: bool
) -> None:
    from openvbp.reporting.disclosure import SMALLEST_CELL
    from openvbp.web.publishing import statements

    if cell is not None and not public:
        raise UsageError(Problem("only public statements have a smallest cell", "--smallest-cell", "add --public"))
    written = statements.write_statements(
        run,
        to,
        provider_id=provider,
        workbooks=workbooks,
        public=public,
        smallest_cell=SMALLEST_CELL if cell is None else cell,
        say=say,
    )
    show(statements.as_content(written), written.sentence, json_)
