"""The commands ``openvbp generate`` and ``openvbp claims ...``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from openvbp.errors import Problem, UsageError
from openvbp.terminal import Json, say, show

app = typer.Typer()
claims = typer.Typer(no_args_is_help=True)
app.add_typer(claims, name="claims")


@claims.callback()
def claims_commands() -> None:
    """Bring claims into the native layout and check them."""


@app.command()
def generate(
    members: Annotated[int, typer.Option(help="How many persons; at least 500.")],
    out: Annotated[Path, typer.Option(help="Claims folder: made if absent; an earlier population in it is replaced.")],
    years: Annotated[int, typer.Option(help="Calendar years.")] = 2,
    first_year: Annotated[int, typer.Option(help="First calendar year.")] = 2023,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    layout: Annotated[
        str, typer.Option(help="tuva, or cclf: a Claim and Claim Line Feed in DIR/cclf as well.")
    ] = "tuva",
    processes: Annotated[int, typer.Option(min=1, help="Regions of 25,000 members drawn at the same time.")] = 1,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="SECTION.NAME=VALUE", help="Change a parameter of the population; repeatable."),
    ] = None,
    calibration: Annotated[
        bool, typer.Option(help="Compare the population with published figures of Medicare.")
    ] = True,
    json_: Json = False,
) -> None:
    """Make a population with claims and known truth, calibrated to Medicare; no person in it is real."""
    import dataclasses

    from openvbp.claims.synthetic.population import generate as generate_population
    from openvbp.progress import counted_progress

    if layout not in ("tuva", "cclf"):
        raise UsageError(Problem(f"there is no layout '{layout}' to write", "--layout", "choose tuva or cclf"))
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
    content = dataclasses.asdict(made)
    if layout == "cclf":
        from openvbp.claims.synthetic.cclf_files import write_feed

        lines.append(f"  a Claim and Claim Line Feed of the same claims is in {write_feed(out, first_year, years)}")
    if calibration:
        from openvbp.claims.synthetic.calibration import as_text, calibrate, write_report

        compared = calibrate(out, first_year, years)
        write_report(compared, out)
        lines += ["", as_text(compared), f"  all figures: {out / 'calibration.html'}"]
        content["calibration"] = [dataclasses.asdict(one) for one in compared]
    show(content, "\n".join(lines), json_)


@claims.command("load")
def load(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="Folder or file; for tuva also postgresql://user@host/database.")
    ],
    layout: Annotated[str, typer.Option(help="tuva, cclf, rif, synpuf, eob or synthea.")],
    out: Annotated[Path, typer.Option(help="Claims folder to make; it must not hold anything yet.")],
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of DuckDB; all cores when absent.")] = None,
    json_: Json = False,
) -> None:
    """Turn a delivery of claims into a claims folder; rows that cannot be used are kept apart with the reason."""
    from openvbp.claims.adapters import load as load_claims
    from openvbp.claims.adapters.report import render

    loaded = load_claims(source, layout, out, threads)
    show(loaded.record, render(loaded), json_)


@claims.command("check")
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Claims folder.")],
    code_lists: Annotated[
        Path | None, typer.Option(help="Folder of code lists, for example icd_10_cm.csv; codes must be on them.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="HTML file for the report.")] = None,
    rejected: Annotated[
        Path | None, typer.Option(help="Folder for the rows that are rejected; DIR/rejected_by_checks when absent.")
    ] = None,
    accepted: Annotated[
        Path | None, typer.Option(help="Folder to make: the claims folder without the rows that are rejected.")
    ] = None,
    engine: Annotated[str, typer.Option(help="duckdb or spark.")] = "duckdb",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of DuckDB; all cores when absent.")] = None,
    json_: Json = False,
) -> None:
    """Check a claims folder; exit 1 if rows are rejected or a limit is broken, 3 if it must not be used."""
    from openvbp.claims import quality_page, quality_report
    from openvbp.claims.check_result import write_accepted
    from openvbp.claims.checks import check_claims
    from openvbp.claims.tables import open_claims
    from openvbp.engine import cannot_write, open_engine

    with open_engine(engine, threads) as opened:  # type: ignore[arg-type]
        data = open_claims(opened, folder)
        checked = check_claims(opened, data, code_lists=code_lists, rejected=rejected)
        if accepted is not None:
            write_accepted(opened, data, checked, accepted)
    if report is not None:
        try:
            report.write_text(quality_page.render_page(checked), encoding="utf-8")
        except OSError as error:
            raise cannot_write(report, error, "choose another --report") from error
    show(quality_report.as_content(checked), quality_report.render(checked), json_)
    if not checked.is_usable_as_it_is:
        raise typer.Exit(3 if checked.must_stop else 1)


@claims.command("events")
def events(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Claims folder.")],
    period: Annotated[str, typer.Option(help="Months of enrolment, for example CY2024.")],
    out: Annotated[Path, typer.Option(help="Folder for the Parquet files; made if absent.")],
    engine: Annotated[str, typer.Option(help="duckdb or spark.")] = "duckdb",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of DuckDB; all cores when absent.")] = None,
    json_: Json = False,
) -> None:
    """Find person-months, stays with transfers, encounters and emergency visits in a claims folder."""
    from openvbp.claims.events import write_events
    from openvbp.claims.tables import open_claims
    from openvbp.engine import open_engine
    from openvbp.periods import parse_any_period

    with open_engine(engine, threads) as opened:  # type: ignore[arg-type]
        written = write_events(open_claims(opened, folder), parse_any_period(period), out)
    show(written, "\n".join(f"{name:<20}{rows:>14,} rows" for name, rows in written.items()), json_)


@claims.command("panel")
def panel(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Claims folder.")],
    period: Annotated[str, typer.Option(help="Months that are counted, for example 2022-01..2024-12.")],
    assigned_in: Annotated[str, typer.Option(help="Period before the program in which persons are given to units.")],
    to: Annotated[Path, typer.Option(help="CSV file: units by windows.")],
    rule: Annotated[str, typer.Option(help="Rule of attribution.")] = "plurality_primary_care_tin",
    months: Annotated[int, typer.Option(min=1, help="Months of a window.")] = 3,
    starts: Annotated[
        Path | None, typer.Option(help="Folder with starts.csv: when units began; or of a generated population.")
    ] = None,
    engine: Annotated[str, typer.Option(help="duckdb or spark.")] = "duckdb",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of DuckDB; all cores when absent.")] = None,
    json_: Json = False,
) -> None:
    """Count admissions of practices' or clinicians' patients through time: cells for openvbp evaluate."""
    from openvbp.claims_chain.unit_panel import write_unit_panel

    made = write_unit_panel(
        data=folder,
        to=to,
        period=period,
        rule=rule,
        assigned_in=assigned_in,
        months=months,
        starts=starts,
        engine=engine,  # type: ignore[arg-type]
        threads=threads,
        progress=say,
    )
    show(made, f"{made['rows']:,} rows, {made['units']:,} units, {made['windows']} windows\nwrote {to}", json_)
