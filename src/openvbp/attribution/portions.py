"""Claims read in portions of persons, so that memory does not grow with the population."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.tables import ClaimsData

PERSONS_AT_ONCE = 75_000
"""Persons of a portion: with 60 lines of claims each, all rules take some two gigabytes."""
_TABLES = ("eligibility", "medical_claim", "attestation", "provider_attribution")
"""Tables with rows of persons that attribution reads."""
_Built = TypeVar("_Built")


@dataclass(frozen=True)
class Portions:
    """A claims folder cut by ranges of ``person_id``, for results that each person has by himself."""

    claims: ClaimsData
    first_persons: tuple[str, ...] = ()
    """First person of each portion but the first one."""

    def __len__(self) -> int:
        """How many portions there are, at least one."""
        return len(self.first_persons) + 1

    def each(self, build: Callable[[ClaimsData], _Built]) -> Iterator[_Built]:
        """Evaluate one portion after the other.

        Parameters
        ----------
        build
            Makes expressions, and computes tables, from the claims of the first portion. For the others only the tables
            are computed again, as building takes longer than computing; so it must not look at the rows itself.

        Yields
        ------
        What was built, of which the tables hold another portion each time; persons come in order of ``person_id``.
        """
        engine = self.claims.engine
        if not self.first_persons:
            yield build(self.claims)
            return
        begun = engine.computed
        built = build(self._portion(0))
        done = engine.computed
        yield built
        for number in range(1, len(self)):
            self._portion(number)
            engine.compute_again(begun, done)
            yield built

    def _portion(self, number: int) -> ClaimsData:
        tables = {name: self._cut(name, number) for name in _TABLES if name in self.claims}
        return replace(self.claims, _opened={**self.claims._opened, **tables})

    def _cut(self, name: str, number: int) -> ir.Table:
        bounds = (None, *self.first_persons, None)
        low, high = bounds[number], bounds[number + 1]
        rows = self.claims.table(name)
        inside = [rows.person_id >= low] if low is not None else []
        inside += [rows.person_id < high] if high is not None else []
        return self.claims.engine.view(rows.filter(inside), f"portion_{name}")


def portions(claims: ClaimsData) -> Portions:
    """Cut a claims folder into portions of :data:`PERSONS_AT_ONCE` enrolled persons.

    Spark bounds its memory by itself: there it is always one.
    """
    if claims.engine.name != "duckdb":
        return Portions(claims)
    enrolled = claims.table("eligibility").filter(_.person_id.notnull()).select("person_id").distinct()
    placed = enrolled.mutate(place=ibis.row_number().over(ibis.window(order_by="person_id")))
    firsts = placed.filter(_.place > 0, _.place % PERSONS_AT_ONCE == 0).order_by("person_id")
    return Portions(claims, tuple(claims.engine.to_arrow(firsts)["person_id"].to_pylist()))
