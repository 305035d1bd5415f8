"""A contract's wide tables as the tables of the results model."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.programs.contract.compiled import LADDERS
from openvbp.programs.contract.distribution import DISTRIBUTION_RULES
from openvbp.programs.contract.inputs import ContractInputs
from openvbp.programs.contract.scenario_tables import sources, term_columns
from openvbp.programs.contract.settlement import BASELINE_RULES, MEASURE_RULES, settlement_rules
from openvbp.steps import Given, Source, StepGroup, step_rows

_NO_POINTS = ibis.null("decimal(18, 4)")
_NO_RATE = ibis.null("decimal(18, 10)")
_MEASURE_INPUTS = ("numerator", "denominator", "prior_rate", "state_rate", "national_rate")
_MEASURE_TERMS = ("points", "is_lower_better", "fixed_target", "minimum_denominator")
_EXPERIENCE = ("units", "expenditures", "risk_score", "completion_factor", "stop_loss_recoveries")
_OF_POPULATIONS = (
    "completed_expenditures",
    "net_expenditures",
    "amount_per_unit",
    "risk_ratio",
    "target_per_unit",
    "population_budget",
)
_BASELINE_INPUTS = (
    "baseline_units",
    "baseline_expenditures",
    "baseline_completion_factor",
    "baseline_stop_loss_recoveries",
    "year_risk_score",
    "baseline_weight",
    "trend_factor",
)
_BASELINE_SUMS = ("baseline_cost_per_unit", "baseline_risk_score")
_OF_SECTION: dict[str, tuple[str, ...]] = {
    "savings": (
        "savings_minimum_rate",
        "is_savings_first_dollar",
        "savings_cap",
        "is_minimum_savings_rate_met",
        "corridor_savings",
        "savings_multiplier",
        "earned_savings",
    ),
    "losses": (
        "losses_minimum_rate",
        "is_losses_first_dollar",
        "losses_cap",
        "is_minimum_loss_rate_met",
        "corridor_losses",
        "loss_multiplier",
        "owed_losses",
    ),
    "withhold": ("withhold_share", "withheld_amount", "withhold_returned"),
    "quality_bonus": ("quality_bonus_amount_per_unit", "quality_bonus"),
    "capitation": ("capitation_administration_per_unit", "capitation_carried_deficit"),
    "stop_loss": ("stop_loss_attachment_point", "stop_loss_share_above", "stop_loss_premium_per_unit"),
    "quality": ("quality_gate", "quality_score", "is_quality_worse", "savings_multiplier"),
    "savings_ladder": ("is_savings_ladder_linear", "savings_ladder_if_worse"),
    "loss_ladder": ("is_loss_ladder_linear", "loss_ladder_if_worse", "loss_multiplier"),
    "earned_ladder": ("is_earned_ladder_linear", "earned_ladder_if_worse", "earned_multiplier"),
}
_PARTS = ("criterion_share", "weight", "criterion_amount", "distributed_part")


def provider_table(content: ContractInputs, contractor: ir.Table, paid: ir.Table | None) -> ir.Table:
    """The contractor, and the practices and clinicians that its earnings go down to."""
    name, place = ibis.literal(content.terms.parties.contractor), ibis.literal("contractor")
    rows = contractor.select("provider_id", provider_name=name, provider_type=place, peer_group=ibis.null("string"))
    if paid is not None:
        participants = paid.select(
            "provider_id", "provider_name", provider_type=_.participant_type, peer_group=_.pool_owner
        )
        rows = ibis.union(rows, participants)
    return rows.distinct().mutate(
        state=ibis.null("string"),
        place=ibis.null("string"),
        dual_eligible_ratio=_NO_RATE,
        excluded_reason=ibis.null("string"),
    )


def measure_result(measures: ir.Table) -> ir.Table:
    """Quality measures as the hub's ``measure_result``; the benchmark is the rate to reach."""
    return measures.select(
        "scenario_id",
        "provider_id",
        "measure_id",
        "numerator",
        "denominator",
        "status",
        "status_reason",
        domain_id=ibis.null("string"),
        rate=_.measure_rate,
        expected=_NO_RATE,
        baseline_rate=_.prior_rate,
        threshold=_NO_RATE,
        benchmark=_.measure_target,
        achievement_points=_.earned_points,
        improvement_points=_NO_POINTS,
        points=_.earned_points,
        maximum_points=_.points,
    )


def provider_result(content: ContractInputs, contractor: ir.Table) -> ir.Table:
    """The savings rate, in percent of the budget, as the hub's score."""
    percent = money.exact(_.savings_rate.cast("decimal(16, 12)") * ibis.literal(100).cast("decimal(3, 0)"), 18, 12)
    known = contractor.status == "scored"
    return contractor.select(
        "scenario_id",
        "provider_id",
        "status",
        "status_reason",
        provider_name=ibis.literal(content.terms.parties.contractor),
        peer_group=ibis.null("string"),
        score=percent,
        rank=ibis.ifelse(known, ibis.literal(1, "int64"), ibis.null("int64")),
        percentile=ibis.ifelse(known, ibis.literal("1").cast("decimal(18, 10)"), _NO_RATE),
    )


