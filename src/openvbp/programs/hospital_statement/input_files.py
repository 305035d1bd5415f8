"""The programs that the statement puts together, and the files of the user."""

from __future__ import annotations

from dataclasses import dataclass

from openvbp.checked_rows import RowCheck
from openvbp.declared_tables import DeclaredColumn, DeclaredTable
from openvbp.periods import Period

HIGHEST_FACTOR = 2
HIGHEST_AMOUNT = 10**10


@dataclass(frozen=True)
class AdjustingProgram:
    """A program that changes what the hospital is paid."""

    program_id: str
    name: str
    component_id: str
    """The component of its own ``payment_result`` that ends in a factor."""
    may_raise_payments: bool = False

    @property
    def factor(self) -> str:
        """The column with the factor that is applied."""
        return f"{self.program_id}_factor"

    @property
    def given_factor(self) -> str:
        """The column with the factor as it was given."""
        return f"given_{self.program_id}_factor"

    @property
    def in_force(self) -> str:
        """The parameter that says whether the program applies."""
        return f"is_{self.program_id}_in_force"

    @property
    def status(self) -> str:
        """The column with the status of the factor."""
        return f"{self.program_id}_status"

    @property
    def reason(self) -> str:
        """The column with the reason of the status."""
        return f"{self.program_id}_reason"

    @property
    def source(self) -> str:
        """The column that says where the factor was given."""
        return f"{self.program_id}_source"

    @property
    def highest_factor(self) -> int:
        """What no factor can exceed."""
        return HIGHEST_FACTOR if self.may_raise_payments else 1


IQR = AdjustingProgram("iqr", "Inpatient Quality Reporting", "update_reduction")
DRA_HAC = AdjustingProgram("dra_hac", "HAC non-payment", "hac_nonpayment")
HVBP = AdjustingProgram("hvbp", "Hospital VBP", "net", may_raise_payments=True)
HRRP = AdjustingProgram("hrrp", "Readmissions Reduction", "readmission_reduction")
HACRP = AdjustingProgram("hacrp", "HAC Reduction", "hac_reduction")
PROGRAMS = (IQR, DRA_HAC, HVBP, HRRP, HACRP)
"""In the legal order; Hospital VBP and readmissions stand side by side."""

BASE = "base_operating_drg_payment_amount"
OTHER = "other_payment_amount"
HAC_AMOUNT = "hac_nonpayment_amount"

HOSPITALS = DeclaredTable(
    "hospitals.csv",
    (
        DeclaredColumn("provider_id", "hospital"),
        DeclaredColumn(BASE, "amount", lowest=0),
        DeclaredColumn(OTHER, "amount", lowest=0),
        DeclaredColumn(HAC_AMOUNT, "amount", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("provider_name", "text", is_optional=True, may_be_empty=True),
        DeclaredColumn("state", "text", is_optional=True, may_be_empty=True),
    ),
    key=("provider_id",),
)
FACTORS = DeclaredTable(
    "factors.csv",
    (
        DeclaredColumn("provider_id", "hospital"),
        DeclaredColumn("program_id", "text", choices=tuple(program.program_id for program in PROGRAMS)),
        DeclaredColumn("factor", "factor", lowest=0),
        DeclaredColumn("source", "text"),
    ),
    key=("provider_id", "program_id"),
)
STAYS = DeclaredTable(
    "stays.csv",
    (
        DeclaredColumn("stay_id", "text"),
        DeclaredColumn("provider_id", "hospital"),
        DeclaredColumn("discharge_date", "date"),
        DeclaredColumn(BASE, "amount", lowest=0),
        DeclaredColumn(OTHER, "amount", lowest=0),
        DeclaredColumn(HAC_AMOUNT, "amount", is_optional=True, may_be_empty=True, lowest=0),
    ),
    key=("stay_id",),
    is_patient_level=True,
)


_AMOUNT_CHECKS: tuple[RowCheck, ...] = (
    *(
        RowCheck(column, lambda rows, column=column: rows[column] > HIGHEST_AMOUNT, "above 10 billion dollars")
        for column in (BASE, OTHER)
    ),
    RowCheck(HAC_AMOUNT, lambda rows: rows[HAC_AMOUNT] > rows[BASE], f"above the {BASE}"),
)
HOSPITAL_CHECKS = (*_AMOUNT_CHECKS, RowCheck(BASE, lambda rows: rows[BASE] == 0, "zero: there is nothing to adjust"))
_RAISING = [program.program_id for program in PROGRAMS if program.may_raise_payments]
FACTOR_CHECKS = (
    RowCheck("factor", lambda rows: rows.factor > HIGHEST_FACTOR, f"above {HIGHEST_FACTOR}"),
    RowCheck(
        "factor",
        lambda rows: (rows.factor > 1) & rows.program_id.notin(_RAISING),
        "above 1: this program never raises payments",
    ),
)


def stay_checks(period: Period) -> tuple[RowCheck, ...]:
    """Conditions on a row of ``stays.csv``."""
    in_period = RowCheck(
        "discharge_date",
        lambda rows: ~rows.discharge_date.between(period.start, period.end),
        f"not a discharge of {period.label}",
    )
    return (*_AMOUNT_CHECKS, in_period)
