"""Audits of settlements and delta statements of restated ones, from files and finished runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.audit.chains import restatement_chain, statement_chain
from openvbp.audit.findings import Replay, departures
from openvbp.audit.statement import Known, from_published, is_statement, read_statement
from openvbp.engine import Engine, open_engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.parameters import ACTUAL
from openvbp.pipeline import run
from openvbp.program import Settlement
from openvbp.programs import program as find_program
from openvbp.rules import Rule, in_force
from openvbp.run_folder import RunFolder

_GIVEN = ("input", "parameter", "count")


@dataclass(frozen=True)
class SettlementReplay:
    """What was gone through again, and what came of it."""

    title: str
    settlement: Settlement
    rules: Sequence[Rule]
    """Those of the period, whose paragraphs are cited."""
    units: Mapping[str, str]
    """Quantity to its unit."""
    sources: Mapping[str, str]
    """Input or parameter to where it comes from on our side."""
    replays: Sequence[Replay]
    only_before: Sequence[str] = ()
    """Providers of our data, or of the first run, alone."""
    only_after: Sequence[str] = ()
    """Providers of the statement, or of the second run, alone."""


def audit_settlement(contract: str, *, period: str, data: Path, statement: Path, out: Path) -> SettlementReplay:
    """Recompute a settlement and hold a payer's statement against it, step by step.

    Parameters
    ----------
    contract
        A program, for example ``mssp``, or the path of a contract file.
    period
        The period; empty for the only one of a contract.
    data
        The input files of the settlement.
    statement
        CSV of quantities and values, or a published file of the program: then its inputs are audited too.
    out
        Folder for the runs.

    Raises
    ------
    UsageError
        If the program settles no account.
    InputDataError
        If the inputs or the statement cannot be used.
    """
    program = find_program(contract)
    settlement = _settlement_of(program.program_id, program.settlement)
    finished = run(contract, period=period, data=data, out=out / "data")
    rules = in_force(list(settlement.rules), _first_day(finished))
    with open_engine() as engine:
        settled = _settled(engine, finished, settlement, "settled")
        units, sources = _described(finished, rules, settlement, settled.columns)
        providers = _providers(engine, settled)
        other = None
        if is_statement(statement):
            lines = read_statement(statement, _known(engine, settled, units, providers))
        else:
            published = program.read_published_values(statement, finished.record["period"])
            lines = from_published(published, units, program.tolerances)
            if statement.resolve() != data.resolve():
                made = run(contract, period=period, data=statement, out=out / "statement")
                other = _settled(engine, made, settlement, "settled_from_statement")
        named = set(lines["provider_id"].to_pylist())
        if not named & set(providers):
            what = "the statement names no provider of the settlement"
            raise InputDataError(Problem(what, str(statement), "give that of the same period"))
        chain = statement_chain(engine, settlement, rules, settled, lines, other)
        replays = departures(engine, chain)
    alone = sorted(set(providers) - named), sorted(named - set(providers))
    return SettlementReplay(finished.title, settlement, rules, units, sources, replays, *alone)


def compare_settlements(before: RunFolder, after: RunFolder) -> SettlementReplay:
    """Explain what changed between two runs of one program, for example of a restated year.

    Raises
    ------
    UsageError
        If the runs are of different programs, or the program settles no account.
    """
    names = before.record["program"], after.record["program"]
    if names[0] != names[1]:
        raise UsageError(
            Problem(f"the runs are of {names[0]} and {names[1]}", str(after.path), "give two runs of one program")
        )
    settlement = _settlement_of(names[0], find_program(names[0]).settlement)
    rules = in_force(list(settlement.rules), _first_day(before))
    with open_engine() as engine:
        old = _settled(engine, before, settlement, "settled_before")
        new = _settled(engine, after, settlement, "settled_after")
        if set(old.columns) != set(new.columns):
            what = "the two runs were made by different versions of the program"
            raise UsageError(Problem(what, str(before.path), "run the older one again"))
        chain = restatement_chain(engine, settlement, rules, old, new)
        recorded = [_column(engine, one, settlement.outcome) for one in (old, new)]
        replays = departures(engine, chain, recorded=recorded[0], outcomes=recorded[1])
        reasons = _column(engine, new, "status_reason") if "status_reason" in new.columns else {}
        replays = [replace(one, caveat=reasons.get(one.provider_id)) if one.after is None else one for one in replays]
        providers = [set(_providers(engine, one)) for one in (old, new)]
    title = before.title if before.title == after.title else f"{before.title} and {after.title}"
    units, sources = _described(after, rules, settlement, new.columns)
    alone = sorted(providers[0] - providers[1]), sorted(providers[1] - providers[0])
    return SettlementReplay(title, settlement, rules, units, sources, replays, *alone)


def _settlement_of(program_id: str, settlement: Settlement | None) -> Settlement:
    if settlement is None:
        raise UsageError(
            Problem(
                f"{program_id} does not settle an account of each provider",
                "audit settlement",
                "give mssp or a contract file; other programs are checked with 'openvbp compare'",
            )
        )
    return settlement


def _described(
    finished: RunFolder, rules: Sequence[Rule], settlement: Settlement, columns: Sequence[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Units of all quantities that a statement can speak of, and sources of those that no rule computes."""
    silent = {*settlement.results_among_inputs, *settlement.derived}
    steps = finished.read("step_result", scenario_id=ACTUAL).select(["quantity", "unit", "citation", "rule_id"])
    kinds = pa.TableGroupBy(steps, ["quantity", "unit", "citation", "rule_id"]).aggregate([]).to_pylist()
    units = dict.fromkeys(settlement.private_inputs, settlement.currency)
    units |= {row["quantity"]: row["unit"] for row in kinds} | {rule.gives: rule.unit for rule in rules}
    cited: dict[str, set[str]] = {}
    for row in kinds:
        if row["rule_id"] in _GIVEN:
            cited.setdefault(row["quantity"], set()).add(row["citation"])
    return (
        {name: unit for name, unit in units.items() if name in columns and name not in silent},
        {name: "; ".join(sorted(texts)) for name, texts in cited.items()},
    )


def _settled(engine: Engine, finished: RunFolder, settlement: Settlement, name: str) -> ir.Table:
    rows = engine.read_parquet(finished.path / f"{settlement.table}.parquet", name)
    return engine.compute(rows.filter(_.scenario_id == ACTUAL), f"{name}_actual")


def _providers(engine: Engine, settled: ir.Table) -> list[str]:
    rows = settled.select("provider_id").distinct().order_by("provider_id")
    return engine.to_arrow(rows)["provider_id"].to_pylist()


def _known(engine: Engine, settled: ir.Table, units: Mapping[str, str], providers: Sequence[str]) -> Known:
    if "domain_id" not in settled.columns:
        return Known(units, providers)
    domains = engine.to_arrow(settled.select("domain_id").distinct().order_by("domain_id"))["domain_id"].to_pylist()
    by_provider = settled.group_by("provider_id").agg(**{name: settled[name].nunique() for name in units})
    counts = engine.to_arrow(by_provider.select(**{name: by_provider[name].max() for name in units}).distinct())
    return Known(units, providers, domains, {name for name, most in counts.to_pylist()[0].items() if most > 1})


def _column(engine: Engine, settled: ir.Table, name: str) -> dict[str, Any]:
    """What belongs to a whole provider, by provider."""
    rows = settled.select("provider_id", value=settled[name]).distinct()
    return {row["provider_id"]: row["value"] for row in engine.to_arrow(rows).to_pylist()}


def _first_day(finished: RunFolder) -> date:
    return date.fromisoformat(finished.record["period_start"])
