"""Persons and their visits, as attribution is judged by: who a person is, and whom he sees."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.attribution.events import Events
from openvbp.attribution.rule import Rule
from openvbp.attribution.service_days import days_of_selection, selection, service_days
from openvbp.engine import Engine
from openvbp.money import whole_sum
from openvbp.periods import Period

VISITS = "ambulatory_visit"
"""The service list of visits."""
_MOST_DEPRIVED = 81
"""Lowest national percentile of the most deprived fifth of neighbourhoods."""


def contacts(engine: Engine, events: Events, rule: Rule, period: Period) -> ir.Table:
    """Gather the ambulatory visits of a period.

    Parameters
    ----------
    engine
        Where to compute; the result is kept.
    events
        Service lines.
    rule
        Any rule; where it has an own list of ambulatory visits, that one is used.
    period
        Days that count.

    Returns
    -------
    One row per person × ``npi`` × ``tin`` × ``service_date`` with a visit: ``allowed`` in cents.
    """
    chosen = selection(rule, (VISITS,), period.end.year)
    days = service_days(engine, events, [chosen], period.start, period.end, f"contacts_{period.label}")
    done = days_of_selection(days, 0).filter(_.done, _.npi.notnull())
    visits = done.group_by("person_id", "npi", "tin", "service_date").agg(allowed=whole_sum(_.allowed))
    return engine.compute(visits, f"contacts_{period.label}_visits")


def persons(engine: Engine, person_month: ir.Table, period: Period) -> ir.Table:
    """Say of every person enrolled in a period who he is.

    Parameters
    ----------
    engine
        Where to compute; the result is kept.
    person_month
        Months of enrolment.
    period
        Months that count; those after death do not.

    Returns
    -------
    One row per person: ``months``; ``is_dual``, ``is_end_stage_renal_disease`` (in any month), ``is_rural``,
    ``area_deprivation_index``, ``race``, ``gender``, ``age_years`` and ``county_fips`` of the last month;
    ``last_year_month``; ``strata``, the names of the groups that he belongs to.
    """
    first, last = (day.year * 100 + day.month for day in (period.start, period.end))
    inside = person_month.filter(_.year_month.between(first, last), _.is_alive)
    latest = ibis.row_number().over(group_by="person_id", order_by=[ibis.desc("year_month"), "payer"])
    placed = inside.mutate(place=latest)
    of_last = {
        name: placed[name].max(where=placed.place == 0)
        for name in ("is_rural", "area_deprivation_index", "race", "gender", "age_years", "county_fips")
    }
    whole = placed.group_by("person_id").agg(
        months=_.year_month.nunique(),
        last_year_month=_.year_month.max(),
        is_dual=_.is_dual.max(),
        is_end_stage_renal_disease=_.is_end_stage_renal_disease.max(),
        **of_last,
    )
    most_deprived = whole.area_deprivation_index >= _MOST_DEPRIVED
    strata = ibis.array(
        [
            ibis.literal("all"),
            ibis.ifelse(whole.is_dual, "dual", "not dual"),
            _one_of(most_deprived, "most deprived fifth", "other neighbourhoods"),
            _one_of(whole.is_rural, "rural", "urban"),
            ibis.ifelse(whole.race.notnull(), "race: " + whole.race, ""),
        ]
    )
    return engine.compute(whole.mutate(strata=strata), f"persons_{period.label}")


def _one_of(condition: ir.BooleanValue, yes: str, no: str) -> ir.StringValue:
    return ibis.cases((condition.isnull(), ""), (condition, yes), else_=no)
