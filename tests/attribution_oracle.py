"""A slow and obvious evaluator of attribution rules: lists, dicts and loops, one person after the other.

It shares the rule files and code lists with the product, and none of its logic.
"""

from __future__ import annotations

import functools
import hashlib
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

from attribution_population import Row
from openvbp.attribution.rule import Pool, Rule
from openvbp.attribution.rule_files import codes_in_force, conditions, specialties_in_force
from openvbp.periods import Period

ABROAD = ("ON",)
"""The only place outside the country in these tests."""
Key = tuple[str, str | None]
"""Person and episode."""


@dataclass
class Unit:
    visits: int = 0
    allowed_usd: int = 0
    paid_usd: int = 0
    episodes: int = 0
    dates: dict[date, int] = field(default_factory=dict)
    is_organization: bool = True
    first: date = date.max
    last: date = date.min

    @property
    def distinct_dates(self) -> int:
        return sum(self.dates.values())


@dataclass(frozen=True)
class Service:
    """What a clinician did for a person on a day, of one pool."""

    person: str
    npi: str | None
    tin: str | None
    ccn: str | None
    specialty: str | None
    day: date


class Oracle:
    def __init__(self, rule: Rule, tables: dict[str, list[Row]], period: Period) -> None:
        self.rule, self.period = rule, period
        self.tables: dict[str, list[Row]] = defaultdict(list, tables)
        self.year = period.end.year
        self.of_person: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for name, rows in tables.items():
            for one in rows:
                if "person_id" in one:
                    self.of_person[name, one["person_id"]].append(one)

    def rows(self) -> list[Row]:
        """Rows of the result, without its order."""
        found: list[Row] = []
        pools = {name: self.pool(pool) for name, pool in self.rule.pools.items()}
        for key, (detail, first, last) in self.found_subjects.items():
            base = {"person_id": key[0], "episode_id": key[1], "detail": detail}
            base |= {"span_start": first, "span_end": last}
            if detail:
                found.append(row(base, reason="not_eligible"))
                continue
            stated = self.stated(key[0])
            if stated:
                found.append(row(base | stated, step=0, weight=Decimal(1)))
            elif self.rule.candidate_events:
                found += self.candidate_events(key, base)
            else:
                found += self.decide(key, base, pools)
        return found

    @functools.cached_property
    def found_subjects(self) -> dict[Key, tuple[str | None, date, date]]:
        return self.subjects()

    def subjects(self) -> dict[Key, tuple[str | None, date, date]]:
        if self.rule.subject == "person":
            people = {month["person_id"] for month in self.tables["person_month"]}
            return {(one, None): (self.not_eligible(one), self.period.start, self.period.end) for one in people}
        found: dict[Key, list[Row]] = defaultdict(list)
        for stay in self.stays():
            found[stay["person_id"], self.episode(stay)].append(stay)
        return {
            key: (None, min(one["admission_date"] for one in some), max(one["discharge_date"] for one in some))
            for key, some in found.items()
        }

    def episode(self, stay: Row) -> str:
        return stay["stay_id"] if self.rule.subject == "stay" else stay["transfer_chain_id"]

    def stays(self) -> list[Row]:
        codes = self.rule.stays.drg_codes if self.rule.stays else ()
        stays = [stay for stay in self.tables["stay"] if not codes or stay["drg_code"] in codes]
        last: dict[str, date] = {}
        for stay in stays:
            last[self.episode(stay)] = max(last.get(self.episode(stay), date.min), stay["discharge_date"])
        return [stay for stay in stays if self.period.start <= last[self.episode(stay)] <= self.period.end]

    def not_eligible(self, person: str) -> str | None:
        terms = self.rule.population
        spans = [window.days(self.period) for window in self.rule.window(terms.window)]
        first, last = min(one for one, _ in spans), max(one for _, one in spans)
        months = [
            month
            for month in self.of_person["person_month", person]
            if month["is_alive"]
            and first.year * 100 + first.month <= month["year_month"] <= last.year * 100 + last.month
        ]
        both = [month for month in months if month["has_part_a"] and month["has_part_b"]]
        if len({month["year_month"] for month in months}) < terms.minimum_months:
            return "not_enrolled"
        if len({month["year_month"] for month in both}) < terms.minimum_months_with_both_parts:
            return "without_both_parts"
        tests: list[tuple[bool, Callable[[Row], bool], str]] = [
            (
                terms.no_month_with_one_part_only,
                lambda one: one["has_part_a"] != one["has_part_b"],
                "month_with_one_part_only",
            ),
            (terms.no_managed_care_month, lambda one: one["has_managed_care"], "managed_care"),
            (
                terms.resident_in_united_states,
                lambda one: one["state"] in ABROAD,
                "not_resident",
            ),
            (
                terms.no_other_shared_savings_initiative,
                lambda one: one["is_in_other_shared_savings_initiative"],
                "other_shared_savings_initiative",
            ),
        ]
        return next((name for asked, test, name in tests if asked and any(test(month) for month in months)), None)

    def stated(self, person: str) -> Row | None:
        for one in self.rule.pre_emption:
            day = self.period.start if one.at == "first_day" else self.period.end
            found = []
            for said in self.of_person[
                "attestation" if one.source == "attestation" else "provider_attribution", person
            ]:
                if one.source == "attestation":
                    if said["start_date"] <= day <= (said.get("end_date") or date.max):
                        start = max(said["start_date"], self.period.start)
                        end = min(said.get("end_date") or date.max, self.period.end)
                        found.append((start, end, self.attested_unit(said)))
                elif said["year_month"] == day.year * 100 + day.month:
                    name = {"npi": "", "tin": "_practice", "organization": "_organization"}[self.rule.unit]
                    unit = said.get(f"payer_attributed_provider{name}")
                    found.append((self.period.start, self.period.end, unit))
            named = sorted((-start.toordinal(), unit, start, end) for start, end, unit in found if unit)
            if named:
                _order, unit, start, end = named[0]
                return {"unit_id": unit, "span_start": start, "span_end": end}
        return None

    def attested_unit(self, said: Row) -> str | None:
        if self.rule.unit == "organization":
            by_tin = {one["organization_id"] for one in self.listed["tin", said.get("tin")]}
            return said.get("organization_id") or (by_tin.pop() if len(by_tin) == 1 else None)
        if self.rule.unit == "tin_npi":
            return f"{said['tin']}/{said['npi']}" if said.get("tin") and said.get("npi") else None
        return said.get(self.rule.unit)

    @functools.cached_property
    def participants(self) -> list[Row]:
        on = self.period.start
        return [
            one for one in self.tables["participant"] if one["start_date"] <= on <= (one.get("end_date") or date.max)
        ]

    @functools.cached_property
    def listed(self) -> dict[tuple[str, str | None], list[Row]]:
        """Participants by taxpayer number and by facility."""
        found: dict[tuple[str, str | None], list[Row]] = defaultdict(list)
        for one in self.participants:
            for kind in ("tin", "ccn"):
                if one.get(kind):
                    found[kind, one[kind]].append(one)
        return found

    @functools.cache  # noqa: B019 (lives as long as the test)
    def services(self, lists: tuple[str, ...]) -> dict[Service, tuple[bool, int, int]]:
        """Services of some lists: whether any was not cancelled, allowed and paid cents."""
        found: dict[Service, tuple[bool, int, int]] = {}
        for line in self.tables["service_line"]:
            if any(self.is_of(line, one) for one in lists):
                service = self.service(line)
                done, allowed, paid = found.get(service, (False, 0, 0))
                found[service] = (
                    done or line["is_utilization"],
                    allowed + cents(self.allowed(line)),
                    paid + cents(line["paid_amount"]),
                )
        return found

    @functools.cache  # noqa: B019 (lives as long as the test)
    def days(self, lists: tuple[str, ...]) -> dict[str, set[tuple[str, str, date]]]:
        """TIN, NPI and day of each person's services."""
        found: dict[str, set[tuple[str, str, date]]] = defaultdict(set)
        for one, (done, _allowed, _paid) in self.services(lists).items():
            if done and one.tin and one.npi:
                found[one.person].add((one.tin, one.npi, one.day))
        return found

    def allowed(self, line: Row) -> Decimal:
        return line["paid_amount"] if line["allowed_amount"] is None else line["allowed_amount"]

    def is_of(self, line: Row, list_id: str) -> bool:
        return any(
            (line.get("hcpcs_code") in codes or "*" in codes) and self.meets(line, condition)
            for condition, codes in codes_in_force(self.rule, list_id, self.year).items()
        )

    def meets(self, line: Row, name: str) -> bool:
        terms = conditions()[name]
        if terms.claim_type and line["claim_type"] != terms.claim_type:
            return False
        if terms.has_allowed_amount and not self.allowed(line):
            return False
        if terms.place_of_service and line.get("place_of_service_code") not in terms.place_of_service:
            return False
        if terms.bill_types and not (line.get("bill_type_code") or "").startswith(terms.bill_types):
            return False
        if terms.revenue_centers and not (line.get("revenue_center_code") or "").startswith(terms.revenue_centers):
            return False
        return not any(
            one["claim_type"] == "institutional"
            and (one.get("bill_type_code") or "").startswith(terms.outside_bill_types)
            and one["service_date"] <= line["service_date"] <= (one.get("service_end_date") or one["service_date"])
            for one in self.of_person["service_line", line["person_id"]]
            if terms.outside_bill_types
        )

    def service(self, line: Row) -> Service:
        institutional = line["claim_type"] == "institutional"
        order = ("rendering", "operating", "other", "attending") if institutional else ("rendering",)
        npi = next((line[f"{who}_npi"] for who in order if line.get(f"{who}_npi")), None)
        specialty = line.get("rendering_specialty_code")
        for name in ("federally_qualified_health_center", "rural_health_clinic"):
            if self.meets(line, name):
                specialty = conditions()[name].counts_as_specialty
        tin = line.get("rendering_tin") or line.get("billing_tin")
        ccn = line.get("facility_ccn") if institutional else None
        return Service(line["person_id"], npi, tin, ccn, specialty, line["service_date"])

    def pool(self, pool: Pool) -> dict[Key, dict[str, Unit]]:
        found: dict[Key, dict[str, Unit]] = defaultdict(dict)
        if pool.stay_field:
            for stay in self.stays():
                name = stay.get(pool.stay_field)
                if name:
                    unit = found[stay["person_id"], self.episode(stay)].setdefault(name, Unit())
                    unit.visits += 1
                    unit.episodes += 1
                    unit.first, unit.last = (
                        min(unit.first, stay["admission_date"]),
                        max(unit.last, stay["discharge_date"]),
                    )
            return found
        specialties = specialties_in_force(self.rule, pool.clinicians, self.year)
        for service, (done, allowed, paid) in self.services(pool.services).items():
            if pool.clinicians and service.specialty not in specialties:
                continue
            name, is_organization = self.unit(service)
            if name is None:
                continue
            for key, times in self.counts_for(service, pool):
                unit = found[key].setdefault(name, Unit())
                unit.is_organization = is_organization
                unit.allowed_usd += times * allowed
                unit.paid_usd += times * paid
                if not done:
                    continue
                unit.visits += times
                unit.dates[service.day] = max(unit.dates.get(service.day, 0), times)
                unit.first, unit.last = min(unit.first, service.day), max(unit.last, service.day)
        return found

    def counts_for(self, service: Service, pool: Pool) -> list[tuple[Key, int]]:
        """Persons or episodes for which a service counts, and how many times."""
        if self.rule.subject == "person":
            spans = [(window, *window.days(self.period)) for window in self.rule.window(pool.window)]
            times = sum(window.weight for window, first, last in spans if first <= service.day <= last)
            return [((service.person, None), times)] if times else []
        before, after = timedelta(pool.days_before_admission), timedelta(pool.days_after_discharge)
        return [
            (key, 1)
            for key, (_detail, first, last) in self.found_subjects.items()
            if key[0] == service.person and first - before <= service.day <= last + after
        ]

    def unit(self, service: Service) -> tuple[str | None, bool]:
        if self.rule.unit != "organization":
            if self.rule.unit == "tin_npi":
                return (f"{service.tin}/{service.npi}" if service.tin and service.npi else None), True
            return getattr(service, self.rule.unit), True
        listed = [*self.listed["tin", service.tin], *self.listed["ccn", service.ccn]]
        for test in (
            lambda one: one.get("npi") and one.get("tin") and (one["tin"], one["npi"]) == (service.tin, service.npi),
            lambda one: not one.get("npi") and one.get("tin") and one["tin"] == service.tin,
            lambda one: not one.get("tin") and one.get("ccn") and one["ccn"] == service.ccn,
        ):
            organizations = {one["organization_id"] for one in listed if test(one)}
            if len(organizations) > 1:
                return None, False
            if organizations:
                return organizations.pop(), True
        outside = f"tin {service.tin}" if service.tin else f"ccn {service.ccn}" if service.ccn else None
        return outside, False

    def decide(self, key: Key, base: Row, pools: dict[str, dict[Key, dict[str, Unit]]]) -> list[Row]:
        failed: Row | None = None
        for number, step in self.rule.steps_in(self.year):
            if failed and step.after == "no_service":
                continue
            units = self.candidates(pools[step.pool].get(key, {}))
            if step.closed_to_persons_with:
                closing = pools[step.closed_to_persons_with].get(key, {})
                if any(unit.is_organization and unit.visits for unit in closing.values()):
                    continue
            if step.opens_if:
                part = sum(getattr(unit, self.rule.signal) for unit in pools[step.pool].get(key, {}).values())
                whole = sum(
                    getattr(unit, self.rule.signal) for unit in pools[step.opens_if.share_of].get(key, {}).values()
                )
                if part <= 0 or Fraction(part) < Fraction(step.opens_if.at_least) * whole:
                    continue
            if not units:
                continue
            if self.rule.takes_several:
                return self.take_several(base, number, units)
            result = self.take_one(base, number, units)
            lacks = any(not pools[name].get(key, {}).get(self.order(units)[0], Unit()).visits for name in step.requires)
            if result["reason"] is None and lacks:
                result = row(result, reason="requirement_not_met", unit_id=None, step=None, weight=None)
            if result["reason"] is None:
                return [result]
            failed = failed or result
        none = "no_qualifying_service" if self.rule.steps else "not_on_list"
        return [failed or row(base, reason=none)]

    def candidates(self, units: dict[str, Unit]) -> dict[str, Unit]:
        return {name: unit for name, unit in units.items() if self.signal(unit) > 0 and unit.visits > 0}

    def signal(self, unit: Unit) -> int:
        return getattr(unit, self.rule.signal)

    def order(self, units: dict[str, Unit], person: str = "") -> list[str]:
        """Units from best to last: sorted by the least important thing first."""
        names = sorted(units)
        for tie in reversed(self.rule.ties):
            if tie == "hash":
                names.sort(
                    key=lambda name: hashlib.md5(f"{self.rule.hash_key}|{self.person}|{name}".encode()).hexdigest()
                )
            elif tie == "earliest_date":
                names.sort(key=lambda name: units[name].first)
            elif tie == "latest_date":
                names.sort(key=lambda name: units[name].last, reverse=True)
            else:
                names.sort(key=lambda name: getattr(units[name], tie), reverse=True)
        if self.rule.pick == "most_recent":
            names.sort(key=lambda name: self.signal(units[name]), reverse=True)
            names.sort(key=lambda name: units[name].last, reverse=True)
        elif self.rule.pick == "last":
            names.sort(key=lambda name: units[name].first, reverse=True)
            names.sort(key=lambda name: units[name].last, reverse=True)
        elif self.rule.pick == "first":
            names.sort(key=lambda name: units[name].last)
            names.sort(key=lambda name: units[name].first)
        else:
            names.sort(key=lambda name: self.signal(units[name]), reverse=True)
        return names

    def values(self, base: Row, number: int, units: dict[str, Unit], place: int, names: list[str]) -> Row:
        unit = units[names[place]]
        total = sum(self.signal(one) for one in units.values())
        follower = names[place + 1] if place + 1 < len(names) else None
        margin = None if follower is None else self.signal(unit) - self.signal(units[follower])
        scale = 100 if self.rule.signal.endswith("usd") else 1
        return row(
            base,
            unit_id=names[place],
            step=number,
            signal=Decimal(self.signal(unit)) / scale,
            share=twelve(Fraction(self.signal(unit), total)),
            runner_up_unit_id=follower,
            margin=None if margin is None else Decimal(margin) / scale,
            weight=Decimal(1),
        )

    def reaches(self, unit: Unit, units: dict[str, Unit]) -> bool:
        share = Fraction(self.signal(unit), sum(self.signal(one) for one in units.values()))
        if self.rule.minimum_share is not None and share < Fraction(self.rule.minimum_share):
            return False
        return self.rule.pick != "majority" or share > Fraction(1, 2)

    def take_one(self, base: Row, number: int, units: dict[str, Unit]) -> Row:
        self.person = base["person_id"]
        names = self.order(units)
        result = self.values(base, number, units, 0, names)
        reason = None
        if not units[names[0]].is_organization:
            reason = "outside_organizations"
        elif not self.reaches(units[names[0]], units):
            reason = "below_threshold"
        return row(result, reason=reason, unit_id=None, step=None, weight=None) if reason else result

    def take_several(self, base: Row, number: int, units: dict[str, Unit]) -> list[Row]:
        self.person = base["person_id"]
        names = self.order(units)
        taken = [place for place, name in enumerate(names) if self.reaches(units[name], units)]
        if not taken:
            first = self.values(base, number, units, 0, names)
            return [row(first, reason="below_threshold", unit_id=None, step=None, weight=None)]
        found = []
        for place in taken:
            result = self.values(base, number, units, place, names)
            if self.rule.pick == "proportional":
                result["weight"] = result["share"]
            elif self.rule.weight == "equal":
                result["weight"] = twelve(Fraction(1, len(taken)))
            found.append(result)
        return found

    def candidate_events(self, key: Key, base: Row) -> list[Row]:
        terms = self.rule.candidate_events
        assert terms is not None
        pool = self.rule.pools[self.rule.steps[0].pool]
        visits, others = (self.days(lists)[key[0]] for lists in (pool.services, terms.other_services))
        found: dict[str, dict[str, list[date]]] = defaultdict(lambda: defaultdict(list))
        for tin, npi, day in visits:
            if not self.period.start - timedelta(terms.risk_days - 1) <= day <= self.period.end:
                continue
            near = [
                one
                for kind in (visits - {(tin, npi, day)}, others)
                for one in kind
                if abs((one[2] - day).days) <= terms.days_around
            ]
            again = [one for one in visits | others if one[0] == tin and 1 <= (one[2] - day).days <= terms.days_again]
            if near or again:
                found[tin][npi].append(day)
        rows = []
        for tin, clinicians in found.items():
            days = {
                day + timedelta(after)
                for some in clinicians.values()
                for day in some
                for after in range(terms.risk_days)
                if self.period.start <= day + timedelta(after) <= self.period.end
            }
            names = sorted(clinicians, key=lambda npi: (-len(clinicians[npi]), -max(clinicians[npi]).toordinal(), npi))
            follower = names[1] if len(names) > 1 else None
            total = sum(len(some) for some in clinicians.values())
            most = len(clinicians[names[0]])
            length = (self.period.end - self.period.start).days + 1
            if days:
                rows.append(
                    row(
                        base,
                        unit_id=f"{tin}/{names[0]}",
                        step=1,
                        signal=Decimal(most),
                        share=twelve(Fraction(most, total)),
                        runner_up_unit_id=follower and f"{tin}/{follower}",
                        margin=None if follower is None else Decimal(most - len(clinicians[follower])),
                        weight=twelve(Fraction(len(days), length)),
                    )
                )
        return rows or [row(base, reason="no_qualifying_service")]


EMPTY: Row = dict.fromkeys(
    ("unit_id", "step", "signal", "share", "runner_up_unit_id", "margin", "weight", "reason", "detail")
)


def row(base: Row, **values: Any) -> Row:
    return {**EMPTY, **base, **values}


def cents(amount: Decimal) -> int:
    return int(amount * 100)


def twelve(value: Fraction) -> Decimal:
    """Twelve decimals, halves upward."""
    scaled = Decimal(int(value * 10**13)) / 10
    return scaled.quantize(Decimal(1), ROUND_HALF_UP).scaleb(-12)
