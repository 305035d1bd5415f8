"""Parameters of every scenario as tables: one row per scenario, per measure, and per kind of reweighting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import product

import pyarrow as pa

from openvbp.parameter_tables import parameter_table
from openvbp.parameters import Scenario
from openvbp.programs.mips.input_files import CATEGORIES

_POINTS = pa.decimal128(7, 2)
_RATIO = pa.decimal128(7, 4)
_COUNT = pa.int64()
MEASURE_PARAMETERS = {
    # quantity: parameter, key, type
    "minimum_cases": ("minimum_cases", "", _COUNT),
    "data_completeness": ("data_completeness", "", _RATIO),
    "floor_points": ("floor_points", "", _POINTS),
    "topped_out_cap": ("topped_out_cap", "", _POINTS),
    "unscorable_points_small": ("unscorable_points", "small", _POINTS),
    "unscorable_points_other": ("unscorable_points", "other", _POINTS),
    "incomplete_points_small": ("incomplete_points", "small", _POINTS),
    "incomplete_points_other": ("incomplete_points", "other", _POINTS),
}
QUALITY_PARAMETERS = {
    "required_measures": ("required_measures", "", _COUNT),
    "high_priority_bonus_cap": ("high_priority_bonus_cap", "", _RATIO),
    "end_to_end_bonus_cap": ("end_to_end_bonus_cap", "", _RATIO),
    "small_practice_quality_bonus": ("small_practice_quality_bonus", "", _POINTS),
    "maximum_improvement": ("maximum_improvement", "", _POINTS),
    "improvement_floor": ("improvement_floor", "", _POINTS),
}
FINAL_SCORE_PARAMETERS = {
    "maximum_complex_patient_bonus": ("maximum_complex_patient_bonus", "", _POINTS),
    "small_practice_final_bonus": ("small_practice_final_bonus", "", _POINTS),
    "performance_threshold": ("performance_threshold", "", _POINTS),
}
PAYMENT_PARAMETERS = {
    "applicable_percent": ("applicable_percent", "", _RATIO),
    "maximum_scaling_factor": ("maximum_scaling_factor", "", pa.decimal128(16, 14)),
    "scaling_factor": ("scaling_factor", "", pa.decimal128(16, 14)),
}
ADDITIONAL_PARAMETERS = {
    "additional_threshold": ("additional_threshold", "", _POINTS),
    "additional_minimum": ("additional_minimum", "", _RATIO),
    "additional_maximum": ("additional_maximum", "", _RATIO),
    "additional_pool_amount": ("additional_pool_amount", "", pa.decimal128(18, 2)),
    "additional_scaling_factor": ("additional_scaling_factor", "", pa.decimal128(16, 14)),
}
_OF_SCENARIO = (
    MEASURE_PARAMETERS | QUALITY_PARAMETERS | FINAL_SCORE_PARAMETERS | PAYMENT_PARAMETERS | ADDITIONAL_PARAMETERS
)
_OF_BONUS = "end_to_end_bonus_cap"
_OF_SMALL = "small_practice_quality_bonus"
_UNVERIFIED = {
    # Groups that a result uses together, so that it says so of its own parameters only.
    "unverified_measure": MEASURE_PARAMETERS,
    "unverified_quality": {
        name: place for name, place in QUALITY_PARAMETERS.items() if name not in (_OF_BONUS, _OF_SMALL)
    },
    "unverified_bonus": {_OF_BONUS: QUALITY_PARAMETERS[_OF_BONUS]},
    "unverified_small": {_OF_SMALL: QUALITY_PARAMETERS[_OF_SMALL]},
    "unverified_score": FINAL_SCORE_PARAMETERS,
    "unverified_payment": PAYMENT_PARAMETERS,
    "unverified_additional": ADDITIONAL_PARAMETERS,
}
NOTHING_REWEIGHTED = "none"


def scenario_rows(scenarios: Sequence[Scenario]) -> pa.Table:
    """One row per scenario, with the names of parameters whose source has not been read, by stage."""
    schema = pa.schema(
        [("scenario_id", pa.string())]
        + [(name, pa.string()) for name in _UNVERIFIED]
        + [(quantity, kind) for quantity, (_name, _key, kind) in _OF_SCENARIO.items()]
    )
    rows = [
        {
            "scenario_id": scenario.scenario_id,
            **{column: _names(_unverified(scenario, group)) for column, group in _UNVERIFIED.items()},
            **{quantity: scenario.value(name, key) for quantity, (name, key, _kind) in _OF_SCENARIO.items()},
        }
        for scenario in scenarios
    ]
    return parameter_table(rows, schema)


def measure_rows(scenarios: Sequence[Scenario]) -> pa.Table:
    """One row per scenario and measure that has a case minimum or cap of its own."""
    schema = pa.schema(
        [
            ("scenario_id", pa.string()),
            ("measure_id", pa.string()),
            ("own_minimum_cases", _COUNT),
            ("is_capped_by_rule", pa.bool_()),
            ("unverified_own", pa.string()),
        ]
    )
    rows = []
    for scenario in scenarios:
        minimums, caps = scenario.keyed("measure_minimum_cases"), scenario.keyed("is_capped_measure")
        for measure in sorted(minimums | caps):
            named = [name for name in ("measure_minimum_cases", "is_capped_measure") if measure in scenario.keyed(name)]
            rows.append(
                {
                    "scenario_id": scenario.scenario_id,
                    "measure_id": measure,
                    "own_minimum_cases": minimums.get(measure),
                    "is_capped_by_rule": caps.get(measure, False),
                    "unverified_own": _names(
                        f"{name}.{measure}" for name in named if scenario.cited(name, measure).unverified
                    ),
                }
            )
    return parameter_table(rows, schema)


def weight_rows(scenarios: Sequence[Scenario]) -> pa.Table:
    """One row per scenario, kind of reweighting, size of practice and category, with the redistributed weight."""
    schema = pa.schema(
        [
            ("scenario_id", pa.string()),
            ("reweighting", pa.string()),
            ("is_small_practice", pa.bool_()),
            ("category_id", pa.string()),
            ("redistributed_weight", _RATIO),
            ("unverified_weight", pa.string()),
        ]
    )
    rows = []
    for scenario in scenarios:
        weights: dict[str, Decimal] = scenario.keyed("category_weight")
        for reweighting, is_small, category in product(_reweightings(), (True, False), CATEGORIES):
            key = f"{reweighting}.{category}"
            if is_small and any(name.startswith(f"small:{reweighting}.") for name in weights):
                key = f"small:{key}"
            if key in weights:
                rows.append(
                    {
                        "scenario_id": scenario.scenario_id,
                        "reweighting": reweighting,
                        "is_small_practice": is_small,
                        "category_id": category,
                        "redistributed_weight": weights[key],
                        "unverified_weight": f"category_weight.{key}"
                        if scenario.cited("category_weight", key).unverified
                        else None,
                    }
                )
    return parameter_table(rows, schema)


def _reweightings() -> Iterator[str]:
    """Every set of categories as the parameters write it: names joined by plus signs, in the order of the law."""
    for flags in product((False, True), repeat=len(CATEGORIES)):
        named = [category for category, is_reweighted in zip(CATEGORIES, flags, strict=True) if is_reweighted]
        yield "+".join(named) or NOTHING_REWEIGHTED


def _unverified(scenario: Scenario, group: dict[str, tuple[str, str, pa.DataType]]) -> Iterator[str]:
    for name, key, _kind in group.values():
        if scenario.value(name, key) is not None and scenario.cited(name, key).unverified:
            yield f"{name}.{key}" if key else name


def _names(names: Iterator[str]) -> str | None:
    return ", ".join(sorted(set(names))) or None
