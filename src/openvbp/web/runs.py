"""Runs as the pages see them: result tables in memory, small counts withheld, rows of a provider found at once."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.parameters import ACTUAL
from openvbp.programs import program_ids
from openvbp.reporting.disclosure import SMALLEST_CELL, withhold
from openvbp.results import main_component, results_model
from openvbp.run_folder import COUNTED, RECORD, RunFolder, open_run

RESERVED = (
    *("audit", "compare", "evaluate", "lab", "law", "overlap", "sign-in", "sign-out", "static", "openapi", "docs"),
    *("index", "find", "openvbp-site"),
)
"""First parts of addresses that belong to pages, with any ending: no contract may have them as its name."""

_RECORDED = (
    "program",
    "title",
    "period",
    "period_start",
    "period_end",
    "authority",
    "scenarios",
    "rows",
    "input_files",
)
_RECORDED_TOO = ("checks", "versions", "parameters_sha256", "stages", "input_rows")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")


def address_part(text: str) -> str:
    """Write a period or an identifier so that it can be a part of an address.

    Examples
    --------
    >>> address_part("2015/16")
    '2015-16'
    """
    return _UNSAFE.sub("-", text)


class HeldRun(RunFolder):
    """A finished run whose result tables are held in memory: of these rows, and no others, pages are made."""

    def __init__(self, path: Path, record: dict[str, Any], held: Mapping[str, pa.Table]) -> None:
        super().__init__(path, record)
        object.__setattr__(self, "held", held)
        object.__setattr__(self, "_places", {name: _places(table) for name, table in held.items()})

    held: Mapping[str, pa.Table]
    _places: Mapping[str, Mapping[tuple[str, ...], tuple[int, int]]]
    # One is another: what is made of it is remembered.
    __hash__ = object.__hash__  # type: ignore[assignment]
    __eq__ = object.__eq__  # type: ignore[assignment]

    @property
    def tables(self) -> list[str]:
        """Names of the result tables."""
        return list(self.held)

    def read(self, name: str, **equal: str) -> pa.Table:
        """Read a result table, or only the rows whose columns equal the given values."""
        if name not in self.held:
            self.table_path(name)
        table = self.held[name]
        key = tuple(equal[one] for one in _key(table) if one in equal)
        if len(key) == len(_key(table)):
            table = table.slice(*self._places[name].get(key, (0, 0)))
            equal = {column: value for column, value in equal.items() if column not in _key(table)}
        for column, value in equal.items():
            table = table.filter(pc.field(column) == value)
        return table

    def rows(self, name: str, **equal: str) -> list[dict[str, Any]]:
        """Read rows as mappings; none where the run has no such table."""
        return self.read(name, **equal).to_pylist() if name in self.held else []


def _key(table: pa.Table) -> list[str]:
    return [one for one in ("scenario_id", "provider_id") if one in table.column_names]


def _places(table: pa.Table) -> dict[tuple[str, ...], tuple[int, int]]:
    """Find where the rows of each scenario and provider begin and how many they are: tables are written in this order.

    Raises
    ------
    ValueError
        If the rows of one provider do not stand together.
    """
    columns = [table[one].to_pylist() for one in _key(table)]
    found: dict[tuple[str, ...], tuple[int, int]] = {}
    start, previous = 0, None
    for number, key in enumerate(zip(*columns, strict=True)):
        if key != previous:
            if key in found:
                raise ValueError(f"rows of {key} do not stand together")
            start, previous = number, key
        found[key] = (start, number + 1 - start)
    return found


@dataclass(frozen=True, eq=False)
class ServedRun:
    """A run that is served: what everybody may see of it, and what only some may."""

    name: str
    """Program, or contract, and period as a part of an address."""
    full: HeldRun
    public: HeldRun
    suppressed_cells: int

    @property
    def record(self) -> dict[str, Any]:
        """Content of ``run.json``."""
        return self.full.record

    @property
    def program(self) -> str:
        """The program's name, or the contract's own: the first part of the run's addresses."""
        return _program_name(self.record)

    @property
    def argument(self) -> str:
        """What 'openvbp run' takes: the program's name, or the contract's file."""
        return Path(self.record["contract"]["file"]).name if self.is_contract else self.record["program"]

    @property
    def is_contract(self) -> bool:
        """Whether the terms are those of a contract, not of a program of the law."""
        return "contract" in self.record

    @property
    def is_from_claims(self) -> bool:
        """Whether the tables that a contract was settled from were counted from claims in the same run."""
        return self.is_contract and (self.full.path / COUNTED).is_dir()

    @property
    def period(self) -> str:
        """The period's name as a part of an address."""
        return address_part(self.record["period"])

    @property
    def address(self) -> str:
        """Address of the league table."""
        return f"/{self.program}/{self.period}/"

    @functools.cached_property
    def scenarios(self) -> list[str]:
        """Scenarios whose measures and steps were kept, the rules in force first."""
        name = "step_result" if "step_result" in self.full.held else "payment_result"
        known = set(pc.unique(self.full.held[name]["scenario_id"]).to_pylist())
        return [one for one in self.record["scenarios"] if one in known]

    def demand_scenario(self, scenario_id: str) -> str:
        """Raise a ``UsageError`` if the run has no such scenario in detail."""
        if scenario_id not in self.scenarios:
            raise UsageError(
                Problem(
                    f"the run has no scenario '{scenario_id}'",
                    f"{self.record['title']} {self.record['period']}",
                    "choose one of: " + ", ".join(self.scenarios),
                )
            )
        return scenario_id

    @functools.cached_property
    def providers(self) -> dict[str, dict[str, Any]]:
        """Providers by identifier."""
        return {row["provider_id"]: row for row in self.full.rows("provider")}

    @functools.cached_property
    def provider_of_address(self) -> dict[str, str]:
        """Identifier of a provider by its part of an address."""
        return {address_part(one): one for one in self.providers}

    @functools.cached_property
    def currency(self) -> str:
        """Currency of the payments, such as ``USD``; empty where there are none."""
        table = self.full.held.get("payment_result")
        return table["currency"][0].as_py() if table is not None and table.num_rows else ""

    @functools.cached_property
    def main_component(self) -> str:
        """The payment component that is all money of the period; empty where the program pays nothing."""
        table = self.full.held.get("payment_result")
        return main_component(set(table["component_id"].to_pylist())) if table is not None else ""

    @functools.cached_property
    def is_higher_better(self) -> bool | None:
        """Whether money goes to high scores; ``None`` where scores and payments do not tell."""
        scores = {row["provider_id"]: row["score"] for row in self.full.rows("provider_result") if _is_actual(row)}
        pairs = [
            (float(row["rate"]), float(scores[row["provider_id"]]))
            for row in self.full.rows("payment_result")
            if _is_actual(row) and row["component_id"] == self.main_component
            if row["rate"] is not None and scores.get(row["provider_id"]) is not None
        ]
        return _is_rising(pairs)


