"""Made-up HRRP files in the published layouts, and the formula in plain Python to check the program against."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from openvbp.parameters import Scenario, load_parameters
from openvbp.programs import program

NAMES = {
    "READM-30-AMI": "AMI",
    "READM-30-COPD": "COPD",
    "READM-30-HF": "HF",
    "READM-30-PN": "pneumonia",
    "READM-30-CABG": "CABG",
    "READM-30-HIP-KNEE": "THA/TKA",
}


@dataclass
class MadeCondition:
    ratio: str
    discharges: int = 100
    payment_ratio: str = "0.05"
    median: str = "1.0"


@dataclass
class MadeHospital:
    provider_id: str
    conditions: dict[str, MadeCondition] = field(default_factory=dict)
    dual_proportion: str = "0.2"
    peer_group: str = "1"
    base: str = "1000000.00"


def scenario(period: str) -> Scenario:
    parameters = load_parameters(program("hrrp").parameters_file)
    return parameters.in_force(parameters.period(period))


def conditions_of(period: str) -> list[str]:
    return [name for name, is_applied in scenario(period).keyed("is_condition_applied").items() if is_applied]


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]], delimiter: str = ",") -> Path:
    with path.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.writer(lines, delimiter=delimiter)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def write_public(folder: Path, period: str, hospitals: Iterable[MadeHospital], name: str = "ratios.csv") -> Path:
    """The public file: one row per hospital and measure, rates per 100."""
    rules = scenario(period)
    start, end = (_american(rules.value(f"applicable_period_{one}")) for one in ("start", "end"))
    header = [
        "Facility Name",
        "Facility ID",
        "State",
        "Measure Name",
        "Number of Discharges",
        "Footnote",
        "Excess Readmission Ratio",
        "Predicted Readmission Rate",
        "Expected Readmission Rate",
        "Number of Readmissions",
        "Start Date",
        "End Date",
    ]
    rows = []
    for hospital in hospitals:
        for measure_id, one in hospital.conditions.items():
            is_known = one.discharges >= 25
            predicted = f"{Decimal(one.ratio) * 16:.4f}"
            rows.append(
                [
                    f"HOSPITAL {hospital.provider_id}",
                    hospital.provider_id,
                    "AL",
                    f"{measure_id}-HRRP",
                    one.discharges if is_known else "N/A",
                    "" if is_known else "1",
                    one.ratio if is_known else "N/A",
                    predicted if is_known else "N/A",
                    "16.0000" if is_known else "N/A",
                    "20" if is_known else "N/A",
                    start,
                    end,
                ]
            )
    return write_csv(folder / name, header, rows)


def write_supplemental(
    folder: Path, period: str, hospitals: Iterable[MadeHospital], modifier: str, name: str = "supplemental.csv"
) -> Path:
    """The supplemental file: one row per hospital, five columns per condition, a title above the header."""
    measures = conditions_of(period)
    header = [
        "Hospital CCN",
        "Payment adjustment factor",
        "Payment reduction percentage",
        "Dual proportion",
        "Peer group assignment",
        "Neutrality modifier",
    ]
    for measure_id in measures:
        label = NAMES[measure_id]
        header += [
            f"Number of eligible discharges for {label}",
            f"ERR for {label}",
            f"Peer group median ERR for {label}",
            f"Penalty indicator for {label}",
            f"DRG payment ratio for {label}",
        ]
    rows = []
    for hospital in hospitals:
        reduction = expected_reduction(hospital, period, Decimal(modifier))
        row = [hospital.provider_id, f"{1 - reduction:.4f}", f"{reduction * 100:.2f}%", hospital.dual_proportion]
        row += [hospital.peer_group, modifier]
        for measure_id in measures:
            one = hospital.conditions.get(measure_id)
            if one is None:
                row += [".", ".", "0.99", "N", "."]
            else:
                above = one.discharges >= 25 and Decimal(one.ratio) > Decimal(one.median)
                row += [f"{one.discharges:,}", one.ratio, one.median, "Y" if above else "N", one.payment_ratio]
        rows.append(row)
    path = write_csv(folder / name, header, rows)
    title = f"FY {period[2:]} IPPS/LTCH PPS Final Rule: Hospital Readmissions Reduction Program Supplemental Data\n"
    path.write_text(title + path.read_text(encoding="utf-8"), encoding="utf-8")
    return path


def write_payment_ratios(folder: Path, hospitals: Iterable[MadeHospital]) -> Path:
    rows = [
        (hospital.provider_id, measure_id, one.payment_ratio)
        for hospital in hospitals
        for measure_id, one in hospital.conditions.items()
    ]
    return write_csv(folder / "payment_ratios.csv", ("Facility ID", "Measure ID", "DRG Payment Ratio"), rows)


def write_hospitals(folder: Path, hospitals: Iterable[MadeHospital], columns: Mapping[str, str]) -> Path:
    """A file of the user: header to attribute of the hospital."""
    rows = [[hospital.provider_id, *(getattr(hospital, name) for name in columns.values())] for hospital in hospitals]
    return write_csv(folder / "hospitals.csv", ("Facility ID", *columns), rows)


def expected_reduction(hospital: MadeHospital, period: str, modifier: Decimal) -> Decimal:
    """The payment reduction by the formula of the year, from the numbers as the hospital has them."""
    is_stratified = int(period[2:]) >= 2019
    total = Decimal(0)
    for measure_id, one in hospital.conditions.items():
        if measure_id not in conditions_of(period) or one.discharges < 25:
            continue
        reference = Decimal(one.median) if is_stratified else Decimal(1)
        total += Decimal(one.payment_ratio) * max(Decimal(one.ratio) - reference, Decimal(0))
    cap = {"FY2013": "0.01", "FY2014": "0.02"}.get(period, "0.03")
    share = total * modifier if is_stratified else total
    return min(share, Decimal(cap)).quantize(Decimal("0.0001"), ROUND_HALF_UP)


def _american(day: str) -> str:
    year, month, of_month = day.split("-")
    return f"{month}/{of_month}/{year}"
