"""Accountable care organizations, their dated participants, and members who name a clinician."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openvbp.claims.synthetic.people import People
from openvbp.claims.synthetic.providers import NEVER, Providers, Role
from openvbp.claims.synthetic.region import Region
from openvbp.claims.synthetic.relations import Relations

_SHARES = (0.34, 0.22)
"""Parts of a region's primary care practices in its two organizations."""
_CHANGES = 0.04
_ATTESTED = 0.03


@dataclass(frozen=True)
class Organizations:
    """Two organizations of a region."""

    names: list[str]
    of_practice: np.ndarray
    """Practice: organization at first, -1 for none."""
    participants: list[tuple[str, str | None, str | None, int, int]]
    """Organization, TIN, CCN, first and last day (NEVER while it lasts)."""


def draw_organizations(region: Region, providers: Providers) -> Organizations:
    """Choose the practices and facilities of each organization, some joining or leaving between years."""
    rng = region.generators["providers"]
    names = [f"A{region.number:04d}{letter}" for letter in "AB"]
    primary = np.unique(providers.tin[providers.of(Role.PRIMARY)])
    drawn = rng.random(len(primary))
    of_practice = np.full(len(providers.tins), -1, np.int32)
    of_practice[primary[drawn < _SHARES[0]]] = 0
    of_practice[primary[(drawn >= _SHARES[0]) & (drawn < sum(_SHARES))]] = 1
    # A hospital's clinicians belong to the first organization.
    hospital_group = providers.tin[providers.of(Role.HOSPITALIST)[0]]
    of_practice[hospital_group] = 0
    second_year = int(region.starts[min(1, region.years - 1)])
    participants: list[tuple[str, str | None, str | None, int, int]] = []
    for practice in np.flatnonzero(of_practice >= 0):
        start, end = region.first_day, NEVER
        change = rng.random()
        if region.years > 1 and change < _CHANGES:
            end = second_year - 1
        elif region.years > 1 and change < 2 * _CHANGES:
            start = second_year
        participants.append((names[of_practice[practice]], providers.tins[practice], None, start, end))
    outside = primary[of_practice[primary] < 0]
    if len(outside):
        # One practice takes part in both: such a number counts for neither.
        participants += [(name, providers.tins[int(outside[0])], None, region.first_day, NEVER) for name in names]
    for role, organization in ((Role.HEALTH_CENTER, 0), (Role.RURAL_CLINIC, 1), (Role.CRITICAL_ACCESS, 1)):
        for facility in providers.of(role):
            participants.append((names[organization], None, providers.ccn[facility], region.first_day, NEVER))
    return Organizations(names, of_practice, participants)


def attestations(
    region: Region, people: People, providers: Providers, relations: Relations, organizations: Organizations
) -> dict[str, np.ndarray]:
    """Let a few members name their usual clinician, or another one of an organization.

    Returns
    -------
    One entry per attestation: ``person``, ``clinician``, ``practice`` and ``start`` (day).
    """
    rng = region.generators["enrollment"]
    person = np.flatnonzero(relations.has_primary & (rng.random(region.members) < _ATTESTED)).astype(np.int32)
    clinician = relations.primary[person, 0]
    other = providers.of(Role.PRIMARY)[rng.integers(0, len(providers.of(Role.PRIMARY)), len(person))]
    clinician = np.where(rng.random(len(person)) < 0.1, other, clinician)
    start = (people.start[person] + rng.integers(0, 200, len(person))).astype(np.int32)
    practice = providers.tin_at(clinician, start)
    kept = (start <= np.minimum(people.end, people.death)[person]) & (organizations.of_practice[practice] >= 0)
    return {"person": person[kept], "clinician": clinician[kept], "practice": practice[kept], "start": start[kept]}
