"""Care after hospital and at the end: nursing facilities, home health, rehabilitation, long-term hospitals, hospice."""

from __future__ import annotations

import numpy as np

from openvbp.claims.synthetic.conditions import CONDITIONS
from openvbp.claims.synthetic.lines import Lines, block, cents, kept
from openvbp.claims.synthetic.months import first_of_month, month_of
from openvbp.claims.synthetic.people import People
from openvbp.claims.synthetic.providers import NEVER, Providers, Role
from openvbp.claims.synthetic.region import Region
from openvbp.claims.synthetic.relations import Relations
from openvbp.claims.synthetic.stays import HOME, HOME_HEALTH, LONG_TERM, NURSING, REHABILITATION, Stays
from openvbp.claims.synthetic.visits import PAID_SHARE, spread

_STILL_PATIENT = 30
_DIED = 20


def draw_post_acute(
    region: Region, people: People, providers: Providers, relations: Relations, stays: Stays
) -> list[Lines]:
    """Draw all care of this kind; hospital stays that lead to it are named by their disposition."""
    return [
        *_nursing(region, people, providers, relations, stays),
        _hospital(region, people, providers, stays, REHABILITATION, Role.REHABILITATION, "rehabilitation", "945"),
        _hospital(region, people, providers, stays, LONG_TERM, Role.LONG_TERM, "long_term", "189"),
        _psychiatric(region, people, providers),
        _home_health(region, people, providers, relations, stays),
        _hospice(region, people, providers, relations),
    ]


