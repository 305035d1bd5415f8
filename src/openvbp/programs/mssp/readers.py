"""The results file of any performance year as one typed row per ACO; what cannot be read is listed with its reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from openvbp.errors import InputDataError, Problem
from openvbp.programs.mssp import cells
from openvbp.programs.mssp.layouts import percent_columns, repair_shifted_headers
from openvbp.programs.mssp.published_files import ResultsFile, read_results_file

_ACO = re.compile(r"A\d{4,5}")
_PAY_FOR_REPORTING = "P4R"
_MONEY = pa.decimal128(18, 2)
_RATE = pa.decimal128(18, 12)
ACO_SCHEMA = pa.schema(
    [
        ("provider_id", pa.string()),
        ("provider_name", pa.string()),
        ("state", pa.string()),
        ("track", pa.string()),
        ("loss_limit_key", pa.string()),
        ("start_year", pa.int64()),
        ("beneficiaries", pa.int64()),
        ("benchmark", _MONEY),
        ("expenditures", _MONEY),
        ("published_difference", _MONEY),
        ("published_minimum_savings_rate", _RATE),
        ("published_quality_score", _RATE),
        ("is_pay_for_reporting", pa.bool_()),
        ("is_quality_standard_met", pa.bool_()),
        ("is_alternative_standard_met", pa.bool_()),
        ("disaster_adjustment", _MONEY),
        ("is_high_revenue", pa.bool_()),
        ("may_have_revenue_limit", pa.bool_()),
        ("performance_months", pa.int64()),
        ("is_ended_early", pa.bool_()),
        ("has_guardrail", pa.bool_()),
        ("input_problem", pa.string()),
    ]
)
_REJECTED = ("source_file", "row_number", "provider_id", "column", "value", "reason")
_ALTERNATIVE = "is_alternative_standard_met"
_NEEDED = ("benchmark", "expenditures", "beneficiaries")
"""Without these nothing of an ACO can be computed."""

_TRACK_FLAGS = ("track_1", "track_2", "track_3", "track_1_plus")
_TRACK_FLAGS += ("basic_a", "basic_b", "basic_c", "basic_d", "basic_e", "enhanced")


@dataclass
class PublishedInputs:
    """A results file, read."""

    file: ResultsFile
    set_aside: list[ResultsFile]
    percent: set[str]
    """Columns of shares that are written in percent."""
    rows: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    """Rows with a valid ACO, once each, with their line in the file."""
    acos: list[dict[str, Any]] = field(default_factory=list)
    """The same rows as values."""
    rejected: list[dict[str, str]] = field(default_factory=list)

    def aco_table(self) -> pa.Table:
        """One row per ACO."""
        return pa.Table.from_pylist(self.acos, schema=ACO_SCHEMA)

    def rejected_table(self) -> pa.Table:
        """One row per row or cell that cannot be used."""
        schema = pa.schema([(name, pa.string()) for name in _REJECTED])
        return pa.Table.from_pylist(self.rejected, schema=schema)


def read_published(path: Path, year: int) -> PublishedInputs:
    """Read the results file of a performance year.

    Raises
    ------
    InputDataError
        If the file is missing, broken or of another year, its headers do not belong to its columns, a column mixes
        units, an ACO has two different rows, or no row can be used.
    """
    file, set_aside = read_results_file(path, year)
    _demand_track(file)
    repair_shifted_headers(file)
    inputs = PublishedInputs(file, set_aside, percent_columns(file))
    _keep_rows(inputs)
    readers = _readers(inputs.percent)
    for number, row in list(inputs.rows):
        aco = _Row(inputs, number, row, readers).values(year)
        if aco is None:
            inputs.rows.remove((number, row))
        else:
            inputs.acos.append(aco)
    if all(aco["input_problem"] for aco in inputs.acos):
        reasons = tuple(f"line {one['row_number']}: {one['column']} {one['reason']}" for one in inputs.rejected[:3])
        what = "no ACO has a benchmark, expenditures and beneficiaries" if inputs.acos else "no row can be used"
        what_to_do = "give the public use file as published"
        raise InputDataError(Problem(what, str(file.table.path), what_to_do, len(file.table.rows), reasons))
    return inputs


def _demand_track(file: ResultsFile) -> None:
    known = {"track", "is_track_2_or_1", *(f"is_{track}" for track in _TRACK_FLAGS)}
    if not known & file.named.keys():
        raise InputDataError(
            Problem(
                "no column says in which track the ACOs are",
                str(file.table.path),
                "give the public use file as published",
                examples=("Current_Track", "Track1"),
            )
        )


def _keep_rows(inputs: PublishedInputs) -> None:
    """Keep rows with a valid ACO, once each; list the others as rejected."""
    file = inputs.file
    place = file.named["provider_id"]
    seen: dict[str, tuple[str, ...]] = {}
    conflicting: list[str] = []
    for number, row in enumerate(file.table.rows, 2):
        provider_id = row[place]
        values = tuple(row[index] for index in sorted(file.named.values()))
        reason = None
        if not _ACO.fullmatch(provider_id):
            reason = "not an ACO identifier: A and four or five digits"
        elif seen.get(provider_id) == values:
            reason = "the same row stands in the file before"
        elif provider_id in seen:
            conflicting.append(provider_id)
        if reason:
            inputs.rejected.append(rejection(file, number, row, "provider_id", reason))
            continue
        seen[provider_id] = values
        inputs.rows.append((number, row))
    if conflicting:
        raise InputDataError(
            Problem(
                "ACO has two different rows",
                str(file.table.path),
                "keep one row per ACO; settle the two halves of 2019 from a file each",
                len(conflicting),
                tuple(conflicting[:3]),
            )
        )


def rejection(file: ResultsFile, number: int, row: tuple[str, ...], name: str, reason: str) -> dict[str, str]:
    """Describe one rejected row or cell."""
    index = file.named[name]
    values = (
        file.table.name,
        str(number),
        row[file.named["provider_id"]],
        file.table.header[index],
        row[index],
        reason,
    )
    return dict(zip(_REJECTED, values, strict=True))


def _readers(percent: set[str]) -> dict[str, Callable[[str], Any]]:
    shares = ("minimum_savings_rate", "quality_score", "final_sharing_rate")
    flags = ("is_quality_standard_met", "is_alternative_standard_met", "has_revenue_limit", "is_six_months")
    flags += ("is_ended_early", "has_guardrail", "is_initially_track_2", "is_track_2_or_1")
    return {
        "benchmark": cells.benchmark,
        "expenditures": cells.expenditures,
        "published_difference": cells.money,
        "disaster_adjustment": cells.money,
        "beneficiaries": cells.count,
        "start_date": cells.day,
        "initial_start_date": cells.day,
        "revenue_category": cells.is_high_revenue,
        "track": cells.track,
        **{name: partial(cells.ratio, is_percent=name in percent) for name in shares},
        **dict.fromkeys((*flags, *(f"is_{track}" for track in _TRACK_FLAGS)), cells.flag),
    }


@dataclass
class _Row:
    """One row of the file while its cells are read."""

    inputs: PublishedInputs
    number: int
    cells: tuple[str, ...]
    readers: Mapping[str, Callable[[str], Any]]
    problems: dict[str, str] = field(default_factory=dict)
    """Column to the reason why its cell cannot be used."""

    def text(self, name: str) -> str:
        """Cell of a column, empty if the file has no such column."""
        named = self.inputs.file.named
        return self.cells[named[name]] if name in named else ""

    def reject(self, name: str, reason: str) -> None:
        """List a cell as rejected."""
        self.problems[name] = reason
        self.inputs.rejected.append(rejection(self.inputs.file, self.number, self.cells, name, reason))

    def read(self, name: str) -> Any:
        """Value of a cell; ``None`` where there is none or it cannot be used, which is listed."""
        try:
            return self.readers[name](self.text(name))
        except ValueError as error:
            self.reject(name, str(error))
            return None

    def values(self, year: int) -> dict[str, Any] | None:
        """Read all cells; ``None`` if the row does not say which rules apply to the ACO."""
        track = self._track()
        if track is None:
            return None
        amounts = {name: self.read(name) for name in (*_NEEDED, "published_difference")}
        self._check_difference(amounts)
        start = self.read("start_date")
        is_paid_for_reporting = self._is_pay_for_reporting(start.year if start else None, year)
        quality = None if is_paid_for_reporting else self.read("quality_score")
        missing = [name for name in _NEEDED if amounts[name] is None]
        problem = next((f"{name.replace('_', ' ')}: {self.problems.get(name, 'missing')}" for name in missing), None)
        return {
            "provider_id": self.text("provider_id"),
            "provider_name": self.text("provider_name") or None,
            "state": self.text("state") or None,
            "track": track,
            "loss_limit_key": self._loss_limit_key(track, start.year if start else None, year),
            "start_year": start.year if start else None,
            **amounts,
            "published_minimum_savings_rate": self.read("minimum_savings_rate"),
            "published_quality_score": quality,
            "is_pay_for_reporting": is_paid_for_reporting,
            "is_quality_standard_met": self._is_standard_met(),
            # Before 2023 there is no such standard and no such column.
            "is_alternative_standard_met": self.read(_ALTERNATIVE) if _ALTERNATIVE in self.inputs.file.named else False,
            "disaster_adjustment": self._disaster_adjustment(),
            "is_high_revenue": self.read("revenue_category"),
            "may_have_revenue_limit": self.read("has_revenue_limit") is not False or track != "track_1_plus",
            "performance_months": 6 if self.read("is_six_months") else 12,
            "is_ended_early": bool(self.read("is_ended_early")),
            "has_guardrail": bool(self.read("has_guardrail")),
            "input_problem": problem,
        }

    def _track(self) -> str | None:
        named = self.inputs.file.named
        if "track" in named:
            track = self.read("track")
            if track is None and "track" not in self.problems:
                self.reject("track", "no track")
            return track
        if "is_track_2_or_1" in named:
            is_track_2 = self.read("is_track_2_or_1")
            return None if is_track_2 is None else "track_2" if is_track_2 else "track_1"
        flags = [one for one in _TRACK_FLAGS if f"is_{one}" in named]
        tracks = [one for one in flags if self.read(f"is_{one}")]
        if len(tracks) != 1 and not self.problems:
            self.reject(f"is_{flags[0]}", "several tracks" if tracks else "no track")
        return tracks[0] if len(tracks) == 1 else None

    def _check_difference(self, amounts: dict[str, Any]) -> None:
        benchmark, spent, difference = (amounts[one] for one in ("benchmark", "expenditures", "published_difference"))
        if None not in (benchmark, spent, difference) and abs(benchmark - spent - difference) > 1:
            self.reject("published_difference", "not the benchmark less the expenditures")
            # Which of the three is wrong cannot be told.
            self.problems["expenditures"] = "benchmark less expenditures is not the printed difference"
            amounts["expenditures"] = amounts["published_difference"] = None

    def _is_pay_for_reporting(self, start_year: int | None, year: int) -> bool:
        """Whether the quality standard is complete reporting.

        Files before PY2016 say so, or print no score in the first year; later ones print a score of 100 percent.
        """
        text = self.text("quality_score")
        is_left_out = text in cells.MISSING and "is_quality_standard_met" not in self.inputs.file.named
        return text == _PAY_FOR_REPORTING or (is_left_out and start_year == year)

    def _is_standard_met(self) -> bool | None:
        """Read the flag; files before PY2016 have none and print a final sharing rate of zero instead."""
        if "is_quality_standard_met" in self.inputs.file.named:
            return self.read("is_quality_standard_met")
        rate = self.read("final_sharing_rate")
        return None if rate is None else rate > 0

    def _disaster_adjustment(self) -> Decimal | None:
        """Read what relief takes from the losses, as a positive amount; an empty cell means none."""
        amount = self.read("disaster_adjustment")
        if amount is None:
            return None if "disaster_adjustment" in self.problems else Decimal("0.00")
        return abs(amount)

    def _loss_limit_key(self, track: str, start_year: int | None, year: int) -> str | None:
        """Name the limit of losses: by the year of participation in Track 2, by track in all others."""
        if track != "track_2":
            return track
        initial = self.read("initial_start_date")
        first = initial.year if initial and self.read("is_initially_track_2") else start_year
        # Agreements of April and July 2012 had a first performance year that ended with 2013.
        return None if first is None else f"track_2_year_{min(year - max(first, 2013) + 1, 3)}"
