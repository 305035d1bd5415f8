"""What is fixed about the HVBP measures: names, direction, unit, possible range, names in the files."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files

from openvbp.text_tables import normalized


@dataclass(frozen=True)
class Measure:
    """One HVBP measure."""

    measure_id: str
    name: str
    direction: str
    """``higher`` or ``lower``: which rate is better."""
    unit: str
    lowest_rate: Decimal | None
    highest_rate: Decimal | None
    cases_of: str
    """The measure whose cases decide whether this one is scored: ``HCAHPS`` for its dimensions."""
    names_in_files: tuple[str, ...]

    @property
    def is_hcahps_dimension(self) -> bool:
        """Whether the measure is one of the dimensions of the patient survey."""
        return self.cases_of == "HCAHPS"


@functools.cache
def measure_catalogue() -> dict[str, Measure]:
    """Read all measures that HVBP has used in any fiscal year, by id."""
    text = files(__package__).joinpath("measure_catalogue.csv").read_text(encoding="utf-8")
    measures = {}
    for row in csv.DictReader(text.splitlines()):
        measures[row["measure_id"]] = Measure(
            row["measure_id"],
            row["name"],
            row["direction"],
            row["unit"],
            Decimal(row["lowest_rate"]) if row["lowest_rate"] else None,
            Decimal(row["highest_rate"]) if row["highest_rate"] else None,
            row["cases_of"],
            tuple(row["names_in_files"].split("|")),
        )
    return measures


@functools.cache
def measures_by_name() -> dict[str, str]:
    """Map every normalized name that a published file may use to the measure's id."""
    return {
        normalized(name): measure.measure_id
        for measure in measure_catalogue().values()
        for name in (measure.measure_id, *measure.names_in_files)
    }
