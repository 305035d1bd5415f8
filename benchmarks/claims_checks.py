"""How long the checks of a claims folder take, as a whole process.

    .venv/bin/openvbp generate --members 100000 --out population
    .venv/bin/python benchmarks/claims_checks.py population

It prints wall and CPU seconds, peak memory and lines per CPU second of every folder given, the smaller ones first, and
how the time grows. Seconds depend on the machine, the exponent hardly does. Nothing here is a test.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from processes import measured, print_exponents


def measure(folder: Path, threads: int | None) -> tuple[int, float]:
    """Check a folder in a process of its own and say what it took; gives medical lines and CPU seconds."""
    with tempfile.TemporaryDirectory(prefix="openvbp-benchmark-") as scratch:
        output = Path(scratch) / "checked.json"
        command = [sys.executable, "-m", "openvbp.cli", "claims", "check", str(folder), "--json"]
        command += ["--rejected", f"{scratch}/rejected"] + (["--threads", str(threads)] if threads else [])
        with output.open("w", encoding="utf-8") as lines:
            wall, cpu, peak = measured(command, lines, good=(0, 1, 3))
        if not output.stat().st_size:
            sys.exit(f"failed: {' '.join(command)}")
        rows = json.loads(output.read_text())["rows"]
    read = sum(one["read"] for one in rows.values())
    lines_read = rows["medical_claim"]["read"]
    print(
        f"{folder}: {lines_read:,} medical lines, {read:,} rows in all; {wall:.1f} s, {cpu:.1f} CPU s, "
        f"{peak:.2f} GB, {read / cpu:,.0f} rows per CPU s",
        flush=True,
    )
    return lines_read, cpu


def main() -> None:
    """Measure each folder."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    print_exponents([measure(folder, arguments.threads) for folder in arguments.folders])


if __name__ == "__main__":
    main()
