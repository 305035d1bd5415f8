"""Who can be assigned."""

from __future__ import annotations

from datetime import date

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.attribution.rule import Population

# States, the federal district and the territories.
_UNITED_STATES = frozenset(
    (
        *("AL", "AK", "AZ", "AR", "CA", "CO", "CT", "DE", "DC", "FL", "GA", "HI", "ID", "IL", "IN", "IA", "KS", "KY"),
        *("LA", "ME", "MD", "MA", "MI", "MN", "MS", "MO", "MT", "NE", "NV", "NH", "NJ", "NM", "NY", "NC", "ND", "OH"),
        *("OK", "OR", "PA", "RI", "SC", "SD", "TN", "TX", "UT", "VT", "VA", "WA", "WV", "WI", "WY"),
        *("AS", "GU", "MP", "PR", "VI"),
    )
)


MONTH_COLUMNS = (
    "person_id",
    "year_month",
    "is_alive",
    "has_part_a",
    "has_part_b",
    "has_managed_care",
    "is_in_other_shared_savings_initiative",
    "state",
)
"""Columns of months of enrolment that are looked at."""


def eligible_persons(person_month: ir.Table, terms: Population, first: date, last: date) -> ir.Table:
    """Say of every person whether a rule may assign him.

    Parameters
    ----------
    person_month
        Months of enrolment (:func:`openvbp.claims.person_months.person_months`).
    terms
        Conditions of the rule.
    first, last
        First and last day of the rule's population window.

    Returns
    -------
    One row per person of ``person_month``: ``person_id``, ``is_eligible``, ``detail`` (why not). Months after death do
    not count; a residence that is not given is taken to be in the country.

    Source: 42 CFR 425.401(a) for the conditions that Medicare sets.
    """
    in_window = (_.year_month >= _year_month(first)) & (_.year_month <= _year_month(last)) & _.is_alive
    has_both = _.has_part_a & _.has_part_b
    is_abroad = _.state.notnull() & ~_.state.upper().isin(sorted(_UNITED_STATES))
    persons = (
        person_month.mutate(counts=in_window)
        .group_by("person_id")
        .agg(
            months=ibis.ifelse(_.counts, _.year_month, None).nunique(),
            months_with_both=ibis.ifelse(_.counts & has_both, _.year_month, None).nunique(),
            has_one_part_only=(_.counts & (_.has_part_a != _.has_part_b)).max(),
            has_managed_care=(_.counts & _.has_managed_care).max(),
            is_abroad=(_.counts & is_abroad).max(),
            is_elsewhere=(_.counts & _.is_in_other_shared_savings_initiative).max(),
        )
    )
    why = [(_.months < terms.minimum_months, "not_enrolled")]
    if terms.minimum_months_with_both_parts:
        why.append((_.months_with_both < terms.minimum_months_with_both_parts, "without_both_parts"))
    if terms.no_month_with_one_part_only:
        why.append((_.has_one_part_only, "month_with_one_part_only"))
    if terms.no_managed_care_month:
        why.append((_.has_managed_care, "managed_care"))
    if terms.resident_in_united_states:
        why.append((_.is_abroad, "not_resident"))
    if terms.no_other_shared_savings_initiative:
        why.append((_.is_elsewhere, "other_shared_savings_initiative"))
    detail = ibis.cases(*why, else_=ibis.null("string"))
    return persons.mutate(detail=detail).select("person_id", "detail", is_eligible=_.detail.isnull())


def _year_month(day: date) -> int:
    return day.year * 100 + day.month
