"""Stays in acute hospitals as events."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.stays import stay_claims
from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.measures.domains import TYPES
from openvbp.measures.planned_readmission import demanded_value_sets, with_plans_and_cohorts
from openvbp.measures.value_sets import ValueSet

_NUMBERS = itertools.count()
_CATEGORY = 3
"""Characters of a diagnosis that name its category."""
_GIVEN = ("is_planned", "cohort", "index_exclusion")


def stay_events(
    engine: Engine, lines: ir.Table, stays: ir.Table, procedures: Sequence[int], sets: Mapping[str, ValueSet]
) -> ir.Table:
    """Acute stays as events: a row for the principal diagnosis and for each procedure.

    Parameters
    ----------
    engine
        Where to compute.
    lines
        Service lines, with procedures.
    stays
        Of :func:`openvbp.claims.stays.stays`.
    procedures
        Numbers of the procedures that the lines have.
    sets
        Value sets. Those of planned stays and of cohorts (:mod:`openvbp.measures.planned_readmission`) fill these
        fields; without them stays have no such columns.

    Raises
    ------
    InputDataError
        If value sets of a field are there only in part, or the claims have no column of procedures.
    """
    demanded = demanded_value_sets(sets)
    if demanded and not procedures:
        what = "claims have no procedures: whether stays were planned, and their cohort, follow from them too"
        to_do = "add procedure_code_1 and on, or leave out the measures that need these value sets"
        raise InputDataError(Problem(what, "medical_claim", to_do))
    done = engine.compute(_procedures(lines, procedures), f"measure_stay_procedures_{next(_NUMBERS)}")
    chained = with_continued_chains(stays)
    if demanded:
        chained = with_plans_and_cohorts(engine, chained, done, demanded)
    told = [name for name in _GIVEN if name in chained.columns]
    by_diagnosis = chained.select(
        "person_id",
        "is_emergency",
        "is_first_of_chain",
        "is_last_of_chain",
        *told,
        event_id=_.stay_id,
        code_system=_.diagnosis_code_type.fill_null("icd-10-cm"),
        code=_.diagnosis_code_1,
        start_date=_.admission_date,
        end_date=_.discharge_date,
        value=_.allowed_amount.cast(TYPES["number"]),
        facility_id=_.facility,
        discharge_disposition=_.discharge_disposition_code,
        chain_id=_.transfer_chain_id,
    )
    kept = engine.compute(by_diagnosis, f"measure_stay_events_{next(_NUMBERS)}")
    if not procedures:
        return kept
    named = done.rename(event_id="stay_id", done_system="code_system", done_code="code")
    by_procedure = kept.join(named, "event_id").drop("code_system", "code")
    renamed = by_procedure.rename(code_system="done_system", code="done_code").select(kept.columns)
    return ibis.union(kept, renamed, distinct=False)


def with_continued_chains(stays: ir.Table) -> ir.Table:
    """Continue a chain with a stay in the same hospital that begins on the day of discharge for the same condition.

    The condition is the category of the principal diagnosis, its first three characters (unverified: the documentation
    says "the same condition").

    Source: CMS 30-day readmission measures, same-day readmission to the same hospital.
    """
    order = ["admission_date", "discharge_date", "stay_id"]
    per_person = ibis.window(group_by="person_id", order_by=order)
    before = stays.mutate(
        previous_facility=_.facility.lag().over(per_person),
        previous_discharge=_.discharge_date.lag().over(per_person),
        previous_diagnosis=_.diagnosis_code_1.lag().over(per_person),
    )
    continues = (
        (before.facility == before.previous_facility)
        & (before.admission_date == before.previous_discharge)
        & (before.diagnosis_code_1.substr(0, _CATEGORY) == before.previous_diagnosis.substr(0, _CATEGORY))
    ).fill_null(False)  # noqa: FBT003
    marked = before.mutate(begins=ibis.ifelse(before.is_first_of_chain & ~continues, 1, 0))
    numbered = marked.mutate(chain=_.begins.sum().over(ibis.cumulative_window(group_by="person_id", order_by=order)))
    in_chain = ibis.window(group_by=["person_id", "chain"], order_by=order)
    return numbered.mutate(
        transfer_chain_id=_.stay_id.first().over(in_chain),
        is_first_of_chain=ibis.row_number().over(in_chain) == 0,
        is_last_of_chain=_.stay_id.lead().over(in_chain).isnull(),
    ).drop("previous_facility", "previous_discharge", "previous_diagnosis", "begins", "chain")


def _procedures(lines: ir.Table, numbers: Sequence[int]) -> ir.Table:
    """One row per stay × procedure of its claims: ``stay_id``, ``code_system``, ``code``."""
    of_stay = stay_claims(lines).select("claim_id", "data_source", "person_id", "stay_id")
    if not numbers:
        return of_stay.select("stay_id", code_system=ibis.null("string"), code=ibis.null("string")).limit(0)
    of_claims = lines.filter(_.claim_type == "institutional").join(of_stay, ["claim_id", "data_source", "person_id"])
    parts = [
        of_claims.filter(_[f"procedure_code_{one}"].notnull()).select(
            "stay_id", code_system=_.procedure_code_type.fill_null("icd-10-pcs"), code=_[f"procedure_code_{one}"]
        )
        for one in numbers
    ]
    return (parts[0] if len(parts) == 1 else ibis.union(*parts, distinct=False)).distinct()
