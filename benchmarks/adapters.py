"""Lines of claims loaded per second of CPU, one whole process per layout, on samples that are repeated.

    .venv/bin/python benchmarks/adapters.py                     # 400,000 lines of each
    .venv/bin/python benchmarks/adapters.py --lines 200000 2000000 --data ../shared/data

With several sizes, the smaller ones first, it prints how the time grows. Copies of a claim get numbers of their own.
The Claim and Claim Line Feed is the made-up delivery of the tests. Times depend on the machine; nothing here is a test.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from processes import print_exponents  # noqa: E402

from claims_specimens import CCLF, CCLF_NUMBERS, cclf_line  # noqa: E402


def cclf(_data: Path, folder: Path, lines: int) -> None:
    """Write the made-up delivery again and again: of seven claim lines each."""
    copies = lines // 7
    for kind, number in CCLF_NUMBERS.items():
        numbered = [(cclf_line(kind, row), "CUR_CLM_UNIQ_ID" in row) for row in CCLF[kind]]
        with (folder / f"P.A9999.ACO.ZC{number}Y23.D240115.T0100000").open("w", encoding="ascii") as out:
            for copy in range(copies if numbered[0][1] else 1):
                out.writelines(
                    f"{copy:09}{line[:4] if is_claim else ''}{line[13:]}\n" if is_claim else f"{line}\n"
                    for line, is_claim in numbered
                )


def rif(data: Path, folder: Path, lines: int) -> None:
    """Repeat the carrier, inpatient and outpatient samples with new claim numbers."""
    for kind in ("carrier", "inpatient", "outpatient"):
        source = data / "claims" / "bfd_rif" / "samhsa" / f"sample-a-{kind}.txt"
        header, *rows = source.read_text(encoding="utf-8").splitlines()
        place = header.split("|").index("CLM_ID")
        parts = [row.split("|", place + 1) for row in rows]
        with (folder / f"{kind}.txt").open("w", encoding="utf-8") as out:
            out.write(f"{header}\n")
            for copy in range(lines // 3 // len(rows)):
                out.writelines(f"{'|'.join(part[:place])}|{part[place]}{copy}|{part[place + 1]}\n" for part in parts)


def csv_copies(source: Path, target: Path, copies: int, keys: str) -> None:
    """Repeat a CSV file; what matches the pattern in a row gets the number of the copy behind it."""
    header, *rows = source.read_text(encoding="utf-8").splitlines()
    pattern = re.compile(keys)
    with target.open("w", encoding="utf-8") as out:
        out.write(f"{header}\n")
        for copy in range(copies):
            out.writelines(pattern.sub(rf"\g<0>{copy}", row, count=1) + "\n" for row in rows)


def tuva(data: Path, folder: Path, lines: int) -> None:
    """Repeat the claims of the demonstration."""
    source = data / "claims" / "tuva_demo"
    csv_copies(source / "medical_claim.csv", folder / "medical_claim.csv", lines // 2075, "^[^,]+")
    (folder / "eligibility.csv").write_bytes((source / "eligibility.csv").read_bytes())


def synpuf(data: Path, folder: Path, lines: int) -> None:
    """Repeat the carrier claims of the teaching extract, 30,000 lines, as Parquet."""
    import duckdb

    source = data / "claims" / "claimsdb"
    copies = max(lines // 30_000, 1)
    with duckdb.connect() as connection:
        repeated = f"SELECT * EXCLUDE (copy) REPLACE (CLM_ID || '-' || copy AS CLM_ID) FROM '{source}/carrier.parquet'"
        connection.execute(f"COPY ({repeated}, range({copies}) t(copy)) TO '{folder}/carrier.parquet' (FORMAT parquet)")


def eob(data: Path, folder: Path, lines: int) -> None:
    """Repeat the 33 resources of a bundle, 52 lines, as NDJSON."""
    bundle = json.loads((data / "claims" / "bcda_eob" / "explanation_of_benefit.ndjson").read_text(encoding="utf-8"))
    texts = [json.dumps(entry["resource"]) for entry in bundle["entry"]]
    claim = re.compile(r'(variables/clm_id", "value": "\d+)')
    with (folder / "eob.ndjson").open("w", encoding="utf-8") as out:
        for copy in range(lines // 52):
            out.writelines(claim.sub(rf"\g<1>{copy}", text) + "\n" for text in texts)


def synthea(data: Path, folder: Path, lines: int) -> None:
    """Repeat claims and their transactions; the other files stay."""
    source = data / "claims" / "synthea" / "csv"
    for name in ("patients", "payer_transitions", "payers"):
        (folder / f"{name}.csv").write_bytes((source / f"{name}.csv").read_bytes())
    copies = lines // 5567
    csv_copies(source / "claims.csv", folder / "claims.csv", copies, "^[^,]+")
    csv_copies(source / "claims_transactions.csv", folder / "claims_transactions.csv", copies, "^[^,]+,[^,]+")


SOURCES: dict[str, Callable[[Path, Path, int], None]] = {
    "tuva": tuva,
    "cclf": cclf,
    "rif": rif,
    "synpuf": synpuf,
    "eob": eob,
    "synthea": synthea,
}


def loads(data: Path, lines: int) -> Iterator[tuple[str, int, int, float, float, float]]:
    """Load each source in a process of its own: rows read, lines made, CPU and wall seconds, peak megabytes."""
    for layout, write in SOURCES.items():
        with tempfile.TemporaryDirectory(prefix="openvbp-adapters-") as scratch:
            source, out = Path(scratch) / "in", Path(scratch) / "out"
            source.mkdir()
            write(data, source, lines)
            words = ["claims", "load", str(source), "--layout", layout, "--out", str(out)]
            started = time.perf_counter()
            with Path(os.devnull).open("w") as nowhere:
                process = subprocess.Popen([sys.executable, "-m", "openvbp.cli", *words], stdout=nowhere)
            _process, status, used = os.wait4(process.pid, 0)
            if status:
                sys.exit(f"failed: {' '.join(words)}")
            seconds = time.perf_counter() - started
            record = json.loads((out / "claims.json").read_text(encoding="utf-8"))
            read = sum(one["read"] for one in record["files"])
            made = record["tables"]["medical_claim"]
            yield layout, read, made, used.ru_utime + used.ru_stime, seconds, used.ru_maxrss / 1024


def main() -> None:
    """Print a line for each layout."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--lines", type=int, nargs="+", default=[400_000])
    arguments.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    given = arguments.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(f"{'layout':<10}{'rows read':>12}{'lines made':>12}{'CPU s':>9}{'wall s':>9}{'MB':>8}{'rows per CPU s':>17}")
    found: dict[str, list[tuple[int, float]]] = {}
    for lines in given.lines:
        for layout, read, made, cpu, wall, megabytes in loads(given.data, lines):
            shown = f"{layout:<10}{read:>12,}{made:>12,}{cpu:>9.1f}{wall:>9.1f}{megabytes:>8,.0f}{read / cpu:>17,.0f}"
            print(shown, flush=True)
            found.setdefault(layout, []).append((read, cpu))
    for layout, results in found.items() if len(given.lines) > 1 else ():
        print(f"{layout}: ", end="")
        print_exponents(results)


if __name__ == "__main__":
    main()
