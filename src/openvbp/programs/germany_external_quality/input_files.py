"""The user's files: indicators, results of sites, structured dialogue, documentations and their fees."""

from __future__ import annotations

import ibis.expr.types as ir
from ibis import _

from openvbp.checked_rows import RowCheck
from openvbp.declared_tables import DeclaredColumn, DeclaredTable

MOST_CASES = 100_000
TYPES = ("first", "follow_up")
ASSESSMENTS = ("no_concern", "qualitative_concern", "documentation_error", "other")

INDICATORS = DeclaredTable(
    "indicators.csv",
    (
        DeclaredColumn("indicator_id", "text"),
        DeclaredColumn("module_id", "text"),
        DeclaredColumn("is_lower_better", "yes_no"),
        DeclaredColumn("reference_kind", "text", choices=("fixed", "percentile", "sentinel")),
        DeclaredColumn("reference_limit", "ratio", may_be_empty=True, lowest=0),
        DeclaredColumn("reference_percentile", "ratio", may_be_empty=True, lowest=0),
    ),
    key=("indicator_id",),
)
# Cases of a site can be so few that they point to a patient: no cell of the table is ever shown.
RESULTS = DeclaredTable(
    "site_results.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("indicator_id", "text"),
        DeclaredColumn("observed", "count", lowest=0),
        DeclaredColumn("cases", "count", lowest=0),
    ),
    key=("provider_id", "indicator_id"),
    is_patient_level=True,
)
DIALOGUE = DeclaredTable(
    "structured_dialogue.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("indicator_id", "text"),
        DeclaredColumn("assessment", "text", choices=ASSESSMENTS),
    ),
    key=("provider_id", "indicator_id"),
)
FEES = DeclaredTable(
    "documentation_fees.csv",
    (
        DeclaredColumn("programme_id", "text"),
        DeclaredColumn("documentation_type", "text", choices=TYPES),
        DeclaredColumn("fee", "amount", lowest=0),
    ),
    key=("programme_id", "documentation_type"),
)
DOCUMENTATIONS = DeclaredTable(
    "documentations.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("programme_id", "text"),
        DeclaredColumn("documentation_type", "text", choices=TYPES),
        DeclaredColumn("enrolled_patients", "count", lowest=0),
        DeclaredColumn("documentations", "count", lowest=0),
    ),
    key=("provider_id", "programme_id", "documentation_type"),
)


def indicator_checks() -> list[RowCheck]:
    """What must hold within a row of indicators."""
    is_fixed, is_percentile = _.reference_kind == "fixed", _.reference_kind == "percentile"
    limit, percentile = _.reference_limit, _.reference_percentile
    return [
        _check("reference_limit", is_fixed & limit.isnull(), "empty, but a fixed reference range needs it"),
        _check("reference_limit", ~is_fixed & limit.notnull(), "given, but only a fixed reference range has it"),
        _check("reference_limit", limit > 1, "above 1, which is 100 %"),
        _check("reference_percentile", is_percentile & percentile.isnull(), "empty, but a percentile range needs it"),
        _check(
            "reference_percentile", ~is_percentile & percentile.notnull(), "given, but only a percentile range has it"
        ),
        _check(
            "reference_percentile",
            ~(percentile * 10**4).round().between(1, 10**4 - 1),
            "not between 0.0001 and 0.9999",
        ),
        _check(
            "is_lower_better",
            (_.reference_kind == "sentinel") & ~_.is_lower_better,
            "no, but sentinel events are better rare",
        ),
    ]


def result_checks(indicators: list[str]) -> list[RowCheck]:
    """What must hold within a row of site results."""
    return [
        _check("indicator_id", _.indicator_id.notin(indicators), "not in indicators.csv"),
        _check("observed", _.observed > _.cases, "above the cases: a rate above 100 %"),
        _check("cases", _.cases > MOST_CASES, "above one hundred thousand"),
    ]


def documentation_checks(paid: list[str]) -> list[RowCheck]:
    """What must hold within a row of documentations."""
    name = _.programme_id + "." + _.documentation_type
    return [
        _check("programme_id", name.notin(paid), "no fee in documentation_fees.csv"),
        _check("enrolled_patients", _.enrolled_patients > 10**6, "above one million"),
        _check("documentations", _.documentations > 10**7, "above ten million"),
    ]


def fee_checks() -> list[RowCheck]:
    """What must hold within a row of fees."""
    return [_check("fee", _.fee >= 10**6, "not below one million")]


def _check(column: str, condition: ir.BooleanValue, reason: str) -> RowCheck:
    return RowCheck(column, lambda rows: rows.bind(condition)[0], reason)
