"""Evaluates attribution rules: all rules of a run in one pass over the service lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.attribution.candidate_events import candidate_event_units
from openvbp.attribution.events import Events
from openvbp.attribution.outcomes import several_units, single_unit
from openvbp.attribution.pools import Pools, keys_of
from openvbp.attribution.population import eligible_persons
from openvbp.attribution.pre_emption import stated_units
from openvbp.attribution.rule import OpensIf, Rule, Step
from openvbp.engine import Engine
from openvbp.errors import Problem, UsageError
from openvbp.money import from_units
from openvbp.periods import Period

__all__ = ["Attribution", "Events", "attribute"]

_FULL_WEIGHT = "decimal(18, 12)"


@dataclass(frozen=True)
class Attribution:
    """Rules evaluated for a period."""

    engine: Engine
    period: Period
    tables: dict[str, ir.Table]
    """Rule to its rows of the table ``attribution``, each computed when it is read."""

    @property
    def table(self) -> ir.Table:
        """All rows, at the grain rule × person (× episode) × unit (see :func:`attribute`)."""
        tables = list(self.tables.values())
        return tables[0] if len(tables) == 1 else ibis.union(*tables, distinct=False)


def attribute(engine: Engine, events: Events, rules: Iterable[Rule], period: Period) -> Attribution:
    """Evaluate attribution rules.

    Parameters
    ----------
    engine
        Where to compute. The aggregate that the rules share is computed here, the rows of a rule when asked for.
    events
        Tables made from claims.
    rules
        Rules to evaluate.
    period
        Period of the rules' windows.

    Returns
    -------
    Table ``attribution``, one row per rule × person × unit, and one row for every person not assigned; in rules on
    stays one per episode: ``rule_id``; ``person_id``; ``episode_id`` (null in rules on persons); ``unit`` (kind) and
    ``unit_id``; ``step`` (0 where a statement came before claims); ``signal`` (visits, days or US dollars, times the
    windows' weights) and its ``share`` of all signal of the step; ``runner_up_unit_id`` and ``margin`` (signal less
    the runner-up's); ``weight``; ``span_start``, ``span_end``; ``reason`` (why not assigned; null if assigned) and
    ``detail`` (why not eligible).

    Reasons: ``not_eligible``, ``no_qualifying_service``, ``below_threshold``, ``outside_organizations`` (the winner is
    no organization), ``requirement_not_met`` (the winner lacks a required service), ``not_on_list``.

    Raises
    ------
    UsageError
        If a rule is given twice, or none.
    InputDataError
        If a rule needs a table that is absent.
    """
    rules = list(rules)
    names = [rule.rule for rule in rules]
    if not names or len(set(names)) < len(names):
        what = "no rule is given" if not names else "two rules have one name"
        raise UsageError(Problem(what, "--rule", "give rules with names of their own", examples=tuple(sorted(names))))
    pools = Pools(engine, events, period, rules)
    tables = {}
    for number, rule in enumerate(rules):
        rows = _rows(rule, pools)
        # An engine may have taken a narrower type for a view's column than Ibis says.
        tables[rule.rule] = engine.view(rows, f"{pools.name}_rule_{number}").cast(rows.schema())
    return Attribution(engine, period, tables)


def _rows(rule: Rule, pools: Pools) -> ir.Table:
    """Rows of the result for one rule."""
    subjects = _subjects(rule, pools)
    stated = stated_units(rule, pools)
    keys = keys_of(rule)
    if stated is not None:
        subjects = subjects.left_join(stated, "person_id").drop("person_id_right")
    else:
        subjects = subjects.mutate(stated_unit_id=ibis.null("string"), stated_from=ibis.null("date"))
        subjects = subjects.mutate(stated_until=ibis.null("date"))
    # Only persons without a statement, and only eligible ones, find their units.
    is_open = subjects.is_eligible & subjects.stated_unit_id.isnull()
    subjects = subjects.mutate(sought=ibis.ifelse(is_open, subjects.person_id, None))
    found = _found(rule, pools)
    if found is None:
        return _result(rule, subjects.mutate(**_NOTHING_FOUND))
    predicates = [subjects.sought == found.person_id, *(subjects[key] == found[key] for key in keys[1:])]
    joined = subjects.left_join(found, predicates).drop(*(f"{key}_right" for key in keys))
    return _result(rule, joined)


_NOTHING_FOUND = {
    "unit_id": ibis.null("string"),
    "step": ibis.null("int64"),
    "signal": ibis.null("int64"),
    "share": ibis.null(_FULL_WEIGHT),
    "runner_up_unit_id": ibis.null("string"),
    "margin": ibis.null("int64"),
    "weight": ibis.null(_FULL_WEIGHT),
    "failure": ibis.null("string"),
}


def _subjects(rule: Rule, pools: Pools) -> ir.Table:
    """What the rule assigns: persons, or episodes, with the days for which it does."""
    if rule.subject != "person":
        return pools.subjects(rule).mutate(is_eligible=ibis.literal(True), detail=ibis.null("string"))  # noqa: FBT003
    spans = [window.days(pools.period) for window in rule.window(rule.population.window)]
    first, last = min(first for first, _ in spans), max(last for _, last in spans)
    persons = eligible_persons(pools.months, rule.population, first, last)
    return pools.kept(("population", rule.population, first, last), persons).mutate(
        episode_id=ibis.null("string"),
        first_day=ibis.literal(pools.period.start),
        last_day=ibis.literal(pools.period.end),
    )


def _found(rule: Rule, pools: Pools) -> ir.Table | None:
    """Units found by services."""
    steps = rule.steps_in(pools.year)
    if not steps:
        return None
    if rule.candidate_events:
        return candidate_event_units(rule, pools)
    in_steps = [_in_step(rule, pools, number, step) for number, step in steps]
    candidates = in_steps[0] if len(in_steps) == 1 else ibis.union(*in_steps, distinct=False)
    candidates = candidates.filter(_.signal > 0, _.visits > 0)
    if rule.takes_several:
        return several_units(rule, candidates)
    required = {name: _units_of(pools.candidates(rule, name)) for _number, step in steps for name in step.requires}
    return single_unit(rule, steps, candidates, required)


def _in_step(rule: Rule, pools: Pools, number: int, step: Step) -> ir.Table:
    """Candidates of a step, of the persons for whom it is open."""
    candidates = pools.candidates(rule, step.pool)
    if step.closed_to_persons_with:
        served = pools.candidates(rule, step.closed_to_persons_with).filter(_.is_organization, _.visits > 0)
        candidates = candidates.anti_join(served.select("person_id").distinct(), "person_id")
    if step.opens_if:
        candidates = candidates.semi_join(_opened(rule, pools, step.pool, step.opens_if), "person_id")
    return candidates.select(
        *keys_of(rule),
        "unit_id",
        "is_organization",
        "visits",
        "allowed_usd",
        "paid_usd",
        "first_date",
        "last_date",
        signal=_[rule.signal],
        step=ibis.literal(number, "int64"),
    )


def _opened(rule: Rule, pools: Pools, name: str, opens_if: OpensIf) -> ir.Table:
    """Persons whose services of a pool are at least a share of another's."""
    part = pools.candidates(rule, name).group_by("person_id").agg(part=_[rule.signal].sum().cast("decimal(18, 0)"))
    whole = pools.candidates(rule, opens_if.share_of)
    whole = whole.group_by("person_id").agg(whole=_[rule.signal].sum().cast("decimal(18, 0)"))
    numerator, denominator = opens_if.at_least.as_integer_ratio()
    both = part.join(whole, "person_id")
    return both.filter(
        _.part.cast("int64") * denominator >= _.whole.cast("int64") * numerator, _.part.cast("int64") > 0
    ).select("person_id")


def _units_of(candidates: ir.Table) -> ir.Table:
    return candidates.filter(_.visits > 0).select("person_id", "unit_id").distinct()


def _result(rule: Rule, joined: ir.Table) -> ir.Table:
    """Give the rows the form of the result."""
    is_stated = joined.stated_unit_id.notnull() & joined.is_eligible
    is_found = joined.unit_id.notnull() & joined.failure.isnull()
    none_found = "no_qualifying_service" if rule.steps else "not_on_list"
    reason = ibis.cases(
        (~joined.is_eligible, "not_eligible"),
        (is_stated | is_found, ibis.null("string")),
        (joined.failure.notnull(), joined.failure),
        else_=none_found,
    )
    one = ibis.literal("1").cast(_FULL_WEIGHT)
    return joined.select(
        rule_id=ibis.literal(rule.rule),
        person_id=joined.person_id,
        episode_id=joined.episode_id,
        unit=ibis.literal(rule.unit),
        unit_id=ibis.cases((is_stated, joined.stated_unit_id), (is_found, joined.unit_id)),
        step=ibis.cases((is_stated, ibis.literal(0, "int64")), (is_found, joined.step)),
        signal=_as_amount(joined.signal, rule),
        share=joined.share,
        runner_up_unit_id=joined.runner_up_unit_id,
        margin=_as_amount(joined.margin, rule),
        weight=ibis.cases((is_stated, one), (is_found, joined.weight)),
        span_start=ibis.ifelse(is_stated, joined.stated_from, joined.first_day),
        span_end=ibis.ifelse(is_stated, joined.stated_until, joined.last_day),
        reason=reason,
        detail=joined.detail,
    )


def _as_amount(units: ir.IntegerValue, rule: Rule) -> ir.DecimalValue:
    return from_units(units, 2) if rule.signal.endswith("_usd") else units.cast("decimal(18, 2)")
