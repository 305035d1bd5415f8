"""Parameters as tables: one row per scenario and measure, domain, state, footnote or program."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import pyarrow as pa

from openvbp.errors import Problem, UsageError
from openvbp.parameters import Scenario
from openvbp.programs.hacrp.measures import measure_catalogue
from openvbp.scoring.percentiles import SHARE_DECIMALS
from openvbp.scoring.z_scores import CONSTANT_DECIMALS

WEIGHT_DECIMALS = 3
"""Decimals that a domain weight may have: more would leave 64 bits in the exact sum."""

_LARGEST = 1000
"""Bound of every number given here: scores and results are far smaller."""

CONSTANTS = (
    "lower_percentile_result",
    "upper_percentile_result",
    "winsorized_mean",
    "winsorized_standard_deviation",
)
_RATE = pa.decimal128(18, 10)
_MEASURES = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("measure_id", pa.string()),
        ("domain_id", pa.string()),
        ("rate_rounding_units", pa.int64()),
        ("winsor_lower_share", pa.int64()),
        ("winsor_upper_share", pa.int64()),
        *((f"given_{name}", _RATE) for name in CONSTANTS),
        ("has_given_constants", pa.bool_()),
        ("is_total_hac_score_computed", pa.bool_()),
        ("measure_unverified", pa.string()),
    ]
)
_DOMAINS = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("domain_id", pa.string()),
        ("domain_weight", pa.decimal128(7, 6)),
        ("domain_unverified", pa.string()),
    ]
)
_PROGRAM = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("is_total_hac_score_computed", pa.bool_()),
        ("given_cutoff", pa.decimal128(18, 12)),
        ("is_cutoff_known", pa.bool_()),
        ("cutoff_share", pa.int64()),
        ("is_exempt_state_ranked", pa.bool_()),
        ("payment_reduction", pa.decimal128(7, 6)),
        ("program_unverified", pa.string()),
        ("payment_unverified", pa.string()),
    ]
)


def measure_parameters(scenarios: Iterable[Scenario]) -> pa.Table:
    """Parameters of each measure that counts: scenario × measure.

    Raises
    ------
    UsageError
        If a value has more decimals than the arithmetic keeps or a standard deviation is zero.
    """
    rows = []
    for scenario in scenarios:
        for measure_id in used_measures(scenario):
            constants = {name: scenario.value(name, measure_id) for name in CONSTANTS}
            _check_constants(scenario, measure_id, constants)
            rounded_to = measure_catalogue()[measure_id].rate_rounded_to
            rows.append(
                {
                    "scenario_id": scenario.scenario_id,
                    "measure_id": measure_id,
                    "domain_id": scenario.value("measure_domain", measure_id),
                    # Half of the last printed decimal, in units of the last decimal that a rate keeps.
                    "rate_rounding_units": None
                    if rounded_to is None
                    else 5 * 10 ** (CONSTANT_DECIMALS - 1 - rounded_to),
                    "winsor_lower_share": _share(scenario, "winsor_lower_percentile"),
                    "winsor_upper_share": _share(scenario, "winsor_upper_percentile"),
                    **{f"given_{name}": constants.get(name) for name in CONSTANTS},
                    "has_given_constants": any(value is not None for value in constants.values()),
                    "is_total_hac_score_computed": scenario.value("is_total_hac_score_computed"),
                    "measure_unverified": scenario.unverified(
                        [(name, measure_id) for name in ("is_measure_used", "measure_domain", *CONSTANTS)]
                    ),
                }
            )
    return pa.Table.from_pylist(rows, schema=_MEASURES)


def used_measures(scenario: Scenario) -> list[str]:
    """Measures that count in the scenario's Total HAC Score."""
    return [measure_id for measure_id, is_used in scenario.keyed("is_measure_used").items() if is_used]


