"""Hospital-specific reports: the sheets that CMS gives a hospital about itself, with its patients.

A stay leaves this module as one number, its case mix: no cell of a patient row reaches a table, a message or a list of
rejected cells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from openvbp.errors import InputDataError, Problem
from openvbp.programs.hrrp.cells import decimal_of
from openvbp.programs.hrrp.measures import measures_by_name
from openvbp.programs.hrrp.sheets import Sheet
from openvbp.text_tables import normalized

UNNAMED_HOSPITAL = "HSR"
"""Provider of a report whose sheets and folder do not name the hospital by its certification number."""

_HOSPITAL = re.compile(r"\b\d\d[0-9A-Z]\d{3}\b")
_PAYMENT = {
    "dual_eligible_stays": ("number of dual",),
    "stays": ("number of eligible stays", "total number of stays", "number of stays"),
    "published_dual_proportion": ("dual proportion",),
    "published_peer_group": ("peer group",),
    "published_neutrality_modifier": ("neutrality modifier",),
    "published_payment_reduction": ("payment reduction",),
    "published_payment_adjustment_factor": ("payment adjustment factor",),
}
_RESULTS = {
    "eligible_discharges": ("number of eligible discharges",),
    "readmissions": ("number of readmissions",),
    "predicted_readmission_rate": ("predicted readmission rate",),
    "expected_readmission_rate": ("expected readmission rate",),
    "published_excess_readmission_ratio": ("excess readmission ratio",),
    "published_peer_group_median": ("peer group median",),
    "published_penalty_indicator": ("penalty indicator",),
    "published_drg_payment_ratio": ("ratio of drg payments",),
}
_OPTIONAL = ("published_payment_reduction",)
_CONDITION = re.compile(r"for the (.+?) 30-?day", re.IGNORECASE)
_STAY_SCHEMA = pa.schema(
    [
        ("provider_id", pa.string()),
        ("measure_id", pa.string()),
        ("case_mix", pa.decimal128(18, 14)),
        ("hospital_effect", pa.decimal128(18, 14)),
        ("average_effect", pa.decimal128(18, 14)),
    ]
)
_UNIT = Decimal(1).scaleb(-14)


@dataclass
class Stays:
    """The index stays of one condition, each reduced to its case mix: the sum of coefficient times risk factor."""

    measure_id: str
    hospital_effect: Decimal | None
    average_effect: Decimal | None
    case_mix: list[Decimal] = field(default_factory=list)
    unreadable: list[tuple[int, str]] = field(default_factory=list)
    """Row number and column of index stays that cannot be used."""
    rows: int = 0

    @property
    def index_stays(self) -> int:
        """All index stays, usable or not."""
        return len(self.case_mix) + len(self.unreadable)


def provider_of(sheets: Iterable[Sheet], directory: Path) -> str:
    """Find the hospital of a report: in the titles of its sheets, or as the name of the folder."""
    for sheet in sheets:
        for title in sheet.titles[:3]:
            match = _HOSPITAL.search(title)
            if match:
                return match[0]
    return directory.name if _HOSPITAL.fullmatch(directory.name) else UNNAMED_HOSPITAL


def is_payment_sheet(sheet: Sheet) -> bool:
    """Whether the sheet is Table 1, the payment adjustment factor."""
    return sheet.find("neutrality modifier") is not None


def payment_columns(sheet: Sheet) -> dict[str, int]:
    """Quantity to column of Table 1.

    Raises
    ------
    InputDataError
        If a column is missing.
    """
    return _columns(sheet, _PAYMENT)


def result_columns(sheet: Sheet) -> dict[str, int]:
    """Quantity to column of Table 2.

    Raises
    ------
    InputDataError
        If a column is missing.
    """
    return _columns(sheet, _RESULTS)


def _columns(sheet: Sheet, wanted: dict[str, tuple[str, ...]]) -> dict[str, int]:
    found = {quantity: sheet.find(*starts) for quantity, starts in wanted.items()}
    missing = [wanted[name][0] for name, index in found.items() if index is None and name not in _OPTIONAL]
    if missing:
        raise InputDataError(
            Problem(
                "columns of the hospital-specific report are missing",
                str(sheet.path),
                "save the sheet as published",
                len(missing),
                tuple(missing[:3]),
            )
        )
    return {name: index for name, index in found.items() if index is not None}


def is_stay_sheet(sheet: Sheet) -> bool:
    """Whether the sheet lists the stays of a condition (Table 9 lists the dual-eligible stays instead)."""
    return sheet.find("avg effect") is not None


def read_stays(sheet: Sheet) -> Stays:
    """Read the stays of one condition.

    Parameters
    ----------
    sheet
        One of Tables 3 to 8. The first row below the header holds the national coefficients of the risk factors, the
        hospital's own effect and the effect of the average hospital.

    Raises
    ------
    InputDataError
        If the title names no known condition, or columns or coefficients are missing.
    """
    title = _CONDITION.search(" ".join(sheet.titles))
    measure_id = measures_by_name().get(normalized(title[1])) if title else None
    index_stay, hospital, average = (sheet.find(name) for name in ("index stay", "hosp effect", "avg effect"))
    coefficients = sheet.rows[0] if sheet.rows and not sheet.rows[0][0].isdigit() else None
    if measure_id is None or index_stay is None or hospital is None or average is None or coefficients is None:
        raise InputDataError(
            Problem(
                "stays cannot be read: condition, column 'Index Stay', HOSP_EFFECT, AVG_EFFECT or coefficients missing",
                str(sheet.path),
                "save the sheet as published, with its title and the row of coefficients",
            )
        )
    factors = {
        index: number
        for index, cell in enumerate(coefficients)
        if index not in (hospital, average) and (number := decimal_of(cell)) is not None
    }
    stays = Stays(measure_id, *(_effect(coefficients[index]) for index in (hospital, average)))
    for number, row in zip(sheet.row_numbers[1:], sheet.rows[1:], strict=True):
        stays.rows += 1
        if not row[index_stay].lower().startswith("y"):
            continue
        values = {index: decimal_of(row[index]) for index in factors}
        unread = next((index for index, value in values.items() if value is None), None)
        if unread is not None:
            stays.unreadable.append((number, sheet.header[unread]))
            continue
        total = sum((factors[index] * value for index, value in values.items() if value), Decimal(0))
        stays.case_mix.append(total.quantize(_UNIT))
    return stays


def _effect(text: str) -> Decimal | None:
    effect = decimal_of(text)
    return effect.quantize(_UNIT) if effect is not None else None


def stay_rows(provider_id: str, stays: Iterable[Stays]) -> pa.Table:
    """Case mix of every usable index stay; conditions without a hospital effect have none."""
    rows = [
        {
            "provider_id": provider_id,
            "measure_id": one.measure_id,
            "case_mix": case_mix,
            "hospital_effect": one.hospital_effect,
            "average_effect": one.average_effect,
        }
        for one in stays
        if one.hospital_effect is not None and one.average_effect is not None and not one.unreadable
        for case_mix in one.case_mix
    ]
    return pa.Table.from_pylist(rows, schema=_STAY_SCHEMA)
