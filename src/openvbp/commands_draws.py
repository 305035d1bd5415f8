"""The command ``openvbp draws``: draws of true ratios from the published ones, for intervals of payments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openvbp.terminal import Json, show

app = typer.Typer()


@app.command("draws")
def draws(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    out: Annotated[Path, typer.Option(help="File ending in .parquet.")],
    number: Annotated[int, typer.Option(min=20, max=100_000, help="Draws of each ratio.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same draws.")] = 1,
    json_: Json = False,
) -> None:
    """Draw what the ratios of a run may truly be, from ratio, expected rate and cases; pay them with run --draws."""
    from openvbp.errors import Problem, UsageError
    from openvbp.outcome_models.posterior_draws import write_draws
    from openvbp.run_folder import open_run
    from openvbp.uncertainty import published_counts

    if out.suffix != ".parquet":
        raise UsageError(Problem("draws are written to Parquet", str(out), "give --out a name ending in .parquet"))
    rows, facts = published_counts.draws_of_run(open_run(run), number, seed)
    write_draws(rows, out)
    text = f"{published_counts.render(facts, number)}\nwrote {out}: {rows.num_rows:,} rows"
    show({"file": str(out), "rows": rows.num_rows, "draws": number, "measures": facts}, text, json_)
