"""The wide tables as the tables of the results model; the report card stands among measures and domains."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.payment import amounts
from openvbp.programs.iha_amp.input_files import EARNED
from openvbp.programs.iha_amp.inputs import COMMERCIAL, MEDICARE
from openvbp.programs.iha_amp.quality import KEYS
from openvbp.scoring import ranks

_NO_RATE = ibis.null("decimal(18, 10)")
_NO_POINTS = ibis.null("decimal(18, 4)")
_NO_SCORE = ibis.null("decimal(18, 12)")
_MEASURE_KEYS = (*KEYS, "measure_id", "domain_id", "status", "status_reason")
_DOMAIN_KEYS = (*KEYS, "domain_id", "status", "status_reason")
_HAS_SCORE = ("scored", "unverified")


def provider_table(tables: Sequence[ir.Table]) -> ir.Table:
    """Physician organizations of any file as the hub's ``provider``."""
    known = [table.select("provider_id").distinct() for table in tables]
    together = ibis.union(*known, distinct=True) if len(known) > 1 else known[0]
    return together.mutate(
        provider_type=ibis.literal("physician organization"),
        **dict.fromkeys(("provider_name", "state", "place", "peer_group", "excluded_reason"), ibis.null("string")),
        dual_eligible_ratio=_NO_RATE,
    )


def measure_result(measures: ir.Table, card: ir.Table | None, medicare: ir.Table | None) -> ir.Table:
    """Quality measures, and those of the cards, whose points are stars, as the hub's ``measure_result``."""
    is_scored = measures.status.isin(_HAS_SCORE)
    points = {
        "achievement_points": measures.attainment_points,
        "improvement_points": measures.improvement_points,
        "points": measures.measure_points,
    }
    parts = [
        measures.filter(_.domain_id.notnull()).select(
            *_MEASURE_KEYS,
            numerator=_.numerator.cast("decimal(18, 4)"),
            denominator=_.denominator.cast("decimal(18, 4)"),
            rate=money.exact(_.measure_rate, 18, 10),
            expected=_NO_RATE,
            baseline_rate=_.baseline_rate.cast("decimal(18, 10)"),
            threshold=money.exact(_.threshold_rate, 18, 10),
            benchmark=money.exact(_.benchmark_rate, 18, 10),
            maximum_points=_.maximum_points.cast("decimal(18, 4)"),
            **{name: ibis.ifelse(is_scored, money.exact(one, 18, 4), _NO_POINTS) for name, one in points.items()},
        )
    ]
    if card is not None:
        parts.append(_card_measures(card, _NO_POINTS, _NO_POINTS))
    if medicare is not None:
        five = ibis.literal(5).cast("decimal(18, 4)")
        parts.append(_card_measures(medicare, medicare.measure_stars.cast("decimal(18, 4)"), five))
    return _together(parts)


def _card_measures(rows: ir.Table, points: ir.Value, maximum_points: ir.Value) -> ir.Table:
    return rows.select(
        *_MEASURE_KEYS,
        numerator=rows.numerator.cast("decimal(18, 4)"),
        denominator=rows.denominator.cast("decimal(18, 4)"),
        rate=money.exact(rows.measure_rate, 18, 10),
        **dict.fromkeys(("expected", "baseline_rate", "threshold", "benchmark"), _NO_RATE),
        **dict.fromkeys(("achievement_points", "improvement_points"), _NO_POINTS),
        points=points,
        maximum_points=maximum_points,
    )


def domain_result(
    domains: ir.Table, topics: ir.Table | None, commercial: ir.Table | None, medicare: ir.Table | None
) -> ir.Table:
    """Domains of quality, topics and summaries of the cards (points are stars) as the hub's ``domain_result``."""
    parts = [_quality_domains(domains)]
    if topics is not None and commercial is not None:
        parts.append(_card_domains(topics, "topic_score", "topic_stars", 4))
        named = commercial.mutate(domain_id=ibis.literal(COMMERCIAL))
        parts.append(_card_domains(named, "commercial_summary_score", "commercial_summary_stars", 4))
    if medicare is not None:
        named = medicare.mutate(domain_id=ibis.literal(MEDICARE))
        # The Medicare card has no score of 0 to 100, only stars.
        parts.append(_card_domains(named.mutate(none=_NO_SCORE), "none", "medicare_summary_stars", 5))
    return _together(parts)


