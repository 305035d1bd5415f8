"""Diagnoses on claims: what is there, what is written, and what is written though it is not there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openvbp.claims.synthetic.conditions import CONDITIONS, condition_lists
from openvbp.claims.synthetic.lines import DIAGNOSES, Lines
from openvbp.claims.synthetic.people import DAYS_OF_YEAR, People
from openvbp.claims.synthetic.providers import Providers
from openvbp.claims.synthetic.region import Region
from openvbp.claims.synthetic.settings import rows

_FROM_CONDITION = 0.75
"""Share of claims without a stated reason whose first diagnosis is one of the member's conditions."""
_PRIME, _OTHER_PRIME = 7919, 104_729


@dataclass(frozen=True)
class Coded:
    """Diagnoses of all claims of a region."""

    diagnoses: np.ndarray
    """Claim × place, numbers of the vocabulary, -1 for none."""
    coded: np.ndarray
    """Member × year × condition: written on some claim."""
    upcoded: np.ndarray
    """Member × year × condition: written though it is not there."""


def write_diagnoses(region: Region, people: People, providers: Providers, lines: Lines) -> Coded:
    """Write diagnoses on claims; lines are in order, with claims numbered through.

    The clinician's habit decides how many of a member's further conditions are written: with probability
    ``1 − (1 − q)^k`` each, where q is ``coding.slots`` and log k is his intensity, which drifts from year to year.
    """
    rng = region.generators["coding"]
    first = np.flatnonzero(np.diff(lines["claim"], prepend=-1))
    person, day = lines["person"][first], lines["start"][first]
    coder, slots = lines["coder"][first], lines["slots"][first]
    reason, condition = lines["reason"][first], lines["condition"][first].astype(np.int64)
    listed, counts = condition_lists(people)
    count = counts[person]
    anywhere = (rng.random(len(first)) * np.maximum(count, 1)).astype(np.int64)
    match = listed[person] == condition[:, None]
    named = (condition >= 0) & match.any(axis=1)
    at = np.where(named, match.argmax(axis=1), anywhere)
    own = named | ((count > 0) & (rng.random(len(first)) < _FROM_CONDITION) & (reason < 0))
    symptoms = region.words["diagnosis"].numbers(rows("symptoms")[0]["codes"])
    symptom = symptoms[rng.integers(0, len(symptoms), len(first))]
    diagnoses = np.full((len(first), DIAGNOSES), -1, np.int16)
    written = np.full((len(first), DIAGNOSES), -1, np.int8)
    written[:, 0] = np.where(own & (reason < 0), listed[person, at], -1)
    codes = _codes_of_members(region)
    diagnoses[:, 0] = np.where(reason >= 0, reason, np.where(own, codes(person, written[:, 0]), symptom))
    years = (day - region.first_day) / DAYS_OF_YEAR
    intensity = providers.effect["coding_intensity"][coder] + providers.effect["coding_drift"][coder] * years
    chance = 1 - (1 - region.settings["coding"]["slots"]) ** np.exp(np.where(coder >= 0, intensity, 0.0))
    further = rng.binomial(slots, chance)
    # The first diagnosis is one of the list unless a reason or a symptom stands there.
    from_list = written[:, 0] >= 0
    further = np.minimum(further, np.where(from_list, count - 1, count))
    for place in range(1, DIAGNOSES):
        some = np.flatnonzero(further >= place)
        slot = (at[some] + place - ~from_list[some]) % count[some]
        written[some, place] = listed[person[some], slot]
        diagnoses[some, place] = codes(person[some], written[some, place])
    upcoded = _upcode(region, people, providers, person, day, coder, slots, further, diagnoses, written)
    year = region.year_of(day)
    coded = np.zeros((region.members, region.years, len(CONDITIONS)), bool)
    claim, place = np.nonzero(written >= 0)
    coded[person[claim], year[claim], written[claim, place]] = True
    return Coded(diagnoses, coded, coded & upcoded[:, None, :] & ~people.conditions[:, None, :])


def _codes_of_members(region: Region):  # type: ignore[no-untyped-def]
    """Give each member one code for each condition, always the same."""
    declared = [region.words["diagnosis"].numbers(row["codes"]) for row in rows("conditions")]
    variants = np.array([len(codes) for codes in declared])
    table = np.full((len(declared), variants.max()), -1, np.int16)
    for number, codes in enumerate(declared):
        table[number, : len(codes)] = codes

    def codes_of(person: np.ndarray, condition: np.ndarray) -> np.ndarray:
        at = condition.astype(np.int64)
        variant = (person.astype(np.int64) * _PRIME + at * _OTHER_PRIME) // 13 % variants[at]
        return table[at, variant]

    return codes_of


def _upcode(
    region: Region,
    people: People,
    providers: Providers,
    person: np.ndarray,
    day: np.ndarray,
    coder: np.ndarray,
    slots: np.ndarray,
    further: np.ndarray,
    diagnoses: np.ndarray,
    written: np.ndarray,
) -> np.ndarray:
    """Write conditions that are not there, where the clinician's practice does that, from the declared month on.

    Returns
    -------
    Member × condition: chosen to be written wrongly.
    """
    rng = region.generators["upcoding"]
    s = region.settings["coding"]
    candidates = np.array([row["is_upcoded"] for row in rows("conditions")])
    chosen = (rng.random(people.conditions.shape) < s["upcoding_rate"]) & candidates[None, :] & ~people.conditions
    if not providers.effect["upcoding"].any():
        return chosen
    start = region.month_start(int(s["upcoding_start_month"]))
    codes = _codes_of_members(region)
    claims = np.flatnonzero(
        (coder >= 0) & (slots > 0) & (day >= start) & (further < DIAGNOSES - 1) & chosen[person].any(axis=1)
    )
    claims = claims[providers.effect["upcoding"][coder[claims]] > 0]
    condition = chosen[person[claims]].argmax(axis=1)
    diagnoses[claims, further[claims] + 1] = codes(person[claims], condition)
    written[claims, further[claims] + 1] = condition
    return chosen
