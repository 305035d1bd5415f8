"""The user's files: measures, risk categories, patients, counts of clinics, expected rates, costs, survey answers."""

from __future__ import annotations

import ibis.expr.types as ir
from ibis import _

from openvbp.checked_rows import RowCheck
from openvbp.declared_tables import DeclaredColumn, DeclaredTable
from openvbp.scoring.intervals import MOST_PATIENTS

DIABETES, VASCULAR, ASTHMA = "optimal_diabetes_care", "optimal_vascular_care", "optimal_asthma_control"
COMPOSITES = (DIABETES, VASCULAR, ASTHMA)
SURVEY = "survey"
COST = "total_cost_of_care"
RATINGS = tuple(str(rating) for rating in range(11))
ANSWERS = ("always", "usually", "sometimes", "never", *RATINGS)
MEDICATION = ("taken", "not_taken", "not_indicated")

MEASURES = DeclaredTable(
    "measures.csv",
    (
        DeclaredColumn("measure_id", "text"),
        DeclaredColumn("domain_id", "text", is_optional=True, may_be_empty=True),
        DeclaredColumn(
            "data_source", "text", choices=("direct_submission", "hedis_administrative", "hedis_hybrid", SURVEY)
        ),
        DeclaredColumn("statewide_rate", "ratio", is_optional=True, may_be_empty=True, lowest=0),
    ),
    key=("measure_id",),
)
RISK_CATEGORIES = DeclaredTable(
    "risk_categories.csv",
    (
        DeclaredColumn("measure_id", "text"),
        DeclaredColumn("risk_category", "text"),
        DeclaredColumn("statewide_rate", "ratio", is_optional=True, may_be_empty=True, lowest=0),
    ),
    key=("measure_id", "risk_category"),
)
PATIENTS = DeclaredTable(
    "patients.csv",
    (
        DeclaredColumn("patient_id", "text"),
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("measure_id", "text", choices=COMPOSITES),
        DeclaredColumn("risk_category", "text", is_optional=True, may_be_empty=True),
        DeclaredColumn("systolic", "count", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("diastolic", "count", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("a1c", "ratio", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("is_tobacco_free", "yes_no", is_optional=True, may_be_empty=True),
        DeclaredColumn("statin", "text", is_optional=True, may_be_empty=True, choices=MEDICATION),
        DeclaredColumn("aspirin", "text", is_optional=True, may_be_empty=True, choices=MEDICATION),
        DeclaredColumn("is_asthma_well_controlled", "yes_no", is_optional=True, may_be_empty=True),
        DeclaredColumn("asthma_emergency_visits", "count", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("asthma_hospital_stays", "count", is_optional=True, may_be_empty=True, lowest=0),
    ),
    key=("patient_id", "measure_id"),
    is_patient_level=True,
)
# Patients of one risk category can be so few that a cell points to one of them.
COUNTS = DeclaredTable(
    "clinic_counts.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("measure_id", "text"),
        DeclaredColumn("risk_category", "text", is_optional=True, may_be_empty=True),
        DeclaredColumn("patients", "count", lowest=0),
        DeclaredColumn("met", "count", lowest=0),
    ),
    key=("provider_id", "measure_id", "risk_category"),
    is_patient_level=True,
)
EXPECTED = DeclaredTable(
    "expected_rates.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("measure_id", "text"),
        DeclaredColumn("expected_rate", "ratio", lowest=0),
    ),
    key=("provider_id", "measure_id"),
)
COSTS = DeclaredTable(
    "total_costs.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("patients", "count", lowest=0),
        DeclaredColumn("member_months", "count", lowest=1),
        DeclaredColumn("total_cost", "amount", lowest=0),
        DeclaredColumn("risk_score", "weight", lowest=0),
        DeclaredColumn("resource_units", "amount", is_optional=True, may_be_empty=True, lowest=0),
    ),
    key=("provider_id",),
)
ANSWERED = DeclaredTable(
    "survey_answers.csv",
    (
        DeclaredColumn("patient_id", "text"),
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("measure_id", "text"),
        DeclaredColumn("answer", "text", choices=ANSWERS),
    ),
    key=("patient_id", "measure_id"),
    is_patient_level=True,
)


def measure_checks() -> list[RowCheck]:
    """What must hold within a row of measures."""
    return [
        _share("statewide_rate"),
        _check("measure_id", _.measure_id == COST, "the name of the cost measure, which total_costs.csv gives"),
        _check(
            "data_source",
            _.measure_id.isin(COMPOSITES) & (_.data_source == SURVEY),
            "an optimal care measure is not asked in a survey",
        ),
    ]


def risk_category_checks(adjustable: list[str]) -> list[RowCheck]:
    """What must hold within a row of risk categories; ``adjustable`` are measures that no survey asks."""
    reason = "not a measure of measures.csv with patients to adjust for"
    return [_share("statewide_rate"), _check("measure_id", _.measure_id.notin(adjustable), reason)]


def patient_checks(measures: list[str], categories: list[tuple[str, str]]) -> list[RowCheck]:
    """What must hold within a row of patients; ``categories`` are pairs of measure and risk category."""
    return [
        _check("measure_id", _.measure_id.notin(measures), "not in measures.csv"),
        *_category_checks(categories),
        _check("a1c", _.a1c > 100, "above 100 percent"),
    ]


def count_checks(counted: list[str], categories: list[tuple[str, str]]) -> list[RowCheck]:
    """What must hold within a row of counts; ``counted`` are measures that no survey asks."""
    return [
        _check("measure_id", _.measure_id.notin(counted), "not a measure of measures.csv that is counted by clinic"),
        *_category_checks(categories),
        _check("met", _.met > _.patients, "above the patients: a rate above 100 %"),
        _check("patients", _.patients >= MOST_PATIENTS, "not below one million"),
    ]


def expected_checks(adjustable: list[str]) -> list[RowCheck]:
    """What must hold within a row of expected rates."""
    reason = "not a measure of measures.csv with patients to adjust for"
    return [_check("measure_id", _.measure_id.notin(adjustable), reason), _share("expected_rate")]


def cost_checks() -> list[RowCheck]:
    """What must hold within a row of costs."""
    return [
        _check("risk_score", _.risk_score * 100 < 1, "below 0.01"),
        _check("risk_score", _.risk_score >= 100, "not below one hundred"),
        _check("member_months", _.member_months >= 10**7, "not below ten million"),
        _check("patients", _.patients > _.member_months, "above the member months"),
        *(
            _check(name, _[name] >= _.member_months * 10**6, "not below one million per member month")
            for name in ("total_cost", "resource_units")
        ),
        _check("total_cost", _.total_cost >= 10**10, "not below ten billion"),
        _check("resource_units", _.resource_units >= 10**10, "not below ten billion"),
    ]


def answer_checks(questions: list[str]) -> list[RowCheck]:
    """What must hold within a row of answers; ``questions`` are the measures of the survey."""
    return [_check("measure_id", _.measure_id.notin(questions), "not a survey measure of measures.csv")]


def _category_checks(categories: list[tuple[str, str]]) -> list[RowCheck]:
    adjusted = sorted({measure for measure, _category in categories})
    pairs = [f"{measure}\x1f{category}" for measure, category in categories]
    pair, is_adjusted = _.measure_id + "\x1f" + _.risk_category, _.measure_id.isin(adjusted)
    return [
        _check(
            "risk_category",
            is_adjusted & _.risk_category.isnull(),
            "empty, but risk_categories.csv has categories of the measure",
        ),
        _check(
            "risk_category",
            _.risk_category.notnull() & pair.notin(pairs),
            "not a category of the measure in risk_categories.csv",
        ),
    ]


def _share(column: str) -> RowCheck:
    return _check(column, _[column] > 1, "above 1, which is 100 %")


def _check(column: str, condition: ir.BooleanValue, reason: str) -> RowCheck:
    return RowCheck(column, lambda rows: rows.bind(condition)[0], reason)
