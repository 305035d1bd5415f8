"""A contract in plain words, so that both parties can see whether the file says what they meant."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from openvbp.programs.contract.contract_file import ContractFile
from openvbp.programs.contract.input_files import tables_of
from openvbp.programs.contract.terms import Budget, Contract, Criterion, Ladder, Quality, Sharing

_MODELS = {
    "pay_for_quality": "fee for service; quality alone earns money",
    "upside_only": "savings are shared, losses are the payer's",
    "two_sided": "savings and losses are shared",
    "capitation": "the contractor is paid in advance and bears the cost of care",
}


def in_words(file: ContractFile) -> str:
    """Write a checked contract as a reader would tell it, with what deserves a second look at the end."""
    lines = [f"{file.path}: every term is right", "", file.terms.title, *_sentences(file.terms)]
    wanted = ", ".join(table.file_name for table in tables_of(file.terms))
    lines += ["", f"To settle it: openvbp run {file.path} --data FOLDER --out RUN", f"FOLDER must hold: {wanted}"]
    if file.terms.claims:
        lines += ["or a claims folder, from which they are counted"]
    for one in file.warnings:
        lines += ["", f"look again: {one.what}", f"  where: {one.where}", f"  what to do: {one.what_to_do}"]
    return "\n".join(lines)


def _sentences(terms: Contract) -> Iterator[str]:
    spans = [f"{label} ({one.first_day} to {one.last_day})" for label, one in terms.performance_periods.items()]
    yield f"  parties: {terms.parties.payer} pays {terms.parties.contractor}; money in {terms.currency}"
    yield f"  periods: {', '.join(spans)}"
    yield f"  payment: {_MODELS[terms.payment_model]}"
    yield f"  members: {terms.attribution.rule}"
    if terms.claims:
        units = ", ".join(terms.claims.units or [terms.parties.contractor_id])
        yield (
            f"  from claims: members whom the rule {terms.claims.attribution_rule} gives to {units}; "
            f"{terms.claims.amounts} amounts{' with pharmacy' if terms.claims.includes_pharmacy else ''}; "
            f"risk by {terms.claims.risk_model}"
        )
    yield f"  budget: {_budget(terms.budget)}"
    if terms.stop_loss:
        yield (
            f"  stop loss: {_percent(terms.stop_loss.share_above)} of a member's costs above "
            f"{terms.stop_loss.attachment_point:,} a year, for {terms.stop_loss.premium_per_unit} per unit"
        )
    for name, sharing in (("savings", terms.savings), ("losses", terms.losses)):
        if sharing:
            yield f"  {name}: {_sharing(sharing, name)}"
    if terms.quality:
        yield f"  quality: {_quality(terms.quality)}"
    if terms.withhold:
        yield f"  withhold: {_percent(terms.withhold.share)} of the payments, returned by quality"
    if terms.quality_bonus:
        yield f"  bonus: {terms.quality_bonus.amount_per_unit} per unit, earned by quality"
    if terms.distribution:
        kept, by = _percent(terms.distribution.retained_share), _criterion(terms.distribution.practices)
        yield f"  distribution: the contractor keeps {kept}; practices share by {by}"
        if terms.distribution.clinicians:
            yield f"    clinicians of a practice share by {_criterion(terms.distribution.clinicians)}"


def _budget(budget: Budget) -> str:
    unit = "member month" if budget.unit == "member_months" else "episode"
    if budget.amounts:
        text = f"per {unit} " + ", ".join(f"{name} {amount}" for name, amount in budget.amounts.items())
    else:
        weights = [f"{year} ({_percent(weight)})" for year, weight in (budget.baseline_weights or {}).items()]
        text = f"cost per {unit} of {', '.join(weights)}, carried forward by the trend"
    if budget.is_risk_adjusted:
        cap = budget.risk_score_change_cap
        text += ", times the change of the risk score" + ("" if cap is None else f" up to {_percent(cap)}")
    for name, modifier in (("efficiency", budget.efficiency_modifier), ("quality", budget.quality_modifier)):
        if modifier:
            text += f", {_percent(modifier)} for {name}"
    return text


def _sharing(sharing: Sharing, name: str) -> str:
    parts, begins = [], Decimal(0)
    for one in sharing.corridors:
        span = f"beyond {_percent(begins)}" if one.ends is None else f"from {_percent(begins)} to {_percent(one.ends)}"
        parts.append(f"{_percent(one.share)} of {name} {span} of the budget")
        begins = one.ends or begins
    text = ", ".join(parts)
    if sharing.minimum_rate:
        dollar = "from the first dollar" if sharing.is_first_dollar else "only what is above"
        text += f"; once {_percent(sharing.minimum_rate)} is reached, {dollar}"
    return text + ("" if sharing.cap is None else f"; at most {_percent(sharing.cap)} of the budget")


def _quality(quality: Quality) -> str:
    points = sum((one.points for one in quality.measures.values()), Decimal(0))
    text = f"{len(quality.measures)} measures, {points.normalize():f} points"
    if quality.gate:
        text += f"; no savings below a score of {_percent(quality.gate)}"
    for name, ladder in (
        ("savings", quality.savings_ladder),
        ("losses", quality.loss_ladder),
        ("part earned", quality.earned_ladder),
    ):
        if ladder:
            text += f"; {name} {_ladder(ladder)}"
    return text


def _ladder(ladder: Ladder) -> str:
    joint = ", in a line" if ladder.between == "linear" else ""
    steps = [f"x {step.multiplier.normalize():f} from {_percent(step.score)}" for step in ladder.steps]
    worse = ladder.if_quality_worsens
    return ", ".join(steps) + joint + ("" if worse is None else f", x {worse.normalize():f} if quality worsens")


def _criterion(criterion: Criterion) -> str:
    parts = {name.replace("_", " "): share for name, share in criterion.model_dump().items() if share}
    return " and ".join(f"{name} ({_percent(share)})" for name, share in parts.items())


def _percent(share: Decimal) -> str:
    return f"{(share * 100).normalize():f} %"
