"""The user's own tables that a contract is settled from."""

from __future__ import annotations

from openvbp.declared_tables import DeclaredColumn, DeclaredTable
from openvbp.programs.contract.terms import Contract

EXPERIENCE_FILE = "experience.csv"
QUALITY_FILE = "quality.csv"
MEMBERS_FILE = "high_cost_members.csv"
PARTICIPANTS_FILE = "participants.csv"

QUALITY = DeclaredTable(
    QUALITY_FILE,
    (
        DeclaredColumn("measure_id", "text"),
        DeclaredColumn("year", "count", lowest=2000),
        DeclaredColumn("numerator", "count", lowest=0),
        DeclaredColumn("denominator", "count", lowest=0),
        *(
            DeclaredColumn(name, "ratio", is_optional=True, may_be_empty=True, lowest=0)
            for name in ("prior_rate", "state_rate", "national_rate")
        ),
    ),
    key=("measure_id", "year"),
)
MEMBERS = DeclaredTable(
    MEMBERS_FILE,
    (
        DeclaredColumn("member_id", "text"),
        DeclaredColumn("population", "text"),
        DeclaredColumn("year", "count", lowest=2000),
        DeclaredColumn("expenditures", "amount", lowest=0),
    ),
    key=("member_id", "population", "year"),
    is_patient_level=True,
)
PARTICIPANTS = DeclaredTable(
    PARTICIPANTS_FILE,
    (
        DeclaredColumn("participant_id", "text"),
        DeclaredColumn("name", "text", may_be_empty=True),
        DeclaredColumn("practice_id", "text", may_be_empty=True),
        DeclaredColumn("member_months", "count", lowest=0),
        DeclaredColumn("quality_score", "ratio", is_optional=True, may_be_empty=True, lowest=0),
    ),
    key=("participant_id",),
)


def experience_table(unit: str) -> DeclaredTable:
    """Declare the table of experience, whose units are member months or episodes."""
    return DeclaredTable(
        EXPERIENCE_FILE,
        (
            DeclaredColumn("population", "text"),
            DeclaredColumn("year", "count", lowest=2000),
            DeclaredColumn(unit, "count", lowest=0),
            DeclaredColumn("expenditures", "amount", lowest=0),
            DeclaredColumn("risk_score", "ratio", is_optional=True, may_be_empty=True, lowest=0),
            DeclaredColumn("completion_factor", "ratio", is_optional=True, may_be_empty=True, lowest=1),
            DeclaredColumn("payments_subject_to_withhold", "amount", is_optional=True, may_be_empty=True, lowest=0),
        ),
        key=("population", "year"),
    )


def tables_of(terms: Contract) -> list[DeclaredTable]:
    """List the tables that a contract needs."""
    tables = [experience_table(terms.budget.unit)]
    if terms.quality:
        tables.append(QUALITY)
    if terms.stop_loss:
        tables.append(MEMBERS)
    if terms.distribution:
        tables.append(PARTICIPANTS)
    return tables
