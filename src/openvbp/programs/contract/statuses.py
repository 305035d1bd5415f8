"""Status of a settlement and why: what could not be determined, and which input is missing."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir


def settlement_status(settled: ir.Table) -> dict[str, ir.StringValue]:
    """Status and reason of the contract's settlement: columns ``status`` and ``status_reason``."""
    unknown = settled.net_settlement.isnull()
    reason = ibis.cases(
        (~unknown, ibis.null("string")),
        (
            settled.has_quality & settled.quality_score.isnull(),
            "no measure has enough cases: quality, on which the payment depends, is not known",
        ),
        (
            settled.has_quality & settled.is_quality_worse.isnull(),
            "last year's rate of a measure is missing: whether quality worsened is not known",
        ),
        else_="an input of the settlement is missing",
    )
    return {"status": ibis.ifelse(unknown, "not_determinable", "scored"), "status_reason": reason}
