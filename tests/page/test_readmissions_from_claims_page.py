"""The readmissions program counted from claims: each count again by plain SQL, each ratio and payment by hand."""

from __future__ import annotations

import csv
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from hrrp_files import MadeCondition, MadeHospital, conditions_of, write_csv, write_public, write_supplemental
from netted_claims import stays
from openvbp import pipeline
from openvbp.claims.synthetic.population import generate
from openvbp.claims.tables import open_claims
from openvbp.claims_chain import hrrp_files
from openvbp.claims_chain.hospital_evidence import RATES
from openvbp.claims_chain.hospital_payments import HospitalPayments, hospital_payments
from openvbp.claims_chain.hospital_program import FILES, FOLDER, run_from_claims
from openvbp.claims_chain.hospital_rate import HospitalRate
from openvbp.claims_chain.hrrp_files import MEASURES
from openvbp.cli import app
from openvbp.engine import Engine
from openvbp.errors import InputDataError, UsageError
from openvbp.measures.demonstration_codes import write_demonstration_codes
from openvbp.measures.value_sets import read_value_sets
from openvbp.periods import parse_any_period
from openvbp.run_folder import RunFolder, open_run

PERIOD = "2023-01..2024-11"
FIRST, LAST = "2023-01-01", "2024-11-30"
HALF_A_PLACE = Decimal("0.0000000001")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("readmissions")
    generate(
        folder / "claims",
        members=6000,
        years=3,
        first_year=2022,
        seed=3,
        changes=("providers.members_per_hospital=600",),
    )
    write_demonstration_codes(folder / "sets")
    return folder


@pytest.fixture(scope="module")
def ran(given: Path) -> tuple[RunFolder, str]:
    """Everything from claims, beside a what-if in which conditions of few cases count."""
    arguments = ["run", "hrrp", "--period", "FY2025", "--from-claims", str(given / "claims"), "--performance", PERIOD]
    arguments += ["--value-sets", str(given / "sets"), "--set", "minimum_discharges=10", "--out", str(given / "RUN")]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    return open_run(given / "RUN"), result.stderr + result.stdout


def rows_of(run: RunFolder, table: str, **equal: str) -> list[dict[str, Any]]:
    rows = pq.read_table(run.path / "results" / f"{table}.parquet").to_pylist()
    return [row for row in rows if all(row[name] == value for name, value in equal.items())]


def rates(run: RunFolder) -> dict[tuple[str, str], dict[str, str]]:
    with (run.path / FOLDER / RATES).open(newline="") as lines:
        return {(row["facility_id"], row["measure"]): row for row in csv.DictReader(lines)}


def acute(run: RunFolder) -> str:
    return stays(run.path / FOLDER / "accepted")


def statuses(run: RunFolder) -> str:
    return f"'{run.path / FOLDER / 'measures' / 'evidence' / 'statuses.parquet'}'"


def test_discharges_and_readmissions_are_those_of_the_statuses(ran: tuple[RunFolder, str]) -> None:
    run, printed = ran
    assert "payments and dual proportions of 10 hospitals counted" in printed
    results = rows_of(run, "measure_result", scenario_id="actual")
    assert len(results) == 60
    for row in results:
        counted = duckdb.sql(
            f"""SELECT count(*), count(*) FILTER (status = 'met') FROM {statuses(run)}
            WHERE status IN ('met', 'not_met') AND measure = '{MEASURES[row["measure_id"]]}'
            AND index_facility_id = '{row["provider_id"]}'"""
        ).fetchone()
        assert counted == (row["denominator"], row["numerator"])


def test_who_is_readmitted_has_an_unplanned_stay_within_thirty_days(ran: tuple[RunFolder, str], given: Path) -> None:
    """Row by row: the first stay after the index, but for the rest of its chain of transfers, is unplanned."""
    run, _ = ran
    sets = read_value_sets(given / "sets")
    urgent = {code for _system, code in sets["acute_diagnosis"].codes}
    operations = {code for _system, code in sets["potentially_planned_procedure"].codes}
    of_person: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for row in duckdb.sql(
        f"SELECT person_id, first_day, last_day, stay, hospital, diagnosis, procedure FROM ({acute(run)})"
    ).fetchall():
        of_person[row[0]].append(row[1:])
    judged = duckdb.sql(
        f"SELECT person_id, index_event_id, status FROM {statuses(run)} WHERE status IN ('met', 'not_met')"
    ).fetchall()
    assert {status for _, _, status in judged} == {"met", "not_met"}
    for person, index, status in judged:
        mine = sorted(of_person[person])
        (place,) = [number for number, one in enumerate(mine) if one[2] == index]
        following = next(iter(mine[place + 1 :]), None)
        is_back = following is not None and (following[0] - mine[place][1]).days <= 30
        is_planned = is_back and following is not None and following[5] in operations and following[4] not in urgent
        assert (status == "met") == (is_back and not is_planned), index


