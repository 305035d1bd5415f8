"""The logistic function, exactly rounded: from a share to a multiplier between 0 and 1."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext

MULTIPLIER_DECIMALS = 10


def logistic(value: Decimal, midpoint: Decimal, steepness: Decimal) -> Decimal:
    """Give ``1 / (1 + exp(-steepness * (value - midpoint)))``, rounded half up to ten decimals.

    Parameters
    ----------
    value
        A share, 0 to 1.
    midpoint
        The share that gives one half.
    steepness
        Zero or more, a pure number; zero gives one half everywhere.

    Returns
    -------
    The multiplier, 0 to 1, with ten decimals.

    Notes
    -----
    The exponential function of an engine is a binary float whose last digit differs between machines. Here it is
    computed in decimals with far more digits than are kept, so that every engine is given the same number.

    Examples
    --------
    >>> logistic(Decimal("0.5"), Decimal("0.5"), Decimal(10))
    Decimal('0.5000000000')
    """
    with localcontext(prec=50):
        distance = steepness * (value - midpoint)
        # exp of a number that is not above zero cannot overflow.
        small = (-abs(distance)).exp()
        share = (1 if distance >= 0 else small) / (1 + small)
        return share.quantize(Decimal(1).scaleb(-MULTIPLIER_DECIMALS), ROUND_HALF_UP)
