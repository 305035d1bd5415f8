"""Audits of settlements and delta statements of restated ones, from files and finished runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import ibis.expr.types as ir
from ibis import _

from openvbp.audit.replay import Replay, replay_restatement, replay_statement
from openvbp.audit.statement import from_published, is_statement, read_statement
from openvbp.engine import Engine, open_engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.parameters import ACTUAL
from openvbp.pipeline import run
from openvbp.program import Settlement
from openvbp.programs import program as find_program
from openvbp.rules import in_force
from openvbp.run_folder import RunFolder


@dataclass(frozen=True)
class SettlementReplay:
    """What was gone through again, and what came of it."""

    title: str
    settlement: Settlement
    replays: Sequence[Replay]
    only_before: Sequence[str] = ()
    """Providers of the first run alone."""
    only_after: Sequence[str] = ()


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
        CSV of quantities and values, or a published file of the program.
    out
        Folder for the run.

    Raises
    ------
    UsageError
        If the program settles no account.
    InputDataError
        If the inputs or the statement cannot be used.
    """
    program = find_program(contract)
    settlement = _settlement_of(program.program_id, program.settlement)
    finished = run(contract, period=period, data=data, out=out)
    with open_engine() as engine:
        settled = _settled(engine, finished, settlement, "settled")
        known = [
            name for name in settled.columns if settled[name].type().is_numeric() or settled[name].type().is_boolean()
        ]
        if is_statement(statement):
            providers = engine.to_arrow(settled.select("provider_id").distinct().order_by("provider_id"))
            lines = read_statement(statement, known, providers["provider_id"].to_pylist())
        else:
            published = program.read_published_values(statement, finished.record["period"])
            lines = from_published(published, known, program.tolerances)
        replays = replay_statement(engine, settlement, settled, _first_day(finished), lines)
    if not replays:
        raise InputDataError(
            Problem("the statement names no provider of the settlement", str(statement), "give that of the same period")
        )
    return SettlementReplay(finished.title, _as_of(settlement, _first_day(finished)), replays)


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
    with open_engine() as engine:
        old = _settled(engine, before, settlement, "settled_before")
        new = _settled(engine, after, settlement, "settled_after")
        replays = replay_restatement(engine, settlement, old, new, _first_day(before))
        alone = [
            engine.to_arrow(
                one.anti_join(other, "provider_id").select("provider_id").distinct().order_by("provider_id")
            )
            for one, other in ((old, new), (new, old))
        ]
    title = before.title if before.title == after.title else f"{before.title} and {after.title}"
    only_before, only_after = (one["provider_id"].to_pylist() for one in alone)
    return SettlementReplay(title, _as_of(settlement, _first_day(before)), replays, only_before, only_after)


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


def _as_of(settlement: Settlement, day: date) -> Settlement:
    """Keep the rules of the period, whose paragraphs are cited."""
    return replace(settlement, rules=in_force(list(settlement.rules), day))


def _settled(engine: Engine, finished: RunFolder, settlement: Settlement, name: str) -> ir.Table:
    rows = engine.read_parquet(finished.path / f"{settlement.table}.parquet", name)
    return engine.compute(rows.filter(_.scenario_id == ACTUAL), f"{name}_actual")


def _first_day(finished: RunFolder) -> date:
    return date.fromisoformat(finished.record["period_start"])