def test_payments_and_dual_stays_are_in_the_claims(ran: tuple[RunFolder, str], given: Path) -> None:
    run, _ = ran
    counted = duckdb.sql(
        f"""SELECT hospital, count(*), sum(allowed), count(*) FILTER (stay IN (
                SELECT stay FROM ({acute(run)}) JOIN '{given}/claims/eligibility/*.parquet' AS e
                USING (person_id) WHERE last_day BETWEEN enrollment_start_date AND enrollment_end_date
                AND dual_status_code IN ('02', '04', '08')))
        FROM ({acute(run)}) WHERE last_day BETWEEN '{FIRST}' AND '{LAST}' AND hospital[3:] < '0880'
        GROUP BY 1"""
    ).fetchall()
    steps = rows_of(run, "step_result", scenario_id="actual")
    known = {(row["provider_id"], row["quantity"]): row["value"] for row in steps}
    assert len(counted) == 10
    for hospital, count, amount, dual in counted:
        assert known[hospital, "stays"] == count
        assert known[hospital, "dual_eligible_stays"] == dual
        assert known[hospital, "aggregate_payments_for_all_discharges"] == amount
        assert abs(known[hospital, "base_operating_drg_payment_amount"] * 2 - amount) <= Decimal("0.02")


def test_payments_for_a_condition_are_those_of_its_cases(ran: tuple[RunFolder, str]) -> None:
    run, _ = ran
    names = {measure: measure_id for measure_id, measure in MEASURES.items()}
    steps = rows_of(run, "step_result", scenario_id="actual", quantity="condition_base_operating_drg_payment_amount")
    known = {(row["provider_id"], row["measure_id"]): row["value"] for row in steps}
    paid = duckdb.sql(
        f"""SELECT hospital, measure, sum(allowed) FROM {statuses(run)} JOIN ({acute(run)})
        ON stay = index_event_id WHERE status IN ('met', 'not_met') AND hospital[3:] < '0880' GROUP BY 1, 2"""
    ).fetchall()
    assert {(hospital, names[measure]): amount for hospital, measure, amount in paid} == {
        key: value for key, value in known.items() if value is not None
    }


def test_rates_are_the_model_s(ran: tuple[RunFolder, str]) -> None:
    """Predicted and expected again from cases, coefficients and effects; the ratio is one over the other."""
    run, _ = ran
    found = rates(run)
    results = {(row["provider_id"], row["measure_id"]): row for row in rows_of(run, "measure_result")}
    for measure_id, measure in MEASURES.items():
        folder = run.path / FOLDER / "models" / measure / PERIOD
        if not (folder / "coefficients.parquet").exists():
            continue
        terms = {row["term"]: row["estimate"] for row in pq.read_table(folder / "coefficients.parquet").to_pylist()}
        effects = {row["provider_id"]: row["effect"] for row in pq.read_table(folder / "providers.parquet").to_pylist()}
        cases = pq.read_table(folder / "cases.parquet").to_pylist()
        sums: dict[str, list[tuple[float, float]]] = defaultdict(list)
        for case in cases:
            linear = sum(value * case.get(term, 1) for term, value in terms.items())
            chances = (1 / (1 + np.exp(-linear - one)) for one in (effects[case["facility_id"]], 0))
            sums[case["facility_id"]].append(tuple(chances))  # type: ignore[arg-type]
        for hospital, chances in sums.items():
            predicted, expected = np.mean(chances, axis=0)
            row = found[hospital, measure]
            assert float(row["predicted"]) == pytest.approx(predicted, abs=1e-6)
            assert float(row["expected"]) == pytest.approx(expected, abs=1e-6)
            ratio = Decimal(row["predicted"]) / Decimal(row["expected"])
            assert abs(results[hospital, measure_id]["rate"] - ratio) < HALF_A_PLACE


