"""The rules in the order of the law, and what can be said of each change."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.programs.hospital_statement import rules
from openvbp.programs.hospital_statement.input_files import DRA_HAC, HACRP, HRRP, HVBP, IQR, PROGRAMS, AdjustingProgram
from openvbp.rules import rules_of

_OF_CLAIMS = rules.claim_payment_amount
_BEFORE = {IQR: (), DRA_HAC: (IQR,), HVBP: (IQR, DRA_HAC), HRRP: (IQR, DRA_HAC), HACRP: (IQR, DRA_HAC, HVBP, HRRP)}
"""Programs that change the payment on which a program works."""


def programs_until(program: AdjustingProgram) -> tuple[AdjustingProgram, ...]:
    """Name the programs on which a program's change depends, itself last."""
    return (*_BEFORE[program], program)


def scenario_rows(scenarios: Sequence[Scenario]) -> pa.Table:
    """Which programs are in force in each scenario."""
    names = [program.in_force for program in PROGRAMS]
    rows = [{"scenario_id": one.scenario_id, **{name: one.value(name) for name in names}} for one in scenarios]
    schema = pa.schema([("scenario_id", pa.string()), *((name, pa.bool_()) for name in names)])
    return pa.Table.from_pylist(rows, schema=schema)


def pay(engine: Engine, payments: ir.Table, scenarios: ir.Table, *, name: str, is_claim: bool = False) -> ir.Table:
    """Apply all programs to the payments of hospitals or stays.

    Parameters
    ----------
    payments
        One row per hospital or stay, with payments and, for each program, the given factor, its status and reason.
    scenarios
        One row per scenario: which programs are in force.
    name
        Name of the result.
    is_claim
        Whether the rows are claims, whose payments are rounded to the cent.

    Returns
    -------
    Scenario × row, with one column per rule, and status and status_reason of the total.
    """
    paid = payments.cross_join(scenarios)
    for program in PROGRAMS:
        outside = ~paid[program.in_force]
        paid = paid.mutate(
            **{
                program.status: ibis.ifelse(outside, "excluded", paid[program.status]),
                program.reason: ibis.ifelse(outside, "the program is not in force", paid[program.reason]),
            }
        )
    for rule in rules_of(rules):
        if is_claim or rule is not _OF_CLAIMS:
            paid = rule(paid)
    return engine.compute(paid.mutate(**total_status(paid, PROGRAMS, paid.total_change)), name)


def total_status(
    payments: ir.Table, programs: Sequence[AdjustingProgram], amount: ir.DecimalValue
) -> dict[str, ir.StringValue]:
    """Say whether an amount that depends on several programs is known and, if not, for want of which.

    Parameters
    ----------
    payments
        Rows with the status and the reason of each program.
    programs
        The programs on which the amount depends.
    amount
        The amount.

    Returns
    -------
    The columns ``status`` and ``status_reason``.
    """
    unverified = _any(payments, programs, "unverified")
    return {
        "status": ibis.cases((amount.isnull(), "not_determinable"), (unverified, "unverified"), else_="scored"),
        "status_reason": ibis.cases(
            (amount.isnull(), _reasons(payments, programs, "not_determinable")),
            (unverified, _reasons(payments, programs, "unverified")),
            else_=ibis.null("string"),
        ),
    }


def change_status(
    payments: ir.Table, program: AdjustingProgram, amount: ir.DecimalValue, *, is_alone: bool
) -> dict[str, ir.StringValue]:
    """Say the same of what one program changes; of a program that does not apply, why."""
    programs = (program,) if is_alone else programs_until(program)
    of_all = total_status(payments, programs, amount)
    excluded = amount.notnull() & (payments[program.status] == "excluded")
    return {
        "status": ibis.ifelse(excluded, "excluded", of_all["status"]),
        "status_reason": ibis.ifelse(excluded, payments[program.reason], of_all["status_reason"]),
    }


def _any(payments: ir.Table, programs: Sequence[AdjustingProgram], status: str) -> ir.BooleanValue:
    found = payments[programs[0].status] == status
    for program in programs[1:]:
        found |= payments[program.status] == status
    return found


def _reasons(payments: ir.Table, programs: Sequence[AdjustingProgram], status: str) -> ir.StringValue:
    """Reasons of the programs with a status, one after the other."""
    parts = [
        ibis.ifelse(
            payments[program.status] == status,
            ibis.literal(f"{program.name}: ") + payments[program.reason].fill_null("no reason is given"),
            ibis.null("string"),
        )
        for program in programs
    ]
    return ibis.literal("; ").join(parts)
