"""An attribution rule: its terms, and what they mean."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from openvbp.periods import Period

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Unit = Literal["npi", "tin_npi", "tin", "ccn", "organization"]
Signal = Literal["visits", "distinct_dates", "allowed_usd", "paid_usd", "episodes"]
TieKey = Literal["latest_date", "earliest_date", "visits", "allowed_usd", "paid_usd", "hash"]
Pick = Literal["plurality", "majority", "most_recent", "first", "last", "all", "proportional"]
_PERIOD = "period"


class _Terms(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Window(_Terms):
    """Months whose services count, told from the first month of the period, which is 0."""

    first_month: int | None = None
    """Empty: the period's first month."""
    last_month: int | None = None
    """Empty: the period's last month."""
    weight: Annotated[int, Field(ge=1)] = 1
    """Services count so many times; weights of 1/3 and 2/3 are written 1 and 2."""

    def days(self, period: Period) -> tuple[date, date]:
        """First and last day of the window."""
        first = period.start if self.first_month is None else _month(period.start, self.first_month)
        after = None if self.last_month is None else _month(period.start, self.last_month + 1)
        return first, period.end if after is None else date.fromordinal(after.toordinal() - 1)


class Population(_Terms):
    """Who can be assigned: conditions on the months of enrolment in a window."""

    window: Name = _PERIOD
    minimum_months: Annotated[int, Field(ge=1)] = 1
    minimum_months_with_both_parts: Annotated[int, Field(ge=0)] = 0
    no_month_with_one_part_only: bool = False
    no_managed_care_month: bool = False
    resident_in_united_states: bool = False
    no_other_shared_savings_initiative: bool = False


class Pool(_Terms):
    """Services that compete with each other: which, by whom, when."""

    services: tuple[Name, ...] = ()
    """Service lists; a service of any of them counts."""
    clinicians: tuple[Name, ...] = ()
    """Clinician groups; empty: everybody."""
    window: Name = _PERIOD
    stay_field: Literal["facility_ccn", "attending_npi", "operating_npi"] | None = None
    """Rules on stays: the unit stands on the stay itself."""
    days_before_admission: Annotated[int, Field(ge=0)] = 0
    days_after_discharge: Annotated[int, Field(ge=0)] = 0


class OpensIf(_Terms):
    """A step is open for persons whose services of its pool are a share of another pool's."""

    share_of: Name
    at_least: Annotated[Decimal, Field(gt=0, le=1)]


class Step(_Terms):
    """One attempt to find the unit."""

    pool: Name
    after: Literal["no_service", "no_assignment"] = "no_service"
    """For whom it is tried: persons without a service in an earlier open step, or all not assigned yet."""
    requires: tuple[Name, ...] = ()
    """Pools of which the unit must have given the person at least one service."""
    closed_to_persons_with: Name | None = None
    """Pool; who has a service of it from an organization is left out."""
    opens_if: OpensIf | None = None
    first_year: int | None = None
    last_year: int | None = None


class PreEmption(_Terms):
    """A statement that comes before claims: the person's own, or the payer's list."""

    source: Literal["attestation", "payer_list"]
    at: Literal["first_day", "last_day"] = "first_day"


class Stays(_Terms):
    """Which stays a rule on stays looks at: those that end in the period."""

    drg_codes: tuple[str, ...] = ()
    """Empty: all."""


class CandidateEvents(_Terms):
    """Events that show a primary care relation and open a risk window, as in total per capita cost."""

    other_services: tuple[Name, ...]
    days_around: Annotated[int, Field(ge=0)] = 3
    days_again: Annotated[int, Field(ge=1)] = 90
    risk_days: Annotated[int, Field(ge=1)] = 365


class ServiceList(_Terms):
    """A rule's own list of services."""

    codes: Annotated[tuple[str, ...], Field(min_length=1)]
    condition: Name = "professional"


