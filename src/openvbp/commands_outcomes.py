"""The commands ``openvbp outcomes ...``: risk-standardized rates of providers from a model of outcomes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openvbp.terminal import Json, say, show

app = typer.Typer(no_args_is_help=True)


@app.callback()
def outcomes() -> None:
    """Compare providers by outcomes that are adjusted for the risk of their patients."""


@app.command("fit")
def fit(
    data: Annotated[Path, typer.Option(help="A row per case: .parquet, or .csv with a header.")],
    provider: Annotated[str, typer.Option(help="Column of the provider.")],
    outcome: Annotated[str, typer.Option(help="Column of the outcome: 1 where it happened, 0 where it did not.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; made if absent.")],
    covariates: Annotated[str, typer.Option(help="Columns of numbers, separated by commas.")] = "",
    method: Annotated[
        str, typer.Option(help="pql (as CMS), laplace, quadrature or profile; fixed for fixed effects.")
    ] = "pql",
    nodes: Annotated[int, typer.Option(help="Nodes of the quadrature.")] = 7,
    within: Annotated[bool, typer.Option("--within", help="Hold effects apart from the providers' case mix.")] = False,
    bootstrap: Annotated[int, typer.Option(min=0, help="Replicates for the limits; CMS resamples providers.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the replicates.")] = 1,
    refit: Annotated[bool, typer.Option("--refit", help="Fit each replicate from the rows: slower.")] = False,
    level: Annotated[float, typer.Option(help="Level of the limits.")] = 0.95,
    minimum_cases: Annotated[int, typer.Option(min=0, help="Providers with fewer are not classified.")] = 25,
    desirable: Annotated[bool, typer.Option("--desirable", help="The outcome is a good one.")] = False,
    draws: Annotated[int, typer.Option(min=0, help="Also write so many draws of each ratio, for 'run --draws'.")] = 0,
    measure: Annotated[str, typer.Option(help="With --draws: the measure as the program names it.")] = "",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of DuckDB; all cores when absent.")] = None,
    json_: Json = False,
) -> None:
    """Fit a logistic model with an intercept for each provider; write ratios, rates and their limits."""
    from openvbp.outcome_models import run
    from openvbp.outcome_models.case_files import CaseColumns

    names = tuple(name.strip() for name in covariates.split(",") if name.strip())
    summary = run.fit_file(
        data=data,
        columns=CaseColumns(provider, outcome, names),
        out=out,
        options=run.Options(
            method=method,  # type: ignore[arg-type]
            nodes=nodes,
            within=within,
            bootstrap=bootstrap,
            seed=seed,
            refit=refit,
            level=level,
            minimum_cases=minimum_cases,
            is_adverse=not desirable,
            draws=draws,
            measure=measure,
        ),
        threads=threads,
        progress=say,
    )
    drawn = f"\nwrote {out / run.DRAWS}: {draws:,} draws of each ratio" if draws else ""
    show(summary, f"{run.render(summary)}\nwrote {out / run.PAGE}{drawn}", json_)


@app.command("combine")
def combine(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER...", help="Folders of fitted cohorts.")],
    out: Annotated[Path, typer.Option(help="CSV file with a row per provider.")],
    json_: Json = False,
) -> None:
    """Combine cohorts with a model each into one rate per provider, as the hospital-wide measures do."""
    from openvbp.csv_files import write_csv
    from openvbp.outcome_models.result_tables import combine_folders

    rows = combine_folders(folders)
    write_csv(rows, list(rows[0]), out)
    show(rows, f"{len(rows):,} providers of {len(folders)} cohorts\nwrote {out}", json_)


@app.command("cost")
def cost(
    data: Annotated[Path, typer.Option(help="A row per episode: .parquet, or .csv with a header.")],
    provider: Annotated[str, typer.Option(help="Column of the provider.")],
    cost: Annotated[str, typer.Option(help="Column of the cost, price-standardized.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; made if absent.")],
    covariates: Annotated[str, typer.Option(help="Columns of numbers, separated by commas.")] = "",
    stratum: Annotated[str, typer.Option(help="Column of the stratum, for example the diagnostic category.")] = "",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of DuckDB; all cores when absent.")] = None,
    json_: Json = False,
) -> None:
    """Compare cost of episodes with what a linear model expects, as Medicare Spending Per Beneficiary (UNVERIFIED)."""
    from openvbp.outcome_models.cost_run import CostColumns, measure_costs, render

    names = tuple(name.strip() for name in covariates.split(",") if name.strip())
    summary = measure_costs(data=data, columns=CostColumns(provider, cost, names, stratum), out=out, threads=threads)
    show(summary, f"{render(summary)}\nwrote {out}", json_)
