"""Whether conditions stay: a chronic illness that is written one year should be written the next."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.engine import Engine
from openvbp.profiling.coded_risk import CodedRisk


def person_conditions(risk: CodedRisk) -> ir.Table:
    """List conditions of persons in periods, with what is known of the person and the condition in other periods.

    Returns
    -------
    One row per person, period and condition: ``person_id``, ``period``, ``provider_id``, ``condition``; whether the
    person is scored in the next period (``is_followed``) and in the one before (``is_known``), in how many
    (``person_periods``); whether the condition is written in the next (``is_recoded``), in how many
    (``written_periods``), and since when (``first_written``).
    """
    own = ibis.window(group_by="person_id", order_by="period")
    scored = risk.rows.mutate(
        is_followed=(_.period.lead().over(own) == _.period + 1).fill_null(False),  # noqa: FBT003
        is_known=(_.period.lag().over(own) == _.period - 1).fill_null(False),  # noqa: FBT003
        person_periods=_.count().over(ibis.window(group_by="person_id")),
    )
    rows = scored.filter(_.conditions.notnull() & (_.conditions != ""))
    kept = ("person_id", "period", "provider_id", "is_followed", "is_known", "person_periods")
    spread = rows.select(*kept, condition=rows.conditions.split(" ").unnest())
    listed = spread.filter(_.condition != "").distinct()
    same = ibis.window(group_by=["person_id", "condition"])
    onward = ibis.window(group_by=["person_id", "condition"], order_by="period")
    return listed.mutate(
        is_recoded=(_.period.lead().over(onward) == _.period + 1).fill_null(False),  # noqa: FBT003
        written_periods=_.count().over(same),
        first_written=_.period.min().over(same),
    )


def persistence(engine: Engine, risk: CodedRisk, sources: ir.Table | None) -> list[dict[str, Any]]:
    """Count, by provider and period, conditions that stay, are new, are seen in one period only, or hang on one source.

    Parameters
    ----------
    engine
        Where to compute.
    risk
        Coded risk with conditions.
    sources
        ``person_id``, ``period``, ``condition``, ``claims``, ``is_assessed_only``, where claims were looked at.

    Returns
    -------
    One row per provider and period: ``conditions`` (a person with a condition counts one); of those

    - ``followed``: persons who have a score in the next period; ``recoded``: of these, written again then, by whomever;
    - ``known``: persons who had a score in the period before; ``new``: of these, not written in any earlier period;
    - ``seen_again``: persons scored in another period; ``once``: of these, written in this period only;
    - ``sourced``: conditions found on claims; ``one_claim``, ``assessed_only``: of these, on one claim, or only on
      claims with a health risk assessment. None where claims were not looked at.
    """
    flagged = engine.compute(person_conditions(risk), "profiling_conditions")
    one = ibis.literal(1, "int64")
    zero = ibis.literal(0, "int64")

    def counted(condition: ir.BooleanValue) -> ir.IntegerValue:
        return ibis.ifelse(condition, one, zero).sum().cast("int64")

    totals = {
        "conditions": _.count(),
        "followed": counted(_.is_followed),
        "recoded": counted(_.is_followed & _.is_recoded),
        "known": counted(_.is_known),
        "new": counted(_.is_known & (_.first_written == _.period)),
        "seen_again": counted(_.person_periods > 1),
        "once": counted((_.person_periods > 1) & (_.written_periods == 1)),
    }
    if sources is not None:
        keys = ["person_id", "period", "condition"]
        shown = sources.select(*keys, "claims", "is_assessed_only")
        flagged = flagged.left_join(shown, keys).drop(*(f"{key}_right" for key in keys))
        totals |= {
            "sourced": counted(_.claims.notnull()),
            "one_claim": counted(_.claims == 1),
            "assessed_only": counted(_.is_assessed_only == 1),
        }
    found = flagged.group_by("provider_id", "period").agg(**totals).order_by("provider_id", "period")
    return engine.to_arrow(found).to_pylist()
