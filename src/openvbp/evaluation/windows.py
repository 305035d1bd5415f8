"""Measurement windows: months in which an outcome was counted, and what overlapping ones do to a difference."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.periods import parse_any_period, parse_period

_FORMS = "2011, 2011Q3, 2011-07, 2011-07-01, CY2011 or FY2011"


@dataclass(frozen=True, order=True)
class Window:
    """First and last day, both included."""

    start: date
    end: date

    @property
    def days(self) -> int:
        """Length."""
        return (self.end - self.start).days + 1

    def __str__(self) -> str:
        return f"{self.start:%Y-%m}..{self.end:%Y-%m}"

    def shared_days(self, other: Window) -> int:
        """Days that lie in both."""
        return max(0, (min(self.end, other.end) - max(self.start, other.start)).days + 1)


def parse_window(label: str) -> Window:
    """Read ``2008-07..2011-06``.

    Raises
    ------
    UsageError
        If it is not written so.
    """
    period = parse_period(label, "months")
    return Window(period.start, period.end)


def window_of(first: str, last: str) -> Window:
    """Read the cells of a panel: a year, a quarter, a month, a day or a program's period each.

    Raises
    ------
    InputDataError
        If a cell is written in another way, or the end comes before the start.
    """
    window = Window(_span(first).start, _span(last).end)
    if window.end < window.start:
        raise InputDataError(Problem(f"window ends before it starts: {first} to {last}", "periods", "correct the rows"))
    return window


def _span(text: str) -> Window:
    text = text.strip()
    if match := re.fullmatch(r"(\d{4})[Qq]([1-4])", text):
        first = 3 * int(match[2]) - 2
        return parse_window(f"{match[1]}-{first:02}..{match[1]}-{first + 2:02}")
    if re.fullmatch(r"\d{4}", text):
        return parse_window(f"{text}-01..{text}-12")
    if re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", text):
        return parse_window(f"{text}..{text}")
    try:
        day = date.fromisoformat(text[:10])
        return Window(day, day)
    except ValueError:
        pass
    try:
        named = parse_any_period(text)
    except UsageError:
        what = f"'{text}' is no period"
        raise InputDataError(Problem(what, "periods", f"write it like {_FORMS}")) from None
    return Window(named.start, named.end)


def undoing_factor(before: Window, after: Window) -> Fraction:
    """Give the factor by which a difference of two rolling windows of equal length understates a change.

    With a share s of each window in common the rates differ by (1 − s) times the difference of the parts that are not
    shared, as long as cases are spread evenly over a window: the factor is 1 / (1 − s), in whole months.

    Raises
    ------
    InputDataError
        If the windows are the same.

    Examples
    --------
    >>> undoing_factor(parse_window("2008-07..2011-06"), parse_window("2010-07..2013-06"))
    Fraction(3, 2)
    """
    shared = months(Window(max(before.start, after.start), min(before.end, after.end)))
    length = max(months(before), months(after))
    if shared >= length:
        raise InputDataError(Problem(f"windows are the same: {before}", "windows", "give two different windows"))
    return Fraction(length, length - shared)


def months(window: Window) -> int:
    """Calendar months that a window touches; 0 where it ends before it starts."""
    if window.end < window.start:
        return 0
    return (window.end.year - window.start.year) * 12 + window.end.month - window.start.month + 1
