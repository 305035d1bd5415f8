"""From the raw score to the score that is paid: normalization, coding-intensity adjustment, blend of models."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import ibis
import ibis.expr.types as ir

from openvbp.money import round_half_up_quotient
from openvbp.risk.model import Factors, PaymentParameters
from openvbp.risk.tables import COEFFICIENT_DECIMALS

_MILLION = 10**6


def paid(scored: ir.Table, parameters: PaymentParameters) -> ir.Table:
    """Add normalized and coding-adjusted scores, each rounded half up to three decimals before the next step.

    Parameters
    ----------
    scored
        ``segment`` and ``raw_units`` in thousandths, zero or more.
    parameters
        Of the model and payment year.

    Returns
    -------
    ``scored`` with ``normalized_units`` and ``adjusted_units``, in thousandths.
    """
    factor = _by_segment(scored, parameters, lambda one: int(one.normalization.scaleb(COEFFICIENT_DECIMALS)))
    rows = scored.mutate(normalized_units=_quotient(scored.raw_units * 10**COEFFICIENT_DECIMALS, factor))
    left = _by_segment(rows, parameters, lambda one: int((1 - one.coding_adjustment) * _MILLION))
    return rows.mutate(adjusted_units=_quotient(rows.normalized_units * left, ibis.literal(_MILLION, "int64")))


def _by_segment(rows: ir.Table, parameters: PaymentParameters, of: Callable[[Factors], int]) -> ir.IntegerValue:
    first, *others = parameters.factors
    value = ibis.literal(of(first), "int64")
    for one in others:
        value = ibis.ifelse(rows.segment.isin(one.segments), ibis.literal(of(one), "int64"), value)
    return value


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
    return _quotient(together, ibis.literal(100, "int64"))


def _quotient(dividend: ir.IntegerValue, divisor: ir.IntegerValue) -> ir.IntegerValue:
    return round_half_up_quotient(dividend, divisor)
