"""Numerators and denominators of a contract's measures for any groups of members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import Problem, UsageError
from openvbp.measures.catalogue import find_measures
from openvbp.measures.measure import Measure
from openvbp.money import divide_half_up

_IN_DENOMINATOR = ("met", "not_met", "numerator_excluded")
COLUMNS = ("measure_id", "year", "numerator", "denominator", "prior_rate", "state_rate", "national_rate")


@dataclass(frozen=True)
class Members:
    """Whose patients persons are in a period."""

    period: str
    rows: pa.Table
    """``person_id`` and ``provider_id``, each pair once."""


def demand_countable(measure_ids: Sequence[str], where: str) -> None:
    """Refuse measures of a contract that are not proportions of the library.

    Raises
    ------
    UsageError
        If a measure is not in the library, or has no numerator and denominator of persons.
    """
    unknown, others = [], []
    for name in measure_ids:
        try:
            (found,) = find_measures((name,))
        except (UsageError, ValueError):
            unknown.append(name)
            continue
        if not isinstance(found, Measure) or found.scoring != "proportion":
            others.append(name)
    problems = []
    if unknown:
        what = "measures of the contract are not measures of the library"
        to_do = "name them as 'openvbp measures list' does, or settle from tables of your own"
        problems.append(Problem(what, where, to_do, len(unknown), tuple(unknown[:3])))
    if others:
        what = "measures of the contract are no proportions, so they have no target rate"
        problems.append(Problem(what, where, "choose measures with a numerator", len(others), tuple(others[:3])))
    if problems:
        raise UsageError(problems)


def counts(engine: Engine, statuses: ir.Table, members: Members, measure_ids: Sequence[str]) -> ir.Table:
    """Count a period.

    Parameters
    ----------
    engine
        Where to compute.
    statuses
        Measure × period × subject, as :func:`openvbp.measures.run.run_measures` writes them.
    members
        Whose patients persons are.
    measure_ids
        The contract's measures: where a provider has nobody in a denominator, it is zero.

    Returns
    -------
    Provider × measure: ``numerator``, ``denominator`` (whole numbers), ``rate`` (null where there is no denominator).
    """
    rows = engine.table(members.rows, f"quality_members_{members.period.replace('-', '').replace('.', '')}")
    inside = statuses.filter(_.period == members.period, _.status.isin(_IN_DENOMINATOR))
    counted = (
        inside.inner_join(rows, "person_id")
        .group_by("provider_id", measure_id=_.measure)
        .agg(numerator=(_.status == "met").cast("int64").sum().cast("int64"), denominator=_.count())
    )
    asked = engine.table(pa.table({"measure_id": list(measure_ids)}), "quality_measures")
    every = rows.select("provider_id").distinct().cross_join(asked)
    joined = every.left_join(counted, ["provider_id", "measure_id"])
    joined = joined.drop([name for name in joined.columns if name.endswith("_right")])
    whole = joined.mutate(numerator=_.numerator.fill_null(0), denominator=_.denominator.fill_null(0))
    return whole.mutate(
        rate=ibis.ifelse(_.denominator > 0, divide_half_up(_.numerator, _.denominator), ibis.null("decimal(18, 12)"))
    )
