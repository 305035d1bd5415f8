"""The commands ``openvbp evaluate ...``: whether a program worked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from openvbp.terminal import Json, say, show

app = typer.Typer(no_args_is_help=True)

Study_ = Annotated[Path, typer.Argument(metavar="STUDY", help="Study file, for example my-study.yaml.")]
Data = Annotated[Path, typer.Option(help="Folder of the files that the study names.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of DuckDB; all cores when absent.")]


@app.callback()
def evaluate() -> None:
    """Say whether a program worked: power, several comparison groups, every check, and what would change the answer."""


@app.command("run")
def run(
    study: Study_,
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for table, record and page; made if absent.")],
    registration: Annotated[Path | None, typer.Option(help="File of 'evaluate lock', to hold the run against.")] = None,
    threads: Threads = None,
    json_: Json = False,
) -> None:
    """Run a study: results.parquet, evaluation.json and evaluation.html."""
    from openvbp.evaluation.run import run_study
    from openvbp.evaluation.text import results_text

    results = run_study(study, data, registration=registration, threads=threads, progress=say)
    written = results.write(out)
    show(results.record(), f"{results_text(results)}\nwrote {written}", json_)


@app.command("power")
def power(study: Study_, data: Data, threads: Threads = None, json_: Json = False) -> None:
    """Say what a study could find, before outcomes after onset are read."""
    from openvbp.evaluation.evaluation import Evaluation
    from openvbp.evaluation.findings import as_rows
    from openvbp.evaluation.text import rows_text

    rows = Evaluation(study, data, threads=threads).power()
    show(as_rows(rows), rows_text(rows), json_)


@app.command("lock")
def lock(
    study: Study_,
    data: Data,
    to: Annotated[Path, typer.Option(help="File for the registration; never replaced.")],
    after_reading: Annotated[
        bool, typer.Option("--after-reading", help="Fix the design although outcomes were read; reports say so.")
    ] = False,
    threads: Threads = None,
    json_: Json = False,
) -> None:
    """Register program, data and design by their digests, before outcomes are read."""
    from openvbp.evaluation.run import lock_study

    content = lock_study(study, data, to, after_reading=after_reading, threads=threads)
    late = "; outcomes had been read: not a pre-registration" if content["outcomes_read_before"] else ""
    show(content, f"registered {content['study']} on {content['registered']}{late}\nwrote {to}", json_)


@app.command("shrinkage")
def shrinkage(
    study: Study_,
    data: Data,
    effect: Annotated[float, typer.Option(help="Effect of the simulated program, percentage points.")] = -0.5,
    replicates: Annotated[int, typer.Option(min=20, help="Simulated programs.")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Seed.")] = 1,
    threads: Threads = None,
    json_: Json = False,
) -> None:
    """Simulate a program with a known effect on a study's providers: what is left of it in shrunken rates."""
    from openvbp.evaluation.evaluation import Evaluation
    from openvbp.evaluation.shrinkage import shrinkage_by_condition
    from openvbp.evaluation.text import shrinkage_text

    asked = Evaluation(study, data, threads=threads)
    found = shrinkage_by_condition(asked.frame, asked.study.main, effect=effect, replicates=replicates, seed=seed)
    rows: list[dict[str, Any]] = [one.as_row() for one in found]
    show(rows, shrinkage_text(found), json_)


@app.command("truth")
def truth(
    study: Study_,
    data: Data,
    threads: Threads = None,
    json_: Json = False,
) -> None:
    """Hold a study of a generated population against what the program truly did there."""
    from openvbp.evaluation.known_truth import true_effects
    from openvbp.evaluation.study_file import read_study
    from openvbp.evaluation.text import truth_text

    found = true_effects(study, data, threads=threads)
    show([one.as_row() for one in found], truth_text(found, read_study(study).terms.outcome.unit), json_)


@app.command("cells")
def cells(
    study: Study_,
    data: Data,
    to: Annotated[Path, typer.Option(help="Parquet file for the cells.")],
    threads: Threads = None,
    json_: Json = False,
) -> None:
    """Collapse a study's rows into cells of provider, condition and window, which may leave where patients may not."""
    from openvbp.evaluation.run import write_cells

    content = write_cells(study, data, to, threads=threads)
    show(content, f"{content['rows_read']:,} rows, {content['cells']:,} cells\nwrote {to}", json_)


@app.command("panel")
def panel(
    model: Annotated[
        list[str],
        typer.Option("--model", metavar="CONDITION:WINDOW=FOLDER", help="Folder of 'outcomes fit'; repeatable."),
    ],
    to: Annotated[Path, typer.Option(help="Parquet file for the panel.")],
    json_: Json = False,
) -> None:
    """Put providers of fitted models of outcomes together to a panel of observed and expected events."""
    from openvbp.evaluation.model_panel import panel_of_models
    from openvbp.evaluation.run import write_table

    rows = write_table(panel_of_models(model), to)
    show({"rows": rows, "file": str(to)}, f"{rows:,} rows of {len(model)} models\nwrote {to}", json_)


@app.command("schema")
def schema() -> None:
    """Print the JSON schema of study files, for editors."""
    from openvbp.evaluation.study_file import json_schema

    typer.echo(json_schema(), nl=False)
