"""Days since 1970 and months, in bulk."""

from __future__ import annotations

import numpy as np


def month_of(days: np.ndarray) -> np.ndarray:
    """Months since January 1970."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int32)


def first_of_month(months: np.ndarray) -> np.ndarray:
    """First days, in days since 1970, of months since January 1970."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int32)


def years_later(days: np.ndarray, years: int) -> np.ndarray:
    """First day of the month in which an anniversary falls."""
    return first_of_month(month_of(days) + 12 * years)