def payment_result(content: ContractInputs, contractor: ir.Table, paid: ir.Table | None) -> ir.Table:
    """What is paid or owed, by component, and what each participant receives of it."""
    budget = contractor.target_budget
    flows = -contractor.retained_savings
    is_capitation = content.terms.payment_model == "capitation"
    shared = {
        "earned_savings": (contractor.gross_savings, contractor.earned_savings),
        "owed_losses": (contractor.gross_savings, -contractor.owed_losses),
    }
    absent = {"earned_savings": "savings", "owed_losses": "losses", "withhold_returned": "withhold"}
    components = {
        **({"risk_corridor": (contractor.gross_savings, flows)} if is_capitation else shared),
        "withhold_returned": (contractor.withheld_amount, contractor.withhold_returned),
        "quality_bonus": (budget, contractor.quality_bonus),
        "net": (budget, contractor.net_settlement),
    }
    components = {name: one for name, one in components.items() if absent.get(name, name) not in _absent(content)}
    rows = [
        _component(content, contractor, name, base.abs(), amount, _is_capped(contractor, name))
        for name, (base, amount) in components.items()
    ]
    if paid is not None:
        columns = ("scenario_id", "provider_id", "participant_type", "pool_amount", "distributed_amount")
        people = paid.select(*columns).distinct()
        known = people.distributed_amount.notnull()
        people = people.mutate(
            status=ibis.ifelse(known, "scored", "not_determinable"),
            status_reason=ibis.ifelse(known, ibis.null("string"), ibis.literal("the settlement is not determinable")),
        )
        never = ibis.literal(False)  # noqa: FBT003
        component = ibis.literal("distribution_to_") + people.participant_type
        rows.append(_component(content, people, component, people.pool_amount.abs(), people.distributed_amount, never))
    return ibis.union(*rows)


def _is_capped(contractor: ir.Table, name: str) -> ir.BooleanValue:
    """Whether the cap of the budget cut the amount: to the cent, it then is the cap."""
    cap = {"earned_savings": "savings_cap", "owed_losses": "losses_cap"}.get(name)
    if cap is None:
        return ibis.literal(False)  # noqa: FBT003
    limit = money.exact(contractor.target_budget.cast("decimal(28, 6)") * contractor[cap].cast("decimal(7, 6)"), 18, 2)
    return ((contractor[name] > 0) & (contractor[name] == limit)).fill_null(False)  # noqa: FBT003


def _component(
    content: ContractInputs,
    rows: ir.Table,
    component_id: str | ir.StringValue,
    base: ir.DecimalValue,
    amount: ir.DecimalValue,
    is_cap_applied: ir.BooleanValue,
) -> ir.Table:
    share = money.divide_half_up(money.in_units(amount.abs(), 2), money.in_units(base, 2))
    share = ibis.ifelse((base == 0) & (amount == 0), ibis.literal("0").cast(money.SCORE_TYPE), share)
    return rows.select(
        "scenario_id",
        "provider_id",
        "status",
        "status_reason",
        component_id=component_id if isinstance(component_id, ir.Value) else ibis.literal(component_id),
        base_amount=base,
        currency=ibis.literal(content.terms.currency),
        rate=ibis.ifelse(amount < 0, -share, share).cast("decimal(18, 16)"),
        amount=amount,
        is_cap_applied=is_cap_applied,
        factor=ibis.null("decimal(18, 10)"),
    )


def step_result(
    engine: Engine,
    content: ContractInputs,
    tables: dict[str, ir.Table],
    scenarios: Sequence[Scenario],
) -> ir.Table:
    """Every value of the settlement as the hub's ``step_result``; populations stand in the place of the domain.

    Parameters
    ----------
    tables
        ``contractor`` (one row), ``population``, and where the contract has them ``measure``, ``baseline``, ``paid``.
    """
    rules = [*MEASURE_RULES, *BASELINE_RULES, *settlement_rules(content), *DISTRIBUTION_RULES]
    left_out = _left_out(content)
    terms = [one for one, (_name, key) in term_columns(scenarios[0]).items() if not key]
    whole = [one.gives for one in settlement_rules(content) if one.gives not in _OF_POPULATIONS]
    whole = [one for one in (*terms, *whole) if one not in left_out]
    amounts = ("negotiated_amount",) if content.terms.budget.amounts else _BASELINE_SUMS
    experience = [one for one in _EXPERIENCE if one != "stop_loss_recoveries" or content.terms.stop_loss]
    used = ("payments_subject_to_withhold",) if content.terms.withhold else ()
    groups = [
        StepGroup(tables["contractor"], tuple(whole), "net_settlement"),
        StepGroup(tables["population"], (*experience, *amounts, *used, *_OF_POPULATIONS), ""),
    ]
    groups += _numbered_terms(tables["contractor"], scenarios[0], _absent(content))
    if "measure" in tables:
        computed = tuple(one.gives for one in MEASURE_RULES)
        groups.append(StepGroup(tables["measure"], (*_MEASURE_INPUTS, *_MEASURE_TERMS, *computed), "measure_rate"))
    if "baseline" in tables:
        unnoted = tables["baseline"].mutate(status_reason=ibis.null("string"))
        groups.append(StepGroup(unnoted, (*_BASELINE_INPUTS, "baseline_net_expenditures", "trended_cost_per_unit"), ""))
    if "paid" in tables:
        paid = tables["paid"].mutate(status_reason=ibis.null("string"))
        owned = paid.mutate(domain_id=_.pool_owner)
        groups.append(StepGroup(owned, _PARTS, ""))
        person = paid.select("scenario_id", "provider_id", "status_reason", "distributed_amount", "pool_amount")
        groups.append(StepGroup(person.distinct(), ("pool_amount", "distributed_amount"), ""))
    given = _given(content, scenarios[0])
    steps = step_rows(engine, groups, rules, given, [*sources(scenarios), *_input_sources(scenarios)])
    currency = content.terms.currency.lower()
    return steps.mutate(unit=ibis.ifelse(steps.unit == "usd", currency, steps.unit))


