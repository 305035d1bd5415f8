"""Bad tables and persons of marketplace risk scores: a clear error, and nobody is lost without a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from hhs_tables import tables, write_tables
from openvbp.errors import InputDataError
from openvbp.risk.marketplace_tables import read_marketplace_tables


def without(name: str, part: str) -> dict[str, list[str]]:
    return {name: [line for line in tables()[name] if part not in line]}


def with_line(name: str, line: str) -> dict[str, list[str]]:
    return {name: [*tables()[name], line]}


DAMAGE = {
    "keys stand more than once in the diagnoses.csv": with_line("diagnoses", "B20,HHS_HCC001,,,"),
    "keys stand more than once in the factors.csv": with_line("factors", "adult,G01,1,1,1,1,1"),
    "factors.csv has cells that are not numbers of at most 3 decimals": with_line("factors", "adult,X,0.1234,1,1,1,1"),
    "cost_sharing.csv has no row": {"cost_sharing": ["csr_indicator,factor"]},
    "age groups are not adult, child or infant": with_line("groups", "senior,G01,HHS_HCC019"),
    "lists are not severe, transplant or not_counted": with_line("lists", "adult,grave,HHS_HCC002"),
    "code systems of drugs are not ndc or hcpcs": with_line("drugs", "cpt,99213,RXC_01"),
    "genders of diagnoses are not female or male": with_line("diagnoses", "X99,HHS_HCC001,M,,"),
    "ages or ranks are not whole numbers": with_line("diagnoses", "X99,HHS_HCC001,,2.5,"),
    "age and sex or infants' cells have no factor": without("factors", "Age1_x_Severity2"),
    "groups or interactions have no factor": with_line("groups", "child,G09,HHS_HCC001"),
    "categories stand in two groups": with_line("groups", "adult,RXC_01,HHS_HCC019"),
    "categories drop themselves": with_line("hierarchies", "HHS_HCC001,HHS_HCC001"),
    "variables ask for the same count": with_line("factors", "adult,SEVERE_HCC_COUNT2_3,1,1,1,1,1"),
    "rows do not have the 2 cells of the header": with_line("hierarchies", "HHS_HCC001"),
    "columns are missing": {"drugs": ["code,category", "J1745,RXC_02"]},
}


def test_damaged_tables_are_refused(tmp_path: Path) -> None:
    assert read_marketplace_tables(write_tables(tmp_path / "right")).cost_sharing == {"1": 1000, "2": 1120, "3": 1070}
    for number, (message, damage) in enumerate(DAMAGE.items()):
        folder = write_tables(tmp_path / str(number), damage)
        with pytest.raises(InputDataError, match=message):
            read_marketplace_tables(folder)
    folder = write_tables(tmp_path / "incomplete")
    (folder / "lists.csv").unlink()
    with pytest.raises(InputDataError, match="file is missing"):
        read_marketplace_tables(folder)
    with pytest.raises(InputDataError, match="there is no such folder"):
        read_marketplace_tables(tmp_path / "nowhere")
