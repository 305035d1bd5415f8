"""Clinicians and facilities of a region: specialties, practices, affiliations that change, and their true effects."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from openvbp.claims.synthetic.identifiers import npis
from openvbp.claims.synthetic.region import Region
from openvbp.claims.synthetic.settings import rows

NEVER = 100_000
"""A day far in the future."""
FAVOURITES = 3


class Role(IntEnum):
    """What a provider does."""

    PRIMARY = 0
    SMALL_PANEL = 1
    """Primary care clinician kept for a panel of exactly ten or eleven."""
    SPECIALIST = 2
    HOSPITALIST = 3
    EMERGENCY = 4
    RADIOLOGIST = 5
    PATHOLOGIST = 6
    ANAESTHETIST = 7
    CHIROPRACTOR = 8
    LABORATORY = 9
    AMBULANCE = 10
    SUPPLIER = 11
    CENTER_CLINICIAN = 12
    HOSPITAL = 20
    CRITICAL_ACCESS = 21
    LONG_TERM = 22
    REHABILITATION = 23
    PSYCHIATRIC = 24
    NURSING = 25
    HOME_HEALTH = 26
    HOSPICE = 27
    HEALTH_CENTER = 28
    RURAL_CLINIC = 29
    DIALYSIS = 30


_LAST_NUMBER = {
    Role.HOSPITAL: 879,
    Role.CRITICAL_ACCESS: 1399,
    Role.LONG_TERM: 2299,
    Role.REHABILITATION: 3099,
    Role.PSYCHIATRIC: 4499,
    Role.NURSING: 6499,
    Role.HOME_HEALTH: 8499,
    Role.HOSPICE: 1799,
    Role.HEALTH_CENTER: 1989,
    Role.RURAL_CLINIC: 3974,
    Role.DIALYSIS: 2899,
}
"""Last certification number of each kind (CMS State Operations Manual 2779A1); ours are given from the last one down,
where real ones are rare."""
_PER_HOSPITAL = {
    Role.HOSPITALIST: (7, "11"),
    Role.EMERGENCY: (6, "93"),
    Role.RADIOLOGIST: (5, "30"),
    Role.PATHOLOGIST: (2, "22"),
    Role.ANAESTHETIST: (5, "05"),
}
_PER_REGION = {
    Role.CHIROPRACTOR: (3000, "35"),
    Role.LABORATORY: (12_500, "69"),
    Role.AMBULANCE: (12_500, "59"),
    Role.SUPPLIER: (8000, "54"),
}


@dataclass
class Providers:
    """Arrays with one entry per provider of the region, clinicians first."""

    role: np.ndarray
    specialty: list[str]
    npi: list[str]
    ccn: list[str]
    tins: list[str]
    tin: np.ndarray
    """Practice, as place in ``tins``, until ``moved_on``."""
    later_tin: np.ndarray
    moved_on: np.ndarray
    """First day in the later practice."""
    start: np.ndarray
    end: np.ndarray
    """First and last day of work."""
    successor: np.ndarray
    """Who takes the patients on: a partner where there is one."""
    hospital: np.ndarray
    """Hospital with which the provider works, as place among all providers."""
    popularity: np.ndarray
    place: np.ndarray
    """Position on the unit square."""
    is_merged: np.ndarray
    """Whether the change of practice is a merger."""
    effect: dict[str, np.ndarray] = field(default_factory=dict)
    """True effects on the log scale by name."""
    specialties: list[str] = field(default_factory=list)
    """Specialties to which patients are referred."""
    favourites: np.ndarray = field(default_factory=lambda: np.empty(0, np.int32))
    """Primary clinician × specialty × rank: specialists to whom he refers."""

    def of(self, *roles: Role) -> np.ndarray:
        """Places of the providers with given roles."""
        return np.flatnonzero(np.isin(self.role, roles)).astype(np.int32)

    def tin_at(self, providers: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Practice in which providers work on given days; -1 for no provider."""
        found = np.where(days < self.moved_on[providers], self.tin[providers], self.later_tin[providers])
        return np.where(providers < 0, -1, found).astype(np.int32)

    def working(self, providers: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Replace those who do not work on the day by their successors."""
        away = (days > self.end[providers]) | (days < self.start[providers])
        return np.where(away & (providers >= 0), self.successor[providers], providers).astype(np.int32)


def small_panels(region: Region) -> int:
    """How many clinicians have a panel of exactly ten, and as many of eleven."""
    return round(region.settings["deliberate"]["sets"] * region.members / 100_000)


def draw_providers(region: Region) -> Providers:
    """Draw the providers of a region with practices, affiliations and effects."""
    rng = region.generators["providers"]
    s = region.settings["providers"]
    n = region.members
    primaries = max(12, round(n / s["members_per_primary_clinician"]))
    specialists = max(30, round(primaries * s["specialists_per_primary_clinician"]))
    hospitals = max(1, round(n / s["members_per_hospital"]))
    referred = rows("specialties")
    shares = np.array([row["share"] for row in referred])
    which = np.concatenate(
        # Every specialty is there, however small the region.
        [np.arange(len(referred)), rng.choice(len(referred), specialists - len(referred), p=shares / shares.sum())]
    )
    roles = [Role.PRIMARY] * primaries + [Role.SMALL_PANEL] * (2 * small_panels(region))
    physicians = rng.choice(["11", "08", "01", "38"], len(roles), p=[0.48, 0.44, 0.06, 0.02])
    nurses = rng.choice(["50", "97"], len(roles), p=[0.72, 0.28])
    is_nurse = np.zeros(len(roles), bool)
    is_nurse[rng.permutation(primaries)[: round(primaries * s["nurse_share"])]] = True
    specialty = [str(one) for one in np.where(is_nurse, nurses, physicians)]
    roles += [Role.SPECIALIST] * specialists
    specialty += [referred[one]["specialty"] for one in which]
    for role, (count, code) in _PER_HOSPITAL.items():
        roles += [role] * (count * hospitals)
        specialty += [code] * (count * hospitals)
    for role, (members, code) in _PER_REGION.items():
        count = max(2, round(n / members))
        roles += [role] * count
        specialty += [code] * count
    roles += [Role.CENTER_CLINICIAN] * 8
    specialty += ["08", "50"] * 4
    clinicians = len(roles)
    facilities = _facilities(n, hospitals)
    roles += facilities
    specialty += [""] * len(facilities)
    role = np.array(roles, np.int8)
    total = len(role)
    hospital_places = np.flatnonzero(role == Role.HOSPITAL)
    providers = Providers(
        role=role,
        specialty=specialty,
        npi=npis(region.number, np.arange(total)),
        ccn=[""] * clinicians + _certification_numbers(region, facilities),
        tins=[],
        tin=np.full(total, -1, np.int32),
        later_tin=np.full(total, -1, np.int32),
        moved_on=np.full(total, NEVER, np.int32),
        start=np.full(total, region.first_day, np.int32),
        end=np.full(total, NEVER, np.int32),
        successor=np.arange(total, dtype=np.int32),
        hospital=hospital_places[rng.integers(0, hospitals, total)].astype(np.int32),
        popularity=rng.gamma(2.0, 1.0, total) + 0.05,
        place=rng.random((total, 2)),
        is_merged=np.zeros(total, bool),
        specialties=[row["specialty"] for row in referred],
    )
    for in_hospital, (count, _) in _PER_HOSPITAL.items():
        providers.hospital[role == in_hospital] = np.repeat(hospital_places, count)
    providers.hospital[hospital_places] = hospital_places
    _draw_practices(region, providers)
    _draw_changes(region, providers)
    _draw_effects(region, providers)
    _draw_favourites(region, providers)
    return providers


def _facilities(members: int, hospitals: int) -> list[Role]:
    counts = {
        Role.HOSPITAL: hospitals,
        Role.CRITICAL_ACCESS: 1,
        Role.LONG_TERM: 1,
        Role.REHABILITATION: 1,
        Role.PSYCHIATRIC: 1,
        Role.NURSING: max(2, round(members / 4000)),
        Role.HOME_HEALTH: max(2, round(members / 8000)),
        Role.HOSPICE: max(1, round(members / 12_500)),
        Role.HEALTH_CENTER: 1,
        Role.RURAL_CLINIC: 1,
        Role.DIALYSIS: max(1, round(members / 12_500)),
    }
    return [role for role, count in counts.items() for _ in range(count)]


def _certification_numbers(region: Region, facilities: list[Role]) -> list[str]:
    lap = region.number // len(rows("states"))
    numbers, seen = [], dict.fromkeys(_LAST_NUMBER, 0)
    for role in facilities:
        number = _LAST_NUMBER[role] - lap * facilities.count(role) - seen[role]
        seen[role] += 1
        numbers.append(f"{region.state['ccn_prefix']}{number:04d}")
    return numbers


def _draw_practices(region: Region, providers: Providers) -> None:
    """Give everyone a taxpayer number: practices of log-normal size, some of several specialties."""
    rng = region.generators["providers"]
    s = region.settings["providers"]
    practices = 0

    def sizes(people: int) -> np.ndarray:
        drawn = np.exp(rng.normal(s["practice_log_mean"], s["practice_log_deviation"], people)).astype(int).clip(1, 60)
        ends = np.cumsum(drawn)
        return np.repeat(np.arange(people), drawn)[:people] if ends[-1] >= people else np.arange(people)

    primary = providers.of(Role.PRIMARY)
    group = sizes(len(primary))
    providers.tin[primary] = group
    practices = int(group.max()) + 1
    size_of = np.bincount(group).astype(float)
    small = providers.of(Role.SMALL_PANEL)
    providers.tin[small] = practices + np.arange(len(small))
    practices += len(small)
    specialists = rng.permutation(providers.of(Role.SPECIALIST))
    group = sizes(len(specialists))
    shared = rng.random(int(group.max()) + 1) < s["shared_practice_share"]
    # The larger a primary care practice, the likelier it has specialists.
    weight = size_of**1.5
    host = rng.choice(len(size_of), len(shared), p=weight / weight.sum())
    tin_of_group = np.where(shared, host, practices + np.cumsum(~shared) - 1)
    providers.tin[specialists] = tin_of_group[group]
    practices += int((~shared).sum())
    for hospital in providers.of(Role.HOSPITAL):
        # The hospital's own clinicians bill under one number, the hospital under another.
        own = np.isin(providers.role, list(_PER_HOSPITAL)) & (providers.hospital == hospital)
        providers.tin[own] = practices
        practices += 1
    centers = providers.of(Role.CENTER_CLINICIAN)
    providers.tin[centers] = practices
    practices += 1
    alone = np.flatnonzero(providers.tin < 0)
    providers.tin[alone] = practices + np.arange(len(alone))
    practices += len(alone)
    providers.tins = [f"9{region.number:04d}{number:04d}" for number in range(practices)]
    # Clinicians of one practice mostly work with one hospital.
    hospital_of_practice = providers.hospital[rng.permutation(len(providers.role))]
    in_practice = np.isin(providers.role, [Role.PRIMARY, Role.SPECIALIST]) & (rng.random(len(providers.role)) < 0.8)
    providers.hospital[in_practice] = hospital_of_practice[providers.tin[in_practice] % len(hospital_of_practice)]


def _draw_changes(region: Region, providers: Providers) -> None:
    """Let clinicians change practice, retire and begin, and one practice merge into another."""
    rng = region.generators["providers"]
    s = region.settings["providers"]
    providers.later_tin[:] = providers.tin
    movable = providers.of(Role.PRIMARY, Role.SPECIALIST)
    days = region.last_day - region.first_day
    years = region.years

    def some(share: float) -> np.ndarray:
        return movable[rng.random(len(movable)) < share * years]

    movers = some(s["mover_share"])
    providers.moved_on[movers] = region.first_day + rng.integers(30, days - 30, len(movers))
    colleagues = movable[rng.integers(0, len(movable), len(movers))]
    providers.later_tin[movers] = providers.tin[colleagues]
    primary = providers.of(Role.PRIMARY)
    sizes = np.bincount(providers.tin[primary])
    candidates = np.flatnonzero(sizes > 1)
    if len(candidates) > 1:
        absorbed, absorbing = candidates[np.argsort(sizes[candidates], kind="stable")[[0, -1]]]
        members = np.flatnonzero(providers.tin == absorbed)
        providers.later_tin[members] = absorbing
        providers.moved_on[members] = region.month_start(7)
        providers.is_merged[members] = True
    stay = providers.moved_on == NEVER
    retired = some(s["retiree_share"])
    retired = retired[stay[retired]]
    providers.end[retired] = region.first_day + rng.integers(60, days, len(retired))
    begun = some(s["newcomer_share"])
    begun = begun[stay[begun] & (providers.end[begun] == NEVER)]
    providers.start[begun] = region.first_day + rng.integers(30, days // 2, len(begun))
    _name_successors(region, providers, np.concatenate([retired, begun]))


def _name_successors(region: Region, providers: Providers, leavers: np.ndarray) -> None:
    rng = region.generators["providers"]
    lasting = (providers.end == NEVER) & (providers.start == region.first_day)
    for one in leavers:
        same_role = (providers.role == providers.role[one]) & lasting
        same_specialty = same_role & np.array([code == providers.specialty[one] for code in providers.specialty])
        for pool in (same_specialty & (providers.tin == providers.tin[one]), same_specialty, same_role):
            if pool.any():
                providers.successor[one] = rng.choice(np.flatnonzero(pool))
                break


def _draw_effects(region: Region, providers: Providers) -> None:
    rng = region.generators["providers"]
    total = len(providers.role)
    clinicians = np.isin(providers.role, [Role.PRIMARY, Role.SPECIALIST])
    facilities = np.isin(providers.role, [Role.HOSPITAL, Role.CRITICAL_ACCESS])
    for name, deviation in region.settings["effects"].items():
        which = facilities if name.startswith("hospital") else clinicians
        drawn = rng.normal(0.0, deviation, total)
        # The mean of the factor is one.
        providers.effect[name] = np.where(which, drawn - deviation**2 / 2, 0.0)
    c = region.settings["coding"]
    providers.effect["coding_intensity"] = np.where(clinicians, rng.normal(0, c["intensity_deviation"], total), 0.0)
    providers.effect["coding_drift"] = np.where(clinicians, rng.normal(c["drift"], c["drift_deviation"], total), 0.0)
    upcodes = rng.random(len(providers.tins)) < c["upcoding_share"]
    providers.effect["upcoding"] = np.where(clinicians & upcodes[providers.tin], c["upcoding_rate"], 0.0)


def _draw_favourites(region: Region, providers: Providers) -> None:
    """Give every primary clinician three specialists of each specialty: of his practice, his hospital, or near."""
    rng = region.generators["providers"]
    primary = providers.of(Role.PRIMARY, Role.SMALL_PANEL)
    specialty = np.array(providers.specialty)
    specialists = providers.of(Role.SPECIALIST)
    favourites = np.empty((len(primary), len(providers.specialties), FAVOURITES), np.int32)
    for number, code in enumerate(providers.specialties):
        pool = specialists[specialty[specialists] == code]
        score = rng.gumbel(size=(len(primary), len(pool))) + 0.8 * np.log(providers.popularity[pool])[None, :]
        score += 2.6 * (providers.tin[primary][:, None] == providers.tin[pool][None, :])
        score += 1.6 * (providers.hospital[primary][:, None] == providers.hospital[pool][None, :])
        ranked = np.argsort(-score, axis=1, kind="stable")[:, :FAVOURITES]
        favourites[:, number, :] = pool[ranked[:, np.arange(FAVOURITES) % ranked.shape[1]]]
    providers.favourites = favourites
