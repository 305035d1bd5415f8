"""The tables that the user gives: clinicians, quality measures, scores of the other categories."""

from __future__ import annotations

from collections.abc import Callable

import ibis.expr.types as ir

from openvbp.checked_rows import RowCheck
from openvbp.declared_tables import DeclaredColumn, DeclaredTable

CATEGORIES = ("quality", "cost", "improvement_activities", "promoting_interoperability")
CALCULATED = "administrativeClaims"
"""Submission method of measures that are calculated from claims and not submitted."""
METHODS = (
    CALCULATED,
    "certifiedSurveyVendor",
    "claims",
    "cmsWebInterface",
    "electronicHealthRecord",
    "registry",
)
_MOST_POINTS = 100
_MOST_MEASURES = 6

CLINICIANS = DeclaredTable(
    "clinicians.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("is_small_practice", "yes_no"),
        DeclaredColumn("applicable_measures", "count", is_optional=True, may_be_empty=True, lowest=1),
        DeclaredColumn("high_priority_bonus_points", "ratio", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("end_to_end_bonus_points", "ratio", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("earlier_quality_achievement", "ratio", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("complex_patient_bonus", "ratio", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("paid_amount", "amount", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("excluded_reason", "text", is_optional=True, may_be_empty=True),
        DeclaredColumn("provider_name", "text", is_optional=True, may_be_empty=True),
        DeclaredColumn("state", "text", is_optional=True, may_be_empty=True),
    ),
    key=("provider_id",),
)
MEASURES = DeclaredTable(
    "measure_results.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("measure_id", "text"),
        DeclaredColumn("submission_method", "text", choices=METHODS),
        DeclaredColumn("performance_rate", "ratio"),
        DeclaredColumn("cases", "count", lowest=0),
        DeclaredColumn("reported_share", "ratio", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("is_outcome_or_high_priority", "yes_no"),
    ),
    key=("provider_id", "measure_id"),
)
CATEGORY_SCORES = DeclaredTable(
    "category_scores.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("category_id", "text", choices=CATEGORIES),
        DeclaredColumn("score", "ratio", may_be_empty=True, lowest=0),
        DeclaredColumn("is_reweighted", "yes_no"),
    ),
    key=("provider_id", "category_id"),
)


def _check(column: str, condition: Callable[[ir.Table], ir.BooleanValue], reason: str) -> RowCheck:
    return RowCheck(column, condition, reason)


def is_cost_measure(measure_id: ir.StringValue) -> ir.BooleanValue:
    """Whether a measure belongs to the cost category."""
    return measure_id.re_search("^(COST_|TPCC|MSPB)")


CLINICIAN_CHECKS = (
    _check("applicable_measures", lambda rows: rows.applicable_measures > _MOST_MEASURES, "above 6"),
    *(
        _check(name, lambda rows, name=name: rows[name] > _MOST_POINTS, "above 100")
        for name in (
            "high_priority_bonus_points",
            "end_to_end_bonus_points",
            "earlier_quality_achievement",
            "complex_patient_bonus",
        )
    ),
)
MEASURE_CHECKS = (
    _check(
        "measure_id",
        lambda rows: rows.measure_id.re_search("^[0-9]{1,2}$"),
        "a number of fewer than three digits: a spreadsheet may have taken the leading zeros away",
    ),
    _check(
        "measure_id",
        lambda rows: is_cost_measure(rows.measure_id),
        "a cost measure: give the score of the cost category in category_scores.csv",
    ),
    _check("reported_share", lambda rows: rows.reported_share > 1, "above 1"),
    _check(
        "reported_share",
        lambda rows: rows.reported_share.isnull() & (rows.submission_method != CALCULATED),
        "empty, but a submitted measure needs it",
    ),
)
CATEGORY_CHECKS = (
    _check("score", lambda rows: rows.score > _MOST_POINTS, "above 100"),
    _check("score", lambda rows: rows.is_reweighted & rows.score.notnull(), "given, but the category is reweighted"),
    _check(
        "score",
        lambda rows: ~rows.is_reweighted & rows.score.isnull(),
        "empty, but the category is not reweighted: a category that was not submitted has the score 0",
    ),
)
