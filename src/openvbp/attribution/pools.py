"""Pools: which services compete for a person, added up for each unit."""

from __future__ import annotations

import functools
import itertools
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.attribution.events import Events
from openvbp.attribution.population import MONTH_COLUMNS
from openvbp.attribution.rule import Pool, Rule
from openvbp.attribution.rule_files import specialties_in_force
from openvbp.attribution.service_days import Selection, days_of_selection, selection, service_days
from openvbp.engine import Engine
from openvbp.money import in_units, whole_sum
from openvbp.periods import Period

_NUMBERS = itertools.count()
_OTHER_TIN, _OTHER_CCN = "tin ", "ccn "
"""What the name of a competitor outside every organization begins with."""


@dataclass
class Pools:
    """The shared aggregate of a run, and the pools made of it; a pool that several steps use is made once."""

    engine: Engine
    events: Events
    period: Period
    rules: Sequence[Rule]
    _kept: dict[object, ir.Table] = field(default_factory=dict)
    name: str = field(default_factory=lambda: f"attribution_{next(_NUMBERS)}")
    """What the names of its tables begin with."""

    @property
    def year(self) -> int:
        """Program year: that of the period's last day."""
        return self.period.end.year

    @functools.cached_property
    def selections(self) -> list[Selection]:
        """All services that the rules ask for, each once."""
        asked = [
            selection(rule, lists, self.year)
            for rule in self.rules
            for lists in (
                *(pool.services for pool in rule.pools.values() if pool.services),
                *((rule.candidate_events.other_services,) if rule.candidate_events else ()),
            )
        ]
        return list(dict.fromkeys(asked))

    @functools.cached_property
    def months(self) -> ir.Table:
        """Months of enrolment, with what populations look at."""
        return self.kept("months", self.events.person_month.select(*MONTH_COLUMNS))

    @functools.cached_property
    def service_days(self) -> ir.Table:
        """The shared aggregate (:func:`openvbp.attribution.service_days.service_days`)."""
        first, last = self._span
        name = f"{self.name}_days"
        return service_days(self.engine, self.events, self.selections, first, last, name, with_paid=self._asks_for_paid)

    def days(self, number: int) -> ir.Table:
        """Days with services of a selection (:func:`openvbp.attribution.service_days.days_of_selection`)."""
        return self.kept(("days", number), days_of_selection(self.service_days, number))

    @property
    def _asks_for_paid(self) -> bool:
        return any(rule.signal == "paid_usd" or "paid_usd" in rule.ties for rule in self.rules)

    @property
    def _span(self) -> tuple[ir.DateScalar, date]:
        """All days that some rule looks at."""
        spans = [
            window.days(self.period)
            for rule in self.rules
            for pool in rule.pools.values()
            for window in rule.window(pool.window)
        ]
        first, last = min(first for first, _ in spans), max(last for _, last in spans)
        risk = max((rule.candidate_events.risk_days for rule in self.rules if rule.candidate_events), default=0)
        firsts = [ibis.literal(min(first, self.period.start - timedelta(days=risk)))]
        for rule in self.rules:
            around = [pool for pool in rule.pools.values() if rule.subject != "person" and pool.services]
            if around:
                # A stay that ends in the period may have begun long before.
                before = ibis.interval(days=max(pool.days_before_admission for pool in around))
                begun = self.subjects(rule).aggregate(day=(_.first_day.min() - before).cast("date"))
                firsts.append(ibis.coalesce(begun.as_scalar(), firsts[0]))
                last = max(last, self.period.end + timedelta(days=max(pool.days_after_discharge for pool in around)))
        return firsts[0] if len(firsts) == 1 else ibis.least(*firsts), last

    def kept(self, key: object, expression: ir.Table) -> ir.Table:
        """Compute a table once for all rules."""
        if key not in self._kept:
            self._kept[key] = self.engine.compute(expression, f"{self.name}_{len(self._kept)}")
        return self._kept[key]

    def number(self, rule: Rule, lists: Sequence[str]) -> int:
        """Number of a selection in the shared aggregate."""
        return self.selections.index(selection(rule, lists, self.year))

    def candidates(self, rule: Rule, name: str) -> ir.Table:
        """Add up a pool for each person and unit.

        Returns
        -------
        One row per person (× ``episode_id`` in rules on stays) × ``unit_id`` with a service: ``visits``, ``dates``,
        ``allowed_usd`` and ``paid_usd`` in cents, ``episodes`` (whole numbers, times the windows' weights),
        ``first_date``, ``last_date``, ``is_organization`` (false for competitors outside of all).
        """
        pool = rule.pools[name]
        specialties = specialties_in_force(rule, pool.clinicians, self.year) if pool.clinicians else None
        needs_dates = rule.signal == "distinct_dates"
        chosen = selection(rule, pool.services, self.year) if pool.services else pool.stay_field
        placed = (rule.stays, rule.subject, pool.days_before_admission, pool.days_after_discharge)
        where = rule.window(pool.window) if rule.subject == "person" else placed
        key = (chosen, specialties, where, rule.unit, needs_dates)
        if key in self._kept:
            return self._kept[key]
        if pool.stay_field:
            return self.kept(key, self._from_stays(rule, pool))
        rows = self.services(rule, pool, specialties)
        return self.kept(key, _added_up(rows, rule, needs_dates=needs_dates))

    def services(self, rule: Rule, pool: Pool, specialties: frozenset[str] | None) -> ir.Table:
        """Services of a pool: days of its selection with ``unit_id`` and ``times``, the window's weight."""
        rows = self.days(self.number(rule, pool.services))
        if specialties is not None:
            rows = rows.filter(_.specialty_code.isin(sorted(specialties)))
        rows = rows.select(
            "person_id",
            "npi",
            "tin",
            "ccn",
            "service_date",
            "done",
            "allowed",
            paid=_.paid if self._asks_for_paid else ibis.literal(0, "int64"),
        )
        rows = self._in_windows(rows, rule, pool) if rule.subject == "person" else self._in_stays(rows, rule, pool)
        return self._with_unit(rows, rule).filter(_.unit_id.notnull())

    def _in_windows(self, rows: ir.Table, rule: Rule, pool: Pool) -> ir.Table:
        times = [
            ibis.ifelse(rows.service_date.between(*window.days(self.period)), window.weight, 0)
            for window in rule.window(pool.window)
        ]
        return rows.mutate(times=functools.reduce(operator.add, times).cast("int64")).filter(_.times > 0)

    def _in_stays(self, rows: ir.Table, rule: Rule, pool: Pool) -> ir.Table:
        subjects = self.subjects(rule)
        before = ibis.interval(days=pool.days_before_admission)
        after = ibis.interval(days=pool.days_after_discharge)
        spans = subjects.select(
            "person_id",
            "episode_id",
            from_day=(_.first_day - before).cast("date"),
            to_day=(_.last_day + after).cast("date"),
        )
        joined = rows.join(
            spans,
            [
                rows.person_id == spans.person_id,
                rows.service_date >= spans.from_day,
                rows.service_date <= spans.to_day,
            ],
        )
        return joined.drop("person_id_right", "from_day", "to_day").mutate(times=ibis.literal(1, "int64"))

    def _with_unit(self, rows: ir.Table, rule: Rule) -> ir.Table:
        if rule.unit == "organization":
            return self._with_organization(rows, rule)
        unit = rows.tin + "/" + rows.npi if rule.unit == "tin_npi" else rows[rule.unit]
        return rows.mutate(unit_id=unit, is_organization=ibis.literal(True))  # noqa: FBT003

    def _with_organization(self, rows: ir.Table, rule: Rule) -> ir.Table:
        """An organization as a whole competes with every other and with every taxpayer number outside singly.

        Services of a participant of several organizations count for none (42 CFR 425.400(a)(2)(iii)).
        """
        listed = self.participants(rule)
        kinds = {
            ("tin", "npi"): listed.filter(_.tin.notnull(), _.npi.notnull()),
            ("tin",): listed.filter(_.tin.notnull(), _.npi.isnull()),
            ("ccn",): listed.filter(_.ccn.notnull(), _.tin.isnull()),
        }
        for keys, some in kinds.items():
            name = "_".join(keys)
            by_key = some.group_by(*keys).agg(
                **{f"by_{name}": _.organization_id.min(), f"several_{name}": _.organization_id.nunique() > 1}
            )
            rows = rows.left_join(by_key, list(keys)).drop(*(f"{key}_right" for key in keys))
        is_shared = ibis.coalesce(_.several_tin_npi, _.several_tin, _.several_ccn, ibis.literal(False))  # noqa: FBT003
        organization = ibis.coalesce(_.by_tin_npi, _.by_tin, _.by_ccn)
        return (
            rows.filter(~is_shared)
            .mutate(organization_id=organization)
            .mutate(
                unit_id=ibis.coalesce(_.organization_id, _OTHER_TIN + _.tin, _OTHER_CCN + _.ccn),
                is_organization=_.organization_id.notnull(),
            )
        )

    def participants(self, rule: Rule) -> ir.Table:
        """List of participants on the period's first day."""
        listed = self.events.demand("participant", rule)
        on = self.period.start
        return listed.filter(_.start_date <= on, _.end_date.isnull() | (_.end_date >= on))

    def subjects(self, rule: Rule) -> ir.Table:
        """Stays, or transfer chains, that end in the period.

        Returns
        -------
        One row per ``person_id`` × ``episode_id``: ``first_day``, ``last_day``.
        """
        stays = self._stays(rule)
        return stays.group_by("person_id", "episode_id").agg(
            first_day=_.admission_date.min(), last_day=_.discharge_date.max()
        )

    def _stays(self, rule: Rule) -> ir.Table:
        stays = self.kept("stays", self.events.demand("stay", rule))
        if rule.stays and rule.stays.drg_codes:
            stays = stays.filter(_.drg_code.isin(rule.stays.drg_codes))
        if rule.subject == "stay":
            stays = stays.mutate(episode_id=_.stay_id, end_date=_.discharge_date)
        else:
            ends = stays.group_by("transfer_chain_id").agg(end_date=_.discharge_date.max())
            stays = stays.join(ends, "transfer_chain_id").mutate(episode_id=_.transfer_chain_id)
        return stays.filter(_.end_date.between(self.period.start, self.period.end))

    def _from_stays(self, rule: Rule, pool: Pool) -> ir.Table:
        rows = self._stays(rule).mutate(unit_id=_[pool.stay_field]).filter(_.unit_id.notnull())
        return rows.group_by("person_id", "episode_id", "unit_id").agg(
            visits=_.count().cast("int64"),
            episodes=_.count().cast("int64"),
            allowed_usd=whole_sum(in_units(_.allowed_amount, 2)),
            paid_usd=whole_sum(in_units(_.paid_amount, 2)),
            first_date=_.admission_date.min(),
            last_date=_.discharge_date.max(),
            is_organization=ibis.literal(True),  # noqa: FBT003
        )


def keys_of(rule: Rule) -> tuple[str, ...]:
    """Columns that name what a rule assigns."""
    return ("person_id",) if rule.subject == "person" else ("person_id", "episode_id")


def _added_up(rows: ir.Table, rule: Rule, *, needs_dates: bool) -> ir.Table:
    by = (*keys_of(rule), "unit_id")
    added = rows.group_by(*by).agg(
        visits=whole_sum(ibis.ifelse(_.done, _.times, 0)),
        allowed_usd=whole_sum(_.times * _.allowed),
        paid_usd=whole_sum(_.times * _.paid),
        first_date=_.service_date.min(where=_.done),
        last_date=_.service_date.max(where=_.done),
        is_organization=_.is_organization.max(),
    )
    if not needs_dates:
        return added
    days = rows.filter(_.done).group_by(*by, "service_date").agg(times=_.times.max())
    dates = days.group_by(*by).agg(distinct_dates=whole_sum(_.times))
    return added.join(dates, list(by))
