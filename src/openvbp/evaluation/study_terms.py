"""What a study file may say: its sections and terms. The JSON schema for editors is made from these classes."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Design = Literal[
    "did", "ddd", "event", "cits", "imputation", "callaway_santanna", "synthetic", "sdid", "dose", "counts", "its"
]
Weights = Literal["none", "cases", "baseline_cases"]
Overlap = Literal["refuse", "undo", "keep"]
Extra = Literal["cr2", "wild", "permutation"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OtherFile(_Strict):
    """A column of another file, joined by provider."""

    file: str = Field(min_length=1)
    provider: str
    provider_pattern: str | None = None
    """Regular expression of which the first group is the provider's identifier, where a cell holds more."""
    column: str


class Exposure(_Strict):
    """What the people of each area are exposed to: the achievement of the providers with whom they are registered."""

    file: str = Field(min_length=1)
    """A row for each area and provider."""
    area: str
    """The panel's provider."""
    provider: str
    persons: str
    """Of the area, registered with the provider."""
    achievement: OtherFile


class Columns(_Strict):
    """Names of the columns of the panel."""

    provider: str
    condition: str | None = None
    """None where the panel has one condition."""
    start: str | None = None
    end: str | None = None
    period: str | None = None
    """Instead of start and end."""
    rate: str | None = None
    """Published rates, per hundred cases."""
    observed: str | None = None
    cases: str | None = None
    expected: str | None = None
    variance: str | None = None
    outcome: str | None = None
    """0 or 1, of rows that are cases."""
    group: str | None = None
    """Where groups are not told by the program's own rules."""
    first_treated: str | None = None
    """First treated period of providers that start at different times; empty where never."""

    @model_validator(mode="after")
    def _one_kind(self) -> Columns:
        kinds = [self.rate is not None, self.observed is not None, self.outcome is not None]
        if sum(kinds) != 1:
            raise ValueError("name one of rate (published), observed (counts) and outcome (a row per case)")
        if self.observed and not self.cases:
            raise ValueError("counts need the column of cases")
        if (self.period is None) == (self.start is None or self.end is None):
            raise ValueError("name either period, or start and end")
        return self


class Data(_Strict):
    """The panel."""

    file: str = Field(min_length=1)
    columns: Columns
    attributes: dict[str, str | OtherFile] = {}
    """Of providers, by name: a column of the panel, or of another file."""
    exposures: dict[str, Exposure] = {}
    """Attributes that are computed, by name; each may be a dose."""


class Outcome(_Strict):
    """What is compared."""

    name: str = Field(min_length=1)
    kind: Literal["rate", "risk_adjusted"] = "rate"
    unit: str = "percentage points"
    is_desirable: bool = False
    """Whether more is better: it is not, of deaths."""
    shrunken: bool = False
    """Whether rates were drawn toward their mean by a model (risk-standardized rates of CMS are)."""
    allow_shrunken: bool = False


class OwnGroups(_Strict):
    """Values of the group column, where the program does not tell whom it treats."""

    treated: tuple[str, ...] = Field(min_length=1)
    exempt: tuple[str, ...] = ()


class Onset(_Strict):
    """A day on which the program began to matter, in place of the program's own clock."""

    date: date
    cite: str = Field(min_length=1)


class Analysis(_Strict):
    """One estimate."""

    design: Design = "did"
    conditions: tuple[str, ...] = ()
    """None: all on which the program pays."""
    untouched: tuple[str, ...] = ()
    """Of triple differences: conditions that the program leaves alone."""
    compare: tuple[str, ...] = ()
    """Comparison groups taken together; none: all that the program exempts."""
    before: tuple[str, ...] = ()
    """Windows such as 2008-07..2011-06; none: all that end before onset."""
    after: tuple[str, ...] = ()
    """None: all that begin on or after onset."""
    overlap: Overlap = "refuse"
    """Of windows that share months: refuse them, undo what they do to a difference, or keep it as it is."""
    weights: Weights = "cases"
    cluster: str = "provider"
    """Or the name of an attribute."""
    sample: Literal["all", "worst_quartile"] = "all"
    minimum_cases: float = Field(default=0, ge=0)
    complete: bool = False
    """Only providers seen in every window."""
    dose: str | None = None
    """Attribute or exposure that is the dose, of designs dose and counts."""


