"""The command ``openvbp draws``: draws of the true rates or ratios of a run, for intervals of payments."""

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
    number: Annotated[int, typer.Option(min=20, max=100_000, help="Draws of each rate or ratio.")] = 500,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same draws.")] = 1,
    json_: Json = False,
) -> None:
    """Draw what the rates or ratios of a run may truly be, from what it tells of the cases; pay with run --draws."""
    from openvbp.errors import Problem, UsageError
    from openvbp.outcome_models.posterior_draws import write_draws
    from openvbp.run_folder import open_run
    from openvbp.uncertainty import run_draws

    if out.suffix != ".parquet":
        raise UsageError(Problem("draws are written to Parquet", str(out), "give --out a name ending in .parquet"))
    found = run_draws.draws_of_run(open_run(run), number, seed)
    write_draws(found.rows, out)
    text = f"{run_draws.render(found, number)}\nwrote {out}: {found.rows.num_rows:,} rows"
    content = {"file": str(out), "rows": found.rows.num_rows, "draws": number, "how": found.how}
    show(content | {"measures": list(found.measures)}, text, json_)
