"""Visits for evaluation and management: primary care, health centers, specialists, nursing homes."""

from __future__ import annotations

import numpy as np

from openvbp.claims.synthetic.lines import Lines, block, cents, kept, together
from openvbp.claims.synthetic.people import People
from openvbp.claims.synthetic.providers import Providers, Role
from openvbp.claims.synthetic.region import Region
from openvbp.claims.synthetic.relations import Relations, favourite
from openvbp.claims.synthetic.settings import rows

PAID_SHARE = 0.8
"""Part B pays four fifths of what it allows."""
_PRIMARY_CODES = {"99213": (0.44, 77), "99214": (0.36, 112), "99212": (0.05, 47), "99215": (0.04, 150),
                  "99203": (0.03, 111), "99204": (0.02, 168), "G0439": (0.06, 120)}  # fmt: skip
_SPECIALIST_CODES = {"99213": (0.38, 77), "99214": (0.36, 112), "99212": (0.06, 47), "99215": (0.05, 150),
                     "99203": (0.06, 111), "99204": (0.09, 168)}  # fmt: skip
_NURSING_HOME_CODES = {"99309": (0.60, 94), "99308": (0.30, 70), "99310": (0.10, 138)}
_SAME_PARTNER = 0.5
_ELSEWHERE = 8
"""Candidates for a visit outside the usual practice."""


def yearly_counts(region: Region, mean: np.ndarray, rng: np.random.Generator, shape: float = 0.0) -> np.ndarray:
    """Draw counts per member (or relation) × year around means: Poisson, or with a shape negative binomial."""
    trend = np.exp(region.settings["trend"]["use"] * np.arange(region.years))[None, :]
    rate = np.broadcast_to(mean if mean.ndim == 2 else mean[:, None], (len(mean), region.years)) * trend
    if shape:
        rate = rate * rng.gamma(shape, 1 / shape, rate.shape)
    return rng.poisson(rate)