class Variation(_Strict):
    """The main analysis but for the terms that are named."""

    label: str = Field(min_length=1)
    design: Design | None = None
    conditions: tuple[str, ...] | None = None
    untouched: tuple[str, ...] | None = None
    compare: tuple[str, ...] | None = None
    before: tuple[str, ...] | None = None
    after: tuple[str, ...] | None = None
    overlap: Overlap | None = None
    weights: Weights | None = None
    cluster: str | None = None
    sample: Literal["all", "worst_quartile"] | None = None
    minimum_cases: float | None = None
    complete: bool | None = None
    dose: str | None = None

    def of(self, main: Analysis) -> Analysis:
        """Give the analysis."""
        named = {name: value for name, value in self if name != "label" and value is not None}
        return main.model_copy(update=named)


class Curve(_Strict):
    """Choices that are crossed to a specification curve; a list that is not given holds the main analysis's choice."""

    conditions: tuple[tuple[str, ...], ...] = ()
    compare: tuple[tuple[str, ...], ...] = ()
    before: tuple[tuple[str, ...], ...] = ()
    after: tuple[tuple[str, ...], ...] = ()
    weights: tuple[Weights, ...] = ()
    cluster: tuple[str, ...] = ()
    sample: tuple[Literal["all", "worst_quartile"], ...] = ()
    minimum_cases: tuple[float, ...] = ()
    overlap: tuple[Overlap, ...] = ()
    smallest_group: int = Field(default=3, ge=2)
    """Units that each side needs for a specification to be estimated."""


class Study(_Strict):
    """A study of whether a program changed an outcome."""

    study: str = Field(min_length=1)
    program: str = Field(min_length=1)
    outcome: Outcome
    data: Data
    conditions: dict[str, str] = {}
    """Conditions of the panel, and the program's measure of each; an empty text where no program pays for it."""
    groups: OwnGroups | None = None
    clock: Literal["announced", "measured", "paid", "withdrawn"] = "measured"
    onset: Onset | None = None
    main: Analysis = Analysis()
    variations: tuple[Variation, ...] = ()
    curve: Curve | None = None
    equity: tuple[str, ...] = ()
    """Attributes by which effects among the treated are told apart."""
    infer: tuple[Extra, ...] = ()
    draws: int = Field(default=999, ge=99)
    seed: int = 1
    honest: tuple[float, ...] = (0.5, 1.0, 2.0)
    """Multiples of the largest deviation before onset that honest bounds allow after it."""
    bends: tuple[float, ...] = (0.0,)
    """Changes of a trend's slope, in the outcome's unit per window, that honest bounds allow from window to window;
    0: the straight line of the trend before is extrapolated."""


class Discontinuity(_Strict):
    """A program period's score, and an outcome some time later."""

    label: str = Field(min_length=1)
    period: str
    """Program period whose cutoff it is."""
    score: OtherFile
    outcome: OtherFile
    bandwidth: float | None = Field(default=None, gt=0)
    """None: of least mean squared error."""
    bias_bandwidth: float | None = Field(default=None, gt=0)
    keep_exempt: bool = False
    """Also providers that the program exempts, to compare with analyses that did not leave them out."""
    payment_slopes: tuple[float, float] | None = None
    """Of designs at a kink: change of payment per unit of the score, below and above it."""
    covariates: dict[str, OtherFile] = {}
    """What the program cannot have changed, as numbers known before it: a jump in them speaks against the design."""


class DiscontinuityStudy(_Strict):
    """A study at the cutoff of a program's own score."""

    study: str = Field(min_length=1)
    program: str = Field(min_length=1)
    outcome: Outcome
    design: Literal["rd", "rk"] = "rd"
    discontinuities: tuple[Discontinuity, ...] = Field(min_length=1)
    placebo_cutoffs: tuple[float, ...] | None = None
    """Distances from the cutoff at which nothing happens; none: the median of the scores on each side."""
    donut: tuple[float, ...] = ()
    """Distances from the cutoff within which providers are left out."""
