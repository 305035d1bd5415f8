"""Members whose visits are laid out by hand: exact ties, exact thresholds, panels of ten and eleven, no care at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openvbp.claims.synthetic.lines import Lines, block, cents
from openvbp.claims.synthetic.people import People
from openvbp.claims.synthetic.providers import NEVER, Providers, Role, small_panels
from openvbp.claims.synthetic.region import Region
from openvbp.claims.synthetic.relations import Relations
from openvbp.claims.synthetic.stays import Stays
from openvbp.claims.synthetic.visits import PAID_SHARE

CASES = ("tie", "exactly half", "exactly three tenths", "panel of ten", "panel of eleven", "no care")
_TIE, _HALF, _THREE_TENTHS, _TEN, _ELEVEN, _NO_CARE = range(len(CASES))
_CODE, _PRICE = "99213", 77.0
_VISITS = {
    _TIE: [0, 1, 0, 1],
    _HALF: [0, 0, 1, 2],
    _THREE_TENTHS: [0, 0, 0, 1, 2, 3, 4, 5, 6, 7],
    _TEN: [0] * 3,
    _ELEVEN: [0] * 3,
}
"""Clinicians, from 0, whom a member of each case sees in a year; both of a tie are seen on the same two days."""
_CLINICIANS = 8
_PRIMARY = 3
"""How many of them give primary care."""


@dataclass(frozen=True)
class DeliberateCases:
    """The chosen members."""

    case: np.ndarray
    """Member: place in ``CASES``, -1 for none."""
    clinicians: np.ndarray
    """Member × number: clinicians whom he sees."""


def choose_cases(
    region: Region, people: People, providers: Providers, relations: Relations, stays: Stays
) -> DeliberateCases:
    """Choose members who are covered throughout and never in hospital; their usual clinician is the first they see."""
    rng = region.generators["deliberate"]
    sets = small_panels(region)
    case = np.full(region.members, -1, np.int8)
    pool = _lasting(region, providers, Role.PRIMARY)
    clinicians = np.zeros((region.members, _CLINICIANS), np.int32)
    suits = (
        (people.claims_from == region.first_day)
        & (people.claims_to == region.last_day)
        & (people.death == NEVER)
        & people.has_part_b
        & ~people.in_institution
        & ~people.has_renal_failure
        & (people.changes["moves"] == NEVER)
    )
    suits[stays.person] = False
    wanted = np.concatenate(
        [
            np.repeat([_TIE, _HALF, _THREE_TENTHS, _NO_CARE], sets),
            np.repeat(_TEN, 10 * sets),
            np.repeat(_ELEVEN, 11 * sets),
        ]
    )
    members = rng.permutation(np.flatnonzero(suits))[: len(wanted)]
    case[members] = wanted[: len(members)]
    chosen = np.flatnonzero(case >= 0)
    # Different clinicians for each member: places in a ring from a random start.
    for which, first, last in (
        (pool, 0, _PRIMARY),
        (_lasting(region, providers, Role.SPECIALIST), _PRIMARY, _CLINICIANS),
    ):
        at = rng.integers(0, len(which), len(chosen))[:, None] + np.arange(last - first)
        clinicians[chosen, first:last] = which[at % len(which)]
    small = providers.of(Role.SMALL_PANEL)
    for kind, size, first in ((_TEN, 10, 0), (_ELEVEN, 11, sets)):
        of_kind = np.flatnonzero(case == kind)
        clinicians[of_kind, 0] = small[first + np.arange(len(of_kind)) // size]
    relations.primary[chosen] = clinicians[chosen, :1]
    relations.has_primary[chosen] = case[chosen] != _NO_CARE
    return DeliberateCases(case, clinicians)


def _lasting(region: Region, providers: Providers, role: Role) -> np.ndarray:
    """Find clinicians who work all the time in one practice."""
    lasting = (providers.end == NEVER) & (providers.start == region.first_day) & (providers.moved_on == NEVER)
    return np.flatnonzero(lasting & (providers.role == role)).astype(np.int32)


def deliberate_visits(region: Region, cases: DeliberateCases) -> Lines:
    """Lay out the visits of the chosen members, each year alike and all at the same price."""
    person, clinician, day = [], [], []
    for kind, order in _VISITS.items():
        members = np.flatnonzero(cases.case == kind).astype(np.int32)
        for year in range(region.years):
            for number, one in enumerate(order):
                # The two clinicians of a tie are seen on the same days.
                visit = number // 2 if kind == _TIE else number
                person.append(members)
                clinician.append(cases.clinicians[members, one])
                day.append(np.full(len(members), region.starts[year] + 30 + 30 * visit, np.int32))
    allowed = cents(_PRICE)
    who = np.concatenate(clinician)
    return block(
        np.concatenate(person),
        np.concatenate(day),
        clinician=who,
        place=region.words["place"].number("11"),
        hcpcs=region.words["hcpcs"].number(_CODE),
        allowed=allowed,
        paid=int(allowed * PAID_SHARE),
        coder=who,
        slots=2,
    )
