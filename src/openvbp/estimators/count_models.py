"""Counts with an offset: Poisson and negative binomial regression with errors that allow for clusters.

ln μ = ln(time at risk) + x'β. Poisson: the maximum of Σ y ln μ − μ, right for any variance if the mean is right
(Gourieroux, Monfort and Trognon 1984). Negative binomial (NB2, Cameron and Trivedi 1986): variance μ + αμ², β and α
together. V = G/(G − 1) · (N − 1)/(N − K) · H⁻¹ Σ_g s_g s_g' H⁻¹ with H the observed information, α among the K.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma, gammaln, polygamma

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.estimators.arrays import Floats, checked_codes, checked_floats, row_examples
from openvbp.estimators.inference import Inference

INTERCEPT = "intercept"
FAMILIES = ("poisson", "negative_binomial")
_TOLERANCE = 1e-9
_COLLINEAR = 1e-10
_MOST_STEPS = 100
_SHORTEST = 1e-8
_ROUNDING = 1e-15


@dataclass(frozen=True)
class CountModel:
    """A fitted count; exp of a coefficient is a ratio of rates."""

    inference: Inference
    """Of the coefficients, the intercept first; t with G − 1 degrees of freedom."""
    dispersion: float
    """α; zero for Poisson, and where counts vary no more than Poisson's."""
    log_likelihood: float
    predicted: Floats
    """μ of each row (n)."""
    steps: int


def count_model(
    outcome: ArrayLike,
    covariates: Mapping[str, ArrayLike],
    *,
    time_at_risk: ArrayLike,
    clusters: ArrayLike,
    family: str = "negative_binomial",
) -> CountModel:
    """Fit by maximum likelihood (Newton's method).

    Parameters
    ----------
    outcome
        Counts, whole and not negative (n).
    covariates
        Columns (n) by name; an intercept is added.
    time_at_risk
        For example person-years (n), above zero: the offset is its logarithm.
    clusters
        Whole numbers (n).
    family
        ``poisson`` or ``negative_binomial``.

    Raises
    ------
    InputDataError
        If counts are negative, not whole, or all zero, time at risk is not above zero, columns are collinear, values
        are missing, there is one cluster, or the fit does not settle.
    UsageError
        If the family is another.
    """
    if family not in FAMILIES:
        raise UsageError(Problem(f"no family '{family}'", "family", "one of: " + ", ".join(FAMILIES)))
    counts = checked_floats(outcome, "outcome")
    _refuse((counts < 0) | (counts != np.floor(counts)), "outcome", "counts are negative or not whole")
    time = checked_floats(time_at_risk, "time_at_risk", len(counts))
    _refuse(time <= 0, "time_at_risk", "time at risk is not above zero")
    if not counts.any():
        raise InputDataError(Problem("all counts are zero", "outcome", "take a longer period, or a commoner outcome"))
    groups, group_count = checked_codes(clusters, "clusters", len(counts))
    if group_count < 2:
        raise InputDataError(Problem("all rows are in one cluster", "clusters", "cluster by a smaller unit"))
    names = (INTERCEPT, *covariates)
    columns = [checked_floats(values, name, len(counts)) for name, values in covariates.items()]
    design = np.stack([np.ones(len(counts)), *columns])
    _refuse_collinear(names, design)
    at, steps = _fitted(counts, design, np.log(time), family)
    scores = np.stack([np.bincount(groups, one, group_count) for one in at.row_scores(design)], axis=1)
    bread = np.linalg.inv(at.information)
    factor = group_count / (group_count - 1) * (len(counts) - 1) / (len(counts) - len(bread))
    covariance = (factor * bread @ (scores.T @ scores) @ bread)[: len(names), : len(names)]
    inference = Inference(
        names,
        at.parameters[: len(names)],
        covariance,
        "CR1",
        len(counts),
        group_count,
        lambda _factors: group_count - 1.0,
    )
    dispersion = float(np.exp(-at.parameters[-1])) if at.size_score is not None else 0.0
    likelihood = at.log_likelihood - float(gammaln(counts + 1).sum())
    return CountModel(inference, dispersion, likelihood, at.mean, steps)


@dataclass(frozen=True)
class _Point:
    """The likelihood at some parameters: β and, for the negative binomial, ln(1/α)."""

    parameters: Floats
    log_likelihood: float
    """Without ln y!."""
    mean: Floats
    score: Floats
    """Derivative by x'β (n)."""
    size_score: Floats | None
    """Derivative by ln(1/α) (n)."""
    information: Floats

    def row_scores(self, design: Floats) -> list[Floats]:
        scores = [column * self.score for column in design]
        return scores if self.size_score is None else [*scores, self.size_score]


