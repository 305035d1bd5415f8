"""What the public files show of benchmarks, a benchmark worked by hand, and tables that cannot be used."""

from __future__ import annotations

import csv
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from conftest import published_data
from openvbp.errors import InputDataError
from openvbp.pipeline import run
from openvbp.programs.mssp_benchmark.regions import read_counties
from openvbp.run_folder import RunFolder

EXAMPLE = Path(__file__).parents[3] / "examples" / "mssp_benchmark"
TYPES = {"ESRD": "ESRD", "DIS": "DIS", "AGDU": "AGED_Dual", "AGND": "AGED_NonDual"}


def rows_of(year: int) -> list[dict[str, str]]:
    with published_data("contracts", "mssp", f"puf_{year}.csv").open(newline="", encoding="utf-8-sig") as lines:
        return list(csv.DictReader(lines))


def number(text: str) -> Fraction | None:
    text = text.replace(",", "").strip()
    return None if text in ("", "*", "-", ".") else Fraction(text)


def bounds(parts: list[tuple[Fraction, Fraction]]) -> tuple[Fraction, Fraction]:
    """Least and greatest weighted mean if values and weights are rounded to whole numbers: at a corner of the box."""
    half = Fraction(1, 2)

    def extreme(sign: int) -> Fraction:
        values = [value + sign * half for value, _weight in parts]
        mean = sum(value * weight for value, (_v, weight) in zip(values, parts, strict=True)) / sum(
            w for _v, w in parts
        )
        # A weight moves the mean up where its value is above it; two rounds settle which are.
        for _ in range(3):
            weights = [
                max(weight + (half if (value - mean) * sign > 0 else -half), Fraction(0))
                for value, (_v, weight) in zip(values, parts, strict=True)
            ]
            mean = sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)
        return mean

    return extreme(-1), extreme(1)


@pytest.mark.parametrize("year", [2021, 2022, 2023])
def test_types_by_person_years_give_the_published_total(year: int) -> None:
    tried = 0
    for row in rows_of(year):
        parts = []
        for short, long in TYPES.items():
            value, weight = (
                number(row[f"Per_Capita_Exp_ALL_{short}_PY"]),
                number(row[f"N_AB_Year_{long if long != short else short}_PY"]),
            )
            if value is None or weight is None:
                break
            parts.append((value, weight))
        total = number(row["Per_Capita_Exp_TOTAL_PY"])
        if len(parts) < len(TYPES) or total is None:
            # Types of fewer than eleven beneficiaries are masked.
            continue
        low, high = bounds(parts)
        assert low - Fraction(1, 2) <= total <= high + Fraction(1, 2), row["ACO_ID"]
        tried += 1
    assert tried > 400


@pytest.mark.parametrize("year", [2021, 2022, 2023])
def test_the_benchmark_is_that_per_capita_times_person_years(year: int) -> None:
    half = Fraction(1, 2)
    different = []
    for row in rows_of(year):
        per_capita, years, total = (number(row[name]) for name in ("UpdatedBnchmk", "N_AB_Year_PY", "ABtotBnchmk"))
        assert per_capita is not None
        assert years is not None
        assert total is not None
        if not (per_capita - half) * (years - half) - half <= total <= (per_capita + half) * (years + half) + half:
            different.append(row["ACO_ID"])
    assert different == []


def test_the_county_file_is_read_as_published() -> None:
    counties = read_counties(published_data("contracts", "mssp", "county_ffs_2018.csv"))
    assert counties.values[1, 0, "AGED_DUAL"] == (Decimal("16267.47"), Decimal("0.98214"))
    assert counties.rows == len(counties.values) / 4


def construct(folder: Path, **changes: Callable[[str], str]) -> RunFolder:
    """Run the example with some files changed."""
    folder.mkdir(exist_ok=True)
    for path in EXAMPLE.iterdir():
        text = path.read_text(encoding="utf-8")
        (folder / path.name).write_text(changes.get(path.stem, lambda one: one)(text), encoding="utf-8")
    return run("mssp_benchmark", period="PY2024", data=folder, out=folder / "RUN")


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return construct(tmp_path_factory.mktemp("benchmark") / "example")


