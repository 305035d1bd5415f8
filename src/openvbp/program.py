"""What a program must provide so that the pipeline can run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import ibis.expr.types as ir
import pyarrow as pa

from openvbp.engine import Engine
from openvbp.parameters import ParameterSet, Scenario, load_parameters
from openvbp.rules import Rule


@dataclass(frozen=True)
class InputFile:
    """An input file as the run record lists it."""

    name: str
    sha256: str
    used_for: str
    rows: int
    accepted_rows: int
    rejected_rows: int


@dataclass(frozen=True)
class Check:
    """A fact about a run that a careful reader wants to know: never silent, never fatal."""

    name: str
    count: int
    meaning: str
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class ProgramInputs:
    """Published inputs of a program, read but not yet computed with."""

    files: Sequence[InputFile]
    rules_in_force: Scenario
    """Scenario ``actual``: the parameters of the period, completed by what the files themselves publish."""
    content: Any
    """Whatever the program's stages need of the files."""
    checks: Sequence[Check] = ()


@dataclass
class RunContext:
    """What a stage gets to work with."""

    engine: Engine
    inputs: ProgramInputs
    scenarios: Sequence[Scenario]
    """All scenarios; the first is ``actual``."""
    detailed: Sequence[Scenario]
    """Those whose measures, domains and steps are kept, not only their scores and payments."""
    tables: dict[str, ir.Table] = field(default_factory=dict)
    """Tables of earlier stages, by path below the run folder without the suffix."""


@dataclass(frozen=True)
class Stage:
    """A part of a run whose tables are written together and not computed again while its inputs stay."""

    name: str
    compute: Callable[[RunContext], Mapping[str, ir.Table]]


@dataclass(frozen=True)
class Settlement:
    """How a settlement can be gone through again with some of its values replaced, for audits and restatements."""

    table: str
    """Table of a finished run, by path below the run folder: scenario × provider (× domain), with every input,
    parameter and computed quantity as a column."""
    rules: Sequence[Rule]
    """The rules from the inputs to the outcome, in order; those in force in the period are applied."""
    outcome: str
    """The quantity that is the money: what the provider gets, below zero what it owes."""
    spending: str
    """The quantity of what care cost."""
    budget: str
    """The quantity that spending is held against."""
    currency: str = "usd"
    refresh: Mapping[str, Callable[[ir.Table, ir.BooleanValue], ir.Table]] = field(default_factory=dict)
    """Quantity to a function that brings columns derived from it in line where it has been replaced."""
    derived: Sequence[str] = ()
    """Further columns of the table that are made from others: no inputs."""
    goes_with: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Input to columns that were looked up by it: where another settlement's input is tried, they are tried with it."""
    results_among_inputs: Sequence[str] = ()
    """Inputs that repeat a computed result as it is printed: a statement is held against the result instead."""
    private_inputs: Sequence[str] = ()
    """Inputs that the payer knows and the public does not: taken from its statement where they are missing."""
    implied_by_spending: Sequence[str] = ()
    """Inputs that repeat what follows from spending and must give way where another spending is tried."""
    bounds: Callable[[ir.Table], tuple[ir.Value, ir.Value]] | None = None
    """Lowest and highest outcome that the inputs allow where they do not determine it."""


@dataclass(frozen=True)
class DeclaredPoints:
    """How a measure's points follow from its rate, as the rule says."""

    points: Decimal
    """Points of a provider that gets all."""
    lower: Decimal | None = None
    """Rate in percent up to which there are none; ``None`` where points do not rise with the rate."""
    upper: Decimal | None = None
    """Rate in percent from which there are all."""
    is_all_or_nothing: bool = False
    """Whether there are all points or none: for what is done or not done."""


DepartureKind = Literal["thresholds", "points", "without_patients", "row"]
"""Other thresholds than declared, other points available, points without a patient, a provider's points set by hand."""


@dataclass(frozen=True)
class KnownDeparture:
    """A departure of published points from the declared rule that is on record already."""

    kind: DepartureKind
    measure_id: str
    why: str
    provider_id: str | None = None
    """``None`` where it holds for every provider of the measure."""


@dataclass(frozen=True)
class PublishedPoints:
    """Published points by measure beside the rule that is declared for them, for audits of the thresholds."""

    rows: pa.Table
    """Provider × measure: ``provider_id``, ``measure_id``; ``numerator``, ``denominator``, ``population`` (the whole
    register) as whole numbers, null where not given; ``is_masked`` where the counts are withheld; ``points`` and
    ``maximum_points`` as text with the printed decimals, empty or null where not given."""
    rejected_rows: int
    """Rows of the files that cannot be used."""
    declared: Mapping[str, DeclaredPoints]
    """The rule's schedule of each measure."""
    known: Sequence[KnownDeparture] = ()


