"""What attribution reads: tables made from claims."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import ibis.expr.types as ir

from openvbp.attribution.rule import Rule
from openvbp.claims.person_months import person_months
from openvbp.claims.service_lines import service_lines
from openvbp.claims.stays import stays
from openvbp.claims.tables import ClaimsData
from openvbp.errors import InputDataError, Problem
from openvbp.periods import Period

_LINES = "attribution_service_line"


@dataclass(frozen=True)
class Events:
    """Tables made from claims; those that no rule of a run needs may be absent."""

    service_line: ir.Table
    """Grain: claim line that counts (:func:`openvbp.claims.service_lines.service_lines`)."""
    person_month: ir.Table
    """Grain: person × payer × month (:func:`openvbp.claims.person_months.person_months`)."""
    stay: ir.Table | None = None
    """Grain: acute stay (:func:`openvbp.claims.stays.stays`)."""
    participant: ir.Table | None = None
    attestation: ir.Table | None = None
    provider_attribution: ir.Table | None = None
    provider: ir.Table | None = None
    """These four as in the input contract."""

    def demand(self, name: str, rule: Rule) -> ir.Table:
        """Give a table that a rule needs.

        Raises
        ------
        InputDataError
            If it is absent.
        """
        table: ir.Table | None = getattr(self, name)
        if table is None:
            raise InputDataError(
                Problem(f"rule {rule.rule} needs a table {name}", "claims", f"add {name}, or leave the rule out")
            )
        return table


def read_events(
    claims: ClaimsData, rules: Iterable[Rule], period: Period, service_line: ir.Table | None = None
) -> Events:
    """Make the tables that rules need from a claims folder.

    Parameters
    ----------
    claims
        The folder, opened.
    rules
        Rules that will be evaluated.
    period
        Period of their windows.
    service_line
        Lines of the same claims, where they have been read before for another period.

    Raises
    ------
    InputDataError
        If the folder lacks eligibility or medical claims, or they are not as the contract says.
    """
    rules = list(rules)
    lines = _lines(claims) if service_line is None else service_line
    first, last = population_days(rules, period)
    optional = ("participant", "attestation", "provider_attribution", "provider")
    return Events(
        lines,
        person_months(claims.table("eligibility"), Period(period.label, first, last)),
        stays(lines) if any(rule.subject != "person" for rule in rules) else None,
        **{name: claims.table(name) if name in claims else None for name in optional},
    )


def _lines(claims: ClaimsData) -> ir.Table:
    def keep(rows: ir.Table, name: str) -> ir.Table:
        return claims.engine.compute(rows, f"{_LINES}_{name}")

    # A view keeps the text of all queries on it short.
    return claims.engine.view(service_lines(claims.table("medical_claim"), keep), _LINES)


def population_days(rules: Iterable[Rule], period: Period) -> tuple[date, date]:
    """First and last day of the months of enrolment that rules look at."""
    spans = [window.days(period) for rule in rules for window in rule.window(rule.population.window)]
    return min(first for first, _ in spans), max(last for _, last in spans)
