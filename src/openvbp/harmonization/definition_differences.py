"""Two definitions held against each other, clause by clause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from openvbp.harmonization.definitions import Clause, ClauseName, clauses_of
from openvbp.harmonization.registry import Measure
from openvbp.harmonization.text_similarity import normalized

Outcome = Literal["same", "differs", "same words", "other words", "stated once", "not stated"]


@dataclass(frozen=True)
class ClauseDifference:
    """What two definitions say in one clause.

    ``same`` and ``differs`` compare parsed values. ``same words`` and ``other words`` compare passages, and other words
    may mean the same: a person must read them. ``stated once`` says that one text is silent, not that it differs.
    """

    clause: ClauseName
    outcome: Outcome
    first: Clause
    second: Clause


def differences(first: Measure, second: Measure) -> tuple[ClauseDifference, ...]:
    """Compare two definitions; one row per clause, in the order of ``definitions.CLAUSES``."""
    ours, theirs = clauses_of(first), clauses_of(second)
    return tuple(ClauseDifference(name, _outcome(ours[name], theirs[name]), ours[name], theirs[name]) for name in ours)


def parsed_differences(found: Sequence[ClauseDifference]) -> list[ClauseName]:
    """Name the clauses that are known to differ."""
    return [one.clause for one in found if one.outcome == "differs"]


def _outcome(first: Clause, second: Clause) -> Outcome:
    stated = [one.form != "not stated" for one in (first, second)]
    if not any(stated):
        return "not stated"
    if not all(stated):
        return "stated once"
    if first.form == "parsed":
        return "same" if first.values == second.values else "differs"
    same = [normalized(one) for one in first.values] == [normalized(one) for one in second.values]
    return "same words" if same else "other words"
