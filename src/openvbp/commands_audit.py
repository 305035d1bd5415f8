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
    out: Annotated[Path | None, typer.Option(help="CSV file for the findings, one row each.")] = None,
    json_: Json = False,
) -> None:
    """Recompute a payer's settlement step by step and say where its statement departs, and by how many dollars."""
    from openvbp.audit.findings import findings
    from openvbp.csv_files import write_csv
    from openvbp.reporting import settlement_letter as letter
    from openvbp.settlement_audit import audit_settlement

    with tempfile.TemporaryDirectory(prefix="openvbp-audit-") as folder:
        found = audit_settlement(contract, period=period, data=data, statement=statement, out=Path(folder))
    words = letter.Words(found.settlement.outcome, found.settlement.currency, found.rules, found.units, found.sources)
    rows = letter.as_rows(found.replays, words)
    content = {
        "title": found.title,
        "providers": letter.as_providers(found.replays, ("rules", "statement")),
        "findings": rows,
        "only_in_data": found.only_before,
        "only_in_statement": found.only_after,
    }
    if out is not None:
        write_csv(rows, letter.COLUMNS, out)
    counts = {"without": len(found.only_before), "strangers": len(found.only_after)}
    show(content, letter.render_audit(found.replays, words, found.title, **counts), json_)
    if findings(found.replays):
        raise typer.Exit(1)


@app.command("thresholds")
def thresholds(
    program: Annotated[str, typer.Option(help="Program with published points, for example qof.")],
    data: Annotated[Path, typer.Option(help="Folder with the published files.")],
    period: Annotated[str, typer.Option(help="Program period, for example 2014/15.")],
    out: Annotated[Path | None, typer.Option(help="CSV file for the findings, one row each.")] = None,
    json_: Json = False,
) -> None:
    """Infer each measure's thresholds from published counts and points, and say where the declared rule differs."""
    from openvbp.audit import threshold_report as report
    from openvbp.audit.threshold_findings import findings
    from openvbp.audit.thresholds import audit_thresholds
    from openvbp.csv_files import write_csv
    from openvbp.programs import program as find_program

    audited = audit_thresholds(find_program(program), period=period, data=data)
    found = findings(audited)
    if out is not None:
        write_csv(report.as_rows(found), report.COLUMNS, out)
    content = report.as_content(audited, found) if json_ else {}
    show(content, "" if json_ else report.render(audited, found), json_)
    if found:
        raise typer.Exit(1)