def _fitted(counts: Floats, design: Floats, offset: Floats, family: str) -> tuple[_Point, int]:
    start = np.zeros(len(design))
    start[0] = np.log(counts.sum() / np.exp(offset).sum())
    poisson, steps = _maximum(lambda beta: _poisson(counts, design, offset, beta), start, design)
    if family == "poisson":
        return poisson, steps
    # The derivative of the likelihood by α at zero: not above zero where counts vary no more than Poisson's.
    excess = float(((counts - poisson.mean) ** 2 - counts).sum())
    if excess <= 0:
        return poisson, steps
    size = np.log(np.sum(poisson.mean**2) / excess)
    values, place = np.unique(counts, return_inverse=True)
    best, more = _maximum(
        lambda parameters: _negative_binomial(counts, values, place, design, offset, parameters),
        np.append(poisson.parameters, size),
        design,
    )
    return best, steps + more


def _poisson(counts: Floats, design: Floats, offset: Floats, beta: Floats) -> _Point:
    predictor = offset + beta @ design
    mean = np.exp(predictor)
    information = (design * mean) @ design.T
    return _Point(beta, float(counts @ predictor - mean.sum()), mean, counts - mean, None, information)


def _negative_binomial(
    counts: Floats, values: Floats, place: np.ndarray, design: Floats, offset: Floats, parameters: Floats
) -> _Point:
    """With θ = 1/α; gamma functions once per count that occurs (``values[place]`` are the counts)."""
    beta, size = parameters[:-1], float(np.exp(parameters[-1]))
    predictor = offset + beta @ design
    mean = np.exp(predictor)
    total = size + mean
    gamma = gammaln(values + size) - gammaln(size)
    by_gamma = digamma(values + size) - digamma(size)
    by_gamma_twice = polygamma(1, values + size) - polygamma(1, size)
    ratio = np.log(total / size)
    likelihood = gamma[place].sum() + counts @ (predictor - np.log(total)) - size * ratio.sum()
    by_size = by_gamma[place] - ratio + (mean - counts) / total
    by_size_twice = by_gamma_twice[place] + 1 / size - 1 / total - (mean - counts) / total**2
    across = size * mean * (counts - mean) / total**2
    information = np.empty((len(parameters), len(parameters)))
    information[:-1, :-1] = (design * ((counts + size) * size * mean / total**2)) @ design.T
    information[-1, :-1] = information[:-1, -1] = -(design @ across)
    information[-1, -1] = -(size**2 * by_size_twice + size * by_size).sum()
    score = size * (counts - mean) / total
    return _Point(parameters, float(likelihood), mean, score, size * by_size, information)


def _maximum(at: Callable[[Floats], _Point], start: Floats, design: Floats) -> tuple[_Point, int]:
    """Newton's method; a step that lowers the likelihood is halved, a direction that is not uphill turned."""
    here = at(start)
    for steps in range(1, _MOST_STEPS + 1):
        gradient = np.array([one.sum() for one in here.row_scores(design)])
        values, vectors = np.linalg.eigh(here.information)
        step = vectors @ ((vectors.T @ gradient) / np.maximum(np.abs(values), _SHORTEST * np.abs(values).max()))
        if gradient @ step < _TOLERANCE**2 * len(design[0]):
            return here, steps
        share = 1.0
        while share > _SHORTEST:
            with np.errstate(over="ignore", invalid="ignore"):
                there = at(here.parameters + share * step)
            # A gain below what the likelihood can show is not looked for: so near, Newton's step is right as it is.
            if there.log_likelihood >= here.log_likelihood or gradient @ step < _ROUNDING * abs(here.log_likelihood):
                break
            share /= 2
        else:
            return here, steps
        here = there
    remedy = "look for covariates that are zero wherever a count is not, or on very different scales"
    raise InputDataError(Problem(f"the fit did not settle in {_MOST_STEPS} steps", "covariates", remedy))


def _refuse(wrong: np.ndarray, where: str, what: str) -> None:
    rows = np.flatnonzero(wrong)
    if len(rows):
        raise InputDataError(Problem(what, where, "mend or leave out these rows", len(rows), row_examples(rows)))


def _refuse_collinear(names: tuple[str, ...], design: Floats) -> None:
    """Name the first column that the ones before it imply."""
    scale = np.sqrt((design**2).sum(axis=1))
    if (scale == 0).any():
        what = f"'{names[int(np.argmin(scale))]}' is zero in all rows"
        raise InputDataError(Problem(what, "covariates", "leave it out"))
    scaled = design / scale[:, None]
    products = scaled @ scaled.T
    for size in range(2, len(names) + 1):
        if np.linalg.eigvalsh(products[:size, :size])[0] < _COLLINEAR:
            what = f"'{names[size - 1]}' is a sum of the columns before it: " + ", ".join(names[: size - 1])
            raise InputDataError(Problem(what, "covariates", "leave it out"))