class Rule(_Terms):
    """An attribution rule."""

    rule: Name
    title: Annotated[str, Field(min_length=1)]
    cite: Annotated[str, Field(min_length=1)]
    unverified: str | None = None
    """What of it has not been read in its source."""
    about: str = ""
    subject: Literal["person", "stay", "transfer_chain"] = "person"
    unit: Unit
    signal: Signal = "visits"
    pick: Pick = "plurality"
    minimum_share: Annotated[Decimal, Field(gt=0, le=1)] | None = None
    """Share of the step's signal that the unit must have at least."""
    ties: tuple[TieKey, ...] = ("latest_date",)
    """What decides between equals, in order; the unit's identifier comes last of itself."""
    hash_key: str = "openvbp"
    weight: Literal["full", "equal"] = "full"
    """Where all units are taken: each 1, or each 1/k."""
    population: Population = Population()
    windows: dict[Name, tuple[Window, ...]] = {}
    pools: dict[Name, Pool] = {}
    steps: tuple[Step, ...] = ()
    pre_emption: tuple[PreEmption, ...] = ()
    stays: Stays | None = None
    candidate_events: CandidateEvents | None = None
    service_lists: dict[Name, ServiceList] = {}
    clinician_groups: dict[Name, tuple[str, ...]] = {}

    @property
    def takes_several(self) -> bool:
        """Whether a person may be assigned to several units."""
        return self.pick in ("all", "proportional")

    def window(self, name: str) -> tuple[Window, ...]:
        """Find a window by its name; ``period`` needs no declaration."""
        return self.windows[name] if name in self.windows else (Window(),)

    def steps_in(self, year: int) -> list[tuple[int, Step]]:
        """Steps in force in a year, with their numbers from 1."""
        return [
            (number, step)
            for number, step in enumerate(self.steps, start=1)
            if (step.first_year or year) <= year <= (step.last_year or year)
        ]

    @model_validator(mode="after")
    def _consistent(self) -> Rule:
        for check in (_names_are_declared, _steps_are_there, _stays_and_persons, _several_units):
            check(self)
        return self


def _names_are_declared(rule: Rule) -> None:
    windows, pools = {*rule.windows, _PERIOD}, set(rule.pools)
    used = [rule.population.window, *(pool.window for pool in rule.pools.values())]
    if lost := sorted({name for name in used if name not in windows}):
        raise ValueError(f"there is no window '{lost[0]}'; declared are {', '.join(sorted(windows))}")
    for step in rule.steps:
        named = [step.pool, *step.requires]
        named += [step.closed_to_persons_with] if step.closed_to_persons_with else []
        named += [step.opens_if.share_of] if step.opens_if else []
        if lost := sorted(set(named) - pools):
            raise ValueError(f"there is no pool '{lost[0]}'; declared are {', '.join(sorted(pools)) or 'none'}")


def _steps_are_there(rule: Rule) -> None:
    if not rule.steps and not rule.pre_emption:
        raise ValueError("give steps, or a pre_emption")
    if any(bool(pool.services) == bool(pool.stay_field) for pool in rule.pools.values()):
        raise ValueError("each pool needs either services or a stay_field")
    if rule.candidate_events and (len(rule.steps) != 1 or rule.unit != "tin_npi"):
        raise ValueError("candidate_events need unit tin_npi and one step")


def _stays_and_persons(rule: Rule) -> None:
    on_stays = rule.subject != "person"
    units = {"attestation": ("npi", "tin", "tin_npi", "organization"), "payer_list": ("npi", "tin", "organization")}
    for one in rule.pre_emption:
        if rule.unit not in units[one.source]:
            raise ValueError(f"pre_emption by {one.source} needs unit {' or '.join(units[one.source])}")
    if on_stays and (rule.pre_emption or rule.population != Population()):
        raise ValueError("a rule on stays has neither population nor pre_emption")
    if not on_stays and (rule.stays or any(pool.stay_field for pool in rule.pools.values())):
        raise ValueError("stays and stay_field need subject: stay or transfer_chain")
    if on_stays and any(step.closed_to_persons_with or step.requires or step.opens_if for step in rule.steps):
        raise ValueError("steps of a rule on stays have no requires, closed_to_persons_with or opens_if")
    if (rule.signal == "episodes") != any(pool.stay_field for pool in rule.pools.values()):
        raise ValueError("signal: episodes and stay_field belong together")


def _several_units(rule: Rule) -> None:
    if rule.takes_several and any(step.after != "no_service" or step.requires for step in rule.steps):
        raise ValueError(f"pick: {rule.pick} knows neither after: no_assignment nor requires")


def _month(start: date, months: int) -> date:
    """First day of the month so many months after a day's."""
    place = start.year * 12 + start.month - 1 + months
    return date(place // 12, place % 12 + 1, 1)
