"""Hospital totals and the tables of the results model."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.programs.dra_hac import rules
from openvbp.rules import rules_of
from openvbp.steps import Given, Source, StepGroup, step_rows

_KEYS = ["scenario_id", "provider_id"]
_NO_RATE = ibis.null("decimal(18, 10)")
_NO_POINTS = ibis.null("decimal(18, 4)")
_COUNTS = ("stays", "stays_with_lower_payment", "stays_with_other_drg")
_TOTALS = ("total_payment_as_coded", "total_payment_after_hac")
_GIVEN = (
    *(Given(name, "count", "count") for name in (*_COUNTS, "stays_with_condition")),
    *(Given(name, "usd", "count") for name in _TOTALS),
)
_EVIDENCE = {
    "stays": "rows of evidence/stay_result",
    "stays_with_lower_payment": "rows of evidence/stay_result with payment_reduction above zero",
    "stays_with_other_drg": "rows of evidence/stay_result whose billed DRG is neither drg_as_coded nor drg_after_hac",
    "stays_with_condition": "rows of evidence/stay_condition",
    "total_payment_as_coded": "sum of payment_as_coded in evidence/stay_result",
    "total_payment_after_hac": "sum of payment_after_hac in evidence/stay_result",
}


def hospital_totals(stays: ir.Table) -> ir.Table:
    """Add up the stays of each hospital: scenario × hospital.

    A hospital whose payments are all zero has no ratio.
    """
    totals = stays.group_by(*_KEYS).agg(
        stays=_.count(),
        stays_with_lower_payment=money.whole_sum((_.payment_reduction > 0).cast("int64")),
        stays_with_other_drg=money.whole_sum((~_.is_billed_drg_reproduced).cast("int64")),
        total_payment_as_coded=_.payment_as_coded.sum(),
        total_payment_after_hac=_.payment_after_hac.sum(),
        rests_on_unverified_indicator=_.rests_on_unverified_indicator.any(),
    )
    totals = totals.mutate(**{name: money.exact(totals[name], 18, 2) for name in _TOTALS})
    totals = rules.payment_reduction_ratio(rules.total_payment_reduction(totals))
    status = ibis.cases(
        (totals.payment_reduction_ratio.isnull(), "not_determinable"),
        (totals.rests_on_unverified_indicator, "unverified"),
        else_="scored",
    )
    reason = ibis.cases(
        (status == "not_determinable", "the hospital's payments are zero"),
        (status == "unverified", "present-on-admission indicators whose payment rule has not been read decide stays"),
        else_=ibis.null("string"),
    )
    return totals.mutate(status=status, status_reason=reason)


def category_totals(
    engine: Engine,
    conditions: ir.Table,
    hospitals: ir.Table,
    scenarios: Sequence[Scenario],
    with_codes: Collection[str],
) -> ir.Table:
    """Count the stays of each category: scenario × hospital × category."""
    rows = [
        {"scenario_id": scenario.scenario_id, "measure_id": category, "has_codes": category in with_codes}
        for scenario in scenarios
        for category, is_selected in scenario.keyed("is_selected_category").items()
        if is_selected
    ]
    schema = pa.schema([("scenario_id", pa.string()), ("measure_id", pa.string()), ("has_codes", pa.bool_())])
    categories = engine.table(pa.Table.from_pylist(rows, schema=schema), "selected_category")
    keys = [*_KEYS, "measure_id"]
    counted = conditions.group_by(*keys).agg(stays_with_condition=_.count())
    grid = hospitals.select(*_KEYS, "stays").inner_join(categories, "scenario_id")
    grid = grid.left_join(counted, keys).drop(*(f"{key}_right" for key in keys))
    grid = grid.mutate(
        stays_with_condition=ibis.ifelse(_.has_codes, _.stays_with_condition.fill_null(0), ibis.null("int64"))
    )
    grid = rules.acquired_condition_rate(grid)
    return grid.mutate(
        status=ibis.ifelse(_.has_codes, "scored", "not_determinable"),
        status_reason=ibis.ifelse(
            _.has_codes, ibis.null("string"), "hac_codes.csv has no diagnoses of the category in this period"
        ),
    )


def provider_table(hospitals: ir.Table) -> ir.Table:
    """Hospitals as the hub's ``provider``."""
    return hospitals.select(
        "provider_id",
        provider_type=ibis.literal("hospital"),
        **dict.fromkeys(("provider_name", "state", "place", "peer_group", "excluded_reason"), ibis.null("string")),
        dual_eligible_ratio=_NO_RATE,
    )


def measure_result(categories: ir.Table) -> ir.Table:
    """Categories as the hub's ``measure_result``: stays to which the category applies, of all stays."""
    return categories.select(
        *_KEYS,
        "measure_id",
        "status",
        "status_reason",
        domain_id=ibis.null("string"),
        numerator=_.stays_with_condition,
        denominator=_.stays,
        rate=_.acquired_condition_rate,
        **dict.fromkeys(("expected", "baseline_rate", "threshold", "benchmark"), _NO_RATE),
        **dict.fromkeys(("achievement_points", "improvement_points", "points", "maximum_points"), _NO_POINTS),
    )


def payment_result(hospitals: ir.Table) -> ir.Table:
    """Reductions as the hub's ``payment_result``."""
    return hospitals.select(
        *_KEYS,
        "status",
        "status_reason",
        component_id=ibis.literal("hac_nonpayment"),
        base_amount=_.total_payment_as_coded,
        currency=ibis.literal("USD"),
        rate=-_.payment_reduction_ratio,
        amount=-_.total_payment_reduction,
        is_cap_applied=ibis.literal(False),  # noqa: FBT003
        factor=1 - _.payment_reduction_ratio,
    )


def step_result(engine: Engine, hospitals: ir.Table, categories: ir.Table, scenarios: Sequence[Scenario]) -> ir.Table:
    """Values at the grain of hospitals and categories as the hub's ``step_result``; stays are in the evidence."""
    sources = [
        Source(scenario.scenario_id, quantity, "", "", citation)
        for scenario in scenarios
        for quantity, citation in _EVIDENCE.items()
        if quantity != "stays_with_condition"
    ]
    sources += [
        Source(scenario.scenario_id, "stays_with_condition", category, "", _EVIDENCE["stays_with_condition"])
        for scenario in scenarios
        for category in scenario.keyed("is_selected_category")
    ]
    groups = (
        StepGroup(categories, ("stays_with_condition", "acquired_condition_rate"), "acquired_condition_rate"),
        StepGroup(
            hospitals,
            (*_COUNTS, *_TOTALS, "total_payment_reduction", "payment_reduction_ratio"),
            "payment_reduction_ratio",
        ),
    )
    return step_rows(engine, groups, rules_of(rules), _GIVEN, sources)
