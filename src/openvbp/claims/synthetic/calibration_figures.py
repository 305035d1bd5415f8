"""The figures of a calibration report, from the tables of a claims folder."""

from __future__ import annotations

import re
from datetime import timedelta

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.claims.person_months import person_months
from openvbp.claims.service_lines import service_lines
from openvbp.claims.synthetic.settings import rows
from openvbp.claims.tables import ClaimsData
from openvbp.engine import Engine
from openvbp.periods import Period

_PRIMARY_CARE = ("01", "08", "11", "37", "38")
_NON_PHYSICIANS = ("50", "89", "97")
_NOT_DOCTORS = ("69", "54", "59", "35")
"""Laboratories, suppliers, ambulances, chiropractors."""
_VISITS = frozenset(
    [str(code) for span in ((99201, 99216), (99304, 99319), (99324, 99351)) for code in range(*span)]
    + ["G0402", "G0438", "G0439"]
)
_CT = ("74177", "70450", "71250", "71260")
_MRI = ("70553", "72148", "73721")
_REGIONS = 2
"""Regions that are looked at, which is enough: they are drawn alike."""
_NO = ibis.literal(False)  # noqa: FBT003
_MONTHS = 12
_WINDOW = 30
"""Days."""


def achieved(engine: Engine, data: ClaimsData, period: Period) -> dict[str, float]:
    """Compute the achieved figures by name of target, from the first two regions.

    Rates are per person-year with Parts A and B and without managed care.
    """
    months = engine.compute(_covered_months(data, period), "calibration_months")
    lines = engine.compute(_classified(service_lines(_sampled(data, "medical_claim")), months), "calibration_lines")
    found = _people(engine, months)
    years = found.pop("person_years")
    found |= _use_and_money(engine, lines, years)
    found |= _nursing(engine, lines, years)
    found |= _by_person_year(engine, lines, months)
    found |= _outcomes(engine, data, lines, months, period, years)
    found |= _conditions(engine, data, months)
    found |= _attribution(engine, lines, months)
    drugs = _sampled(data, "pharmacy_claim").semi_join(months, "person_id").count()
    found["drug_claims"] = _one(engine, drugs.as_table())["n"] / years
    return found


def _sampled(data: ClaimsData, name: str) -> ir.Table:
    return data.table(name).filter(_.person_id < f"S{_REGIONS:04d}")


def _one(engine: Engine, expression: ir.Table) -> dict[str, float]:
    renamed = expression.rename({"n": expression.columns[0]}) if len(expression.columns) == 1 else expression
    (row,) = engine.to_arrow(renamed).to_pylist()
    return {name: 0.0 if value is None else float(value) for name, value in row.items()}


def _covered_months(data: ClaimsData, period: Period) -> ir.Table:
    months = person_months(_sampled(data, "eligibility"), period)
    return months.filter(_.has_part_a & _.has_part_b & ~_.has_managed_care & _.is_alive).mutate(
        year=_.year_month // 100,
        person_class=ibis.cases(
            (_.is_end_stage_renal_disease, "esrd"),
            (_.is_disabled, "disabled"),
            (_.is_dual, "aged_dual"),
            else_="aged_other",
        ),
    )


