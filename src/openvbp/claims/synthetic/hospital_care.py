"""Claims of acute stays: the hospital's, and those of the clinicians who see the patient there."""

from __future__ import annotations

import numpy as np

from openvbp.claims.synthetic.lines import Lines, block, cents, kept
from openvbp.claims.synthetic.people import People
from openvbp.claims.synthetic.providers import Providers, Role
from openvbp.claims.synthetic.region import Region
from openvbp.claims.synthetic.relations import Relations, favourite
from openvbp.claims.synthetic.services import at_hospital
from openvbp.claims.synthetic.settings import rows
from openvbp.claims.synthetic.stays import Stays
from openvbp.claims.synthetic.visits import PAID_SHARE

_INPATIENT_SHARE = 0.92
_DAILY, _FIRST, _LAST = ("99232", 74), ("99223", 205), ("99239", 110)
_CONSULT = ("99222", 140)
_MOST_DAYS = 14
_SURGEONS = {"knee_replacement": "20", "hip_replacement": "20", "hip_fracture": "20", "spine_surgery": "20",
             "cardiac_surgery": "06", "coronary_intervention": "06", "bowel_surgery": "02"}  # fmt: skip
_OPERATION = {"knee_replacement": ("27447", 1400), "hip_replacement": ("27130", 1400), "hip_fracture": ("27245", 1250),
              "spine_surgery": ("22612", 1900), "cardiac_surgery": ("33533", 2400),
              "coronary_intervention": ("92928", 700), "bowel_surgery": ("44140", 1500)}  # fmt: skip


def facility_claims(region: Region, stays: Stays, clinicians: tuple[np.ndarray, np.ndarray]) -> Lines:
    """Bill each stay: a line with the payment, a line for supplies and, after the emergency room, one for that."""
    rng = region.generators["stays"]
    s, types, words = region.settings["stays"], rows("stay_types"), region.words
    attending, operating = clinicians
    deviation = s["price_deviation"]
    days = stays.discharge - stays.admission
    price = np.array([row["price"] for row in types])[stays.kind] * s["price"]
    price = price * (0.75 + 0.25 * days / 4.5) * rng.lognormal(-(deviation**2) / 2, deviation, len(days))
    trend = np.exp(region.settings["trend"]["price"] * region.year_of(stays.admission))
    allowed = cents(price * trend)
    diagnosis = _principal(region, stays, rng)
    lines = 2 + stays.is_emergency.astype(np.int64)
    stay = np.repeat(np.arange(len(days), dtype=np.int32), lines)
    number = np.arange(len(stay)) - np.repeat(np.cumsum(lines) - lines, lines)
    first = number == 0
    return block(
        stays.person[stay],
        stays.admission[stay],
        end=stays.discharge[stay],
        claim=stay,
        is_institutional=True,
        admission=stays.admission[stay],
        discharge=stays.discharge[stay],
        facility=stays.hospital[stay],
        clinician=attending[stay],
        operating=operating[stay],
        bill_type=words["bill_type"].number("111"),
        revenue=words["revenue"].numbers("0120 0250 0450")[number],
        drg=words["drg"].numbers([row["drg"] for row in types])[stays.kind[stay]],
        procedure=np.array([words["procedure"].number(row["procedure"]) for row in types])[stays.kind[stay]],
        admit_source=np.where(stays.is_emergency, 1, 2)[stay],
        admit_type=np.where(stays.is_emergency, 1, 3)[stay],
        disposition=stays.disposition[stay],
        units=np.where(first, np.maximum(days[stay], 1), 1),
        allowed=np.where(first, allowed[stay], 0),
        paid=np.where(first, np.rint(allowed[stay] * _INPATIENT_SHARE), 0).astype(np.int64),
        reason=diagnosis[stay],
        coder=attending[stay],
        slots=6,
        stay=stay,
    )


def _anyone(rng: np.random.Generator, providers: Providers, role: Role, hospital: np.ndarray) -> np.ndarray:
    return at_hospital(providers, role, hospital, rng.integers(0, 1 << 16, len(hospital)))


def _principal(region: Region, stays: Stays, rng: np.random.Generator) -> np.ndarray:
    """Draw principal diagnoses by kind of stay."""
    types = rows("stay_types")
    result = np.empty(len(stays.kind), np.int32)
    for number, row in enumerate(types):
        chosen = stays.kind == number
        codes = region.words["diagnosis"].numbers(row["codes"])
        result[chosen] = codes[rng.integers(0, len(codes), chosen.sum())]
    return result


