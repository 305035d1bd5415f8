"""Spending around hospital stays, from claims: Medicare Spending Per Beneficiary in our own, unverified, form."""

from __future__ import annotations

import csv
import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
from ibis import _

from openvbp.claims.tables import open_claims
from openvbp.claims_chain.acute_stays import acute_stays, inpatient_lines, lines_of_stays
from openvbp.claims_chain.hospital_cases import COVARIATES, PROSPECTIVE_PAYMENT
from openvbp.claims_chain.hospital_rate import HospitalRate, decimal_of, unfitted
from openvbp.claims_chain.outcome_rates import rows_of
from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.money import in_units, whole_sum
from openvbp.outcome_models.cost_run import CostColumns, measure_costs

MEASURE = "total_cost.hospital_episode"
"""Of the library: costs from three days before a stay to 30 days after it."""
LEAST_EPISODES = 40
"""In a stratum: six coefficients are estimated in each."""
_BEFORE, _AFTER = 3, 30
_POOLED = "other"


def spending_rates(
    engine: Engine, data: Path, cases: pa.Table, out: Path, periods: Iterable[str], threads: int | None = None
) -> tuple[list[HospitalRate], dict[str, str]]:
    """Compare hospitals by what their episodes cost.

    Episodes are those of :data:`MEASURE` in hospitals of the prospective payment system. Each acute stay in an episode
    is priced at the mean of all stays of its DRG and year, so that what single hospitals are paid does not enter; other
    care has its allowed amounts. Costs are compared within strata (:func:`strata`) by
    :func:`openvbp.outcome_models.cost_model.cost_measures`.

    Parameters
    ----------
    engine
        Where to compute.
    data
        Folder of claims in the native layout.
    cases
        Rows of :func:`openvbp.claims_chain.hospital_cases.hospital_cases`.
    out
        Folder for episodes and models, by period: evidence of single persons, which must not be passed on.
    periods
        Labels.
    threads
        Of DuckDB.

    Returns
    -------
    Rates of every hospital with an episode, and for each period without a model the reason.
    """
    claims = open_claims(engine, data)
    lines = inpatient_lines(claims)
    stays = acute_stays(claims, lines)
    known = cases.select(
        ["measure", "period", "facility_id", "facility_type", "person_id", "stay_id", "value", *COVARIATES]
    )
    mine = engine.table(known, "chain_episodes").filter(_.measure == MEASURE, _.facility_type == PROSPECTIVE_PAYMENT)
    priced = engine.to_arrow(_priced(engine, mine, stays, lines).order_by("period", "facility_id", "stay_id"))
    found: list[HospitalRate] = []
    not_fitted: dict[str, str] = {}
    for period in periods:
        rows = rows_of(priced, MEASURE, period)
        try:
            found += _compared(rows, out / MEASURE / period, period, threads)
        except InputDataError as error:
            not_fitted[f"{MEASURE} {period}"] = "; ".join(one.what for one in error.problems)
            found += unfitted(rows, MEASURE, period, is_cost=True)
    return found, not_fitted


def _priced(engine: Engine, episodes: ir.Table, stays: ir.Table, lines: ir.Table) -> ir.Table:
    """Add to each episode its DRG and ``cost``: ``value`` with its acute stays priced alike."""
    own = stays.select("stay_id", "drg_code", first_day="admission_date", last_day="discharge_date")
    with_days = engine.compute(episodes.inner_join(own, "stay_id"), "chain_episode_days")
    repriced = _repriced_lines(stays, lines)
    inside = with_days.inner_join(
        repriced,
        [
            with_days.person_id == repriced.person_id,
            repriced.service_date >= with_days.first_day - ibis.interval(days=_BEFORE),
            repriced.service_date <= with_days.last_day + ibis.interval(days=_AFTER),
        ],
    )
    changes = inside.group_by("period", episode=inside.stay_id).agg(change=whole_sum(_.change))
    joined = with_days.left_join(changes, [with_days.period == changes.period, with_days.stay_id == changes.episode])
    cents = in_units(joined.value.cast("decimal(28, 2)"), 2) + joined.change.fill_null(0)
    return joined.mutate(cost=cents.cast("float64") / 100).drop("period_right", "episode", "change")


