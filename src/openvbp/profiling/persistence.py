"""Whether conditions stay: a chronic illness that is written one year should be written the next."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.engine import Engine
from openvbp.profiling.coded_risk import CodedRisk


def person_conditions(risk: CodedRisk) -> ir.Table:
    """One row per person, period and condition: ``person_id``, ``period``, ``provider_id``, ``condition``."""
    rows = risk.rows.filter(_.conditions.notnull() & (_.conditions != ""))
    spread = rows.select("person_id", "period", "provider_id", condition=rows.conditions.split(" ").unnest())
    return spread.filter(_.condition != "").distinct()


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
    rows = engine.compute(person_conditions(risk), "profiling_conditions")
    scored = risk.rows.select("person_id", scored_period="period")
    spans = scored.group_by("person_id").agg(person_periods=_.count())
    written = rows.group_by("person_id", "condition").agg(written_periods=_.count(), first_written=_.period.min())
    flagged = rows.inner_join(spans, "person_id").inner_join(written, ["person_id", "condition"])
    flagged = _with_neighbours(flagged, rows, risk)
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


def _with_neighbours(flagged: ir.Table, rows: ir.Table, risk: CodedRisk) -> ir.Table:
    """Say whether the person is scored in the next and in the former period, and the condition written in the next."""
    people = risk.rows.select("person_id", "period")
    after = people.select(after_person="person_id", after_period=people.period - 1)
    before = people.select(before_person="person_id", before_period=people.period + 1)
    again = rows.select(again_person="person_id", again_condition="condition", again_period=rows.period - 1)
    joined = flagged.left_join(
        after, (flagged.person_id == after.after_person) & (flagged.period == after.after_period)
    )
    joined = joined.left_join(
        before, (joined.person_id == before.before_person) & (joined.period == before.before_period)
    )
    joined = joined.left_join(
        again,
        (joined.person_id == again.again_person)
        & (joined.condition == again.again_condition)
        & (joined.period == again.again_period),
    )
    return joined.mutate(
        is_followed=_.after_person.notnull(), is_known=_.before_person.notnull(), is_recoded=_.again_person.notnull()
    ).drop(
        "after_person",
        "after_period",
        "before_person",
        "before_period",
        "again_person",
        "again_condition",
        "again_period",
    )
