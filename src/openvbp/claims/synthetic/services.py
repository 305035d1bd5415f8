"""Services beside visits: tests, imaging, procedures, drugs given by clinicians, equipment, ambulances."""

from __future__ import annotations

from typing import Any

import numpy as np

from openvbp.claims.synthetic.conditions import CONDITIONS
from openvbp.claims.synthetic.lines import Lines, block, cents, kept, merged, together
from openvbp.claims.synthetic.people import People
from openvbp.claims.synthetic.providers import Providers, Role
from openvbp.claims.synthetic.region import Region
from openvbp.claims.synthetic.relations import Relations, favourite
from openvbp.claims.synthetic.settings import rows
from openvbp.claims.synthetic.visits import PAID_SHARE, spread, yearly_counts

_FACILITY_PAID_SHARE = 0.8
_OF_HOSPITAL = {"30": Role.RADIOLOGIST, "22": Role.PATHOLOGIST, "05": Role.ANAESTHETIST}
_ANYWHERE = {"69": Role.LABORATORY, "35": Role.CHIROPRACTOR}
_LABORATORY = "69"
_SAME_READER = 0.7
"""Share of readings that go to the same clinician for one member."""
_HOSPITAL_WINDOW = 150
_READING = "26"
"""Modifier: the clinician's part of a test of which the hospital bills the rest."""


def ancillary_services(
    region: Region, people: People, providers: Providers, relations: Relations
) -> tuple[list[Lines], list[Lines]]:
    """Draw tests, imaging and procedures; some are billed by a hospital as well.

    Returns
    -------
    Professional lines, and lines of hospital departments that are yet to be put on claims.
    """
    rng = region.generators["services"]
    s = region.settings["ancillary"]
    lasting = providers.effect["clinician_cost"][relations.primary] + people.access[:, None]
    testing = providers.effect["clinician_testing"][relations.primary]
    need = np.log(people.risk)[:, None] + np.log(people.acuity)
    professional, laboratory, hospital = [], [], []
    for row in rows("services"):
        rate = np.exp(row["power"] * need)
        rate *= row["rate"] * s["scale"] / rate.mean() * np.exp(lasting + testing * (row["service"] == "chemistry"))
        if row["service"] == "mammogram":
            rate *= people.is_female[:, None] / people.is_female.mean()
        person, year, day = spread(region, yearly_counts(region, rate, rng), rng)
        if row["window"]:
            day = snapped(region, person, day, int(row["window"]))
        covered = people.covered(person, day) & people.has_part_b[person]
        person, year, day = person[covered], year[covered], day[covered]
        codes = region.words["hcpcs"].numbers(row["codes"])
        # Earlier codes of the list are the commoner.
        code = codes[(rng.random(len(person)) ** 1.5 * len(codes)).astype(int)]
        in_hospital = rng.random(len(person)) < row["hospital_share"]
        if row["hospital_share"]:
            hospital.append(_hospital_part(region, relations, row, person, day, code, in_hospital, rng))
        is_laboratory = row["role"] == _LABORATORY
        if is_laboratory:
            # A hospital's laboratory bills alone.
            person, year, day, code = (one[~in_hospital] for one in (person, year, day, code))
            in_hospital = np.zeros(len(person), bool)
        primary = relations.primary[person, year]
        clinician = _renderer(rng, providers, relations, row["role"], person, primary)
        reads = in_hospital & (row["role"] == "30")
        price = row["price"] * s["price"] * rng.lognormal(-(s["deviation"] ** 2) / 2, s["deviation"], len(person))
        allowed = cents(price * np.where(reads, 0.6, 1.0))
        word = region.words["place"].number
        lines = block(
            person,
            day,
            clinician=providers.working(clinician, day),
            place=np.where(in_hospital, word("22"), word(row["place"])),
            hcpcs=code,
            modifier=np.where(reads, region.words["modifier"].number(_READING), -1),
            allowed=allowed,
            paid=np.rint(allowed * (1.0 if is_laboratory else PAID_SHARE)).astype(np.int64),
        )
        if is_laboratory:
            laboratory.append(lines)
        else:
            professional.append(merged(lines, "clinician") if row["window"] else lines)
    return [merged(together(laboratory), "clinician"), *professional], hospital


