"""Cliffs of a contract: each of its thresholds, with the account settled on both sides of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openvbp.design_review.account import Account, Variant
from openvbp.design_review.aspect import Aspect, Evidence, Finding
from openvbp.design_review.design import Design
from openvbp.design_review.words import money
from openvbp.diagnosis.section import percent
from openvbp.parameters import ACTUAL

SERIOUS_SHARE = 0.1
"""Of the most that can be won, moved by one case."""
_A_CENT = 1e-6
"""Of the budget: how far below a threshold is just below it."""
_A_POINT = 1e-4
"""Of the quality score: how far below a step is just below it."""
_SAVINGS = 0.05
"""Savings at which is told what quality moves, where the data have none."""
_HIGHEST = 30
"""Percent of savings up to which the most that can be won is looked for."""


@dataclass(frozen=True)
class _Edge:
    """A threshold of a contract, with an account on each side of it."""

    what: str
    place: str
    below: Variant
    above: Variant
    evidence: tuple[Evidence, ...]


def contract_cliffs(design: Design, account: Account) -> Aspect:
    """Settle a contract on both sides of each of its thresholds.

    Parameters
    ----------
    design
        Of a contract.
    account
        Its account: with the budget, savings and points of the run, or a made-up one.
    """
    edges = [*_of_rates(design), *_of_scores(design, account), *_of_measures(design, account)]
    best = 1.0 if account.possible else None
    sides = [side for one in edges for side in (one.below, one.above)]
    # One call settles everything: rules take longer to compile than to compute.
    settled = account.settle([*sides, *(Variant(one / 100, best) for one in range(1, _HIGHEST + 1))])
    most = float(np.nanmax(settled[len(sides) :]))
    findings, table = [], []
    for at, one in enumerate(edges):
        below, above = float(settled[2 * at]), float(settled[2 * at + 1])
        if not abs(above - below) >= account.budget * _A_CENT * 2:
            continue
        share = abs(above - below) / most if most > 0 else 1.0
        findings.append(
            Finding(
                "serious" if share >= SERIOUS_SHARE else "caution",
                f"{one.what}: {money(below, design.currency)} on one side, {money(above, design.currency)} on the "
                f"other. The step is {percent(share)} of the most that can be won.",
                one.evidence,
            )
        )
        table.append({"where": one.place, "below": below, "above": above, "of_most_share": share})
    findings.sort(key=lambda one: one.severity != "serious")
    if not findings:
        findings.append(Finding("fine", "The settlement has no jump at any threshold of the contract."))
    whose = "of the run" if account.is_own else "made up, all points earned"
    findings.append(
        Finding(
            "fine",
            f"Settled by all rules of the contract on a budget of {money(account.budget, design.currency)} ({whose}).",
        )
    )
    return Aspect("cliffs", findings, {"Settlement on both sides of each threshold": table})


def _of_rates(design: Design) -> list[_Edge]:
    edges = []
    for name, sign, word in (("savings", 1, "Savings"), ("losses", -1, "Losses")):
        least = float(design.terms.value(f"{name}_minimum_rate") or 0)
        if least:
            what = f"{word} of just under {percent(least)} of the budget, and of {percent(least)}"
            places = (design.evidence(f"{name}_minimum_rate"), design.evidence(f"is_{name}_first_dollar"))
            below, above = Variant(sign * (least - _A_CENT)), Variant(sign * least)
            edges.append(_Edge(what, f"{name}.minimum_rate", below, above, places))
    return edges


def _rate(account: Account) -> float:
    """Savings at which is told what quality moves: those of the data, if there are any."""
    return account.savings_rate if account.is_own and account.savings_rate > 0 else _SAVINGS


def _of_scores(design: Design, account: Account) -> list[_Edge]:
    """The gate, and the steps of ladders."""
    if not account.possible:
        return []
    won = _rate(account)
    listed = [("quality_gate", "", float(design.terms.value("quality_gate")), won, "the quality gate")]
    for ladder, rate in (("savings_ladder", won), ("loss_ladder", -won), ("earned_ladder", won)):
        if not design.terms.value(f"is_{ladder}_linear"):
            steps = design.terms.keyed(f"{ladder}_score")
            words = f"step {{}} of the {ladder.replace('_', ' ')}"
            listed += [(f"{ladder}_score", key, float(score), rate, words.format(key)) for key, score in steps.items()]
    return [
        _Edge(
            f"A quality score just under {words} ({percent(score)}), and at it, with {_savings(rate)}",
            f"{name}.{key}" if key else name,
            Variant(rate, score - _A_POINT),
            Variant(rate, score),
            (design.evidence(name, key),),
        )
        for name, key, score, rate, words in listed
        if score > 0
    ]


def _savings(rate: float) -> str:
    return f"{percent(abs(rate))} {'savings' if rate > 0 else 'losses'}"


def _of_measures(design: Design, account: Account) -> list[_Edge]:
    """All or nothing: the last case short of a target carries the whole measure."""
    quality = design.contract.quality if design.contract else None
    if quality is None or not account.possible:
        return []
    won, away = _rate(account), _distances(design)
    base = account.points / account.possible if account.points is not None else 1.0
    rule = "quality.measures: a measure that reaches its target earns its points, any other none"
    edges = []
    for name, measure in quality.measures.items():
        share = float(measure.points) / account.possible
        cases, is_met = away.get(name, (None, True))
        low, high = (base - share, base) if is_met else (base, base + share)
        told = "" if cases is None else f", in the data {cases:,.0f} cases {'above' if is_met else 'short of'} it"
        edges.append(
            _Edge(
                f"The last case of {name} (its target missed, and met{told}), with {_savings(won)}",
                f"quality.measures.{name}",
                Variant(won, max(low, 0.0)),
                Variant(won, min(high, 1.0)),
                (design.evidence("measure_points", name), Evidence("rule earned_points", "all or nothing", rule)),
            )
        )
    return edges


def _distances(design: Design) -> dict[str, tuple[float, bool]]:
    """How many cases each measure of the run is away from its target, and whether it is met."""
    if design.run is None or "measure_result" not in design.run.tables:
        return {}
    found = {}
    for row in design.run.read("measure_result", scenario_id=ACTUAL).to_pylist():
        target = row["benchmark"] if row["benchmark"] is not None else row["threshold"]
        if None not in (row["numerator"], row["denominator"], target):
            away = float(row["numerator"]) - float(target) * float(row["denominator"])
            found[row["measure_id"]] = (float(np.ceil(abs(away))), bool(row["points"]))
    return found