def _repriced_lines(stays: ir.Table, lines: ir.Table) -> ir.Table:
    """What each line of an acute stay costs more, or less, at the mean price of the stay's DRG and year, in cents."""
    alike = ibis.window(group_by=["drg_code", "year"])
    counted = stays.filter(_.allowed_amount > 0, _.drg_code.notnull()).mutate(
        year=_.admission_date.year(), cents=in_units(_.allowed_amount, 2)
    )
    # Whole cents are summed, and rounded for each line: sums do not depend on their order.
    total = counted.cents.sum().over(alike).cast("float64")
    mean = total / counted.cents.count().over(alike).cast("float64")
    factors = counted.select("stay_id", factor=mean / counted.cents.cast("float64"))
    joined = lines_of_stays(lines).inner_join(factors, "stay_id")
    cents = in_units(joined.allowed_amount, 2).cast("float64")
    return joined.select("person_id", "service_date", change=(cents * (joined.factor - 1)).round().cast("int64"))


def strata(drgs: Sequence[str | None]) -> list[str]:
    """Say in which stratum each episode is compared.

    The stay's DRG where it has :data:`LEAST_EPISODES`; else its major diagnostic category where what is left of it has
    as many; else all that is left together, with the smallest other stratum if that is too little.

    Source: ranges of DRGs of the categories as public tables of MS-DRG give them (``major_diagnostic_categories.csv``).
    The Centers for Medicare & Medicaid Services stratify by category and adjust for the DRG in it.
    """
    named = [one or _POOLED for one in drgs]
    for coarser in (category, lambda _drg: _POOLED):
        counts = Counter(named)
        small = {one for one in counts if counts[one] < LEAST_EPISODES}
        named = [coarser(drg or "") if one in small else one for one, drg in zip(named, drgs, strict=True)]
    counts = Counter(named)
    if 0 < counts[_POOLED] < LEAST_EPISODES and len(counts) > 1:
        smallest = min((one for one in counts if one != _POOLED), key=lambda one: (counts[one], one))
        named = [_POOLED if one == smallest else one for one in named]
    return named


def category(drg: str) -> str:
    """Name the major diagnostic category of an MS-DRG, ``MDC 05``; DRGs of several categories have none.

    Examples
    --------
    >>> category("291"), category("001")
    ('MDC 05', 'other')
    """
    return next((f"MDC {name}" for first, last, name in _categories() if first <= drg <= last), _POOLED)


@functools.cache
def _categories() -> list[tuple[str, str, str]]:
    text = files("openvbp.claims_chain").joinpath("major_diagnostic_categories.csv").read_text(encoding="utf-8")
    return [(row["first_drg"], row["last_drg"], row["category"]) for row in csv.DictReader(text.splitlines())]


def _compared(rows: Sequence[Mapping[str, Any]], out: Path, period: str, threads: int | None) -> list[HospitalRate]:
    if not rows:
        raise InputDataError(Problem("there is no episode", f"{MEASURE} {period}", "give claims of more patients"))
    if not any(row["cost"] > 0 for row in rows):
        raise InputDataError(
            Problem("no episode has a cost", f"{MEASURE} {period}", "give claims with allowed amounts")
        )
    out.mkdir(parents=True, exist_ok=True)
    names = strata([row["drg_code"] for row in rows])
    kept = ("stay_id", "facility_id", "cost", *COVARIATES)
    episodes = [
        {**{name: row[name] for name in kept}, "stratum": stratum} for row, stratum in zip(rows, names, strict=True)
    ]
    pq.write_table(pa.Table.from_pylist(episodes), out / "episodes.parquet")
    columns = CostColumns("facility_id", "cost", COVARIATES, "stratum")
    measure_costs(data=out / "episodes.parquet", columns=columns, out=out, threads=threads)
    return [
        HospitalRate(
            row["provider_id"],
            MEASURE,
            period,
            row["episodes"],
            None,
            decimal_of(row["observed_cost"]),
            None,
            decimal_of(row["expected_cost"]),
            decimal_of(row["measure"]),
        )
        for row in pq.read_table(out / "providers.parquet").to_pylist()
    ]
