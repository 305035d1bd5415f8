"""How long attribution takes, as whole processes, and how the time grows with the members.

    .venv/bin/python benchmarks/attribution.py POPULATION POPULATION ...

Each POPULATION is a folder made by ``openvbp generate``, the smaller ones first. Measured are all shipped rules in one
run, and the comparison of ten rules over two years. Seconds depend on the machine; the exponent hardly does. Nothing
here is a test.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from processes import measured, print_exponents

PERIOD = "CY2024"


def main() -> None:
    """Measure each population and print seconds, lines a second, memory and the exponents."""
    parser = argparse.ArgumentParser()
    parser.add_argument("population", type=Path, nargs="+")
    folders = parser.parse_args().population
    for title, options in (("all rules", []), ("comparison", ["--compare"])):
        results = []
        for folder in folders:
            made = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
            lines = made["tables"]["medical_claim"]
            with tempfile.TemporaryDirectory() as out:
                command = [sys.executable, "-m", "openvbp.cli", "attribute", "--data", str(folder), "--out", out]
                wall, cpu, peak = measured([*command, "--period", PERIOD, *options])
            results.append((lines, cpu))
            print(
                f"{title}: {lines:>11,} claim lines; {cpu:7.1f} CPU s, {wall:7.1f} s wall, "
                f"{lines / cpu / 1e6:.2f} M lines a CPU s, {peak:.2f} GB",
                flush=True,
            )
        print_exponents(results)


if __name__ == "__main__":
    main()
