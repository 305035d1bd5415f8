"""Amounts of money as a reader of a review meets them."""

from __future__ import annotations

_SIGNS = {"USD": "$", "GBP": "£", "EUR": "€"}


def money(amount: float, currency: str) -> str:
    """An amount in whole units of its currency.

    Examples
    --------
    >>> money(-1234.5, "USD")
    '−$1,234'
    """
    sign = "−" if round(amount) < 0 else ""
    return f"{sign}{_SIGNS.get(currency, currency + ' ')}{abs(amount):,.0f}"
