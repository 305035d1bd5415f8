"""What a program truly did, where it is known: in a generated population, for each analysis of a study of it.

Patients change practices, and a part of the effect spills over to practices outside the program. What a comparison can
show is therefore less than what the program does to a practice's own patients, whatever the estimator.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import numpy as np
from ibis import _

from openvbp.engine import Engine, open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.estimators.arrays import Floats
from openvbp.evaluation.cells import PER
from openvbp.evaluation.designs import estimate
from openvbp.evaluation.evaluation import Evaluation
from openvbp.evaluation.findings import NAN, Finding, as_rows
from openvbp.evaluation.frame import Frame
from openvbp.evaluation.samples import sample
from openvbp.evaluation.staggered_designs import staggered
from openvbp.evaluation.study_terms import Analysis
from openvbp.profiling.tables import open_table

_LINEAR = ("did", "ddd", "dose", "event", "cits", "imputation", "callaway_santanna")
"""Designs whose estimate is a weighted sum of outcomes, so that it splits into truth and chance."""
Months = Mapping[tuple[str, int], tuple[float, float]]
"""Practice and month (202207): relative change of events of its patients, and how many are alive."""


@dataclass(frozen=True)
class KnownEffect:
    """An analysis and the truth."""

    finding: Finding
    relative: float
    """Share of the treated cells' events that the program prevented or added: −0.07 of a hundred are seven fewer."""
    on_treated: float
    """The same in the unit of the outcome: mean over treated cells, with the weights of the analysis."""
    shown: float
    """What the same design gives for the true changes alone, without chance: less than ``on_treated`` where the
    comparison is changed as well; nan for designs whose estimate is no weighted sum of outcomes."""

    @property
    def is_held(self) -> bool:
        """Whether the interval holds what the comparison can show."""
        return self.finding.low <= self.shown <= self.finding.high

    def as_row(self) -> dict[str, Any]:
        """Give the finding with the truth, for JSON: nan becomes null."""
        held = self.is_held if math.isfinite(self.shown) and math.isfinite(self.finding.low) else None
        shown = self.shown if math.isfinite(self.shown) else None
        true = {"relative": self.relative, "on_treated": self.on_treated, "shown": shown, "is_held": held}
        return as_rows([self.finding])[0] | true


def true_effects(
    study: str | Path, data: str | Path, population: str | Path, *, threads: int | None = None
) -> list[KnownEffect]:
    """Hold every analysis of a study's main table against the truth of a generated population.

    Parameters
    ----------
    study
        Study of a panel that :func:`openvbp.claims_chain.unit_panel.write_unit_panel` made of the population.
    data
        Folder of the panel.
    population
        Folder of :func:`openvbp.claims.synthetic.population.generate`, made with ``program.change``. Patients belong
        to the practice that was theirs in the year of the panel's first window.
    threads
        Of DuckDB.

    Returns
    -------
    An item for each analysis that is possible, the main one first.

    Raises
    ------
    UsageError, InputDataError
        If the study cannot be read, the folder holds no truth, or no provider of the panel stands in it.
    """
    asked = Evaluation(study, data, threads=threads)
    frame = asked.frame
    with open_engine("duckdb", threads) as engine:
        months = _months(engine, Path(population), min(frame.cells.windows).start.year)
    true = _true_frame(frame, _changes(frame, months, Path(population)))
    analyses = asked.analyses()
    found = {one.label: one for one in asked.main_table() if one.is_estimated}
    return [_known(true, one, found[label]) for label, one in analyses if label in found]


def _months(engine: Engine, population: Path, first: int) -> Months:
    """Mean the changes over the patients that practices had in the first year, wherever these are later."""
    attribution, member, effect = (
        open_table(engine, population / "truth" / f"truth_{name}", f"truth_{name}")
        for name in ("attribution", "member", "program_effect")
    )
    mine: ir.Table = attribution.filter(_.year == first).select("person_id", unit=_.tin)
    died = member.group_by("person_id").agg(died=_.death_date.min())
    persons = attribution.inner_join(mine, "person_id").inner_join(died, "person_id")
    last_month = (_.died.year() * 100 + _.died.month()).fill_null(999_912).cast("int64")
    places = persons.group_by("unit", "year", "tin", last_month=last_month).agg(persons=_.count())
    monthly = effect.mutate(year=(_.year_month // 100).cast("int64")).select("tin", "year", "year_month", "change")
    alive = places.inner_join(monthly, ["tin", "year"]).filter(_.year_month <= _.last_month)
    table = alive.group_by("unit", "year_month").agg(
        change=(_.change * _.persons).sum() / _.persons.sum(), persons=_.persons.sum()
    )
    rows = engine.to_arrow(table).to_pylist()
    return {(row["unit"], row["year_month"]): (row["change"], float(row["persons"])) for row in rows}


def _changes(frame: Frame, months: Months, population: Path) -> Floats:
    """Relative change of the events of each cell."""
    cells = frame.cells
    found = np.full(len(cells), NAN)
    listed = [_year_months(one.start, one.end) for one in cells.windows]
    for at, (provider, window) in enumerate(zip(cells.provider, cells.window, strict=True)):
        known = [months[provider, month] for month in listed[window] if (provider, month) in months]
        if known:
            changes, persons = zip(*known, strict=True)
            found[at] = np.average(changes, weights=persons)
    missing = sorted(set(cells.provider[np.isnan(found)]))
    if missing:
        what_to_do = "give the population from which the panel was made"
        where, examples = str(population / "truth"), tuple(missing[:3])
        raise InputDataError(Problem("providers of the panel have no truth", where, what_to_do, len(missing), examples))
    return found


def _year_months(start: date, end: date) -> list[int]:
    first, last = (day.year * 12 + day.month - 1 for day in (start, end))
    return [at // 12 * 100 + at % 12 + 1 for at in range(first, last + 1)]


@dataclass(frozen=True)
class _True:
    frame: Frame
    """Whose outcomes are the true changes alone."""
    without: Floats
    """Events of each cell had there been no program, but for chance."""


def _true_frame(frame: Frame, change: Floats) -> _True:
    """Put the true changes in the place of the outcomes.

    Events without the program are those expected (without a model: the cases) times one ratio for each window, so that
    the chance in a cell's own events does not enter.
    """
    cells = frame.cells
    awaited = np.where(np.isfinite(cells.expected), cells.expected, cells.cases)
    known = cells.observed / (1 + change)
    ratio = np.bincount(cells.window, known) / np.bincount(cells.window, awaited)
    without = awaited * ratio[cells.window]
    true = replace(
        cells, observed=without * change, expected=np.zeros(len(cells)), rate=PER * without * change / cells.cases
    )
    return _True(replace(frame, cells=true), without)


def _known(true: _True, analysis: Analysis, found: Finding) -> KnownEffect:
    drawn = sample(true.frame, analysis, both_sides=analysis.design not in ("imputation", "callaway_santanna"))
    if analysis.design in ("imputation", "callaway_santanna"):
        _outcome, _unit, period, first, _weights = staggered(true.frame, drawn)
        treated = period >= first
    else:
        treated = drawn.treatment > 0
    weights = np.ones(len(treated)) if drawn.weights is None else drawn.weights
    cells, rows = true.frame.cells, drawn.rows[treated]
    shown = NAN
    if analysis.design in _LINEAR:
        shown = estimate(true.frame, analysis, section=found.section, label=found.label).estimate
    return KnownEffect(
        found,
        float(cells.observed[rows].sum() / true.without[rows].sum()),
        float(np.average(drawn.outcome[treated], weights=weights[treated])),
        shown,
    )
