"""The commands ``openvbp generate`` and ``openvbp claims ...``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openvbp.terminal import Json, show

app = typer.Typer()


@app.command()
def generate(
    members: Annotated[int, typer.Option(help="How many persons; at least 500.")],
    out: Annotated[Path, typer.Option(help="Claims folder: made if absent; an earlier population in it is replaced.")],
    years: Annotated[int, typer.Option(help="Calendar years.")] = 2,
    first_year: Annotated[int, typer.Option(help="First calendar year.")] = 2023,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    processes: Annotated[int, typer.Option(min=1, help="Regions of 25,000 members drawn at the same time.")] = 1,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.NAME=VALUE", help="Change a parameter of the population; repeatable."),
    ] = None,
    json_: Json = False,
) -> None:
    """Make a population with claims and known truth, calibrated to Medicare; no person in it is real."""
    import dataclasses

    from openvbp.claims.synthetic.population import generate as generate_population
    from openvbp.progress import counted_progress

    with counted_progress("members") as progress:
        made = generate_population(
            out,
            members=members,
            years=years,
            first_year=first_year,
            seed=seed,
            changes=tuple(set_ or ()),
            processes=processes,
            progress=progress,
        )
    lines = [
        f"SYNTHETIC population of {made.members:,} members in {made.folder}; no person, provider or amount is real"
    ]
    lines += [f"  {name:<28}{count:>14,} rows" for name, count in made.rows.items()]
    show(dataclasses.asdict(made), "\n".join(lines), json_)
