"""How a cell of a source is read: its value, or none because it has not the form."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from openvbp.claims.adapters.cells import read_cells


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("date", " 2024-02-29 ", dt.date(2024, 2, 29)),
        ("date", "2023-02-29", None),
        ("date", "2024-02-29T10:00:00Z", dt.date(2024, 2, 29)),
        ("date_ymd", "20090412", dt.date(2009, 4, 12)),
        ("date_ymd", "20090431", None),
        ("date_dmy", "27-oct-1999", dt.date(1999, 10, 27)),
        ("date_dmy", "31-FEB-2020", None),
        ("date_dmy", "2020-02-01", None),
        ("amount", "-1234.5", Decimal("-1234.50")),
        ("amount", "+0012.3400", Decimal("12.34")),
        ("amount", "12.345", None),
        ("amount", "1,200", None),
        ("quantity", "1.2345", Decimal("1.2345")),
        ("count", "3.0", 3),
        ("count", "3.5", None),
        ("year", "2018", 2018),
        ("year", "3", None),
        ("year_month", "202413", None),
        ("diagnosis", "i50.33 ", "I5033"),
        ("drg", "0291", "291"),
        ("drg", "6955", "6955"),
        ("two_digits", "1", "01"),
        ("two_digits", "A5", "A5"),
        ("four_digits", "22", "0022"),
        ("sex", "2", "female"),
        ("sex", "9", None),
        ("flag", "Y", True),
        ("code", "~", None),
        ("text", "   ", None),
    ],
)
def test_cells(kind: str, text: str, value: Any) -> None:
    assert read_cells(pa.array([text]), kind)[1].to_pylist() == [value]


def test_typed_cells_are_taken_as_they_are() -> None:
    moment = pa.array([dt.datetime(2008, 11, 29)], pa.timestamp("us"))
    assert read_cells(moment, "date_ymd")[1].to_pylist() == [dt.date(2008, 11, 29)]
    assert read_cells(pa.array([90.0]), "amount")[1].to_pylist() == [Decimal("90.00")]
    assert read_cells(pa.array([None], pa.float64()), "amount")[1].to_pylist() == [None]
