"""Composites: several measures of one condition as one score."""

from __future__ import annotations

import ibis.expr.types as ir

from openvbp import money

INDEX_DECIMALS = 12
EXPECTED_DECIMALS = 6
WEIGHT_DECIMALS = 2
"""Decimals that the weight of an outcome measure may have."""
COMPOSITE_DECIMALS = 10


def opportunity_rate(met: ir.IntegerValue, opportunities: ir.IntegerValue) -> ir.DecimalValue:
    """Divide the sum of all numerators by the sum of all denominators.

    Parameters
    ----------
    met, opportunities
        Sums over the process measures of a provider; an opportunity is a patient for whom a measure applies.

    Returns
    -------
    Rate 0 to 1 of 12 decimals; null without opportunities.
    """
    return money.divide_half_up(met, opportunities, INDEX_DECIMALS)


def observed_to_expected(
    observed: ir.IntegerValue, patients: ir.IntegerValue, expected_rate: ir.DecimalValue
) -> ir.DecimalValue:
    """Divide an observed rate by the expected one; above 1 is better than expected.

    Parameters
    ----------
    observed, patients
        Patients with the good outcome (survival, no complication, no readmission), and all patients; below 4 million.
    expected_rate
        Expected share of patients with the good outcome, of at most 6 decimals and at least 0.01.

    Returns
    -------
    Index of 12 decimals; null without patients.
    """
    expected = money.in_units(expected_rate, EXPECTED_DECIMALS)
    return money.divide_half_up(observed * 10**EXPECTED_DECIMALS, patients * expected, INDEX_DECIMALS)


def composite_percent(
    process_rate: ir.DecimalValue,
    process_measures: ir.IntegerValue,
    outcome_index_units: ir.IntegerValue,
    outcome_measures: ir.IntegerValue,
    outcome_weight: ir.DecimalValue,
) -> ir.DecimalValue:
    """Average a process composite and outcome indexes, weighted by their numbers of measures, times 100.

    Parameters
    ----------
    process_rate
        Process composite, 0 to 1; null without process measures.
    process_measures, outcome_measures
        How many measures of each kind count.
    outcome_index_units
        Sum of the outcome indexes in units of their last decimal; zero without outcome measures.
    outcome_weight
        Weight of one outcome measure relative to one process measure.

    Returns
    -------
    Score of 10 decimals, about 0 to 100; null without any measure.
    """
    weight = money.in_units(outcome_weight, WEIGHT_DECIMALS)
    one = 10**WEIGHT_DECIMALS
    process_units = money.in_units(process_rate, INDEX_DECIMALS).fill_null(0)
    total = process_units * process_measures * one + outcome_index_units * weight
    measures = process_measures * one + outcome_measures * weight
    # A ratio of 12 decimals, read as a percentage, has 10.
    return money.from_units(money.round_half_up_quotient(total, measures), COMPOSITE_DECIMALS)
