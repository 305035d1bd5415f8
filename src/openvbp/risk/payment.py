"""From the raw score to the score that is paid: normalization, coding-intensity adjustment, blend of models."""

from __future__ import annotations

from decimal import Decimal

import ibis
import ibis.expr.types as ir

from openvbp.money import round_half_up_quotient
from openvbp.risk.model import PaymentParameters
from openvbp.risk.tables import COEFFICIENT_DECIMALS

_MILLION = 10**6


def paid(scored: ir.Table, parameters: PaymentParameters) -> ir.Table:
    """Add normalized and coding-adjusted scores, each rounded half up to three decimals before the next step.

    Parameters
    ----------
    scored
        ``raw_units`` in thousandths, zero or more.
    parameters
        Of the model and payment year.

    Returns
    -------
    ``scored`` with ``normalized_units`` and ``adjusted_units``, in thousandths.
    """
    factor = int(parameters.normalization.scaleb(COEFFICIENT_DECIMALS))
    rows = scored.mutate(normalized_units=_quotient(scored.raw_units * 10**COEFFICIENT_DECIMALS, factor))
    left = int((1 - parameters.coding_adjustment) * _MILLION)
    return rows.mutate(adjusted_units=_quotient(rows.normalized_units * left, _MILLION))


def blended(adjusted: dict[str, ir.IntegerValue], weights: dict[str, Decimal]) -> ir.IntegerValue:
    """Weigh the adjusted scores of several models, in thousandths rounded half up.

    Parameters
    ----------
    adjusted
        Model: score in thousandths.
    weights
        Model: weight; together 1, in hundredths at most.
    """
    together = ibis.literal(0, "int64")
    for name, units in adjusted.items():
        together = together + units * int(weights[name] * 100)
    return _quotient(together, 100)


def _quotient(dividend: ir.IntegerValue, divisor: int) -> ir.IntegerValue:
    return round_half_up_quotient(dividend, ibis.literal(divisor, "int64"))
