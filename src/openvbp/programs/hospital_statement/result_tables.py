"""The statement as the tables of the results model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.payment.combined_adjustments import share
from openvbp.programs.hospital_statement import rules
from openvbp.programs.hospital_statement.input_files import (
    BASE,
    DRA_HAC,
    HAC_AMOUNT,
    HACRP,
    IQR,
    OTHER,
    PROGRAMS,
    AdjustingProgram,
)
from openvbp.programs.hospital_statement.payments import change_status, total_status
from openvbp.rules import rules_of
from openvbp.steps import Given, Source, StepGroup, parameter_sources, step_rows

TOTAL = "total"
_WHOLE = "payment_without_programs"
_ADJUSTED = "adjusted_base_operating_drg_payment_amount"
_NO_RATE = ibis.null("decimal(18, 10)")
_GIVEN = (
    *(Given(program.in_force, "flag", "parameter") for program in PROGRAMS),
    *(Given(program.given_factor, "multiplier", "input") for program in PROGRAMS),
    *(Given(name, "usd", "input") for name in (BASE, OTHER, HAC_AMOUNT)),
)
_AMOUNTS = (
    BASE,
    OTHER,
    _WHOLE,
    "iqr_change",
    "dra_hac_change_alone",
    "dra_hac_change",
    _ADJUSTED,
    "hvbp_change",
    "hrrp_change",
    "payment_before_hac_reduction",
    "hacrp_change",
    "total_change",
    "combined_factor",
    "hvbp_change_alone",
    "hrrp_change_alone",
    "hacrp_change_alone",
    "dra_hac_interaction",
    "hvbp_interaction",
    "hrrp_interaction",
    "hacrp_interaction",
    "interaction",
)


def provider_table(hospitals: ir.Table) -> ir.Table:
    """Hospitals as the hub's ``provider``."""
    return hospitals.select(
        "provider_id",
        "provider_name",
        "state",
        provider_type=ibis.literal("hospital"),
        **dict.fromkeys(("place", "peer_group", "excluded_reason"), ibis.null("string")),
        dual_eligible_ratio=_NO_RATE,
    )


@dataclass(frozen=True)
class _Component:
    component_id: str
    base_amount: ir.DecimalValue
    rate: ir.DecimalValue
    amount: ir.DecimalValue
    status: Mapping[str, ir.StringValue]
    factor: ir.Value = _NO_RATE


def payment_result(hospitals: ir.Table, detailed: Sequence[Scenario]) -> ir.Table:
    """Changes as the hub's ``payment_result``; of further scenarios only the total."""
    in_detail = hospitals.scenario_id.isin([scenario.scenario_id for scenario in detailed])
    return ibis.union(
        *(
            (hospitals if one.component_id == TOTAL else hospitals.filter(in_detail)).select(
                "scenario_id",
                "provider_id",
                component_id=ibis.literal(one.component_id),
                base_amount=money.exact(one.base_amount, 18, 2),
                currency=ibis.literal("USD"),
                rate=money.exact(one.rate, 18, 16),
                amount=one.amount,
                is_cap_applied=ibis.literal(False),  # noqa: FBT003
                factor=one.factor.cast("decimal(18, 10)"),
                **one.status,
            )
            for one in _components(hospitals)
        )
    )


def _components(hospitals: ir.Table) -> Iterator[_Component]:
    """What each program changes in its place, what it changes alone, and the difference; then all together."""
    everything = total_status(hospitals, PROGRAMS, hospitals.total_change)
    whole = hospitals[_WHOLE]
    for place, program in enumerate(PROGRAMS, 1):
        in_order = hospitals[f"{program.program_id}_change"]
        alone = in_order if program is IQR else hospitals[f"{program.program_id}_change_alone"]
        rate = hospitals[program.factor] - 1
        status = change_status(hospitals, program, in_order, is_alone=False)
        base, base_alone = _bases(hospitals, program)
        yield _Component(f"step_{place}_{program.program_id}", base, rate, in_order, status)
        of_alone = change_status(hospitals, program, alone, is_alone=True)
        yield _Component(f"alone_{place}_{program.program_id}", base_alone, rate, alone, of_alone)
        if program is not IQR:
            together = hospitals[f"{program.program_id}_interaction"]
            yield _Component(
                f"interaction_{place}_{program.program_id}", whole, share(together, whole), together, status
            )
    together = hospitals.interaction
    yield _Component("interaction", whole, share(together, whole), together, everything)
    combined = hospitals.combined_factor
    yield _Component(TOTAL, whole, combined - 1, hospitals.total_change, everything, combined)


def _bases(hospitals: ir.Table, program: AdjustingProgram) -> tuple[ir.DecimalValue, ir.DecimalValue]:
    """Find the payment on which a program works, after those before it and alone."""
    if program is IQR:
        return hospitals[BASE], hospitals[BASE]
    if program is DRA_HAC:
        return hospitals[BASE] + hospitals.iqr_change, hospitals[BASE]
    if program is HACRP:
        return hospitals.payment_before_hac_reduction, hospitals[_WHOLE]
    return hospitals[_ADJUSTED], hospitals[BASE]


def step_result(
    engine: Engine, hospitals: ir.Table, scenarios: Sequence[Scenario], citations: Mapping[str, str]
) -> ir.Table:
    """Every value of the statement as the hub's ``step_result``."""
    groups = [
        StepGroup(
            hospitals.mutate(status_reason=_note(hospitals, program)),
            (program.in_force, program.given_factor, program.factor),
            program.factor,
        )
        for program in PROGRAMS
    ]
    groups.append(StepGroup(hospitals, (*_AMOUNTS, HAC_AMOUNT), "combined_factor"))
    groups.append(StepGroup(hospitals, ("payment_amount",), "payment_amount"))
    sources = [
        *parameter_sources(scenarios),
        *(
            Source(one.scenario_id, quantity, "", "", cited)
            for one in scenarios
            for quantity, cited in citations.items()
        ),
    ]
    return step_rows(engine, groups, rules_of(rules), _GIVEN, sources)


def _note(hospitals: ir.Table, program: AdjustingProgram) -> ir.StringValue:
    """Where a factor is from and, if anything is to be said of it, what."""
    return ibis.literal("; ").join([hospitals[program.source], hospitals[program.reason]])