def _classified(lines: ir.Table, months: ir.Table) -> ir.Table:
    """Sort lines into the kinds of the published tables."""
    bill = _.bill_type_code.fill_null("")
    professional = _.claim_type == "professional"
    kind = ibis.cases(
        (bill.startswith("11"), "inpatient"),
        (bill.startswith("21"), "nursing"),
        (bill.startswith("32"), "home_health"),
        (bill.startswith("81"), "hospice"),
        (~professional, "outpatient"),
        (_.rendering_specialty_code == "54", "equipment"),
        (_.rendering_specialty_code == "59", "ambulance"),
        else_="physician",
    )
    number = _.facility_ccn.substr(2, 4)
    specialty = _.rendering_specialty_code
    return lines.semi_join(months, "person_id").select(
        "person_id",
        "service_date",
        "rendering_npi",
        "rendering_tin",
        "paid_amount",
        "is_utilization",
        "admission_date",
        "service_end_date",
        "units",
        year=_.service_date.year(),
        kind=kind,
        is_first_line=_.is_utilization & (_.claim_line_number == 1),
        is_visit=(professional & _.hcpcs_code.isin(sorted(_VISITS)) & _.is_utilization).fill_null(_NO),
        is_primary_care=specialty.isin(_PRIMARY_CARE).fill_null(_NO),
        is_non_physician=specialty.isin(_NON_PHYSICIANS).fill_null(_NO),
        is_doctor=(professional & specialty.notin(_NOT_DOCTORS)).fill_null(_NO),
        is_emergency=((_.revenue_center_code == "0450") & _.is_utilization).fill_null(_NO),
        is_room_line=(_.revenue_center_code == "0120").fill_null(_NO),
        is_center=bill.startswith("71") | bill.startswith("77"),
        is_short_term=(number.between("0001", "0879") | number.between("1300", "1399")).fill_null(_NO),
        is_ct=(professional & _.hcpcs_code.isin(_CT)).fill_null(_NO),
        is_mri=(professional & _.hcpcs_code.isin(_MRI)).fill_null(_NO),
    )


def _people(engine: Engine, months: ir.Table) -> dict[str, float]:
    years = months.count() / _MONTHS
    shares = {
        f"{name}_share": 100 * (_.person_class == name).mean()
        for name in ("esrd", "disabled", "aged_dual", "aged_other")
    }
    found = _one(engine, months.aggregate(person_years=years, **shares))
    persons = months.group_by("person_id", "year").aggregate(age=_.age_years.min(), gender=_.gender.max())
    ages = persons.aggregate(
        under_65=100 * (_.age < 65).mean(),
        from_65_to_74=100 * _.age.between(65, 74).mean(),
        from_75_to_84=100 * _.age.between(75, 84).mean(),
        from_85=100 * (_.age >= 85).mean(),
        female=100 * (_.gender == "female").mean(),
    )
    return found | _one(engine, ages)


def _use_and_money(engine: Engine, lines: ir.Table, years: float) -> dict[str, float]:
    is_inpatient = _.kind == "inpatient"
    per_thousand = lines.aggregate(
        admissions=(_.is_first_line & is_inpatient).sum(),
        short_term_admissions=(_.is_first_line & is_inpatient & _.is_short_term).sum(),
        emergency_visits=_.is_emergency.sum(),
        emergency_visits_admitted=(_.is_emergency & is_inpatient).sum(),
        primary_care_physician_visits=(_.is_visit & _.is_primary_care).sum(),
        non_physician_visits=(_.is_visit & _.is_non_physician).sum(),
        specialist_visits=(_.is_visit & ~_.is_primary_care & ~_.is_non_physician).sum(),
        center_visits=(_.is_center & _.is_utilization).sum(),
        ct=_.is_ct.sum(),
        mri=_.is_mri.sum(),
    )
    found = {name: 1000 * value / years for name, value in _one(engine, per_thousand).items()}
    of_services = ("primary_care_physician_visits", "non_physician_visits", "specialist_visits", "center_visits")
    found["primary_care_services"] = sum(found[name] for name in of_services)
    kinds = ("inpatient", "physician", "outpatient", "nursing", "home_health", "equipment", "hospice", "ambulance")
    per_year = lines.aggregate(
        lines=_.count(),
        outpatient_claims=(_.is_first_line & (_.kind == "outpatient")).sum(),
        carrier_claims=(_.is_first_line & _.kind.isin(("physician", "ambulance"))).sum(),
        total_paid=_.paid_amount.sum(),
        **{f"{kind}_paid": _.paid_amount.sum(where=_.kind == kind) for kind in kinds},
    )
    return found | {name: value / years for name, value in _one(engine, per_year).items()}


def _nursing(engine: Engine, lines: ir.Table, years: float) -> dict[str, float]:
    days = lines.filter(_.kind == "nursing", _.is_utilization)
    stay = days.group_by("person_id", "admission_date").aggregate(
        days=_.units.sum(where=_.is_room_line), paid=_.paid_amount.sum()
    )
    each = _one(engine, stay.aggregate(stays=_.count(), days=_.days.mean(), paid=_.paid.mean()))
    return {
        "nursing_stays": 1000 * each["stays"] / years,
        "nursing_days": each["days"],
        "nursing_paid_per_stay": each["paid"],
    }


