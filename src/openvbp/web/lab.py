"""What if: a program's own rules with some parameters changed, on the inputs of a finished run."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import yaml

from openvbp.errors import InputDataError, OpenvbpError, Problem, UsageError
from openvbp.exact_yaml import load_exact
from openvbp.parameters import Scenario
from openvbp.pipeline import WHAT_IF
from openvbp.program import Program, ProgramInputs, RunContext
from openvbp.programs import CONTRACT_TERMS, program_of
from openvbp.results import main_component
from openvbp.run_folder import COUNTED, RunFolder
from openvbp.scenarios import override
from openvbp.web.contract_lab import contract_totals
from openvbp.web.hospital_lab import hospital_totals
from openvbp.web.lab_engine import LabEngine

HANDED_DOWN = "distribution_to_"
"""Begin of the names of payment components that are parts of another provider's."""
REMEMBERED = 64
"""Answers that are kept."""

Tables = Mapping[str, ir.Table]


@dataclass(frozen=True)
class Reform:
    """Changed parameters, and what is assumed beside them under both rules."""

    changes: tuple[tuple[str, str], ...]
    assumed: tuple[tuple[str, str], ...] = ()
    """What is not public but needed, held the same before and after: the slope of an exchange function, for example."""


@dataclass(frozen=True)
class ProviderOutcome:
    """What a provider gets under one set of rules."""

    score: Decimal | None
    rate: Decimal | None
    amount: Decimal | None
    status: str
    is_part: bool = False
    """Whether the amount is a part of another's: what a contractor hands down. Sums leave it out."""


@dataclass(frozen=True)
class Answer:
    """Every provider under the rules in force and under the reform."""

    before: Mapping[str, ProviderOutcome]
    after: Mapping[str, ProviderOutcome]
    seconds: float
    """Time of the server for what was not known before."""


class Lab:
    """A program, its inputs in memory, and its rules ready to be applied with other parameters.

    Parameters
    ----------
    run
        The finished run whose inputs are meant.
    data
        Folder of the input files of the run.

    Raises
    ------
    InputDataError
        If the files are not those of the run.
    """

    def __init__(self, run: RunFolder, data: Path, threads: int | None = None) -> None:
        self.program = program_of(run)
        parameters = self.program.parameters
        self.inputs = self.program.read(data, parameters.in_force(parameters.period(run.record["period"])))
        _demand_same_files(run, self.inputs, data)
        self._component, self._parts = _components(run)
        self._engine = LabEngine(threads)
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[tuple[str, str], ...], dict[str, ProviderOutcome]] = OrderedDict()
        totals = _TOTALS.get(self.program.program_id, _all_stages)
        self._totals = totals(self.program, self._engine, self.inputs)

    @property
    def rules_in_force(self) -> Scenario:
        """The parameters of the run's period, completed by what its files publish."""
        return self.inputs.rules_in_force

    def answer(self, reform: Reform) -> Answer:
        """Compute what every provider gets before and after.

        Raises
        ------
        UsageError, InputDataError
            If a parameter does not exist, a value is impossible, or nothing can be computed with it.
        """
        started = time.perf_counter()
        with self._lock:
            before = self._outcomes(reform.assumed)
            after = self._outcomes((*reform.assumed, *reform.changes))
        return Answer(before, after, time.perf_counter() - started)

    def _outcomes(self, changes: tuple[tuple[str, str], ...]) -> dict[str, ProviderOutcome]:
        key = tuple(sorted(dict(changes).items()))
        if key in self._known:
            self._known.move_to_end(key)
            return self._known[key]
        scenario = override(self.rules_in_force, WHAT_IF, dict(changes))
        tables = self._totals(scenario)
        payments = tables["payment_result"]
        if self._component:
            payments = payments.filter(payments.component_id.isin([self._component, *self._parts]))
        paid = self._values(payments, ("component_id", "rate", "amount", "status"))
        scores = tables.get("provider_result")
        scored = {} if scores is None else self._values(scores, ("score", "status"))
        self._known[key] = {one: self._outcome(paid.get(one), scored.get(one)) for one in sorted({*paid, *scored})}
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return self._known[key]

    def _outcome(self, paid: tuple[Any, ...] | None, scored: tuple[Any, ...] | None) -> ProviderOutcome:
        component, rate, amount, *_ = paid or (None, None, None)
        status = (scored or paid or ("",))[-1]
        return ProviderOutcome(scored[0] if scored else None, rate, amount, status, component in self._parts)

    def _values(self, table: ir.Table, columns: Sequence[str]) -> dict[str, tuple[Any, ...]]:
        """Fetch columns by provider."""
        found = self._engine.to_arrow(table.select("provider_id", *columns)).to_pydict()
        return dict(zip(found["provider_id"], zip(*(found[name] for name in columns), strict=True), strict=True))

    def close(self) -> None:
        """Release the engine's memory."""
        self._engine.close()


