"""Paid or charged by chance: what a contract's settlement would be if nothing were saved, by number of members."""

from __future__ import annotations

import csv
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from scipy.special import ndtri

from openvbp.claims_chain.settlement import FOLDER
from openvbp.design_review.account import Account, Variant
from openvbp.design_review.aspect import Aspect, CannotBeSeenError, Evidence, Finding, Severity
from openvbp.design_review.attributed import attributed
from openvbp.design_review.design import Design
from openvbp.design_review.words import money
from openvbp.diagnosis.section import percent
from openvbp.programs.contract.input_files import MEMBERS_FILE

SERIOUS_PROBABILITY = 0.2
SIZES = (1_000, 5_000, 20_000, 100_000)
TRUE_SAVINGS = (0.0, 0.03)
"""Shares of the budget that are truly saved: nothing, and what many contracts hope for."""
_CAUTION = 0.05
_OWN = "With the"
_DRAWS = 400
"""Equally likely values of chance; quantiles, so that nothing depends on a seed."""


@dataclass(frozen=True)
class CostVariation:
    """How much the savings rate varies by chance."""

    per_member: float
    """Standard deviation of the savings rate of one member's account; of n members it is this over √n."""
    members: int
    cite: str

    def of(self, members: int) -> float:
        """Standard deviation of the savings rate of so many members."""
        return self.per_member / float(np.sqrt(members))


def chance(design: Design, account: Account | None) -> Aspect:
    """Settle an account whose true savings are known many times, each with another chance of who was ill.

    The savings rate is normal about the true one, with a variance from the members' own costs in the baseline and the
    performance year (:func:`cost_variation`); each value is settled by all rules of the contract.
    """
    if account is None:
        raise CannotBeSeenError("only a contract's account is settled here with other spending")
    found = cost_variation(design)
    sizes = sorted({*(design.sizes or SIZES), found.members})
    draws = ndtri((np.arange(_DRAWS) + 0.5) / _DRAWS)
    keys = [(size, true) for size in sizes for true in TRUE_SAVINGS]
    variants = [Variant(max(true + found.of(size) * float(one), -1.0)) for size, true in keys for one in draws]
    settled = account.settle(variants).reshape(len(keys), _DRAWS)
    rows = []
    for (size, true), values in zip(keys, settled, strict=True):
        budget = account.budget / found.members * size
        share = values / account.budget
        rows.append(
            {
                "members": size,
                "budget": budget,
                "true_savings_share": true,
                "chance_sd_share": found.of(size),
                "paid_share": float((values > 0).mean()),
                "charged_share": float((values < 0).mean()),
                "mean_paid": float(np.maximum(share, 0).mean() * budget),
                "mean_charged": float(np.minimum(share, 0).mean() * budget),
            }
        )
    place = Evidence(found.cite, f"{found.per_member:.3f} for one member, over the root of their number", "computed")
    findings = [
        _for_nothing(one, design, place, is_own=one["members"] == found.members)
        for one in rows
        if not one["true_savings_share"]
    ]
    # The user's own size first; others are there to compare.
    findings.sort(key=lambda one: not one.text.startswith(_OWN))
    findings += [_missed(one) for one in rows if one["true_savings_share"] and one["members"] == found.members]
    return Aspect("chance", findings, {"By members and true savings, if chance alone varies": rows})


def _for_nothing(row: dict[str, Any], design: Design, place: Evidence, *, is_own: bool) -> Finding:
    worst = max(row["paid_share"], row["charged_share"])
    severity: Severity = (
        "fine" if worst < _CAUTION else "serious" if is_own and worst >= SERIOUS_PROBABILITY else "caution"
    )
    who = f"{_OWN} {row['members']:,} members of the data" if is_own else f"With {row['members']:,} members"
    text = (
        f"{who} and no true savings the contractor is paid with a probability of {percent(row['paid_share'])} and "
        f"charged with one of {percent(row['charged_share'])}, by chance alone; on average "
        f"{money(row['mean_paid'], design.currency)} are paid and "
        f"{money(-row['mean_charged'], design.currency)} charged."
    )
    return Finding(severity, text, [place])


def _missed(row: dict[str, Any]) -> Finding:
    paid = row["paid_share"]
    text = (
        f"{_OWN} {row['members']:,} members and true savings of {percent(row['true_savings_share'])} it is paid with a "
        f"probability of {percent(paid)}."
    )
    return Finding("caution" if paid < 0.8 else "fine", text)


def cost_variation(design: Design) -> CostVariation:
    """Measure how the savings rate varies by chance, from the costs of single members after stop loss.

    A member moves the rate by its cost in the performance year over all costs of that year, less the same of the
    baseline year, each less the mean: the sum of the squares of these is the variance, which takes account of members
    who are costly in both years. That part of the costs which the risk score explains is taken for chance: the
    figure is an upper bound where the budget is risk adjusted.

    Raises
    ------
    CannotBeSeenError
        If the costs of single members are not at hand.
    """
    costs, members = _costs(design), attributed(design)
    terms = design.terms
    last = str(terms.period.end.year)
    weights = {year: -float(one) for year, one in _baseline_weights(design).items()}
    years = {last: 1.0, **weights}
    if not set(years) <= set(costs) & set(members):
        raise CannotBeSeenError("the costs of single members are not there for every year of the contract")
    moved: dict[str, float] = defaultdict(float)
    for year, weight in years.items():
        of_year, persons = costs[year], members[year].own
        total = sum(of_year.values())
        for person in persons:
            moved[person] += weight * (of_year.get(person, 0.0) - total / len(persons)) / total
    variance, number = sum(one * one for one in moved.values()), len(members[last].own)
    return CostVariation(float(np.sqrt(variance * number)), number, f"RUN/{FOLDER}: costs of members after stop loss")


def _baseline_weights(design: Design) -> dict[str, Decimal]:
    return dict(design.terms.keyed("baseline_weight")) if "baseline_weight" in design.terms.parameters else {}


def _costs(design: Design) -> dict[str, dict[str, float]]:
    """Year to member to cost after stop loss."""
    file = design.run.path / FOLDER / MEMBERS_FILE if design.run else None
    if file is None or not file.is_file():
        raise CannotBeSeenError(
            "the costs of single members are needed: of a contract with stop loss and a section 'claims', give --run "
            "of a settlement from claims, --data with claims, or --synthetic with a number of members"
        )
    point = design.terms.value("stop_loss_attachment_point")
    share = Decimal(design.terms.value("stop_loss_share_above") or 0)
    found: dict[str, dict[str, float]] = defaultdict(dict)
    with file.open(encoding="utf-8", newline="") as rows:
        for row in csv.DictReader(rows):
            cost = Decimal(row["expenditures"])
            net = cost - share * (cost - point) if point is not None and cost > point else cost
            found[row["year"]][row["member_id"]] = float(net)
    return found
