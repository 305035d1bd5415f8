"""The design that is reviewed: its parameters, its facts, a contract's terms, and the data it is tried on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from openvbp.design_review.aspect import Evidence
from openvbp.errors import Problem, UsageError
from openvbp.exact_yaml import load_exact
from openvbp.parameters import CitedValue, Scenario
from openvbp.programs import program as find_program
from openvbp.programs.contract.contract_file import read_contract
from openvbp.programs.contract.terms import Contract
from openvbp.run_folder import RunFolder

CONTRACT = "contract"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Fact(_Strict):
    """What is known of a design apart from its numbers."""

    value: str
    cite: str = Field(min_length=1)
    unverified: bool = False
    note: str = ""


class Cliff(_Strict):
    """A parameter at which payment is not continuous."""

    parameter: str
    kind: str
    """``entry``: counts or does not; ``jump``: the amount jumps; ``rank``: one place decides; ``step``; ``kink``."""
    what: str
    moves_all: bool = False
    """Whether all that is at risk moves at once."""


class Losers(_Strict):
    """Why somebody must lose."""

    kind: str
    parameter: str
    what: str


class Cost(_Strict):
    """What taking part costs."""

    value: int
    per: str
    cite: str


class Construction(_Strict):
    """How a built-in program is made."""

    facts: dict[str, Fact]
    cliffs: list[Cliff] = []
    kinks: str = ""
    at_risk: str = ""
    """Parameter of the share of payments that is at risk."""
    losers: Losers | None = None
    minimum_cases: str = ""
    measures: str = ""
    """Parameter whose keys are the measures in force."""
    shrunken: list[str] = []
    """Beginnings of the names of measures whose published rates are shrunken: their spread tells no reliability."""
    cost_of_participation: Cost | None = None
    reward_base: str = ""


@dataclass(frozen=True)
class Design:
    """A program or contract in one period."""

    program_id: str
    title: str
    terms: Scenario
    """The parameters in force, each value with its citation."""
    facts: Mapping[str, Fact]
    construction: Construction | None
    """Of a built-in program; none where nothing is on record."""
    contract: Contract | None = None
    path: Path | None = None
    """The contract file."""
    run: RunFolder | None = None
    """A finished run on the user's data, or on made-up ones."""
    data: Path | None = None
    cost: float | None = None
    """What taking part costs in a period, in the design's currency, as the user gives it."""
    sizes: Sequence[int] = ()
    """Numbers of members for which chance is computed."""

    @property
    def currency(self) -> str:
        """Currency of the money."""
        if self.contract:
            return self.contract.currency
        return "GBP" if self.program_id == "qof" else "EUR" if self.program_id == "rosp" else "USD"

    @property
    def measures(self) -> set[str]:
        """Measures in force; empty where the terms do not list them."""
        if self.contract is not None:
            return set(self.contract.quality.measures) if self.contract.quality else set()
        name = self.construction.measures if self.construction else ""
        return {key for key, one in self.terms.keyed(name).items() if one} if name else set()

    def evidence(self, name: str, key: str = "") -> Evidence:
        """A parameter's value in force, with its citation; for one with several keys and no key given, all of them."""
        values = self.terms.parameters[name].values
        if key or "" in values:
            return _cited(f"{name}.{key}" if key else name, values[key])
        known = {one: cited for one, cited in values.items() if cited.value is not None}
        known = {one: cited for one, cited in known.items() if one in self.measures} or known
        shown = sorted({str(one.value) for one in known.values()})
        text = ", ".join(shown) if len(shown) <= 4 else f"{len(known)} values"
        cites = list(dict.fromkeys(one.cite for one in known.values()))
        more = f"; and {len(cites) - 2} more" if len(cites) > 2 else ""
        cite = "; ".join(cites[:2]) + more
        return Evidence(f"{name}.*", text or "none", cite, any(one.unverified for one in known.values()))

    def fact(self, name: str) -> Fact | None:
        """What is known; none where nothing is."""
        return self.facts.get(name)


def _cited(place: str, cited: CitedValue) -> Evidence:
    return Evidence(place, "none" if cited.value is None else str(cited.value), cited.cite, cited.unverified)


def of_fact(name: str, fact: Fact) -> Evidence:
    """A fact as evidence."""
    return Evidence(name, fact.value.replace("_", " "), fact.cite, fact.unverified)


def constructions() -> dict[str, Construction]:
    """How the built-in programs are made, by program."""
    content = files("openvbp.design_review").joinpath("designs.yaml").read_text(encoding="utf-8")
    return {name: Construction.model_validate(one) for name, one in load_exact(content).items()}


def open_design(name: str, period: str = "", *, run: RunFolder | None = None, **given: Any) -> Design:
    """Open a program by its name, or a contract by its file.

    Parameters
    ----------
    name
        ``hvbp``, ``qof``, ...; or the path of a contract file.
    period
        Its period; without one that of the run, a contract's only one, or a program's last.
    run
        A finished run of the same design.
    given
        Further fields of :class:`Design`.

    Raises
    ------
    UsageError
        If there is no such program, file or period, or the run is of another program or period.
    InputDataError
        If a term of the contract is wrong.
    """
    from openvbp.design_review.contract_facts import contract_facts

    program = find_program(name)
    declared = program.parameters
    if run is not None:
        _demand_same(run, program.program_id, declared.digest, name, period)
    is_contract = program.own_parameters is not None
    label = period or (run.record["period"] if run else "" if is_contract else declared.last_period)
    span = declared.period(label)
    terms = read_contract(Path(name)).terms if is_contract else None
    if program.program_id == CONTRACT and terms is None:
        what = "a contract is reviewed by its file"
        raise UsageError(Problem(what, "PROGRAM", "write for example: openvbp review examples/aco-contract.yaml"))
    construction = constructions().get(program.program_id)
    facts = contract_facts(terms, Path(name).name) if terms else construction.facts if construction else {}
    return Design(
        program.program_id,
        f"{declared.title} {span.label}",
        declared.in_force(span),
        facts,
        construction,
        terms,
        Path(name) if is_contract else None,
        run,
        **given,
    )


def _demand_same(run: RunFolder, program_id: str, digest: str, name: str, period: str) -> None:
    record = run.record
    if record["program"] != program_id:
        what = f"the run is of {record['program']}, the design is {name}"
        raise UsageError(Problem(what, str(run.path), "give a run of the same program or contract"))
    if program_id == CONTRACT and record["parameters_sha256"] != digest:
        what = "the run is of another contract, or of an earlier text of this one"
        raise UsageError(Problem(what, str(run.path), f"run {name} again, or leave --run out"))
    if period and record["period"] != period:
        what = f"the run is of {record['period']}, the review of {period}"
        raise UsageError(Problem(what, str(run.path), "give one period"))