def snapped(region: Region, person: np.ndarray, day: np.ndarray, window: int) -> np.ndarray:
    """Move days to one day per member in each window, so that services come together as they do in life."""
    number = (day - region.first_day) // window
    within = (person.astype(np.int64) * 7919 + number * 104_729) % window
    return np.minimum(region.first_day + number * window + within, region.last_day).astype(np.int32)


def _renderer(
    rng: np.random.Generator,
    providers: Providers,
    relations: Relations,
    role: str,
    person: np.ndarray,
    primary: np.ndarray,
) -> np.ndarray:
    """Find who does a service: one of the hospital, a laboratory, or a specialist referred to."""
    if role in _ANYWHERE:
        pool = providers.of(_ANYWHERE[role])
        # A practice sends its specimens to one laboratory.
        return pool[(providers.tin[primary] + (rng.random(len(person)) < 0.1)) % len(pool)]
    if role in _OF_HOSPITAL:
        usual = np.where(rng.random(len(person)) < _SAME_READER, person, rng.integers(0, 1 << 16, len(person)))
        return at_hospital(providers, _OF_HOSPITAL[role], relations.hospital[person], usual)
    return favourite(rng, providers, primary, np.full(len(person), providers.specialties.index(role)))


def at_hospital(providers: Providers, role: Role, hospital: np.ndarray, draw: np.ndarray) -> np.ndarray:
    """Choose a clinician of a role at each given hospital by a whole number drawn.

    Facilities without clinicians of their own borrow the first hospital's.
    """
    pool = providers.of(role)
    hospitals = providers.of(Role.HOSPITAL)
    each = len(pool) // len(hospitals)
    at = np.searchsorted(hospitals, hospital)
    at = np.where(np.isin(hospital, hospitals), at, 0)
    return pool[at * each + draw % each]


def _hospital_part(
    region: Region,
    relations: Relations,
    row: dict[str, Any],
    person: np.ndarray,
    day: np.ndarray,
    code: np.ndarray,
    chosen: np.ndarray,
    rng: np.random.Generator,
) -> Lines:
    person, day = person[chosen], snapped(region, person[chosen], day[chosen], _HOSPITAL_WINDOW)
    o = region.settings["outpatient"]
    price = row["hospital_price"] * rng.lognormal(-(o["deviation"] ** 2) / 4, o["deviation"] / 2**0.5, len(person))
    allowed = cents(price)
    return block(
        person,
        day,
        is_institutional=True,
        facility=relations.hospital[person],
        bill_type=region.words["bill_type"].number("131"),
        revenue=region.words["revenue"].number(row["revenue"]),
        hcpcs=code[chosen],
        allowed=allowed,
        paid=np.rint(allowed * _FACILITY_PAID_SHARE).astype(np.int64),
    )