@dataclass(frozen=True)
class OwnFile:
    """The user's own file that a program was made of, a contract: runs keep it."""

    name: str
    """What the file calls the contract: unique among the contracts of its user."""
    file_name: str
    content: bytes


Bounds = Callable[[str], tuple[Decimal | None, Decimal | None]]
"""Of a measure or quantity: lowest and highest possible value."""


def share(_name: str) -> tuple[Decimal | None, Decimal | None]:
    """Bounds of a rate of cases: 0 to 1."""
    return Decimal(0), Decimal(1)


def not_negative(_name: str) -> tuple[Decimal | None, Decimal | None]:
    """Bounds of an amount of money that cannot be below zero."""
    return Decimal(0), None


@dataclass(frozen=True)
class DrawnColumn:
    """A column of a program's inputs that draws replace: rates of measures, or one quantity of each provider."""

    table: str
    """Table that the first stage writes, by path, or table of the inputs, by attribute; where rows name a provider, it
    is ``provider_id``."""
    column: str
    bounds: Bounds
    quantity: str | None = None
    """Name under which draws give the quantity, followed by the values of ``by`` in brackets: ``expenditures``,
    ``expenditures[medicaid 2024]``. ``None`` for rates, whose draws are named by measure."""
    by: Sequence[str] = ("measure_id",)
    """Columns that name the row of a provider."""
    denominator: str | None = None
    """Where the rate is a quotient of whole numbers, the column that divides ``column``."""
    is_pooled: Callable[[ir.Table], ir.BooleanValue] | None = None
    """Of rows: whether these numbers are added up over measures, so that their sizes matter. ``None``: of no row."""
    supersedes: Sequence[str] = ()
    """Further columns from which the input would be computed, or that repeat it: emptied where another value is drawn.
    Of inputs that are no quotients."""
    decides: Callable[[ir.Table], ir.BooleanValue] | None = None
    """Of measure results: whether anything follows from the rate. ``None`` where it always does."""
    all_cases: int | None = None
    """Rate of a provider all of whose cases meet a measure (1, or 100 percent), where the run gives the cases: what is
    known of the true rate then follows from them."""


@dataclass(frozen=True)
class DrawnInput:
    """The inputs of a program whose uncertainty can be carried into its payments."""

    columns: Sequence[DrawnColumn]
    component_id: str
    """The payment component that is the money."""
    is_share_of_payments: bool = True
    """Whether the component's rate is a share of a provider's payments; else its amount is what is shown."""
    is_of_one_account: bool = False
    """Whether there is one account, whose inputs decide what all providers of the run get."""
    is_shrunken_ratio: bool = False
    """Whether the rate of a measure result is a ratio of predicted over expected events, with the expected rate and the
    number of cases beside it, so that its uncertainty follows from them."""

    def bounds(self, name: str) -> tuple[Decimal | None, Decimal | None]:
        """Lowest and highest possible value of what draws call by a name: a measure, or a quantity with its place."""
        quantity = name.partition("[")[0]
        named = {one.quantity: one for one in self.columns}
        column = named.get(quantity) or named.get(None)
        return column.bounds(name) if column else (None, None)


@dataclass(frozen=True)
class Program:
    """A pay-for-performance program."""

    program_id: str
    folder: Path
    """Where ``parameters.yaml``, ``catalogue.yaml`` and ``README.md`` are."""
    read: Callable[[Path, Scenario], ProgramInputs]
    stages: Sequence[Stage]
    read_published_values: Callable[[Path, str], pa.Table]
    """From a folder (or file) and a period's name: the published results in long form (provider_id, quantity,
    measure_id, domain_id, source, text), for comparison with the steps of the same quantity."""
    verified_against: Sequence[str]
    not_modelled: Sequence[str]
    tolerances: Mapping[str, Decimal] = field(default_factory=dict)
    """Quantity to largest accepted difference from the published value, where published inputs are rounded; all
    others must be equal at the published number of decimals."""
    settlement: Settlement | None = None
    """For programs that settle an account of each provider."""
    read_published_points: Callable[[Path, Scenario], PublishedPoints] | None = None
    """From the folder of published files, for programs whose publisher gives numerators, denominators and points."""
    drawn_input: DrawnInput | None = None
    """For programs whose payments follow from inputs that may be drawn."""
    why_not_drawn: str = ""
    """For all other programs: the reason."""
    own_parameters: ParameterSet | None = None
    """The parameters, where they are not those of the folder: the terms of a contract file."""
    own_file: OwnFile | None = None
    """The contract file."""

    @property
    def parameters(self) -> ParameterSet:
        """The dated parameters."""
        return self.own_parameters or load_parameters(self.parameters_file)

    @property
    def parameters_file(self) -> Path:
        """The program's dated parameters."""
        return self.folder / "parameters.yaml"
