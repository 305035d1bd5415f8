"""The network of clinicians who share patients, and the groups in it that work together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import ibis
import ibis.expr.types as ir
from ibis import _

MINIMUM_SHARED = 5
"""Patients that two clinicians share at least; fewer says little of a real relation."""
_MOST_ROUNDS = 50

Edges = Iterable[tuple[str, str, int]]
_Weights = dict[int, dict[int, int]]


@dataclass(frozen=True)
class Communities:
    """Groups of clinicians who share more patients with each other than with others."""

    of: Mapping[str, int]
    """Clinician to the number of his group, from 0, the largest first."""
    modularity: float
    """Share of ties inside groups less that expected by chance: 0 none, towards 1 clear groups."""


def shared_patient_edges(persons_and_units: ir.Table, minimum: int = MINIMUM_SHARED) -> ir.Table:
    """Count the patients that two clinicians share.

    Parameters
    ----------
    persons_and_units
        ``person_id`` × ``unit_id``, for example rows of the rule ``all_touching``; rows may stand more than once.
    minimum
        Patients that two units must share.

    Returns
    -------
    One row per pair, ``unit_id`` before ``other_unit_id``: ``shared_patients``.

    Source: Landon and others, JAMA 2012; with 30 or more shared patients 72 percent of pairs have a real relation, at a
    sensitivity of 28 percent (Kuo and others 2019).
    """
    seen = persons_and_units.filter(_.unit_id.notnull()).select("person_id", "unit_id").distinct()
    others = seen.select("person_id", other_unit_id="unit_id")
    pairs = seen.join(others, "person_id").filter(_.unit_id < _.other_unit_id)
    counted = pairs.group_by("unit_id", "other_unit_id").agg(shared_patients=_.count().cast("int64"))
    return counted.filter(_.shared_patients >= minimum)


def strongest_ties(edges: ir.Table, percent: int = 20) -> ir.Table:
    """Keep the strongest ties of each clinician.

    Parameters
    ----------
    edges
        As of :func:`shared_patient_edges`.
    percent
        Part of a clinician's ties that is kept, at least one; a tie stays if it is so for one of the two.

    Returns
    -------
    The edges that stay.

    Source: Landon and others, JAMA 2012: the strongest 20 percent of ties of each physician.
    """
    forth = edges.select("unit_id", "other_unit_id", "shared_patients", one="unit_id", another="other_unit_id")
    back = edges.select("unit_id", "other_unit_id", "shared_patients", one="other_unit_id", another="unit_id")
    both = ibis.union(forth, back, distinct=False)
    ordered = ibis.window(group_by="one", order_by=[ibis.desc("shared_patients"), ibis.asc("another")])
    ranked = both.mutate(place=ibis.row_number().over(ordered), ties=_.count().over(ibis.window(group_by="one")))
    # At least one: rounded up.
    kept = ranked.filter(_.place * 100 < _.ties * percent)
    return kept.select("unit_id", "other_unit_id", "shared_patients").distinct()


def communities(edges: Edges) -> Communities:
    """Find groups by greedy modularity: clinicians move to the group that gains most, then groups do, until none gains.

    Parameters
    ----------
    edges
        Unit, other unit, shared patients; each pair once.

    Returns
    -------
    The same groups for any order of the edges: units are taken in the order of their names, and of two equal gains the
    group with the smaller number is taken.

    Source: Blondel and others, Fast unfolding of communities in large networks, 2008.
    """
    listed = sorted((min(one, other), max(one, other), weight) for one, other, weight in edges)
    names = sorted({name for one, other, _weight in listed for name in (one, other)})
    number = {name: place for place, name in enumerate(names)}
    weights: _Weights = {place: {} for place in range(len(names))}
    for one, other, weight in listed:
        weights[number[one]][number[other]] = weight
        weights[number[other]][number[one]] = weight
    group = list(range(len(names)))
    level = weights
    while True:
        moved = _move_nodes(level)
        if all(moved[node] == node for node in level):
            break
        group = [moved[place] for place in group]
        level = _merged(level, moved)
    return Communities(_by_size(names, group), _modularity(weights, group))


def _move_nodes(weights: _Weights) -> dict[int, int]:
    """Move each node to the neighbouring group that gains most, until none moves.

    The gain of a group is (weight of ties to it) - (node's ties × group's ties) / (all ties twice), compared in whole
    numbers. A tie of a merged node to itself stands twice in its weight.
    """
    ties = {node: sum(others.values()) for node, others in weights.items()}
    twice = sum(ties.values())
    group = {node: node for node in weights}
    total = dict(ties)
    for _round in range(_MOST_ROUNDS):
        moves = 0
        for node in sorted(weights):
            own = group[node]
            total[own] -= ties[node]
            to_group: dict[int, int] = defaultdict(int)
            for other, weight in weights[node].items():
                if other != node:
                    to_group[group[other]] += weight
            best, best_gain = own, to_group.get(own, 0) * twice - ties[node] * total[own]
            for candidate in sorted(to_group):
                gain = to_group[candidate] * twice - ties[node] * total[candidate]
                if gain > best_gain:
                    best, best_gain = candidate, gain
            total[best] += ties[node]
            group[node] = best
            moves += best != own
        if not moves:
            break
    return group


def _merged(weights: _Weights, group: Mapping[int, int]) -> _Weights:
    """One node per group; ties inside a group become a tie to itself."""
    merged: _Weights = {place: {} for place in sorted(set(group.values()))}
    for node, others in weights.items():
        row = merged[group[node]]
        for other, weight in others.items():
            row[group[other]] = row.get(group[other], 0) + weight
    return merged


def _modularity(weights: _Weights, group: list[int]) -> float:
    twice = sum(sum(others.values()) for others in weights.values())
    inside, ties = 0, defaultdict(int)
    for node, others in weights.items():
        ties[group[node]] += sum(others.values())
        inside += sum(weight for other, weight in others.items() if group[other] == group[node])
    if not twice:
        return 0.0
    return float(Fraction(inside, twice) - sum(Fraction(one * one, twice * twice) for one in ties.values()))


def _by_size(names: list[str], group: list[int]) -> dict[str, int]:
    members: dict[int, list[str]] = defaultdict(list)
    for name, place in zip(names, group, strict=True):
        members[place].append(name)
    ordered = sorted(members.values(), key=lambda some: (-len(some), some[0]))
    return {name: number for number, some in enumerate(ordered) for name in some}
