"""Quotients of fifteen and more decimals, exact on any engine: prevalence factors are printed with fifteen."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from openvbp import money

SHARE_TYPE = "decimal(19, 18)"
FACTOR_TYPE = "decimal(19, 15)"
_CHUNK = 10**6


def share(part: ir.IntegerValue, whole: ir.IntegerValue) -> ir.DecimalValue:
    """Divide whole numbers to eighteen decimals, the rest cut off: long division, six digits at a time.

    Parameters
    ----------
    part
        Zero or more, below ten times ``whole``.
    whole
        Above zero and below 4e12; zero gives null.
    """
    whole = whole.nullif(0)
    digits = [money.floor_quotient(part, whole)]
    remainder = part % whole
    for _place in range(3):
        digits.append(money.floor_quotient(remainder * _CHUNK, whole))
        remainder = remainder * _CHUNK % whole
    total = digits[0].cast(SHARE_TYPE)
    for place, digit in enumerate(digits[1:], 1):
        unit = ibis.literal("0." + "1".zfill(6 * place)).cast(SHARE_TYPE)
        total = total + money.exact(digit.cast("decimal(18, 0)") * unit, 19, 18)
    return money.exact(total, 19, 18)


def reciprocal(value: ir.DecimalValue) -> ir.DecimalValue:
    """Give ``1 / value`` with eighteen decimals; zero gives null.

    A float quotient, wrong in its last digits, is put right by one step of Newton's method in decimals, which doubles
    the number of right digits.

    Parameters
    ----------
    value
        Between 1e-5 and 10, of at most eighteen decimals.
    """
    value = money.exact(value, 19, 18).nullif(ibis.literal("0").cast(SHARE_TYPE))
    near = (1.0 / value.cast("float64")).cast("decimal(18, 12)")
    error = -(value * near).cast("decimal(38, 30)") + ibis.literal(1).cast("decimal(38, 30)")
    correction = near * error.cast("decimal(38, 22)").cast("decimal(20, 20)")
    return money.exact(near.cast("decimal(24, 18)") + correction.cast("decimal(38, 18)"), 24, 18)


def quotient(dividend: ir.DecimalValue, divisor: ir.DecimalValue) -> ir.DecimalValue:
    """Divide a share by a share to fifteen decimals, the last rounded half up; a divisor of zero gives null."""
    inverse = money.exact(reciprocal(divisor), 22, 17)
    return money.exact(dividend.cast("decimal(18, 17)") * inverse, 19, 15)