def test_few_cases_are_no_score_and_rates_are_marked(ran: tuple[RunFolder, str]) -> None:
    run, _ = ran
    for row in rows_of(run, "measure_result", scenario_id="actual"):
        if row["denominator"] < 25:
            assert row["status"] == "too_few_cases"
        else:
            assert (row["status"], row["status_reason"][:19]) == ("unverified", "counted from claims")


def test_the_reduction_is_the_weighted_excess(ran: tuple[RunFolder, str]) -> None:
    """In the what-if, by plain arithmetic on ratios, medians and payments."""
    run, _ = ran
    steps = rows_of(run, "step_result", scenario_id="what_if")
    value = {(row["provider_id"], row["measure_id"], row["quantity"]): row["value"] for row in steps}
    reduced = 0
    for paid in rows_of(run, "payment_result", scenario_id="what_if"):
        hospital, total = paid["provider_id"], Decimal(0)
        for measure_id in MEASURES:
            median = value.get((hospital, measure_id, "peer_group_median"))
            counts = value[hospital, measure_id, "eligible_discharges"] >= 10
            if not counts or median is None:
                continue
            over = value[hospital, measure_id, "excess_readmission_ratio"] - median
            amount = value[hospital, measure_id, "condition_base_operating_drg_payment_amount"]
            whole = value[hospital, measure_id, "aggregate_payments_for_all_discharges"]
            total += max(over, Decimal(0)) * amount / whole
        reduction = min(Decimal("0.03"), total * value[hospital, None, "neutrality_modifier"])
        assert abs(-paid["rate"] - reduction) < Decimal("0.00006")
        assert abs(paid["amount"] - paid["rate"] * paid["base_amount"]) < Decimal("0.01")
        reduced += paid["rate"] < 0
    assert reduced


def test_evidence_leads_from_hospitals_to_patients(ran: tuple[RunFolder, str]) -> None:
    run, _ = ran
    patients = duckdb.sql(
        f"""SELECT provider_id, measure_id, count(*), sum(outcome) FROM '{run.path}/evidence/hospital_case.parquet'
        GROUP BY 1, 2"""
    ).fetchall()
    hospitals = pq.read_table(run.path / "evidence" / "hospital_measure.parquet").to_pylist()
    assert {(row["provider_id"], row["measure_id"], row["cases"], row["events"]) for row in hospitals} == set(patients)


def counted_again(run: RunFolder) -> hrrp_files.Counted:
    """What the run's claims told, from its own evidence."""
    found = {key: rate_of(row) for key, row in rates(run).items()}
    payments = [HospitalPayments(one, 100, 20, Decimal(1000), Decimal(500), {}) for one in {one for one, _ in found}]
    return hrrp_files.Counted(MEASURES, found, payments, 25)


def rate_of(row: dict[str, str]) -> HospitalRate:
    numbers = {
        name: Decimal(row[name]) if row[name] else None for name in ("observed", "predicted", "expected", "rate")
    }
    who = {name: row[name] for name in ("facility_id", "measure", "period")}
    return HospitalRate(**who, cases=int(row["cases"]), events=int(row["events"]), **numbers)  # type: ignore[arg-type]


def test_published_files_keep_what_claims_do_not_tell(ran: tuple[RunFolder, str], tmp_path: Path) -> None:
    """Other hospitals keep their ratios; medians, peer groups and dual proportions of the files stay."""
    files = tmp_path / "files"
    files.mkdir()
    ours = "010876"
    made = [
        MadeHospital(name, {one: MadeCondition("1.0500") for one in conditions_of("FY2025")}, base="2000000.00")
        for name in (ours, "450001")
    ]
    write_supplemental(files, "FY2025", made, "0.96")
    write_public(files, "FY2025", made[1:])
    hrrp_files.write_files(hrrp_files.read_files(files), tmp_path / "both", counted_again(ran[0]))
    run = pipeline.run("hrrp", period="FY2025", data=tmp_path / "both", out=tmp_path / "RUN")
    found = {(row["provider_id"], row["measure_id"]): row for row in rows_of(run, "measure_result")}
    assert {found["450001", one]["rate"] for one in MEASURES} == {Decimal("1.05")}
    counted = rates(ran[0])
    for measure_id, measure in MEASURES.items():
        row, one = found[ours, measure_id], counted[ours, measure]
        assert row["denominator"] == int(one["cases"])
        assert row["threshold"] == Decimal(1)
        assert row["rate"] is None or abs(row["rate"] - Decimal(one["predicted"]) / Decimal(one["expected"])) < (
            HALF_A_PLACE
        )


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small") / "claims"
    generate(folder, members=500, years=2, first_year=2023)
    return folder


