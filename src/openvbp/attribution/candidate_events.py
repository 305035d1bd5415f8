"""Candidate events: pairs of services that show a primary care relation, and the time they make a practice answer for.

Source: total per capita cost measure, as described for the 2022 performance year. Counted in days, not in blocks of
four weeks; its exclusions of specialties and of clinicians by their procedures are not modelled.
"""

from __future__ import annotations

from datetime import timedelta

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.attribution.pools import Pools
from openvbp.attribution.rule import CandidateEvents, Rule
from openvbp.attribution.rule_files import specialties_in_force
from openvbp.money import divide_half_up


def candidate_event_units(rule: Rule, pools: Pools) -> ir.Table:
    """Find the practices, and the clinician in each, that answer for a person.

    A visit is a candidate event if another primary care service, by anyone, lies within a few days, or the same
    practice gives a further one soon after. It opens a risk window for the practice (TIN). Within the practice the
    clinician with most candidate events answers, then the one with the latest, then by number.

    Returns
    -------
    One row per person × TIN with days of a risk window in the period: ``unit_id`` (TIN/NPI), ``signal`` (candidate
    events of the clinician), ``share`` of those of the TIN, ``weight`` (days at risk over days of the period).
    """
    terms = rule.candidate_events
    assert terms is not None  # noqa: S101 (the caller asked)
    events = pools.kept(("candidate_events", rule.rule), _events(rule, pools, terms))
    by_clinician = events.group_by("person_id", "tin", "npi").agg(
        signal=_.count().cast("int64"), last_date=_.service_date.max()
    )
    within = ibis.window(group_by=["person_id", "tin"])
    ordered = ibis.window(
        group_by=["person_id", "tin"], order_by=[ibis.desc("signal"), ibis.desc("last_date"), ibis.asc("npi")]
    )
    ranked = by_clinician.mutate(
        place=ibis.row_number().over(ordered),
        runner_up_npi=_.npi.lead().over(ordered),
        runner_up_signal=_.signal.lead().over(ordered),
        total=_.signal.sum().over(within).cast("decimal(38, 0)").cast("int64"),
    ).filter(_.place == 0)
    joined = ranked.join(_days_at_risk(events, pools, terms), ["person_id", "tin"])
    period_days = (pools.period.end - pools.period.start).days + 1
    return joined.select(
        "person_id",
        "signal",
        unit_id=_.tin + "/" + _.npi,
        step=ibis.literal(1, "int64"),
        share=divide_half_up(_.signal, _.total),
        runner_up_unit_id=_.tin + "/" + _.runner_up_npi,
        margin=_.signal - _.runner_up_signal,
        weight=divide_half_up(_.days, ibis.literal(period_days, "int64")).cast("decimal(18, 12)"),
        failure=ibis.null("string"),
    )


def _events(rule: Rule, pools: Pools, terms: CandidateEvents) -> ir.Table:
    """One row per candidate event: person, TIN, NPI, day."""
    pool = rule.pools[rule.steps[0].pool]
    visit, other = (1 << pools.number(rule, lists) for lists in (pool.services, terms.other_services))
    opens = _.service_date.between(pools.period.start - timedelta(days=terms.risk_days - 1), pools.period.end)
    opens = opens & ((_.selections & visit) > 0)
    if pool.clinicians:
        clinicians = sorted(specialties_in_force(rule, pool.clinicians, pools.year))
        opens = opens & _.specialty_code.isin(clinicians).fill_null(False)  # noqa: FBT003
    done = pools.service_days.filter(_.npi.notnull(), _.tin.notnull(), _.done, (_.selections & (visit | other)) > 0)
    services = (
        done.mutate(opens=opens, is_other=(_.selections & other) > 0)
        .group_by("person_id", "tin", "npi", "service_date")
        .agg(opens=_.opens.max(), has_other=_.is_other.max())
        .mutate(day=_.service_date.delta(ibis.date(1970, 1, 1), unit="day"))
    )
    # The nearest other services stand next to a visit in the order of days.
    in_time = ibis.window(group_by="person_id", order_by=["day", "tin", "npi"])
    since, until = _.day - _.day.lag().over(in_time), _.day.lead().over(in_time) - _.day
    afterwards = ibis.window(group_by=["person_id", "tin"], order_by="day", range=(1, terms.days_again))
    looked_at = services.mutate(since=since, until=until, again=_.day.count().over(afterwards))
    around = terms.days_around
    is_near = _.has_other | (_.since <= around).fill_null(False) | (_.until <= around).fill_null(False)  # noqa: FBT003
    return looked_at.filter(_.opens, is_near | (_.again > 0)).select("person_id", "tin", "npi", "service_date")


def _days_at_risk(events: ir.Table, pools: Pools, terms: CandidateEvents) -> ir.Table:
    """Days of the period in some risk window of a practice; windows are equally long, so each ends the last."""
    opened = events.select("person_id", "tin", "service_date").distinct()
    ordered = ibis.window(group_by=["person_id", "tin"], order_by="service_date")
    spans = opened.mutate(next_date=_.service_date.lead().over(ordered)).mutate(
        from_day=ibis.greatest(_.service_date, ibis.literal(pools.period.start)),
        to_day=ibis.least(
            (_.service_date + ibis.interval(days=terms.risk_days - 1)).cast("date"),
            (_.next_date - ibis.interval(days=1)).cast("date"),
            ibis.literal(pools.period.end),
        ),
    )
    days = spans.to_day.delta(spans.from_day, unit="day") + 1
    at_risk = spans.mutate(days=ibis.greatest(days, 0))
    return (
        at_risk.group_by("person_id", "tin")
        .agg(days=_.days.sum().cast("decimal(18, 0)").cast("int64"))
        .filter(_.days > 0)
    )