def _absent(content: ContractInputs) -> list[str]:
    """Sections and ladders that the contract does not have: they change nothing, so they explain nothing."""
    terms = content.terms
    holds_all = terms.payment_model == "capitation"
    has = {
        "savings": terms.savings is not None or holds_all,
        "losses": terms.losses is not None or holds_all,
        **{name: getattr(terms, name) is not None for name in ("withhold", "quality_bonus", "capitation", "stop_loss")},
        "quality": terms.quality is not None,
        **{name: bool(terms.quality and getattr(terms.quality, name)) for name in LADDERS},
    }
    return [name for name, is_there in has.items() if not is_there]


def _left_out(content: ContractInputs) -> set[str]:
    """Quantities of absent sections."""
    gone = {quantity for name in _absent(content) for quantity in _OF_SECTION[name]}
    quality = content.terms.quality
    ladders = [getattr(quality, name) for name in LADDERS] if quality else []
    if all(ladder is None or ladder.if_quality_worsens is None for ladder in ladders):
        gone.add("is_quality_worse")
    return gone


def _numbered_terms(contractor: ir.Table, scenario: Scenario, absent: Sequence[str]) -> list[StepGroup]:
    """Terms of each corridor and ladder step; its number stands in the place of the domain."""
    groups: dict[str, dict[str, str]] = {}
    for column, (name, key) in term_columns(scenario).items():
        if key and not name.startswith(tuple(absent)):
            groups.setdefault(f"{scenario.parameters[name].by} {key}", {})[name] = column
    return [
        StepGroup(
            contractor.select(
                "scenario_id",
                "provider_id",
                "status_reason",
                domain_id=ibis.literal(place),
                **{name: contractor[column] for name, column in columns.items()},
            ),
            tuple(columns),
            "",
        )
        for place, columns in groups.items()
    ]


def _given(content: ContractInputs, scenario: Scenario) -> list[Given]:
    """Quantities that no rule computes."""
    units = {"expenditures": "usd", "stop_loss_recoveries": "usd", "payments_subject_to_withhold": "usd"}
    units |= {"units": "count", "risk_score": "ratio", "year_risk_score": "ratio", "completion_factor": "multiplier"}
    units |= {f"baseline_{name}": units[name] for name in _EXPERIENCE if name != "risk_score"}
    units |= {"numerator": "count", "denominator": "count", "weight": "count", "pool_amount": "usd"}
    given = [Given(name, unit, "input") for name, unit in units.items()]
    given += [Given(name, "rate", "input") for name in ("prior_rate", "state_rate", "national_rate")]
    names = dict.fromkeys(name for name, _key in term_columns(scenario).values())
    given += [Given(name, scenario.parameters[name].unit, "parameter") for name in names]
    of_keys = {"points": "points", "is_lower_better": "flag", "fixed_target": "rate", "minimum_denominator": "count"}
    of_keys |= {"baseline_weight": "ratio", "trend_factor": "multiplier", "criterion_share": "ratio"}
    of_keys |= {"negotiated_amount": content.terms.currency.lower()}
    return [*given, *(Given(name, unit, "parameter") for name, unit in of_keys.items())]


def _input_sources(scenarios: Sequence[Scenario]) -> list[Source]:
    places = {
        **dict.fromkeys((*_EXPERIENCE, *_BASELINE_INPUTS[:5], "payments_subject_to_withhold"), "experience.csv"),
        **dict.fromkeys(_MEASURE_INPUTS, "quality.csv"),
        **dict.fromkeys(("stop_loss_recoveries", "baseline_stop_loss_recoveries"), "high_cost_members.csv"),
        "weight": "participants.csv",
    }
    return [Source(one.scenario_id, name, "", "", place) for one in scenarios for name, place in places.items()]
