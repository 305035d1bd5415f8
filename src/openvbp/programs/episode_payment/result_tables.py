"""The reconciliation as the tables of the results model; episode categories stand in the place of domains."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.programs.episode_payment import rules
from openvbp.programs.episode_payment.settlement import PARAMETERS
from openvbp.rules import rules_of
from openvbp.steps import Given, Source, StepGroup, step_rows

_NO_RATE = ibis.null("decimal(18, 10)")
_OF_CATEGORY = (
    "discount",
    "loss_discount",
    "baseline_price",
    "target_price",
    "loss_target_price",
    "target_spending",
    "loss_target_spending",
    "category_difference",
    "category_loss_difference",
)
_CATEGORY_INPUTS = {
    "hospital_baseline_price": ("usd", "prices.csv"),
    "regional_baseline_price": ("usd", "prices.csv"),
    "risk_adjustment_factor": ("multiplier", "prices.csv"),
    "high_cost_cap": ("usd", "prices.csv"),
    "episodes": ("count", "anchors.csv"),
    "actual_spending": ("usd", "claims.csv"),
}
_HOSPITAL_INPUTS = {
    "complication_percentile": ("ratio", "hospitals.csv"),
    "earlier_complication_percentile": ("ratio", "hospitals.csv"),
    "complication_cases": ("count", "hospitals.csv"),
    "hcahps_percentile": ("ratio", "hospitals.csv"),
    "earlier_hcahps_percentile": ("ratio", "hospitals.csv"),
    "hcahps_surveys": ("count", "hospitals.csv"),
    "is_pro_submitted": ("flag", "hospitals.csv"),
    "improvement_points": ("points", "hospitals.csv"),
    "baseline_episodes": ("count", "hospitals.csv"),
}


def provider_table(hospitals: ir.Table) -> ir.Table:
    """Hospitals as the hub's ``provider``; those that take part in the same way are peers."""
    return hospitals.select(
        "provider_id",
        "provider_name",
        provider_type=ibis.literal("hospital"),
        peer_group=_.participation,
        **dict.fromkeys(("state", "place", "excluded_reason"), ibis.null("string")),
        dual_eligible_ratio=_NO_RATE,
    )


def provider_result(hospitals: ir.Table) -> ir.Table:
    """The composite quality score as the hub's score; ranked among those that take part in the same way."""
    peers = ibis.window(group_by=["scenario_id", "participation"])
    by_score = ibis.window(
        group_by=["scenario_id", "participation"], order_by=ibis.desc(_.composite_score, nulls_first=False)
    )
    ranked = hospitals.mutate(scored=_.composite_score.count().over(peers), place=ibis.rank().over(by_score) + 1)
    known = ranked.composite_score.notnull()
    share = money.divide_half_up(ranked.scored - ranked.place + 1, ranked.scored)
    return ranked.select(
        "scenario_id",
        "provider_id",
        "provider_name",
        peer_group=_.participation,
        score=_.composite_score,
        rank=ibis.ifelse(known, ranked.place, ibis.null("int64")),
        percentile=ibis.ifelse(known, share, ibis.null(money.SCORE_TYPE)),
        status=ibis.ifelse(known, "scored", "not_reported"),
        status_reason=ibis.ifelse(known, ibis.null("string"), ibis.literal("the quality of the hospital is not given")),
    )


def payment_result(hospitals: ir.Table) -> ir.Table:
    """The reconciliation amount as the hub's ``payment_result``; the rate is its share of the target."""
    amount = hospitals.reconciliation_amount
    share = money.divide_half_up(money.in_units(amount.abs(), 2), money.in_units(hospitals.total_target, 2))
    capped = (hospitals.limited_reconciliation != hospitals.quality_adjusted_reconciliation).fill_null(
        False  # noqa: FBT003
    )
    return hospitals.select(
        "scenario_id",
        "provider_id",
        "status",
        "status_reason",
        component_id=ibis.literal("net"),
        base_amount=_.total_target,
        currency=ibis.literal("USD"),
        rate=ibis.ifelse(amount < 0, -share, share).cast("decimal(18, 16)"),
        amount=amount,
        is_cap_applied=capped,
        factor=_NO_RATE,
    )


def step_result(engine: Engine, rows: ir.Table, hospitals: ir.Table, scenarios: Sequence[Scenario]) -> ir.Table:
    """Every value of the reconciliation as the hub's ``step_result``."""
    whole = tuple(rule.gives for rule in rules_of(rules) if rule.gives not in _OF_CATEGORY)
    unnoted = rows.mutate(status_reason=ibis.null("string"))
    is_cjr = hospitals.filter(_.model == "cjr").mutate(domain_id=ibis.null("string"))
    hospital = hospitals.mutate(domain_id=ibis.null("string"))
    groups = [
        StepGroup(unnoted, (*_CATEGORY_INPUTS, *_OF_CATEGORY), ""),
        StepGroup(hospital, (*PARAMETERS, *whole), "reconciliation_amount"),
        StepGroup(is_cjr, tuple(_HOSPITAL_INPUTS), ""),
    ]
    given = [Given(name, unit, "input") for name, (unit, _file) in (_CATEGORY_INPUTS | _HOSPITAL_INPUTS).items()]
    given += [Given(name, scenarios[0].parameters[name].unit, "parameter") for name in PARAMETERS]
    sources = [
        Source(one.scenario_id, name, "", "", f"{file}")
        for one in scenarios
        for name, (_unit, file) in (_CATEGORY_INPUTS | _HOSPITAL_INPUTS).items()
    ]
    sources += [
        Source(
            one.scenario_id,
            name,
            "",
            "",
            "; ".join(dict.fromkeys(v.cite for v in one.parameters[name].values.values())),
        )
        for one in scenarios
        for name in PARAMETERS
    ]
    return step_rows(engine, groups, rules_of(rules), given, sources)
