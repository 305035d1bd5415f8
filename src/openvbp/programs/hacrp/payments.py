"""From the Total HAC Score to money: the rules of 412.172 applied in order."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from openvbp import money
from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.programs.hacrp import rules

MINIMUM_RANKED_HOSPITALS = 100
"""Fewer make no national distribution of which a quartile could be taken."""


def pay(engine: Engine, hospitals: ir.Table) -> ir.Table:
    """Judge and pay all hospitals under all scenarios.

    Parameters
    ----------
    hospitals
        Scenario × hospital with the Total HAC Score, the exemption and, where known, payment amounts.

    Returns
    -------
    The same rows with the cutoff, whether it is exceeded, the adjustment factor and dollars.

    Raises
    ------
    InputDataError
        If every scenario needs a cutoff that must be computed and too few hospitals are ranked to compute it.
    """
    judged = _with_sound_cutoff(rules.cutoff(hospitals))
    _demand_cutoff(engine, judged)
    for rule in (
        rules.is_in_worst_quartile,
        rules.payment_adjustment_factor,
        rules.payment_before_reduction,
        rules.payment_reduction_amount,
    ):
        judged = rule(judged)
    return engine.compute(judged.mutate(**_payment_status(judged)), "hospital_payment_computed")


def _with_sound_cutoff(hospitals: ir.Table) -> ir.Table:
    """Take away a computed cutoff that too few hospitals stand behind."""
    is_ranked = (~hospitals.is_exempt | hospitals.is_exempt_state_ranked) & hospitals.total_hac_score.notnull()
    ranked = is_ranked.cast("int64").sum().over(ibis.window(group_by="scenario_id"))
    counted = hospitals.mutate(ranked_hospitals=ranked.cast("decimal(38, 0)").cast("int64"))
    too_few = ~counted.is_cutoff_known & (counted.ranked_hospitals < MINIMUM_RANKED_HOSPITALS)
    return counted.mutate(cutoff=ibis.ifelse(too_few, ibis.null(money.SCORE_TYPE), counted.cutoff))


def _demand_cutoff(engine: Engine, hospitals: ir.Table) -> None:
    needing = hospitals.filter(hospitals.is_total_hac_score_computed)
    counts = needing.aggregate(
        hospitals=needing.count(), with_cutoff=needing.cutoff.count(), ranked=needing.ranked_hospitals.max()
    )
    found = engine.to_arrow(counts).to_pylist()[0]
    if found["hospitals"] and not found["with_cutoff"]:
        raise InputDataError(
            Problem(
                f"fewer than {MINIMUM_RANKED_HOSPITALS} hospitals have a score to take the 75th percentile of: "
                f"{found['ranked']:,}",
                "the published file",
                "give the file of all hospitals, or the cutoff: --set cutoff=...",
            )
        )


def _payment_status(hospitals: ir.Table) -> dict[str, ir.Value]:
    paused = ~hospitals.is_total_hac_score_computed
    computed = ~hospitals.is_cutoff_known & ~paused
    status = ibis.cases(
        (hospitals.is_exempt, "excluded"),
        (hospitals.is_in_worst_quartile.isnull(), "not_determinable"),
        (hospitals.payment_unverified.notnull() | (hospitals.status == "unverified"), "unverified"),
        else_="scored",
    )
    names = ibis.coalesce(hospitals.payment_unverified, hospitals.program_unverified, hospitals.measures_unverified)
    reason = ibis.cases(
        (hospitals.is_exempt, hospitals.exempt_reason),
        (hospitals.status == "not_determinable", hospitals.status_reason),
        (status == "not_determinable", "too few hospitals have a score to compute the cutoff, and it is not known"),
        (status == "unverified", ibis.literal("parameters whose source has not been read: ") + names),
        (paused, "no Total HAC Score is computed this year, so that no payment is reduced"),
        (hospitals.total_hac_score.isnull(), "not ranked, so that no payment is reduced: " + hospitals.status_reason),
        (computed, "cutoff computed from the scores in the file: the official one is not known"),
        (hospitals.base_operating_drg_payment_amount.isnull(), "dollars need the hospital's payment amounts"),
        else_=ibis.null("string"),
    )
    return {"payment_status": status, "payment_status_reason": reason}
