"""What a command prints: text for a person, or JSON; what it says while it runs."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def show(content: Any, text: str, json_: bool) -> None:  # noqa: FBT001 (the flag of a command)
    """Write to stdout, as JSON if asked."""
    typer.echo(json.dumps(content, indent=1, default=str, ensure_ascii=False) if json_ else text)


def say(line: str) -> None:
    """Write a line of progress to stderr."""
    typer.echo(line, err=True)
