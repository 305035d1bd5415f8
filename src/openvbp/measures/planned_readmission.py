"""Which stays were planned, and in which cohort of hospital-wide measures they are, by value sets of the user.

The rules are those of CMS's planned readmission algorithm and of its hospital-wide readmission measure, as the
documentation of public implementations and the measure file of 2021 give them. Their lists of codes differ by report
year: a folder of value sets is of one year, and sets of several versions are refused.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.measures.domains import domains
from openvbp.measures.value_sets import PREFIX_MARK, ValueSet

COHORTS = ("surgery_gynecology", "cardiorespiratory", "cardiovascular", "neurology", "medicine")
"""In order of precedence; the first by procedures, the others by the principal diagnosis."""
SURGERY = COHORTS[0]
EXCLUSIONS = ("cancer", "psychiatric", "rehabilitation")
NO_COHORT = "no_cohort"
_NUMBERS = itertools.count()
_NO = ibis.literal(False)  # noqa: FBT003


def demanded_value_sets(sets: Mapping[str, ValueSet]) -> dict[str, ValueSet]:
    """Give the value sets of the fields that can be filled; none, if none is there.

    Returns
    -------
    The four sets of ``is_planned``, the eight of ``cohort`` and ``index_exclusion``, or all
    (``from_value_sets`` of stays in ``domains.yaml``).

    Raises
    ------
    InputDataError
        If some of the sets of a field are there and others are not, or their versions differ.
    """
    found: dict[str, ValueSet] = {}
    problems = []
    for field, needed in domains()["stay"].from_value_sets.items():
        missing = sorted(set(needed) - set(sets))
        if missing and len(missing) < len(needed):
            to_do = "add them: stays would be taken for what they are not"
            problems.append(
                Problem("value sets are missing", f"needed by {field}", to_do, len(missing), tuple(missing))
            )
        elif not missing:
            found |= {name: sets[name] for name in needed}
    versions = sorted({one.version for one in found.values() if one.version})
    if len(versions) > 1:
        to_do = "use the lists of one report year together"
        problems.append(Problem(f"versions differ: {', '.join(versions)}", "value sets of planned stays", to_do))
    if problems:
        raise InputDataError(problems)
    return found


def with_plans_and_cohorts(
    engine: Engine, stays: ir.Table, procedures: ir.Table, sets: Mapping[str, ValueSet]
) -> ir.Table:
    """Add whether stays were planned, and their cohort.

    Parameters
    ----------
    engine
        Where to compute.
    stays
        One row per stay, chains as of :func:`openvbp.measures.stay_events.with_continued_chains`.
    procedures
        One row per procedure of a stay: ``stay_id``, ``code_system``, ``code``.
    sets
        Of :func:`demanded_value_sets`.

    Returns
    -------
    The rows with ``is_planned``, and with ``cohort`` and ``index_exclusion`` where their value sets are there.

    A stay is planned, in this order: if a procedure is always planned; if the principal diagnosis is; if a procedure is
    potentially planned and the principal diagnosis is not acute. Secondary diagnoses do not matter.

    The cohort is the first of :data:`COHORTS` whose codes match. A stay that its diagnosis excludes has none, nor one
    that matches none; ``index_exclusion`` says which. Some implementations take what matches none for medicine: so does
    a value set ``medicine_diagnosis`` with the code ``*`` (unverified which is right). A cancer does not exclude a stay
    of the surgical cohort. A stay without a cohort of its own has that of its chain's first stay.
    """
    by_diagnosis = [name for name in sets if not name.endswith("_procedure")]
    by_procedure = [name for name in sets if name.endswith("_procedure")]
    diagnosis = stays.select(code_system=_.diagnosis_code_type.fill_null("icd-10-cm"), code=_.diagnosis_code_1)
    of_diagnoses = _memberships(engine, diagnosis, [sets[name] for name in by_diagnosis])
    of_procedures = _memberships(engine, procedures, [sets[name] for name in by_procedure])
    done = (
        procedures.join(of_procedures, ["code_system", "code"])
        .group_by("stay_id")
        .agg(**{name: _[name].max() for name in by_procedure})
    )
    coded = stays.mutate(known_system=_.diagnosis_code_type.fill_null("icd-10-cm"))
    marked = coded.left_join(
        of_diagnoses, [coded.known_system == of_diagnoses.code_system, coded.diagnosis_code_1 == of_diagnoses.code]
    ).drop("known_system", "code_system", "code")
    marked = marked.left_join(done, "stay_id").drop("stay_id_right")
    marked = marked.mutate(**{name: marked[name].fill_null(_NO) for name in sets})
    found = engine.compute(marked, f"measure_stay_marks_{next(_NUMBERS)}")
    if "acute_diagnosis" in sets:
        found = found.mutate(is_planned=_is_planned(found))
    if "medicine_diagnosis" in sets:
        found = _with_cohorts(found)
    return found.drop(*sets)


def _is_planned(stays: ir.Table) -> ir.BooleanValue:
    return ibis.cases(
        (stays.always_planned_procedure, True),
        (stays.always_planned_diagnosis, True),
        (stays.potentially_planned_procedure & ~stays.acute_diagnosis, True),
        else_=False,
    )


def _with_cohorts(stays: ir.Table) -> ir.Table:
    branches = [(stays.surgery_gynecology_procedure, SURGERY)]
    branches += [(stays[f"{name}_diagnosis"], name) for name in COHORTS[1:]]
    excluded = [
        (stays.cancer_diagnosis & ~stays.surgery_gynecology_procedure, "cancer"),
        *((stays[f"{name}_diagnosis"], name) for name in EXCLUSIONS[1:]),
    ]
    matched = stays.mutate(matched=ibis.cases(*branches), own_exclusion=ibis.cases(*excluded))
    own = matched.mutate(own_cohort=ibis.ifelse(matched.own_exclusion.isnull(), matched.matched, ibis.null("string")))
    chain = ibis.window(
        group_by=["person_id", "transfer_chain_id"], order_by=["admission_date", "discharge_date", "stay_id"]
    )
    # Spark's first value of a window leaves nulls in, DuckDB's too: a first stay without a cohort gives none.
    joined = own.mutate(cohort=ibis.coalesce(own.own_cohort, own.own_cohort.first(include_null=True).over(chain)))
    why = ibis.ifelse(
        joined.cohort.notnull(), ibis.null("string"), ibis.coalesce(joined.own_exclusion, ibis.literal(NO_COHORT))
    )
    return joined.mutate(index_exclusion=why).drop("matched", "own_exclusion", "own_cohort")


def _memberships(engine: Engine, codes: ir.Table, sets: Iterable[ValueSet]) -> ir.Table:
    """Say of each code in which sets it is: ``code_system``, ``code`` and a column for each set."""
    distinct = engine.to_arrow(codes.filter(_.code.notnull()).select("code_system", "code").distinct())
    pairs = [(row["code_system"], row["code"]) for row in distinct.to_pylist()]
    columns: dict[str, Any] = {
        "code_system": pa.array([system for system, _code in pairs], pa.string()),
        "code": pa.array([code for _system, code in pairs], pa.string()),
    }
    for one in sets:
        is_in = _membership(one)
        columns[one.name] = pa.array([is_in(system, code) for system, code in pairs], pa.bool_())
    return engine.table(pa.table(columns), f"measure_memberships_{next(_NUMBERS)}")


def _membership(value_set: ValueSet) -> Callable[[str, str], bool]:
    starts: dict[str, tuple[str, ...]] = {}
    for system, code in value_set.codes:
        if code.endswith(PREFIX_MARK):
            starts[system] = (*starts.get(system, ()), code.removesuffix(PREFIX_MARK))
    return lambda system, code: (system, code) in value_set.codes or code.startswith(starts.get(system, ()))
