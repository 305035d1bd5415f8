"""Result tables with the cells blanked that are withheld, nothing left of them in the memory of the columns."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from openvbp.reporting.disclosure_cells import Place, SmallCells, StepRow, place_of

_VALUES: Mapping[str, tuple[str, ...]] = {
    "provider": ("dual_eligible_ratio",),
    "measure_result": (
        *("numerator", "denominator", "rate", "expected", "baseline_rate"),
        *("achievement_points", "improvement_points", "points"),
    ),
    "domain_result": ("points", "maximum_points", "score", "weight", "weighted_score"),
    "provider_result": ("score",),
    "payment_result": ("amount", "base_amount", "rate", "factor"),
    "step_result": ("value",),
    "payment_interval": (
        *("rate", "rate_low", "rate_high", "amount", "amount_low", "amount_high"),
        *("probability_taken", "probability_given", "probability_sign_flips"),
    ),
    "measure_interval": (
        *("rate", "rate_low", "rate_high", "threshold", "points", "points_low", "points_high"),
        *("probability_above_threshold", "probability_side_flips"),
    ),
}
"""Columns that are withheld, by table; of scores and payments the first is the one that a step gives."""
_COUNTS = ("numerator", "denominator")
_KEYS = ("scenario_id", "provider_id", "measure_id", "domain_id")
_LIMITS = ("threshold", "benchmark")
_RANKS = ("rank", "percentile")
_PLACES = Decimal("0.000000001")
_ORDINARY = (Decimal(0), Decimal(1))
"""Values that are found everywhere, so that their being equal says nothing."""
_COUNTED = re.compile(
    r"\b([0-9][0-9,]*) (?:cases?|patients?|stays?|discharges?|episodes?|surveys?|members?|beneficiar|admissions?)"
)


@dataclass
class Values:
    """Values of a provider's steps, without sign, in billionths."""

    withheld: set[Decimal] = field(default_factory=set)
    """Those of domains and of the provider as a whole, and amounts of money."""
    staying: set[Decimal] = field(default_factory=set)
    reaches_totals: bool = False
    """Whether what is withheld flows into totals of the provider."""


@dataclass(frozen=True)
class Withheld:
    """What is withheld from the tables of a run."""

    cells: SmallCells
    steps: Sequence[StepRow]
    measures: Set[tuple[str, Place]]
    """Scenario and place."""
    domains: Set[tuple[str, Place]]
    values: Mapping[tuple[str, str], Values]
    """By scenario and provider."""
    measured: Set[tuple[str, str]]
    """Scenario and provider with measures of its own."""
    parameters: Mapping[tuple[str, Place], Set[Decimal]]
    """By scenario and place of a measure the values of its steps that stay."""
    closed: Set[tuple[str, str]]
    """Scenario and provider without steps whose scores and payments are withheld."""

    @property
    def touched(self) -> set[tuple[str, str]]:
        """Scenario and provider of withheld measures: in draws, their points vary even if the run's are at an end."""
        return {(scenario, place.provider_id) for scenario, place in self.measures}

    @property
    def closed_scenarios(self) -> set[str]:
        """Scenarios of these, whose payments are all withheld: they may be shares of one sum."""
        return {scenario for scenario, _ in self.closed}


def rounded(value: Decimal) -> Decimal:
    """Make values of different tables comparable."""
    return abs(value).quantize(_PLACES)


def reason(smallest_cell: int) -> str:
    """Say why a cell is empty; the same words for every kind, which would else narrow the count down."""
    return f"suppressed: fewer than {smallest_cell} patients, or would give such a count back"


