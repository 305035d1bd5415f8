"""Hospital outpatient care: emergency visits that end at home, departments, dialysis, critical access hospitals."""

from __future__ import annotations

import numpy as np

from openvbp.claims.synthetic.lines import Lines, block, cents, kept, merged, together
from openvbp.claims.synthetic.months import first_of_month, month_of
from openvbp.claims.synthetic.people import People
from openvbp.claims.synthetic.providers import Providers, Role
from openvbp.claims.synthetic.region import Region
from openvbp.claims.synthetic.relations import Relations
from openvbp.claims.synthetic.services import ambulances, at_hospital, snapped
from openvbp.claims.synthetic.stays import Stays
from openvbp.claims.synthetic.visits import PAID_SHARE, spread, yearly_counts

_WINDOW = 150
_LEVELS = [("99283", 64, 0.35), ("99284", 121, 0.40), ("99285", 176, 0.25)]
_DEPARTMENT = [
    ("0300", "80053", 0.06),
    ("0510", "G0463", 0.16),
    ("0360", "43239", 0.55),
    ("0420", "97110", 0.12),
    ("0250", "J1885", 0.11),
]
"""Revenue centers of department claims: code, service, part of the claim's payment."""


def emergency_visits(region: Region, people: People, providers: Providers, relations: Relations) -> list[Lines]:
    """Draw emergency visits after which the member goes home: hospital, physician, some ambulances."""
    rng = region.generators["outpatient"]
    s, words = region.settings["emergency"], region.words
    need = (people.risk[:, None] * people.acuity) ** s["power"]
    person, _, day = spread(region, yearly_counts(region, s["rate"] * need / need.mean(), rng, s["shape"]), rng)
    covered = people.covered(person, day)
    person, day = person[covered], day[covered]
    critical = people.is_rural[person] & (rng.random(len(person)) < 0.3)
    hospital = np.where(critical, providers.of(Role.CRITICAL_ACCESS)[0], relations.hospital[person]).astype(np.int32)
    level = np.searchsorted(np.cumsum([share for *_, share in _LEVELS])[:-1], rng.random(len(person)))
    physician = at_hospital(providers, Role.EMERGENCY, hospital, rng.integers(0, 1 << 16, len(hospital)))
    price = cents(s["price"] * np.array([0.6, 1.0, 1.6])[level] * rng.lognormal(-0.08, 0.4, len(person)) / PAID_SHARE)
    lines = 3
    claim = np.repeat(np.arange(len(person), dtype=np.int32), lines)
    number = np.tile(np.arange(lines), len(person))
    codes = words["hcpcs"].numbers([code for code, *_ in _LEVELS])
    tests = words["hcpcs"].numbers("80053 71046")
    allowed = np.rint(price[claim] * np.array([0.75, 0.05, 0.20])[number]).astype(np.int64)
    part_b = people.has_part_b[person]
    facility = block(
        person[claim],
        day[claim],
        claim=claim,
        is_institutional=True,
        facility=hospital[claim],
        clinician=physician[claim],
        bill_type=words["bill_type"].numbers("131 851")[critical[claim].astype(int)],
        revenue=words["revenue"].numbers("0450 0301 0320")[number],
        hcpcs=np.where(number == 0, codes[level[claim]], tests[np.maximum(number - 1, 0)]),
        admit_type=1,
        disposition=1,
        allowed=allowed,
        paid=np.rint(allowed * PAID_SHARE).astype(np.int64),
        coder=physician[claim],
        slots=2,
    )
    fee = cents(np.array([price for _, price, _ in _LEVELS], float))[level]
    professional = block(
        person,
        day,
        clinician=physician,
        place=words["place"].number("23"),
        hcpcs=codes[level],
        allowed=fee,
        paid=np.rint(fee * PAID_SHARE).astype(np.int64),
        coder=physician,
        slots=1,
    )
    ride = rng.random(len(person)) < s["ambulance_share"]
    return [
        kept(facility, part_b[claim]),
        kept(professional, part_b),
        ambulances(region, people, providers, person[ride], day[ride], np.full(ride.sum(), -1)),
    ]


def ambulances_of_stays(region: Region, people: People, providers: Providers, stays: Stays) -> Lines:
    """Bill the ambulances that brought members to hospital."""
    rng = region.generators["outpatient"]
    ride = stays.is_emergency & (rng.random(len(stays.person)) < region.settings["stays"]["ambulance_share"])
    return ambulances(region, people, providers, stays.person[ride], stays.admission[ride], np.flatnonzero(ride))


