"""Panels of Scotland's Quality and Outcomes Framework around its end in April 2016, and a table of what was reported.

    python3 scotland_withdrawal.py FOLDER OUT

FOLDER holds the publications (``indicator_2013_14.parquet`` to ``indicator_2015_16.parquet``, and
``post_qof_tqa_2016_2018.csv`` and ``post_qof_registers_2016_2018.csv`` of the two years after it). OUT gets

* ``reported.csv``: practice × indicator × year with numerator and denominator as published. Until March 2016 the
  denominator leaves out patients who were excepted; later there are no exceptions;
* ``register.csv``: the same numerators over all patients on the disease's register, for indicators that concern all
  of them;
* ``reported_rates.csv``: all practices together, by indicator.

Indicators that are published in all five years are taken. Counts that are suppressed or not printed are left out.
"""

from __future__ import annotations

import csv
import statistics
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pyarrow.parquet as pq

YEARS = ("2013/14", "2014/15", "2015/16", "2016/17", "2017/18")
LAST_PAID, FIRST_FREE = "2015/16", "2016/17"
REGISTERS = {"CHD": "chd", "CKD": "ckd", "DM": "dm", "HF": "hf", "MH": "mh", "PAD": "pad", "STIA": "stroke"}
"""Letters of an indicator to its disease in the file of registers."""
WHOLE_REGISTER = 2 / 3
"""Least share of the register in the denominator of the last paid year of an indicator that concerns all on it."""
COLUMNS = ("provider_id", "indicator", "start", "end", "reached", "patients")
Key = tuple[str, str, str]
"""Year, indicator, practice."""


def main(folder: Path, out: Path) -> None:
    """Write both panels and print the table."""
    counts, registers = published(folder)
    indicators = matched(counts)
    out.mkdir(parents=True, exist_ok=True)
    write(out / "reported.csv", {key: pair for key, pair in counts.items() if key[1] in indicators})
    whole = [one for one in indicators if register_share(one, counts, registers) >= WHOLE_REGISTER]
    of_register = {
        key: (reached, registers[key]) for key, (reached, _) in counts.items() if key[1] in whole and key in registers
    }
    # A few practices reach more patients than they have on the register at the year's end.
    possible = {key: pair for key, pair in of_register.items() if 0 < pair[1] >= pair[0]}
    write(out / "register.csv", possible)
    rates = pooled(counts)
    with (out / "reported_rates.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("indicator", *YEARS, "change in the first year"))
        for one in indicators:
            writer.writerow((one, *(f"{rates[year, one]:.2f}" for year in YEARS), f"{change(one, rates):+.2f}"))
    left_out = len(of_register) - len(possible)
    lines = [
        *table(indicators, rates),
        f"{len(whole)} of them concern the whole register: {', '.join(whole)}",
        f"{left_out:,} of {len(of_register):,} counts with more patients than on the register are left out there",
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def change(indicator: str, rates: dict[tuple[str, str], float]) -> float:
    """Difference of the first year without pay to the last with it, percentage points."""
    return rates[FIRST_FREE, indicator] - rates[LAST_PAID, indicator]


def table(indicators: list[str], rates: dict[tuple[str, str], float]) -> list[str]:
    """Write rates by year, the largest fall first."""
    lines = [f"{len(indicators)} indicators in all five years; reported per cent, all practices together"]
    lines.append(f"{'':8}" + "".join(f"{year:>10}" for year in YEARS) + f"{'change':>10}")
    for one in sorted(indicators, key=lambda one: change(one, rates)):
        lines.append(
            f"{one:8}" + "".join(f"{rates[year, one]:10.1f}" for year in YEARS) + f"{change(one, rates):+10.1f}"
        )
    changes = [change(one, rates) for one in indicators]
    fell = sum(one < 0 for one in changes)
    return [*lines, f"{fell} of {len(changes)} fell in {FIRST_FREE}; median change {statistics.median(changes):+.1f}"]


def published(folder: Path) -> tuple[dict[Key, tuple[int, int]], dict[Key, int]]:
    """Read numerators and denominators, and registers, by year, indicator and practice."""
    counts: dict[Key, tuple[int, int]] = {}
    registers: dict[Key, int] = {}
    for year in YEARS[:3]:
        rows = pq.read_table(folder / f"indicator_{year.replace('/', '_')}.parquet").to_pylist()
        for row in rows:
            key = (year, row["indicator"].removesuffix("(S)").strip(), row["practice"])
            add(key, row["num"], row["denom"], counts)
            if is_count(row["register"]):
                registers[key] = int(row["register"])
    of_disease = {}
    for row in read_csv(folder / "post_qof_registers_2016_2018.csv"):
        if is_count(row["register"]):
            of_disease[row["year"], row["group"], row["practice"]] = int(row["register"])
    for row in read_csv(folder / "post_qof_tqa_2016_2018.csv"):
        key = (row["year"], row["indicator"], row["practice"])
        add(key, row["num"], row["denom"], counts)
        register = of_disease.get((row["year"], disease(row["indicator"]), row["practice"]))
        if register is not None:
            registers[key] = register
    return counts, registers


def add(key: Key, numerator: str | None, denominator: str | None, counts: dict[Key, tuple[int, int]]) -> None:
    """Keep a pair of counts that are both printed, of somebody."""
    if is_count(numerator) and is_count(denominator) and int(denominator or 0) > 0:
        counts[key] = (int(numerator or 0), int(denominator or 0))


def is_count(text: str | None) -> bool:
    """Whether a cell holds a number, not a marker of suppression."""
    return bool(text) and str(text).isdigit()


def read_csv(path: Path) -> list[dict[str, str]]:
    """Read a published file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def disease(indicator: str) -> str:
    """Name the register of an indicator."""
    return REGISTERS.get(indicator.rstrip("0123456789"), "")


def matched(counts: dict[Key, tuple[int, int]]) -> list[str]:
    """List indicators that occur in all years."""
    years = defaultdict(set)
    for year, indicator, _ in counts:
        years[indicator].add(year)
    return sorted(one for one, found in years.items() if len(found) == len(YEARS))


def register_share(indicator: str, counts: dict[Key, tuple[int, int]], registers: dict[Key, int]) -> float:
    """Divide denominators by the disease's register in the last paid year."""
    name = disease(indicator)
    # Some indicators have a register of a part of the disease: the disease's own is the largest.
    largest: Counter[str] = Counter()
    for (year, other, practice), register in registers.items():
        if year == LAST_PAID and disease(other) == name:
            largest[practice] = max(largest[practice], register)
    keys = [key for key in counts if key[:2] == (LAST_PAID, indicator)]
    whole = sum(largest[practice] for _, _, practice in keys)
    return sum(counts[key][1] for key in keys) / whole if whole else 0.0


def pooled(counts: dict[Key, tuple[int, int]]) -> dict[tuple[str, str], float]:
    """Per cent of all practices together, by year and indicator."""
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for (year, indicator, _), (reached, patients) in counts.items():
        sums[year, indicator][0] += reached
        sums[year, indicator][1] += patients
    return {key: 100 * reached / patients for key, (reached, patients) in sums.items()}


def write(path: Path, pairs: dict[Key, tuple[int, int]]) -> None:
    """Write a panel."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for (year, indicator, practice), pair in sorted(pairs.items()):
            first = int(year[:4])
            writer.writerow((practice, indicator, f"{first}-04-01", f"{first + 1}-03-31", *pair))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
