"""Facts of a contract, read from its terms: each with the place in the file that it comes from."""

from __future__ import annotations

from openvbp.attribution.rule_files import find_rule
from openvbp.design_review.design import Fact
from openvbp.errors import OpenvbpError
from openvbp.programs.contract.terms import Contract

_MONEY = {
    "pay_for_quality": "rewards_only",
    "upside_only": "rewards_only",
    "two_sided": "both_ways",
    "capitation": "both_ways",
}


def contract_facts(terms: Contract, file: str) -> dict[str, Fact]:
    """Say what the terms tell of a contract.

    Parameters
    ----------
    terms
        The contract.
    file
        Its file's name, for the citations.

    Returns
    -------
    Names and values as in ``designs.yaml``; what the file does not tell is not there.
    """

    def fact(value: str, place: str, note: str = "") -> Fact:
        return Fact(value=value, cite=f"{file}, {place}", note=note)

    facts = {
        "participation": fact("voluntary", "parties", "a contract is agreed"),
        "money": fact("withhold" if terms.withhold else _MONEY[terms.payment_model], "payment_model"),
        "unit": fact("organization", "parties.contractor"),
        "comparison": fact("absolute", "budget", "the contractor's own budget"),
        "sum": fact("savings_to_payer" if terms.withhold else "new_money", "payment_model"),
        "standards_known_before": fact(*_known_before(terms)),
        "quality_linked": fact("yes" if _links_quality(terms) else "no", "quality"),
        "reaches_clinicians": fact(
            "yes" if terms.distribution and terms.distribution.clinicians else "no", "distribution.clinicians"
        ),
    }
    if terms.quality:
        compared = {one.compared_with for one in terms.quality.measures.values()}
        facts["improvement"] = fact("yes" if "prior" in compared else "no", "quality.measures, compared_with")
    facts |= {name: fact(*one) for name, one in _risk(terms).items()}
    if terms.claims:
        facts["one_attribution"] = fact("yes", "claims.attribution_rule", "one rule for cost and quality")
        facts |= {name: fact(*one) for name, one in _rule_facts(terms.claims.attribution_rule).items()}
    return facts


def _known_before(terms: Contract) -> tuple[str, str]:
    measures = terms.quality.measures if terms.quality else {}
    later = [name for name, one in measures.items() if one.compared_with in ("state", "national")]
    return ("no", f"quality.measures.{later[0]}.compared_with") if later else ("yes", "budget and quality")


def _links_quality(terms: Contract) -> bool:
    quality = terms.quality
    return bool(
        quality and (quality.gate > 0 or quality.savings_ladder or quality.loss_ladder or quality.earned_ladder)
    )


def _risk(terms: Contract) -> dict[str, tuple[str, ...]]:
    if not terms.budget.is_risk_adjusted:
        nothing = ("no", "budget.is_risk_adjusted")
        return {"clinical_risk": nothing, "social_risk": ("none", "budget.is_risk_adjusted")}
    if terms.claims is None:
        return {"clinical_risk": ("yes", "budget.is_risk_adjusted", "by the risk score that is delivered")}
    model, place = terms.claims.risk_model, "claims.risk_model"
    social = ("register", place, "age, sex, dual status and renal disease")
    return {
        "clinical_risk": ("no" if model == "demographic" else "yes", place),
        "social_risk": social if model == "demographic" else ("register", place, "dual status is in the model"),
    }


def _rule_facts(name: str) -> dict[str, tuple[str, ...]]:
    """What the rule of attribution tells: whether only services before the period count, and who comes first."""
    place = "claims.attribution_rule"
    try:
        rule = find_rule(name)
    except OpenvbpError:
        return {}
    windows = [one for pool in rule.pools.values() for one in rule.window(pool.window)]
    is_prospective = all(one.last_month is not None and one.last_month < 0 for one in windows)
    first = any(one.source == "attestation" for one in rule.pre_emption)
    return {
        "attribution": ("prospective" if is_prospective else "retrospective", place, f"rule {rule.rule}"),
        "patient_choice_first": ("yes" if first else "no", place, f"pre-emption of rule {rule.rule}"),
    }
