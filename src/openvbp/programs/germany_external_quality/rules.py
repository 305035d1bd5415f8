"""The rules in order: hospital indicators and their reference ranges, structured dialogue, documentation fees.

Grains: scenario × site × indicator, then scenario × physician × programme × documentation type. Nothing is paid for
quality.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal, localcontext

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.rules import rule
from openvbp.scoring import percentiles

PROBABILITY_DECIMALS = 10
AMOUNT_TYPE = "decimal(28, 10)"
_REFERENCE = "QSKH-RL, section 10(6)"
_BQS = "BQS, Qualitätsreport 2008, Methoden: Referenzbereiche"
_NEGLIGIBLE = Decimal("1e-40")


@rule(_REFERENCE, gives="indicator_rate", unit="rate", inputs=("observed", "cases"))
def indicator_rate(results: ir.Table) -> ir.Table:
    """Divide the events (or the cases treated as asked) by all cases of the indicator."""
    return results.mutate(indicator_rate=money.divide_half_up(_.observed, _.cases))


@rule(
    _BQS,
    gives="range_limit",
    unit="rate",
    inputs=("indicator_rate", "reference_limit", "reference_percentile"),
)
def range_limit(results: ir.Table) -> ir.Table:
    """Take the fixed value, the percentile of the rates of all sites, or zero for a sentinel event."""
    ranked = percentiles.with_doubled_percentile(
        results,
        "doubled_percentile",
        value=money.in_units(results.indicator_rate, money.SCORE_DECIMALS),
        share=money.in_units(results.reference_percentile, percentiles.SHARE_DECIMALS),
        group=["scenario_id", "measure_id"],
        tie_breaker=["provider_id"],
    )
    percentile = money.from_units(
        money.round_half_up_quotient(ranked.doubled_percentile, ibis.literal(2)), money.SCORE_DECIMALS
    )
    limit = ibis.cases(
        (ranked.reference_kind == "fixed", ranked.reference_limit.cast(money.SCORE_TYPE)),
        (ranked.reference_kind == "percentile", percentile.cast(money.SCORE_TYPE)),
        (ranked.reference_kind == "sentinel", ibis.literal(0).cast(money.SCORE_TYPE)),
        else_=ibis.null(money.SCORE_TYPE),
    )
    return ranked.mutate(range_limit=limit).drop("doubled_percentile")


@rule(
    _REFERENCE,
    gives="is_conspicuous",
    unit="flag",
    inputs=("indicator_rate", "range_limit", "is_lower_better"),
)
def is_conspicuous(results: ir.Table) -> ir.Table:
    """Find results outside the reference range; neither a confidence interval nor the number of cases counts."""
    outside = ibis.ifelse(_.is_lower_better, _.indicator_rate > _.range_limit, _.indicator_rate < _.range_limit)
    return results.mutate(is_conspicuous=outside)


@rule(
    "Exact binomial distribution; not part of the QSKH-RL",
    gives="chance_probability",
    unit="ratio",
    inputs=("is_conspicuous", "observed", "cases", "range_limit", "is_lower_better"),
)
def chance_probability(observed: int, cases: int, limit: Decimal, is_lower_better: bool) -> Decimal:  # noqa: FBT001
    """Say how likely chance alone gives a result at least as bad at a site whose true rate is the limit itself.

    For events that are better rare: at least so many; for cases better treated as asked: at most so many. Ten decimals,
    rounded half up. There is none for sentinel events, each of which is looked into.
    """
    with localcontext(prec=60):
        # At most so many of one kind are at least so many of the other.
        number, share = (observed, limit) if is_lower_better else (cases - observed, 1 - limit)
        probability = min(_at_least(number, cases, share), Decimal(1))
        return probability.quantize(Decimal(1).scaleb(-PROBABILITY_DECIMALS), ROUND_HALF_UP)


def _at_least(number: int, cases: int, share: Decimal) -> Decimal:
    """Probability of ``number`` or more of ``cases``; summed upwards, where terms of a conspicuous result fall."""
    if number <= 0:
        return Decimal(1)
    if share == 0 or share == 1:
        return share
    term = Decimal(math.comb(cases, number)) * share**number * (1 - share) ** (cases - number)
    odds = share / (1 - share)
    total = Decimal(0)
    while number <= cases and (term > _NEGLIGIBLE * total or number <= cases * share):
        total += term
        term = term * (cases - number) / (number + 1) * odds
        number += 1
    return total


@rule(
    "Qb-R, as IQTIG describes it",
    gives="is_masked",
    unit="flag",
    inputs=("observed", "cases", "smallest_reported_count", "is_event_count_masked"),
)
def is_masked(results: ir.Table) -> ir.Table:
    """Keep back every value of a result with 1 to 3 cases, or 1 to 3 events."""
    few_cases = (_.cases > 0) & (_.cases < _.smallest_reported_count)
    few_events = (_.observed > 0) & (_.observed < _.smallest_reported_count) & _.is_event_count_masked
    return results.mutate(is_masked=few_cases | few_events)


@rule(
    "QSKH-RL, structured dialogue",
    gives="has_qualitative_concern",
    unit="flag",
    inputs=("is_conspicuous",),
)
def has_qualitative_concern(results: ir.Table) -> ir.Table:
    """Take from the structured dialogue whether a conspicuous result is one of quality; unknown while it is open."""
    concern = ibis.cases(
        (~_.is_conspicuous, ibis.literal(False)),  # noqa: FBT003
        (_.is_conspicuous & (_.assessment == "qualitative_concern"), ibis.literal(True)),  # noqa: FBT003
        (_.is_conspicuous & (_.assessment == "no_concern"), ibis.literal(False)),  # noqa: FBT003
        else_=ibis.null("boolean"),
    )
    return results.mutate(has_qualitative_concern=concern)


# --- Disease management programmes: flat fees ----------------------------------------------------------


@rule(
    "Contracts on disease management programmes, SGB V section 137f",
    gives="paid_documentations",
    unit="count",
    inputs=("documentations", "enrolled_patients", "maximum_documentations"),
)
def paid_documentations(documentations: ir.Table) -> ir.Table:
    """Count the accepted documentations, at most so many per enrolled patient as the contract pays."""
    most = _.enrolled_patients * _.maximum_documentations
    return documentations.mutate(paid_documentations=ibis.ifelse(_.documentations > most, most, _.documentations))


@rule(
    "Contracts on disease management programmes, SGB V section 137f",
    gives="documentation_amount",
    unit="eur",
    inputs=("paid_documentations", "documentation_fee"),
)
def documentation_amount(documentations: ir.Table) -> ir.Table:
    """Multiply by the flat fee; no result of treatment changes it."""
    amount = _.documentation_fee.cast("decimal(9, 2)") * _.paid_documentations.cast("decimal(22, 2)")
    return documentations.mutate(documentation_amount=money.exact(amount, 28, 10))
