"""Statements that cannot be read: what is wrong is said, and nothing is guessed."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from openvbp.audit.statement import Known, from_published, is_statement, read_statement
from openvbp.errors import InputDataError

UNITS = {"target_budget": "usd", "net_settlement": "usd", "sharing_rate": "ratio", "is_two_sided": "flag"}
UNITS |= {"member_months": "count", "risk_score": "multiplier"}
ONE = Known(UNITS, ["valley"], ["adults", "children"])
TWO = Known(UNITS, ["hill", "valley"])


def written(folder: Path, *rows: str, header: str = "line,population,value") -> Path:
    path = folder / "statement.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("target bugdet,,1", "a line is not known in this settlement\n.*\n.*\n.*such as target_budget"),
        ("target budget,,one", "a value is not a number"),
        ("target budget,,", "a value is not a number"),
        ("target budget,,1e9", "a value is not a number"),
        ('target budget,,"1.234,56"', "a value is not a number"),
        ("target budget,,900000000000", "a value is too large"),
        ("sharing rate,,42.5", "a share is not below 10\n.*\n.*\n.*42.5 % or 0.425"),
        ("is two sided,,2", "a value is too large"),
        ("target budget,elderly,1", "a population is not in the data\n.*\n.*\n.*adults, children"),
        ("target budget,,1\ntarget budget,,1", "a line stands twice"),
        ("target budget,,1,234", "rows do not have the 3 cells of the header"),
        ("target budget", "rows do not have the 3 cells of the header"),
    ],
)
def test_lines_that_cannot_be_used(tmp_path: Path, row: str, words: str) -> None:
    with pytest.raises(InputDataError, match=words):
        read_statement(written(tmp_path, row), ONE)


@pytest.mark.parametrize(
    ("header", "row", "words"),
    [
        ("provider_id,line,value", "dale,target budget,1", "a provider is not in the data"),
        ("provider_id,line,value", ",target budget,1", "a line names no provider, and there are several"),
        ("line,value", "target budget,1", "a line names no provider, and there are several"),
        ("provider_id,line,value,comment", "hill,target budget,1,x", "columns are not known"),
        ("line,quantity,value", "target budget,target budget,1", "a column stands twice"),
        ("provider_id,line,measure_id,value", "hill,target budget,M1,1", "a line is about a measure"),
        ("provider_id,line,value", "hill,net settlement,1\nhill,net settlement,2", "a line stands twice"),
    ],
)
def test_statements_on_several_providers(tmp_path: Path, header: str, row: str, words: str) -> None:
    with pytest.raises(InputDataError, match=words):
        read_statement(written(tmp_path, row, header=header), TWO)


def test_every_kind_of_problem_is_reported_at_once(tmp_path: Path) -> None:
    with pytest.raises(InputDataError) as caught:
        read_statement(written(tmp_path, "target budget,,one", "target,,1", "net settlement,old,1"), ONE)
    assert len(caught.value.problems) == 3


def test_an_empty_statement(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match="the statement has no lines"):
        read_statement(written(tmp_path), ONE)


def test_a_statement_that_is_no_text(tmp_path: Path) -> None:
    path = written(tmp_path, "target budget,,1")
    path.write_bytes(path.read_bytes() + b"net settlement,,\xe4\n")
    with pytest.raises(InputDataError, match="file is not UTF-8 text"):
        read_statement(path, ONE)


def test_which_files_are_statements(tmp_path: Path) -> None:
    assert is_statement(written(tmp_path, "target budget,,1"))
    assert not is_statement(written(tmp_path, "A1,2", header="ACO_ID,EarnSaveLoss"))
    assert not is_statement(tmp_path)
    assert not is_statement(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("text", "value", "slack"),
    [
        ("$81,021,135.40", "81021135.40", "0.005"),
        ("(1,234.50)", "-1234.50", "0.005"),
        ("($1,234.50)", "-1234.50", "0.005"),
        ("\N{MINUS SIGN}12", "-12", "0.5"),
        ("2.28 %", "0.0228", "0.00005"),
        ("yes", "1", "0"),
        ("No", "0", "0"),
        ("0.12345678901234", "0.12345678901234", "0.000000000000005"),
    ],
)
def test_how_payers_print_numbers(tmp_path: Path, text: str, value: str, slack: str) -> None:
    known = Known(dict.fromkeys(UNITS, "usd"), ["valley"])
    (row,) = read_statement(written(tmp_path, f'target budget,,"{text}"'), known).to_pylist()
    assert (row["provider_id"], row["domain_id"], row["quantity"]) == ("valley", None, "target_budget")
    assert (row["value"], row["slack"]) == (Decimal(value), Decimal(slack))


def test_published_tolerances_are_no_departures() -> None:
    import pyarrow as pa

    rows = [{"provider_id": "hill", "quantity": "net_settlement", "text": "12.5", "tolerance": Decimal(1)}]
    rows += [{"provider_id": "hill", "quantity": "unknown", "text": "1", "tolerance": None}]
    (line,) = from_published(pa.Table.from_pylist(rows), UNITS, {"net_settlement": Decimal("0.2")}).to_pylist()
    assert (line["value"], line["slack"]) == (Decimal("12.5"), Decimal(1))
