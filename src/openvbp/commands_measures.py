"""The commands ``openvbp measures ...``: quality measures on claims."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from openvbp.errors import Problem, UsageError
from openvbp.terminal import Json, say, show

app = typer.Typer(no_args_is_help=True)
Measures = Annotated[
    list[str] | None,
    typer.Option("--measure", help="Id, id@version or collection; repeatable. All when absent."),
]
Own = Annotated[
    list[Path] | None, typer.Option("--own", help="Your own Python file of measures; repeatable. It is run.")
]
Sets = Annotated[
    Path | None, typer.Option("--value-sets", help="Folder of your value sets; they win over those shipped.")
]


@app.callback()
def measures() -> None:
    """Evaluate quality measures, test them, and say who answers for them."""


@app.command("list")
def list_(own: Own = None, json_: Json = False) -> None:
    """List the measures, the value sets that they need and what is not verified in them."""
    from openvbp.measures import listing
    from openvbp.measures.catalogue import shipped, user_collection

    rows = listing.listed([*shipped(), *map(user_collection, own or ())])
    show(rows, listing.render(rows), json_)


@app.command("test")
def try_examples(
    own: Own = None, engine: Annotated[str, typer.Option(help="duckdb or spark.")] = "duckdb", json_: Json = False
) -> None:
    """Try the examples that are attached to measures; ends with 1 if one is not as expected."""
    from openvbp.engine import open_engine
    from openvbp.measures.catalogue import shipped, user_collection
    from openvbp.measures.examples import differences, read_examples

    rows: list[dict[str, Any]] = []
    lines = []
    with open_engine(engine) as opened:  # type: ignore[arg-type]
        for collection in [user_collection(path) for path in own] if own else shipped():
            found = differences(opened, collection)
            rows += [asdict(one) for one in found]
            persons = len(read_examples(collection).persons)
            lines.append(f"{collection.name}: {persons} patients, {len(found) or 'no'} differences")
            for one in found:
                place = f", {one.index}" if one.index else ""
                lines.append(
                    f"  {one.measure}, {one.patient}{place}: expected {one.expected}, {one.by} found {one.found}"
                )
    show(rows, "\n".join(lines), json_)
    if rows:
        raise typer.Exit(1)


@app.command("run")
def run(
    data: Annotated[Path, typer.Option(help="Folder of claims.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; made if absent.")],
    period: Annotated[list[str], typer.Option(help="For example CY2024 or 2023-07..2024-06; repeatable.")],
    measure: Measures = None,
    own: Own = None,
    value_sets: Sets = None,
    allow_incomplete: Annotated[
        bool,
        typer.Option("--allow-incomplete", help="Take missing value sets for empty; marks the results unverified."),
    ] = False,
    attribution: Annotated[Path | None, typer.Option(help="attribution.parquet: results by responsible unit.")] = None,
    rule: Annotated[str, typer.Option(help="Rule of that file.")] = "",
    persons: Annotated[
        bool, typer.Option("--persons", help="Write the status of every person to evidence/; not to be passed on.")
    ] = False,
    engine: Annotated[str, typer.Option(help="duckdb or spark.")] = "duckdb",
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of DuckDB; all cores when absent.")] = None,
    json_: Json = False,
) -> None:
    """Evaluate measures on claims, all in one plan."""
    from openvbp.measures import run as running

    if (attribution is None) != (not rule):
        raise UsageError(Problem("a file and a rule belong together", "--attribution, --rule", "give both, or neither"))
    request = running.Request(
        periods=tuple(period),
        measures=tuple(measure or ()),
        own=tuple(own or ()),
        value_sets=value_sets,
        allow_incomplete=allow_incomplete,
        attribution=running.Attribution(attribution, rule) if attribution else None,
        with_persons=persons,
    )
    summary = running.run_measures(
        data,
        out,
        request,
        engine=engine,  # type: ignore[arg-type]
        threads=threads,
        progress=say,
    )
    show(summary, running.render(summary), json_)


@app.command("show")
def show_(
    measure: Annotated[str, typer.Argument(metavar="MEASURE", help="Id or id@version.")],
    own: Own = None,
    json_: Json = False,
) -> None:
    """Show a measure's definition in words, and who answers for it."""
    from openvbp.measures import listing
    from openvbp.measures.catalogue import find_measures, user_collection

    found = find_measures([measure], [user_collection(path) for path in own or ()])
    shown = [listing.definition(one) for one in found]
    show(shown, "\n\n".join(map(listing.render_definition, shown)), json_)


