"""Every fiscal year from FY2013 to FY2027 on made-up files of its layout, against the formula in plain Python."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from hrrp_files import (
    MadeCondition,
    MadeHospital,
    conditions_of,
    expected_reduction,
    scenario,
    write_csv,
    write_hospitals,
    write_payment_ratios,
    write_public,
    write_supplemental,
)
from openvbp import pipeline
from openvbp.programs import program
from openvbp.reporting.comparison import compare

PERIODS = [f"FY{year}" for year in range(2013, 2028)]
FIRST_THREE = {"READM-30-AMI", "READM-30-HF", "READM-30-PN"}
FIVE = FIRST_THREE | {"READM-30-COPD", "READM-30-HIP-KNEE"}
SIX = FIVE | {"READM-30-CABG"}


def hospitals(period: str) -> list[MadeHospital]:
    """One far above every reference, one a little, one below, one with too few discharges, one with nothing."""
    measures = conditions_of(period)
    made = [
        ("010001", {one: MadeCondition("1.4", payment_ratio="0.0800") for one in measures}),
        ("010005", {one: MadeCondition("1.0312", payment_ratio="0.0213", median="0.9876") for one in measures}),
        ("050002", {one: MadeCondition("0.9312", median="0.9876") for one in measures}),
        ("330101", {one: MadeCondition("1.5", discharges=24) for one in measures}),
        ("450044", {measures[0]: MadeCondition("1.1234", discharges=25, payment_ratio="0.0300")}),
    ]
    return [MadeHospital(one, conditions) for one, conditions in made]


def test_conditions_of_the_years() -> None:
    expected = dict.fromkeys(PERIODS, SIX)
    expected |= {"FY2013": FIRST_THREE, "FY2014": FIRST_THREE, "FY2015": FIVE, "FY2016": FIVE}
    expected["FY2023"] = SIX - {"READM-30-PN"}
    assert {period: set(conditions_of(period)) for period in PERIODS} == expected


@pytest.mark.parametrize("period", PERIODS[6:])
def test_supplemental_file_of_the_year(period: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    made = hospitals(period)
    modifier = "0.9577"
    write_supplemental(data, period, made, modifier)
    run = pipeline.run("hrrp", period=period, data=data, out=tmp_path / "run")
    factors = {row["provider_id"]: row["factor"] for row in run.read("payment_result").to_pylist()}
    expected = {one.provider_id: 1 - expected_reduction(one, period, Decimal(modifier)) for one in made}
    assert factors == expected
    assert len(set(expected.values())) == 4
    assert {row["status"] for row in run.read("payment_result").to_pylist()} == {"scored"}
    hrrp = program("hrrp")
    comparison = compare(run, hrrp.read_published_values(data, period), hrrp.tolerances)
    assert comparison.is_equal, comparison.differences
    assert all(one.equal == one.published for one in comparison.quantities)


@pytest.mark.parametrize("period", PERIODS[:6])
def test_method_before_peer_groups(period: str, tmp_path: Path) -> None:
    """The public file and payment ratios; ratios of hospitals with too few discharges are not printed."""
    data = tmp_path / "data"
    data.mkdir()
    made = hospitals(period)
    made[4].conditions |= {
        one: MadeCondition("0.5", discharges=0) for one in conditions_of(period) if one not in made[4].conditions
    }
    write_public(data, period, made)
    write_payment_ratios(data, made)
    write_hospitals(data, made, {"base_operating_drg_payment_amount_usd": "base"})
    run = pipeline.run("hrrp", period=period, data=data, out=tmp_path / "run")
    payments = {row["provider_id"]: row for row in run.read("payment_result").to_pylist()}
    expected = {one.provider_id: expected_reduction(one, period, Decimal(1)) for one in made}
    assert {one: row["factor"] for one, row in payments.items()} == {one: 1 - value for one, value in expected.items()}
    assert {one: row["amount"] for one, row in payments.items()} == {
        one: -value * 1_000_000 for one, value in expected.items()
    }
    floor = scenario(period).value("floor_adjustment_factor")
    assert payments["010001"]["factor"] == floor
    assert payments["010001"]["is_cap_applied"]
    assert not payments["010005"]["is_cap_applied"]
    assert {row["peer_group"] for row in run.read("provider").to_pylist()} == {None}
    quantities = set(run.read("step_result")["quantity"].to_pylist())
    assert not quantities & {"neutrality_modifier", "peer_group", "peer_group_median"}


def test_file_of_fy2013_as_published_then(tmp_path: Path) -> None:
    """Other column names, zeros as placeholders, several title lines, no payment ratios."""
    header = [
        "PROV",
        "FY 2013 Readmission Payment Adjustment Factor",
        "Number of Pneumonia Cases",
        "Excess Readmission Ratio for Pneumonia",
        "Number of Heart Failure Cases",
        "Excess Readmission Ratio for Heart Failure",
        "Number of Acute Myocardial Infarction Cases",
        "Acute Myocardial Infarction Excess Readmission Ratio",
    ]
    rows = [
        ("010001", "0.9900", "700", "1.2000", "900", "1.1000", "800", "1.0500"),
        ("010005", "1.0000", "300", "0.9000", "20", "0.0000", "10", "0.0000"),
        ("210001", "1.0000", "300", "1.3000", "200", "1.0000", "100", "1.1000"),
        ("400001", "1.0000", "0", "0.0000", "0", "0.0000", "0", "0.0000"),
    ]
    path = write_csv(tmp_path / "puf.txt", header, rows, delimiter="\t")
    path.write_text("FY 2013 Final Rule\n\nSupplemental data\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    ratios = [("010001", name, "0.0500") for name in FIRST_THREE]
    write_csv(tmp_path / "ratios.csv", ("Provider Number", "Measure Name", "DRG Payment Ratio"), ratios)
    run = pipeline.run("hrrp", period="FY2013", data=tmp_path, out=tmp_path / "run")
    payments = {row["provider_id"]: (row["status"], row["factor"]) for row in run.read("payment_result").to_pylist()}
    assert payments == {
        "010001": ("scored", Decimal("0.9900")),
        "010005": ("scored", Decimal(1)),
        "210001": ("excluded", Decimal(1)),
        "400001": ("excluded", Decimal(1)),
    }
    assert {check["name"]: check["count"] for check in run.record["checks"]} == {
        "hospital_excluded": 2,
        "zero_ratio": 5,
    }
    measures = run.read("measure_result", provider_id="010005").to_pylist()
    assert {row["measure_id"]: row["status"] for row in measures} == {
        "READM-30-AMI": "too_few_cases",
        "READM-30-HF": "too_few_cases",
        "READM-30-PN": "scored",
    }
