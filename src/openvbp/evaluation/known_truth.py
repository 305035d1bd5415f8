"""What a program truly did, where it is known: in a generated population, for each analysis of a study of it.

Patients change practices, and a part of the effect spills over to practices outside the program. What a comparison can
show is therefore less than what the program does to a practice's own patients, whatever the estimator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.estimators.arrays import Floats
from openvbp.evaluation.cells import PER
from openvbp.evaluation.designs import estimate
from openvbp.evaluation.evaluation import Evaluation
from openvbp.evaluation.findings import NAN, Finding, as_rows
from openvbp.evaluation.frame import Frame
from openvbp.evaluation.samples import sample
from openvbp.evaluation.staggered_designs import staggered
from openvbp.evaluation.study_terms import Analysis

ATTRIBUTE = "true_change"
"""Of cells: share of their events that the program truly prevented (negative) or added."""
_LINEAR = ("did", "ddd", "dose", "event", "cits", "imputation", "callaway_santanna", "its")
"""Designs whose estimate is a weighted sum of outcomes, so that it splits into truth and chance."""


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


def true_effects(study: str | Path, data: str | Path, *, threads: int | None = None) -> list[KnownEffect]:
    """Hold every analysis of a study's main table against the truth of a generated population.

    Parameters
    ----------
    study
        Study of a panel that :func:`openvbp.claims_chain.unit_panel.write_unit_panel` made of a generated population,
        with the panel's column ``true_change`` as an attribute of that name.
    data
        Folder of the panel.
    threads
        Of DuckDB.

    Returns
    -------
    An item for each analysis that is possible, the main one first.

    Raises
    ------
    UsageError, InputDataError
        If the study cannot be read, or does not know the truth of all cells.
    """
    asked = Evaluation(study, data, threads=threads)
    true = _true_frame(asked.frame, _changes(asked.frame))
    analyses = asked.analyses()
    found = {one.label: one for one in asked.main_table() if one.is_estimated}
    return [_known(true, one, found[label]) for label, one in analyses if label in found]


def _changes(frame: Frame) -> Floats:
    """Relative change of the events of each cell, of its patients wherever they are."""
    texts = frame.cells.attributes.get(ATTRIBUTE)
    if texts is None:
        what_to_do = f"give a panel of a generated population, and write 'attributes: {{{ATTRIBUTE}: {ATTRIBUTE}}}'"
        raise UsageError(Problem(f"the study has no attribute '{ATTRIBUTE}'", "data.attributes", what_to_do))
    unknown = sorted({str(one) for one, text in zip(frame.cells.provider, texts, strict=True) if not text})
    if unknown:
        what, what_to_do = "providers have cells without a known truth", "make the panel again, with --starts"
        raise InputDataError(Problem(what, ATTRIBUTE, what_to_do, len(unknown), tuple(unknown[:3])))
    return texts.astype(np.float64)


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
