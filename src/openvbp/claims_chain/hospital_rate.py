"""What claims tell of a hospital and a measure: cases, what was counted in them, and what the model makes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

UNVERIFIED = "counted from claims by definitions and a model of our own: evidence/claims"
UNFITTED = "counted from claims, but no model could be fitted: evidence/claims/counted.json says why"
_PLACES = Decimal("0.0000000001")


@dataclass(frozen=True)
class HospitalRate:
    """Of a hospital, measure and period; what no model could be fitted for has cases and no rate."""

    facility_id: str
    measure: str
    """Of the library, for example ``mortality.heart_failure``."""
    period: str
    cases: int
    events: int | None
    """Cases with the outcome; missing of costs."""
    observed: Decimal | None
    """Share of cases with the outcome, 0 to 1; of costs the mean, in US dollars."""
    predicted: Decimal | None
    """The same as the model predicts it for these cases at this hospital; missing of costs."""
    expected: Decimal | None
    """The same as the model expects it of these cases at the average hospital."""
    rate: Decimal | None
    """Predicted over expected times the rate of all cases; of costs the hospital's amount over the median amount."""

    @property
    def remark(self) -> str:
        """What readers of a result must know of it."""
        return UNFITTED if self.rate is None else UNVERIFIED


def decimal_of(value: float | None) -> Decimal | None:
    """Give a number of a model as the decimal that is written; what is missing stays missing."""
    return None if value is None else Decimal(str(value)).quantize(_PLACES, ROUND_HALF_UP)


def unfitted(cases: Iterable[Mapping[str, Any]], measure: str, period: str, *, is_cost: bool) -> list[HospitalRate]:
    """Give hospitals their counts where no model could be fitted.

    Parameters
    ----------
    cases
        Rows of :func:`openvbp.claims_chain.hospital_cases.hospital_cases`, of the measure and period.
    measure, period
        Which.
    is_cost
        Whether cases have a cost instead of an outcome.
    """
    counts: dict[str, list[int]] = {}
    for row in cases:
        counts.setdefault(row["facility_id"], []).append(0 if is_cost else row["outcome"])
    return [
        HospitalRate(
            hospital,
            measure,
            period,
            len(found),
            None if is_cost else sum(found),
            None if is_cost else decimal_of(sum(found) / len(found)),
            None,
            None,
            None,
        )
        for hospital, found in sorted(counts.items())
    ]
