"""What the file publishes beside its inputs: results to compare with, and where each input stands."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from openvbp.parameters import Scenario, load_parameters
from openvbp.programs.mssp import cells
from openvbp.programs.mssp.published_files import PARTICIPANT_REVENUE_FILE
from openvbp.programs.mssp.readers import PublishedInputs, read_published

_INPUTS = {
    # quantity: columns of which the first that the file has is its source
    "benchmark": ("benchmark",),
    "expenditures": ("expenditures",),
    "published_difference": ("published_difference",),
    "beneficiaries": ("beneficiaries",),
    "published_minimum_savings_rate": ("minimum_savings_rate",),
    "published_quality_score": ("quality_score",),
    "is_pay_for_reporting": ("quality_score",),
    "is_quality_standard_met": ("is_quality_standard_met", "final_sharing_rate"),
    "is_alternative_standard_met": ("is_alternative_standard_met",),
    "is_high_revenue": ("revenue_category",),
    "has_guardrail": ("has_guardrail",),
    "disaster_adjustment": ("disaster_adjustment",),
    "performance_months": ("is_six_months",),
    "is_ended_early": ("is_ended_early",),
}
_SHARES = {
    # quantity: column
    "savings_rate": "savings_rate",
    "minimum_savings_rate": "minimum_savings_rate",
    "final_sharing_rate": "final_sharing_rate",
    "shared_loss_rate": "final_loss_rate",
}
_DOLLAR = Decimal(1)
_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("provider_id", "quantity", "measure_id", "domain_id", "source", "text")]
    + [("tolerance", pa.decimal128(28, 12))]
)


def citations(inputs: PublishedInputs) -> list[tuple[str, str]]:
    """File and column of every input that the file has: quantity, citation."""
    file = inputs.file
    found = [
        (quantity, file.source(next(one for one in columns if one in file.named)))
        for quantity, columns in _INPUTS.items()
        if any(one in file.named for one in columns)
    ]
    return [*found, ("participant_revenue", PARTICIPANT_REVENUE_FILE)]


def left_out(inputs: PublishedInputs, scenario: Scenario, *, has_revenue: bool) -> set[str]:
    """Name the quantities that the year's file or rules do not have."""
    missing = {name for name, columns in _INPUTS.items() if not any(one in inputs.file.named for one in columns)}
    if not any(aco["is_pay_for_reporting"] for aco in inputs.acos):
        missing.add("is_pay_for_reporting")
    if not has_revenue:
        missing.add("participant_revenue")
    if scenario.value("reduced_sharing_multiplier") is None:
        missing |= {"is_sharing_reduced", "reduced_sharing_multiplier"}
    return missing


def read_published_values(path: Path, period_label: str) -> pa.Table:
    """Published results in long form, as text, for comparison.

    Shares are written as fractions whatever the file's unit, with as many decimals as are printed. Amounts that depend
    on a quality score have a tolerance: what the rounding of the printed score leaves open, and a dollar.

    Returns
    -------
    ACO × quantity: provider_id, quantity, measure_id, domain_id, source, text, tolerance.
    """
    declared = load_parameters(Path(__file__).with_name("parameters.yaml"))
    scenario = declared.in_force(declared.period(period_label))
    inputs = read_published(path, scenario.period.start.year)
    rows = []
    for aco, (_, cells_of_row) in zip(inputs.acos, inputs.rows, strict=True):
        for quantity, column, text, tolerance in _values(inputs, scenario, aco, cells_of_row):
            rows.append(
                {
                    "provider_id": aco["provider_id"],
                    "quantity": quantity,
                    "source": inputs.file.source(column),
                    "text": text,
                    "tolerance": tolerance,
                }
            )
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def _values(
    inputs: PublishedInputs, scenario: Scenario, aco: dict, row: Sequence[str]
) -> list[tuple[str, str, str, Decimal | None]]:
    """Quantity, column, text and tolerance of every result that the row prints."""
    named = inputs.file.named
    width = _width_of_rate(inputs, scenario, aco, row)
    difference = cells.try_money(row[named["published_difference"]]) if "published_difference" in named else None
    result = _result(inputs, row)
    found: list[tuple[str, str, str, Decimal | None]] = []
    for quantity, column in _SHARES.items():
        number = cells.try_number(row[named[column]]) if column in named else None
        # Our steps of losses are those of ACOs that share some.
        if number is None or (quantity == "shared_loss_rate" and not (result or 0) < 0):
            continue
        share = number.scaleb(-2) if column in inputs.percent else number
        # A printed rate can be off by its own rounding and by that of the score.
        unit = Decimal(1).scaleb(int(share.as_tuple().exponent)) / 2
        tolerance = width + unit if quantity in ("final_sharing_rate", "shared_loss_rate") and width else None
        found.append((quantity, column, f"{share:f}", tolerance))
    if difference is not None:
        found.append(("gross_savings", "published_difference", f"{difference:f}", _DOLLAR))
    if result is not None:
        tolerance = _DOLLAR + abs(difference or 0) * width
        column = "earned_savings_or_losses" if "earned_savings_or_losses" in named else "earned_savings"
        found.append(("earned_savings_or_losses", column, f"{result:f}", tolerance))
    return found


def _result(inputs: PublishedInputs, row: Sequence[str]) -> Decimal | None:
    """Earned savings, or owed losses below zero; the file of PY2013 prints the two in columns of their own."""
    named = inputs.file.named
    columns = (
        ("earned_savings_or_losses",) if "earned_savings_or_losses" in named else ("earned_savings", "owed_losses")
    )
    amounts = [amount for one in columns if one in named and (amount := cells.try_money(row[named[one]])) is not None]
    return sum(amounts, Decimal(0)) if amounts else None


def _width_of_rate(inputs: PublishedInputs, scenario: Scenario, aco: dict, row: Sequence[str]) -> Decimal:
    """Half the interval of the sharing or loss rate that the rounding of the quality score leaves open."""
    score = aco["published_quality_score"]
    highest = scenario.value("maximum_sharing_rate", aco["track"])
    text = row[inputs.file.named["quality_score"]]
    if score is None or score in (0, 1) or highest is None or not cells.try_number(text):
        return Decimal(0)
    return highest * Decimal(1).scaleb(int(score.as_tuple().exponent)) / 2
