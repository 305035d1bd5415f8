"""How long a synthetic population takes, as whole processes, and how the time grows with the members.

    .venv/bin/python benchmarks/generate.py FOLDER                      100,000 and 1,000,000 members × 2 years
    .venv/bin/python benchmarks/generate.py FOLDER --members 25000 --members 50000

The populations stay in FOLDER/<members>. Seconds depend on the machine; the exponent hardly does: CPU seconds grow as
members to its power, and 1 is linear. Nothing here is a test.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from processes import measured, print_exponents

YEARS = 2


def main() -> None:
    """Measure each size and print seconds, rows a second, memory and the exponent."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--members", type=int, action="append")
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    results = []
    for members in arguments.members or (100_000, 1_000_000):
        to = arguments.folder / str(members)
        command = [sys.executable, "-m", "openvbp.cli", "generate", "--members", str(members), "--years", str(YEARS)]
        command += ["--processes", str(arguments.processes), "--out", str(to), "--no-calibration"]
        wall, cpu, peak = measured(command)
        tables = json.loads((to / "claims.json").read_text(encoding="utf-8"))["tables"]
        lines = tables["medical_claim"]
        rows = sum(tables.values())
        results.append((members, cpu))
        print(
            f"{members:>9,} members × {YEARS} years: {lines:>11,} claim lines, {rows:>11,} rows in all; "
            f"{cpu:7.1f} CPU s, {wall:7.1f} s wall, {lines / cpu / 1e6:.2f} M lines and {rows / cpu / 1e6:.2f} M rows "
            f"a CPU s, {peak:.2f} GB",
            flush=True,
        )
    print_exponents(results)


if __name__ == "__main__":
    main()
