"""Files of the Hospital Readmissions Reduction Program with what claims tell in the places of what was published."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from openvbp.claims_chain.hospital_payments import HospitalPayments
from openvbp.claims_chain.hospital_rate import UNVERIFIED, HospitalRate
from openvbp.errors import Problem, UsageError
from openvbp.programs.hrrp.cells import is_missing
from openvbp.programs.hrrp.published_files import PublishedFile, read_folder

MEASURES = {
    "READM-30-AMI": "readmission.acute_myocardial_infarction",
    "READM-30-HF": "readmission.heart_failure",
    "READM-30-PN": "readmission.pneumonia",
    "READM-30-COPD": "readmission.chronic_obstructive_pulmonary_disease",
    "READM-30-HIP-KNEE": "readmission.hip_or_knee_arthroplasty",
    "READM-30-CABG": "readmission.coronary_artery_bypass_graft",
}
"""The program's conditions to measures of the library."""
NOT_FITTED = "no model"
"""Stands where a condition has enough discharges and no model: its ratio is not known, and so is the payment."""
_HOSPITAL = "Facility ID"
_HEADERS = {
    "measure": "Measure ID",
    "eligible_discharges": "Number of Eligible Discharges",
    "readmissions": "Number of Readmissions",
    "predicted_readmission_rate": "Predicted Readmission Rate",
    "expected_readmission_rate": "Expected Readmission Rate",
    "published_excess_readmission_ratio": "Excess Readmission Ratio",
    "condition_base_operating_drg_payment_amount": "Condition Base Operating DRG Payment Amount USD",
    "rate_unverified": "Rate Unverified",
    "dual_eligible_stays": "Dual Eligible Stays",
    "stays": "Stays",
    "base_operating_drg_payment_amount": "Base Operating DRG Payment Amount USD",
    "aggregate_payments_for_all_discharges": "Aggregate Payments For All Discharges USD",
}
_REPLACED = (
    "eligible_discharges",
    "readmissions",
    "published_excess_readmission_ratio",
    "published_penalty_indicator",
)
"""What a file with a row per hospital says of a condition and claims say anew."""
_DUAL, _PAYMENT_RATIO = "published_dual_proportion", "published_drg_payment_ratio"
_AMOUNT, _OF_CONDITION = "base_operating_drg_payment_amount", "condition_base_operating_drg_payment_amount"


@dataclass(frozen=True)
class Counted:
    """What claims tell of the hospitals of a run."""

    asked: Mapping[str, str]
    """Conditions to measures of the library."""
    rates: Mapping[tuple[str, str], HospitalRate]
    """By hospital and measure of the library."""
    payments: Sequence[HospitalPayments]
    minimum: int
    """Discharges that a condition needs."""

    @property
    def hospitals(self) -> set[str]:
        """Their certification numbers."""
        return {one.facility_id for one in self.payments}


def read_files(data: Path | None) -> list[PublishedFile]:
    """Read the user's files.

    Parameters
    ----------
    data
        Folder of files of other hospitals, medians or payments; none, if everything is in the claims.

    Raises
    ------
    UsageError
        If the folder holds a hospital-specific report, which has ratios of its own.
    InputDataError
        If a file cannot be read.
    """
    files = [] if data is None else [one for one in read_folder(data) if one.kind != "ignored"]
    reports = [one.path.name for one in files if one.kind in ("report", "stays")]
    if reports:
        what = "a hospital-specific report has ratios of its own, which claims cannot replace"
        raise UsageError(Problem(what, str(data), "leave it out of --data", len(reports), tuple(reports[:3])))
    return files


def write_files(files: Sequence[PublishedFile], to: Path, counted: Counted) -> None:
    """Write the program's files.

    Of the hospitals of the claims the ratios, discharges and readmissions are those of the claims; what files say of
    their dual proportions and payments stays, and claims give the rest.

    Parameters
    ----------
    files
        Of :func:`read_files`.
    to
        Folder for the files; what is in it is removed.
    counted
        What claims tell.
    """
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    said = _said(files, counted.hospitals)
    conditions = _condition_rows(counted, said)
    hospitals = [_hospital_row(one, said) for one in counted.payments]
    kinds = {one.kind: one for one in files}
    for file in files:
        rows = _without_ours(file, counted)
        if file.kind not in ("ratios", "hospitals"):
            _write(to / f"{file.path.stem}.csv", file, file.sheet.header if file.sheet else (), rows)
    _write_with_ours(to, kinds.get("ratios"), counted, conditions, "from_claims_conditions.csv")
    _write_with_ours(to, kinds.get("hospitals"), counted, hospitals, "from_claims_hospitals.csv")