def _all_stages(program: Program, engine: LabEngine, inputs: ProgramInputs) -> Callable[[Scenario], Tables]:
    """Apply all stages of any program."""

    def totals(scenario: Scenario) -> Tables:
        context = RunContext(engine, inputs, [scenario], [scenario])
        for stage in program.stages:
            context.tables.update(stage.compute(context))
        found = {name: context.tables.get(f"results/{name}") for name in ("provider_result", "payment_result")}
        if found["payment_result"] is None:
            raise UsageError(
                Problem(f"{program.program_id} pays nothing by itself", "the lab", "look at its scores instead")
            )
        return {name: table for name, table in found.items() if table is not None}

    return totals


_TOTALS = {"contract": contract_totals, "hvbp": hospital_totals}
"""Shorter ways to scores and payments, by program."""


def _components(run: RunFolder) -> tuple[str, tuple[str, ...]]:
    """Name the payment component that is compared, and those that hand it down."""
    if "payment_result" not in run.tables:
        return "", ()
    known = set(run.read("payment_result")["component_id"].to_pylist())
    return main_component(known), tuple(one for one in sorted(known) if one.startswith(HANDED_DOWN))


def _demand_same_files(run: RunFolder, inputs: ProgramInputs, data: Path) -> None:
    recorded = {(file["name"], file["sha256"]) for file in run.record["input_files"] if file["used_for"] != "ignored"}
    found = {(file.name, file.sha256) for file in inputs.files if file.used_for != "ignored"}
    if recorded != found:
        examples = tuple(sorted(name for name, _ in recorded ^ found))
        raise InputDataError(
            Problem(
                "the files are not those of the run",
                str(data),
                "give the folder of the run's --data",
                len(examples),
                examples[:3],
            )
        )


def find_data(run: RunFolder, folders: Sequence[Path]) -> Path:
    """Find the folder that holds the input files of a run.

    It is looked for among those given, that of the run's own command, and what the run itself has counted from claims.

    Raises
    ------
    UsageError
        If none does.
    """
    elsewhere = ("ignored", CONTRACT_TERMS)
    wanted = {file["name"] for file in run.record["input_files"] if file["used_for"] not in elsewhere}
    command = run.record.get("command") or []
    own = [Path(command[at + 1]) for at, word in enumerate(command[:-1]) if word == "--data"]
    for folder in [*folders, *own, run.path / COUNTED]:
        if all((folder / name).is_file() for name in wanted):
            return folder
    raise UsageError(
        Problem(
            "the run's input files are not at hand, so its rules cannot be applied again",
            f"{run.record['title']} {run.record['period']}",
            "start 'openvbp serve' with --data FOLDER, the folder that the run was made from",
        )
    )


def read_reform(path: Path) -> Reform:
    """Read a reform that the lab wrote as YAML: ``set`` and, where something is assumed, ``given``.

    Raises
    ------
    UsageError
        If the file is no such YAML.
    """
    try:
        content = load_exact(path.read_bytes())
        parts = [
            tuple((str(key), str(value)) for key, value in (content.get(name) or {}).items())
            for name in ("set", "given")
        ]
    except (OSError, ValueError, AttributeError, yaml.YAMLError) as error:
        what_to_do = "copy the YAML of the lab's page into the file"
        raise UsageError(Problem("the reform cannot be read", str(path), what_to_do)) from error
    unknown = sorted(set(content) - {"program", "period", "set", "given"})
    if unknown or not parts[0]:
        what = f"unknown keys {', '.join(unknown)}" if unknown else "nothing is set"
        raise UsageError(Problem(what, str(path), "write program, period, set and, where needed, given"))
    return Reform(*parts)


class Labs:
    """The labs of the runs that are served, each made when it is first asked for."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        self.folders = tuple(folders)
        self._labs: dict[Path, Lab | OpenvbpError] = {}
        self._lock = threading.Lock()

    def of(self, run: RunFolder) -> Lab:
        """Give the lab of a run.

        Raises
        ------
        UsageError, InputDataError
            If there can be none; said again whenever it is asked for.
        """
        with self._lock:
            if run.path not in self._labs:
                try:
                    self._labs[run.path] = Lab(run, find_data(run, self.folders))
                except OpenvbpError as error:
                    self._labs[run.path] = error
            found = self._labs[run.path]
        if isinstance(found, OpenvbpError):
            raise type(found)(found.problems)
        return found
