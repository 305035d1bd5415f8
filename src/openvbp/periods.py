"""Periods as programs name them: ``FY2024``, ``CY2024``, ``PY2024``, ``2012/13``, ``2009-10..2010-03``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from openvbp.errors import Problem, UsageError


@dataclass(frozen=True)
class Period:
    """A named span of days, both ends included."""

    label: str
    start: date
    end: date


@dataclass(frozen=True)
class Calendar:
    """How a program writes its years."""

    pattern: str
    example: str
    first_month: int | None
    """First month of every year; none where a period names its first and last month itself."""
    starts_in_previous_year: bool = False


CALENDARS = {
    "us_fiscal_year": Calendar(r"FY(\d{4})", "FY2024", 10, starts_in_previous_year=True),
    "calendar_year": Calendar(r"CY(\d{4})", "CY2024", 1),
    "performance_year": Calendar(r"PY(\d{4})", "PY2024", 1),
    "uk_financial_year": Calendar(r"(\d{4})/\d{2}", "2012/13", 4),
    "months": Calendar(r"(\d{4})-(0[1-9]|1[0-2])\.\.(\d{4})-(0[1-9]|1[0-2])", "2009-10..2010-03", None),
}


def parse_period(label: str, calendar: str) -> Period:
    """Turn a period's name into its first and last day.

    Parameters
    ----------
    label
        The name, for example ``FY2024``.
    calendar
        A key of :data:`CALENDARS`.

    Raises
    ------
    UsageError
        If the name is not one of the calendar's.

    Examples
    --------
    >>> parse_period("FY2024", "us_fiscal_year").start
    datetime.date(2023, 10, 1)
    """
    kind = CALENDARS[calendar]
    match = re.fullmatch(kind.pattern, label)
    if not match or (kind.first_month is None and label[:7] > label[-7:]):
        raise UsageError(
            Problem(
                f"'{label}' is not a period of this program" if label else "which period is meant?",
                "--period",
                f"write it like {kind.example}",
            )
        )
    if kind.first_month is None:
        year, month, last_year, last_month = map(int, match.groups())
        start, after_end = date(year, month, 1), date(last_year + last_month // 12, last_month % 12 + 1, 1)
    else:
        year = int(match.group(1)) - (1 if kind.starts_in_previous_year else 0)
        start, after_end = date(year, kind.first_month, 1), date(year + 1, kind.first_month, 1)
    return Period(label, start, date.fromordinal(after_end.toordinal() - 1))


def parse_any_period(label: str) -> Period:
    """Turn a period's name in any of the American calendars, or of months, into its first and last day.

    Raises
    ------
    UsageError
        If it is in none of them.

    Examples
    --------
    >>> parse_any_period("2023-07..2024-06").end
    datetime.date(2024, 6, 30)
    """
    calendars = ("calendar_year", "performance_year", "us_fiscal_year", "months")
    for calendar in calendars:
        try:
            return parse_period(label, calendar)
        except UsageError:
            continue
    examples = ", ".join(CALENDARS[calendar].example for calendar in calendars)
    what = f"'{label}' is not a period" if label else "which period is meant?"
    raise UsageError(Problem(what, "--period", f"write it like one of {examples}"))
