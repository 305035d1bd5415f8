"""A balanced panel in which all treated units start at the same time, laid out as units × periods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from openvbp.estimators.arrays import Floats
from openvbp.estimators.staggered_panel import problem, staggered_panel, without_untreated

WHERE = "synthetic control"


@dataclass(frozen=True)
class BlockAdoption:
    """Outcomes of controls and of treated units, by period."""

    controls: Floats
    """Controls × periods."""
    treated: Floats
    """Treated × periods."""
    control_units: npt.NDArray[Any]
    """Labels."""
    treated_units: npt.NDArray[Any]
    periods: Floats
    """Labels."""
    before: int
    """Number of periods before treatment."""


def block_adoption(
    outcome: npt.ArrayLike, unit: npt.ArrayLike, period: npt.ArrayLike, first_treated: npt.ArrayLike
) -> BlockAdoption:
    """Check rows and lay them out.

    Parameters
    ----------
    outcome, unit, period, first_treated
        Rows (n), see :func:`~openvbp.estimators.staggered_panel.staggered_panel`.

    Raises
    ------
    InputDataError
        If the panel has holes, treated units start at different times, fewer than two periods come before, or fewer
        than two units are never treated.
    """
    panel = staggered_panel(outcome, unit, period, first_treated)
    table = panel.table(panel.outcome)
    if panel.holes:
        short = [f"unit {label}" for label in panel.units[np.isnan(table).any(axis=1)][:3]]
        remedy = "keep units and periods observed throughout and say how many are lost, or use imputation"
        raise problem("the panel has holes", remedy, count=panel.holes, examples=short, where=WHERE)
    treated = panel.first_treated <= panel.periods[-1]
    starts = np.unique(panel.first_treated[treated])
    if starts.size > 1:
        remedy = "run it once per cohort with the never treated, or use imputation or Callaway-Sant'Anna effects"
        examples = [f"period {start:g}" for start in starts[:3]]
        raise problem("treated units start at different times", remedy, examples=examples, where=WHERE)
    before = int(np.searchsorted(panel.periods, starts[0]))
    if before < 2:
        remedy = "add earlier periods, or use difference-in-differences"
        raise problem(f"{before} periods before treatment; at least two are needed", remedy, where=WHERE)
    if (~treated).sum() < 2:
        raise without_untreated(f"{(~treated).sum()} units are never treated; at least two are needed")
    return BlockAdoption(
        table[~treated], table[treated], panel.units[~treated], panel.units[treated], panel.periods, before
    )
