"""What a contract file may say: its sections and terms, and the form of each.

The JSON schema for editors is made from these classes. Conditions between terms are in ``term_checks.py``.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

PaymentModel = Literal["pay_for_quality", "upside_only", "two_sided", "capitation"]
Comparator = Literal["fixed", "state", "national", "prior"]
IDENTIFIER = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


def _number(value: Any, what: str) -> Decimal:
    """Read a number, or a text such as ``50 %``."""
    text = str(value).strip()
    try:
        number = Decimal(text.removesuffix("%").strip())
    except InvalidOperation:
        raise ValueError(f"'{text}' is not {what}") from None
    if not number.is_finite() or isinstance(value, bool):
        raise ValueError(f"'{text}' is not {what}")
    return number / 100 if text.endswith("%") else number


def _demand_decimals(number: Decimal, most: int) -> Decimal:
    if number != round(number, most):
        raise ValueError(f"{number:f} has more than {most} decimals")
    return number


def _share(value: Any) -> Decimal:
    number = _number(value, "a share such as 0.50 or 50 %")
    if not 0 <= number <= 1:
        hint = f"; for {number:f} percent write {number / 100:f}" if 1 < number <= 100 else ""
        raise ValueError(f"{number:f} is not a share between 0 and 1{hint}")
    return _demand_decimals(number, 6)


def _rate(value: Any) -> Decimal:
    number = _number(value, "a rate such as 0.035 or 3.5 %")
    if not -1 < number < 1:
        hint = f"; for {number:f} percent write {number / 100:f}" if abs(number) <= 100 else ""
        raise ValueError(f"{number:f} is not a rate between -1 and 1{hint}")
    return _demand_decimals(number, 6)


def _multiplier(value: Any) -> Decimal:
    number = _number(value, "a multiplier such as 0.5 or 1.8")
    if not 0 <= number < 10:
        raise ValueError(f"{number:f} is not a multiplier between 0 and 10")
    return _demand_decimals(number, 4)


def _score(value: Any) -> Decimal:
    return _demand_decimals(_share(value), 4)


def _amount(value: Any) -> Decimal:
    number = _number(value, "an amount of money such as 412.50")
    if not 0 <= number < 10**9:
        raise ValueError(f"{number:f} is not an amount between 0 and 1,000,000,000")
    return _demand_decimals(number, 2)


def _count(value: Any) -> int:
    number = _number(value, "a whole number")
    if number != int(number) or number < 0:
        raise ValueError(f"{number:f} is not a whole number of zero or more")
    return int(number)


_NUMBER_SCHEMA = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?[0-9.]+ ?%?$"}]}
Share = Annotated[Decimal, BeforeValidator(_share), WithJsonSchema(_NUMBER_SCHEMA)]
Score = Annotated[Decimal, BeforeValidator(_score), WithJsonSchema(_NUMBER_SCHEMA)]
Rate = Annotated[Decimal, BeforeValidator(_rate), WithJsonSchema(_NUMBER_SCHEMA)]
Multiplier = Annotated[Decimal, BeforeValidator(_multiplier), WithJsonSchema({"type": "number", "minimum": 0})]
Amount = Annotated[Decimal, BeforeValidator(_amount), WithJsonSchema({"type": "number", "minimum": 0})]
Count = Annotated[int, BeforeValidator(_count), WithJsonSchema({"type": "integer", "minimum": 0})]
Identifier = Annotated[str, Field(pattern=IDENTIFIER)]
Text = Annotated[str, Field(min_length=1)]
Year = Annotated[int, BeforeValidator(_count), Field(ge=2000, le=2100), WithJsonSchema({"type": "integer"})]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Cited(_Section):
    cite: str | None = Field(None, description="Section of the contract, for example 'Exhibit C, section 2'.")


class Parties(_Section):
    """Who contracts with whom."""

    payer: Text = Field(description="Health plan or government that pays.")
    contractor: Text = Field(description="Organization that is paid: ACO, IPA, hospital, clinic.")
    contractor_id: Identifier = Field(description="Its identifier in the results.")


class PerformancePeriod(_Section):
    """A year that is settled; baseline years are counted back from the year in which it ends."""

    first_day: date
    last_day: date


class Framework(_Cited):
    """A government's rules that the contract must keep."""

    name: Literal["new_york_medicaid_vbp"]
    level: Literal[0, 1, 2, 3] = Field(description="VBP level.")
    contract_year: Count = Field(1, description="How many years of this level, this one included.")


class Attribution(_Cited):
    """For whom the contractor answers. The members arrive attributed: the rule is recorded with the results."""

    rule: Text


class FromClaims(_Cited):
    """How the contract's numbers are counted where it is settled from claims; its measures then name the library's."""

    attribution_rule: Text = Field(description="Rule of 'openvbp attribute', or the path of a rule file.")
    units: list[Identifier] | None = Field(None, description="Units of the rule that are the contractor's; its own id.")
    practice_rule: Text = Field("plurality_primary_care_tin", description="Rule that gives members to practices.")
    clinician_rule: Text = Field("plurality_primary_care_npi", description="Rule that gives members to clinicians.")
    amounts: Literal["paid", "allowed"] = Field("paid", description="Which amounts of the claim lines are the cost.")
    includes_pharmacy: bool = False
    risk_model: Literal["demographic", "V22", "V24", "V28"] = Field(
        "demographic", description="Cost expected by age, sex, dual status and renal disease, or a CMS-HCC model."
    )


