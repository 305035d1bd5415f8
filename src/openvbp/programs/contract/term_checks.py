"""Conditions between the terms of a contract: what contradicts, what is missing, what deserves a second look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from openvbp.programs.contract.terms import Budget, Contract, Corridor, Criterion, Ladder, Quality, Sharing

_ONE = Decimal(1)


@dataclass(frozen=True)
class Finding:
    """Something about a term that its form alone does not tell."""

    place: tuple[str | int, ...]
    what: str
    what_to_do: str
    is_error: bool = True


def findings(terms: Contract) -> list[Finding]:
    """Check a contract whose terms have the right form."""
    found = [*_payment_model(terms), *_periods(terms), *_budget(terms.budget)]
    for name in ("savings", "losses"):
        sharing: Sharing | None = getattr(terms, name)
        if sharing:
            found += _corridors(sharing.corridors, name)
    if terms.quality:
        found += _quality(terms.quality)
    found += _needs_quality(terms)
    if terms.distribution:
        found += _criterion(terms.distribution.practices, "practices")
        if terms.distribution.clinicians:
            found += _criterion(terms.distribution.clinicians, "clinicians")
    return found


def _payment_model(terms: Contract) -> Iterator[Finding]:
    """Which sections a payment model needs, and which contradict it."""
    model = terms.payment_model
    wanted = {
        "pay_for_quality": ((), ("savings", "losses", "capitation")),
        "upside_only": (("savings",), ("losses", "capitation")),
        "two_sided": (("savings", "losses"), ("capitation",)),
        "capitation": ((), ()),
    }[model]
    for name in wanted[0]:
        if getattr(terms, name) is None:
            yield Finding((name,), f"a contract of the model {model} needs this section", f"add '{name}:'")
    for name in wanted[1]:
        if getattr(terms, name) is not None:
            yield Finding(
                (name,), f"contradicts the model {model}", f"remove the section or change payment_model from {model}"
            )
    if model == "pay_for_quality" and not (terms.withhold or terms.quality_bonus):
        yield Finding(("payment_model",), "nothing is paid for quality", "add 'withhold:' or 'quality_bonus:'")


def _periods(terms: Contract) -> Iterator[Finding]:
    spans = sorted(terms.performance_periods.items(), key=lambda one: one[1].first_day)
    for label, span in spans:
        if span.last_day < span.first_day:
            yield Finding(("performance_periods", label), "ends before it begins", "give first_day before last_day")
    for (_before, one), (label, two) in pairwise(spans):
        if two.first_day <= one.last_day:
            yield Finding(("performance_periods", label), "overlaps the period before", "let periods follow each other")
        elif two.last_day.year == one.last_day.year:
            yield Finding(
                ("performance_periods", label), "ends in the same year as the period before", "one period a year"
            )


def _budget(budget: Budget) -> Iterator[Finding]:
    if (budget.amounts is None) == (budget.baseline_weights is None):
        what = "give either negotiated amounts or baseline_weights" + ("" if budget.amounts is None else ", not both")
        yield Finding(("budget",), what, "keep one of the two")
    if budget.amounts is not None:
        if not budget.amounts:
            yield Finding(("budget", "amounts"), "names no population", "give an amount for each population")
        if budget.annual_trend is not None:
            yield Finding(("budget", "annual_trend"), "negotiated amounts are not trended", "remove it")
        if any(amount == 0 for amount in budget.amounts.values()):
            yield Finding(("budget", "amounts"), "an amount is zero", "give what the unit may cost")
    weights = budget.baseline_weights
    if weights is not None and sum(weights.values()) != _ONE:
        yield Finding(
            ("budget", "baseline_weights"),
            f"the weights add up to {sum(weights.values()):f}, not to 1",
            "for thirds write 0.333333, 0.333333 and 0.333334",
        )
    if weights is not None and budget.annual_trend is None:
        yield Finding(("budget",), "annual_trend is missing", "write 'annual_trend: 0' if costs are not trended")
    if budget.risk_score_change_cap is not None and not budget.is_risk_adjusted:
        yield Finding(
            ("budget", "risk_score_change_cap"), "the budget is not risk-adjusted", "set is_risk_adjusted: true"
        )


def _corridors(corridors: Sequence[Corridor], name: str) -> Iterator[Finding]:
    """Corridors must follow each other from zero without gap or overlap."""
    expected: Decimal | None = Decimal(0)
    for number, one in enumerate(corridors):
        place = (name, "corridors", number)
        if expected is None:
            yield Finding(place, "follows a corridor without end", "give the corridor before it an end: 'to'")
            return
        begins = expected if one.begins is None else one.begins
        if begins > expected:
            yield Finding(place, f"leaves a gap from {expected:f} to {begins:f}", f"write 'from: {expected:f}'")
        if begins < expected:
            yield Finding(
                place, f"overlaps the corridor before it, which ends at {expected:f}", f"write 'from: {expected:f}'"
            )
        if one.ends is not None and one.ends <= begins:
            yield Finding(place, f"ends at {one.ends:f}, but begins at {begins:f}", "let it end above its begin")
        expected = one.ends
    if expected is not None:
        yield Finding(
            (name, "corridors"),
            f"nothing is said about {name} beyond {expected:f} of the budget: they are not shared",
            "leave it if that is meant, else add a corridor without 'to'",
            is_error=False,
        )


def _quality(quality: Quality) -> Iterator[Finding]:
    for name, measure in quality.measures.items():
        place = ("quality", "measures", name)
        if measure.compared_with == "fixed" and measure.target is None:
            yield Finding(place, "has no target", "give 'target', or 'compared_with: state', national or prior")
        if measure.compared_with != "fixed" and measure.target is not None:
            yield Finding((*place, "target"), f"is compared with the {measure.compared_with} rate", "remove target")
        if measure.points == 0:
            yield Finding((*place, "points"), "a measure without points does not count", "give points or remove it")
    for name in ("savings_ladder", "loss_ladder", "earned_ladder"):
        ladder: Ladder | None = getattr(quality, name)
        if ladder:
            yield from _ladder(ladder, name)


def _ladder(ladder: Ladder, name: str) -> Iterator[Finding]:
    place = ("quality", name, "steps")
    scores = [step.score for step in ladder.steps]
    if scores[0] != 0:
        yield Finding(place, f"nothing is said about scores below {scores[0]:f}", "begin with 'score: 0'")
    if any(two <= one for one, two in pairwise(scores)):
        yield Finding(place, "the scores do not rise from step to step", "order the steps by score")
    multipliers = [step.multiplier for step in ladder.steps]
    falls = any(two < one for one, two in pairwise(multipliers))
    rises = any(two > one for one, two in pairwise(multipliers))
    if (name == "loss_ladder" and rises) or (name != "loss_ladder" and falls):
        yield Finding(place, "better quality earns less", "order the multipliers so that quality is never punished")
    if name == "earned_ladder" and any(one > 1 for one in multipliers):
        yield Finding(place, "more than the whole can be earned", "give parts between 0 and 1")


def _needs_quality(terms: Contract) -> Iterator[Finding]:
    for name in ("withhold", "quality_bonus"):
        if getattr(terms, name) and not (terms.quality and terms.quality.earned_ladder):
            yield Finding(
                (name,), "nothing says which part quality earns", "add 'earned_ladder' to the section 'quality'"
            )
    if terms.quality and terms.quality.earned_ladder and not (terms.withhold or terms.quality_bonus):
        yield Finding(("quality", "earned_ladder"), "there is nothing to earn", "add 'withhold:' or 'quality_bonus:'")
    if terms.quality and terms.quality.loss_ladder and terms.losses is None:
        yield Finding(("quality", "loss_ladder"), "there are no losses to share", "remove it or add 'losses:'")


def _criterion(criterion: Criterion, name: str) -> Iterator[Finding]:
    total = criterion.equal + criterion.member_months + criterion.quality_weighted_member_months
    if total != _ONE:
        yield Finding(("distribution", name), f"the parts add up to {total:f}, not to 1", "let them add up to 1")