def spread(region: Region, counts: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give each of the counted events a day.

    Returns
    -------
    Row of ``counts``, year and day of each event.
    """
    which = np.repeat(np.arange(counts.size, dtype=np.int32), counts.ravel())
    row, year = which // region.years, which % region.years
    length = np.diff(region.starts)
    day = region.starts[year] + (rng.random(len(which)) * length[year]).astype(np.int32)
    return row.astype(np.int32), year.astype(np.int32), day.astype(np.int32)


def priced(region: Region, lines: Lines, codes: dict[str, tuple[float, float]], rng: np.random.Generator) -> Lines:
    """Draw a code for each line and set its amounts."""
    shares = np.array([share for share, _ in codes.values()])
    drawn = np.searchsorted(np.cumsum(shares / shares.sum())[:-1], rng.random(len(lines["person"])))
    allowed = cents(np.array([price for _, price in codes.values()]))[drawn]
    lines["hcpcs"] = region.words["hcpcs"].numbers(list(codes))[drawn]
    lines["allowed"], lines["paid"] = allowed, np.rint(allowed * PAID_SHARE).astype(np.int64)
    return lines


def primary_visits(region: Region, people: People, providers: Providers, relations: Relations) -> list[Lines]:
    """Draw visits to primary clinicians: the usual one, his partners, others."""
    rng = region.generators["visits"]
    s, u = region.settings["primary_visits"], region.settings["usual_source"]
    seen = np.where(relations.has_primary, s["with_clinician"], s["without_clinician"])
    seen = np.where(relations.has_principal, s["with_principal"] * seen, seen)
    need = (people.risk[:, None] * (0.5 + 0.5 * people.acuity)) ** s["power"]
    rate = s["rate"] * (relations.habit * seen * np.exp(people.access))[:, None] * need / need.mean()
    rate[people.in_institution] = s["in_institution"]
    person, year, day = spread(region, yearly_counts(region, rate, rng, s["shape"]), rng)
    usual = relations.primary[person, year]
    draw = rng.random(len(person))
    elsewhere = _chosen_near(rng, providers, person)
    clinician = np.where(draw < u["own_share"], usual, elsewhere)
    with_partner = (draw >= u["own_share"]) & (draw < u["own_share"] + u["partner_share"])
    clinician[with_partner] = _partners(rng, providers, usual[with_partner], person[with_partner])
    clinician[~relations.has_primary[person]] = elsewhere[~relations.has_primary[person]]
    clinician = providers.working(clinician, day)
    at_home = people.in_institution[person]
    in_hospital = rng.random(len(person)) < s["hospital_department_share"]
    place = region.words["place"].numbers("11 22 32")[np.where(at_home, 2, np.where(in_hospital, 1, 0))]
    lines = block(person, day, clinician=clinician, place=place, coder=clinician, slots=4)
    lines = kept(lines, people.covered(person, day) & people.has_part_b[person])
    at_home = lines["place"] == region.words["place"].number("32")
    office = priced(region, kept(lines, ~at_home), _PRIMARY_CODES, rng)
    nursing = priced(region, kept(lines, at_home), _NURSING_HOME_CODES, rng)
    return [with_procedures(region, providers, office), nursing, _department_lines(region, providers, office)]


def with_procedures(region: Region, providers: Providers, visits: Lines) -> Lines:
    """Add what is done in the office on the same claim, by specialty of the clinician."""
    rng = region.generators["services"]
    specialty = np.array(providers.specialty)
    blocks = [visits]
    for row in rows("in_office"):
        does = np.isin(specialty, row["specialties"].split())
        draw = rng.random(len(visits["person"]))
        chosen = np.flatnonzero(does[visits["clinician"]] & (draw < row["probability"]))
        codes = region.words["hcpcs"].numbers(row["codes"])
        # The draw is uniform below the probability: it also says which code.
        code = codes[(draw[chosen] / row["probability"] * len(codes)).astype(int)]
        allowed = cents(row["price"] * region.settings["ancillary"]["price"] * rng.lognormal(-0.03, 0.25, len(chosen)))
        copied = {name: visits[name][chosen] for name in ("claim", "clinician", "place")}
        paid = np.rint(allowed * PAID_SHARE).astype(np.int64)
        blocks.append(
            block(visits["person"][chosen], visits["start"][chosen], hcpcs=code, allowed=allowed, paid=paid, **copied)
        )
    return together(blocks)


def _department_lines(region: Region, providers: Providers, office: Lines) -> Lines:
    """Bill the hospital's part of visits in its departments."""
    there = kept(office, office["place"] == region.words["place"].number("22"))
    return block(
        there["person"],
        there["start"],
        is_institutional=True,
        facility=providers.hospital[there["clinician"]],
        clinician=there["clinician"],
        bill_type=region.words["bill_type"].number("131"),
        revenue=region.words["revenue"].number("0510"),
        hcpcs=region.words["hcpcs"].number("G0463"),
        allowed=cents(118.0),
        paid=cents(94.4),
        coder=there["clinician"],
        slots=2,
    )


def _chosen_near(rng: np.random.Generator, providers: Providers, person: np.ndarray) -> np.ndarray:
    """Choose some primary clinician for single visits, by popularity among a few."""
    pool = providers.of(Role.PRIMARY)
    candidates = pool[rng.integers(0, len(pool), (len(person), _ELSEWHERE))]
    score = rng.random(candidates.shape, dtype=np.float32) * providers.popularity[candidates].astype(np.float32)
    return candidates[np.arange(len(person)), np.argmax(score, axis=1)]


def _partners(rng: np.random.Generator, providers: Providers, usual: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Draw a primary clinician of the same practice, half the time always the same one for a member.

    It is the clinician himself where he has no partner.
    """
    primary = providers.of(Role.PRIMARY)
    by_practice = primary[np.argsort(providers.tin[primary], kind="stable")]
    practices = providers.tin[by_practice]
    first = np.searchsorted(practices, providers.tin[usual], side="left")
    size = np.searchsorted(practices, providers.tin[usual], side="right") - first
    anyone = (rng.random(len(usual)) * size).astype(np.int64)
    at = first + np.where(rng.random(len(usual)) < _SAME_PARTNER, person % np.maximum(size, 1), anyone)
    return np.where(size > 0, by_practice[np.minimum(at, len(by_practice) - 1)], usual)


def center_visits(region: Region, people: People, providers: Providers, relations: Relations) -> Lines:
    """Draw visits to the health center and the rural clinic, billed on institutional claims."""
    rng = region.generators["visits"]
    s = region.settings["health_center"]
    members = np.flatnonzero(relations.uses_center)
    need = people.risk[members] ** region.settings["primary_visits"]["power"]
    counts = (
        yearly_counts(region, s["visits"] * need / max(need.mean(), 1e-9), rng, 1.5)
        if len(members)
        else np.zeros((0, region.years), int)
    )
    row, _, day = spread(region, counts, rng)
    person = members[row].astype(np.int32)
    rural = people.is_rural[person].astype(int)
    clinicians = providers.of(Role.CENTER_CLINICIAN)
    half = len(clinicians) // 2
    clinician = clinicians[rural * half + rng.integers(0, half, len(person))]
    facility = np.concatenate([providers.of(Role.HEALTH_CENTER), providers.of(Role.RURAL_CLINIC)])[rural]
    allowed = cents(np.array([172.0, 128.0]))[rural]
    lines = block(
        person,
        day,
        is_institutional=True,
        clinician=clinician,
        facility=facility,
        bill_type=region.words["bill_type"].numbers("771 711")[rural],
        revenue=region.words["revenue"].number("0521"),
        hcpcs=region.words["hcpcs"].numbers("G0467 T1015")[rural],
        allowed=allowed,
        paid=np.rint(allowed * PAID_SHARE).astype(np.int64),
        coder=clinician,
        slots=3,
    )
    return kept(lines, people.covered(person, day) & people.has_part_b[person])


def specialist_visits(region: Region, people: People, providers: Providers, relations: Relations) -> Lines:
    """Draw visits to specialists: of lasting relations, and after single referrals."""
    rng = region.generators["visits"]
    s = region.settings["specialist_visits"]
    need = (people.risk[:, None] * (0.4 + 0.6 * people.acuity)) ** s["power"]
    need = need / need.mean() * np.exp(people.access)[:, None]
    habit = rng.gamma(s["habit_shape"], 1 / s["habit_shape"], len(relations.visits))
    rate = (relations.visits * habit)[:, None] * need[relations.member]
    row, year, day = spread(region, yearly_counts(region, rate, rng), rng)
    lasting = relations.member[row], relations.specialist[row, year], day, relations.condition[row]
    more = (people.risk[:, None] * people.acuity) ** s["referral_power"]
    more = more / more.mean() * (relations.habit * np.exp(people.access))[:, None] * s["referrals"]
    more[~relations.has_primary] *= s["referrals_without_clinician"]
    person, year, day = spread(region, yearly_counts(region, more, rng), rng)
    specialty = rng.integers(0, len(providers.specialties), len(person))
    specialist = favourite(rng, providers, relations.primary[person, year], specialty)
    times = 1 + rng.poisson(s["further_visits"], len(person))
    again = np.repeat(np.arange(len(person)), times)
    later = day[again] + rng.integers(0, 45, len(again)) * (np.arange(len(again)) > 0)
    later = np.where(later <= region.last_day, later, day[again])
    single = person[again], specialist[again], later.astype(np.int32), np.full(len(again), -1)
    person, clinician, day, condition = (np.concatenate(both) for both in zip(lasting, single, strict=True))
    clinician = providers.working(clinician.astype(np.int32), day)
    place = region.words["place"].numbers("11 22")[(rng.random(len(person)) < 0.2).astype(int)]
    lines = block(person, day, clinician=clinician, place=place, coder=clinician, slots=3, condition=condition)
    lines = kept(lines, people.covered(person, day) & people.has_part_b[person])
    return with_procedures(region, providers, priced(region, lines, _SPECIALIST_CODES, rng))
