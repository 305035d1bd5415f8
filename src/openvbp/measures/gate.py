"""What a run of measures must have before it starts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from openvbp.errors import InputDataError
from openvbp.measures.events import value_sets_needed
from openvbp.measures.measure import Measure
from openvbp.measures.value_sets import ValueSet, missing_value_sets

INCOMPLETE = "value sets were missing"


def demand_value_sets(
    measures: Iterable[Measure], sets: Mapping[str, ValueSet], *, allow_incomplete: bool = False
) -> tuple[list[Measure], dict[str, ValueSet]]:
    """Demand every value set that measures need: an absent one scores people wrongly without a word.

    Parameters
    ----------
    measures
        To be evaluated.
    sets
        Value sets that are there.
    allow_incomplete
        Go on without, to explore: a missing set is taken for empty, and measures that need it are marked unverified.

    Returns
    -------
    The measures, and the value sets that they need.

    Raises
    ------
    InputDataError
        Names every value set that is missing, empty or of another code system, and the measures that need it.
    """
    measures = list(measures)
    needed, systems = _needed(measures)
    problems = missing_value_sets(needed, sets, systems)
    if problems and not allow_incomplete:
        raise InputDataError(problems)
    given = {name: sets.get(name) or ValueSet(name, frozenset()) for name in needed}
    incomplete = {name for name, one in given.items() if not any(code[0] in systems[name] for code in one.codes)}
    return [_marked(one, incomplete) for one in measures], given


def _needed(measures: Iterable[Measure]) -> tuple[dict[str, list[str]], dict[str, tuple[str, ...]]]:
    """Value sets, the measures that need them, and the code systems that their events may have."""
    needed: dict[str, list[str]] = {}
    systems: dict[str, set[str]] = {}
    for measure in measures:
        for one in measure.nodes():
            for name, some in value_sets_needed(one).items():
                needed.setdefault(name, []).append(measure.id)
                systems.setdefault(name, set()).update(some)
    return needed, {name: tuple(sorted(some)) for name, some in systems.items()}


def why_not(measure: Measure, sets: Mapping[str, ValueSet], kinds: Collection[str]) -> str | None:
    """Say why a measure cannot be evaluated; null where it can.

    Parameters
    ----------
    measure
        The measure.
    sets
        Value sets that are there.
    kinds
        Kinds of events that the data give.
    """
    absent = sorted(measure.kinds_of_events() - set(kinds))
    if absent:
        return f"the data have no events of kind {', '.join(absent)}"
    needed, systems = _needed([measure])
    lacking = [name for name in needed if missing_value_sets({name: needed[name]}, sets, systems)]
    return f"value sets are missing: {', '.join(sorted(lacking))}" if lacking else None


def _marked(measure: Measure, incomplete: set[str]) -> Measure:
    lacking = sorted(measure.value_sets() & incomplete)
    if not lacking or measure.governance is None:
        return measure
    unverified = f"{INCOMPLETE}: {', '.join(lacking)}"
    return replace(measure, governance=replace(measure.governance, unverified=unverified))
