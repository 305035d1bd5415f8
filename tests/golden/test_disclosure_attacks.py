"""An attacker on Scottish practices: what points give back, and that the public export gives nothing back."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb
import pytest
from disclosure_scotland import INDICATORS, Cell, is_withheld, recovered, run_practices, write_practices

from conftest import published_data
from openvbp.reporting.disclosure import PublicTables, public_tables
from openvbp.run_folder import RunFolder

PRACTICES = 12


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("disclosure")
    return run_practices(write_practices(folder / "data", PRACTICES), folder / "RUN")


@pytest.fixture(scope="module")
def public(finished: RunFolder) -> PublicTables:
    return public_tables(finished)


def measures_of(finished: RunFolder) -> list[dict[str, Any]]:
    return [row for row in finished.read("measure_result").to_pylist() if row["threshold"] is not None]


def test_points_give_masked_fractions_back(finished: RunFolder) -> None:
    """If only counts are masked, of all practices of the year, the points beside them give the fractions back."""
    limits = {row["measure_id"]: row for row in measures_of(finished)}
    rows = duckdb.sql(f"""
        select replace(indicator, '(S)', '') as code, num::int as k, denom::int as n, points_achieved as points
        from '{published_data("primary_care", "scotland_qof") / INDICATORS}'
        where try_cast(num as int) is not null and try_cast(denom as int) > 0
    """).fetchall()
    masked = [
        (code, Fraction(k, n), Decimal(points))
        for code, k, n, points in rows
        if code in limits and is_withheld(k, n) and 0 < Decimal(points) < limits[code]["maximum_points"]
    ]
    found = sum(recovered(points, limits[code]) == share for code, share, points in masked)
    print(f"{found:,} of {len(masked):,} masked fractions are given back by their points")
    assert len(masked) > 1_000
    assert found / len(masked) > 0.98


def test_public_points_give_nothing_back(finished: RunFolder, public: PublicTables) -> None:
    """No row of a masked measure prints anything that was made from its counts, in any table."""
    small = {
        (row["provider_id"], row["measure_id"])
        for row in measures_of(finished)
        if row["numerator"] is None or is_withheld(int(row["numerator"]), int(row["denominator"]))
    }
    results = {(row["provider_id"], row["measure_id"]): row for row in public.tables["measure_result"].to_pylist()}
    assert len(small) > 100
    for cell in small:
        assert results[cell]["status"] == "suppressed"
        assert all(results[cell][name] is None for name in ("numerator", "denominator", "rate", "points"))
    steps = public.tables["step_result"].to_pylist()
    of_small = [
        row for row in steps if (row["provider_id"], row["measure_id"]) in small and row["rule_id"] != "parameter"
    ]
    assert of_small
    assert all(row["value"] is None for row in of_small)


def other_counts(finished: RunFolder) -> dict[Cell, tuple[int, int]]:
    """Give every masked cell other counts that are masked too, with points at the same end or none of both ends."""
    chance = random.Random(20160331)
    found: dict[Cell, tuple[int, int]] = {}
    for row in measures_of(finished):
        if row["numerator"] is None or not is_withheld(int(row["numerator"]), int(row["denominator"])):
            continue
        own = (int(row["numerator"]), int(row["denominator"]))
        while (row["provider_id"], row["measure_id"]) not in found:
            patients = chance.choice([chance.randint(1, 10), chance.randint(11, 400)])
            done = chance.choice([chance.randint(0, patients), max(0, patients - chance.randint(0, 10))])
            is_like = is_withheld(done, patients) and side(row, done, patients) == side(row, *own)
            if is_like and (done, patients) != own:
                found[(row["provider_id"], row["measure_id"])] = (done, patients)
    return found


def side(row: dict[str, Any], done: int, patients: int) -> str:
    share = Fraction(done, patients)
    if share >= Fraction(row["benchmark"]):
        return "full"
    return "none" if share <= Fraction(row["threshold"]) else "between"


def test_no_masked_cell_is_determined(finished: RunFolder, public: PublicTables, tmp_path: Path) -> None:
    """Every masked cell gets other counts, the program runs again, and what is published stays the same.

    So whatever an attacker computes from the public tables, totals and payments included, fits both.
    """
    changed = other_counts(finished)
    again = run_practices(write_practices(tmp_path / "data", PRACTICES, changed), tmp_path / "RUN")
    other = public_tables(again)
    before = {(row["provider_id"], row["measure_id"]): row for row in measures_of(finished)}
    after = {(row["provider_id"], row["measure_id"]): row for row in measures_of(again)}
    for cell, counts in changed.items():
        assert (after[cell]["numerator"], after[cell]["denominator"]) == counts
        assert (before[cell]["numerator"], before[cell]["denominator"]) != counts
    assert len(changed) > 100
    assert not finished.read("payment_result").equals(again.read("payment_result"))
    assert {name for name, rows in public.tables.items() if not rows.equals(other.tables[name])} == set()
    published_scores = sum(row["score"] is not None for row in public.tables["provider_result"].to_pylist())
    assert published_scores > 0
