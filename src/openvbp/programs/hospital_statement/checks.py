"""What a careful reader wants to know of the inputs: stays that do not add up, factors that contradict each other."""

from __future__ import annotations

from decimal import Decimal

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.payment.combined_adjustments import AMOUNT_TYPE, without
from openvbp.program import Check
from openvbp.programs.hospital_statement import rules
from openvbp.programs.hospital_statement.input_files import BASE, DRA_HAC, FACTORS, HVBP, IQR, OTHER, PROGRAMS

FEWEST_STAYS_SHOWN = 11
"""Dollars of fewer stays are not shown: they could be traced to patients."""

_LOST = "lost_to_acquired_conditions"
_SUMS = {
    BASE: "base operating DRG payments",
    OTHER: "other payments",
    _LOST: "payments lost to acquired conditions",
}


def hospital_checks(
    engine: Engine, hospitals: ir.Table, factor_rows: ir.Table | None, declared: Scenario
) -> list[Check]:
    """Find factors that are not used, and those that the law does not give together."""
    found = []
    if declared.value(HVBP.in_force):
        contradicting = hospitals.filter(
            (_[IQR.given_factor] < 1) & (_[HVBP.given_factor] != 1) & (_[HVBP.status] != "excluded")
        )
        meaning = "hospitals with a reduced update are outside Hospital VBP: 42 U.S.C. 1395ww(o)(1)(C)(ii)(I)"
        found.append(_check(engine, contradicting, "adjusted_by_hvbp_despite_iqr_reduction", meaning))
    for program in PROGRAMS:
        if not declared.value(program.in_force):
            given = hospitals.filter(hospitals[program.status] != "not_determinable")
            meaning = f"{program.program_id} is not in force in {declared.period.label}: what is given is not used"
            found.append(_check(engine, given, f"{program.program_id}_not_in_force", meaning))
    if factor_rows is not None:
        others = factor_rows.filter(_.problem.isnull() & _.provider_id.notin(hospitals.provider_id))
        meaning = f"rows of {FACTORS.file_name} whose hospital is not in hospitals.csv are not used"
        found.append(_check(engine, others, "factor_of_another_hospital", meaning))
    return [check for check in found if check.count]


def _check(engine: Engine, rows: ir.Table, name: str, meaning: str) -> Check:
    found = engine.to_arrow(rows.select("provider_id").order_by("provider_id"))["provider_id"].to_pylist()
    return Check(name, len(found), meaning, tuple(found[:3]))


def stay_checks(engine: Engine, stays: ir.Table, hospitals: ir.Table) -> list[Check]:
    """Compare the sums of each hospital's stays with its figures of the year.

    A difference is one of a cent or more, or of what the decimals of a factor leave open.
    """
    priced = _lost(stays)
    # Where a stay's part is not known, neither is the sum.
    sums = {name: ibis.ifelse(priced[name].count() == priced.count(), priced[name].sum(), None) for name in _SUMS}
    added = priced.group_by("provider_id").agg(stays=_.count(), **{f"sum_{name}": one for name, one in sums.items()})
    joined = _lost(hospitals).left_join(added, "provider_id").drop("provider_id_right").order_by("provider_id")
    columns = ["provider_id", "stays", *_SUMS, *(f"sum_{name}" for name in _SUMS)]
    rows = engine.to_arrow(joined.select(*columns)).to_pylist()
    without_stays = [row["provider_id"] for row in rows if row["stays"] is None]
    differing = [text for row in rows if row["stays"] is not None and (text := _difference(row))]
    found = [
        Check(
            "stays_do_not_add_up",
            len(differing),
            "the stays of these hospitals are not the year of hospitals.csv: stays less year",
            tuple(differing[:3]),
        ),
        Check(
            "hospital_without_stays",
            len(without_stays),
            "hospitals.csv has hospitals without a stay in stays.csv",
            tuple(without_stays[:3]),
        ),
    ]
    return [check for check in found if check.count]


def _lost(payments: ir.Table) -> ir.Table:
    """Add what is not paid for acquired conditions, before any other program."""
    known = payments.mutate(**{DRA_HAC.in_force: ibis.literal(True)})  # noqa: FBT003
    lost = rules.dra_hac_change_alone(rules.dra_hac_factor(known))
    nothing = ibis.literal(0).cast(AMOUNT_TYPE)
    return lost.mutate(**{_LOST: without(nothing, lost.dra_hac_change_alone)})


def _difference(row: dict[str, Decimal]) -> str | None:
    tolerance = Decimal("0.005") + row[BASE] * Decimal("1e-10")
    parts = []
    for name, words in _SUMS.items():
        if row[name] is None or row[f"sum_{name}"] is None:
            continue
        difference = row[f"sum_{name}"] - row[name]
        if abs(difference) > tolerance:
            shown = f" {difference:,.2f}" if row["stays"] >= FEWEST_STAYS_SHOWN else ""
            parts.append(f"{words}{shown}")
    if not parts:
        return None
    hidden = "" if row["stays"] >= FEWEST_STAYS_SHOWN else f" (fewer than {FEWEST_STAYS_SHOWN} stays: no dollars shown)"
    return f"{row['provider_id']}: " + ", ".join(parts) + hidden
