"""Run a program: stages, resumed where they stopped, and the record of the run.

A run is a folder. Each stage writes its tables under temporary names and renames them when whole, then a
small JSON file that says from which inputs they were made; ``run.json`` comes last.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow.parquet as pq

import openvbp
from openvbp import results
from openvbp.engine import Engine, EngineName, cannot_write, open_engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.parameters import ParameterSet, Scenario
from openvbp.periods import Period
from openvbp.program import OwnFile, Program, ProgramInputs, RunContext, Stage
from openvbp.programs import program as find_program
from openvbp.run_folder import RECORD, RESULTS, RunFolder
from openvbp.scenarios import override, parse_changes, read_scenarios
from openvbp.uncertainty.draw_files import demand_drawn_input, read_draws
from openvbp.uncertainty.stage import draw_stage, forget_draws, record_draws

WHAT_IF = "what_if"
_ORDER = (
    "scenario_id",
    "provider_id",
    "stay_id",
    "patient_id",
    "sequence",
    "measure_id",
    "component_id",
    "draw",
    "domain_id",
    "risk_category",
    "quantity",
    "source_file",
    "row_number",
    "column",
)

Progress = Callable[[str], None]


def run(
    program_id: str,
    *,
    period: str,
    data: Path,
    out: Path,
    engine: EngineName = "duckdb",
    changes: Sequence[str] = (),
    scenarios: Path | None = None,
    draws: Path | None = None,
    threads: int | None = None,
    progress: Progress = lambda _: None,
) -> RunFolder:
    """Run a program on a folder of published files.

    Parameters
    ----------
    program_id
        The program, for example ``hvbp``, or the path of a contract file ending in ``.yaml``.
    period
        The program period, for example ``FY2024``; empty for the only period of a contract.
    data
        Folder with the input files.
    out
        Run folder: made if absent; if it holds an unfinished or older run of the same program, what is
        still right is kept.
    engine
        ``duckdb`` or ``spark``.
    changes
        ``path=value`` texts; together they make the scenario ``what_if`` beside ``actual``.
    scenarios
        CSV file of further scenarios (scenario_id, path, value), of which scores and payments are kept.
    draws
        File of draws of the measures' rates (provider_id, measure_id, draw, value), which are paid by the same rules:
        intervals of payments, in ``uncertainty/``.
    threads
        Threads of DuckDB.
    progress
        Called with one line per stage.

    Returns
    -------
    The run folder and its record, as written to ``run.json``.

    Raises
    ------
    UsageError, InputDataError, MachineError
        See each class; nothing is written before the inputs have been read and found usable.

    Examples
    --------
    >>> run("hvbp", period="FY2024", data=Path("files"), out=Path("RUN"))  # doctest: +SKIP
    """
    started, cpu_started = time.perf_counter(), time.process_time()
    program = find_program(program_id)
    program_id = program.program_id
    parameters = program.parameters
    span = parameters.period(period)
    drawn = read_draws(draws, demand_drawn_input(program).bounds) if draws else None
    progress(f"reading {data}")
    inputs = program.read(data, parameters.in_force(span))
    detailed, swept = _scenarios(inputs.rules_in_force, changes, scenarios)
    digest = _digest(program, parameters, span, inputs, [*detailed, *swept])
    with locked(out, program_id), open_engine(engine, threads) as opened:
        (out / RECORD).unlink(missing_ok=True)
        context = RunContext(opened, inputs, [*detailed, *swept], detailed)
        stages = {}
        for stage in program.stages:
            stages[stage.name] = _run_stage(stage, context, span, program_id, digest, out, progress)
        forget_draws(out, drawn)
        if drawn:
            stage, of_draws = draw_stage(program, drawn), f"{digest} {drawn.sha256}"
            stages[stage.name] = _run_stage(stage, context, span, program_id, of_draws, out, progress)
        record = _record(program, parameters, span, inputs, context, stages, engine)
        if drawn:
            record["draws"] = record_draws(program, drawn, out, f"{parameters.title} {span.label}")
        if program.own_file:
            record["contract"] = _keep(program.own_file, out)
        record["finished_at"] = datetime.now(UTC).isoformat(timespec="seconds")
        record["wall_seconds"] = round(time.perf_counter() - started, 3)
        record["cpu_seconds"] = round(time.process_time() - cpu_started, 3)
        _write_json(out / RECORD, record)
    return RunFolder(out, record)


def _keep(file: OwnFile, out: Path) -> dict[str, str]:
    """Keep the contract file with the run, which can then say its terms and try others."""
    folder = out / "contract"
    try:
        # Only the file of this run: an earlier one may have had another name.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / file.file_name).write_bytes(file.content)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return {"name": file.name, "file": f"{folder.name}/{file.file_name}"}


def _scenarios(base: Scenario, changes: Sequence[str], path: Path | None) -> tuple[list[Scenario], list[Scenario]]:
    detailed = [base]
    if changes:
        detailed.append(override(base, WHAT_IF, parse_changes(changes)))
    swept = read_scenarios(path, base) if path else []
    repeated = {one.scenario_id for one in swept} & {one.scenario_id for one in detailed}
    if repeated:
        raise UsageError(Problem(f"scenario '{repeated.pop()}' is named twice", str(path), "rename it in the file"))
    return detailed, swept


def _digest(
    program: Program, parameters: ParameterSet, period: Period, inputs: ProgramInputs, scenarios: Sequence[Scenario]
) -> str:
    """Digest of everything that the results depend on, the code included."""
    content = {
        "version": openvbp.__version__,
        "code": code_digest(),
        "program": program.program_id,
        "parameters": parameters.digest,
        "period": period.label,
        "files": sorted((file.name, file.sha256) for file in inputs.files if file.used_for != "ignored"),
        "scenarios": [(scenario.scenario_id, sorted(scenario.overrides.items())) for scenario in scenarios],
    }
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def code_digest() -> str:
    """Digest of the code and of all rules and parameters that come with it."""
    digest = hashlib.sha256()
    root = Path(openvbp.__file__).parent
    for path in sorted(root.rglob("*")):
        if path.suffix in (".py", ".yaml", ".csv") and path.is_file():
            digest.update(str(path.relative_to(root)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


@contextlib.contextmanager
def locked(out: Path, program_id: str) -> Iterator[None]:
    """Hold the run folder for this process."""
    try:
        foreign = out.is_dir() and any(out.iterdir()) and not (out / ".openvbp").is_file()
        if foreign or (out.exists() and not out.is_dir()):
            raise UsageError(Problem("not a run folder and not empty", str(out), "choose a new folder for --out"))
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / ".openvbp").open("a+", encoding="utf-8")
    except OSError as error:
        raise UsageError(
            Problem(f"cannot write there: {error.strerror}", str(out), "choose a folder you may write to for --out")
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise UsageError(Problem("another run is writing to the folder", str(out), "wait for it")) from error
        lock.seek(0)
        owner = lock.read()
        if owner and owner != program_id:
            raise UsageError(Problem(f"the folder holds a run of {owner}", str(out), "choose a new folder for --out"))
        if not owner:
            lock.write(program_id)
            lock.flush()
        yield


def _run_stage(
    stage: Stage, context: RunContext, period: Period, program_id: str, digest: str, out: Path, progress: Progress
) -> dict[str, Any]:
    """Compute a stage, or load its tables if they were made from the same inputs before."""
    marker = out / "stages" / f"{stage.name}.json"
    engine = context.engine
    done = _done(marker, digest, out)
    if done:
        for path in done["tables"]:
            context.tables[path] = engine.read_parquet(out / f"{path}.parquet", path.replace("/", "_"))
        progress(f"{stage.name}: unchanged, kept")
        return {**done, "kept": True}
    started = time.perf_counter()
    marker.unlink(missing_ok=True)
    tables = {}
    for path, expression in stage.compute(context).items():
        if path.startswith(f"{RESULTS}/"):
            name = path.removeprefix(f"{RESULTS}/")
            expression = results.conform(_with_program(expression, program_id, period, name), name)
        tables[path] = _write_table(engine, expression, path, out)
        context.tables[path] = engine.read_parquet(out / f"{path}.parquet", path.replace("/", "_"))
    entry = {"digest": digest, "tables": tables, "seconds": round(time.perf_counter() - started, 3)}
    _write_json(marker, entry)
    progress(f"{stage.name}: " + ", ".join(f"{path.rpartition('/')[2]} {t['rows']:,}" for path, t in tables.items()))
    return {**entry, "kept": False}


def _write_table(engine: Engine, expression: ir.Table, path: str, out: Path) -> dict[str, Any]:
    """Write a table under a temporary name, check it, and rename it when it is whole and right."""
    target = out / f"{path}.parquet"
    temporary = target.with_name(target.name + ".partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        engine.write_parquet(expression.order_by(_order(path, expression.columns)), temporary)
        written = engine.read_parquet(temporary, "written")
        if path.startswith(f"{RESULTS}/"):
            rows = results.check(engine, written, path.removeprefix(f"{RESULTS}/"))
        else:
            rows = pq.read_metadata(temporary).num_rows
        os.replace(temporary, target)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise cannot_write(target, error) from error
    return {"rows": rows, "bytes": target.stat().st_size, "sha256": _sha256(target)}


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _order(path: str, columns: Sequence[str]) -> list[str]:
    """Name the columns that decide the order of rows: the key of a result, else all that identify a row."""
    if path.startswith(f"{RESULTS}/"):
        return list(results.results_model()[path.removeprefix(f"{RESULTS}/")].key)
    return [column for column in _ORDER if column in columns]


def _with_program(expression: ir.Table, program_id: str, period: Period, table: str) -> ir.Table:
    """Add the columns that say which program and period a result belongs to."""
    if not any(column.name == "program_id" for column in results.results_model()[table].columns):
        return expression
    return expression.mutate(
        program_id=ibis.literal(program_id),
        period_start=ibis.literal(period.start),
        period_end=ibis.literal(period.end),
    )


def _done(marker: Path, digest: str, out: Path) -> dict[str, Any] | None:
    try:
        entry = json.loads(marker.read_text(encoding="utf-8"))
        whole = entry["digest"] == digest and all(
            _sha256(out / f"{path}.parquet") == table["sha256"] for path, table in entry["tables"].items()
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        # A table is missing, or the marker is damaged.
        return None
    return entry if whole else None


def _record(
    program: Program,
    parameters: ParameterSet,
    period: Period,
    inputs: ProgramInputs,
    context: RunContext,
    stages: Mapping[str, Mapping[str, Any]],
    engine: EngineName,
) -> dict[str, Any]:
    """Everything a reader needs to trust or repeat the run."""
    files = [asdict(file) for file in inputs.files]
    used = [file for file in inputs.files if file.used_for != "ignored"]
    rows = {path: table["rows"] for stage in stages.values() for path, table in stage["tables"].items()}
    if any(file.rows != file.accepted_rows + file.rejected_rows for file in used):
        raise InputDataError(Problem("rows in are not accepted + rejected", "input files", "report this"))
    return {
        "program": program.program_id,
        "title": parameters.title,
        "authority": dict(parameters.authority),
        "period": period.label,
        "period_start": period.start.isoformat(),
        "period_end": period.end.isoformat(),
        "scenarios": {scenario.scenario_id: dict(scenario.overrides) for scenario in context.scenarios},
        "parameters_sha256": parameters.digest,
        "input_files": files,
        "input_rows": {
            "in": sum(file.rows for file in used),
            "accepted": sum(file.accepted_rows for file in used),
            "rejected": sum(file.rejected_rows for file in used),
        },
        "rejected_cells": rows.get("rejected/cells", 0),
        "rows": rows,
        "stages": stages,
        "checks": [asdict(check) for check in inputs.checks],
        "engine": engine,
        "versions": {
            "openvbp": openvbp.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("ibis-framework", "duckdb", "pyarrow")},
        },
        "command": sys.argv if sys.argv and "openvbp" in Path(sys.argv[0]).name else None,
    }


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    temporary = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise cannot_write(path, error) from error
