"""A contract's terms as dated parameters, each with the place in the contract that it comes from.

So the same machinery serves laws and contracts: what-if changes, explanations, the record of a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from openvbp.errors import Problem, UsageError
from openvbp.parameters import CitedValue, DeclaredParameter, ParameterSet, Value
from openvbp.periods import Period
from openvbp.programs.contract.contract_file import ContractFile
from openvbp.programs.contract.terms import Contract, Criterion, Ladder, Sharing

CRITERIA = ("equal", "member_months", "quality_weighted_member_months")
LADDERS = ("savings_ladder", "loss_ladder", "earned_ladder")
_ALWAYS = date(1900, 1, 1)


@dataclass(frozen=True)
class ContractParameters(ParameterSet):
    """Parameters of a contract, whose periods the contract itself names."""

    spans: Mapping[str, Period] = field(default_factory=dict)

    def period(self, label: str) -> Period:
        """Find a performance period by its name; the only one if no name is given."""
        if not label and len(self.spans) == 1:
            return next(iter(self.spans.values()))
        if label not in self.spans:
            what = (
                f"the contract has no performance period '{label}'" if label else "which performance period is meant?"
            )
            raise UsageError(Problem(what, "--period", "choose one of: " + ", ".join(self.spans)))
        return self.spans[label]


@dataclass(frozen=True)
class _Term:
    """One value of the contract as a parameter."""

    name: str
    key: str
    by: str | None
    unit: str
    label: str
    value: Value
    place: str
    cite: str | None


def contract_parameters(file: ContractFile) -> ContractParameters:
    """Turn the terms of a contract into parameters."""
    dated: dict[str, tuple[DeclaredParameter, dict[str, dict[date, CitedValue]]]] = {}
    for term in _terms(file.terms):
        declared = DeclaredParameter(label=term.label, unit=term.unit, by=term.by)  # type: ignore[arg-type]
        values = dated.setdefault(term.name, (declared, {}))[1]
        cite = f"{file.path.name}, {term.place}" + (f" ({term.cite})" if term.cite else "")
        values[term.key] = {_ALWAYS: CitedValue(term.value, cite, None)}
    spans = {
        label: Period(label, span.first_day, span.last_day) for label, span in file.terms.performance_periods.items()
    }
    return ContractParameters(
        "contract",
        file.terms.title,
        {
            "contract": f"{file.terms.contract}: {file.terms.parties.payer} and {file.terms.parties.contractor}",
            "attribution": f"attribution: {file.terms.attribution.rule}",
        },
        "",
        next(iter(spans)),
        list(spans)[-1],
        file.sha256,
        dated,
        spans,
    )


def _terms(contract: Contract) -> Iterator[_Term]:
    money = contract.currency.lower()
    yield from _budget_terms(contract, money)
    # Who holds a capitation bears all of it, unless the contract has corridors.
    whole = Decimal(contract.payment_model == "capitation")
    yield from _sharing_terms(contract.savings, "savings", whole)
    yield from _sharing_terms(contract.losses, "losses", whole)
    yield from _quality_terms(contract)
    for section, name, unit, label in (
        ("withhold", "share", "ratio", "Share of the payments kept back until quality is known"),
        ("quality_bonus", "amount_per_unit", money, "Bonus per unit at full quality"),
        ("capitation", "administration_per_unit", money, "Allowance for administration per unit"),
        ("capitation", "carried_deficit", money, "Deficit of earlier periods still to be made up"),
    ):
        terms = getattr(contract, section)
        value = getattr(terms, name) if terms else Decimal(0)
        yield _Term(f"{section}_{name}", "", None, unit, label, value, f"{section}.{name}", terms and terms.cite)
    yield from _distribution_terms(contract)


def _budget_terms(contract: Contract, money: str) -> Iterator[_Term]:
    budget, stop_loss = contract.budget, contract.stop_loss
    for population, amount in (budget.amounts or {}).items():
        label = "Negotiated amount per unit"
        yield _Term("amount_per_unit", population, "population", money, label, amount, "budget.amounts", budget.cite)
    for year, weight in (budget.baseline_weights or {}).items():
        label = "Weight of the baseline year"
        place = "budget.baseline_weights"
        yield _Term("baseline_weight", str(year), "year", "ratio", label, weight, place, budget.cite)
    for year, trend in _trends(contract).items():
        label = "Growth of the year over the one before"
        yield _Term("annual_trend", str(year), "year", "rate", label, trend, "budget.annual_trend", budget.cite)
    for name, unit, label in (
        ("is_risk_adjusted", "flag", "Whether the budget follows the risk score"),
        ("risk_score_change_cap", "ratio", "Largest change of the risk score that counts"),
        ("efficiency_modifier", "rate", "Change of the budget for efficiency"),
        ("quality_modifier", "rate", "Change of the budget for quality"),
    ):
        yield _Term(name, "", None, unit, label, getattr(budget, name), f"budget.{name}", budget.cite)
    for name, unit, label, none in (
        ("attachment_point", money, "Cost of one member in a year above which stop loss applies", None),
        ("share_above", "ratio", "Part of the costs above the attachment point that the payer bears", Decimal(0)),
        ("premium_per_unit", money, "Stop-loss premium per unit", Decimal(0)),
    ):
        value = getattr(stop_loss, name) if stop_loss else none
        cite = stop_loss.cite if stop_loss else None
        yield _Term(f"stop_loss_{name}", "", None, unit, label, value, f"stop_loss.{name}", cite)


def _trends(contract: Contract) -> dict[int, Decimal]:
    """Growth by year, for every year from the second baseline year to the last performance year."""
    budget = contract.budget
    if not budget.baseline_weights or budget.annual_trend is None:
        return {}
    last = max(span.last_day.year for span in contract.performance_periods.values())
    years = range(min(budget.baseline_weights) + 1, last + 1)
    if isinstance(budget.annual_trend, dict):
        return dict(budget.annual_trend)
    return dict.fromkeys(years, budget.annual_trend)


def _sharing_terms(sharing: Sharing | None, name: str, otherwise: Decimal) -> Iterator[_Term]:
    """Minimum, corridors and cap; without the section one share holds from the first dollar."""
    cite = sharing.cite if sharing else None
    corridors: Sequence[tuple[Decimal | None, Decimal]] = (
        [(one.ends, one.share) for one in sharing.corridors] if sharing else [(None, otherwise)]
    )
    for number, (ends, share) in enumerate(corridors, 1):
        place = f"{name}.corridors, entry {number}"
        label = f"Where the corridor of {name} ends, as a share of the budget"
        yield _Term(f"{name}_corridor_end", str(number), "corridor", "ratio", label, ends, place, cite)
        label = f"The contractor's share of the {name} in the corridor"
        yield _Term(f"{name}_corridor_share", str(number), "corridor", "ratio", label, share, place, cite)
    for term, unit, label, none in (
        ("minimum_rate", "ratio", f"Least {name} that are shared, as a share of the budget", Decimal(0)),
        ("is_first_dollar", "flag", f"Whether {name} are shared from the first dollar once the minimum is met", True),
        ("cap", "ratio", f"Most {name} that are paid or owed, as a share of the budget", None),
    ):
        value = getattr(sharing, term) if sharing else none
        parameter = f"is_{name}_first_dollar" if term == "is_first_dollar" else f"{name}_{term}"
        yield _Term(parameter, "", None, unit, label, value, f"{name}.{term}", cite)


def _quality_terms(contract: Contract) -> Iterator[_Term]:
    quality = contract.quality
    gate = quality.gate if quality else Decimal(0)
    label = "Least quality score with which savings are shared"
    yield _Term("quality_gate", "", None, "ratio", label, gate, "quality.gate", quality.cite if quality else None)
    for name in LADDERS:
        ladder: Ladder | None = getattr(quality, name) if quality else None
        yield from _ladder_terms(ladder, name)
    for measure_id, measure in (quality.measures if quality else {}).items():
        for term, unit, label in (
            ("points", "points", "Points that the measure gives"),
            ("is_lower_better", "flag", "Whether a lower rate is better"),
            ("compared_with", "identifier", "What the rate is compared with"),
            ("target", "ratio", "Rate to reach"),
            ("minimum_denominator", "count", "Cases that the measure needs"),
        ):
            value = getattr(measure, term)
            value = Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value
            place = f"quality.measures.{measure_id}.{term}"
            yield _Term(f"measure_{term}", measure_id, "measure_id", unit, label, value, place, measure.cite)


def _ladder_terms(ladder: Ladder | None, name: str) -> Iterator[_Term]:
    """Without a ladder quality changes nothing."""
    cite = ladder.cite if ladder else None
    steps = [(step.score, step.multiplier) for step in ladder.steps] if ladder else [(Decimal(0), Decimal(1))]
    for number, (score, multiplier) in enumerate(steps, 1):
        place = f"quality.{name}.steps, entry {number}"
        label = "Quality score from which the step applies"
        yield _Term(f"{name}_score", str(number), "step", "ratio", label, score, place, cite)
        label = "Multiplier of the step"
        yield _Term(f"{name}_multiplier", str(number), "step", "multiplier", label, multiplier, place, cite)
    label = "Whether the multiplier rises in a line between the steps"
    is_linear = bool(ladder and ladder.between == "linear")
    yield _Term(f"is_{name}_linear", "", None, "flag", label, is_linear, f"quality.{name}.between", cite)
    label = "Multiplier if the quality score fell below last year's"
    worse = ladder.if_quality_worsens if ladder else None
    yield _Term(f"{name}_if_worse", "", None, "multiplier", label, worse, f"quality.{name}.if_quality_worsens", cite)


def _distribution_terms(contract: Contract) -> Iterator[_Term]:
    terms = contract.distribution
    if terms is None:
        return
    label = "Part of what is earned that the contractor keeps"
    place = "distribution.retained_share"
    yield _Term("retained_share", "", None, "ratio", label, terms.retained_share, place, terms.cite)
    label = "Whether practices bear the losses too"
    place = "distribution.are_losses_distributed"
    yield _Term("are_losses_distributed", "", None, "flag", label, terms.are_losses_distributed, place, terms.cite)
    for name in ("practices", "clinicians"):
        criterion: Criterion | None = getattr(terms, name)
        for part in CRITERIA if criterion else ():
            label = f"Part of the pool divided among {name} by this criterion"
            place = f"distribution.{name}.{part}"
            yield _Term(
                f"{name}_criterion", part, "criterion", "ratio", label, getattr(criterion, part), place, terms.cite
            )