def domain_parameters(scenarios: Iterable[Scenario]) -> pa.Table:
    """Parameters of each domain: scenario × domain; empty in the years without domains.

    Raises
    ------
    UsageError
        If a weight has more decimals than the arithmetic keeps, or all weights are zero.
    """
    rows = []
    for scenario in scenarios:
        weights = scenario.keyed("domain_weight")
        if weights:
            _check_weights(scenario, weights)
        for domain_id, weight in weights.items():
            rows.append(
                {
                    "scenario_id": scenario.scenario_id,
                    "domain_id": domain_id,
                    "domain_weight": weight,
                    "domain_unverified": scenario.unverified([("domain_weight", domain_id)]),
                }
            )
    return pa.Table.from_pylist(rows, schema=_DOMAINS)


def program_parameters(scenarios: Iterable[Scenario]) -> pa.Table:
    """Parameters of the program as a whole: scenario."""
    rows = []
    for scenario in scenarios:
        is_known = scenario.value("cutoff") is not None and not scenario.value("is_cutoff_computed")
        decides = ["cutoff"] if is_known else ["cutoff_percentile", "is_exempt_state_ranked"]
        rows.append(
            {
                "scenario_id": scenario.scenario_id,
                "is_total_hac_score_computed": scenario.value("is_total_hac_score_computed"),
                "given_cutoff": _rounded_to(scenario, "cutoff", 12) if is_known else None,
                "is_cutoff_known": is_known,
                "cutoff_share": _share(scenario, "cutoff_percentile"),
                "is_exempt_state_ranked": scenario.value("is_exempt_state_ranked"),
                "payment_reduction": _rounded_to(scenario, "payment_reduction", 6),
                "program_unverified": scenario.unverified([("is_total_hac_score_computed", "")]),
                "payment_unverified": scenario.unverified(
                    [(name, "") for name in ("is_total_hac_score_computed", "payment_reduction", *decides)]
                ),
            }
        )
    return pa.Table.from_pylist(rows, schema=_PROGRAM)


def flags(scenarios: Iterable[Scenario], name: str, key: str, flag: str) -> pa.Table:
    """A parameter of flags by key as a table: scenario × key, those that are true."""
    schema = pa.schema([("scenario_id", pa.string()), (key, pa.string()), (flag, pa.bool_())])
    rows = [
        {"scenario_id": scenario.scenario_id, key: one, flag: True}
        for scenario in scenarios
        for one, is_true in scenario.keyed(name).items()
        if is_true
    ]
    return pa.Table.from_pylist(rows, schema=schema)


def _share(scenario: Scenario, name: str) -> int | None:
    value = scenario.value(name)
    return None if value is None else int(_rounded_to(scenario, name, SHARE_DECIMALS) * 10**SHARE_DECIMALS)


def _rounded_to(scenario: Scenario, name: str, decimals: int) -> Decimal:
    value = scenario.value(name)
    _check_number(scenario, name, value, decimals)
    return value


def _check_number(scenario: Scenario, path: str, value: Decimal, decimals: int) -> None:
    if abs(value) >= _LARGEST or value % Decimal(1).scaleb(-decimals):
        what = f"{path} must lie within ±{_LARGEST} and have at most {decimals} decimals"
        where = f"scenario {scenario.scenario_id}"
        raise UsageError(Problem(what, where, "round it", examples=(f"{path}={value}",)))


def _check_constants(scenario: Scenario, measure_id: str, constants: dict[str, Decimal | None]) -> None:
    for name, value in constants.items():
        path = f"{name}.{measure_id}"
        if value is not None:
            _check_number(scenario, path, value, CONSTANT_DECIMALS)
        if value is not None and value <= 0 and name == "winsorized_standard_deviation":
            where = f"scenario {scenario.scenario_id}"
            raise UsageError(Problem(f"{path} cannot be {value}", where, "give a standard deviation above zero"))


def _check_weights(scenario: Scenario, weights: dict[str, Decimal]) -> None:
    fine = [domain for domain, weight in weights.items() if weight % Decimal(1).scaleb(-WEIGHT_DECIMALS)]
    if fine or not any(weights.values()):
        raise UsageError(
            Problem(
                f"domain weights must have at most {WEIGHT_DECIMALS} decimals and not all be zero",
                f"scenario {scenario.scenario_id}",
                "round the weights",
                max(len(fine), 1),
                tuple(f"domain_weight.{domain}={weights[domain]}" for domain in fine[:3]),
            )
        )