def department_claims(
    region: Region, people: People, providers: Providers, relations: Relations, ancillary: list[Lines]
) -> tuple[Lines, Lines]:
    """Draw claims of hospital departments; some of rural members are a critical access hospital's.

    Parameters
    ----------
    ancillary
        Lines of departments for tests and procedures: those of one day and hospital become one claim.

    Returns
    -------
    Claims of departments, and claims of a critical access hospital for the clinician's work (method II).
    """
    rng = region.generators["outpatient"]
    s, words = region.settings["outpatient"], region.words
    need = (people.risk[:, None] * people.acuity) ** s["power"]
    effect = np.exp(providers.effect["clinician_cost"][relations.primary])
    counts = yearly_counts(region, s["rate"] * need / need.mean() * effect, rng, s["shape"])
    person, year, day = spread(region, counts, rng)
    day = snapped(region, person, day, _WINDOW)
    covered = people.covered(person, day) & people.has_part_b[person]
    person, year, day = person[covered], year[covered], day[covered]
    critical = people.is_rural[person] & (rng.random(len(person)) < 0.4)
    hospital = np.where(critical, providers.of(Role.CRITICAL_ACCESS)[0], relations.hospital[person]).astype(np.int32)
    total = s["price"] * rng.lognormal(-(s["deviation"] ** 2) / 2, s["deviation"], len(person)) / PAID_SHARE
    lines = 1 + (rng.random(len(person)) < 0.75).astype(np.int64) + (rng.random(len(person)) < 0.45)
    claim = np.repeat(np.arange(len(person), dtype=np.int32), lines)
    which = (rng.integers(0, len(_DEPARTMENT), len(person))[claim] + np.arange(len(claim))) % len(_DEPARTMENT)
    share = np.array([part for *_, part in _DEPARTMENT])[which]
    sums = np.bincount(claim, weights=share, minlength=len(person))
    allowed = cents(total[claim] * share / sums[claim])
    physician = relations.primary[person, year]
    facility = block(
        person[claim],
        day[claim],
        claim=claim,
        is_institutional=True,
        facility=hospital[claim],
        clinician=physician[claim],
        bill_type=words["bill_type"].numbers("131 851")[critical[claim].astype(int)],
        revenue=words["revenue"].numbers([code for code, *_ in _DEPARTMENT])[which],
        hcpcs=words["hcpcs"].numbers([code for _, code, _ in _DEPARTMENT])[which],
        disposition=1,
        allowed=allowed,
        paid=np.rint(allowed * PAID_SHARE).astype(np.int64),
        coder=physician[claim],
        slots=2,
    )
    # Method II: the hospital bills the clinician's work as well.
    own = np.flatnonzero(critical & (rng.random(len(person)) < 0.5))
    fee = cents(88.0)
    clinician = block(
        person[own],
        day[own],
        is_institutional=True,
        facility=hospital[own],
        clinician=physician[own],
        other=physician[own],
        bill_type=words["bill_type"].number("851"),
        revenue=words["revenue"].number("0983"),
        hcpcs=words["hcpcs"].number("99213"),
        disposition=1,
        allowed=fee,
        paid=int(fee * PAID_SHARE),
        coder=physician[own],
        slots=2,
    )
    covered = [kept(one, people.covered(one["person"], one["start"])) for one in ancillary]
    return merged(together([facility, *covered]), "facility"), clinician


def dialysis(region: Region, people: People, providers: Providers, relations: Relations) -> list[Lines]:
    """Bill dialysis by the month: the center's claim and the nephrologist's monthly fee."""
    rng = region.generators["outpatient"]
    price = region.settings["dialysis"]["sessions_price"] / PAID_SHARE
    members = np.flatnonzero(people.has_renal_failure).astype(np.int32)
    months = month_of(np.array([region.first_day]))[0] + np.arange(12 * region.years)
    person = np.repeat(members, len(months))
    first = np.tile(first_of_month(months), len(members)).astype(np.int32)
    last = np.tile(first_of_month(months + 1) - 1, len(members)).astype(np.int32)
    units = rng.binomial(14, 0.93, len(person))
    centers = providers.of(Role.DIALYSIS)
    allowed = cents(price * units / 13)
    lines = block(
        person,
        first,
        end=last,
        is_institutional=True,
        facility=centers[person % len(centers)],
        bill_type=region.words["bill_type"].number("721"),
        revenue=region.words["revenue"].number("0821"),
        hcpcs=region.words["hcpcs"].number("90999"),
        disposition=30,
        units=units,
        allowed=allowed,
        paid=np.rint(allowed * PAID_SHARE).astype(np.int64),
        reason=region.words["diagnosis"].number("N186"),
    )
    primary = relations.primary[person, region.year_of(first)]
    nephrologist = providers.favourites[primary, providers.specialties.index("39"), 0]
    fee = cents(285.0)
    monthly = block(
        person,
        last,
        clinician=providers.working(nephrologist, last),
        place=region.words["place"].number("65"),
        hcpcs=region.words["hcpcs"].number("90960"),
        allowed=fee,
        paid=int(fee * PAID_SHARE),
        reason=region.words["diagnosis"].number("N186"),
    )
    covered = people.covered(person, first) & people.covered(person, last) & people.has_part_b[person]
    return [kept(lines, covered), kept(monthly, covered)]
