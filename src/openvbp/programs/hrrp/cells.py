"""From published text to numbers: how HRRP files write values, missing values, and what is possible."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

MISSING = frozenset(
    ("", ".", "-", "--", "blank", "n/a", "na", "nq", "not available", "not applicable", "too few to report")
)
"""How publishers write that there is no value, in lower case; ``NQ`` is "no qualifying cases"."""

_NUMBER = re.compile(r"\$?(-?\d{1,3}(?:,\d{3})+|-?\d+)(\.\d+)?(?:[eE](-?\d+))?\s*(%?)")
_FLAGS = {"y": Decimal(1), "yes": Decimal(1), "n": Decimal(0), "no": Decimal(0)}
_LARGEST_AMOUNT = Decimal(10) ** 13


@dataclass(frozen=True)
class Form:
    """What a quantity can be."""

    lowest: Decimal = Decimal(0)
    highest: Decimal | None = None
    is_lowest_possible: bool = True
    """Whether the value may equal the lowest one."""
    is_whole: bool = False
    is_flag: bool = False


_COUNT = Form(highest=Decimal(10) ** 9, is_whole=True)
_SHARE = Form(highest=Decimal(1))
_RATE = Form(highest=Decimal(1), is_lowest_possible=False)
_RATIO = Form(highest=Decimal(10), is_lowest_possible=False)
_AMOUNT = Form(highest=_LARGEST_AMOUNT)
FORMS = {
    "eligible_discharges": _COUNT,
    "readmissions": _COUNT,
    "predicted_readmission_rate": _RATE,
    "expected_readmission_rate": _RATE,
    "published_excess_readmission_ratio": _RATIO,
    "published_peer_group_median": _RATIO,
    "published_penalty_indicator": Form(is_flag=True),
    "published_drg_payment_ratio": _SHARE,
    "condition_base_operating_drg_payment_amount": _AMOUNT,
    "dual_eligible_stays": _COUNT,
    "stays": Form(highest=Decimal(10) ** 9, is_lowest_possible=False, is_whole=True),
    "published_dual_proportion": _SHARE,
    "published_peer_group": Form(lowest=Decimal(1), is_whole=True),
    "published_neutrality_modifier": Form(highest=Decimal(10), is_lowest_possible=False),
    "published_payment_adjustment_factor": _SHARE,
    "published_payment_reduction": _SHARE,
    "base_operating_drg_payment_amount": _AMOUNT,
    "aggregate_payments_for_all_discharges": Form(highest=_LARGEST_AMOUNT, is_lowest_possible=False),
}
"""Quantity to what it can be."""

PER_HUNDRED = frozenset(("predicted_readmission_rate", "expected_readmission_rate", "published_payment_reduction"))
"""Quantities that public files print per 100, with or without a percent sign."""


def is_missing(text: str) -> bool:
    """Whether the cell says that there is no value."""
    return text.lower() in MISSING


def decimal_of(text: str) -> Decimal | None:
    """Read a number as published, without a unit; ``None`` if it is none.

    Examples
    --------
    >>> decimal_of("1,107"), decimal_of("0.97%"), decimal_of("about 3")
    (Decimal('1107'), Decimal('0.0097'), None)
    """
    match = _NUMBER.fullmatch(text)
    if not match:
        return None
    number = Decimal(match[1].replace(",", "") + (match[2] or "")).scaleb(int(match[3] or 0))
    return number.scaleb(-2) if match[4] else number


def read_cell(text: str, form: Form, *, is_per_hundred: bool = False) -> tuple[Decimal | None, str | None]:
    """Read a cell.

    Parameters
    ----------
    text
        The cell as published.
    form
        What the quantity can be.
    is_per_hundred
        Whether a number without percent sign is per 100.

    Returns
    -------
    The value and why it cannot be used; both ``None`` when there is no value.
    """
    if is_missing(text):
        return None, None
    if form.is_flag:
        flag = _FLAGS.get(text.lower())
        return flag, None if flag is not None else "neither yes nor no"
    value = decimal_of(text)
    if value is None:
        return None, "not a number of the expected form"
    if is_per_hundred and "%" not in text:
        value = value.scaleb(-2)
    return (None, problem) if (problem := _problem(value, form)) else (value, None)


def _problem(value: Decimal, form: Form) -> str | None:
    if value < form.lowest:
        return "below the lowest possible value"
    if value == form.lowest and not form.is_lowest_possible:
        return "zero, which is not possible"
    if form.highest is not None and value > form.highest:
        return "above the highest possible value"
    if form.is_whole and value != int(value):
        return "not a whole number"
    return None
