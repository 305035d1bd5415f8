"""The user's files: physicians, indicators, results of indicators and of the organisation."""

from __future__ import annotations

import ibis.expr.types as ir
from ibis import _

from openvbp.checked_rows import RowCheck
from openvbp.declared_tables import DeclaredColumn, DeclaredTable
from openvbp.parameters import Scenario

ORGANISATION = "organisation"
BLOCKS = ("prevention", "chronic", "efficiency", ORGANISATION)
_MOST_PATIENTS = 10**6

PHYSICIANS = DeclaredTable(
    "physicians.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("list_size", "count", may_be_empty=True, lowest=1),
        DeclaredColumn("contract_start", "date", is_optional=True, may_be_empty=True),
        DeclaredColumn("contract_end", "date", is_optional=True, may_be_empty=True),
        DeclaredColumn("is_opted_out", "yes_no", is_optional=True, may_be_empty=True),
        DeclaredColumn("has_compliant_equipment", "yes_no", is_optional=True, may_be_empty=True),
        DeclaredColumn("electronic_claims_share", "ratio", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("former_amount", "amount", is_optional=True, may_be_empty=True, lowest=0),
    ),
    key=("provider_id",),
)
INDICATORS = DeclaredTable(
    "indicators.csv",
    (
        DeclaredColumn("indicator_id", "text"),
        DeclaredColumn("block", "text", choices=BLOCKS),
        DeclaredColumn("points", "weight", lowest=0),
        DeclaredColumn("minimum_patients", "count", may_be_empty=True, lowest=0),
        DeclaredColumn("intermediate_objective", "ratio", may_be_empty=True, lowest=0),
        DeclaredColumn("target_objective", "ratio", may_be_empty=True, lowest=0),
        DeclaredColumn("is_lower_better", "yes_no", may_be_empty=True),
    ),
    key=("indicator_id",),
)
RESULTS = DeclaredTable(
    "indicator_results.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("indicator_id", "text"),
        DeclaredColumn("numerator", "count", lowest=0),
        DeclaredColumn("patients", "count", lowest=0),
        DeclaredColumn("baseline_rate", "ratio", may_be_empty=True, lowest=0),
    ),
    key=("provider_id", "indicator_id"),
)
ORGANISATION_RESULTS = DeclaredTable(
    "organisation_results.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("indicator_id", "text"),
        DeclaredColumn("is_met", "yes_no"),
    ),
    key=("provider_id", "indicator_id"),
)


def physician_checks() -> list[RowCheck]:
    """What must hold within a row of physicians."""
    return [
        _check("list_size", _.list_size > _MOST_PATIENTS, "above one million"),
        _check("contract_end", _.contract_end < _.contract_start, "before contract_start"),
        _check("contract_end", _.contract_start.isnull() & _.contract_end.notnull(), "given without contract_start"),
        _check("electronic_claims_share", _.electronic_claims_share > 1, "above 1, which is 100 %"),
    ]


def indicator_checks(declared: Scenario) -> list[RowCheck]:
    """What must hold within a row of indicators."""
    is_clinical = _.block != ORGANISATION
    needed = ("minimum_patients", "intermediate_objective", "target_objective", "is_lower_better")
    distance = (_.target_objective - _.intermediate_objective) * _.is_lower_better.ifelse(-1, 1)
    checks = [
        _check(name, is_clinical & _[name].isnull(), "empty, but a clinical indicator needs it") for name in needed
    ]
    checks += [_check(name, ~is_clinical & _[name].notnull(), "given, but the block has none") for name in needed]
    checks += [
        _check(name, _[name] > 1, "above 1, which is 100 %") for name in ("intermediate_objective", "target_objective")
    ]
    checks.append(_check("target_objective", distance == 0, "equal to the intermediate objective"))
    checks.append(_check("target_objective", distance < 0, "worse than the intermediate objective"))
    if declared.value("electronic_claims_minimum") is None:
        checks.append(_check("block", ~is_clinical, "there are no organisation indicators in this year"))
    return checks


def result_checks(clinical: list[str]) -> list[RowCheck]:
    """What must hold within a row of indicator results."""
    return [
        _check("indicator_id", _.indicator_id.notin(clinical), "not a clinical indicator of indicators.csv"),
        _check("numerator", _.numerator > _.patients, "above the patients: a rate above 100 %"),
        _check("patients", _.patients >= _MOST_PATIENTS, "not below one million"),
        _check("baseline_rate", _.baseline_rate > 1, "above 1, which is 100 %"),
    ]


def organisation_checks(organisation: list[str]) -> list[RowCheck]:
    """What must hold within a row of organisation results."""
    reason = "not an organisation indicator of indicators.csv"
    return [_check("indicator_id", _.indicator_id.notin(organisation), reason)]


def _check(column: str, condition: ir.BooleanValue, reason: str) -> RowCheck:
    return RowCheck(column, lambda rows: rows.bind(condition)[0], reason)
