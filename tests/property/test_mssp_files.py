"""Any year's layout and units give the same settlement; every row is accepted or rejected."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openvbp.errors import InputDataError
from openvbp.programs.mssp.readers import PublishedInputs, read_published

quick = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
UNITS = ("fraction", "percent", "percent sign")
TRACKS = {"track_1": "Track1", "track_2": "Track2"}
RATIOS = ("MinSavPerc", "QualScore", "FinalShareRate")


@st.composite
def aco(draw: st.DrawFn) -> dict[str, Any]:
    benchmark = draw(st.integers(10**6, 10**9))
    spent = draw(st.integers(10**6, 10**9))
    score = draw(st.integers(10, 100))
    return {
        "track": draw(st.sampled_from(sorted(TRACKS))),
        "N_AB": draw(st.integers(1000, 99_999)),
        "ABtotBnchmk": benchmark,
        "ABtotExp": spent,
        "MinSavPerc": Decimal(draw(st.integers(200, 900))).scaleb(-4),
        "QualScore": Decimal(score).scaleb(-2),
        "FinalShareRate": Decimal(score).scaleb(-2) / 2,
    }


def written(ratio: Decimal, unit: str) -> str:
    return {"fraction": f"{ratio}", "percent": f"{ratio * 100}", "percent sign": f"{ratio * 100}%"}[unit]


def file_text(acos: list[dict[str, Any]], units: dict[str, str], money: str, order: list[str]) -> str:
    """Write a file of PY2014 with its columns in any order, shares in any unit and money in any style."""
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(order)
    for number, one in enumerate(acos):
        dollars = {name: money.format(one[name]) for name in ("ABtotBnchmk", "ABtotExp")}
        cells = {
            "ACO_Num": f"A{number:05d}",
            "year": "2014",
            "ACO_NAME": "An ACO, LLC",
            "Start_Date": "1/1/14",
            "Track1": int(one["track"] == "track_1"),
            "Track2": int(one["track"] == "track_2"),
            "N_AB": one["N_AB"],
            "an_author_s_column": "-1.5",
            "BnchmkMinExp": one["ABtotBnchmk"] - one["ABtotExp"],
            **dollars,
            **{name: written(one[name], units[name]) for name in RATIOS},
        }
        writer.writerow([cells[name] for name in order])
    return lines.getvalue()


COLUMNS = ["ACO_Num", "year", "ACO_NAME", "Start_Date", "Track1", "Track2", "N_AB", "an_author_s_column", "ABtotBnchmk"]
COLUMNS += ["ABtotExp", "BnchmkMinExp", *RATIOS]


def read_text(folder: Path, text: str) -> PublishedInputs:
    path = folder / "results.csv"
    path.write_text(text, encoding="utf-8")
    return read_published(path, 2014)


@quick
@given(
    st.lists(aco(), min_size=1, max_size=8),
    st.fixed_dictionaries({name: st.sampled_from(UNITS) for name in RATIOS}),
    st.sampled_from(["{}", "${}", "{:,}", "${:,}.00"]),
    st.permutations(COLUMNS),
)
def test_units_money_and_order_of_columns_do_not_matter(
    tmp_path: Path, acos: list[dict[str, Any]], units: dict[str, str], money: str, order: list[str]
) -> None:
    plain = read_text(tmp_path, file_text(acos, dict.fromkeys(RATIOS, "fraction"), "{}", COLUMNS))
    other = read_text(tmp_path, file_text(acos, units, money, order))
    assert other.acos == plain.acos
    assert other.percent == {
        {"MinSavPerc": "minimum_savings_rate", "QualScore": "quality_score", "FinalShareRate": "final_sharing_rate"}[
            name
        ]
        for name, unit in units.items()
        if unit != "fraction"
    }


@quick
@given(
    st.lists(aco(), min_size=2, max_size=8),
    st.lists(
        st.tuples(
            st.integers(0, 7),
            st.sampled_from(["ACO_Num", "N_AB", "ABtotBnchmk", "QualScore", "Track1", "BnchmkMinExp", "Start_Date"]),
            st.sampled_from(["", "*", "-", "x", "-5", "1e9", "N/A"]),
        ),
        max_size=4,
    ),
)
def test_every_row_is_accepted_or_rejected(
    tmp_path: Path, acos: list[dict[str, Any]], damage: list[tuple[int, str, str]]
) -> None:
    rows = list(csv.reader(io.StringIO(file_text(acos, dict.fromkeys(RATIOS, "fraction"), "{}", COLUMNS))))
    for number, column, text in damage:
        rows[1 + number % len(acos)][COLUMNS.index(column)] = text
    lines = io.StringIO()
    csv.writer(lines).writerows(rows)
    try:
        inputs = read_text(tmp_path, lines.getvalue())
    except InputDataError:
        # Refused as a whole; how is looked at in the fault tests.
        return
    assert len(inputs.acos) == len(inputs.rows)
    lost = {row[0] for row in rows[1:]} - {aco["provider_id"] for aco in inputs.acos}
    assert lost <= {one["provider_id"] for one in inputs.rejected}
    # A cell that says that there is nothing is missing, not wrong; any other is listed.
    for number, column, text in damage:
        if text in ("x", "-5", "1e9") and column in ("N_AB", "ABtotBnchmk"):
            assert rows[1 + number % len(acos)][COLUMNS.index(column)] not in ("x", "-5", "1e9") or any(
                one["column"] in (column, "ACO_Num", "Track1") for one in inputs.rejected
            )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7/1/12", (2012, 7, 1)),
        ("1/1/16 00:00", (2016, 1, 1)),
        ("01/01/2015 12:00:00 AM", (2015, 1, 1)),
        ("07/01/2019", (2019, 7, 1)),
        ("2024-01-01", (2024, 1, 1)),
    ],
)
def test_dates_of_every_year_are_read(text: str, expected: tuple[int, int, int]) -> None:
    from openvbp.programs.mssp import cells

    found = cells.day(text)
    assert found is not None
    assert (found.year, found.month, found.day) == expected
