"""Draws of true ratios from what is published of them: a normal approximation, declared as such.

A publisher of risk-standardized ratios prints the ratio (predicted over expected events), the expected rate and the
number of cases, but not the uncertainty. Here

* the effect of a provider is the difference of the logits of its predicted and its expected rate;
* the information about it is ``s = n p (1 − p)``, with n cases and the predicted rate p, as if all cases had one risk;
* the variance τ² of effects among providers is the one at which shrunken effects and their variances add up to it:
  ``τ² = mean(û² + τ² / (1 + τ² s))``, which has one solution;
* an effect is drawn from the normal distribution with mean û and variance ``τ² / (1 + τ² s)``.

Cases of unlike risk hold less information than this says, and the uncertainty of the model's coefficients is left out:
the intervals are somewhat too short. A model fitted to the cases (``openvbp outcomes fit --draws``) has neither fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.optimize import brentq
from scipy.special import expit, logit

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.outcome_models.posterior_draws import draw_rows
from openvbp.outcome_models.rows import Floats
from openvbp.parameters import ACTUAL
from openvbp.programs import program as find_program
from openvbp.run_folder import RunFolder

_HIGHEST_VARIANCE = 100.0
LEAST_PROVIDERS = 10
"""Fewer tell nothing about how much providers differ."""


@dataclass(frozen=True)
class Approximation:
    """What is known of the true effects of J providers, in logits."""

    effects: Floats
    variances: Floats
    tau: float
    expected: Floats
    """Expected rate of each."""

    def draw(self, number: int, seed: Sequence[int]) -> Floats:
        """Draw ratios: N × J."""
        normal = np.random.default_rng(list(seed)).standard_normal((number, len(self.effects)))
        effects = self.effects + np.sqrt(self.variances) * normal
        return expit(logit(self.expected) + effects) / self.expected


def approximate(ratio: Floats, expected: Floats, cases: Floats) -> Approximation:
    """Find τ and the distribution of each provider's effect.

    Parameters
    ----------
    ratio
        Predicted over expected events of each provider (J), shrunken.
    expected
        Expected rate, above 0 and below 1.
    cases
        Above zero.

    Raises
    ------
    InputDataError
        If there are fewer than 10 providers, or a predicted or expected rate is not between 0 and 1.
    """
    predicted = ratio * expected
    wrong = int(np.count_nonzero(~((predicted > 0) & (predicted < 1) & (expected > 0) & (expected < 1) & (cases > 0))))
    if wrong:
        what_to_do = "give ratios of predicted over expected rates between 0 and 1, and cases above zero"
        raise InputDataError(Problem("rates or cases are impossible", "published ratios", what_to_do, wrong))
    if len(ratio) < LEAST_PROVIDERS:
        what = f"{len(ratio)} providers with ratio, expected rate and cases do not show how much providers differ"
        raise InputDataError(Problem(what, "published ratios", f"give at least {LEAST_PROVIDERS}"))
    effects = logit(predicted) - logit(expected)
    information = cases * predicted * (1 - predicted)
    square = float(np.mean(effects**2))

    def surplus(variance: float) -> float:
        return square + float(np.mean(variance / (1 + variance * information))) - variance

    variance = float(brentq(surplus, 1e-12, _HIGHEST_VARIANCE, xtol=1e-12)) if square > 0 else 0.0
    return Approximation(effects, variance / (1 + variance * information), float(np.sqrt(variance)), expected)


def draws_of_run(run: RunFolder, number: int, seed: int) -> tuple[pa.Table, list[dict[str, Any]]]:
    """Draw the ratios of a finished run.

    Parameters
    ----------
    run
        Of a program whose measures are ratios of predicted over expected events.
    number
        Draws of each ratio.
    seed
        Zero or more.

    Returns
    -------
    Rows of draws, and of each measure: measure_id, providers drawn, scored ratios without cases or expected rate
    (which are not drawn), and τ.

    Raises
    ------
    UsageError
        If the program's measures are no such ratios.
    InputDataError
        If no ratio has cases and an expected rate.
    """
    drawn = find_program(run.record["program"]).drawn_input
    if drawn is None or not drawn.is_shrunken_ratio:
        what_to_do = "draws of other rates come from a model of your own: openvbp outcomes fit --draws"
        what = f"measures of {run.record['program']} are no ratios of predicted over expected events"
        raise UsageError(Problem(what, str(run.path), what_to_do))
    rows = run.read("measure_result", scenario_id=ACTUAL).to_pylist()
    scored = [one for one in rows if one["status"] in ("scored", "unverified") and one["rate"] is not None]
    tables, facts = [], []
    for place, measure_id in enumerate(sorted({one["measure_id"] for one in scored})):
        of_measure = [one for one in scored if one["measure_id"] == measure_id]
        usable = [one for one in of_measure if one["expected"] is not None and one["denominator"] is not None]
        fact = {"measure_id": measure_id, "drawn": 0, "not_drawn": len(of_measure) - len(usable), "tau": None}
        if usable:
            found = approximate(*(_column(usable, name) for name in ("rate", "expected", "denominator")))
            values = found.draw(number, (seed, place))
            tables.append(draw_rows([one["provider_id"] for one in usable], measure_id, values))
            fact |= {"drawn": len(usable), "tau": round(found.tau, 6)}
        facts.append(fact)
    if not tables:
        what_to_do = "add a file with the number of cases and the expected rate of each ratio"
        raise InputDataError(Problem("no ratio has cases and an expected rate", str(run.path), what_to_do, len(scored)))
    return pa.concat_tables(tables), facts


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> Floats:
    return np.array([float(one[name]) for one in rows])


def render(facts: Sequence[Mapping[str, Any]], number: int) -> str:
    """Write what was drawn for a terminal."""
    lines = [
        f"{number:,} draws of each ratio, by a normal approximation from the ratio, the expected rate and the cases",
        f"{'measure':<20} {'drawn':>8} {'not drawn':>10}    τ",
    ]
    for one in facts:
        tau = "" if one["tau"] is None else f"{one['tau']:.4f}"
        lines.append(f"{one['measure_id']:<20} {one['drawn']:>8,} {one['not_drawn']:>10,}    {tau}")
    lines.append("not drawn: the number of cases or the expected rate is not published")
    return "\n".join(lines)
