"""The finished runs that are diagnosed: one program, one or more periods, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from openvbp.diagnosis.bunching import Counts
from openvbp.diagnosis.section import CannotBeMadeError
from openvbp.errors import Problem, UsageError
from openvbp.parameters import ACTUAL
from openvbp.results import WHOLE_COMPONENTS
from openvbp.run_folder import RunFolder, open_run

_COUNTED = ("provider_id", "measure_id", "scenario_id", "numerator", "denominator")
_LEFT_OUT = ("exceptions", "register")
"""Columns of a stage's table that tell who was left out of a denominator."""


@dataclass(frozen=True)
class Runs:
    """Runs of one program, by first day of the period."""

    folders: tuple[RunFolder, ...]
    component: str
    """Payment component that is the money; empty where the program pays nothing."""

    @property
    def program(self) -> str:
        """Identifier of the program."""
        return self.folders[0].record["program"]

    @property
    def currency(self) -> str:
        """Currency of the payments; empty where the program pays nothing."""
        return self.last.read("payment_result")["currency"][0].as_py() if self.component else ""

    @property
    def periods(self) -> tuple[str, ...]:
        """Names of the periods, in order."""
        return tuple(one.record["period"] for one in self.folders)

    @property
    def last(self) -> RunFolder:
        """The run of the last period."""
        return self.folders[-1]

    def following(self) -> list[tuple[RunFolder, RunFolder]]:
        """Pairs of runs of periods that follow each other, without a day between."""
        pairs = zip(self.folders, self.folders[1:], strict=False)
        return [(one, other) for one, other in pairs if _follows(one, other)]


def _follows(one: RunFolder, other: RunFolder) -> bool:
    end = np.datetime64(one.record["period_end"], "D")
    return bool(end + np.timedelta64(1, "D") == np.datetime64(other.record["period_start"], "D"))


def open_runs(paths: Sequence[Path], component: str = "") -> Runs:
    """Open finished runs.

    Parameters
    ----------
    paths
        Run folders of one program, one for each period, in any order.
    component
        Payment component that is the money; found where it is empty.

    Raises
    ------
    UsageError
        If a folder is no finished run, programs differ, two runs are of the same period, or several components could be
        the money.
    """
    folders = sorted((open_run(path) for path in paths), key=lambda one: one.record["period_start"])
    programs = sorted({one.record["program"] for one in folders})
    if len(programs) > 1:
        what = "the runs are of different programs"
        raise UsageError(Problem(what, "RUN", "give runs of one program", len(programs), tuple(programs)))
    starts = [one.record["period_start"] for one in folders]
    twice = sorted({str(one.path) for one in folders if starts.count(one.record["period_start"]) > 1})
    if twice:
        what = "several runs are of the same period"
        raise UsageError(Problem(what, "RUN", "give one run for each period", len(twice), tuple(twice)))
    return Runs(tuple(folders), _component(folders, component))


def _component(folders: Sequence[RunFolder], wanted: str) -> str:
    run = folders[-1]
    known = set(run.read("payment_result")["component_id"].to_pylist()) if "payment_result" in run.tables else set()
    if wanted:
        if wanted not in known:
            what_to_do = "choose one of: " + ", ".join(sorted(known)) if known else "leave it out"
            raise UsageError(Problem(f"the run has no payment component '{wanted}'", "--component", what_to_do))
        return wanted
    if len(known) <= 1:
        return next(iter(known), "")
    whole = [one for one in WHOLE_COMPONENTS if one in known]
    if not whole:
        what = "several payment components could be the money"
        what_to_do = "choose one: " + ", ".join(sorted(known))
        raise UsageError(Problem(what, "--component", what_to_do, len(known)))
    return whole[0]


def results(run: RunFolder, name: str, scenario: str = ACTUAL) -> pa.Table:
    """Rows of one scenario of a result table.

    Raises
    ------
    CannotBeMadeError
        If the run has no such table.
    """
    if name not in run.tables:
        raise CannotBeMadeError(f"the program {run.record['program']} has no table {name}")
    return run.read(name, scenario_id=scenario)


