"""Enrolment: joiners, leavers, managed care, movers, and the spans that come of them."""

from __future__ import annotations

import numpy as np

from openvbp.claims.synthetic.months import first_of_month, month_of, years_later
from openvbp.claims.synthetic.people import COUNTIES, People
from openvbp.claims.synthetic.providers import NEVER
from openvbp.claims.synthetic.region import Region

_MEDICARE_AGE = 65


def draw_enrollment(region: Region, people: People) -> None:
    """Draw when members join, leave, switch, move and become or cease to be dual; all but death."""
    rng = region.generators["enrollment"]
    s, n, years = region.settings["enrollment"], region.members, region.years
    month_count = 12 * years
    first_month = int(month_of(np.array([region.first_day]))[0])

    def month_in(share_a_year: float) -> np.ndarray:
        """First day of a random month for some members, NEVER for the others."""
        chosen = rng.random(n) < share_a_year * years
        days = first_of_month(first_month + rng.integers(1, month_count, n))
        return np.where(chosen, days, NEVER).astype(np.int32)

    joins = month_in(s["joiner_share"])
    joins[people.under_65] = NEVER
    is_joiner = joins < NEVER
    # Who joins turns 65 in that month.
    birth = years_later(joins[is_joiner], -_MEDICARE_AGE) + rng.integers(0, 28, is_joiner.sum())
    people.birth[is_joiner] = birth.astype(np.int32)
    people.in_institution[is_joiner] = False
    people.was_disabled[is_joiner] = False
    people.start = np.where(is_joiner, joins, region.first_day).astype(np.int32)
    leaves = month_in(s["leaver_share"])
    people.end = np.where(leaves < NEVER, leaves - 1, region.last_day).astype(np.int32)
    people.end = np.maximum(people.end, people.start + 30).clip(max=region.last_day)
    to_managed, from_managed = month_in(s["to_managed_care_share"]), month_in(s["from_managed_care_share"])
    always = rng.random(n) < s["always_managed_care_share"]
    from_managed[to_managed < NEVER] = NEVER
    to_managed[always], from_managed[always] = people.start[always], NEVER
    people.claims_from = np.where(from_managed < NEVER, np.maximum(from_managed, people.start), people.start)
    people.claims_to = np.where(to_managed < NEVER, np.minimum(to_managed - 1, people.end), people.end)
    turns_65 = years_later(people.birth, _MEDICARE_AGE)
    people.changes = {
        "to_managed_care": to_managed,
        "from_managed_care": from_managed,
        "moves": month_in(s["mover_share"]),
        "dual_changes": month_in(s["dual_change_share"]),
        "turns_65": np.where(people.under_65, turns_65, NEVER).astype(np.int32),
    }
    people.has_part_b = rng.random(n) >= s["part_a_only_share"]
    people.new_county = ((people.county + rng.integers(1, COUNTIES, n)) % COUNTIES).astype(np.int32)


def enrollment_spans(region: Region, people: People) -> dict[str, np.ndarray]:
    """Cut each member's enrolment where anything in it changes.

    Returns
    -------
    One entry per span: ``person`` (number in the region), ``start``, ``end`` (days) and what holds in it.
    """
    n = region.members
    ends = np.minimum(people.end, people.death)
    cuts = np.stack([people.start, *people.changes.values()], axis=1)
    cuts = np.where((cuts > people.start[:, None]) & (cuts <= ends[:, None]), cuts, people.start[:, None])
    cuts.sort(axis=1)
    is_first = np.concatenate([np.ones((n, 1), bool), np.diff(cuts, axis=1) > 0], axis=1)
    person, column = np.nonzero(is_first)
    start = cuts[person, column]
    is_last = np.append(person[1:] != person[:-1], True)
    end = np.where(is_last, ends[person], np.append(start[1:], 0) - 1)
    changes = {name: days[person] for name, days in people.changes.items()}
    is_under_65 = people.under_65[person] & (start < changes["turns_65"])
    renal = people.has_renal_failure[person]
    has_moved = start >= changes["moves"]
    return {
        "person": person.astype(np.int32),
        "start": start.astype(np.int32),
        "end": end.astype(np.int32),
        "is_dual": people.is_dual[person] ^ (start >= changes["dual_changes"]),
        "has_managed_care": (start >= changes["to_managed_care"])
        | ((start < changes["from_managed_care"]) & (changes["from_managed_care"] < NEVER)),
        "has_part_b": people.has_part_b[person],
        "status": np.where(renal, np.where(is_under_65, 3, 1), np.where(is_under_65, 2, 0)),
        "county": np.where(has_moved, people.new_county[person], people.county[person]),
        "is_rural": np.where(has_moved, people.new_county[person] == COUNTIES - 1, people.is_rural[person]),
    }