class Budget(_Cited):
    """What the care of the attributed members may cost: negotiated amounts, or experience carried forward."""

    unit: Literal["member_months", "episodes"] = "member_months"
    amounts: dict[Identifier, Amount] | None = Field(None, description="Population to amount per unit.")
    baseline_weights: dict[Year, Share] | None = Field(None, description="Baseline year to weight; together 1.")
    annual_trend: Rate | dict[Year, Rate] | None = Field(None, description="Growth of a year over the one before.")
    is_risk_adjusted: bool = Field(default=False, description="Whether the amount follows the risk score.")
    risk_score_change_cap: Share | None = Field(None, description="Largest change of the risk score that counts.")
    efficiency_modifier: Rate = Decimal(0)
    quality_modifier: Rate = Decimal(0)


class StopLoss(_Cited):
    """Costs of single members above a point that the payer bears."""

    attachment_point: Amount = Field(description="Cost of one member in a year above which it applies.")
    share_above: Share = Field(Decimal(1), description="Part of the costs above it that the payer bears.")
    premium_per_unit: Amount = Decimal(0)


class Corridor(_Section):
    """A band of savings or losses; it begins where the one before ends."""

    begins: Share | None = Field(None, alias="from", description="May be left out: where the one before ends.")
    ends: Share | None = Field(None, alias="to", description="Share of the budget; the last may have no end.")
    share: Share = Field(description="The contractor's share of what lies in the band.")


class Sharing(_Cited):
    """How savings, or losses, are shared."""

    minimum_rate: Share = Field(Decimal(0), description="Share of the budget that must be reached.")
    is_first_dollar: bool = Field(default=True, description="Whether, once the minimum is reached, all is shared.")
    corridors: list[Corridor] = Field(min_length=1, max_length=9)
    cap: Share | None = Field(None, description="Most that is paid or owed, as a share of the budget.")


class LadderStep(_Section):
    """From which quality score on which multiplier applies."""

    score: Score
    multiplier: Multiplier


class Ladder(_Cited):
    """Quality score to multiplier."""

    steps: list[LadderStep] = Field(min_length=1, max_length=20)
    between: Literal["step", "linear"] = "step"
    if_quality_worsens: Multiplier | None = Field(None, description="Multiplier if the score fell below last year's.")


class Measure(_Cited):
    """A quality measure of the contract."""

    name: str | None = None
    points: Multiplier = Decimal(1)
    is_lower_better: bool = False
    compared_with: Comparator = "fixed"
    target: Share | None = Field(None, description="Rate to reach, if compared with a fixed one.")
    minimum_denominator: Count = 1


class Quality(_Cited):
    """Measures, the gate, and what the score does to the money."""

    measures: dict[Identifier, Measure] = Field(min_length=1)
    gate: Score = Field(Decimal(0), description="Least score with which savings are shared.")
    savings_ladder: Ladder | None = None
    loss_ladder: Ladder | None = None
    earned_ladder: Ladder | None = Field(None, description="Part of the withhold or bonus that the score earns.")


class Withhold(_Cited):
    """Payments kept back until quality is known."""

    share: Share


class QualityBonus(_Cited):
    """Money on top for quality."""

    amount_per_unit: Amount


class Capitation(_Cited):
    """Terms of a prospective payment, apart from its amounts, which are the budget's."""

    administration_per_unit: Amount = Field(Decimal(0), description="Allowance for administration.")
    carried_deficit: Amount = Field(Decimal(0), description="Deficit of earlier periods still to be made up.")


class Criterion(_Section):
    """By what a pool is divided: parts of the pool, together 1."""

    equal: Share = Decimal(0)
    member_months: Share = Decimal(0)
    quality_weighted_member_months: Share = Decimal(0)


class Distribution(_Cited):
    """How what is earned goes down to practices and from them to clinicians."""

    retained_share: Share = Field(Decimal(0), description="Part that the contractor keeps.")
    practices: Criterion
    clinicians: Criterion | None = None
    are_losses_distributed: bool = False


class Contract(_Section):
    """A value-based contract between a payer and a contractor."""

    contract: Identifier
    title: Text
    parties: Parties
    currency: Literal["USD", "GBP", "EUR"] = "USD"
    performance_periods: dict[Identifier, PerformancePeriod] = Field(min_length=1)
    payment_model: PaymentModel
    framework: Framework | None = None
    attribution: Attribution
    claims: FromClaims | None = None
    budget: Budget
    stop_loss: StopLoss | None = None
    savings: Sharing | None = None
    losses: Sharing | None = None
    quality: Quality | None = None
    withhold: Withhold | None = None
    quality_bonus: QualityBonus | None = None
    capitation: Capitation | None = None
    distribution: Distribution | None = None
