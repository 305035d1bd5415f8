"""A government's rules that a contract must keep: New York's Medicaid VBP levels.

What defines a level is demanded. Guidelines that the roadmap gives (its appendix has not been read, so they are
unverified) are only compared: a contract that differs is settled as it is written, with a warning. No guideline value
ever enters a settlement; a contract that wants one writes it down.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

from openvbp.parameters import Scenario, load_parameters
from openvbp.periods import Period
from openvbp.programs.contract.term_checks import Finding
from openvbp.programs.contract.terms import Contract, Sharing

_LEVEL = ("framework", "level")
_MODELS = {0: ("pay_for_quality",), 1: ("upside_only",), 2: ("two_sided",), 3: ("capitation",)}
_DEFINITIONS = {
    0: "level 0 pays fee for service with a bonus or withhold for quality only",
    1: "level 1 shares savings only",
    2: "level 2 shares savings and losses",
    3: "level 3 is a prospective amount per member per month or per episode",
}


def framework_findings(terms: Contract) -> list[Finding]:
    """Compare a contract with the framework that it says it follows."""
    if terms.framework is None:
        return []
    first_day = min(span.first_day for span in terms.performance_periods.values())
    rules = load_parameters(Path(__file__).parent / "parameters.yaml")
    in_force = rules.in_force(Period("contract", first_day, first_day))
    if not in_force.parameters["level_counts_as_vbp"].values:
        what = f"the roadmap had no levels before {date(2015, 7, 1)}"
        return [Finding(_LEVEL, what, "correct the performance period or remove the framework")]
    return [*_definition(terms, in_force), *_guidelines(terms, in_force)]


def _definition(terms: Contract, rules: Scenario) -> Iterator[Finding]:
    level = terms.framework.level if terms.framework else 0
    cite = rules.cited("level_counts_as_vbp", str(level)).cite
    if terms.payment_model not in _MODELS[level]:
        what = f"{_DEFINITIONS[level]}, but payment_model is {terms.payment_model} ({cite})"
        yield Finding(_LEVEL, what, f"write payment_model: {_MODELS[level][0]}, or another level")
    if terms.quality is None:
        yield Finding(("framework",), f"every level ties payment to outcomes ({cite})", "add the section 'quality'")
    if level == 3 and terms.withhold is None and terms.quality_bonus is None:
        what = f"level 3 needs an outcome-based component ({cite})"
        yield Finding(_LEVEL, what, "add 'withhold:' or 'quality_bonus:' with quality.earned_ladder")
    if not rules.value("level_counts_as_vbp", str(level)):
        yield Finding(
            _LEVEL, f"level {level} does not count as value-based payment ({cite})", "nothing", is_error=False
        )


def _guidelines(terms: Contract, rules: Scenario) -> Iterator[Finding]:
    level = str(terms.framework.level) if terms.framework else ""
    if terms.losses and level == "2":
        yield from _least_losses(terms, terms.losses, rules)
    for section, parameter in ((terms.savings, "guideline_savings_share"), (terms.losses, "guideline_loss_share")):
        name = parameter.split("_")[1].replace("loss", "losses")
        guideline = rules.value(parameter, level)
        if section and guideline is not None and _first_share(section) != guideline:
            what = f"the first corridor's share is {_first_share(section):f}, the roadmap's guideline {guideline:f}"
            yield _guideline((name, "corridors"), what, rules, parameter, level)


def _least_losses(terms: Contract, losses: Sharing, rules: Scenario) -> Iterator[Finding]:
    least = rules.value("level_2_least_loss_share")
    if _first_share(losses) < least:
        what = f"the contractor bears {_first_share(losses):f} of the losses, the roadmap asks for at least {least:f}"
        yield _guideline(("losses", "corridors"), what, rules, "level_2_least_loss_share", "")
    year = str(min(terms.framework.contract_year if terms.framework else 1, 2))
    cap = rules.value("level_2_least_loss_cap", year)
    if losses.cap is not None and losses.cap < cap:
        what = f"losses are capped at {losses.cap:f} of the budget, the roadmap asks for at least {cap:f}"
        yield _guideline(("losses", "cap"), what, rules, "level_2_least_loss_cap", year)


def _first_share(sharing: Sharing) -> Decimal:
    return next((one.share for one in sharing.corridors if one.share > 0), Decimal(0))


def _guideline(place: tuple[str, ...], what: str, rules: Scenario, parameter: str, key: str) -> Finding:
    cited = rules.cited(parameter, key)
    source = f"{cited.cite}; not verified" if cited.unverified else cited.cite
    return Finding(place, f"{what} ({source})", "leave it if the State approved it", is_error=False)