def _program_name(record: Mapping[str, Any]) -> str:
    return record["contract"]["name"] if "contract" in record else record["program"]


def _is_actual(row: Mapping[str, Any]) -> bool:
    return row["scenario_id"] == ACTUAL


def _is_rising(pairs: Sequence[tuple[float, float]]) -> bool | None:
    if len({rate for rate, _ in pairs}) < 2:
        return None
    rates, scores = ([pair[at] for pair in pairs] for at in (0, 1))
    middle_rate, middle_score = sum(rates) / len(rates), sum(scores) / len(scores)
    product = sum((rate - middle_rate) * (score - middle_score) for rate, score in pairs)
    return None if product == 0 else product > 0


def serve_run(path: Path, smallest_cell: int = SMALLEST_CELL) -> ServedRun:
    """Read a finished run and make of it what may be shown to everybody.

    Parameters
    ----------
    path
        Folder of a finished run.
    smallest_cell
        The smallest count of patients that everybody may see.

    Raises
    ------
    UsageError
        If the folder is no finished run.
    InputDataError
        If it was written by another version, or is damaged.
    """
    if (path / ".openvbp").is_file() and not (path / RECORD).is_file():
        raise UsageError(
            Problem("the run is not finished", str(path), "run the same 'openvbp run' command again; it goes on there")
        )
    run = open_run(path)
    problems = [*_record_problems(run)] or [*_table_problems(run)]
    if problems:
        raise InputDataError(problems)
    # Rows are found by scenario and provider, in whatever order a program wrote them.
    tables = {name: _in_order(run.read(name)) for name in run.tables}
    public = withhold(tables, smallest_cell)
    name = f"{_program_name(run.record)}-{address_part(run.record['period'])}"
    return ServedRun(
        name,
        HeldRun(path, run.record, tables),
        HeldRun(path, run.record, public.tables),
        sum(public.suppressed.values()),
    )


