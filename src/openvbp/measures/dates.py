"""Days as measures name them: ends of the period or of the index event, moved by days, months or years."""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta

from openvbp.errors import Problem
from openvbp.measures.errors import MeasureError

_DURATION = re.compile(r"(\d+)([dmy])")


def months_and_days(duration: str) -> tuple[int, int]:
    """Read a duration such as ``365d``, ``6m`` or ``2y``; gives months and days.

    Raises
    ------
    MeasureError
        If it is written otherwise.
    """
    match = _DURATION.fullmatch(duration)
    if not match:
        raise MeasureError(Problem(f"'{duration}' is not a duration", "window", "write it like 30d, 6m or 2y"))
    number, unit = int(match.group(1)), match.group(2)
    return (0, number) if unit == "d" else (number * (12 if unit == "y" else 1), 0)


def moved(day: date, months: int, days: int) -> date:
    """Move a day by months, then by days; where the month is too short its last day is taken.

    Examples
    --------
    >>> moved(date(2024, 2, 29), 12, 0)
    datetime.date(2025, 2, 28)
    """
    month = day.year * 12 + day.month - 1 + months
    year, month = month // 12, month % 12 + 1
    return date(year, month, min(day.day, calendar.monthrange(year, month)[1])) + timedelta(days=days)


def completed_years(birth: date, day: date) -> int:
    """Whole years between birth and a day; the birthday itself completes the year."""
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))