def stay_clinicians(
    region: Region, providers: Providers, relations: Relations, stays: Stays
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the attending clinician of each stay and, for operations, the operating one (-1 for none)."""
    rng = region.generators["stays"]
    attending = _anyone(rng, providers, Role.HOSPITALIST, stays.hospital)
    operating = np.full(len(attending), -1, np.int32)
    primary = relations.primary[stays.person, region.year_of(stays.admission)]
    for number, row in enumerate(rows("stay_types")):
        if not row["is_surgical"]:
            continue
        chosen = np.flatnonzero(stays.kind == number)
        specialty = np.full(len(chosen), providers.specialties.index(_SURGEONS[row["stay_type"]]))
        surgeon = favourite(rng, providers, primary[chosen], specialty)
        operating[chosen] = providers.working(surgeon, stays.admission[chosen])
    return attending, operating


def clinician_claims(
    region: Region,
    people: People,
    providers: Providers,
    relations: Relations,
    stays: Stays,
    clinicians: tuple[np.ndarray, np.ndarray],
) -> list[Lines]:
    """Bill the clinicians' work in each stay: daily visits, consultations, readings, operations, the emergency room."""
    rng = region.generators["stays"]
    words = region.words
    attending, operating = clinicians
    everywhere = np.arange(len(attending), dtype=np.int32)
    primary = relations.primary[stays.person, region.year_of(stays.admission)]
    blocks = []

    def bill(
        stay: np.ndarray,
        day: np.ndarray,
        clinician: np.ndarray,
        codes: list[tuple[str, float]],
        which: np.ndarray | int = 0,
        place: str = "21",
    ) -> None:
        allowed = cents(np.array([price for _, price in codes], float))[which]
        person = stays.person[stay]
        blocks.append(
            block(
                person,
                np.minimum(day, stays.discharge[stay]).astype(np.int32),
                clinician=clinician,
                place=words["place"].number(place),
                hcpcs=words["hcpcs"].numbers([code for code, _ in codes])[which],
                allowed=allowed,
                paid=np.rint(allowed * PAID_SHARE).astype(np.int64),
                coder=clinician,
                slots=1,
                stay=stay,
            )
        )

    days = np.minimum(stays.discharge - stays.admission, _MOST_DAYS)
    stay = np.repeat(everywhere, days + 1)
    number = np.arange(len(stay)) - np.repeat(np.cumsum(days + 1) - days - 1, days + 1)
    which = np.where(number == 0, 0, np.where(number == days[stay], 2, 1))
    # Two hospitalists share the week.
    partner = _anyone(rng, providers, Role.HOSPITALIST, stays.hospital)
    clinician = np.where(number % 7 < 5, attending[stay], partner[stay])
    bill(stay, stays.admission[stay] + number, clinician, [_FIRST, _DAILY, _LAST], which)
    consults = rng.poisson(0.5, len(attending))
    stay = np.repeat(everywhere, consults)
    specialty = rng.integers(0, len(providers.specialties), len(stay))
    specialist = favourite(rng, providers, primary[stay], specialty)
    day = stays.admission[stay] + rng.integers(0, 3, len(stay))
    bill(stay, day, providers.working(specialist, day), [_CONSULT, _DAILY], rng.integers(0, 2, len(stay)))
    readings = rng.poisson(0.4, len(attending))
    stay = np.repeat(everywhere, readings)
    radiologist = _anyone(rng, providers, Role.RADIOLOGIST, stays.hospital[stay])
    day = stays.admission[stay] + rng.integers(0, 3, len(stay))
    bill(stay, day, radiologist, [("71045", 10), ("93010", 9), ("73502", 9)], rng.integers(0, 3, len(stay)))
    stay = np.flatnonzero(stays.is_emergency).astype(np.int32)
    physician = _anyone(rng, providers, Role.EMERGENCY, stays.hospital[stay])
    bill(stay, stays.admission[stay], physician, [("99285", 176)], place="23")
    for kind, row in enumerate(rows("stay_types")):
        if row["is_surgical"]:
            stay = np.flatnonzero(stays.kind == kind).astype(np.int32)
            bill(stay, stays.admission[stay], operating[stay], [_OPERATION[row["stay_type"]]])
            anaesthetist = _anyone(rng, providers, Role.ANAESTHETIST, stays.hospital[stay])
            bill(stay, stays.admission[stay], anaesthetist, [("01402", 260)])
    return [kept(one, people.has_part_b[one["person"]] & people.covered(one["person"], one["start"])) for one in blocks]
