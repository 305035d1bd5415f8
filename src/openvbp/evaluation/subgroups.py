"""Who the effect is on: the worst before onset, providers of each kind, regions that share shocks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from openvbp.errors import InputDataError, Problem
from openvbp.evaluation.cells import as_float
from openvbp.evaluation.designs import estimate
from openvbp.evaluation.findings import Finding, attempt, not_possible
from openvbp.evaluation.frame import Frame
from openvbp.evaluation.samples import sample
from openvbp.evaluation.study_terms import Analysis

MOST_CATEGORIES = 12
_LEAST_IN_REGION = 10
_QUARTERS = ("lowest quarter", "second quarter", "third quarter", "highest quarter")


def worst_baseline(frame: Frame, main: Analysis) -> list[Finding]:
    """Estimate among the quarter that was worst before onset, chosen in the same way among the comparison."""
    section = "worst baseline"
    one = frame.resolved(main).model_copy(update={"sample": "worst_quartile"})
    label = "worst quarter before onset, the same selection among the comparison"
    note = "each side is chosen alike, so regression to the mean is in both"
    return [
        row if row.note else row.within(section, note=note)
        for row in attempt(section, label, lambda: estimate(frame, one, section=section, label=label))
    ]


def equity(frame: Frame, main: Analysis, attributes: Sequence[str]) -> list[Finding]:
    """Estimate the effect among treated providers of each kind, against the whole comparison."""
    section = "equity"
    if not attributes:
        why = "no attribute is named under 'equity': whether an effect differs by whom providers serve is not known"
        return [not_possible(section, "attributes of providers", why)]
    resolved = frame.resolved(main)
    rows: list[Finding] = []
    for name in attributes:
        try:
            kinds = _kinds(frame, name)
        except InputDataError as error:
            rows.append(not_possible(section, name, f"{error.problems[0].what}: {error.problems[0].what_to_do}"))
            continue
        for kind in dict.fromkeys(sorted(set(kinds[frame.is_in(frame.treated_groups)]) - {""}, key=_order)):
            label = f"{name}: {kind}"
            chosen = kinds == kind
            rows += attempt(
                section,
                label,
                lambda label=label, chosen=chosen: estimate(
                    frame, resolved, section=section, label=label, among_treated=chosen
                ),
            )
    return rows


def _kinds(frame: Frame, name: str) -> np.ndarray:
    """Put providers into kinds: as they are where they are few, else into quarters of the treated by number."""
    texts = frame.cells.attributes[name]
    if len(set(texts) - {""}) <= MOST_CATEGORIES:
        return texts
    values = np.array([as_float(one) for one in texts])
    if np.isnan(values).all():
        what = f"'{name}' has {len(set(texts))} values that are no numbers"
        raise InputDataError(
            Problem(what, "equity", f"take an attribute of up to {MOST_CATEGORIES} kinds, or a number")
        )
    treated = frame.is_in(frame.treated_groups) & np.isfinite(values)
    _, first = np.unique(frame.provider_codes[treated], return_index=True)
    edges = np.quantile(values[treated][first], [0.25, 0.5, 0.75])
    kinds = np.array(_QUARTERS, dtype=object)[np.searchsorted(edges, np.nan_to_num(values), side="left")]
    return np.where(np.isfinite(values), kinds, "")


def _order(kind: str) -> tuple[int, str]:
    return (_QUARTERS.index(kind), "") if kind in _QUARTERS else (0, kind)


def common_shock(frame: Frame, main: Analysis, found: Finding) -> list[Finding]:
    """Say how large a shock to all treated providers alone would turn the answer, and how large such shocks are.

    No standard error counts a shock that all treated providers share: with one region treated it is the whole risk.
    """
    section = "common shock"
    if not found.is_estimated or not math.isfinite(found.low):
        return [not_possible(section, "shock that would turn the answer", "the main analysis has no interval")]
    if found.design == "counts" and not found.comparison_providers:
        return [
            not_possible(section, "shock that would turn the answer", "all are treated: a shock to all is no effect")
        ]
    size = min(abs(found.low), abs(found.high))
    turned = "take the effect away" if found.is_significant else "make an effect out of none"
    note = f"a change of {size:.3f} in all treated and no comparison providers, from another cause, would {turned}"
    rows = [Finding(section, "shock that would turn the answer", estimate=size, note=note)]
    for name in ("state", "region"):
        if name in frame.cells.attributes:
            label = f"standard deviation of changes over {name}s, after onset less before"
            rows += attempt(section, label, lambda name=name, label=label: _spread(frame, main, name, section, label))
    return rows


def _spread(frame: Frame, main: Analysis, name: str, section: str, label: str) -> Finding:
    """Standard deviation over regions of the mean change, less what chance among their providers explains."""
    drawn = sample(frame, frame.resolved(main).model_copy(update={"weights": "none", "sample": "all"}))
    region = frame.clusters(name)[drawn.rows]
    provider, at = np.unique(drawn.provider, return_inverse=True)
    change = np.bincount(at, np.where(drawn.is_after, drawn.outcome, 0)) / np.bincount(at, drawn.is_after)
    change -= np.bincount(at, np.where(drawn.is_after, 0, drawn.outcome)) / np.bincount(at, ~drawn.is_after)
    of_provider = np.zeros(len(provider), dtype=np.int64)
    of_provider[at] = region
    codes = np.unique(of_provider, return_inverse=True)[1]
    counts = np.bincount(codes)
    means = np.bincount(codes, change) / counts
    spreads = np.bincount(codes, (change - means[codes]) ** 2) / np.maximum(counts - 1, 1)
    large = counts >= _LEAST_IN_REGION
    if large.sum() < 3:
        what = f"fewer than three {name}s have {_LEAST_IN_REGION} providers"
        raise InputDataError(Problem(what, section, "give a coarser attribute"))
    variance = float(means[large].var(ddof=1) - (spreads[large] / counts[large]).mean())
    note = f"{int(large.sum())} with {_LEAST_IN_REGION} or more providers; what chance explains is taken off"
    return Finding(section, label, estimate=math.sqrt(max(variance, 0.0)), note=note)