def _in_order(table: pa.Table) -> pa.Table:
    order = [*_key(table), *(one for one in ("step_number", "domain_id", "measure_id") if one in table.column_names)]
    return table.sort_by([(one, "ascending") for one in order])


def _record_problems(run: RunFolder) -> Iterable[Problem]:
    if not isinstance(run.record, dict):
        yield Problem("the record is damaged", str(run.path / RECORD), "run again into a new folder")
        return
    of_contract = ("contract",) if run.record.get("program") == "contract" else ()
    missing = [name for name in (*_RECORDED, *_RECORDED_TOO, *of_contract) if name not in run.record]
    if missing:
        yield Problem(
            "the run was written by another version: its record lacks " + ", ".join(missing),
            str(run.path / RECORD),
            "run again with this version into a new folder",
        )
    elif of_contract:
        yield from _contract_problems(run)


def _contract_problems(run: RunFolder) -> Iterable[Problem]:
    """Say if the contract's name cannot be the first part of an address, since a page or a program has it."""
    name = _program_name(run.record)
    is_page = name.casefold().partition(".")[0] in RESERVED
    if is_page or name.casefold() in program_ids():
        yield Problem(
            f"the contract is called '{name}', which is the address of a {'page' if is_page else 'program'}",
            str(run.path),
            f"give it another name in its file ('contract: {name}-plan', for example) and run it again",
        )


def _table_problems(run: RunFolder) -> Iterable[Problem]:
    """Say which tables are missing, damaged, or have other columns than this version writes."""
    model = results_model()
    if "provider" not in run.tables:
        yield Problem("the run has no table of providers", str(run.path), "run again with this version")
    for name in run.tables:
        path = run.path / "results" / f"{name}.parquet"
        try:
            columns = set(pq.read_schema(path).names)
            rows = pq.read_metadata(path).num_rows
        except (OSError, pa.ArrowInvalid):
            yield Problem("a table is missing or damaged", str(path), "run the same 'openvbp run' command again")
            continue
        if name not in model or columns != {column.name for column in model[name].columns}:
            what = "the run was written by another version: a table has other columns"
            yield Problem(what, str(path), "run again with this version into a new folder")
        elif rows != run.record["rows"][f"results/{name}"]:
            yield Problem("a table is not the one the record tells of", str(path), "run the same command again")


def serve_runs(
    paths: Sequence[Path], smallest_cell: int = SMALLEST_CELL, say: Callable[[str], None] = lambda _: None
) -> dict[str, ServedRun]:
    """Read runs, by name.

    Raises
    ------
    UsageError
        If two have the same address.
    """
    found: dict[str, ServedRun] = {}
    # The same name in other letters would be the same folder of a published site on many machines.
    addresses: dict[str, ServedRun] = {}
    for path in paths:
        say(f"reading {path}")
        one = serve_run(path, smallest_cell)
        other = addresses.setdefault(one.name.casefold(), one)
        if other is not one:
            advice = "serve one of them; scenarios of one run can be chosen on its pages"
            if one.is_contract:
                advice += "; contracts that are served together need names of their own ('contract:' in their files)"
            raise UsageError(
                Problem(f"two runs of {one.program} {one.record['period']}", f"{other.full.path} and {path}", advice)
            )
        found[one.name] = one
    return found