def _by_person_year(engine: Engine, lines: ir.Table, months: ir.Table) -> dict[str, float]:
    """Payments of classes of persons, and how they are concentrated."""
    paid = lines.group_by("person_id", "year").aggregate(paid=_.paid_amount.sum())
    persons = months.group_by("person_id", "year").aggregate(months=_.count(), person_class=_.person_class.arbitrary())
    each = engine.compute(
        persons.left_join(paid, ["person_id", "year"]).select(
            "person_id", "year", "months", "person_class", paid=_.paid.fill_null(0).cast("float64")
        ),
        "calibration_person_years",
    )
    classes = each.group_by("person_class").aggregate(value=_.paid.sum() / _.months.sum() * _MONTHS)
    found = {f"{row['person_class']}_paid": float(row["value"]) for row in engine.to_arrow(classes).to_pylist()}
    ranked = each.mutate(rank=ibis.percent_rank().over(ibis.window(order_by=[_.paid.desc(), _.person_id, _.year])))
    tops = ranked.aggregate(
        **{f"top_{top}": 100 * _.paid.sum(where=_["rank"] < top / 100) / _.paid.sum() for top in (1, 5, 10, 20, 50)}
    )
    return found | _one(engine, tops)


def _outcomes(
    engine: Engine, data: ClaimsData, lines: ir.Table, months: ir.Table, period: Period, years: float
) -> dict[str, float]:
    """Deaths and what follows short-term acute stays; a stay that goes on elsewhere by the next day is no end."""
    persons = _sampled(data, "eligibility").group_by("person_id").aggregate(death=_.death_date.max())
    covered = persons.semi_join(months, "person_id")
    deaths = _one(engine, covered.aggregate(deaths=_.death.between(period.start, period.end).sum()))["n"]
    stay = lines.filter(_.is_first_line, _.kind == "inpatient", _.is_short_term)
    per_person = ibis.window(group_by="person_id", order_by=["admission_date", "service_end_date", "paid_amount"])
    in_time = period.end - timedelta(days=_WINDOW)
    each = (
        stay.left_join(persons, "person_id")
        .select("person_id", "admission_date", "service_end_date", "paid_amount", "death")
        .mutate(next_admission=_.admission_date.lead().over(per_person))
        .mutate(
            gap=_.next_admission.delta(_.service_end_date, unit="day"),
            days=_.service_end_date.delta(_.admission_date, unit="day"),
            died=(_.death.delta(_.admission_date, unit="day") <= _WINDOW).fill_null(_NO),
            died_inside=(_.death <= _.service_end_date).fill_null(_NO),
        )
        .filter(_.gap.isnull() | (_.gap > 1))
    )
    returns = (_.gap <= _WINDOW).fill_null(_NO)
    outcome = each.aggregate(
        mortality_30=100 * _.died.mean(where=_.admission_date <= in_time),
        readmission_30=100 * returns.mean(where=(_.service_end_date <= in_time) & ~_.died_inside),
        length_of_stay=_.days.mean(),
    )
    return {"mortality": 100 * deaths / years} | _one(engine, outcome)


