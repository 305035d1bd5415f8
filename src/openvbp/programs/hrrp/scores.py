"""From rates to the payment adjustment factor: the rules of 412.152 and 412.154 applied in order."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.parameter_tables import with_parameters
from openvbp.parameters import Scenario
from openvbp.payment.excess_ratio import RATIO_TYPE, SHARE_TYPE
from openvbp.programs.hrrp import rules
from openvbp.programs.hrrp.scenario_tables import condition_parameters, program_parameters
from openvbp.rules import Rule, in_force, rules_of

_KEYS = ["scenario_id", "provider_id"]
_NO_TEXT = ibis.null("string")
AS_PUBLISHED_RATIO = "ratio as published: the files give no rates"
MINIMUM_NOT_CHECKED = "minimum not checked: the number of discharges is not published"
_OF_HOSPITAL = (
    "peer_group",
    "excluded_reason",
    "is_median_published",
    "is_minimum_applied_to_median",
    "median_unverified",
)


def rules_on(day: date) -> dict[str, Rule]:
    """Rules of the shape that applies on a day, by the quantity that each gives."""
    return {rule.gives: rule for rule in in_force(rules_of(rules), day)}


def score(
    engine: Engine,
    inputs: dict[str, ir.Table],
    scenarios: Sequence[Scenario],
    published: Sequence[str],
    name: str = "",
) -> dict[str, ir.Table]:
    """Determine the payment adjustment of all hospitals under all scenarios.

    Parameters
    ----------
    inputs
        ``hospital`` and ``condition`` of :func:`openvbp.programs.hrrp.inputs.input_tables`.
    published
        Those of peer group, median and neutrality modifier that the files give.
    name
        Prefix that keeps this call's tables apart from another's.

    Returns
    -------
    Wide tables by name, one column per quantity: ``condition_score`` (scenario × hospital × measure),
    ``hospital_score`` (scenario × hospital).

    Raises
    ------
    InputDataError
        If all hospitals fall into one peer group and medians would have to be made of it.
    """
    active = rules_on(scenarios[0].period.start)
    condition_table = engine.table(condition_parameters(scenarios), f"{name}condition_parameter")
    program_table = engine.table(program_parameters(scenarios, published), f"{name}program_parameter")
    hospitals = inputs["hospital"].cross_join(program_table)
    hospitals = _apply(hospitals, active, ("dual_proportion", "peer_group"))
    hospitals = engine.compute(hospitals, f"{name}hospital_grouped")
    if "peer_group" in active and "published_peer_group_median" not in published:
        _demand_peer_groups(engine, hospitals)
    conditions = engine.compute(
        _score_conditions(inputs["condition"], condition_table, hospitals, active), f"{name}condition_computed"
    )
    scored = _score_hospitals(conditions, hospitals, active)
    return {"condition_score": conditions, "hospital_score": engine.compute(scored, f"{name}hospital_computed")}


def _apply(table: ir.Table, active: dict[str, Rule], quantities: Sequence[str]) -> ir.Table:
    """Apply the rules of these quantities; one that does not exist on the day leaves its quantity missing."""
    for quantity in quantities:
        if quantity in active:
            table = active[quantity](table)
        else:
            table = table.mutate(**{quantity: ibis.null(_MISSING[quantity])})
    return table


_MISSING = {
    "dual_proportion": RATIO_TYPE,
    "peer_group": "int64",
    "peer_group_median": RATIO_TYPE,
    "non_stratified_weighted_excess": SHARE_TYPE,
    "neutrality_modifier": "decimal(18, 14)",
}
"""Quantities that not every year has, with their types."""


def _demand_peer_groups(engine: Engine, hospitals: ir.Table) -> None:
    """Medians of a single group would be medians of the nation, which the law does not want."""
    grouped = hospitals.filter(_.peer_group.notnull() & _.excluded_reason.isnull())
    counts = grouped.group_by("scenario_id").agg(groups=_.peer_group.nunique(), hospitals=_.count())
    single = engine.to_arrow(counts.filter(_.groups == 1)).to_pylist()
    if single:
        raise InputDataError(
            Problem(
                "all hospitals are in one peer group, so peers cannot be told apart",
                f"{single[0]['hospitals']:,} hospitals with a peer group or dual proportion",
                "give the dual proportions of all hospitals, or a file with peer group medians",
            )
        )


def _score_conditions(rows: ir.Table, parameters: ir.Table, hospitals: ir.Table, active: dict[str, Rule]) -> ir.Table:
    """Apply the rules of conditions: hospital × measure to scenario × hospital × measure."""
    conditions = with_parameters(rows, parameters, "measure_id")
    groups = hospitals.select(*_KEYS, *_OF_HOSPITAL)
    conditions = conditions.inner_join(groups, _KEYS)
    conditions = _apply(
        conditions,
        active,
        (
            "excess_readmission_ratio",
            "is_condition_counted",
            "peer_group_median",
            "excess_readmissions",
            "drg_payment_ratio",
            "penalty_indicator",
            "weighted_excess",
            "non_stratified_weighted_excess",
        ),
    )
    return conditions.mutate(**_condition_status(conditions))


def _condition_status(conditions: ir.Table) -> dict[str, ir.Value]:
    """Say for each condition whether its ratio is determined and, if not, why."""
    known = conditions.excess_readmission_ratio.notnull()
    few = conditions.eligible_discharges < conditions.minimum_discharges
    unread = ibis.literal("parameters whose source has not been read: ")
    unverified = ibis.coalesce(
        conditions.rate_unverified,
        unread + ibis.coalesce(conditions.condition_unverified, conditions.median_unverified),
    )
    uses_unverified = (
        conditions.rate_unverified.notnull()
        | conditions.condition_unverified.notnull()
        | (conditions.median_unverified.notnull() & conditions.peer_group_median.notnull())
    )
    status = ibis.cases(
        (conditions.input_problem.notnull(), "not_determinable"),
        (~known & (few | conditions.footnote.startswith("1")).fill_null(False), "too_few_cases"),  # noqa: FBT003
        (~known, "not_reported"),
        (~conditions.is_condition_counted, "too_few_cases"),
        (uses_unverified, "unverified"),
        else_="scored",
    )
    counts = ibis.coalesce(conditions.eligible_discharges.cast("string"), ibis.literal("too few"))
    no_rates = ibis.coalesce(conditions.predicted_rate_of_stays, conditions.predicted_readmission_rate).isnull()
    not_checked = conditions.eligible_discharges.isnull()
    notes = ibis.cases(
        (no_rates & not_checked, f"{AS_PUBLISHED_RATIO}; {MINIMUM_NOT_CHECKED}"),
        (no_rates, AS_PUBLISHED_RATIO),
        (not_checked, MINIMUM_NOT_CHECKED),
        else_=_NO_TEXT,
    )
    reason = ibis.cases(
        (
            conditions.input_problem.notnull(),
            ibis.literal("input: ")
            + conditions.input_problem
            + (ibis.literal("; ") + conditions.rate_unverified).fill_null(""),
        ),
        (
            status == "too_few_cases",
            counts + " eligible discharges, " + conditions.minimum_discharges.cast("string") + " are needed",
        ),
        (status == "not_reported", "no excess readmission ratio is published"),
        (status == "unverified", unverified),
        else_=notes,
    )
    return {"status": status, "status_reason": reason, "has_no_rates": no_rates}


def _score_hospitals(conditions: ir.Table, hospitals: ir.Table, active: dict[str, Rule]) -> ir.Table:
    """Apply the rules of hospitals: conditions to scenario × hospital."""
    totals = conditions.group_by(*_KEYS).agg(
        excess_sum=_known_sum(_.weighted_excess),
        non_stratified_sum=_known_sum(_.non_stratified_weighted_excess),
        first_problem=_.input_problem.min(),
        lacks_median=(_.is_condition_counted & _.excess_readmissions.isnull()).any(),
        lacks_payment_ratio=(_.penalty_indicator & _.drg_payment_ratio.isnull()).any(),
        conditions_unverified=ibis.ifelse(_.status == "unverified", _.status_reason, _NO_TEXT).max(),
    )
    joined = hospitals.inner_join(totals, _KEYS)
    takes_part = joined.excluded_reason.isnull()
    joined = joined.mutate(excess_sum=ibis.ifelse(takes_part, joined.excess_sum, ibis.null(SHARE_TYPE)))
    scored = _apply(
        joined,
        active,
        (
            "neutrality_modifier",
            "excess_payment_share",
            "payment_reduction",
            "payment_adjustment_factor",
            "payment_reduction_amount",
        ),
    )
    return scored.mutate(**_hospital_status(scored))


def _known_sum(shares: ir.DecimalValue) -> ir.DecimalValue:
    """Add up the shares; null if one of them is not known."""
    return ibis.ifelse(shares.isnull().any(), ibis.null(SHARE_TYPE), shares.sum().cast(SHARE_TYPE))


def _hospital_status(hospitals: ir.Table) -> dict[str, ir.Value]:
    unverified = ibis.coalesce(
        ibis.literal("parameters whose source has not been read: ") + hospitals.program_unverified,
        hospitals.conditions_unverified,
    )
    status = ibis.cases(
        (hospitals.excluded_reason.notnull(), "excluded"),
        (hospitals.payment_reduction.isnull(), "not_determinable"),
        (unverified.notnull(), "unverified"),
        else_="scored",
    )
    reason = ibis.cases(
        (status == "excluded", hospitals.excluded_reason),
        (status == "unverified", unverified),
        (status == "scored", _NO_TEXT),
        (hospitals.first_problem.notnull(), ibis.literal("input: ") + hospitals.first_problem),
        (hospitals.lacks_median & hospitals.peer_group.isnull(), "the peer group and the dual proportion are missing"),
        (hospitals.lacks_median, "the median of the peer group is missing"),
        (
            hospitals.lacks_payment_ratio,
            "the conditions' shares of base operating DRG payments (DRG payment ratios) are missing",
        ),
        else_="the neutrality modifier is missing",
    )
    return {"status": status, "status_reason": reason}
