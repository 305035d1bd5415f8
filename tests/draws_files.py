"""Made-up files of programs whose providers are alike but for one input: draws that exchange it exchange pay."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path


@dataclass(frozen=True)
class Exchange:
    """Providers of a program that differ in one input only."""

    program: str
    period: str
    name: str
    """What draws call the input."""
    values: dict[str, float]
    """Provider to value."""
    write: Callable[[Path, dict[str, float]], None]


def write_rows(path: Path, header: str, rows: Sequence[Sequence[object]]) -> None:
    """Write a CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([header.split(","), *rows])


def _counted(value: float, cases: int) -> int:
    numerator = round(value * cases)
    assert abs(numerator / cases - value) < 1e-12, "the value must be a share of the cases"
    return numerator


def _mips(folder: Path, values: dict[str, float]) -> None:
    header = "provider_id,is_small_practice,applicable_measures,paid_amount"
    write_rows(folder / "clinicians.csv", header, [(one, "no", 1, "1000.00") for one in values])
    header = (
        "provider_id,measure_id,submission_method,performance_rate,cases,reported_share,is_outcome_or_high_priority"
    )
    rows = [(one, "236", "registry", f"{value:g}", 100, "0.9", "yes") for one, value in values.items()]
    write_rows(folder / "measure_results.csv", header, rows)
    others = ("cost", "improvement_activities", "promoting_interoperability")
    rows = [(one, category, 100, "no") for one in values for category in others]
    write_rows(folder / "category_scores.csv", "provider_id,category_id,score,is_reweighted", rows)
    percentiles = {"1": 1, **{str(rank): rank for rank in range(10, 100, 10)}, "99": 99}
    benchmark = {"measureId": "236", "benchmarkYear": 2021, "performanceYear": 2023, "submissionMethod": "registry"}
    benchmark |= {"isInverse": False, "isToppedOutByProgram": False, "percentiles": percentiles}
    (folder / "benchmarks.json").write_text(json.dumps([benchmark]), encoding="utf-8")


def _hqid(folder: Path, values: dict[str, float]) -> None:
    header = "provider_id,condition_id,measure_id,measure_type,numerator,denominator,expected_rate"
    rows: list[tuple[object, ...]] = [
        (one, "AMI", "ASPIRIN", "process", _counted(value, 100), 100, "") for one, value in values.items()
    ]
    # A second process measure, so that numerators are added up, and an outcome whose index is a ratio.
    rows += [(one, "AMI", "ADVICE", "process", 30, 50, "") for one in values]
    rows += [(one, "AMI", "SURVIVAL", "outcome", 93, 100, "0.93") for one in values]
    write_rows(folder / "measure_results.csv", header, rows)
    rows = [(one, "AMI", 100, "1000000.00") for one in values]
    write_rows(folder / "condition_payments.csv", "provider_id,condition_id,cases,payment_amount", rows)


def _advancing_quality(folder: Path, values: dict[str, float]) -> None:
    header = "provider_id,condition_id,measure_id,numerator,denominator"
    rows = [(one, "AMI", "ASPIRIN", _counted(value, 200), 200) for one, value in values.items()]
    rows += [(one, "AMI", "BETA_BLOCKER", 30, 50) for one in values]
    write_rows(folder / "measure_results.csv", header, rows)
    rows = [(one, "AMI", "1000000.00") for one in values]
    write_rows(folder / "tariff_income.csv", "provider_id,condition_id,tariff_income", rows)


def _rosp(folder: Path, values: dict[str, float]) -> None:
    header = "indicator_id,block,points,minimum_patients,intermediate_objective,target_objective,is_lower_better"
    rows: list[tuple[object, ...]] = [("EYE_FUNDUS", "chronic", 30, 5, "0.61", "0.77", "no")]
    write_rows(folder / "indicators.csv", header, rows)
    rows = [(one, 800, "no") for one in values]
    write_rows(folder / "physicians.csv", "provider_id,list_size,is_opted_out", rows)
    rows = [(one, "EYE_FUNDUS", _counted(value, 20), 20, "0.5") for one, value in values.items()]
    write_rows(folder / "indicator_results.csv", "provider_id,indicator_id,numerator,patients,baseline_rate", rows)


def _iha(folder: Path, values: dict[str, float]) -> None:
    write_rows(folder / "domains.csv", "domain_id,weight", [("CLINICAL", 50)])
    header = "measure_id,domain_id,weight,is_lower_better,minimum_patients,attainment_threshold,attainment_benchmark"
    rows: list[tuple[object, ...]] = [("SCREENING", "CLINICAL", 1, "no", 30, "0.60", "0.80")]
    write_rows(folder / "measures.csv", header + ",topic_id", [(*rows[0], "")])
    rows = [(one, "SCREENING", _counted(value, 100), 100, "") for one, value in values.items()]
    rows.append(("COSTLY", "SCREENING", 50, 100, ""))
    write_rows(folder / "measure_results.csv", "provider_id,measure_id,numerator,denominator,baseline_rate", rows)
    header = "plan_id,distribution,incentive_budget,minimum_quality,gold_standard,trend_limit,trend_confidence_level"
    write_rows(folder / "plans.csv", header, [("PLAN", "budget_by_quality", "1000000.00", 15, 80, "0.05", "0.85")])
    header = "plan_id,provider_id,members,total_cost_of_care,prior_total_cost_of_care,trend_standard_error"
    rows = [("PLAN", one, 20000, "400.00", "398.00", "0.010") for one in values]
    # Where all cost the same, all are above the line of high cost.
    rows.append(("PLAN", "COSTLY", 20000, "900.00", "898.00", "0.010"))
    write_rows(folder / "plan_organizations.csv", header, rows)


