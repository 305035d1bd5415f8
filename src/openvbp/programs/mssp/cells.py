"""Reading cells of public use files: money, shares, counts, flags, dates, and the ways of saying that there is none.

Every reader returns ``None`` for a missing value and raises ``ValueError`` with a reason for what is neither.
"""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal

MISSING = ("", "-", "--", "/", "*", "N/A", "NA")
"""How the files say that there is no value; ``*`` stands for a suppressed one."""

_MONEY = re.compile(r"-?\d{1,12}([.]\d{1,9})?")
_NUMBER = re.compile(r"-?\d{1,7}([.]\d{1,12})?")
_US_DATE = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})( .*)?")
_ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})([ T].*)?")


def try_money(text: str) -> Decimal | None:
    """Read dollars, ``None`` for anything else."""
    plain = re.sub(r"[$, ]", "", text)
    return Decimal(plain) if _MONEY.fullmatch(plain) else None


def try_number(text: str) -> Decimal | None:
    """Read a number with or without a percent sign, ``None`` for anything else."""
    plain = re.sub(r"[, %]", "", text)
    return Decimal(plain) if _NUMBER.fullmatch(plain) else None


def money(text: str) -> Decimal | None:
    """Read ``$-1018225.00`` or ``"28,130,670"`` as dollars, to the cent."""
    if text in MISSING:
        return None
    amount = try_money(text)
    if amount is None:
        raise ValueError("not an amount of money")
    return amount.quantize(Decimal("0.01"))


def benchmark(text: str) -> Decimal | None:
    """Read an amount that must be above zero."""
    amount = money(text)
    if amount is not None and amount <= 0:
        raise ValueError("not above zero")
    return amount


def expenditures(text: str) -> Decimal | None:
    """Read an amount that cannot be below zero."""
    amount = money(text)
    if amount is not None and amount < 0:
        raise ValueError("below zero")
    return amount


def ratio(text: str, *, is_percent: bool) -> Decimal | None:
    """Read ``0.92``, ``92`` or ``92%`` as a share between 0 and 1, with as many decimals as are printed."""
    if text in MISSING:
        return None
    number = try_number(text)
    if number is None:
        raise ValueError("not a number")
    share = number.scaleb(-2) if is_percent else number
    if not 0 <= share <= 1:
        raise ValueError("not between 0 and 100 percent")
    return share


def count(text: str) -> int | None:
    """Read ``"77,947"`` as a whole number above zero."""
    if text in MISSING:
        return None
    plain = re.sub(r"[, ]", "", text).removesuffix(".0")
    if not re.fullmatch(r"\d{1,9}", plain) or not int(plain):
        raise ValueError("not a whole number above zero")
    return int(plain)


def flag(text: str) -> bool | None:
    """Read ``1`` or ``0``."""
    if text in MISSING:
        return None
    known = {"1": True, "0": False, "1.0": True, "0.0": False}
    if text not in known:
        raise ValueError("neither 1 nor 0")
    return known[text]


def day(text: str) -> date | None:
    """Read ``7/1/12``, ``01/01/2016 12:00:00 AM`` or ``2016-01-01``."""
    if text in MISSING:
        return None
    us, iso = _US_DATE.fullmatch(text), _ISO_DATE.fullmatch(text)
    if us:
        month, day_of_month, year = (int(part) for part in us.groups()[:3])
        parts = (year + 2000 if year < 100 else year, month, day_of_month)
    elif iso:
        parts = tuple(int(part) for part in iso.groups()[:3])
    else:
        raise ValueError("not a date")
    try:
        return date(*parts)
    except ValueError:
        raise ValueError("not a date") from None


_REVENUE_CATEGORIES = {"high revenue": True, "low revenue": False}


def is_high_revenue(text: str) -> bool | None:
    """Read ``High Revenue`` or ``Low Revenue``."""
    if text in MISSING:
        return None
    if text.lower() not in _REVENUE_CATEGORIES:
        raise ValueError("neither High Revenue nor Low Revenue")
    return _REVENUE_CATEGORIES[text.lower()]


_TRACKS = {
    "1": "track_1",
    "2": "track_2",
    "3": "track_3",
    "1+": "track_1_plus",
    **{level: f"basic_{level.lower()}" for level in "ABCDE"},
    "EN": "enhanced",
    "ENHANCED": "enhanced",
}


def track(text: str) -> str | None:
    """Read ``E``, ``BASIC Level E`` or ``EN`` as a track."""
    if text in MISSING:
        return None
    plain = re.sub(r"(BASIC|LEVEL|TRACK)", "", text.upper()).strip()
    if plain not in _TRACKS:
        raise ValueError("not a track")
    return _TRACKS[plain]