def _conditions(engine: Engine, data: ClaimsData, months: ir.Table) -> dict[str, float]:
    """Share of persons covered for (nearly) the whole period whose claims name a condition."""
    declared = [
        {"code": code, "condition": row["condition"], "is_chronic": row["is_chronic"]}
        for row in rows("conditions")
        for code in row["codes"].split()
    ]
    # Acute and combination codes belong to the condition too.
    declared += [{"code": code, "condition": condition, "is_chronic": True} for code, condition in _ALSO.items()]
    codes = engine.table(pa.Table.from_pylist(declared), "calibration_codes")
    spans = months.group_by("person_id").aggregate(months=_.count())
    most = int(_one(engine, spans.aggregate(most=_.months.max()))["n"])
    chosen = engine.compute(spans.filter(_.months >= most - 1), "calibration_sample")
    claims = _sampled(data, "medical_claim").filter(_.claim_line_number == 1).semi_join(chosen, "person_id")
    parts = [
        claims.select("person_id", code=claims[name]).filter(_.code.notnull()).distinct()
        for name in claims.columns
        if re.fullmatch(r"diagnosis_code_[1-8]", name)
    ]
    named = ibis.union(*parts, distinct=True).inner_join(codes, "code")
    named = engine.compute(named.select("person_id", "condition", "is_chronic").distinct(), "calibration_conditions")
    persons = _one(engine, chosen.count().as_table())["n"]
    counts = named.group_by("condition").aggregate(persons=_.count())
    found = {row["condition"]: 100 * row["persons"] / persons for row in engine.to_arrow(counts).to_pylist()}
    each = named.filter(_.is_chronic).group_by("person_id").aggregate(conditions=_.count())
    many = _one(engine, each.aggregate(two=(_.conditions >= 2).sum(), four=(_.conditions >= 4).sum()))
    found["two_conditions"] = 100 * many["two"] / persons
    found["four_conditions"] = 100 * many["four"] / persons
    return found


_ALSO = {"I110": "heart_failure", "I130": "heart_failure"}


def _attribution(engine: Engine, lines: ir.Table, months: ir.Table) -> dict[str, float]:
    """Whom plurality of visits assigns, for how long, and over how many clinicians care is spread."""
    covered = engine.compute(months.group_by("person_id", "year").aggregate(months=_.count()), "calibration_covered")
    visits = engine.compute(
        lines.filter(_.is_visit)
        .group_by("person_id", "year", "rendering_npi")
        .aggregate(
            visits=_.count(),
            last_visit=_.service_date.max(),
            is_primary=(_.is_primary_care | _.is_non_physician).max(),
        ),
        "calibration_visits",
    )
    primary = engine.compute(_plurality(visits.filter(_.is_primary)), "calibration_primary")
    everyone = engine.compute(_plurality(visits), "calibration_everyone")
    total = visits.group_by("person_id", "year").aggregate(total=_.visits.sum())
    joined = covered.left_join(primary, ["person_id", "year"]).select("person_id", "year", "months", "npi", "visits")
    joined = joined.left_join(total, ["person_id", "year"]).select("npi", share=100 * _.visits / _.total)
    assigned = _one(
        engine,
        joined.aggregate(assigned=100 * _.npi.notnull().mean(), visits_with_assigned=_.share.median()),
    )
    doctors = lines.filter(_.is_doctor)
    per_doctor = doctors.group_by("person_id", "year", "rendering_npi").aggregate(
        primary=(_.is_primary_care | _.is_non_physician).max()
    )
    spread = per_doctor.group_by("person_id", "year").aggregate(
        primary=_.primary.cast("int64").sum(), special=(~_.primary).cast("int64").sum()
    )
    places = doctors.group_by("person_id", "year").aggregate(practices=_.rendering_tin.nunique())
    medians = spread.inner_join(places, ["person_id", "year"]).aggregate(
        primary_physicians=_.primary.median(), specialists=_.special.median(), practices=_.practices.median()
    )
    panels = (
        visits.filter(_.is_primary)
        .group_by("rendering_npi", "year")
        .aggregate(persons=_.count())
        .filter(_.persons > 11)
        .aggregate(panel=_.persons.median())
    )
    return (
        assigned
        | {"reassigned": _changed(engine, primary), "reassigned_all": _changed(engine, everyone)}
        | _one(engine, medians)
        | {"panel": _one(engine, panels)["n"]}
    )


def _plurality(visits: ir.Table) -> ir.Table:
    order = [ibis.desc("visits"), ibis.desc("last_visit"), "rendering_npi"]
    ranked = visits.mutate(place=ibis.row_number().over(ibis.window(group_by=["person_id", "year"], order_by=order)))
    return ranked.filter(_.place == 0).select("person_id", "year", "visits", npi=_.rendering_npi)


def _changed(engine: Engine, assigned: ir.Table) -> float:
    later = assigned.select("person_id", year=_.year - 1, later=_.npi)
    both = assigned.inner_join(later, ["person_id", "year"])
    return _one(engine, both.aggregate(changed=100 * (_.npi != _.later).mean()))["n"]
