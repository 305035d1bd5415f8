"""The command ``openvbp review``: a program or contract read before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openvbp.design_review.aspect import TITLES
from openvbp.terminal import Json, say, show

app = typer.Typer()


@app.command("review")
def review(
    program: Annotated[
        str, typer.Argument(metavar="PROGRAM", help="Program (see 'openvbp programs') or path of a contract file.")
    ],
    period: Annotated[
        str, typer.Option(help="Program period; that of the run, a contract's only one or the last when absent.")
    ] = "",
    run: Annotated[Path | None, typer.Option(help="Try it on a finished run of the same program.")] = None,
    data: Annotated[Path | None, typer.Option(help="Try it on a folder of input files or claims, run first.")] = None,
    synthetic: Annotated[
        int, typer.Option(min=0, help="Try it on so many made-up members (contract with 'claims') or hospitals (hvbp).")
    ] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for page and JSON, and for what is run.")] = None,
    cost: Annotated[
        float | None, typer.Option(min=0, help="What taking part costs in a period, in the program's currency.")
    ] = None,
    size: Annotated[
        list[int] | None, typer.Option(min=100, help="Members for which chance is computed too; repeatable.")
    ] = None,
    what: Annotated[str, typer.Option(help=f"Which aspects, by commas: {', '.join(TITLES)}. All when absent.")] = "",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of DuckDB; all cores when absent.")] = None,
    json_: Json = False,
) -> None:
    """Review the design of a program or contract before it starts; exit 1 if a failure mode is serious."""
    from openvbp.design_review import review as reviews
    from openvbp.design_review.page import render_text

    found = reviews.review(
        program,
        period=period,
        out=out,
        tried_on=reviews.TriedOn(run=run, data=data, synthetic=synthetic, cost=cost, sizes=tuple(size or ())),
        what=[one.strip() for one in what.split(",") if one.strip()],
        threads=threads,
        progress=say,
    )
    text = render_text(found.title, found.aspects, found.verdicts)
    show(found.record, f"{text}\n\nwrote {out / reviews.PAGE}" if out else text, json_)
    if found.serious:
        raise typer.Exit(1)