def clinician_drugs(region: Region, people: People, providers: Providers, relations: Relations) -> list[Lines]:
    """Draw courses of expensive drugs: few members, most of the money."""
    rng = region.generators["services"]
    blocks = []
    for row in rows("part_b_drugs"):
        condition = CONDITIONS.index(row["condition"])
        member, first = _courses(region, people, condition, row["probability"], rng)
        doses = 1 + rng.poisson(row["doses"] - 1, len(member))
        again = np.repeat(np.arange(len(member)), doses)
        number = np.arange(len(again)) - np.repeat(np.cumsum(doses) - doses, doses)
        gap = np.maximum(21, 340 // max(1, int(row["doses"])))
        person, day = member[again], (first[again] + number * gap).astype(np.int32)
        covered = people.covered(person, day) & people.has_part_b[person]
        person, day, again = person[covered], day[covered], again[covered]
        specialty = np.full(len(person), providers.specialties.index(row["role"]))
        # One clinician gives the whole course.
        clinician = favourite(rng, providers, relations.primary[member, 0], specialty[:1].repeat(len(member)))[again]
        in_hospital = (rng.random(len(member)) < row["hospital_share"])[again]
        allowed = cents(row["price"] * rng.lognormal(-0.02, 0.2, len(person)))
        paid = np.rint(allowed * PAID_SHARE).astype(np.int64)
        shared = {
            "hcpcs": region.words["hcpcs"].number(row["code"]),
            "units": 10,
            "condition": condition,
            "clinician": providers.working(clinician, day),
        }
        lines = block(person, day, place=region.words["place"].number("11"), allowed=allowed, paid=paid, **shared)
        hospital = block(
            person,
            day,
            is_institutional=True,
            facility=relations.hospital[person],
            bill_type=region.words["bill_type"].number("131"),
            revenue=region.words["revenue"].number("0636"),
            allowed=allowed,
            paid=paid,
            **shared,
        )
        blocks += [kept(lines, ~in_hospital), kept(hospital, in_hospital)]
    return blocks


def _courses(
    region: Region, people: People, condition: int, probability: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Choose members with a condition for a course in a year, and its first day."""
    chosen = people.conditions[:, [condition]] & (
        rng.random((region.members, region.years)) < probability * np.minimum(people.acuity, 2.5)
    )
    member, year = np.nonzero(chosen)
    return member.astype(np.int32), region.starts[year] + rng.integers(0, 60, len(member)).astype(np.int32)


def equipment(region: Region, people: People, providers: Providers) -> list[Lines]:
    """Draw rented and sold equipment, billed monthly by suppliers."""
    rng = region.generators["services"]
    suppliers = providers.of(Role.SUPPLIER)
    blocks = []
    for row in rows("equipment"):
        condition = CONDITIONS.index(row["condition"])
        member, first = _courses(region, people, condition, row["probability"], rng)
        times = 1 + rng.poisson(max(0.0, row["claims"] - 1), len(member))
        again = np.repeat(np.arange(len(member)), times)
        number = np.arange(len(again)) - np.repeat(np.cumsum(times) - times, times)
        person, day = member[again], (first[again] + number * 30).astype(np.int32)
        allowed = cents(row["price"] * rng.lognormal(-0.02, 0.2, len(person)) / PAID_SHARE)
        lines = block(
            person,
            day,
            clinician=suppliers[person % len(suppliers)],
            place=region.words["place"].number("12"),
            hcpcs=region.words["hcpcs"].number(row["code"]),
            modifier=region.words["modifier"].number("RR"),
            allowed=allowed,
            paid=np.rint(allowed * PAID_SHARE).astype(np.int64),
            condition=condition,
        )
        blocks.append(kept(lines, people.covered(person, day) & people.has_part_b[person]))
    return blocks


def ambulances(
    region: Region, people: People, providers: Providers, person: np.ndarray, day: np.ndarray, stay: np.ndarray
) -> Lines:
    """Bill ambulance trips: a base rate and miles, on one claim; ``stay`` is where they lead to, -1 for none."""
    rng = region.generators["services"]
    firms = providers.of(Role.AMBULANCE)
    trips = len(person)
    miles = 2 + rng.poisson(9 * (1 + people.is_rural[person]), trips)
    allowed = np.stack([cents(np.full(trips, 430.0)), cents(miles * 7.9)], axis=1).ravel()
    twice = np.repeat(np.arange(trips, dtype=np.int32), 2)
    lines = block(
        person[twice],
        day[twice],
        claim=twice,
        clinician=firms[person[twice] % len(firms)],
        place=region.words["place"].number("41"),
        hcpcs=np.tile(region.words["hcpcs"].numbers("A0427 A0425"), trips),
        units=np.stack([np.ones(trips, np.int64), miles], axis=1).ravel(),
        stay=stay[twice],
        allowed=allowed,
        paid=np.rint(allowed * PAID_SHARE).astype(np.int64),
    )
    return kept(lines, people.covered(lines["person"], lines["start"]) & people.has_part_b[lines["person"]])
