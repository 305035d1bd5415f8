"""The commands ``openvbp audit ...``: declared rules against what was published; exit 1 if anything is found."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True)


@app.callback()
def audit() -> None:
    """Hold what was declared against what was published or paid; exit 1 if anything is found."""
