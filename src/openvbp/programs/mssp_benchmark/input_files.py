"""The user's own tables that a benchmark is made from, and the published county file."""

from __future__ import annotations

from openvbp.declared_tables import DeclaredColumn, DeclaredTable

TYPES = ("ESRD", "DISABLED", "AGED_DUAL", "AGED_NONDUAL")
"""Medicare enrollment types, 42 CFR 425.601(a)(2)."""
ROLES = ("by1", "by2", "by3", "py")
"""Benchmark years, the third being the most recent, and the performance year."""

ACOS = DeclaredTable(
    "acos.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("provider_name", "text", may_be_empty=True),
        DeclaredColumn("agreement_start", "date"),
        DeclaredColumn("agreement_period", "count", lowest=1),
        DeclaredColumn("prior_savings_per_capita", "amount", is_optional=True, may_be_empty=True),
    ),
    key=("provider_id",),
)
BENEFICIARIES = DeclaredTable(
    "beneficiary_years.csv",
    (
        DeclaredColumn("beneficiary_id", "text"),
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("year", "text", choices=ROLES),
        DeclaredColumn("enrollment_type", "text", choices=TYPES),
        DeclaredColumn("months", "count", lowest=1),
        DeclaredColumn("expenditures", "amount"),
        DeclaredColumn("risk_score", "ratio", lowest=0),
    ),
    key=("beneficiary_id", "provider_id", "year", "enrollment_type"),
    is_patient_level=True,
)
NATIONAL = DeclaredTable(
    "national_values.csv",
    (
        DeclaredColumn("enrollment_type", "text", choices=TYPES),
        DeclaredColumn("year", "text", choices=ROLES),
        DeclaredColumn("truncation_threshold", "amount", lowest=0),
        DeclaredColumn("completion_factor", "ratio", lowest=0),
        DeclaredColumn("national_per_capita", "amount", lowest=0),
        DeclaredColumn("prospective_trend_amount", "amount", is_optional=True, may_be_empty=True),
    ),
    key=("enrollment_type", "year"),
)
REGION = DeclaredTable(
    "regional_values.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("enrollment_type", "text", choices=TYPES),
        DeclaredColumn("year", "text", choices=ROLES),
        DeclaredColumn("regional_per_capita", "amount", lowest=0),
        DeclaredColumn("regional_risk_score", "ratio", lowest=0),
        DeclaredColumn("market_share", "ratio", is_optional=True, may_be_empty=True, lowest=0),
    ),
    key=("provider_id", "enrollment_type", "year"),
)
COUNTIES = DeclaredTable(
    "aco_counties.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("enrollment_type", "text", choices=TYPES),
        DeclaredColumn("year", "text", choices=ROLES),
        DeclaredColumn("state_id", "count", lowest=1),
        DeclaredColumn("county_id", "count", lowest=0),
        DeclaredColumn("person_years", "ratio", lowest=0),
    ),
    key=("provider_id", "enrollment_type", "year", "state_id", "county_id"),
)
COUNTY_NAMES = {"ESRD": "ESRD", "DISABLED": "DISABLED", "AGED_DUAL": "AGED/DUAL", "AGED_NONDUAL": "AGED/NON-DUAL"}
"""Enrollment type to its name in the published county file."""