def by_hand(folder: Path, aco: str) -> Fraction:
    """The benchmark of the example's ACO of 2019, from the words of the regulation."""

    def table(name: str) -> list[dict[str, str]]:
        with (folder / name).open(newline="", encoding="utf-8") as lines:
            return list(csv.DictReader(lines))

    national = {(row["enrollment_type"], row["year"]): row for row in table("national_values.csv")}
    region = {(r["enrollment_type"], r["year"]): r for r in table("regional_values.csv") if r["provider_id"] == aco}
    total = Fraction(0)
    for of in ("ESRD", "DISABLED", "AGED_DUAL", "AGED_NONDUAL"):
        spent, risk, months = {}, {}, {}
        for year in ("by1", "by2", "by3", "py"):
            own = [
                row
                for row in table("beneficiary_years.csv")
                if (row["provider_id"], row["enrollment_type"], row["year"]) == (aco, of, year)
            ]
            values = national[of, year]
            most = Fraction(values["truncation_threshold"])
            counted = sum(min(Fraction(row["expenditures"]), most * int(row["months"]) / 12) for row in own)
            months[year] = sum(int(row["months"]) for row in own)
            spent[year] = counted * Fraction(values["completion_factor"]) * 12 / months[year]
            risk[year] = sum(Fraction(row["risk_score"]) * int(row["months"]) for row in own) / months[year]
        share = Fraction(region[of, "by3"]["market_share"])

        def growth(later: str, earlier: str, of: str = of, share: Fraction = share) -> Fraction:
            nation = Fraction(national[of, later]["national_per_capita"]) / Fraction(
                national[of, earlier]["national_per_capita"]
            )
            around = Fraction(region[of, later]["regional_per_capita"]) / Fraction(
                region[of, earlier]["regional_per_capita"]
            )
            return share * nation + (1 - share) * around

        trended = [spent[year] * growth("by3", year) * risk["by3"] / risk[year] for year in ("by1", "by2")]
        historical = trended[0] / 10 + trended[1] * 3 / 10 + spent["by3"] * 6 / 10
        nearby = (
            Fraction(region[of, "by3"]["regional_per_capita"])
            * risk["by3"]
            / Fraction(region[of, "by3"]["regional_risk_score"])
        )
        distance = nearby - historical
        limit = Fraction(national[of, "by3"]["national_per_capita"]) / 20
        adjustment = max(min(distance * (Fraction(35, 100) if distance > 0 else Fraction(15, 100)), limit), -limit)
        updated = (historical + adjustment) * growth("py", "by3") * min(risk["py"] / risk["by3"], Fraction(103, 100))
        total += updated * months["py"] / 12
    return total


def test_the_example_is_what_the_regulation_says(example: RunFolder) -> None:
    steps = example.read("step_result", provider_id="A9001", quantity="benchmark").to_pylist()
    # Risk scores and truncated amounts are rounded to what is printed of them on the way.
    assert abs(Fraction(steps[0]["value"]) - by_hand(EXAMPLE, "A9001")) < 1


def test_every_benchmark_is_unverified_and_says_why(example: RunFolder) -> None:
    for row in example.read("provider_result").to_pylist():
        assert row["status"] == "unverified"
        assert "regional_adjustment_weight" in row["status_reason"]


def test_no_beneficiary_is_in_the_results(example: RunFolder) -> None:
    beneficiaries = {line.split(",")[0] for line in (EXAMPLE / "beneficiary_years.csv").read_text().splitlines()[1:]}
    for path in (example.path).rglob("*.parquet"):
        for column in pq.read_table(path).columns:
            assert not beneficiaries & set(map(str, column.to_pylist()))


def test_counties_make_the_region(tmp_path: Path) -> None:
    header = "Year,State Name,County Name,State ID,County ID," + ",".join(
        f"Per capita {name} expenditures,Average {name} HCC risk score,{name} person-years "
        for name in ("ESRD", "DISABLED", "AGED/DUAL", "AGED/NON-DUAL")
    )
    folder = tmp_path / "counties"
    folder.mkdir()
    for year in ("by1", "by2", "by3", "py"):
        lines = [
            "2023,S,One,1,0," + ",".join(["9000,1.0,100"] * 4),
            "2023,S,Two,1,10," + ",".join(["12000,1.2,50"] * 4),
        ]
        (folder / f"county_ffs_{year}.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    rows = [
        f"{aco},{of},{year},1,{county},{years}"
        for aco in ("A9001", "A9002")
        for of in ("ESRD", "DISABLED", "AGED_DUAL", "AGED_NONDUAL")
        for year in ("by1", "by2", "by3", "py")
        for county, years in ((0, 20), (10, 10))
    ]
    text = "\n".join(["provider_id,enrollment_type,year,state_id,county_id,person_years", *rows]) + "\n"
    (folder / "aco_counties.csv").write_text(text, encoding="utf-8")
    finished = construct(folder)
    found = finished.read("step_result", provider_id="A9001", quantity="regional_per_capita_by3").to_pylist()
    assert {row["value"] for row in found} == {Decimal(10000)}
    (folder / "aco_counties.csv").write_text(text.replace("1,10,10", "1,99,10"), encoding="utf-8")
    with pytest.raises(InputDataError, match="counties have no published values"):
        run("mssp_benchmark", period="PY2024", data=folder, out=folder / "RUN2")


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        (
            "national_values",
            lambda text: "\n".join(line for line in text.splitlines() if not line.startswith("ESRD,by2")),
            "is missing",
        ),
        ("regional_values", lambda text: text.replace(",0.18", ","), "share of its region is missing"),
        (
            "acos",
            lambda text: text.replace("2019-07-01", "2018-01-01").replace("2024-01-01", "2025-01-01"),
            "no row can be",
        ),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, file: str, change: Callable[[str], str], words: str) -> None:
    with pytest.raises(InputDataError, match=words):
        construct(tmp_path / "broken", **{file: change})


def test_without_the_prospective_trend_nothing_is_guessed(tmp_path: Path) -> None:
    def emptied(text: str) -> str:
        return "\n".join(line.rpartition(",")[0] + "," if ",py," in line else line for line in text.splitlines()) + "\n"

    finished = construct(tmp_path / "untrended", national_values=emptied)
    rows = {row["provider_id"]: row for row in finished.read("provider_result").to_pylist()}
    assert rows["A9002"]["status"] == "not_determinable"
    assert "prospective trend is not given" in rows["A9002"]["status_reason"]
    assert rows["A9001"]["score"] is not None
