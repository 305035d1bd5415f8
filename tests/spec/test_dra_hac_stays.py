"""Whole stays of the made-up hospital year: DRGs, payments, categories and hospital totals, on every engine."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from dra_hac_files import DIAGNOSES, DRG_TRIPLETS, PAID, STAYS, write_example
from openvbp.engine import Engine
from openvbp.parameters import load_parameters
from openvbp.pipeline import run
from openvbp.programs.dra_hac import PROGRAM
from openvbp.programs.dra_hac.inputs import read
from openvbp.programs.dra_hac.stays import group_stays
from openvbp.run_folder import RunFolder
from openvbp.scenarios import override

PARAMETERS = load_parameters(PROGRAM.parameters_file)


def evidence(finished: RunFolder, name: str) -> list[dict[str, Any]]:
    return pq.read_table(finished.path / "evidence" / f"{name}.parquet").to_pylist()


@pytest.fixture(scope="module")
def example_run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("dra_hac")
    return run("dra_hac", period="FY2010", data=write_example(folder / "data"), out=folder / "out")


def test_every_stay_is_paid_as_computed_by_hand(engine: Engine, tmp_path: Path) -> None:
    scenario = PARAMETERS.in_force(PARAMETERS.period("FY2010"))
    strict = override(scenario, "undetermined", {"pays_complication.W": "false"})
    content = read(write_example(tmp_path), scenario).content
    tables = {name: engine.table(rows, f"hac_{name}") for name, rows in content.tables.items()}
    grouped = group_stays(engine, tables, [scenario, strict], name="example_")
    columns = ("scenario_id", "stay_id", "drg_as_coded", "drg_after_hac", "payment_as_coded", "payment_after_hac")
    rows = engine.to_arrow(grouped["stay_result"].select(*columns)).to_pylist()
    assert len(rows) == 2 * len(PAID)
    for scenario_id in ("actual", "undetermined"):
        paid = {row["stay_id"]: row for row in rows if row["scenario_id"] == scenario_id}
        expected = dict(PAID)
        if scenario_id == "undetermined":
            expected["ulcer undetermined"] = ("193", "195", "1500.00", "700.00")
        for stay_id, (as_coded, after, payment, left) in expected.items():
            found = [paid[stay_id][name] for name in columns[2:]]
            assert found == [as_coded, after, Decimal(payment), Decimal(left)], (scenario_id, stay_id)


def test_hospitals_are_paid_the_sum_of_their_stays(example_run: RunFolder) -> None:
    payments = {row["provider_id"]: row for row in example_run.read("payment_result").to_pylist()}
    for provider_id, payment in payments.items():
        stays = [PAID[stay[0]] for stay in STAYS if stay[1] == provider_id]
        as_coded, after = (sum(Decimal(stay[place]) for stay in stays) for place in (2, 3))
        assert payment["base_amount"] == as_coded
        assert payment["amount"] == after - as_coded
        assert payment["rate"] == ((after - as_coded) / as_coded).quantize(Decimal("1e-12"))
    assert set(payments) == {"010001", "010002"}


def test_categories_count_the_stays_they_apply_to(example_run: RunFolder) -> None:
    rows = example_run.read("measure_result").to_pylist()
    counted = {(row["provider_id"], row["measure_id"]): row["numerator"] for row in rows if row["numerator"]}
    assert counted == {
        ("010001", "HAC-04"): 5,
        ("010001", "HAC-06"): 1,
        ("010002", "HAC-08"): 1,
        ("010002", "HAC-11"): 1,
    }
    without_codes = {row["measure_id"] for row in rows if row["status"] == "not_determinable"}
    assert without_codes == {f"HAC-{number:02}" for number in (1, 2, 3, 5, 7, 9, 10, 12)}


def test_steps_lead_from_the_counts_to_the_ratio(example_run: RunFolder) -> None:
    steps = example_run.read("step_result", provider_id="010002").to_pylist()
    values = {(step["quantity"], step["measure_id"]): step["value"] for step in steps}
    assert values["stays", None] == 5
    assert values["total_payment_as_coded", None] == 24400
    assert values["total_payment_reduction", None] == 4600
    assert values["stays_with_condition", "HAC-08"] == 1
    assert values["acquired_condition_rate", "HAC-08"] == Decimal("0.2")
    assert all(step["citation"] for step in steps)


def test_parts_and_alternatives_of_a_definition(tmp_path: Path) -> None:
    """Two procedures that must both be done, or another one alone; without them the infection is paid."""
    codes = [
        ["HAC-13", "secondary_diagnosis", "1", "infection", "996.61", "ICD-9-CM", "2012-10-01", ""],
        ["HAC-13", "procedure", "1", "device", "37.80", "ICD-9-CM", "2012-10-01", ""],
        ["HAC-13", "procedure", "1", "lead", "37.70", "ICD-9-CM", "2012-10-01", ""],
        ["HAC-13", "secondary_diagnosis", "2", "infection", "996.61", "ICD-9-CM", "2012-10-01", ""],
        ["HAC-13", "procedure", "2", "system", "00.51", "ICD-9-CM", "2012-10-01", ""],
    ]
    done = {"both": ["37.80", "37.70"], "device": ["37.80"], "system": ["00.51"], "other": ["99.99"]}
    write_example(
        tmp_path / "data",
        stays=[[name, "010001", "2013-01-01", "193", "1000.00", "yes"] for name in done],
        stay_diagnoses=[row for name in done for row in ([name, "1", "486", "Y"], [name, "2", "996.61", "N"])],
        stay_procedures=[
            [name, str(number), code] for name, codes_done in done.items() for number, code in enumerate(codes_done, 1)
        ],
        drg_triplets=[
            ["PNEUMONIA", level, drg, weight, "2012-10-01", ""]
            for level, drg, weight in (("none", "195", "0.7"), ("cc", "194", "1.0"), ("mcc", "193", "1.5"))
        ],
        cc_codes=[["996.61", "ICD-9-CM", "cc", "", "", "2008-10-01", ""]],
    )
    header = "category,role,alternative,part,code,code_system,from,to"
    lines = [header, *(",".join(row) for row in codes)]
    (tmp_path / "data" / "hac_codes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    finished = run("dra_hac", period="FY2013", data=tmp_path / "data", out=tmp_path / "out")
    rows = evidence(finished, "stay_result")
    assert {row["stay_id"]: row["cc_level_after_hac"] for row in rows} == {
        "both": "none",
        "device": "cc",
        "system": "none",
        "other": "cc",
    }


def test_an_indicator_whose_rule_has_not_been_read_makes_the_hospital_unverified(tmp_path: Path) -> None:
    """From FY2011 an empty indicator is taken as exempt; the payment that rests on it says so."""
    stays = [[*row[:2], row[2].replace("2010-", "2011-"), *row[3:]] for row in STAYS]
    diagnoses = [[*row[:3], ""] if row[:2] == ["ulcer acquired", "2"] else row for row in DIAGNOSES]
    triplets = [[*row[:5], "2011-09-30"] for row in DRG_TRIPLETS]
    write_example(tmp_path / "data", stays=stays, stay_diagnoses=diagnoses, drg_triplets=triplets)
    finished = run("dra_hac", period="FY2011", data=tmp_path / "data", out=tmp_path / "out")
    payments = {row["provider_id"]: row for row in finished.read("payment_result").to_pylist()}
    assert payments["010001"]["status"] == "unverified"
    assert payments["010001"]["amount"] == -3200
    assert payments["010002"]["status"] == "scored"
