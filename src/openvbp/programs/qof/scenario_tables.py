"""Parameters as tables: one row per scenario and indicator, area or country."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from openvbp.parameter_tables import parameter_table
from openvbp.parameters import CitedValue, Scenario
from openvbp.programs.qof.indicator_codes import framework
from openvbp.steps import Source

_THRESHOLD = pa.decimal128(18, 10)
_MEASURES = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("measure_id", pa.string()),
        ("domain_id", pa.string()),
        ("scoring", pa.string()),
        ("available_points", pa.decimal128(18, 4)),
        ("lower_threshold", _THRESHOLD),
        ("upper_threshold", _THRESHOLD),
        ("zero_denominator_pays", pa.bool_()),
        ("measure_unverified", pa.string()),
    ]
)
_AREAS = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("domain_id", pa.string()),
        ("is_prevalence_adjusted", pa.bool_()),
        ("is_factor_one", pa.bool_()),
        ("is_target_population", pa.bool_()),
        ("target_indicator", pa.string()),
        ("prevalence_cut_off", pa.decimal128(7, 6)),
    ]
)
_COUNTRY = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("gbp_per_point", pa.decimal128(10, 4)),
        ("average_list_size", pa.decimal128(18, 2)),
        ("aspiration_share", pa.decimal128(7, 6)),
        ("aspiration_uprating_index", pa.decimal128(7, 4)),
        ("payment_unverified", pa.string()),
        ("aspiration_unverified", pa.string()),
    ]
)
_QUANTITIES = {"available_points": "points", "lower_threshold": "lower_threshold", "upper_threshold": "upper_threshold"}


def indicator_value(scenario: Scenario, country: str, column: str, code: str) -> tuple[str, CitedValue | None]:
    """Find an indicator's parameter: the corrected value where there is one, else the declared.

    Returns
    -------
    The parameter's name and its value; ``None`` if there is none.
    """
    name = framework(country, scenario)
    corrected = scenario.parameters.get(f"{name}_corrected_{column}")
    found = corrected.values.get(code) if corrected else None
    if corrected and found and found.value is not None:
        return corrected.name, found
    declared = f"{name}_{column}"
    return declared, scenario.parameters[declared].values.get(code)


def measure_parameters(scenarios: Iterable[Scenario], country: str) -> pa.Table:
    """Parameters of each indicator: scenario × measure.

    Raises
    ------
    UsageError
        If a number does not fit.
    """
    rows = []
    for scenario in scenarios:
        for code in scenario.keyed(f"{framework(country, scenario)}_points"):
            found = {
                quantity: indicator_value(scenario, country, column, code)
                for quantity, column in (*_QUANTITIES.items(), ("scoring", "scoring"), ("domain_id", "area"))
            }
            unverified = [f"{name}.{code}" for name, one in found.values() if one and one.unverified]
            rows.append(
                {
                    "scenario_id": scenario.scenario_id,
                    "measure_id": code,
                    **{quantity: one.value if one else None for quantity, (_name, one) in found.items()},
                    "zero_denominator_pays": bool(scenario.value("zero_denominator_pays", code)),
                    "measure_unverified": ", ".join(unverified) or None,
                }
            )
    return parameter_table(rows, _MEASURES)


def area_parameters(scenarios: Iterable[Scenario], country: str) -> pa.Table:
    """How the points of each area are adjusted: scenario × area."""
    rows = []
    for scenario in scenarios:
        adjustment = scenario.keyed("prevalence_adjustment")
        targets = scenario.keyed("target_population_areas")
        areas = set(scenario.keyed(f"{framework(country, scenario)}_area").values())
        rows += [
            {
                "scenario_id": scenario.scenario_id,
                "domain_id": area,
                "is_prevalence_adjusted": area in adjustment,
                "is_factor_one": adjustment.get(area) == "one",
                "is_target_population": bool(targets.get(area)),
                "target_indicator": scenario.value("target_population_indicator", area),
                "prevalence_cut_off": scenario.value("prevalence_cut_off"),
            }
            for area in sorted(areas)
        ]
    return parameter_table(rows, _AREAS)


def country_parameters(scenarios: Iterable[Scenario], country: str) -> pa.Table:
    """Pounds, average list and aspiration: one row per scenario."""
    rows: list[dict[str, Any]] = []
    for scenario in scenarios:
        places = _country_places(country)
        payment = [*places[:2], ("prevalence_cut_off", "")]
        rows.append(
            {
                "scenario_id": scenario.scenario_id,
                **{name: scenario.value(name, key) for name, key in places},
                "payment_unverified": scenario.unverified(payment),
                "aspiration_unverified": scenario.unverified([*payment, *places[2:]]),
            }
        )
    return parameter_table(rows, _COUNTRY)


def _country_places(country: str) -> list[tuple[str, str]]:
    return [
        ("gbp_per_point", country),
        ("average_list_size", country),
        ("aspiration_share", ""),
        ("aspiration_uprating_index", ""),
    ]


def parameter_citations(
    scenarios: Iterable[Scenario], country: str, codes: Sequence[str], areas: Sequence[str]
) -> list[Source]:
    """Cite the value of every parameter where it is used."""
    sources = []
    for scenario in scenarios:
        for code in codes:
            for quantity, column in _QUANTITIES.items():
                _name, cited = indicator_value(scenario, country, column, code)
                if cited:
                    sources.append(Source(scenario.scenario_id, quantity, code, "", cited.cite))
            pays = scenario.parameters["zero_denominator_pays"].values.get(code)
            if pays:
                sources.append(Source(scenario.scenario_id, "zero_denominator_pays", code, "", pays.cite))
        for name, key in _country_places(country):
            cited = scenario.parameters[name].values.get(key)
            if cited:
                sources.append(Source(scenario.scenario_id, name, "", "", cited.cite))
        cut_off = scenario.parameters["prevalence_cut_off"].values.get("")
        if cut_off:
            sources += [Source(scenario.scenario_id, "prevalence_cut_off", "", area, cut_off.cite) for area in areas]
    return sources
