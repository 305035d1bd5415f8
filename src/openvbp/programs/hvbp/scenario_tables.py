"""Parameters as tables: one row per scenario and measure, domain or program."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal

import pyarrow as pa

from openvbp.errors import Problem, UsageError
from openvbp.parameter_tables import parameter_table
from openvbp.parameters import Scenario
from openvbp.programs.hvbp.measures import Measure, measure_catalogue
from openvbp.programs.hvbp.rules import WEIGHT_DECIMALS

SURVEY_DOMAIN = "person_and_community_engagement"
_RATE = pa.decimal128(18, 10)
_MEASURES = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("measure_id", pa.string()),
        ("domain_id", pa.string()),
        ("is_higher_better", pa.bool_()),
        ("minimum_cases", pa.decimal128(18, 4)),
        ("combined_into", pa.string()),
        ("is_combination", pa.bool_()),
        ("has_published_points", pa.bool_()),
        ("achievement_threshold", _RATE),
        ("benchmark", _RATE),
        ("floor", _RATE),
        ("measure_unverified", pa.string()),
    ]
)
_DOMAINS = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("domain_id", pa.string()),
        ("domain_weight", pa.decimal128(7, 6)),
        ("area_number", pa.int64()),
        ("minimum_measures", pa.int64()),
        ("is_hcahps", pa.bool_()),
        ("common_denominator", pa.int64()),
        ("domain_unverified", pa.string()),
    ]
)
_PROGRAM = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("minimum_domains", pa.int64()),
        ("is_total_performance_score_computed", pa.bool_()),
        ("applicable_percent", pa.decimal128(7, 6)),
        ("maximum_total_performance_score", pa.decimal128(7, 2)),
        ("exchange_function_slope", pa.decimal128(20, 14)),
        ("program_unverified", pa.string()),
    ]
)


def measure_parameters(scenarios: Iterable[Scenario], measures_with_points: set[str]) -> pa.Table:
    """Parameters of each measure: scenario × measure.

    Raises
    ------
    UsageError
        If a measure counts in a domain or combination that does not exist, or its standards are the wrong way round.
    """
    catalogue = measure_catalogue()
    rows = []
    for scenario in scenarios:
        _check_measures(scenario, catalogue)
        combinations = scenario.keyed("combined_into")
        for measure_id, domain_id in scenario.keyed("measure_domain").items():
            measure = catalogue[measure_id]
            rows.append(
                {
                    "scenario_id": scenario.scenario_id,
                    "measure_id": measure_id,
                    "domain_id": domain_id,
                    "is_higher_better": measure.direction == "higher",
                    "minimum_cases": scenario.value("minimum_cases", measure.cases_of),
                    "combined_into": combinations.get(measure_id),
                    "is_combination": measure_id in combinations.values(),
                    "has_published_points": measure_id in measures_with_points,
                    "achievement_threshold": scenario.value("achievement_threshold", measure_id),
                    "benchmark": scenario.value("benchmark", measure_id),
                    "floor": scenario.value("floor", measure_id),
                    "measure_unverified": scenario.unverified(
                        [
                            ("measure_domain", measure_id),
                            ("minimum_cases", measure.cases_of),
                            ("achievement_threshold", measure_id),
                            ("benchmark", measure_id),
                            ("floor", measure_id),
                        ],
                    ),
                }
            )
    return parameter_table(rows, _MEASURES)


MAXIMUM_AREAS = 5
"""More areas than any fiscal year has had."""


def domain_parameters(scenarios: Iterable[Scenario]) -> pa.Table:
    """Parameters of each domain: scenario × domain.

    Raises
    ------
    UsageError
        If a weight has more decimals than the arithmetic keeps, or all weights are zero.
    """
    rows = []
    for scenario in scenarios:
        weights = scenario.keyed("domain_weight")
        areas = sorted({scenario.value("domain_area", domain_id) for domain_id in weights})
        _check_weights(scenario, weights)
        for domain_id, weight in weights.items():
            rows.append(
                {
                    "scenario_id": scenario.scenario_id,
                    "domain_id": domain_id,
                    "domain_weight": weight,
                    "area_number": areas.index(scenario.value("domain_area", domain_id)),
                    "minimum_measures": scenario.value("minimum_measures", domain_id),
                    "is_hcahps": domain_id == SURVEY_DOMAIN,
                    "common_denominator": common_denominator(scenario),
                    "domain_unverified": scenario.unverified(
                        [("domain_weight", domain_id), ("domain_area", domain_id), ("minimum_measures", domain_id)],
                    ),
                }
            )
    return parameter_table(rows, _DOMAINS)


def program_parameters(scenarios: Iterable[Scenario]) -> pa.Table:
    """Parameters of the program as a whole: scenario.

    Raises
    ------
    UsageError
        If the score by which the exchange function divides is zero.
    """
    rows = [
        {
            "scenario_id": scenario.scenario_id,
            "minimum_domains": scenario.value("minimum_domains"),
            **{
                name: scenario.value(name)
                for name in (
                    "is_total_performance_score_computed",
                    "applicable_percent",
                    "maximum_total_performance_score",
                    "exchange_function_slope",
                )
            },
            "program_unverified": scenario.unverified(
                [("minimum_domains", ""), ("is_total_performance_score_computed", ""), ("applicable_percent", "")],
            ),
        }
        for scenario in scenarios
    ]
    without_maximum = [row["scenario_id"] for row in rows if not row["maximum_total_performance_score"]]
    if without_maximum:
        raise UsageError(
            Problem(
                "maximum_total_performance_score must be above zero",
                "scenario " + ", ".join(without_maximum),
                "set a number above zero: scores are divided by it",
            )
        )
    return parameter_table(rows, _PROGRAM)


def common_denominator(scenario: Scenario) -> int:
    """Find a number that the maximum points of every domain, whatever measures are scored, divide."""
    domains = list(scenario.keyed("measure_domain").values())
    most_measures = max(domains.count(domain) for domain in set(domains) - {SURVEY_DOMAIN})
    return math.lcm(100, *(10 * count for count in range(1, most_measures + 1)))


def _check_weights(scenario: Scenario, weights: dict[str, Decimal]) -> None:
    smallest = Decimal(1).scaleb(-WEIGHT_DECIMALS)
    fine = [domain for domain, weight in weights.items() if weight % smallest]
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


def _check_measures(scenario: Scenario, catalogue: dict[str, Measure]) -> None:
    """Demand that every measure counts somewhere and that its threshold is not beyond its benchmark."""
    domains, measures = scenario.keyed("domain_weight"), scenario.keyed("measure_domain")
    lost = [f"measure_domain.{one}={domain}" for one, domain in measures.items() if domain not in domains]
    lost += [f"combined_into.{one}={whole}" for one, whole in scenario.keyed("combined_into").items() if whole != "SSI"]
    reversed_standards = []
    for measure_id in measures:
        standards = [scenario.value(name, measure_id) for name in ("achievement_threshold", "benchmark")]
        if None not in standards:
            worse, better = standards if catalogue[measure_id].direction == "higher" else reversed(standards)
            if worse > better:
                reversed_standards.append(f"{measure_id}: threshold {standards[0]}, benchmark {standards[1]}")
    where = f"scenario {scenario.scenario_id}"
    problems = [
        Problem(what, where, what_to_do, len(examples), tuple(examples[:3]))
        for what, what_to_do, examples in (
            (
                "measures would count nowhere",
                "choose a domain that has a weight, and for infection sites the combination SSI",
                lost,
            ),
            ("achievement thresholds are better than the benchmarks", "change one of the two", reversed_standards),
        )
        if examples
    ]
    if problems:
        raise UsageError(problems)
