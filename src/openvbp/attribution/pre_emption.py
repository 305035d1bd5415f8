"""Statements that come before claims: the person's own, or the payer's list."""

from __future__ import annotations

from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.attribution.pools import Pools
from openvbp.attribution.rule import PreEmption, Rule, Unit

_ON_THE_LIST: dict[Unit, str] = {
    "npi": "payer_attributed_provider",
    "tin": "payer_attributed_provider_practice",
    "organization": "payer_attributed_provider_organization",
}


def stated_units(rule: Rule, pools: Pools) -> ir.Table | None:
    """Give the units that were stated.

    Returns
    -------
    One row per person with a statement that names a unit of the rule's kind: ``person_id``, ``stated_unit_id``,
    ``stated_from``, ``stated_until`` (within the period); none where the rule knows no statements.

    Raises
    ------
    InputDataError
        If a table is absent.

    Source: 42 CFR 425.402(e) for attestation.
    """
    tables = [
        (_attested if one.source == "attestation" else _listed)(rule, pools, one, rank)
        for rank, one in enumerate(rule.pre_emption)
        # Without a table of attestations nobody has attested anything.
        if one.source != "attestation" or pools.events.attestation is not None
    ]
    if not tables:
        return None
    all_of_them = tables[0] if len(tables) == 1 else ibis.union(*tables, distinct=False)
    order = ["rank", ibis.desc("stated_from"), "stated_unit_id"]
    first = ibis.row_number().over(group_by="person_id", order_by=order)
    chosen = all_of_them.mutate(place=first).filter(_.place == 0).drop("place", "rank")
    return pools.kept(("stated", rule.pre_emption, rule.unit), chosen)


def _day(pools: Pools, terms: PreEmption) -> date:
    return pools.period.start if terms.at == "first_day" else pools.period.end


def _attested(rule: Rule, pools: Pools, terms: PreEmption, rank: int) -> ir.Table:
    day = _day(pools, terms)
    rows = pools.events.demand("attestation", rule)
    rows = rows.filter(_.start_date <= day, _.end_date.isnull() | (_.end_date >= day))
    if rule.unit == "organization":
        # A clinician of a participant stands for the organization.
        listed = pools.participants(rule).filter(_.tin.notnull())
        by_tin = listed.group_by("tin").agg(by_tin=_.organization_id.min(), several=_.organization_id.nunique())
        rows = rows.left_join(by_tin.filter(_.several == 1).drop("several"), "tin").drop("tin_right")
        unit = ibis.coalesce(rows.organization_id, rows.by_tin)
    elif rule.unit == "tin_npi":
        unit = rows.tin + "/" + rows.npi
    else:
        unit = rows[rule.unit]
    return rows.select(
        "person_id",
        stated_unit_id=unit,
        stated_from=ibis.greatest(_.start_date, ibis.literal(pools.period.start)),
        # The least of a date and nothing is the date.
        stated_until=ibis.least(_.end_date, ibis.literal(pools.period.end)),
        rank=ibis.literal(rank, "int64"),
    ).filter(_.stated_unit_id.notnull())


def _listed(rule: Rule, pools: Pools, terms: PreEmption, rank: int) -> ir.Table:
    day = _day(pools, terms)
    rows = pools.events.demand("provider_attribution", rule)
    rows = rows.filter(_.year_month == day.year * 100 + day.month, _[_ON_THE_LIST[rule.unit]].notnull())
    return rows.select(
        "person_id",
        stated_unit_id=_[_ON_THE_LIST[rule.unit]],
        stated_from=ibis.literal(pools.period.start),
        stated_until=ibis.literal(pools.period.end),
        rank=ibis.literal(rank, "int64"),
    )
