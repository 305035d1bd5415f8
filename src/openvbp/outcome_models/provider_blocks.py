"""Blocks of whole providers with x'β of their rows: what follows for the effects needs no covariates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from openvbp.outcome_models.design import Design
from openvbp.outcome_models.rows import Floats, Integers

_MODE_TOLERANCE = 1e-6
"""Newton's method doubles the digits: after a step of a millionth the next would be beyond the last one."""
_MOST_MODE_STEPS = 100
_LONGEST_STEP = 2.0


@dataclass(frozen=True)
class Block:
    """Rows of some providers."""

    providers: slice
    rows: slice
    fixed: Floats
    """x'β of each row."""
    outcome: Floats
    group: Integers
    """Provider of each row, counted from the first of the block."""
    starts: Integers
    """First row of each provider, counted so too."""

    def total(self, values: Floats) -> Floats:
        """Give the sum of each provider."""
        return np.add.reduceat(values, self.starts)

    def modes(self, effects: Floats, variance: float) -> Floats:
        """Give the most probable effects: Newton's method for each provider by itself, from those given.

        Steps are bounded, for the first ones may be wild.
        """
        events = self.total(self.outcome)
        for _step in range(_MOST_MODE_STEPS):
            mean = expit(self.fixed + effects[self.group])
            predicted = self.total(mean)
            np.multiply(mean, mean, out=mean)
            step = (events - predicted - effects / variance) / (predicted - self.total(mean) + 1 / variance)
            effects = effects + np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
            if np.abs(step).max() < _MODE_TOLERANCE:
                break
        return effects


def blocks_with(design: Design, fixed: Floats) -> Iterator[Block]:
    """Go through the blocks of a design, with x'β of each row."""
    starts = design.rows.starts
    for begin, end in design.blocks:
        rows = slice(starts[begin], starts[end])
        yield Block(
            slice(begin, end),
            rows,
            fixed[rows],
            design.rows.outcome[rows],
            design.group[rows] - begin,
            starts[begin:end] - starts[begin],
        )


def modes_at(design: Design, fixed: Floats, variance: float) -> Floats:
    """Give the most probable effect of each provider (J) where the coefficients and the variance are known."""
    effects = np.zeros(len(design.rows.providers))
    for block in blocks_with(design, fixed):
        effects[block.providers] = block.modes(effects[block.providers], variance)
    return effects
