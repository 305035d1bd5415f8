"""Names and numbers as the pages write them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from openvbp.reporting.explanation import written

NONE = "–"
"""What stands where there is no value; never a zero."""

STATUSES: Mapping[str, str] = {
    "scored": "Scored",
    "too_few_cases": "Too few cases",
    "not_reported": "Not reported",
    "excluded": "Not in the program",
    "suppressed": "Withheld",
    "not_determinable": "Not determinable",
    "unverified": "Scored, source unverified",
}
"""Statuses of the results model in words."""

SIGNS = {"USD": "$", "GBP": "£", "EUR": "€"}

_ABBREVIATIONS = {"hcahps": "HCAHPS", "drg": "DRG", "hac": "HAC", "usd": "$", "id": "ID", "aco": "ACO", "hcc": "HCC"}


def title_of(identifier: str | None) -> str:
    """Write an identifier for a reader.

    Examples
    --------
    >>> title_of("person_and_community_engagement")
    'Person and community engagement'
    >>> title_of("MORT-30-HF")
    'MORT-30-HF'
    """
    if not identifier:
        return NONE
    if any(letter.isupper() for letter in identifier) and " " not in identifier:
        return identifier.replace("_", " ")
    words = [_ABBREVIATIONS.get(word, word) for word in identifier.replace("_", " ").split()]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]]) if words else NONE


def status_words(status: str | None) -> str:
    """Say a status of the results model."""
    return STATUSES.get(status or "", title_of(status))


def rounded(value: Decimal | float | None, decimals: int) -> str:
    """Write a number with so many decimals at most, without trailing zeros.

    Examples
    --------
    >>> rounded(Decimal("12.3400"), 3), rounded(None, 2)
    ('12.34', '–')
    """
    if value is None:
        return NONE
    number = Decimal(str(value)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    text = f"{number:,f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text.replace("-", "−")


def money(value: Decimal | float | None, currency: str) -> str:
    """Write money in whole units, with its sign before the currency's.

    Examples
    --------
    >>> money(Decimal("-89552.86"), "USD")
    '−$89,553'
    """
    if value is None:
        return NONE
    whole = Decimal(str(value)).quantize(Decimal(1), ROUND_HALF_UP)
    sign = "−" if whole < 0 else ""
    return f"{sign}{SIGNS.get(currency, currency + ' ')}{abs(whole):,}"


def percent(ratio: Decimal | float | None, decimals: int = 2) -> str:
    """Write a share in percent.

    Examples
    --------
    >>> percent(Decimal("-0.00704"))
    '−0.7 %'
    """
    return NONE if ratio is None else f"{rounded(Decimal(str(ratio)) * 100, decimals)} %"


def signed(ratio: Decimal | float | None, decimals: int = 2) -> str:
    """Write a change in percent, a gain with its plus.

    Examples
    --------
    >>> signed(Decimal("0.0279")), signed(Decimal(0))
    ('+2.79 %', '0 %')
    """
    text = percent(ratio, decimals)
    return f"+{text}" if ratio is not None and ratio > 0 else text


def value_words(value: Decimal | None, unit: str) -> str:
    """Write the value of a step in its unit, all digits that count and no more than eight decimals."""
    if value is None:
        return "not determined"
    if unit in ("flag", "usd", "gbp", "eur"):
        return written(value, unit).replace("-", "−", 1)
    return rounded(value, 8)


def step_words(value: Decimal | None, unit: str, note: str | None) -> str:
    """Write the value of a step; of one that is missing, whether it was withheld."""
    is_withheld = value is None and (note or "").startswith("suppressed")
    return "withheld" if is_withheld else value_words(value, unit)


def plain(value: Any) -> Any:
    """Give a cell for JSON: decimals as exact text without trailing zeros, dates as ISO text."""
    if isinstance(value, Decimal):
        return written(value, "").replace(",", "")
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