def _said(files: Iterable[PublishedFile], hospitals: set[str]) -> set[tuple[str, str, str]]:
    """Hospital, measure or nothing, and quantity that files give of these hospitals."""
    found: set[tuple[str, str, str]] = set()
    for file in files:
        for row in file.sheet.rows if file.sheet else ():
            hospital = _hospital(file, row)
            if hospital not in hospitals:
                continue
            measure = row[file.described["measure"]] if "measure" in file.described else ""
            cells = [(measure, name, place) for name, place in file.of_measure.items()]
            cells += [("", name, place) for name, place in file.of_hospital.items()]
            cells += [(one, name, place) for (one, name), place in file.wide.items()]
            found |= {(hospital, one, name) for one, name, place in cells if not is_missing(row[place])}
    return found


def _hospital(file: PublishedFile, row: Sequence[str]) -> str:
    number = row[file.hospital or 0].upper()
    return number.zfill(6) if number.isdigit() and len(number) in (4, 5) else number


def _without_ours(file: PublishedFile, counted: Counted) -> list[list[str]]:
    """Rows of a file without what claims replace."""
    kept = []
    for row in file.sheet.rows if file.sheet else ():
        cells = list(row)
        if _hospital(file, row) in counted.hospitals:
            if file.kind == "ratios":
                continue
            for (measure_id, name), place in file.wide.items():
                if measure_id in counted.asked and name in _REPLACED:
                    cells[place] = ""
        kept.append(cells)
    return kept


def _condition_rows(counted: Counted, said: set[tuple[str, str, str]]) -> list[dict[str, str]]:
    rows = []
    for paid in counted.payments:
        for measure_id, measure in counted.asked.items():
            one = counted.rates.get((paid.facility_id, measure))
            cases = 0 if one is None else one.cases
            is_fitted = one is not None and one.predicted is not None
            row = {
                _HOSPITAL: paid.facility_id,
                "measure": measure_id,
                "eligible_discharges": str(cases),
                "readmissions": "0" if one is None else str(one.events),
                "predicted_readmission_rate": _percent(one.predicted if one else None),
                "expected_readmission_rate": _percent(one.expected if one else None),
                "published_excess_readmission_ratio": NOT_FITTED if cases >= counted.minimum and not is_fitted else "",
                "rate_unverified": UNVERIFIED if one is None else one.remark,
            }
            amount = paid.by_measure.get(measure)
            is_given = (paid.facility_id, measure_id, _PAYMENT_RATIO) in said
            rows.append({**row, _OF_CONDITION: "" if amount is None or is_given else str(amount)})
    return rows


def _percent(rate: Decimal | None) -> str:
    return "" if rate is None else f"{rate.scaleb(2):f}%"


def _hospital_row(paid: HospitalPayments, said: set[tuple[str, str, str]]) -> dict[str, str]:
    row = {_HOSPITAL: paid.facility_id}
    if (paid.facility_id, "", _DUAL) not in said and paid.dual_eligible_stays is not None:
        row |= {"dual_eligible_stays": str(paid.dual_eligible_stays), "stays": str(paid.stays)}
    if (paid.facility_id, "", _AMOUNT) not in said and paid.yearly_amount is not None:
        row |= {_AMOUNT: str(paid.yearly_amount)}
    if paid.amount:
        row |= {"aggregate_payments_for_all_discharges": str(paid.amount)}
    return row


def _write_with_ours(
    to: Path, file: PublishedFile | None, counted: Counted, ours: Sequence[Mapping[str, str]], name: str
) -> None:
    """Write our rows, behind those of the user's file of the same kind where there is one."""
    if file is None or file.sheet is None:
        quantities = [one for one in _HEADERS if any(one in row for row in ours)]
        header = [_HOSPITAL, *(_HEADERS[one] for one in quantities)]
        rows = [[row[_HOSPITAL], *(row.get(one, "") for one in quantities)] for row in ours]
        _write(to / name, None, header, rows)
        return
    places = {_HOSPITAL: file.hospital or 0, **file.described, **file.of_measure, **file.of_hospital}
    new = [one for one in _HEADERS if one not in places and any(one in row for row in ours)]
    places |= {one: len(file.sheet.header) + place for place, one in enumerate(new)}
    width = len(file.sheet.header) + len(new)
    rows = [[*row, *([""] * len(new))] for row in _without_ours(file, counted)]
    own = {_hospital(file, row): row for row in rows} if file.kind == "hospitals" else {}
    for one in ours:
        row = own.get(one[_HOSPITAL])
        if row is None:
            row = [""] * width
            rows.append(row)
        for quantity, text in one.items():
            row[places[quantity]] = row[places[quantity]] or text
    _write(to / f"{file.path.stem}.csv", file, [*file.sheet.header, *(_HEADERS[one] for one in new)], rows)


def _write(path: Path, file: PublishedFile | None, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    titles = file.sheet.titles if file and file.sheet else ()
    with path.open("w", newline="", encoding="utf-8") as out:
        csv.writer(out, lineterminator="\n").writerows([*([one] for one in titles), header, *rows])
