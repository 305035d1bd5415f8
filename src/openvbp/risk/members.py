"""Who is scored: persons as the models ask for them, from enrolment; who cannot be scored, and why."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem

_RENAL = ("11", "21", "31")
_DIALYSIS = "dialysis"


def persons_of(eligibility: ir.Table, payment_year: int) -> ir.Table:
    """Take persons from enrolment, as last known on 1 February of the payment year.

    Parameters
    ----------
    eligibility
        Table ``eligibility`` of the input contract. ``enrollment_status`` "new" is taken for a new enrollee, any
        ``snp_type`` for a special needs plan.
    payment_year
        Ages are completed years on its 1 February.

    Returns
    -------
    One row per person enrolled by that day and not known to have died before the year, in the columns that
    :func:`openvbp.risk.scoring.score` asks for, of all models. End-stage renal disease is that of
    ``medicare_status_code`` or ``esrd_status``; the time since a transplant, ``transplant_duration_months``, does not
    count for whom ``esrd_status`` has on dialysis. Diagnoses are edited by the same age.
    """
    day = ibis.date(payment_year, 2, 1)
    started = eligibility.filter(
        (_.enrollment_start_date <= day) & (_.death_date.isnull() | (_.death_date >= ibis.date(payment_year, 1, 1)))
    )
    latest = [ibis.desc("enrollment_end_date"), ibis.desc("enrollment_start_date"), "payer", "plan", "data_source"]
    last = started.mutate(place=ibis.row_number().over(group_by="person_id", order_by=latest)).filter(_.place == 0)
    had_birthday = (_.birth_date.month() * 100 + _.birth_date.day() <= 201).cast("int64")
    age = payment_year - 1 - _.birth_date.year().cast("int64") + had_birthday
    status = last.esrd_status.lower()
    has_graft = last.transplant_duration_months.notnull() & ~status.contains(_DIALYSIS).fill_null(False)  # noqa: FBT003
    is_renal = last.medicare_status_code.isin(_RENAL).fill_null(False) | (status != "").fill_null(False)  # noqa: FBT003
    return last.select(
        "person_id",
        "original_reason_entitlement_code",
        "dual_status_code",
        age=age,
        age_at_diagnosis=age,
        gender=_.gender,
        is_new_enrollee=(_.enrollment_status.lower() == "new").fill_null(False),  # noqa: FBT003
        is_special_needs_plan=_.snp_type.notnull(),
        is_institutional=_.long_term_institutional_flag.fill_null(False),  # noqa: FBT003
        is_end_stage_renal_disease=is_renal | has_graft,
        months_since_transplant=ibis.ifelse(has_graft, _.transplant_duration_months, ibis.null("int64")),
        is_low_income=_.low_income_subsidy_indicator.fill_null(False),  # noqa: FBT003
    )


def with_renal_disease(engine: Engine, persons: ir.Table, where: str) -> ir.Table:
    """Take the persons whom the models of end-stage renal disease are for.

    Raises
    ------
    InputDataError
        If there is none.
    """
    renal = persons.filter(_.is_end_stage_renal_disease)
    if not engine.to_arrow(renal.agg(persons=_.count()))["persons"][0].as_py():
        what_to_do = "give medicare_status_code or esrd_status, or leave the model out"
        raise InputDataError(Problem("nobody has end-stage renal disease", where, what_to_do))
    return renal


def checked_persons(engine: Engine, persons: ir.Table, where: str) -> tuple[ir.Table, ir.Table]:
    """Tell persons who can be scored from those who cannot.

    Parameters
    ----------
    engine
        Where to compute.
    persons
        As :func:`openvbp.risk.scoring.score` asks for them.
    where
        For messages.

    Returns
    -------
    The accepted persons, and the rejected: ``person_id``, ``reason``. Together they are all.

    Raises
    ------
    InputDataError
        If a person stands twice, or nobody can be scored.
    """
    no_age = persons.age.isnull() | (persons.age < 0)
    no_gender = persons.gender.isnull() | persons.gender.notin(("female", "male"))
    reason = ibis.cases(
        (persons.person_id.isnull(), "no person_id"),
        (no_age, "no birth date, or born after the payment year began"),
        (no_gender, "gender is neither female nor male"),
        (persons.months_since_transplant < 1, "months since a transplant are counted from 1")
        if "months_since_transplant" in persons.columns
        else (ibis.literal(False), ""),  # noqa: FBT003
        else_=ibis.null("string"),
    )
    rows = engine.compute(persons.mutate(reason=reason), "risk_persons")
    (found,) = engine.to_arrow(
        rows.agg(
            rows=_.count(), different=_.person_id.nunique() + _.person_id.isnull().sum(), right=_.reason.isnull().sum()
        )
    ).to_pylist()
    if found["rows"] != found["different"]:
        what = "persons stand more than once"
        count = found["rows"] - found["different"]
        raise InputDataError(Problem(what, where, "give one row per person", count))
    if not found["right"]:
        raise InputDataError(Problem("nobody can be scored", where, "give age and gender of persons", found["rows"]))
    return rows.filter(_.reason.isnull()).drop("reason"), rows.filter(_.reason.notnull()).select("person_id", "reason")