def without(column: str, table: str, population: Path, to: Path) -> Path:
    """A copy of a population of which a column has no values."""
    (to / table).mkdir(parents=True)
    for path in population.iterdir():
        if path.name not in (table, "truth"):
            (to / path.name).symlink_to(path)
    for path in (population / table).glob("*.parquet"):
        rows = pq.read_table(path)
        place = rows.column_names.index(column)
        nothing = pa.nulls(rows.num_rows, rows.schema.field(place).type)
        pq.write_table(rows.set_column(place, column, nothing), to / table / path.name)
    return to


@pytest.mark.parametrize(
    ("column", "table"), [("allowed_amount", "medical_claim"), ("dual_status_code", "eligibility")]
)
def test_what_claims_do_not_tell_is_unknown(
    column: str, table: str, small: Path, tmp_path: Path, duckdb_engine: Engine
) -> None:
    claims = open_claims(duckdb_engine, without(column, table, small, tmp_path / "claims"))
    nobody = pa.table({name: pa.array([], pa.string()) for name in ("measure", "facility_id", "stay_id")})
    (hospital,) = hospital_payments(duckdb_engine, claims, nobody, parse_any_period("CY2024"))
    assert hospital.stays > 10
    assert (hospital.amount is None) == (hospital.yearly_amount is None) == (column == "allowed_amount")
    assert (hospital.dual_eligible_stays is None) == (column == "dual_status_code")


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"baseline": "CY2022"}, UsageError, "hrrp has no baseline period"),
        ({"performance": ""}, UsageError, r"which period is meant\?"),
        ({"performance": "CY1999"}, InputDataError, "nobody is in any measure"),
        ({"period": "FY1999"}, UsageError, "FY1999"),
        ({"value_sets": None}, InputDataError, "value set acute_diagnosis is missing"),
    ],
)
def test_what_cannot_be_counted_is_refused(
    changes: dict[str, Any], error: type[Exception], said: str, small: Path, tmp_path: Path
) -> None:
    write_demonstration_codes(tmp_path / "sets")
    asked: dict[str, Any] = {"period": "FY2025", "performance": PERIOD, "value_sets": tmp_path / "sets"} | changes
    with pytest.raises(error, match=said):
        run_from_claims("hrrp", claims=small, out=tmp_path / "RUN", **asked)


def test_a_hospital_specific_report_is_refused(tmp_path: Path) -> None:
    header = ("Number of Dual Eligible Stays", "Number of Eligible Stays", "Dual Proportion", "Peer Group")
    write_csv(tmp_path / "table1.csv", (*header, "Neutrality Modifier", "Payment Adjustment Factor"), [("1",) * 6])
    with pytest.raises(UsageError, match="a hospital-specific report has ratios of its own"):
        hrrp_files.read_files(tmp_path)


def test_a_condition_without_a_model_leaves_the_payment_open(ran: tuple[RunFolder, str], tmp_path: Path) -> None:
    """Enough discharges and no ratio: the payment is not known, it is not in full."""
    run, _ = ran
    for path in (run.path / FOLDER / FILES).glob("*.csv"):
        with path.open(newline="") as lines:
            header, *rows = list(csv.reader(lines))
        for row in rows:
            if row[:2] == ["010876", "READM-30-HF"]:
                places = {name: header.index(name) for name in header}
                assert int(row[places["Number of Eligible Discharges"]]) >= 25
                row[places["Predicted Readmission Rate"]] = row[places["Expected Readmission Rate"]] = ""
                row[places["Excess Readmission Ratio"]] = "no model"
        (tmp_path / "files").mkdir(exist_ok=True)
        write_csv(tmp_path / "files" / path.name, header, rows)
    without = pipeline.run("hrrp", period="FY2025", data=tmp_path / "files", out=tmp_path / "RUN")
    (row,) = [one for one in rows_of(without, "payment_result") if one["provider_id"] == "010876"]
    assert (row["status"], row["amount"]) == ("not_determinable", None)
