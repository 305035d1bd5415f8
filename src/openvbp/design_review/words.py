"""Numbers as a reader of a review meets them."""

from __future__ import annotations

import math

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


def percent(share: float, places: int = 1) -> str:
    """A share as percent; a dash where there is none.

    Examples
    --------
    >>> percent(0.02)
    '2.0 %'
    """
    return "–" if math.isnan(share) else f"{100 * share:.{places}f} %".replace("-", "−")
