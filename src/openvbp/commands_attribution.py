"""The command ``openvbp attribute``: who is responsible for whom, under one rule or many."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from openvbp.terminal import Json, show

app = typer.Typer()


@app.command("attribute")
def attribute(
    data: Annotated[Path | None, typer.Option(help="Folder of claims.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for attribution.parquet; made if absent.")] = None,
    period: Annotated[str, typer.Option(help="Period, for example CY2024.")] = "",
    rule: Annotated[
        list[str] | None,
        typer.Option(
            help="Rule, or path of a rule file ending in .yaml; repeatable. All that the data allow when absent."
        ),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare rules on persons: who, with whom, how stable, what it would pay.")
    ] = False,
    reference: Annotated[str, typer.Option(help="With --compare: rule held against; the first when absent.")] = "",
    rules: Annotated[bool, typer.Option("--rules", help="List the rules, with their sources.")] = False,
    engine: Annotated[str, typer.Option(help="duckdb or spark.")] = "duckdb",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of DuckDB; all cores when absent.")] = None,
    json_: Json = False,
) -> None:
    """Say who is responsible for whom: evaluate attribution rules on a folder of claims."""
    from openvbp.attribution import run

    if rules:
        listed = run.listed_rules()
        show(listed, run.render_rules(listed), json_)
        return
    given: dict[str, Any] = {
        "data": run.given(data, "--data", "the folder of claims"),
        "out": run.given(out, "--out", "a folder for the results"),
        "period": period,
        "rules": rule or (),
        "engine": engine,
        "threads": threads,
        "progress": lambda line: typer.echo(line, err=True),
    }
    if compare:
        from openvbp.attribution_comparison.folder import compare_folder
        from openvbp.attribution_comparison.overview import overview, render_text

        found = compare_folder(**given, reference=reference)
        show(overview(found), render_text(found), json_)
        return
    summary = run.attribute_folder(**given)
    show(summary, run.render_summary(summary), json_)
