"""Who cares for whom: the usual primary clinician of each year and specialists who stay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openvbp.claims.synthetic.conditions import CONDITIONS
from openvbp.claims.synthetic.people import People
from openvbp.claims.synthetic.providers import FAVOURITES, NEVER, Providers, Role
from openvbp.claims.synthetic.region import Region
from openvbp.claims.synthetic.settings import rows

_RANK_SHARE = np.array([0.62, 0.24, 0.14])


@dataclass
class Relations:
    """Lasting relations of the members."""

    primary: np.ndarray
    """Member × year: usual primary clinician, as place among providers."""
    has_primary: np.ndarray
    has_principal: np.ndarray
    """Who has a specialist whom he sees more than anyone else."""
    uses_center: np.ndarray
    """Whose usual source is a health center or rural clinic."""
    habit: np.ndarray
    """Member: how often he goes to a clinician, beside his need; mean one."""
    hospital: np.ndarray
    """Member: nearest hospital, as place among providers."""
    member: np.ndarray
    """Per relation with a specialist."""
    specialist: np.ndarray
    """Relation × year."""
    visits: np.ndarray
    """Mean visits a year per relation."""
    condition: np.ndarray
    """Condition because of which there is the relation; -1 for none."""


def draw_relations(region: Region, people: People, providers: Providers) -> Relations:
    """Let members choose a primary clinician each year and specialists for their conditions."""
    rng = region.generators["relations"]
    s, n = region.settings["usual_source"], region.members
    primary = np.empty((n, region.years), np.int32)
    primary[:, 0] = _chosen(rng, people.place, providers, s)
    moved_year = np.where(people.changes["moves"] < NEVER, region.year_of(people.changes["moves"]), -1)
    for year in range(1, region.years):
        primary[:, year] = primary[:, year - 1]
        anew = (rng.random(n) < s["rechosen_share"]) | (moved_year == year)
        primary[anew, year] = _chosen(rng, people.place[anew], providers, s)
        gone = providers.end[primary[:, year]] < region.starts[year]
        primary[gone, year] = providers.successor[primary[gone, year]]
    c = region.settings["health_center"]
    odds = np.where(people.is_rural | people.is_dual, c["rural_odds"], 1.0)
    uses_center = rng.random(n) < c["share"] * odds / odds.mean()
    hospitals = providers.of(Role.HOSPITAL)
    distance = ((people.place[:, None, :] - providers.place[hospitals][None, :, :]) ** 2).sum(axis=2)
    has_primary = (rng.random(n) < s["has_clinician"]) & ~uses_center
    has_principal, member, specialist, visits, condition = _specialists(region, people, providers, primary, has_primary)
    shape = region.settings["primary_visits"]["habit_shape"]
    return Relations(
        habit=rng.gamma(shape, 1 / shape, n),
        primary=primary,
        has_primary=has_primary,
        has_principal=has_principal,
        uses_center=uses_center,
        hospital=hospitals[np.argmin(distance, axis=1)],
        member=member,
        specialist=specialist,
        visits=visits,
        condition=condition,
    )


def _chosen(rng: np.random.Generator, place: np.ndarray, providers: Providers, s: dict[str, float]) -> np.ndarray:
    """Choose among random primary clinicians by popularity and distance (Gumbel noise: a logit choice)."""
    pool = providers.of(Role.PRIMARY)
    candidates = pool[rng.integers(0, len(pool), (len(place), int(s["candidates"])))]
    distance = ((place[:, None, :] - providers.place[candidates]) ** 2).sum(axis=2)
    score = (
        np.log(providers.popularity[candidates]) - s["distance_weight"] * distance + rng.gumbel(size=candidates.shape)
    )
    return candidates[np.arange(len(place)), np.argmax(score, axis=1)]


def favourite(rng: np.random.Generator, providers: Providers, primary: np.ndarray, specialty: np.ndarray) -> np.ndarray:
    """Draw specialists to whom primary clinicians refer."""
    rank = np.searchsorted(np.cumsum(_RANK_SHARE)[:-1], rng.random(len(primary)))
    # Primary clinicians stand first among providers, so that a place is a row of the favourites.
    return providers.favourites[primary, specialty, np.minimum(rank, FAVOURITES - 1)]


def _specialists(
    region: Region, people: People, providers: Providers, primary: np.ndarray, has_primary: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw lasting relations: for some members one specialist whom they see often, and further ones seen rarely."""
    rng = region.generators["relations"]
    s, n = region.settings["specialist_visits"], region.members
    members, specialties, means, reasons = [], [], [], []
    for row in rows("relations"):
        condition = CONDITIONS.index(row["condition"]) if row["condition"] else -1
        eligible = people.conditions[:, condition] if row["condition"] else np.ones(n, bool)
        chosen = np.flatnonzero(eligible & (rng.random(n) < row["probability"])).astype(np.int32)
        members.append(chosen)
        specialties.append(np.full(len(chosen), providers.specialties.index(row["specialty"]), np.int32))
        means.append(np.full(len(chosen), row["visits"]))
        reasons.append(np.full(len(chosen), condition, np.int32))
    # Everyone could have one specialist above all others, also those without a condition that asks for one.
    common = rng.choice(len(providers.specialties), n)
    members.append(np.arange(n, dtype=np.int32))
    specialties.append(common.astype(np.int32))
    means.append(np.full(n, 0.1))
    reasons.append(np.full(n, -1, np.int32))
    member, specialty = np.concatenate(members), np.concatenate(specialties)
    mean, reason = np.concatenate(means), np.concatenate(reasons)
    # The relation with the most visits comes first, one per specialty.
    order = np.lexsort((-mean * rng.random(len(mean)), member))
    member, specialty, mean, reason = member[order], specialty[order], mean[order], reason[order]
    _, first = np.unique(member.astype(np.int64) * 100 + specialty, return_index=True)
    kept = np.sort(first)
    member, specialty, mean, reason = member[kept], specialty[kept], mean[kept], reason[kept]
    is_principal = np.diff(member, prepend=-1) != 0
    has_principal = rng.random(n) < np.where(has_primary, s["principal_share"], s["principal_share_without"])
    is_principal &= has_principal[member]
    mean = np.where(is_principal, s["principal_visits"], s["minor"] * mean)
    used = (mean > 0.05) & (is_principal | (reason >= 0))
    member, specialty, mean, reason = member[used], specialty[used], mean[used], reason[used]
    specialist = np.empty((len(member), region.years), np.int32)
    specialist[:, 0] = favourite(rng, providers, primary[member, 0], specialty)
    for year in range(1, region.years):
        specialist[:, year] = specialist[:, year - 1]
        anew = rng.random(len(member)) < s["switched_share"]
        specialist[anew, year] = favourite(rng, providers, primary[member[anew], year], specialty[anew])
    return has_principal, member, specialist, mean, reason
