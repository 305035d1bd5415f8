"""Every published benchmark of 2017 to 2026 against the definition of deciles, written a second time in fractions."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from conftest import published_data
from openvbp.engine import Engine
from openvbp.programs.mips import rules
from openvbp.programs.mips.benchmarks import ROW, Benchmarks, read_benchmarks

YEARS = tuple(range(2017, 2027))
PUBLISHED = {
    2017: 572,
    2018: 480,
    2019: 449,
    2020: 386,
    2021: 368,
    2022: 372,
    2023: 385,
    2024: 358,
    2025: 380,
    2026: 293,
}
REJECTED = {
    (2017, "403 registry"): "all decile starts are the same, so it is not known whether lower is better",
    (2017, "CDR3 registry"): "all decile starts are the same, so it is not known whether lower is better",
    (2017, "ECPR41 registry"): "all decile starts are the same, so it is not known whether lower is better",
    (2017, "M2S11 registry"): "all decile starts are the same, so it is not known whether lower is better",
    (2017, "USWR15 registry"): "all decile starts are the same, so it is not known whether lower is better",
    (2018, "CAHPS_9 certifiedSurveyVendor"): "decile starts are not in order",
}
STEPS = (Fraction(1, 10), Fraction(1, 2), Fraction(9, 10))
STEP = Decimal("0.000001")


def folder(year: int, tmp_path: Path) -> Path:
    (tmp_path / "benchmarks.json").write_bytes(
        published_data("contracts", "qpp", f"benchmarks_{year}.json").read_bytes()
    )
    return tmp_path


def read(year: int, tmp_path: Path) -> Benchmarks:
    return read_benchmarks(folder(year, tmp_path), year)


def starts_of(row: dict[str, Any]) -> dict[int, Decimal]:
    return {d: row[f"start_decile_{d}"] for d in range(1, 11) if row[f"start_decile_{d}"] is not None}


def expected_points(rate: Decimal, starts: dict[int, Decimal], is_inverse: bool) -> Fraction:
    """The definition: ten ranges, each from its start up to the next one's, the place within counted linearly."""
    sign = -1 if is_inverse else 1
    oriented = {decile: Fraction(sign * start) for decile, start in starts.items()}
    value = Fraction(sign * rate)
    decile = max([d for d, start in oriented.items() if value >= start], default=1)
    if decile == 10:
        return Fraction(10)
    if decile not in oriented or decile + 1 not in oriented or value < oriented[decile]:
        return Fraction(decile)
    way = (value - oriented[decile]) / (oriented[decile + 1] - oriented[decile])
    return decile + min(way, Fraction(9, 10))


def rates_of(starts: dict[int, Decimal]) -> list[Decimal]:
    """At every start, one last decimal beside it, at three places between two starts, and far outside."""
    values = sorted(set(starts.values()))
    rates = {values[0] - 1000, values[-1] + 1000}
    for value in values:
        rates |= {value - STEP, value, value + STEP}
    for low, high in pairwise(values):
        rates |= {round(low + (high - low) * step.numerator / step.denominator, 6) for step in STEPS}
    return sorted(rates)


