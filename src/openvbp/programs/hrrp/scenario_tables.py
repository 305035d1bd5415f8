"""Parameters as tables: one row per scenario and condition, or per scenario."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pyarrow as pa

from openvbp.errors import Problem, UsageError
from openvbp.parameter_tables import parameter_table
from openvbp.parameters import Scenario
from openvbp.payment.excess_ratio import HIGHEST_MODIFIER

_CONDITIONS = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("measure_id", pa.string()),
        ("minimum_discharges", pa.int64()),
        ("condition_unverified", pa.string()),
    ]
)
_PROGRAM = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("floor_adjustment_factor", pa.decimal128(7, 6)),
        ("number_of_peer_groups", pa.int64()),
        ("is_minimum_applied_to_median", pa.bool_()),
        ("given_neutrality_modifier", pa.decimal128(18, 14)),
        ("declared_neutrality_modifier", pa.decimal128(18, 14)),
        ("is_peer_group_published", pa.bool_()),
        ("is_median_published", pa.bool_()),
        ("median_unverified", pa.string()),
        ("program_unverified", pa.string()),
    ]
)
_MODIFIER = "neutrality_modifier"


def condition_parameters(scenarios: Iterable[Scenario]) -> pa.Table:
    """Conditions that count under each scenario: scenario × measure."""
    rows = [
        {
            "scenario_id": scenario.scenario_id,
            "measure_id": measure_id,
            "minimum_discharges": scenario.value("minimum_discharges"),
            "condition_unverified": scenario.unverified(
                [("is_condition_applied", measure_id), ("minimum_discharges", "")]
            ),
        }
        for scenario in scenarios
        for measure_id, is_applied in scenario.keyed("is_condition_applied").items()
        if is_applied
    ]
    return parameter_table(rows, _CONDITIONS)


def program_parameters(scenarios: Iterable[Scenario], published: Sequence[str]) -> pa.Table:
    """Parameters of the program as a whole: scenario.

    Parameters
    ----------
    published
        Those of peer group, median and neutrality modifier that the files give, by the name of the quantity.

    Raises
    ------
    UsageError
        If a scenario sets a parameter to what the arithmetic cannot keep.
    """
    rows = []
    for scenario in scenarios:
        _check(scenario)
        modifier = scenario.value(_MODIFIER)
        is_given = f"published_{_MODIFIER}" in published or _MODIFIER in scenario.overrides
        is_median_published = "published_peer_group_median" in published
        rows.append(
            {
                "scenario_id": scenario.scenario_id,
                "floor_adjustment_factor": scenario.value("floor_adjustment_factor"),
                "number_of_peer_groups": scenario.value("number_of_peer_groups"),
                "is_minimum_applied_to_median": scenario.value("is_minimum_applied_to_median"),
                "given_neutrality_modifier": modifier if is_given else None,
                "declared_neutrality_modifier": modifier,
                "is_peer_group_published": "published_peer_group" in published,
                "is_median_published": is_median_published,
                "median_unverified": None
                if is_median_published
                else scenario.unverified([("is_minimum_applied_to_median", ""), ("number_of_peer_groups", "")]),
                "program_unverified": scenario.unverified([("floor_adjustment_factor", ""), (_MODIFIER, "")]),
            }
        )
    return parameter_table(rows, _PROGRAM)


def _check(scenario: Scenario) -> None:
    """Numbers that fit their columns and still make no sense."""
    wrong = []
    if (scenario.value(_MODIFIER) or 0) >= HIGHEST_MODIFIER:
        wrong.append(f"{_MODIFIER}={scenario.value(_MODIFIER)} (below {HIGHEST_MODIFIER})")
    if scenario.value("number_of_peer_groups") == 0:
        wrong.append("number_of_peer_groups=0 (at least 1)")
    if not any(scenario.keyed("is_condition_applied").values()):
        wrong.append("is_condition_applied=false for all conditions (at least one counts)")
    if wrong:
        where = f"scenario {scenario.scenario_id}"
        raise UsageError(Problem("parameters cannot have these values", where, "change them", len(wrong), tuple(wrong)))
