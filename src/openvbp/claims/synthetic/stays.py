"""Hospital stays: index admissions, readmissions, transfers and the deaths that go with them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openvbp.claims.synthetic.people import People
from openvbp.claims.synthetic.providers import NEVER, Providers, Role
from openvbp.claims.synthetic.region import Region
from openvbp.claims.synthetic.relations import Relations
from openvbp.claims.synthetic.settings import rows
from openvbp.claims.synthetic.visits import spread

_GENERATIONS = 4
_WINDOW = 30
"""Days after admission (death) and discharge (readmission) that outcomes are about."""
HOME, TRANSFERRED, NURSING, HOME_HEALTH, DIED, REHABILITATION, LONG_TERM = 1, 2, 3, 6, 20, 62, 63


@dataclass
class Stays:
    """Arrays with one entry per acute stay."""

    person: np.ndarray
    admission: np.ndarray
    discharge: np.ndarray
    kind: np.ndarray
    """Row of ``stay_types``."""
    hospital: np.ndarray
    disposition: np.ndarray
    is_emergency: np.ndarray
    is_readmission: np.ndarray

    def where(self, which: np.ndarray) -> Stays:
        """Keep some stays, by a mask or by number."""
        return Stays(*(getattr(self, name)[which] for name in self.__dataclass_fields__))


def draw_stays(region: Region, people: People, providers: Providers, relations: Relations) -> Stays:
    """Draw stays and deaths together; deaths are written to ``people``."""
    rng = region.generators["stays"]
    s = region.settings["stays"]
    background = _background_deaths(region, people)
    generation = _index_stays(region, people, providers, relations)
    found = [generation]
    death = background
    for _ in range(_GENERATIONS):
        dies = _dies(rng, people, providers, generation, s["mortality"])
        days = generation.admission + rng.integers(0, _WINDOW + 1, len(dies))
        np.minimum.at(death, generation.person[dies], days[dies].astype(np.int32))
        generation = _readmissions(region, people, providers, relations, generation, ~dies)
        found.append(generation)
    people.death = np.where(death <= region.last_day, np.maximum(death, people.start), NEVER).astype(np.int32)
    stays = Stays(*(np.concatenate([getattr(one, name) for one in found]) for name in generation.__dataclass_fields__))
    stays = _without_overlaps(stays)
    stays = stays.where(
        people.covered(stays.person, stays.admission) & (stays.discharge <= people.claims_to[stays.person])
    )
    dies_inside = people.death[stays.person] <= stays.discharge
    stays.discharge = np.where(dies_inside, people.death[stays.person], stays.discharge)
    stays = _with_transfers(region, providers, stays, ~dies_inside)
    stays.disposition = _dispositions(region, people, stays)
    last = people.death[stays.person] <= stays.discharge
    stays.disposition = np.where(last & (stays.disposition != TRANSFERRED), DIED, stays.disposition).astype(np.int8)
    return stays


def _background_deaths(region: Region, people: People) -> np.ndarray:
    rng = region.generators["stays"]
    s = region.settings["stays"]
    hazard = people.risk ** s["background_power"] * np.exp(
        0.05 * (np.maximum(people.age_on(region.first_day), 60) - 74)
    )
    hazard = s["background_death"] * hazard / hazard.mean() / 365
    days = rng.exponential(1 / hazard)
    return np.where(days < NEVER / 2, region.first_day + np.minimum(days, NEVER / 2), NEVER).astype(np.int32)


def _index_stays(region: Region, people: People, providers: Providers, relations: Relations) -> Stays:
    rng = region.generators["stays"]
    s = region.settings["stays"]
    rate = (people.risk[:, None] * people.acuity**0.8) ** s["power"]
    rate = rate * rng.gamma(s["heterogeneity"], 1 / s["heterogeneity"], rate.shape)
    rate = np.minimum(
        s["rate"] * rate / rate.mean() * np.exp(providers.effect["clinician_admission"][relations.primary]), 5
    )
    if region.settings["shock"]["region"] == region.number:
        rate[:, int(region.settings["shock"]["year"])] *= np.exp(region.settings["shock"]["change"])
    rate = rate * np.exp(region.settings["trend"]["use"] * np.arange(region.years))[None, :]
    person, _, day = spread(region, rng.poisson(rate), rng)
    shares = np.array([row["share"] for row in rows("stay_types")])
    kind = np.searchsorted(np.cumsum(shares / shares.sum())[:-1], rng.random(len(person)))
    return _stays(region, people, providers, relations, person, day, kind, is_readmission=False)


def _stays(
    region: Region,
    people: People,
    providers: Providers,
    relations: Relations,
    person: np.ndarray,
    day: np.ndarray,
    kind: np.ndarray,
    *,
    is_readmission: bool,
) -> Stays:
    """Give stays a hospital, a length and a way of admission."""
    rng = region.generators["stays"]
    s, types = region.settings["stays"], rows("stay_types")
    hospitals = providers.of(Role.HOSPITAL)
    hospital = np.where(
        rng.random(len(person)) < s["at_home_hospital"],
        relations.hospital[person],
        hospitals[rng.integers(0, len(hospitals), len(person))],
    )
    is_surgical = np.array([row["is_surgical"] for row in types])[kind]
    is_small = people.is_rural[person] & ~is_surgical & (rng.random(len(person)) < s["critical_access_share"])
    hospital = np.where(is_small, providers.of(Role.CRITICAL_ACCESS)[0], hospital).astype(np.int32)
    factor = np.array([row["days"] for row in types])[kind] * np.exp(providers.effect["hospital_length"][hospital])
    days = 1 + rng.poisson(4.35 * factor * rng.gamma(1.3, 1 / 1.3, len(person)))
    emergency = rng.random(len(person)) < np.array([row["emergency_share"] for row in types])[kind]
    return Stays(
        person=person.astype(np.int32),
        admission=day.astype(np.int32),
        discharge=(day + days).astype(np.int32),
        kind=kind.astype(np.int16),
        hospital=hospital,
        disposition=np.full(len(person), HOME, np.int8),
        is_emergency=emergency,
        is_readmission=np.full(len(person), is_readmission),
    )


def _dies(rng: np.random.Generator, people: People, providers: Providers, stays: Stays, scale: float) -> np.ndarray:
    """Draw death within thirty days of admission: by kind of stay, risk and the hospital's true effect."""
    mortality = np.array([row["mortality"] for row in rows("stay_types")])[stays.kind]
    chance = (
        mortality * people.risk[stays.person] ** 0.5 * np.exp(providers.effect["hospital_mortality"][stays.hospital])
    )
    chance *= scale * mortality.sum() / max(chance.sum(), 1e-9)
    return rng.random(len(chance)) < np.minimum(chance, 0.9)


