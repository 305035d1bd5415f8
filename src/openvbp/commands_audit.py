"""The commands ``openvbp audit ...``: rules against what was published or paid; exit 1 if anything is found."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from openvbp.terminal import Json, show

app = typer.Typer(no_args_is_help=True)


@app.callback()
def audit() -> None:
    """Hold what was declared against what was published or paid; exit 1 if anything is found."""


@app.command("settlement")
def settlement(
    contract: Annotated[str, typer.Option(help="Program, for example mssp, or path of a contract file.")],
    statement: Annotated[Path, typer.Option(help="The payer's statement: CSV of quantity,value, or a published file.")],
    data: Annotated[Path, typer.Option(help="Folder with the input files, or the file.")],
    period: Annotated[str, typer.Option(help="Program period; a contract may have only one.")] = "",
    json_: Json = False,
) -> None:
    """Recompute a payer's settlement step by step and say where its statement departs, and by how many dollars."""
    from openvbp.audit import letter
    from openvbp.settlement_audit import audit_settlement

    with tempfile.TemporaryDirectory(prefix="openvbp-audit-") as folder:
        found = audit_settlement(contract, period=period, data=data, statement=statement, out=Path(folder) / "RUN")
    text = letter.render_audit(found.replays, found.settlement, found.title)
    show({"title": found.title, "providers": letter.as_rows(found.replays)}, text, json_)
    if letter.findings(found.replays):
        raise typer.Exit(1)
