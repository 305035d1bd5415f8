"""The commands ``openvbp harmonize ...``: measures of many programs side by side."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from openvbp.errors import Problem, UsageError
from openvbp.terminal import Json, show

NEAREST = 3
"""Candidates that are looked at for one measure: of labelled pairs none was further away."""

app = typer.Typer(no_args_is_help=True)

RegistryFolder = Annotated[
    Path, typer.Option("--registry", help="Folder with measures_corpus.parquet or .csv, and what belongs to it.")
]
Year = Annotated[int | None, typer.Option(help="Measures in force in this year; the newest when absent.")]
Out = Annotated[Path | None, typer.Option(help="CSV file for all rows.")]


@app.callback()
def harmonize() -> None:
    """Say which measures of many programs are the same, where definitions part, and what reporting them costs."""


@app.command("pairs")
def pairs(
    registry: RegistryFolder,
    year: Year = None,
    at_least: Annotated[float, typer.Option(min=0.1, max=1, help="Least similarity of the texts.")] = 0.5,
    program: Annotated[
        list[str] | None, typer.Option(help="Only pairs with a measure of this program; repeatable.")
    ] = None,
    among: Annotated[
        str, typer.Option(help="For each measure of --program the most similar of this one, however little alike.")
    ] = "",
    out: Out = None,
    rejected: Annotated[Path | None, typer.Option(help="CSV file for the rows that cannot be used.")] = None,
    json_: Json = False,
) -> None:
    """Find pairs of measures that may be the same, and those that only share their topic."""
    from openvbp.csv_files import write_csv
    from openvbp.harmonization import report
    from openvbp.harmonization.candidate_pairs import candidate_pairs, nearest
    from openvbp.harmonization.data_elements import read_overlaps
    from openvbp.harmonization.registry import RejectedRow, read_registry

    read = read_registry(registry)
    measures = read.in_force(read.newest_year() if year is None else year)
    wanted = set(program or ())
    known = sorted({one.program for one in measures})
    if unknown := {*wanted, *filter(None, [among])} - set(known):
        where = "--program, --among"
        raise UsageError(Problem(f"no program {', '.join(sorted(unknown))}", where, f"give one of: {', '.join(known)}"))
    if among and not wanted:
        raise UsageError(Problem("no measures to look for", "--among", "give --program beside it"))
    if among:
        ours = [one for one in measures if one.program in wanted]
        found = nearest(ours, [one for one in measures if one.program == among], NEAREST)
    else:
        found = [
            one
            for one in candidate_pairs(measures, at_least)
            if not wanted or one.first.program in wanted or one.second.program in wanted
        ]
    overlaps = read_overlaps(registry)
    rows = report.pair_rows(found, overlaps)
    if out is not None:
        write_csv(rows, report.PAIR_COLUMNS, out)
    if rejected is not None:
        columns = tuple(RejectedRow.__annotations__)
        write_csv([vars(one) for one in read.rejected], columns, rejected)
    if json_:
        text = ""
    elif among:
        text = report.render_nearest(read, found)
    else:
        text = report.render_pairs(read, measures, found, overlaps)
    show({"registry": report.of_registry(read), "pairs": rows}, text, json_)


@app.command("compare")
def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="Measure, for example MIPS/001.")],
    second: Annotated[str, typer.Argument(metavar="B", help="Measure to hold against it.")],
    registry: RegistryFolder,
    year: Year = None,
    texts: Annotated[bool, typer.Option("--texts", help="Print the words that clauses were read from.")] = False,
    json_: Json = False,
) -> None:
    """Hold two definitions against each other, clause by clause."""
    from openvbp.harmonization import report
    from openvbp.harmonization.data_elements import overlap_of, read_overlaps, read_specifications
    from openvbp.harmonization.definition_differences import differences
    from openvbp.harmonization.registry import read_registry

    read = read_registry(registry)
    ours, theirs = read.find(first, year), read.find(second, year)
    found = differences(ours, theirs)
    overlap = overlap_of(ours, theirs, read, read_specifications(registry), read_overlaps(registry))
    text = report.render_comparison(ours, theirs, found, overlap, with_words=texts)
    show(report.as_comparison(ours, theirs, found, overlap), text, json_)


@app.command("lint")
def lint(
    registry: RegistryFolder,
    year: Annotated[int | None, typer.Option(help="Only findings about this year; all years when absent.")] = None,
    benchmarks: Annotated[
        Path | None, typer.Option(help="CSV file of MIPS benchmarks that marks topped-out measures.")
    ] = None,
    out: Out = None,
    json_: Json = False,
) -> None:
    """Find contradictions among and within measures; exit 1 if anything is found."""
    from openvbp.csv_files import write_csv
    from openvbp.harmonization import report
    from openvbp.harmonization.lint import lint as find
    from openvbp.harmonization.registry import read_registry

    read = read_registry(registry)
    found = find(read, year, benchmarks)
    rows = [vars(one) for one in found]
    if out is not None:
        write_csv(rows, report.FINDING_COLUMNS, out)
    show({"registry": report.of_registry(read), "findings": rows}, report.render_findings(read, found), json_)
    if found:
        raise typer.Exit(1)


@app.command("burden")
def burden(
    registry: RegistryFolder,
    practice: Annotated[Path, typer.Option(help="Folder with measures.csv, payment_lines.csv and costs.csv.")],
    year: Year = None,
    size: Annotated[list[int] | None, typer.Option(help="Number of patients; repeatable.")] = None,
    keep: Annotated[str, typer.Option(help="Share of the money that the fewest measures must keep.")] = "0.9",
    rejected: Annotated[Path | None, typer.Option(help="CSV file for the rows that cannot be used.")] = None,
    json_: Json = False,
) -> None:
    """Count what a practice reports twice, what it costs, for which size it pays, and which measures would do."""
    from openvbp.csv_files import write_csv
    from openvbp.harmonization import report
    from openvbp.harmonization.burden import burden_of
    from openvbp.harmonization.data_elements import read_specifications
    from openvbp.harmonization.practice import REJECTED_COLUMNS, read_practice
    from openvbp.harmonization.registry import read_registry

    try:
        share = Decimal(keep)
    except InvalidOperation:
        raise UsageError(Problem(f"not a share: {keep}", "--keep", "write for example 0.9")) from None
    read = read_registry(registry)
    reported = read_practice(practice)
    found = burden_of(
        reported,
        read,
        read_specifications(registry),
        year=read.newest_year() if year is None else year,
        sizes=size or (),
        keep=share,
    )
    if rejected is not None:
        write_csv(reported.rejected, REJECTED_COLUMNS, rejected)
    content = {**report.as_burden(found), "rejected": reported.rejected}
    show(content, report.render_burden(found, reported.rejected), json_)


@app.command("programs")
def programs(
    names: Annotated[list[str], typer.Argument(metavar="PROGRAM...", help="Programs that a practice reports to.")],
    registry: RegistryFolder,
    year: Year = None,
    json_: Json = False,
) -> None:
    """Count what several programs ask a practice for, how much of it twice, and what studies found it to cost."""
    from dataclasses import asdict

    from openvbp.harmonization.candidate_pairs import candidate_pairs
    from openvbp.harmonization.data_elements import read_specifications
    from openvbp.harmonization.program_burden import burden_of_programs, render_program_burden
    from openvbp.harmonization.registry import read_registry

    read = read_registry(registry)
    at = read.newest_year() if year is None else year
    measures = read.in_force(at)
    found = burden_of_programs(names, read, measures, candidate_pairs(measures), read_specifications(registry))
    show({"year": at, **asdict(found)}, render_program_burden(found, at), json_)


@app.command("data")
def data(
    first: Annotated[str, typer.Option(help="Measure: id or id@version.")],
    second: Annotated[str, typer.Option(help="Measure to hold it against.")],
    data: Annotated[Path, typer.Option(help="Folder of claims.")],
    period: Annotated[str, typer.Option(help="For example CY2024.")],
    value_sets: Annotated[Path | None, typer.Option(help="Folder of your value sets.")] = None,
    own: Annotated[
        list[Path] | None, typer.Option(help="Your own Python file of measures; repeatable. It is run.")
    ] = None,
    attribution: Annotated[Path | None, typer.Option(help="attribution.parquet: ranks and money by unit.")] = None,
    rule: Annotated[str, typer.Option(help="Rule of that file.")] = "",
    pool: Annotated[str, typer.Option(help="US dollars divided among the units, as an example.")] = "1000000",
    json_: Json = False,
) -> None:
    """Hold two measures against each other on claims: who changes, by which clause, and what that moves."""
    from openvbp.harmonization.comparison_on_data import render
    from openvbp.harmonization.data_run import compare_folder
    from openvbp.measures.run import Attribution, Request

    if (attribution is None) != (not rule):
        raise UsageError(Problem("a file and a rule belong together", "--attribution, --rule", "give both, or neither"))
    judged = Attribution(attribution, rule) if attribution else None
    request = Request((period,), (first, second), tuple(own or ()), value_sets, attribution=judged)
    found = compare_folder(data, request, _money(pool))
    show(found.as_json(), render(found), json_)


def _money(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount <= 0 or amount >= 10**12:
        raise UsageError(Problem(f"'{text}' is no amount", "--pool", "give US dollars, for example 1000000"))
    return amount.quantize(Decimal("0.01"))
