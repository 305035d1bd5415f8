"""How long grouping takes, as whole processes: Charlson comorbidities of many members.

    .venv/bin/python benchmarks/grouping.py FOLDER                        1,000,000 members, 10,000,000 diagnoses
    .venv/bin/python benchmarks/grouping.py FOLDER --members 100000
    .venv/bin/python benchmarks/grouping.py FOLDER --core                 only the groups and indices, nothing written

Diagnoses are random: half of them of codes that begin as a Charlson code does, half of others. One thread. Reading,
looking codes up, grouping and writing all count; ``--core`` leaves out trace, files and page. Nothing here is a test.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from processes import measured

CODES_EACH = 10


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--core", action="store_true")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    diagnoses = asked.folder / "diagnoses.parquet"
    if asked.core:
        _core(diagnoses)
        return
    _generate(diagnoses, asked.members)
    run = [sys.executable, "-m", "openvbp.cli", "risk", "comorbidities", "--diagnoses", str(diagnoses)]
    run = [*run, "--code-system", "icd-10-cm", "--out", str(asked.folder / "out"), "--threads", "1", "--json"]
    ways = {
        "groups and indices": [sys.executable, __file__, str(asked.folder), "--core"],
        "command, no trace": [*run, "--no-trace"],
        "command, trace": run,
    }
    for name, command in ways.items():
        with (asked.folder / "printed.txt").open("w") as printed:
            wall, cpu, peak = measured(command, printed)
        print(f"{name:20} {cpu:5.1f} CPU s, {wall:5.1f} s wall, {peak:.2f} GB", flush=True)
        if "--core" in command:
            print((asked.folder / "printed.txt").read_text(), end="", flush=True)


def _generate(path: Path, members: int) -> None:
    from openvbp.grouping.tables import read_grouper

    random = np.random.default_rng(1)
    begins = sorted({code[:-1] for system, code, _group in read_grouper("charlson-quan").codes if system[4] == "1"})
    coded = [f"{one}{end}" for one in begins for end in ("", "0", "1", "9") if len(one + end) > 2]
    others = [f"{letter}{number:02}{end}" for letter in "AHLNSTRZ" for number in range(60, 95) for end in "0189"]
    codes = pa.array(coded + others)
    size = members * CODES_EACH
    weight = np.r_[np.full(len(coded), 0.5 / len(coded)), np.full(len(others), 0.5 / len(others))]
    drawn = pa.array(random.choice(len(codes), size, p=weight).astype(np.int32))
    ids = pa.array([f"P{number:08}" for number in range(members)])
    subjects = ids.take(pa.array(np.repeat(np.arange(members), CODES_EACH)))
    pq.write_table(pa.table({"subject_id": subjects, "code": codes.take(drawn)}), path)


def _core(path: Path) -> None:
    from openvbp.engine import open_engine
    from openvbp.grouping.codes import codes_in
    from openvbp.grouping.diagnoses import from_table
    from openvbp.grouping.flags import group, shown
    from openvbp.grouping.tables import read_grouper

    grouper = read_grouper("charlson-quan")
    with open_engine("duckdb", 1) as engine:
        given = from_table(engine, path, "icd-10-cm", None)
        marks = [time.process_time()]
        codes = codes_in(engine, grouper, given.diagnoses)
        marks.append(time.process_time())
        grouped = group(engine, grouper, given.subjects, given.diagnoses, codes)
        marks.append(time.process_time())
        engine.compute(grouped.subjects.mutate(**shown(grouped)), "published")
        marks.append(time.process_time())
    steps = zip(("codes looked up", "grouped", "flags and indices"), np.diff(marks), strict=True)
    print("  of which " + ", ".join(f"{name} {seconds:.2f}" for name, seconds in steps) + " CPU s")


if __name__ == "__main__":
    main()
