"""Who was enrolled in which month: one row per person, payer and month."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.islands import number_islands

if TYPE_CHECKING:
    from openvbp.periods import Period

_FULL_DUAL = ("02", "04", "08")
_PARTIAL_DUAL = ("01", "03", "05", "06")
_END_STAGE_RENAL_DISEASE = ("11", "21", "31")


def person_months(eligibility: ir.Table, period: Period) -> ir.Table:
    """Spread enrolment spans over the months of a period.

    Parameters
    ----------
    eligibility
        Table ``eligibility`` of the input contract.
    period
        Months outside are left out.

    Returns
    -------
    One row per person × payer × month with at least one day of enrolment: ``person_id``, ``payer``, ``plan``,
    ``year_month``; ``covered_days``; ``has_part_a``, ``has_part_b``, ``has_managed_care``,
    ``is_in_other_shared_savings_initiative`` (as stated, else entitled to both parts and in nothing else);
    ``medicare_status_code``, ``dual_status_code``, ``is_dual``, ``is_end_stage_renal_disease``, ``is_disabled``,
    ``is_institutional``, ``is_hospice``; ``gender``, ``race``, ``state``, ``county_fips``, ``area_deprivation_index``,
    ``is_rural``; ``age_years`` on the first day of the month; ``is_alive`` on that day. Where spans of one payer share
    a month, the one with most days in it counts, then the later one, then by plan: two plans never make two months.
    """
    first, last = _month(period.start), _month(period.end)
    spans = eligibility.mutate(
        first=ibis.greatest(_month_of(_.enrollment_start_date), first),
        last=ibis.least(_month_of(_.enrollment_end_date), last),
    ).filter(_["first"] <= _["last"])
    months = spans.mutate(month=ibis.range(spans["first"], spans["last"] + 1).unnest())
    months = months.mutate(first_day=_first_day(months.month), next_first_day=_first_day(months.month + 1))
    days = months.mutate(
        covered_days=ibis.least(
            _.enrollment_end_date.delta(_.first_day, unit="day") + 1,
            _.next_first_day.delta(_.first_day, unit="day"),
        )
        - ibis.greatest(_.enrollment_start_date.delta(_.first_day, unit="day"), 0)
    )
    order = [ibis.desc("covered_days"), ibis.desc("enrollment_start_date"), "plan", "data_source"]
    winner = ibis.row_number().over(group_by=["person_id", "payer", "month"], order_by=order)
    return (
        days.mutate(place=winner)
        .filter(_.place == 0)
        .select(
            "person_id",
            "payer",
            "plan",
            "covered_days",
            "medicare_status_code",
            "dual_status_code",
            "gender",
            "race",
            "state",
            "county_fips",
            "area_deprivation_index",
            "is_rural",
            year_month=(_.month // 12) * 100 + _.month % 12 + 1,
            has_part_a=_.has_part_a.fill_null(True),  # noqa: FBT003
            has_part_b=_.has_part_b.fill_null(True),  # noqa: FBT003
            has_managed_care=_.has_managed_care.fill_null(False),  # noqa: FBT003
            is_in_other_shared_savings_initiative=_.is_in_other_shared_savings_initiative.fill_null(False),  # noqa: FBT003
            is_dual=_.dual_status_code.isin(_FULL_DUAL + _PARTIAL_DUAL).fill_null(False),  # noqa: FBT003
            is_end_stage_renal_disease=_.medicare_status_code.isin(_END_STAGE_RENAL_DISEASE).fill_null(False),  # noqa: FBT003
            is_disabled=(_.medicare_status_code == "20").fill_null(False),  # noqa: FBT003
            is_institutional=_.long_term_institutional_flag.fill_null(False),  # noqa: FBT003
            is_hospice=_.hospice_flag.fill_null(False),  # noqa: FBT003
            age_years=(_.month - _month_of(_.birth_date) - (_.birth_date.day() > 1).cast("int64")) // 12,
            is_alive=_.death_date.isnull() | (_.death_date >= _.first_day),
        )
    )


def enrollment_spans(eligibility: ir.Table, *, gap_days: int = 0) -> ir.Table:
    """Join enrolment spans that follow each other.

    Parameters
    ----------
    eligibility
        Table ``eligibility`` of the input contract.
    gap_days
        Days without enrolment that do not end a span.

    Returns
    -------
    One row per person × payer × time without a longer gap: ``person_id``, ``payer``, ``start_date``, ``end_date``.
    """
    numbered = number_islands(
        eligibility.select("person_id", "payer", "plan", "data_source", "enrollment_start_date", "enrollment_end_date"),
        by=("person_id", "payer"),
        start="enrollment_start_date",
        end="enrollment_end_date",
        tie=("plan", "data_source"),
        gap_days=gap_days + 1,
        name="span",
    )
    return (
        numbered.group_by("person_id", "payer", "span")
        .agg(start_date=_.enrollment_start_date.min(), end_date=_.enrollment_end_date.max())
        .drop("span")
    )


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


def _month_of(day: ir.DateValue) -> ir.IntegerValue:
    return (day.year() * 12 + day.month() - 1).cast("int64")


def _first_day(month: ir.IntegerValue) -> ir.DateValue:
    return ibis.date(month // 12, month % 12 + 1, 1)