def points_of(engine: Engine, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The program's points at all rates of every benchmark."""
    cases = [
        {**row, "case": number, "performance_rate": rate}
        for number, row in enumerate(rows)
        for rate in rates_of(starts_of(row))
    ]
    schema = ROW.append(pa.field("case", pa.int64())).append(pa.field("performance_rate", pa.decimal128(18, 6)))
    table = engine.table(pa.Table.from_pylist(cases, schema=schema), "benchmark_case")
    scored = rules.decile_points(rules.decile(table))
    return engine.to_arrow(scored.order_by("case", "performance_rate")).to_pylist()


@pytest.mark.parametrize("year", YEARS)
def test_points_of_every_benchmark(year: int, duckdb_engine: Engine, tmp_path: Path) -> None:
    benchmarks = read(year, tmp_path)
    usable = [row for row in benchmarks.rows.to_pylist() if row["benchmark_problem"] is None]
    assert benchmarks.rows.num_rows == PUBLISHED[year]
    scored = points_of(duckdb_engine, usable)
    assert {row["case"] for row in scored} == set(range(len(usable)))
    previous: dict[int, Decimal] = {}
    for row in scored:
        starts = starts_of(row)
        exact = expected_points(row["performance_rate"], starts, row["is_inverse"])
        assert abs(Fraction(row["decile_points"]) - exact) <= Fraction(1, 10**10)
        at = [decile for decile, start in starts.items() if start == row["performance_rate"]]
        if at:
            # Exactly at a published start the points are that decile, of equal starts the best.
            assert row["decile_points"] == max(at)
            assert row["decile"] == max(at)
        assert 1 <= row["decile_points"] <= 10
        if row["case"] in previous:
            # Sorted by rate: better rates never get fewer points.
            rising = row["decile_points"] - previous[row["case"]]
            assert rising <= 0 if row["is_inverse"] else rising >= 0
        previous[row["case"]] = row["decile_points"]


def test_the_files_give_these_benchmarks_and_no_others(tmp_path: Path) -> None:
    rejected = {}
    for year in YEARS:
        benchmarks = read(year, tmp_path)
        (used,) = benchmarks.files
        assert (used.rows, used.accepted_rows + used.rejected_rows) == (PUBLISHED[year], PUBLISHED[year])
        rejected |= {(year, row["column"]): row["reason"] for row in benchmarks.rejected.to_pylist()}
    assert rejected == REJECTED
    assert sum(PUBLISHED.values()) == 4_043


@pytest.mark.parametrize("year", range(2017, 2023))
def test_published_starts_are_kept_as_they_are(year: int, tmp_path: Path) -> None:
    """Of nine deciles each is the start of its own decile, but for a filler that is out of order."""
    entries = json.loads((folder(year, tmp_path) / "benchmarks.json").read_bytes(), parse_float=Decimal)
    compared = 0
    for entry, row in zip(entries, read_benchmarks(tmp_path, year).rows.to_pylist(), strict=True):
        if len(entry["deciles"]) == 9 and row["benchmark_problem"] is None:
            starts = [row[f"start_decile_{decile}"] for decile in range(2, 11)]
            assert row["start_decile_1"] is None
            assert starts[1:] == entry["deciles"][1:]
            assert starts[0] in (entry["deciles"][0], None)
            assert (starts[0] is None) == (entry["measureId"] == "ACRAD25" and year == 2020)
            compared += 1
    assert compared == {2017: 565, 2018: 477, 2019: 439, 2020: 384, 2021: 363, 2022: 348}[year]


@pytest.mark.parametrize("year", range(2023, 2027))
def test_percentiles_become_starts_of_rising_points(year: int, tmp_path: Path) -> None:
    entries = json.loads((folder(year, tmp_path) / "benchmarks.json").read_bytes(), parse_float=Decimal)
    for entry, row in zip(entries, read_benchmarks(tmp_path, year).rows.to_pylist(), strict=True):
        percentiles = entry["percentiles"]
        for decile in range(2, 11):
            rank = 100 - 10 * (decile - 1) if entry["isInverse"] else 10 * (decile - 1)
            assert row[f"start_decile_{decile}"] == percentiles[str(rank)]
        assert row["start_decile_1"] == percentiles["99" if entry["isInverse"] else "1"]


def test_ten_deciles_hold_nine_starts_as_the_next_layout_confirms(tmp_path: Path) -> None:
    """The benchmarks of ACEP50 and ACEP51 in 2021 were published again in 2023, as percentiles with more decimals."""
    found = {
        year: {row["measure_id"]: row for row in read(year, tmp_path).rows.to_pylist()} for year in (2021, 2022, 2023)
    }
    for measure in ("ACEP50", "ACEP51"):
        for decile in range(2, 11):
            name = f"start_decile_{decile}"
            assert abs(found[2021][measure][name] - found[2023][measure][name]) < Decimal("0.01")
    # The worst value stands before the starts of these, the best one behind those of the readmission measures.
    assert found[2021]["MCC1"]["start_decile_2"] == Decimal("41.48")
    assert found[2022]["479"]["start_decile_10"] == Decimal("0.1315")
    assert found[2021]["479"]["start_decile_10"] == Decimal("0.1343")


def test_capped_measures_are_those_of_the_files(tmp_path: Path) -> None:
    capped = {
        year: sum(row["is_topped_out_by_program"] for row in read(year, tmp_path).rows.to_pylist()) for year in YEARS
    }
    assert capped == {2017: 0, 2018: 0, 2019: 82, 2020: 97, 2021: 73, 2022: 63, 2023: 71, 2024: 73, 2025: 64, 2026: 58}
