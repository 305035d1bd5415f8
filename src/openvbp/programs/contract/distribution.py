"""What the contractor earned goes down to practices, and from them to clinicians."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.parameters import Scenario
from openvbp.payment.distribution import GREATEST_TOTAL_WEIGHT
from openvbp.programs.contract import rules
from openvbp.programs.contract.compiled import CRITERIA
from openvbp.programs.contract.input_files import PARTICIPANTS_FILE
from openvbp.programs.contract.inputs import ContractInputs
from openvbp.programs.contract.scenario_tables import keyed_terms

DISTRIBUTION_RULES = (rules.criterion_amount, rules.distributed_part, rules.distributed_amount)
_SCORE_DECIMALS = 6


def distribute(
    engine: Engine, content: ContractInputs, settled: ir.Table, scenarios: Sequence[Scenario]
) -> ir.Table | None:
    """Divide the pool among practices and each practice's part among its clinicians.

    Parameters
    ----------
    settled
        Scenario × population, with the pool of the contract on every row.

    Returns
    -------
    Scenario × participant × criterion (as ``measure_id``), or none if the contract distributes nothing.

    Raises
    ------
    InputDataError
        If a criterion finds nobody to pay, or its weights are too large to divide by exactly.
    """
    if content.participants is None or content.terms.distribution is None:
        return None
    participants = engine.table(content.participants, "participant")
    pool = settled.select("scenario_id", "distribution_pool").distinct()
    contractor = ibis.literal(content.terms.parties.contractor_id)
    owners = pool.select("scenario_id", pool_owner=contractor, pool_amount=_.distribution_pool)
    practices = participants.filter(_.practice_id.isnull()).mutate(pool_owner=contractor)
    paid = _divide(engine, owners, practices, scenarios, "practices")
    if content.terms.distribution.clinicians is None:
        return paid
    amounts = paid.select("scenario_id", pool_owner=_.provider_id, pool_amount=_.distributed_amount).distinct()
    clinicians = participants.filter(_.practice_id.notnull()).mutate(pool_owner=_.practice_id)
    staffed = amounts.semi_join(clinicians, "pool_owner")
    down = _divide(engine, staffed, clinicians, scenarios, "clinicians")
    # Spark fails on the union of a table with one made from it; there are few rows.
    both = pa.concat_tables([engine.to_arrow(paid), engine.to_arrow(down).cast(engine.to_arrow(paid).schema)])
    return engine.table(both, "distribution_computed")


def _divide(
    engine: Engine, owners: ir.Table, participants: ir.Table, scenarios: Sequence[Scenario], group: str
) -> ir.Table:
    shares = keyed_terms(scenarios, {f"{group}_criterion": "criterion_share"}, "measure_id")
    rows = owners.cross_join(engine.table(shares, f"{group}_criterion").rename(term_scenario="scenario_id"))
    rows = rows.filter(rows.scenario_id == rows.term_scenario).drop("term_scenario")
    rows = engine.compute(rules.criterion_amount(rows.filter(_.criterion_share > 0)), f"{group}_criterion_amount")
    rows = rows.inner_join(participants, "pool_owner").mutate(provider_id=_.participant_id)
    rows = engine.compute(rows.mutate(weight=_weight(rows)), f"{group}_weight")
    _demand_weights(engine, rows, group)
    for rule in (rules.distributed_part, rules.distributed_amount):
        rows = rule(rows)
    columns = ("scenario_id", "provider_id", "measure_id", "pool_owner", "pool_amount", "criterion_share")
    computed = ("criterion_amount", "weight", "distributed_part", "distributed_amount")
    rows = rows.select(
        *columns, *computed, provider_name=_.name, participant_type=ibis.literal(group.removesuffix("s"))
    )
    return engine.compute(rows, f"{group}_distribution")


def _weight(rows: ir.Table) -> ir.IntegerValue:
    """Whole numbers in proportion to which a criterion divides its amount."""
    units = money.in_units(rows.quality_score.fill_null(ibis.literal("0").cast("decimal(18, 6)")), _SCORE_DECIMALS)
    equal, member_months, _quality = CRITERIA
    return ibis.cases(
        (rows.measure_id == equal, ibis.literal(1, "int64")),
        (rows.measure_id == member_months, rows.member_months),
        else_=rows.member_months * units,
    ).cast("int64")


def _demand_weights(engine: Engine, rows: ir.Table, group: str) -> None:
    totals = rows.group_by("scenario_id", "pool_owner", "measure_id").agg(
        total=_.weight.cast("decimal(38, 0)").sum(), amount=_.criterion_amount.max()
    )
    wrong = totals.filter(((_.total == 0) & (_.amount != 0)) | (_.total > GREATEST_TOTAL_WEIGHT))
    found: pa.Table = engine.to_arrow(wrong.order_by("scenario_id", "pool_owner", "measure_id"))
    if found.num_rows:
        raise InputDataError(
            Problem(
                f"{group} cannot be paid by a criterion: its weights are all zero, or too large",
                PARTICIPANTS_FILE,
                "give member months (and quality scores) to those who shall be paid",
                found.num_rows,
                tuple(f"{row['pool_owner']} {row['measure_id']}" for row in found.to_pylist()[:3]),
            )
        )