def _readmissions(
    region: Region, people: People, providers: Providers, relations: Relations, stays: Stays, alive: np.ndarray
) -> Stays:
    """Draw readmissions within thirty days: by kind of stay, risk and the hospital's true effect."""
    rng = region.generators["stays"]
    types = rows("stay_types")
    readmission = np.array([row["readmission"] for row in types])[stays.kind]
    chance = (
        region.settings["stays"]["readmission"]
        * readmission
        * people.risk[stays.person] ** 0.2
        * np.exp(providers.effect["hospital_readmission"][stays.hospital])
    )
    again = alive & (rng.random(len(chance)) < np.minimum(chance, 0.6))
    day = stays.discharge[again] + rng.integers(1, _WINDOW + 1, again.sum())
    inside = day <= region.last_day
    # A third come back for what they had, the others for something medical.
    medical = np.array([number for number, row in enumerate(types) if not row["is_surgical"]])
    kind = np.where(
        rng.random(again.sum()) < 0.33, stays.kind[again], medical[rng.integers(0, len(medical), again.sum())]
    )
    return _stays(
        region,
        people,
        providers,
        relations,
        stays.person[again][inside],
        day[inside],
        kind[inside],
        is_readmission=True,
    )


def _without_overlaps(stays: Stays) -> Stays:
    """Drop stays that begin before an earlier one of the same member has ended, and those after death."""
    stays = stays.where(np.lexsort((stays.is_readmission, stays.admission, stays.person)))
    shifted = stays.discharge.astype(np.int64) + stays.person.astype(np.int64) * 1_000_000
    reached = np.maximum.accumulate(np.concatenate([[-1], shifted[:-1]])) - stays.person.astype(np.int64) * 1_000_000
    return stays.where(stays.admission > reached)


def _with_transfers(region: Region, providers: Providers, stays: Stays, may_move: np.ndarray) -> Stays:
    """Cut some stays in two: the second part follows in another hospital on the day of transfer."""
    rng = region.generators["stays"]
    hospitals = np.concatenate([providers.of(Role.HOSPITAL), providers.of(Role.CRITICAL_ACCESS)])
    long_enough = stays.discharge - stays.admission >= 2
    moved = may_move & long_enough & (rng.random(len(may_move)) < region.settings["stays"]["transfer_share"])
    first = stays.where(moved)
    second = stays.where(moved)
    # The largest hospital takes the cases of the others and sends its own to the last.
    second.hospital = np.where(first.hospital == hospitals[0], hospitals[-1], hospitals[0]).astype(np.int32)
    first.discharge = first.admission + 1
    second.admission = first.discharge.copy()
    second.is_emergency = np.zeros(len(second.person), bool)
    first.disposition = np.full(len(first.person), TRANSFERRED, np.int8)
    parts = [stays.where(~moved), first, second]
    return Stays(*(np.concatenate([getattr(one, name) for one in parts]) for name in stays.__dataclass_fields__))


def _dispositions(region: Region, people: People, stays: Stays) -> np.ndarray:
    """Draw where members go from the hospital."""
    rng = region.generators["post_acute"]
    types = rows("stay_types")
    scale = region.settings["post_acute"]["nursing_scale"]
    age = (stays.admission - people.birth[stays.person]) / 365.25
    older = np.clip(0.35 + 0.033 * (age - 55), 0.15, 1.9)
    shares = np.stack(
        [
            np.array([row["to_nursing"] for row in types])[stays.kind] * older * scale,
            np.array([row["to_home_health"] for row in types])[stays.kind],
            np.array([row["to_rehabilitation"] for row in types])[stays.kind],
            np.array([row["to_long_term_hospital"] for row in types])[stays.kind],
        ],
        axis=1,
    )
    level = np.cumsum(np.minimum(shares, 0.9), axis=1)
    drawn = (rng.random(len(age))[:, None] >= level).sum(axis=1)
    where = np.array([NURSING, HOME_HEALTH, REHABILITATION, LONG_TERM, HOME], np.int8)[drawn]
    return np.where(stays.disposition == TRANSFERRED, TRANSFERRED, where).astype(np.int8)
