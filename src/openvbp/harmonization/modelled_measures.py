"""The measures that openvbp's own program folders declare: identifier, name, direction where it stands there."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

_DIRECTIONS = {"higher": "higher_is_better", "lower": "lower_is_better"}
_INDICATORS = "indicators_"


def modelled_measures() -> Iterator[dict[str, str | None]]:
    """List them, one dictionary per program, measure and version, in the fields of ``registry.Measure``.

    The folders are read as files: programs are not known here. A catalogue is ``measure_catalogue.csv``; tables of
    indicators (``indicators_*.csv``) have identifiers and first days in force, but no names.
    """
    programs = files("openvbp") / "programs"
    for folder in sorted((one for one in programs.iterdir() if one.is_dir()), key=lambda one: one.name):
        for file in sorted(folder.iterdir(), key=lambda one: one.name):
            if file.name == "measure_catalogue.csv":
                yield from _catalogue(folder.name, file)
            elif file.name.startswith(_INDICATORS) and file.name.endswith(".csv"):
                yield from _indicators(folder.name, file)


def _catalogue(program: str, file: Traversable) -> Iterator[dict[str, str | None]]:
    for number, row in enumerate(csv.DictReader(file.read_text(encoding="utf-8").splitlines()), start=2):
        yield {
            "program": program,
            "measure_id": row["measure_id"],
            "version": "as modelled",
            "title": row["name"],
            "direction": _DIRECTIONS.get(row.get("direction") or ""),
            "provenance": f"programs/{program}/{file.name} row {number}",
        }


def _indicators(program: str, file: Traversable) -> Iterator[dict[str, str | None]]:
    country = file.name.removeprefix(_INDICATORS).removesuffix(".csv")
    valued: dict[str, dict[str, int]] = {}
    emptied: dict[str, str] = {}
    for number, row in enumerate(csv.DictReader(file.read_text(encoding="utf-8").splitlines()), start=2):
        if row["value"]:
            valued.setdefault(row["measure_id"], {}).setdefault(row["from"], number)
        else:
            emptied[row["measure_id"]] = max(row["from"], emptied.get(row["measure_id"], ""))
    for measure_id, days in sorted(valued.items()):
        ended = emptied.get(measure_id, "")
        for day, number in sorted(days.items()):
            yield {
                "program": f"{program} {country}",
                "measure_id": measure_id,
                "version": day,
                "title": "",
                "ended": ended if ended > max(days) else "",
                "provenance": f"programs/{program}/{file.name} row {number}",
            }