def payments(run: RunFolder, component: str, scenario: str = ACTUAL) -> dict[str, dict[str, Any]]:
    """Provider to its payment: ``rate``, ``amount`` and ``base_amount`` as numbers, none where not known."""
    if not component:
        raise CannotBeMadeError(f"the program {run.record['program']} pays nothing")
    rows = results(run, "payment_result", scenario)
    rows = rows.filter(pc.equal(rows["component_id"], component)).select(
        ["provider_id", "rate", "amount", "base_amount"]
    )
    return {
        row["provider_id"]: {name: _number(row[name]) for name in ("rate", "amount", "base_amount")}
        for row in rows.to_pylist()
    }


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def threshold_counts(runs: Runs) -> Counts:
    """Provider × measure × period with whole patients and a rate from which everything is paid.

    Taken are scored rows whose rate is numerator over denominator; other rates (ratios of observed over expected, say)
    stand on no lattice.

    Raises
    ------
    CannotBeMadeError
        If there is no such row.
    """
    parts = []
    for run in runs.folders:
        rows = results(run, "measure_result")
        names = ["numerator", "denominator", "benchmark", "rate", "maximum_points"]
        known = rows.filter(_all_valid(rows, names))
        n, d, h, rate, points = (known[name].cast(pa.float64()).to_numpy() for name in names)
        is_low_better = known["threshold"].cast(pa.float64()).to_numpy() > h
        with np.errstate(divide="ignore", invalid="ignore"):
            whole = (n == np.round(n)) & (d == np.round(d)) & (np.abs(n / d - rate) < 1e-9)
        # Where low rates are paid, those spared the event are the patients that count.
        n, h = np.where(is_low_better, d - n, n), np.where(is_low_better, 1 - h, h)
        chosen = whole & (h > 0) & (points > 0)
        parts.append(
            (np.array(known["provider_id"].to_pylist(), dtype=object)[chosen], n[chosen], d[chosen], h[chosen])
        )
    counts = Counts(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    if not len(counts):
        raise CannotBeMadeError("no measure has counts of patients and a threshold from which it is paid in full")
    return counts


def _all_valid(rows: pa.Table, names: Sequence[str]) -> pa.ChunkedArray:
    mask = pc.is_valid(rows[names[0]])
    for name in names[1:]:
        mask = pc.and_(mask, pc.is_valid(rows[name]))
    return mask


def denominators(run: RunFolder) -> pa.Table:
    """Provider × measure with who was left out of the denominator.

    Returns
    -------
    ``provider_id``, ``measure_id``, ``numerator``, ``denominator``, ``exceptions``, ``register`` (each null where not
    known), and ``lower``, ``upper``, ``points``: the schedule, from the run's ``measure_result``.

    Raises
    ------
    CannotBeMadeError
        If no table of the run tells exceptions or registers.
    """
    for path in run.record["rows"]:
        file = run.path / f"{path}.parquet"
        names = pq.read_schema(file).names if file.is_file() else []
        if all(name in names for name in _COUNTED) and any(name in names for name in _LEFT_OUT):
            return _with_schedule(run, pq.read_table(file, filters=[("scenario_id", "==", ACTUAL)]))
    raise CannotBeMadeError(
        f"the files of {run.record['program']} tell neither exceptions nor registers: who was left out is not known"
    )


def _with_schedule(run: RunFolder, rows: pa.Table) -> pa.Table:
    for name in _LEFT_OUT:
        if name not in rows.column_names:
            rows = rows.append_column(name, pa.nulls(rows.num_rows, pa.int64()))
    rows = rows.select(["provider_id", "measure_id", "numerator", "denominator", *_LEFT_OUT])
    schedule = results(run, "measure_result").select(
        ["provider_id", "measure_id", "threshold", "benchmark", "maximum_points"]
    )
    schedule = schedule.rename_columns(["provider_id", "measure_id", "lower", "upper", "points"])
    joined = rows.join(schedule, ["provider_id", "measure_id"], join_type="inner")
    for name in ("numerator", "denominator", *_LEFT_OUT, "lower", "upper", "points"):
        at = joined.column_names.index(name)
        joined = joined.set_column(at, name, joined[name].cast(pa.float64()))
    return joined.sort_by([("measure_id", "ascending"), ("provider_id", "ascending")])
