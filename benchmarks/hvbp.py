"""How long Hospital VBP takes, as whole processes, and as multiples of merely reading the files with DuckDB.

    make benchmark                 on 2,500 synthetic hospitals
    make benchmark DATA=folder     on the published files of FY2024

Times depend on the machine; the multiples much less. Nothing here is a test.
"""

from __future__ import annotations

import csv
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

SCENARIOS = 1000
REPEATS = 3
READ = """
import sys, duckdb, pathlib
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.csv")):
    duckdb.sql(f"SELECT count(*) FROM read_csv('{path}', all_varchar=true)").fetchall()
    duckdb.sql(f"CREATE OR REPLACE TABLE t AS SELECT * FROM read_csv('{path}', all_varchar=true)")
"""


@dataclass(frozen=True)
class Measured:
    """One process: seconds of wall time, peak memory in megabytes."""

    seconds: float
    megabytes: float


def measured(command: list[str]) -> Measured:
    """Run a command to its end, watching its memory."""
    started = time.perf_counter()
    process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        try:
            peak = max(peak, process.memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.01)
    seconds = time.perf_counter() - started
    if process.wait():
        sys.exit(f"failed: {' '.join(command)}")
    return Measured(seconds, peak / 2**20)


def best(command: list[str], out: Path, repeats: int = REPEATS) -> Measured:
    """Repeat in an empty run folder; the fastest counts: what is slower was disturbed."""
    runs = []
    for _ in range(repeats):
        shutil.rmtree(out, ignore_errors=True)
        runs.append(measured(command))
    return min(runs, key=lambda run: run.seconds)


def write_scenarios(path: Path) -> None:
    """Change the withhold, two domain weights and a benchmark in every scenario, differently in each."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["scenario_id", "path", "value"])
        for number in range(SCENARIOS):
            name = f"scenario {number:04d}"
            weight = 10 + number % 41
            writer.writerow([name, "applicable_percent", f"{0.01 + number / 50_000:.5f}"])
            writer.writerow([name, "domain_weight.safety", f"{weight / 100:.2f}"])
            writer.writerow([name, "domain_weight.clinical_outcomes", f"{(60 - weight) / 100:.2f}"])
            writer.writerow([name, "benchmark.MORT-30-HF", f"{0.9 + number / 50_000:.5f}"])


def main() -> None:
    """Measure and print a table."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = Path(scratch), Path(scratch) / "RUN"
        if len(sys.argv) > 1:
            data, what = Path(sys.argv[1]), f"published files in {sys.argv[1]}"
        else:
            from openvbp.programs.hvbp import synthetic

            data, what = synthetic.generate(folder / "files", hospitals=2500).folder, "2,500 synthetic hospitals"
        scenarios = folder / "scenarios.csv"
        write_scenarios(scenarios)
        command = [sys.executable, "-m", "openvbp.cli", "run", "hvbp", "--period", "FY2024", "--data", str(data)]
        command += ["--out", str(out)]
        reading = best([sys.executable, "-c", READ, str(data)], out)
        one = best(command, out)
        many = best([*command, "--scenarios", str(scenarios)], out, repeats=1)
        print(f"{what}; {platform.processor() or platform.machine()}, {psutil.cpu_count()} cores, best of {REPEATS}")
        print(f"{'':34}{'seconds':>9}{'MB':>8}{'× reading':>11}")
        rows = [
            ("read the files with DuckDB", reading),
            ("one run", one),
            (f"one run with {SCENARIOS:,} scenarios", many),
        ]
        for name, run in rows:
            print(f"{name:34}{run.seconds:9.2f}{run.megabytes:8.0f}{run.seconds / reading.seconds:11.1f}")


if __name__ == "__main__":
    main()