def blank(name: str, table: pa.Table, found: Withheld, smallest_cell: int, suppressed: dict[str, int]) -> pa.Table:
    """Blank the withheld cells of a table and add to the numbers of suppressed cells."""
    mask = _mask(name, table, found)
    for column in _VALUES[name]:
        table = _without(table, column, mask, _kinds(name, column, table, found), suppressed)
    derived = ["derived"] * table.num_rows
    if name == "measure_interval":
        return table
    if name == "payment_interval":
        return _written(table, "draw_status", mask, "suppressed")
    if name == "measure_result":
        for column in _LIMITS:
            table = _without(table, column, _are_not_parameters(table, column, mask, found), derived, suppressed)
    if name == "provider_result":
        everybody = _everybody_where_any(table, mask)
        for column in _RANKS:
            table = _without(table, column, everybody, derived, suppressed)
    if name in ("provider", "provider_result"):
        regrouped = {step.provider_id for step in found.steps if step.quantity == "peer_group"}
        moved = [provider_id in regrouped for provider_id in table["provider_id"].to_pylist()]
        table = _without(table, "peer_group", moved, derived, suppressed)
    text = {"step_result": "note", "provider": "excluded_reason"}.get(name, "status_reason")
    table = _written(table, text, _naming_small_counts(table[text], smallest_cell), reason(smallest_cell))
    if name == "provider":
        return table
    table = _written(table, text, mask, reason(smallest_cell))
    return table if name == "step_result" else _written(table, "status", mask, "suppressed")


# --- Which rows ---------------------------------------------------------------------------------------------


def _mask(name: str, table: pa.Table, found: Withheld) -> list[bool]:
    """Say for each row whether it is withheld."""
    if name == "step_result":
        rows = {step.row for step in found.steps}
        return [number in rows for number in range(table.num_rows)]
    if name == "provider":
        ratios = {(provider, value) for (_, provider), one in found.values.items() for value in one.withheld}
        given = table.select(["provider_id", "dual_eligible_ratio"]).to_pylist()
        return [
            row["dual_eligible_ratio"] is not None
            and (row["provider_id"], rounded(row["dual_eligible_ratio"])) in ratios
            for row in given
        ]
    touched = found.touched
    is_withheld: Callable[[Mapping[str, Any]], bool] = {
        "measure_result": lambda row: (
            (row["scenario_id"], place_of(row["provider_id"], row["measure_id"], None)) in found.measures
        ),
        "domain_result": lambda row: (
            (row["scenario_id"], place_of(row["provider_id"], None, row["domain_id"])) in found.domains
            or (row["scenario_id"], row["provider_id"]) in found.closed
        ),
        "provider_result": lambda row: _total_is_withheld(row, _VALUES[name], found),
        "payment_result": lambda row: (
            row["scenario_id"] in found.closed_scenarios or _total_is_withheld(row, _VALUES[name], found)
        ),
        "measure_interval": lambda row: (
            (row["scenario_id"], place_of(row["provider_id"], row["measure_id"], None)) in found.measures
        ),
        "payment_interval": lambda row: _interval_is_withheld(row, found, touched),
    }[name]
    columns = [name for name in (*_KEYS, *_VALUES[name]) if name in table.column_names]
    return [is_withheld(row) for row in table.select(columns).to_pylist()]


def _total_is_withheld(row: Mapping[str, Any], columns: Sequence[str], found: Withheld) -> bool:
    """Whether a score or payment is withheld: where totals are reached, it stays only if a step that stays gives it."""
    key = (row["scenario_id"], row["provider_id"])
    if key in found.closed:
        return True
    values = found.values.get(key, Values())
    if not values.reaches_totals:
        return False
    first, *others = (None if row[name] is None else rounded(row[name]) for name in columns)
    if first is not None and (first in values.withheld or first not in values.staying):
        return True
    return any(value in values.withheld for value in others if value not in (None, *_ORDINARY))


def _interval_is_withheld(row: Mapping[str, Any], found: Withheld, touched: Set[tuple[str, str]]) -> bool:
    """Whether the interval of a payment is withheld: its width follows from the cases of every measure.

    Where a provider has no measure of its own, those of others decide what it is paid, as of a contract's participants.
    """
    key = (row["scenario_id"], row["provider_id"])
    if key in touched or key in found.closed or row["scenario_id"] in found.closed_scenarios:
        return True
    if key not in found.measured and row["scenario_id"] in {scenario for scenario, _provider in touched}:
        return True
    return found.values.get(key, Values()).reaches_totals


