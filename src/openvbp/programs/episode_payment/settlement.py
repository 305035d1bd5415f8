"""From hospitals and counted episodes to the reconciliation amount, under all scenarios."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from openvbp.engine import Engine
from openvbp.parameter_tables import parameter_table, with_parameters
from openvbp.parameters import Scenario
from openvbp.program import Settlement
from openvbp.programs.episode_payment import rules
from openvbp.programs.episode_payment.input_files import MODELS
from openvbp.programs.episode_payment.inputs import EpisodeInputs
from openvbp.rule_chain import apply_rules
from openvbp.rules import rules_of

_SHARE, _POINTS = pa.decimal128(7, 6), pa.decimal128(18, 4)
_QUALITY = ("excellent", "good", "acceptable", "below")
_WHOLE = (
    "patient_reported_outcome_points",
    "highest_composite_score",
    "excellent_above",
    "good_from",
    "acceptable_from",
)
_COUNTS = ("minimum_complication_cases", "minimum_hcahps_surveys", "improvement_deciles")
_BY_MODEL = ("low_volume_episodes", "low_volume_baseline_episodes")
_DISCOUNTS = {"discount": "target_discount", "loss_discount": "repayment_discount"}
_BY_PARTICIPATION = ("highest_quality_reduction", "highest_quality_relief", "stop_gain", "stop_loss")
PARAMETERS = (
    "hospital_price_weight",
    *_BY_MODEL,
    *_BY_PARTICIPATION,
    *_WHOLE,
    *_COUNTS,
    "improvement_share",
)
"""Parameters that become a column of the same name."""

_TERMS = pa.schema(
    [(name, pa.string()) for name in ("scenario_id", "participation", "model", "unverified")]
    + [("hospital_price_weight", pa.decimal128(18, 12)), ("improvement_share", _SHARE)]
    + [(name, pa.int64()) for name in (*_BY_MODEL, *_COUNTS)]
    + [(name, _SHARE) for name in _BY_PARTICIPATION]
    + [(name, _POINTS) for name in _WHOLE]
    + [(f"{name}_{bar}", _POINTS) for name in ("complication_points", "hcahps_points") for bar in rules.PERCENTILES]
    + [(f"{discount}_{name}", _SHARE) for discount in _DISCOUNTS for name in _QUALITY]
    + [(f"unverified_{name}", pa.string()) for name in ("points", *_QUALITY)]
)
_GROUPS = pa.schema(
    [(name, pa.string()) for name in ("scenario_id", "discount_key", "discount_unverified")]
    + [("group_discount", _SHARE)]
)


def terms(scenarios: Sequence[Scenario]) -> pa.Table:
    """Parameters by way of participation: scenario × participation, of the models that exist in the period."""
    rows = []
    for scenario in scenarios:
        for participation, model in MODELS.items():
            if model in scenario.keyed("post_discharge_days"):
                rows.append(_terms(scenario, participation, model))
    return parameter_table(rows, _TERMS)


def _terms(scenario: Scenario, participation: str, model: str) -> dict[str, Any]:
    places = {
        "hospital_price_weight": ("hospital_price_weight", model),
        **{name: (name, model) for name in _BY_MODEL},
        **{name: (name, participation) for name in _BY_PARTICIPATION},
    }
    if model == "cjr":
        places |= {name: (name, "") for name in (*_WHOLE, *_COUNTS, "improvement_share")}
        places |= {
            f"{name}_{bar}": (name, bar)
            for name in ("complication_points", "hcahps_points")
            for bar in rules.PERCENTILES
        }
        places |= {
            f"{discount}_{name}": (parameter, f"cjr_{name}")
            for discount, parameter in _DISCOUNTS.items()
            for name in _QUALITY
        }
    texts = {field.name for field in _TERMS if pa.types.is_string(field.type)}
    columns = [name for name in _TERMS.names if name not in texts]
    values = {name: scenario.value(*places[name]) if name in places else None for name in columns}
    # Of discounts and points, only those that a hospital gets matter: each stands for itself.
    is_cjr = model == "cjr"
    points = [place for name, place in places.items() if name.startswith(("complication_", "hcahps_"))]
    notes = {
        f"unverified_{name}": (is_cjr and scenario.unverified(places[f"{one}_{name}"] for one in _DISCOUNTS)) or None
        for name in _QUALITY
    }
    notes["unverified_points"] = "complication_points, hcahps_points" if scenario.unverified(points) else None
    decisive = [
        place
        for name, place in places.items()
        if not name.startswith(("discount_", "loss_discount_", "complication_", "hcahps_"))
    ]
    unverified = scenario.unverified(decisive)
    return {
        "scenario_id": scenario.scenario_id,
        "participation": participation,
        "model": model,
        "unverified": unverified,
        **notes,
        **values,
    }


def group_discounts(scenarios: Sequence[Scenario]) -> pa.Table:
    """Discounts by group of episodes: scenario × model and group."""
    rows = [
        {
            "scenario_id": scenario.scenario_id,
            "discount_key": key,
            "discount_unverified": scenario.unverified([("target_discount", key)]),
            "group_discount": value,
        }
        for scenario in scenarios
        for key, value in scenario.keyed("target_discount").items()
    ]
    return parameter_table(rows, _GROUPS)


def settle(engine: Engine, inputs: EpisodeInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Reconcile all hospitals under all scenarios: scenario × hospital × category, with status and reason."""
    hospitals = engine.table(inputs.hospitals, "settled_hospital")
    categories = engine.table(inputs.categories, "settled_category").rename(domain_id="episode_category")
    rows = categories.inner_join(hospitals, "provider_id")
    rows = with_parameters(rows, engine.table(terms(scenarios), "episode_terms"), "participation")
    group = ibis.coalesce(rows.discount_group, rows.domain_id)
    rows = engine.compute(rows.mutate(discount_key=rows.model + "_" + group), "episode_keyed")
    groups = engine.table(group_discounts(scenarios), "group_discount")
    joined = rows.left_join(groups, ["scenario_id", "discount_key"])
    joined = engine.compute(
        joined.drop([name for name in joined.columns if name.endswith("_right")]), "episode_discounted"
    )
    settled = apply_rules(engine, rules_of(rules), joined, "episode_rule")
    return engine.compute(_with_status(settled), "episode_settled_status")


