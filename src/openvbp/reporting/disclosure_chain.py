"""What gives a withheld count back: the steps that were made from it, followed through ``inputs``.

A step that was made from a withheld count is withheld too, and so is all that follows from it. Three things stop the
chain, because behind them stands at most an inequality that many counts satisfy:

* a value that could not be determined;
* the points of a measure at their floor of zero or at their maximum, as long as the points of that measure stand on
  the same side in every scenario (points rise or fall with the rate; both ends hold for whole families of fractions);
* a value over all providers that is one of its inputs as published.

What is computed over all providers (a mean, a rank, a share of a pool) is withheld for all of them as soon as one
provider's withheld count flows into it.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from decimal import Decimal

from openvbp.reporting.disclosure_cells import GIVEN, Place, StepRow

_NAMED_MEASURE = re.compile(r"(?P<quantity>\w+)\[(?P<measure_id>[^\]]+)\]")
MONEY = ("usd", "gbp", "eur", "currency")
_PATIENT_WORDS = {"numerator", "denominator", "cases", "patients", "stays", "discharges", "episodes", "surveys"}
_POOLED_WORDS = {"rank", "percentile", "quartile", "quintile", "decile", "mean", "median", "deviation", "slope"}
_POOLED = {
    "target_population_factor",
    "domain_performance_points",
    "peer_group",
    "improvement_amount",
    "distributed_part",
}
"""Quantities that compare a provider with the others and have no step of their own for what they compare with."""

Key = tuple[str, str | None, str | None]


@dataclass
class Chain:
    """The steps of one scenario, and which of them are withheld."""

    steps: Sequence[StepRow]
    places: Set[Place]
    sides: Mapping[tuple[str, str], Decimal]
    """Points of a provider's measure where they are at their floor or maximum in all scenarios."""
    unsettled: Set[tuple[str, str]]
    """Measures of a provider whose points are on different sides in different scenarios: nothing stops their chain."""
    open_places: Set[Place]
    """Measures whose points, or rate where they have none, are neither missing nor at an end: sums give them back."""
    withheld: set[int] = field(default_factory=set)
    """Rows of the table."""
    _carrying: dict[str, dict[str, set[tuple[str | None, str | None]]]] = field(default_factory=dict)
    """For each provider the quantities that give a withheld count back, with their measures and domains."""

    def follow(self) -> set[int]:
        """Find every row that is withheld."""
        by_provider: dict[str, list[StepRow]] = defaultdict(list)
        for step in sorted(self.steps, key=lambda one: one.step_number):
            by_provider[step.provider_id].append(step)
        for step in self.steps:
            if step.place in self.places and step.rule_id != "parameter":
                self._begin(step)
        pooled = _pooled(by_provider)
        changed: Set[str] = set(self._carrying)
        while changed:
            for provider_id in changed:
                self._follow_provider(by_provider[provider_id])
            changed = self._follow_pooled(pooled, by_provider) | self._follow_money(by_provider)
        return self.withheld

    def _begin(self, step: StepRow) -> None:
        """Withhold what stands at a withheld place: all of a measure, the inputs of a domain or provider."""
        if step.measure_id or step.rule_id in GIVEN:
            self._withhold(step)

    def _withhold(self, step: StepRow) -> bool:
        """Withhold a row; whether it was not known before that it gives a count back."""
        self.withheld.add(step.row)
        if self._is_end(step):
            return False
        places = self._carrying.setdefault(step.provider_id, {}).setdefault(step.quantity, set())
        before = len(places)
        places.add((step.measure_id, step.domain_id))
        return len(places) > before

    def _is_end(self, step: StepRow) -> bool:
        """Whether the chain stops here."""
        measure = (step.provider_id, step.measure_id or "")
        if measure in self.unsettled:
            return False
        if step.value is None:
            return True
        side = self.sides.get(measure)
        return step.unit == "points" and side is not None and step.value == side

    def _follow_provider(self, steps: Sequence[StepRow]) -> None:
        """Go through a provider's steps in the order of the rules until nothing more follows."""
        carrying = self._carrying.get(steps[0].provider_id, {})
        is_changed = True
        while is_changed:
            is_changed = False
            for step in steps:
                is_known = (step.measure_id, step.domain_id) in carrying.get(step.quantity, ())
                if not is_known and step.rule_id != "parameter" and self._follows(step, carrying):
                    is_changed |= self._withhold(step)

    def _follows(self, step: StepRow, carrying: Mapping[str, Set[tuple[str | None, str | None]]]) -> bool:
        if step.rule_id == "count":
            return self._is_summed(step, carrying)
        for name in step.inputs:
            quantity, measure_id = _parsed(name)
            for place in carrying.get(quantity, ()):
                if place[0] == measure_id if measure_id else _agree(step, *place):
                    return True
        return False

    def _is_summed(self, step: StepRow, carrying: Mapping[str, Set[tuple[str | None, str | None]]]) -> bool:
        """Whether a value counted or summed over measures, without inputs of its own, holds a withheld count.

        Sums of patients do; numbers of measures and sums of points do if the points are not at an end.
        """
        is_of_patients = not _PATIENT_WORDS.isdisjoint(step.quantity.split("_"))
        return any(
            _agree(step, measure_id, domain_id)
            and (is_of_patients or Place(step.provider_id, measure_id or "", "") in self.open_places)
            for places in carrying.values()
            for measure_id, domain_id in places
            if measure_id
        )

    def _follow_pooled(
        self, pooled: Mapping[Key, Sequence[StepRow]], by_provider: Mapping[str, Sequence[StepRow]]
    ) -> set[str]:
        """Withhold for all providers what one provider's withheld counts flow into."""
        changed = set()
        for steps in pooled.values():
            flows_in = any(self._flows_into(step) and not self._is_end(step) for step in steps)
            if not flows_in or _is_as_published(steps, by_provider, self.withheld):
                continue
            changed |= {step.provider_id for step in steps if self._withhold(step)}
        return changed

    def _flows_into(self, step: StepRow) -> bool:
        carrying = self._carrying.get(step.provider_id, {})
        if step.inputs:
            return self._follows(step, carrying)
        return any(_agree(step, *place) for places in carrying.values() for place in places)

    def _follow_money(self, by_provider: Mapping[str, Sequence[StepRow]]) -> set[str]:
        """Withhold amounts that one provider hands on to another: the same amount, given there as an input."""
        amounts: dict[tuple[str, Decimal], set[str]] = defaultdict(set)
        for step in self.steps:
            if step.unit in MONEY and step.value and step.row in self.withheld:
                amounts[(step.unit, abs(step.value))].add(step.provider_id)
        changed = set()
        for provider_id, steps in by_provider.items():
            for step in steps if amounts else ():
                is_handed_on = step.rule_id == "input" and step.unit in MONEY and step.value
                if is_handed_on and amounts.get((step.unit, abs(step.value or 0)), {provider_id}) - {provider_id}:
                    changed |= {provider_id} if self._withhold(step) else set()
        return changed