def _are_not_parameters(table: pa.Table, column: str, mask: Sequence[bool], found: Withheld) -> list[bool]:
    """Say for each withheld row whether its limit is not that of a step which stays: computed, as a percentile is."""
    rows = table.select(["scenario_id", "provider_id", "measure_id", column]).to_pylist()
    with_steps = {scenario for scenario, _ in found.parameters}
    return [
        is_withheld
        and row[column] is not None
        and row["scenario_id"] in with_steps
        and rounded(row[column])
        not in found.parameters.get((row["scenario_id"], place_of(row["provider_id"], row["measure_id"], None)), ())
        for row, is_withheld in zip(rows, mask, strict=True)
    ]


def _everybody_where_any(table: pa.Table, mask: Sequence[bool]) -> list[bool]:
    """Say for each row whether any row of its scenario is withheld: a place among others gives them back."""
    scenarios = table["scenario_id"].to_pylist()
    touched = {scenario for scenario, is_withheld in zip(scenarios, mask, strict=True) if is_withheld}
    return [scenario in touched for scenario in scenarios]


def _naming_small_counts(texts: pa.ChunkedArray, smallest_cell: int) -> list[bool]:
    """Say for each text whether it names a small number of patients, as in "5 cases, 30 are needed"."""
    known = {text: _names_small_count(text, smallest_cell) for text in pc.unique(texts).to_pylist()}
    return [known[text] for text in texts.to_pylist()]


def _names_small_count(text: str | None, smallest_cell: int) -> bool:
    numbers = _COUNTED.findall(text or "")
    return any(0 < int(number.replace(",", "")) < smallest_cell for number in numbers)


# --- Blanking -----------------------------------------------------------------------------------------------


def _kinds(name: str, column: str, table: pa.Table, found: Withheld) -> list[str]:
    """Say for each row why its cell would be withheld."""
    if name == "step_result":
        kinds = ["derived"] * table.num_rows
        for step in found.steps:
            if step.place in found.cells.complementary:
                kinds[step.row] = "complementary"
            elif step.is_patient_count and step.place in found.cells.primary:
                kinds[step.row] = "primary"
        return kinds
    if name != "measure_result":
        return ["derived"] * table.num_rows
    keys = zip(table["provider_id"].to_pylist(), table["measure_id"].to_pylist(), strict=True)
    places = [place_of(provider, measure, None) for provider, measure in keys]
    at_primary = "primary" if column in _COUNTS else "derived"
    return [
        "complementary"
        if place in found.cells.complementary
        else at_primary
        if place in found.cells.primary
        else "derived"
        for place in places
    ]


def _without(
    table: pa.Table, column: str, mask: Sequence[bool], kinds: Sequence[str], suppressed: dict[str, int]
) -> pa.Table:
    """Blank cells of a column. Zeros are put in first: what stands in memory under a null may reach a file."""
    values, withheld = table[column], pa.chunked_array([pa.array(mask, pa.bool_())])
    filled = pc.and_(withheld, pc.is_valid(values)).to_pylist()
    for kind, is_filled in zip(kinds, filled, strict=True):
        suppressed[kind] += is_filled
    nothing = pa.scalar("" if pa.types.is_string(values.type) else 0, values.type)
    emptied = pc.if_else(withheld, nothing, values)
    blanked = pc.if_else(withheld, pa.scalar(None, values.type), emptied)
    return table.set_column(table.column_names.index(column), table.schema.field(column), blanked)


def _written(table: pa.Table, column: str, mask: Sequence[bool], text: str) -> pa.Table:
    """Put a text into rows of a column."""
    values = pc.if_else(
        pa.chunked_array([pa.array(mask, pa.bool_())]), pa.scalar(text, table[column].type), table[column]
    )
    return table.set_column(table.column_names.index(column), table.schema.field(column), values)