@app.command("kinds")
def kinds(json_: Json = False) -> None:
    """List the kinds of events that measures can ask for, the systems of their codes and their fields."""
    from openvbp.measures import listing

    rows = listing.kinds()
    show(rows, listing.render_kinds(rows), json_)


@app.command("demonstration-codes")
def demonstration_codes(
    out: Annotated[Path, typer.Option(help="Folder for the value sets; made if absent.")], json_: Json = False
) -> None:
    """Write value sets for the synthetic population's drugs and services, to be given as --value-sets."""
    from openvbp.measures.demonstration_codes import write_demonstration_codes

    path = write_demonstration_codes(out)
    show({"file": str(path)}, f"wrote {path}", json_)


@app.command("explain")
def explain(
    measure: Annotated[str, typer.Argument(metavar="MEASURE", help="Id or id@version.")],
    data: Annotated[Path, typer.Option(help="Folder of claims.")],
    period: Annotated[str, typer.Option(help="For example CY2024.")],
    person: Annotated[str, typer.Option(help="Whom to explain. What is printed is private.")],
    own: Own = None,
    value_sets: Sets = None,
    json_: Json = False,
) -> None:
    """Explain one person's result: each clause, its value, and the events behind it."""
    from openvbp.claims.tables import open_claims
    from openvbp.engine import open_engine
    from openvbp.measures import explanation
    from openvbp.measures import run as running
    from openvbp.periods import parse_any_period

    request = running.Request((period,), (measure,), tuple(own or ()), value_sets)
    ready = running.prepared(request)
    with open_engine() as engine:
        events = running.claims_of(open_claims(engine, data), ready.measures, ready.sets, None)
        span = parse_any_period(period)
        found = [one for each in ready.measures for one in explanation.explain(events, each, ready.sets, span, person)]
    show([one.as_json() for one in found], explanation.render(found), json_)


@app.command("readmission-value-sets")
def readmission_value_sets(
    tables: Annotated[Path, typer.Option(help="Folder of the tables of the report year, which name CCS categories.")],
    diagnosis_map: Annotated[Path, typer.Option(help="CSV: codes of ICD-10-CM and their CCS categories.")],
    procedure_map: Annotated[Path, typer.Option(help="CSV: codes of ICD-10-PCS and their CCS categories.")],
    version: Annotated[str, typer.Option(help="Report year of the tables.")],
    out: Annotated[Path, typer.Option(help="Folder for the value sets; made if absent.")],
    json_: Json = False,
) -> None:
    """Make the value sets of planned stays and cohorts, which measures of readmission need."""
    from openvbp.measures import readmission_value_sets as making

    summary = making.make_readmission_value_sets(tables, diagnosis_map, procedure_map, out, version)
    show(summary, making.render(summary), json_)


@app.command("fhir")
def fhir(
    bundles: Annotated[Path, typer.Option(help="Folder of FHIR R4 bundles in JSON, one patient each.")],
    out: Annotated[Path, typer.Option(help="Folder for the results; made if absent.")],
    period: Annotated[str, typer.Option(help="For example CY2026.")],
    measure: Measures = None,
    own: Own = None,
    value_sets: Annotated[
        Path | None, typer.Option("--value-sets", help="Folder of your ValueSet expansions in JSON, or tables in CSV.")
    ] = None,
    allow_incomplete: Annotated[
        bool,
        typer.Option("--allow-incomplete", help="Take missing value sets for empty; marks the results unverified."),
    ] = False,
    zone: Annotated[
        str | None, typer.Option(help="Zone of the days, for example +00:00; days as they are written when absent.")
    ] = None,
    expected_measure: Annotated[
        str | None, typer.Option("--expected-measure", help="Measure whose MeasureReports in the bundles are compared.")
    ] = None,
    known_failures: Annotated[
        Path | None, typer.Option("--known-failures", help="CSV of tests known to be wrong: patient, measure, reason.")
    ] = None,
    json_: Json = False,
) -> None:
    """Evaluate measures on FHIR patients; ends with 1 if a MeasureReport in the bundles expects something else."""
    from openvbp.measures.fhir import run as running

    names = tuple(measure or ())
    request = running.FhirRequest(
        period, names, tuple(own or ()), value_sets, allow_incomplete, zone, expected_measure, known_failures
    )
    summary = running.run_on_bundles(bundles, out, request)
    show(summary, running.render(summary), json_)
    if summary["compared"] and summary["compared"]["differs"]:
        raise typer.Exit(1)
