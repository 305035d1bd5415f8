"""How long measures take: whole processes on growing populations, one measure against many, one plan against one each.

    .venv/bin/python benchmarks/measures.py POPULATION POPULATION ... [--value-sets FOLDER]

Each POPULATION is a folder made by ``openvbp generate``, the smaller ones first. Without a folder of value sets,
demonstration codes are written and used (``openvbp measures demonstration-codes``). Printed are CPU seconds and
memory of a run with one measure and with all that can be evaluated, what a further measure costs, patients x measures
a CPU second, and how time grows; and, on the first population, all measures in one plan against a plan for each.
Seconds depend on the machine, the ratios hardly do. Nothing here is a test.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from processes import measured, print_exponents

from openvbp.claims.tables import open_claims
from openvbp.engine import open_engine
from openvbp.measures.claims_events import kinds_of_events
from openvbp.measures.plan import evaluate
from openvbp.measures.run import Request, claims_of, prepared
from openvbp.periods import parse_any_period

PERIOD = "CY2024"
ONE = "diabetes.hba1c_poor_control"


def main() -> None:
    """Measure each population and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("population", type=Path, nargs="+")
    parser.add_argument("--value-sets", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        sets = given.value_sets or Path(scratch) / "codes"
        if given.value_sets is None:
            command = [sys.executable, "-m", "openvbp.cli", "measures", "demonstration-codes", "--out", str(sets)]
            subprocess.run(command, check=True, stdout=sys.stderr)
        results = [_whole_process(folder, sets) for folder in given.population]
        print_exponents(results)
        _one_plan_against_many(given.population[0], sets)


def _whole_process(folder: Path, sets: Path) -> tuple[int, float]:
    members = int(json.loads((folder / "claims.json").read_text(encoding="utf-8"))["tables"]["medical_claim"])
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "openvbp.cli", "measures", "run", "--data", str(folder), "--out", out]
        command += ["--period", PERIOD, "--value-sets", str(sets)]
        for name, options in (("one", ["--measure", ONE]), ("all", [])):
            wall, cpu, peak = measured([*command, *options])
            seconds[name] = cpu
            summary = json.loads((Path(out) / "measures.json").read_text(encoding="utf-8"))
            print(
                f"{name:3}: {members:>11,} claim lines, {len(summary['measures']):3} measures; {cpu:7.1f} CPU s, "
                f"{wall:7.1f} s wall, {peak:.2f} GB",
                flush=True,
            )
    count = len(summary["measures"])
    persons = max(row["initial_population"] for row in summary["results"])
    print(
        f"     a further measure costs {(seconds['all'] - seconds['one']) / (count - 1):.2f} CPU s, "
        f"{(seconds['all'] - seconds['one']) / (count - 1) / seconds['one']:.3f} of the first; "
        f"{persons * count / seconds['all']:,.0f} patients x measures a CPU second"
    )
    return members, seconds["all"]


def _one_plan_against_many(folder: Path, sets: Path) -> None:
    """Evaluate all measures at once and one by one, on the same events, in this process."""
    period = parse_any_period(PERIOD)
    with open_engine() as engine, tempfile.TemporaryDirectory() as scratch:
        claims = open_claims(engine, folder)
        ready = prepared(Request((PERIOD,), value_sets=sets), kinds_of_events(claims))
        events = claims_of(claims, ready.measures, ready.sets, Path(scratch))
        started = time.process_time()
        evaluate(events, ready.measures, ready.sets, [period], Path(scratch))
        together = time.process_time() - started
        started = time.process_time()
        for one in ready.measures:
            evaluate(events, [one], ready.sets, [period], Path(scratch))
        apart = time.process_time() - started
    print(
        f"{len(ready.measures)} measures in one plan {together:.1f} CPU s, one plan each {apart:.1f} CPU s: "
        f"{apart / together:.1f} times"
    )


if __name__ == "__main__":
    main()
