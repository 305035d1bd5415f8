"""What is fixed about the measures: names, how exactly their results are printed, possible range."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files

from openvbp.text_tables import normalized


@dataclass(frozen=True)
class Measure:
    """One measure of the program; a lower result is better in all of them."""

    measure_id: str
    name: str
    names_in_files: tuple[str, ...]
    rate_rounded_to: int | None
    """Decimals to which the printed result is rounded, if it was scored before rounding."""
    highest_rate: Decimal


@functools.cache
def measure_catalogue() -> dict[str, Measure]:
    """Read all measures that the program has used in any fiscal year, by id."""
    text = files(__package__).joinpath("measure_catalogue.csv").read_text(encoding="utf-8")
    return {
        row["measure_id"]: Measure(
            row["measure_id"],
            row["name"],
            tuple(row["names_in_files"].split("|")),
            int(row["rate_rounded_to"]) if row["rate_rounded_to"] else None,
            Decimal(row["highest_rate"]),
        )
        for row in csv.DictReader(text.splitlines())
    }


@functools.cache
def measures_by_name() -> dict[str, str]:
    """Map every normalized name that a published file may use to the measure's id."""
    return {
        normalized(name): measure.measure_id
        for measure in measure_catalogue().values()
        for name in measure.names_in_files
    }
