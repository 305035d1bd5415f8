"""The conditions and procedures of HRRP: ids, names, and how published files write them."""

from __future__ import annotations

import csv
import functools
from dataclasses import dataclass
from importlib.resources import files

from openvbp.text_tables import normalized


@dataclass(frozen=True)
class Measure:
    """The readmission measure of one condition or procedure."""

    measure_id: str
    name: str
    names_in_files: tuple[str, ...]


@functools.cache
def measure_catalogue() -> dict[str, Measure]:
    """Read all measures that HRRP has used in any fiscal year, by id."""
    text = files(__package__).joinpath("measure_catalogue.csv").read_text(encoding="utf-8")
    return {
        row["measure_id"]: Measure(row["measure_id"], row["name"], tuple(row["names_in_files"].split("|")))
        for row in csv.DictReader(text.splitlines())
    }


@functools.cache
def measures_by_name() -> dict[str, str]:
    """Map every normalized name that a published file may use to the measure's id."""
    return {
        normalized(name): measure.measure_id
        for measure in measure_catalogue().values()
        for name in (measure.measure_id, *measure.names_in_files)
    }
