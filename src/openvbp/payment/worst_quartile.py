"""A flat reduction for the worst-performing quarter of the providers."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from openvbp import money


def is_above_cutoff(score: ir.DecimalValue, cutoff: ir.DecimalValue) -> ir.BooleanValue:
    """Whether a provider scores worse than the cutoff; higher scores are worse.

    Strictly: all providers at the cutoff are spared, so that ties make the penalised fewer than a quarter.

    Parameters
    ----------
    score
        Any grain; a provider without a score is not ranked and so not above the cutoff.
    cutoff
        The 75th percentile of the scores, or the published cutoff. Null where there is none.

    Notes
    -----
    Source: 42 U.S.C. 1395ww(p)(2)(B); CMS: "greater than the 75th percentile".
    """
    return (score > cutoff).fill_null(False)  # noqa: FBT003


def adjustment_factor(is_penalised: ir.BooleanValue, reduction: ir.DecimalValue) -> ir.DecimalValue:
    """One minus the reduction for a penalised provider, one for any other; null where it is not known which."""
    one = ibis.literal(1).cast("decimal(18, 10)")
    factor = money.exact(-reduction.cast("decimal(18, 10)") + one, 18, 10)
    return ibis.cases((is_penalised, factor), (~is_penalised, one), else_=ibis.null("decimal(18, 10)"))
