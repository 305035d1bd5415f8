"""The command ``openvbp attribute``: who is responsible for whom, under one rule or many."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from openvbp.errors import Problem, UsageError
from openvbp.terminal import Json, say, show

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
        "progress": say,
    }
    if compare:
        from openvbp.attribution_comparison.folder import compare_folder
        from openvbp.attribution_comparison.overview import overview, render_text

        found = compare_folder(**given, reference=reference)
        show(overview(found), render_text(found), json_)
        return
    summary = run.attribute_folder(**given)
    show(summary, run.render_summary(summary), json_)


@app.command("true-payments")
def true_payments(
    data: Annotated[Path, typer.Option(help="Folder of openvbp generate, with its truth.")],
    out: Annotated[Path, typer.Option(help="Folder for true_payments.json; made if absent.")],
    period: Annotated[str, typer.Option(help="Calendar year, for example CY2024.")],
    rule: Annotated[str, typer.Option(help="Rule whose units are practices.")] = "plurality_primary_care_tin",
    withheld_share: Annotated[str, typer.Option(help="Share of the cost that is withheld and paid by rank.")] = "0.02",
    minimum_persons: Annotated[int, typer.Option(min=2, help="Persons that a practice needs to be ranked.")] = 20,
    json_: Json = False,
) -> None:
    """Say how much of a program's money follows true quality, on a generated population whose truth is known."""
    import dataclasses
    from decimal import Decimal, InvalidOperation

    from openvbp.attribution_comparison import true_payments as truth

    try:
        share = Decimal(withheld_share)
    except InvalidOperation:
        share = Decimal(-1)
    if not 0 < share < 1:
        problem = Problem(f"'{withheld_share}' is no share", "--withheld-share", "write it like 0.02")
        raise UsageError(problem)
    found = truth.true_payments(
        data=data,
        out=out,
        period=period,
        rule=rule,
        withheld_share=share,
        minimum_persons=minimum_persons,
        progress=say,
    )
    show([dataclasses.asdict(one) for one in found], truth.render(found), json_)