def _quality_domains(domains: ir.Table) -> ir.Table:
    named = domains.filter(_.domain_id.notnull())
    has_score = named.status.isin(_HAS_SCORE)
    weight = money.in_units(ibis.ifelse(has_score, named.domain_weight, ibis.literal(0).cast("decimal(4, 2)")), 2)
    total = weight.sum().over(ibis.window(group_by=KEYS)).cast("decimal(38, 0)").cast("int64")
    named = named.mutate(share=money.divide_half_up(weight, total))
    weighted = money.exact(named.domain_score.cast("decimal(23, 12)") * named.share.cast("decimal(13, 12)"), 18, 12)
    has_share = named.status.isin(_HAS_SCORE)
    return named.select(
        *_DOMAIN_KEYS,
        points=_NO_POINTS,
        maximum_points=_NO_POINTS,
        score=named.domain_score.cast("decimal(18, 12)"),
        weight=ibis.ifelse(has_share, named.share, _NO_SCORE),
        weighted_score=ibis.ifelse(has_share, weighted, _NO_SCORE),
    )


def _card_domains(rows: ir.Table, score: str, stars: str, most: int) -> ir.Table:
    has_score = rows.status.isin(_HAS_SCORE)
    return rows.select(
        *_DOMAIN_KEYS,
        points=ibis.ifelse(has_score, rows[stars].cast("decimal(18, 4)"), _NO_POINTS),
        maximum_points=ibis.literal(most).cast("decimal(18, 4)"),
        score=ibis.ifelse(has_score, rows[score].cast("decimal(18, 12)"), _NO_SCORE),
        weight=_NO_SCORE,
        weighted_score=_NO_SCORE,
    )


def provider_result(composites: ir.Table) -> ir.Table:
    """The quality composite as the hub's ``provider_result``."""
    ranked = composites.mutate(rank=ranks.rank_from_best(_.quality_composite, ["scenario_id"]))
    same = ibis.window(group_by=["scenario_id"])
    scored = ranked.quality_composite.count().over(same)
    # At the rank r and its ties, all but r - 1 and those ahead have at most this score.
    share = money.divide_half_up(scored - ranked["rank"] + 1, scored)
    return ranked.select(
        *KEYS,
        "rank",
        "status",
        "status_reason",
        provider_name=ibis.null("string"),
        peer_group=ibis.null("string"),
        score=_.quality_composite.cast("decimal(18, 12)"),
        percentile=money.exact(share, 18, 10),
    )


def payment_result(organizations: ir.Table) -> ir.Table:
    """The incentive of each plan and the net of all as the hub's ``payment_result``."""
    is_earned = organizations.distribution == EARNED
    base = ibis.ifelse(
        is_earned,
        money.exact(organizations.shared_savings_amount, 18, 2),
        organizations.incentive_budget.cast(amounts.CENTS),
    )
    of_budget = money.divide_half_up(
        money.in_units(organizations.incentive_payment, 2), money.in_units(organizations.incentive_budget, 2)
    )
    nothing = ibis.literal(0).cast(money.SCORE_TYPE)
    multiplier = ibis.cases(
        (organizations.is_eligible, organizations.quality_multiplier),
        (~organizations.is_eligible, nothing),
        else_=ibis.null(money.SCORE_TYPE),
    )
    capped = organizations.quality_composite > organizations.gold_standard
    parts = organizations.select(
        *KEYS,
        "status",
        "status_reason",
        component_id=ibis.literal("incentive.") + organizations.domain_id,
        base_amount=base,
        currency=ibis.literal("USD"),
        rate=money.exact(ibis.ifelse(is_earned, multiplier, of_budget), 18, 16),
        amount=organizations.incentive_payment,
        is_cap_applied=(capped & organizations.is_eligible).fill_null(False),  # noqa: FBT003
        factor=_NO_RATE,
    )
    columns = list(parts.columns)
    net = _net(parts).select(columns)
    return ibis.union(parts.mutate(amount=parts.amount.cast("decimal(28, 10)")).select(columns), net)


def _net(parts: ir.Table) -> ir.Table:
    """Add up what the plans pay an organization; not known as soon as one of them is not."""
    total = parts.mutate(total=amounts.sum_if_all_known("amount", ibis.window(group_by=KEYS)))
    sums = total.group_by(*KEYS).agg(
        amount=_.total.max(),
        is_cap_applied=_.is_cap_applied.any(),
        is_unverified=(_.status == "unverified").any(),
    )
    is_known = sums.amount.notnull()
    return sums.mutate(
        component_id=ibis.literal("net"),
        base_amount=ibis.null(amounts.CENTS),
        currency=ibis.literal("USD"),
        rate=ibis.null("decimal(18, 16)"),
        amount=sums.amount.cast("decimal(28, 10)"),
        factor=_NO_RATE,
        status=ibis.cases((~is_known, "not_determinable"), (sums.is_unverified, "unverified"), else_="scored"),
        status_reason=ibis.cases(
            (~is_known, "the incentive of a plan is not determinable"),
            (sums.is_unverified, "see the plans"),
            else_=ibis.null("string"),
        ),
    )


def _together(parts: Sequence[ir.Table]) -> ir.Table:
    columns = list(parts[0].columns)
    return ibis.union(*(part.select(columns) for part in parts)) if len(parts) > 1 else parts[0]