def _with_status(rows: ir.Table) -> ir.Table:
    in_hospital = ibis.window(group_by=["scenario_id", "provider_id"])
    undiscounted = rows.discount.isnull().cast("int64").sum().over(in_hospital) > 0
    unpriced = rows.target_price.isnull().cast("int64").sum().over(in_hospital) > 0
    unknown = rows.reconciliation_amount.isnull()
    of_discount = ibis.cases(
        (rows.model != "cjr", rows.discount_unverified),
        (rows.composite_score > rows.excellent_above, rows.unverified_excellent),
        (rows.composite_score >= rows.good_from, rows.unverified_good),
        (rows.composite_score >= rows.acceptable_from, rows.unverified_acceptable),
        else_=rows.unverified_below,
    )
    of_points = ibis.ifelse(rows.composite_quality_score.isnull(), rows.unverified_points, ibis.null("string"))
    named = [(", " + one).fill_null("") for one in (rows.unverified, of_points, of_discount)]
    # Discounts of a hospital's categories may differ: any that is not verified counts.
    sources = (named[0] + named[1] + named[2].max().over(in_hospital)).re_replace("^, ", "")
    reason = ibis.cases(
        (unknown & rows.composite_score.isnull(), "input: the quality of the hospital is not given"),
        (unknown & undiscounted, "a category's group has no discount: give discount_group in prices.csv"),
        (unknown & unpriced, "input: a baseline price is not given"),
        (unknown, "a parameter of the model has no value in this period"),
        (sources != "", ibis.literal("parameters whose source has not been read: ") + sources),
        else_=ibis.null("string"),
    )
    status = ibis.cases((unknown, "not_determinable"), (sources != "", "unverified"), else_="scored")
    return rows.mutate(status=status, status_reason=reason)


SETTLEMENT = Settlement(
    table="settlement/category",
    rules=tuple(rules_of(rules)),
    outcome="reconciliation_amount",
    spending="actual_spending",
    budget="target_spending",
    derived=(
        "status",
        "status_reason",
        "unverified",
        "discount_unverified",
        "discount_key",
        *(f"unverified_{name}" for name in ("points", *_QUALITY)),
    ),
)