@functools.cache
def _parsed(name: str) -> tuple[str, str | None]:
    """Split ``points[HAI-3]`` into quantity and measure; a plain name has no measure."""
    named = _NAMED_MEASURE.fullmatch(name)
    return (named["quantity"], named["measure_id"]) if named else (name, None)


def _agree(step: StepRow, measure_id: str | None, domain_id: str | None) -> bool:
    same_measure = step.measure_id is None or measure_id is None or step.measure_id == measure_id
    return same_measure and (step.domain_id is None or domain_id is None or step.domain_id == domain_id)


def _pooled(by_provider: Mapping[str, Sequence[StepRow]]) -> dict[Key, list[StepRow]]:
    """Find what is computed over providers: by its name, or because they have one value for each measure and domain."""
    rows: dict[str, dict[Key, list[StepRow]]] = defaultdict(lambda: defaultdict(list))
    for steps in by_provider.values():
        for step in steps:
            if step.rule_id not in GIVEN and step.value is not None:
                rows[step.quantity][(step.quantity, step.measure_id, step.domain_id)].append(step)
    return {key: steps for quantity, keys in rows.items() if _is_pooled(quantity, keys) for key, steps in keys.items()}


def _is_pooled(quantity: str, keys: Mapping[Key, Sequence[StepRow]]) -> bool:
    if quantity in _POOLED or not _POOLED_WORDS.isdisjoint(quantity.split("_")):
        return True
    shared = [steps for steps in keys.values() if len(steps) > 1]
    if not shared or shared[0][0].unit == "flag":
        return False
    return not shared[0][0].inputs or all(len({step.value for step in steps}) == 1 for steps in shared)


def _is_as_published(
    steps: Sequence[StepRow], by_provider: Mapping[str, Sequence[StepRow]], withheld: Set[int]
) -> bool:
    """Whether the value over all providers is one that an input file gives, so that no provider's counts are in it."""
    first = next((step for step in steps if step.row not in withheld), None)
    return first is not None and any(
        one.rule_id == "input"
        and one.quantity in first.inputs
        and one.value == first.value
        and one.place == first.place
        for one in by_provider[first.provider_id]
    )
