"""Claims grouped into encounters: contacts of a person with one provider, told apart by kind of care."""

from __future__ import annotations

import csv
import functools
from importlib.resources import files

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.islands import number_islands

EMERGENCY = "emergency_department"
_BY = ("person_id", "payer", "place", "provider")
_ENCOUNTER = {
    "encounter_id": _.claim_id.min(),
    "end_date": _.end_date.max(),
    "claim_count": _.claim_id.count(),
    "paid_amount": _.paid_amount.sum().cast("decimal(18, 2)"),
    "allowed_amount": _.allowed_amount.sum().cast("decimal(18, 2)"),
}


@functools.cache
def _types() -> list[dict[str, str]]:
    text = files("openvbp.claims").joinpath("encounter_types.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def encounters(lines: ir.Table) -> ir.Table:
    """Group service lines into encounters; each line belongs to exactly one.

    A claim is of the first kind in ``encounter_types.csv`` that one of its lines fits. Claims of one person, kind and
    provider on one day are one encounter; where care goes on (inpatient, nursing, home health, hospice), so are those
    that follow each other without a day between.

    Parameters
    ----------
    lines
        Service lines (:func:`openvbp.claims.service_lines.service_lines`).

    Returns
    -------
    One row per encounter: ``encounter_id`` (its first claim), ``encounter_type``, ``person_id``, ``payer``,
    ``provider`` (facility's certification number or NPI, else the rendering or billing NPI), ``start_date``,
    ``end_date``, ``claim_count``, ``paid_amount`` and ``allowed_amount`` in US dollars.
    """
    place = ibis.cases(*((_fits(lines, kind), order) for order, kind in enumerate(_types())), else_=len(_types()))
    facility = ibis.coalesce(lines.facility_ccn, lines.facility_npi, lines.billing_npi, lines.rendering_npi)
    clinician = ibis.coalesce(lines.rendering_npi, lines.billing_npi)
    claims = (
        lines.mutate(
            place=place, provider=ibis.ifelse(lines.claim_type == "institutional", facility, clinician).fill_null("")
        )
        .group_by("claim_id", "data_source", "person_id", "payer")
        .agg(
            place=_.place.min(),
            provider=_.provider.max(),
            start_date=_.service_date.min(),
            end_date=ibis.greatest(_.service_end_date.max(), _.service_date.max()),
            paid_amount=_.paid_amount.sum().cast("decimal(18, 2)"),
            allowed_amount=_.allowed_amount.sum().cast("decimal(18, 2)"),
        )
    )
    continuous = [order for order, kind in enumerate(_types()) if kind["is_continuous"] == "yes"]
    goes_on = claims.filter(_.place.isin(continuous))
    numbered = number_islands(
        goes_on.mutate(reaches=(_.end_date + ibis.interval(days=1)).cast("timestamp").cast("date")),
        by=_BY,
        start="start_date",
        end="reaches",
        tie=("claim_id", "data_source"),
        gap_days=0,
        name="encounter",
    )
    # Care of single days is apart unless it begins on the same day.
    single = claims.filter(~_.place.isin(continuous)).group_by(*_BY, "start_date").agg(**_ENCOUNTER)
    several = numbered.group_by(*_BY, "encounter").agg(start_date=_.start_date.min(), **_ENCOUNTER).drop("encounter")
    names = ibis.cases(*((_.place == order, kind["encounter_type"]) for order, kind in enumerate(_types())))
    return ibis.union(several, single.select(several.columns)).mutate(encounter_type=names).drop("place")


def _fits(lines: ir.Table, kind: dict[str, str]) -> ir.BooleanValue:
    fits = lines.claim_type == kind["claim_type"]
    if kind["bill_type_prefixes"]:
        fits = fits & lines.bill_type_code.substr(0, 2).isin(kind["bill_type_prefixes"].split())
    if kind["revenue_centers"]:
        fits = fits & lines.revenue_center_code.isin(kind["revenue_centers"].split())
    if kind["places_of_service"]:
        fits = fits & lines.place_of_service_code.isin(kind["places_of_service"].split())
    return fits.fill_null(False)  # noqa: FBT003


def emergency_visits(lines: ir.Table, stays: ir.Table) -> ir.Table:
    """Find the visits to emergency departments and say which led to hospital.

    Parameters
    ----------
    lines
        Service lines.
    stays
        Acute stays (:func:`openvbp.claims.stays.stays`).

    Returns
    -------
    One row per person × day: ``person_id``, ``visit_date``, ``leads_to_hospital`` (a stay of the person begins on that
    day or the next, or emergency care stands on the hospital's inpatient claim). Facility lines count (revenue centres
    of the emergency department); clinicians' lines alone do not.
    """
    centers = next(kind for kind in _types() if kind["encounter_type"] == EMERGENCY)["revenue_centers"].split()
    visits = (
        lines.filter(_.claim_type == "institutional", _.revenue_center_code.isin(centers), _.is_utilization)
        .mutate(visit_date=ibis.coalesce(_.admission_date, _.service_date))
        .group_by("person_id", "visit_date")
        .agg(
            is_inpatient_claim=_.bill_type_code.startswith("11").fill_null(False).max(),  # noqa: FBT003
        )
    )
    admitted = stays.select("person_id", "admission_date").distinct()
    same = visits.join(admitted, "person_id").filter(_.admission_date.delta(_.visit_date, unit="day").between(0, 1))
    led = same.select("person_id", "visit_date").distinct().mutate(leads=True)
    return visits.left_join(led, ["person_id", "visit_date"]).select(
        "person_id",
        "visit_date",
        leads_to_hospital=_.is_inpatient_claim | _.leads.fill_null(False),  # noqa: FBT003
    )