def _qof(folder: Path, values: dict[str, float]) -> None:
    header = "practice,contract,area,indicator,num,denom,register,prevalence_pct,points_available,points_achieved"
    rows = [(one, "nGMS", "af", "AF006(S)", _counted(value, 80), 80, 100, 2, 8, 0) for one, value in values.items()]
    write_rows(folder / "indicator_2015_16.csv", header, rows)
    header = "health_board,practice,contract,list_size,group,register,prevalence_pct,adpf"
    rows = [("T", one, "nGMS", 5000, "af", 100, 2, 1) for one in values]
    write_rows(folder / "prevalence_adpf_2015_16.csv", header, rows)
    header = "health_board,practice_name,practice,contract,list_size,weighted_list_size,points_achieved"
    rows = [("T", f"Practice {one}", one, "nGMS", 5000, 5000, 0, 8, "") for one in values]
    write_rows(folder / "totals_2015_16.csv", f"{header},points_available,payment_gbp", rows)


def _mssp(folder: Path, values: dict[str, float]) -> None:
    header = "ACO_ID,ACO_Name,Current_Start_Date,Current_Track,N_AB,Sav_rate,MinSavPerc,BnchmkMinExp,DisAdj"
    header += ",Impact_Mid_Year_Termination,EarnSaveLoss,Met_QPS,Met_AltQPS,QualScore,ABtotBnchmk,ABtotExp"
    rows = []
    for one, value in values.items():
        saved = 100_000_000 - round(value)
        known = (one, "An ACO", "01/01/2023", "EN", 10000, f"{saved / 1_000_000:.2f}%", "2.00%", saved, 0, 0, 0, 1, "-")
        rows.append((*known, "90.00%", 100_000_000, round(value), "75.00%", "Low Revenue"))
    write_rows(folder / "results_2023.csv", f"{header},FinalShareRate,Rev_Exp_Cat", rows)


def _reach(folder: Path, values: dict[str, float]) -> None:
    header = "provider_id,provider_name,agreement,aged_disabled_months,aged_disabled_benchmark_pbpm,esrd_months"
    header += ",esrd_benchmark_pbpm,expenditures,quality_score,is_retention_earned"
    rows = [
        (one, "", "global", 100_000, "1000.00", 0, "0.00", f"{value:.2f}", 1, "yes") for one, value in values.items()
    ]
    write_rows(folder / "aco_results.csv", header, rows)


def _episodes(folder: Path, values: dict[str, float]) -> None:
    number, anchors, claims = 25, [], []
    for one, value in values.items():
        for place in range(number):
            day = date(2018, 1, 10) + timedelta(days=10 * place)
            person = f"{one}b{place:02}"
            anchors.append((person, one, "470_no_fracture", day, day + timedelta(days=3), ""))
            claims.append((f"c{person}", person, day, day + timedelta(days=3), f"{value / number:.2f}", "no"))
    header = "beneficiary_id,provider_id,episode_category,admission_date,discharge_date,death_date"
    write_rows(folder / "anchors.csv", header, anchors)
    write_rows(folder / "claims.csv", "claim_id,beneficiary_id,first_day,last_day,allowed_amount,is_excluded", claims)
    header = "provider_id,provider_name,participation,complication_percentile,hcahps_percentile,is_pro_submitted"
    write_rows(folder / "hospitals.csv", header, [(one, "Hospital", "cjr", 55, 40, "no") for one in values])
    header = "provider_id,episode_category,hospital_baseline_price,regional_baseline_price,high_cost_cap"
    rows = [(one, "470_no_fracture", "25000.00", "25000.00", "90000.00") for one in values]
    write_rows(folder / "prices.csv", header, rows)


def _numbered(values: Sequence[float]) -> dict[str, float]:
    return {f"01{place:04}": value for place, value in enumerate(values, 1)}


EXCHANGES = {
    "mips": Exchange("mips", "PY2023", "236", {"A": 95, "B": 50, "C": 5}, _mips),
    "qof": Exchange("qof", "2015/16", "AF006", {"10001": 0.75, "10002": 0.5625, "10003": 0.25}, _qof),
    "mssp": Exchange("mssp", "PY2023", "expenditures", {"A0001": 97e6, "A0002": 99.5e6, "A0003": 103e6}, _mssp),
    "aco_reach": Exchange(
        "aco_reach", "PY2024", "expenditures", {"D0001": 95e6, "D0002": 99e6, "D0003": 104e6}, _reach
    ),
    "episode_payment": Exchange(
        "episode_payment",
        "CY2018",
        "actual_spending[470_no_fracture]",
        _numbered([500_000, 612_500, 700_000]),
        _episodes,
    ),
    "hqid": Exchange("hqid", "FY2004", "AMI.ASPIRIN", _numbered([place / 100 for place in range(99, 89, -1)]), _hqid),
    "advancing_quality": Exchange(
        "advancing_quality",
        "2008-10..2009-09",
        "AMI.ASPIRIN",
        {"A": 0.98, "B": 0.9, "C": 0.75, "D": 0.6},
        _advancing_quality,
    ),
    "rosp": Exchange("rosp", "CY2019", "EYE_FUNDUS", {"P1": 0.8, "P2": 0.65, "P3": 0.25}, _rosp),
    "iha_amp": Exchange("iha_amp", "CY2014", "SCREENING", {"COAST": 0.8, "DESERT": 0.7, "VALLEY": 0.5}, _iha),
}