def _monthly(
    region: Region, people: People, person: np.ndarray, start: np.ndarray, end: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Cut spells at the ends of months: spell, first and last day of each claim, and whether it is the spell's last."""
    months = month_of(end) - month_of(start) + 1
    spell = np.repeat(np.arange(len(person), dtype=np.int32), months)
    number = np.arange(len(spell)) - np.repeat(np.cumsum(months) - months, months)
    month = month_of(start)[spell] + number
    first = np.maximum(first_of_month(month), start[spell]).astype(np.int32)
    last = np.minimum(first_of_month(month + 1) - 1, end[spell]).astype(np.int32)
    covered = people.covered(person[spell], first) & (last <= region.last_day)
    return spell[covered], first[covered], last[covered], (last == end[spell])[covered]


def _days(rng: np.random.Generator, mean: float, count: int, shape: float) -> np.ndarray:
    return 1 + rng.poisson((mean - 1) * rng.gamma(shape, 1 / shape, count))


def _nursing(region: Region, people: People, providers: Providers, relations: Relations, stays: Stays) -> list[Lines]:
    rng = region.generators["post_acute"]
    s, words = region.settings["post_acute"], region.words
    stay = np.flatnonzero(stays.disposition == NURSING)
    chosen = stays.where(stay)
    person, start = chosen.person, chosen.discharge
    end = start + np.minimum(_days(rng, s["nursing_days"], len(person), 1.6), 99)
    end = _cut_short(people, person, start, end, stays)
    spell, first, last, is_last = _monthly(region, people, person, start, end)
    homes = providers.of(Role.NURSING)
    home = homes[(person + rng.integers(0, 2, len(person))) % len(homes)]
    days = np.maximum(last - first + ~is_last, 1)
    allowed = cents(days * s["nursing_price_per_day"] * rng.lognormal(-0.02, 0.2, len(person))[spell])
    twice = np.repeat(np.arange(len(spell), dtype=np.int32), 2)
    is_payment = np.arange(len(twice)) % 2 == 0
    died = is_last & (people.death[person[spell]] <= last)
    status = np.where(is_last, np.where(died, _DIED, HOME), _STILL_PATIENT)
    physician = relations.primary[person, region.year_of(start)]
    claims = block(
        person[spell][twice],
        first[twice],
        end=last[twice],
        claim=twice,
        is_institutional=True,
        admission=start[spell][twice],
        discharge=np.where(is_last, last, -1)[twice],
        facility=home[spell][twice],
        clinician=physician[spell][twice],
        bill_type=words["bill_type"].number("211"),
        revenue=np.where(is_payment, words["revenue"].number("0022"), words["revenue"].number("0120")),
        hcpcs=np.where(is_payment, words["hcpcs"].number("KAXD1"), -1),
        admit_source=4,
        admit_type=3,
        disposition=status[twice],
        units=days[twice],
        allowed=np.where(is_payment, allowed[twice], 0),
        paid=np.where(is_payment, np.rint(allowed[twice] * 0.93), 0).astype(np.int64),
        coder=physician[spell][twice],
        slots=4,
        stay=stay[spell][twice],
    )
    # A clinician comes about every ten days; Medicare does not count these as primary care from 2021 on.
    times = 1 + ((end - start) // 11)
    spell = np.repeat(np.arange(len(person), dtype=np.int32), times)
    day = np.minimum(
        start[spell] + (np.arange(len(spell)) - np.repeat(np.cumsum(times) - times, times)) * 11 + 1, end[spell]
    )
    price = cents(94.0)
    visits = block(
        person[spell],
        day.astype(np.int32),
        clinician=physician[spell],
        place=words["place"].number("31"),
        hcpcs=words["hcpcs"].number("99309"),
        allowed=price,
        paid=int(price * PAID_SHARE),
        coder=physician[spell],
        slots=2,
        stay=stay[spell],
    )
    return [
        claims,
        kept(visits, people.covered(visits["person"], visits["start"]) & people.has_part_b[visits["person"]]),
    ]


def _cut_short(people: People, person: np.ndarray, start: np.ndarray, end: np.ndarray, stays: Stays) -> np.ndarray:
    """End spells at the next hospital admission, at death or when enrolment ends."""
    order = np.lexsort((stays.admission, stays.person))
    keys = stays.person[order].astype(np.int64) * 1_000_000 + stays.admission[order]
    following = np.searchsorted(keys, person.astype(np.int64) * 1_000_000 + start, side="right")
    at = np.minimum(following, len(keys) - 1) if len(keys) else following
    has_next = (
        (following < len(keys)) & (stays.person[order][at] == person) if len(keys) else np.zeros(len(person), bool)
    )
    upcoming = np.where(has_next, stays.admission[order][at] if len(keys) else 0, NEVER)
    limit = np.minimum(np.minimum(upcoming, people.death[person]), people.claims_to[person])
    return np.maximum(np.minimum(end, limit), start + 1).astype(np.int32)


def _hospital(
    region: Region,
    people: People,
    providers: Providers,
    stays: Stays,
    disposition: int,
    role: Role,
    name: str,
    drg: str,
) -> Lines:
    """Bill the stay in a rehabilitation or long-term hospital that follows an acute one."""
    rng = region.generators["post_acute"]
    s = region.settings["post_acute"]
    stay = np.flatnonzero(stays.disposition == disposition)
    chosen = stays.where(stay)
    person, start = chosen.person, chosen.discharge
    end = start + _days(rng, s[f"{name}_days"], len(person), 4.0)
    end = _cut_short(people, person, start, end, stays)
    facility = np.full(len(person), providers.of(role)[0])
    return _inpatient(region, people, person, start, end, facility, s[f"{name}_price"], drg, stay)


def _psychiatric(region: Region, people: People, providers: Providers) -> Lines:
    """Draw admissions to psychiatric hospitals: of members with mental illness or dementia."""
    rng = region.generators["post_acute"]
    s = region.settings["post_acute"]
    ill = (
        6.0 * people.conditions[:, CONDITIONS.index("serious_mental_illness")]
        + 1.0 * people.conditions[:, CONDITIONS.index("depression")]
        + 1.0 * people.conditions[:, CONDITIONS.index("dementia")]
        + 0.1
    )
    rate = region.settings["stays"]["psychiatric_rate"] * ill / ill.mean()
    person, _, start = spread(region, rng.poisson(rate[:, None], (len(ill), region.years)), rng)
    end = start + _days(rng, s["psychiatric_days"], len(person), 2.0)
    end = np.minimum(end, np.minimum(people.death, people.claims_to)[person]).astype(np.int32)
    valid = people.covered(person, start) & (end > start)
    facility = np.full(valid.sum(), providers.of(Role.PSYCHIATRIC)[0])
    price, none = s["psychiatric_price"], np.full(valid.sum(), -1)
    return _inpatient(region, people, person[valid], start[valid], end[valid], facility, price, "885", none)


def _inpatient(
    region: Region,
    people: People,
    person: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    facility: np.ndarray,
    price: float,
    drg: str,
    stay: np.ndarray,
) -> Lines:
    rng = region.generators["post_acute"]
    covered = people.covered(person, start) & (end <= region.last_day)
    person, start, end, facility = person[covered], start[covered], end[covered], facility[covered]
    allowed = cents(price * rng.lognormal(-0.08, 0.4, len(person)))
    died = people.death[person] <= end
    return block(
        person,
        start,
        end=end,
        is_institutional=True,
        admission=start,
        discharge=end,
        facility=facility,
        bill_type=region.words["bill_type"].number("111"),
        revenue=region.words["revenue"].number("0128"),
        drg=region.words["drg"].number(drg),
        admit_source=4,
        admit_type=3,
        disposition=np.where(died, _DIED, HOME),
        units=np.maximum(end - start, 1),
        allowed=allowed,
        paid=np.rint(allowed * 0.95).astype(np.int64),
        slots=5,
        stay=stay[covered],
    )


def _home_health(region: Region, people: People, providers: Providers, relations: Relations, stays: Stays) -> Lines:
    """Draw thirty-day periods of home health, after hospital and from the community."""
    rng = region.generators["post_acute"]
    s, words = region.settings["post_acute"], region.words
    after = stays.where(stays.disposition == HOME_HEALTH)
    numbers = np.flatnonzero(stays.disposition == HOME_HEALTH)
    need = people.risk[:, None] * people.acuity
    rate = s["home_health_community"] * need / need.mean()
    person, _, day = spread(region, rng.poisson(rate), rng)
    stay = np.concatenate([numbers, np.full(len(person), -1)])
    person = np.concatenate([after.person, person])
    start = np.concatenate([after.discharge + 1, day]).astype(np.int32)
    times = 1 + rng.poisson(s["home_health_periods"] - 1, len(person))
    spell = np.repeat(np.arange(len(person), dtype=np.int32), times)
    number = np.arange(len(spell)) - np.repeat(np.cumsum(times) - times, times)
    first = (start[spell] + 30 * number).astype(np.int32)
    person = person[spell]
    last = np.minimum(first + 29, np.minimum(people.death, people.claims_to)[person]).astype(np.int32)
    valid = people.covered(person, first) & (first + 29 <= region.last_day) & (last >= first)
    person, first, last, stay = person[valid], first[valid], last[valid], stay[spell][valid]
    agencies = providers.of(Role.HOME_HEALTH)
    lines = 3
    claim = np.repeat(np.arange(len(person), dtype=np.int32), lines)
    number = np.tile(np.arange(lines), len(person))
    allowed = cents(s["home_health_period_price"] * rng.lognormal(-0.06, 0.35, len(person)))
    physician = relations.primary[person, region.year_of(first)]
    return block(
        person[claim],
        first[claim],
        end=last[claim],
        claim=claim,
        is_institutional=True,
        facility=agencies[person % len(agencies)][claim],
        clinician=physician[claim],
        bill_type=words["bill_type"].number("329"),
        revenue=words["revenue"].numbers("0023 0551 0421")[number],
        hcpcs=words["hcpcs"].numbers("1AA11 G0299 G0151")[number],
        disposition=HOME,
        units=np.where(number == 0, 1, 1 + rng.poisson(3, len(claim))),
        allowed=np.where(number == 0, allowed[claim], 0),
        paid=np.where(number == 0, allowed[claim], 0),
        coder=physician[claim],
        slots=5,
        stay=stay[claim],
    )


def _hospice(region: Region, people: People, providers: Providers, relations: Relations) -> Lines:
    """Draw hospice care before some of the deaths, billed by the month."""
    rng = region.generators["post_acute"]
    s, words = region.settings["post_acute"], region.words
    person = np.flatnonzero((people.death < NEVER) & (rng.random(len(people.death)) < s["hospice_share"])).astype(
        np.int32
    )
    days = _days(rng, s["hospice_days"], len(person), 0.55)
    end = people.death[person]
    start = np.maximum(np.maximum(end - days, people.claims_from[person]), people.birth[person] + 1).astype(np.int32)
    start = np.minimum(start, end)
    spell, first, last, is_last = _monthly(region, people, person, start, end)
    hospices = providers.of(Role.HOSPICE)
    length = last - first + 1
    allowed = cents(length * s["hospice_price_per_day"] * np.where(length < 5, 1.4, 1.0))
    return block(
        person[spell],
        first,
        end=last,
        is_institutional=True,
        admission=start[spell],
        discharge=np.where(is_last, last, -1),
        facility=hospices[person % len(hospices)][spell],
        clinician=relations.primary[person, region.year_of(start)][spell],
        bill_type=words["bill_type"].number("811"),
        revenue=words["revenue"].number("0651"),
        hcpcs=words["hcpcs"].number("Q5001"),
        disposition=np.where(is_last, 40, _STILL_PATIENT),
        units=length,
        allowed=allowed,
        paid=allowed,
        slots=2,
    )
