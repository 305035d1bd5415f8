"""Hospital programs with measures counted from claims instead of published ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from openvbp import pipeline
from openvbp.claims.tables import open_claims
from openvbp.claims_chain import hrrp_files, hvbp_files, spending
from openvbp.claims_chain.hospital_cases import PROSPECTIVE_PAYMENT, hospital_cases
from openvbp.claims_chain.hospital_evidence import write_evidence
from openvbp.claims_chain.hospital_payments import hospital_payments
from openvbp.claims_chain.hospital_rate import HospitalRate
from openvbp.claims_chain.outcome_rates import outcome_rates
from openvbp.claims_chain.usable_claims import usable_claims
from openvbp.engine import EngineName, open_engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.parameters import Scenario
from openvbp.periods import Period, parse_any_period
from openvbp.programs import program as find_program
from openvbp.programs.hrrp.published_files import PublishedFile
from openvbp.run_folder import RunFolder

FOLDER = Path("evidence") / "claims"
FILES = "files"
_PROGRAMS: Mapping[str, tuple[Mapping[str, str], str]] = {
    "hvbp": (hvbp_files.MEASURES, "measure_domain"),
    "hrrp": (hrrp_files.MEASURES, "is_condition_applied"),
}
"""Program to its measures that claims tell, and the parameter that says which are of a period."""


@dataclass(frozen=True)
class _Chain:
    """Claims that can be used, and how they are counted."""

    data: Path
    out: Path
    asked: Mapping[str, str]
    spans: Sequence[Period]
    value_sets: Path | None
    engine: EngineName
    threads: int | None
    progress: Callable[[str], None] = field(repr=False)


def run_from_claims(
    program_id: str,
    *,
    period: str,
    claims: Path,
    performance: str,
    out: Path,
    data: Path | None = None,
    baseline: str = "",
    value_sets: Path | None = None,
    engine: EngineName = "duckdb",
    changes: Sequence[str] = (),
    scenarios: Path | None = None,
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> RunFolder:
    """Run a hospital program whose measures are counted from claims where claims tell them.

    Parameters
    ----------
    program_id
        ``hvbp``: deaths, complications and spending. ``hrrp``: readmissions, dual proportions and payments.
    period
        Program period, for example ``FY2024``.
    claims
        Folder of claims in the native layout.
    performance
        Period of the stays, for example ``CY2024``; of ``hrrp`` the applicable period.
    out
        Run folder; counts, models and the files that were scored go to ``evidence/claims``, tables of hospitals and
        patients to ``evidence``.
    data
        Folder with the program's files: standards, and the measures that claims do not tell. Hospitals of the claims
        that are in no file of ``hvbp`` are counted, not scored. ``hrrp`` needs none: files add other hospitals,
        medians, dual proportions or payments.
    baseline
        Period of the stays of the baseline; ``hrrp`` has none.
    value_sets
        Folder of value sets: ``hrrp`` needs those of planned stays.
    engine, changes, scenarios, threads, progress
        As of :func:`openvbp.pipeline.run`.

    Raises
    ------
    UsageError, InputDataError, MachineError
        If the program, a period, the claims or the files cannot be used, no model can be fitted, or no hospital of the
        claims is in the files.
    """
    scenario, asked = _asked(program_id, period, data, baseline)
    spans = [parse_any_period(one) for one in ([baseline, performance] if program_id == "hvbp" else [performance])]
    files = hrrp_files.read_files(data) if program_id == "hrrp" else []
    folder = out / FOLDER
    with pipeline.locked(out, program_id):
        folder.mkdir(parents=True, exist_ok=True)
        usable, rows = usable_claims(claims, folder, engine=engine, threads=threads, progress=progress)
        chain = _Chain(usable, folder, asked, spans, value_sets, engine, threads, progress)
        cases, rates, not_fitted = _counted(chain, is_prospective_only=program_id == "hrrp")
        if program_id == "hvbp" and data is not None:
            replaced = hvbp_files.write_files(data, folder / FILES, asked, rates, spans)
            progress(f"{replaced} rates of the files replaced by rates from claims")
        else:
            _write_readmissions(chain, scenario, files, cases, rates)
        write_evidence(out / FOLDER.parent, folder, asked, rates, cases)
        record = {"claims": str(claims), "rows": rows, "rates": len(rates), "not_fitted": not_fitted}
        (folder / "counted.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return pipeline.run(
        program_id,
        period=period,
        data=folder / FILES,
        out=out,
        engine=engine,
        changes=changes,
        scenarios=scenarios,
        threads=threads,
        progress=progress,
    )


def _asked(program_id: str, period: str, data: Path | None, baseline: str) -> tuple[Scenario, dict[str, str]]:
    """Rules in force, and the measures of the period that claims tell."""
    if program_id not in _PROGRAMS:
        known = " or ".join(f"run {name}" for name in _PROGRAMS)
        raise UsageError(Problem(f"measures of {program_id} are not counted from claims", "--from-claims", known))
    if program_id == "hvbp" and data is None:
        raise UsageError(Problem("claims do not tell all measures of hvbp", "--data", "give the program's files"))
    if program_id == "hrrp" and baseline:
        raise UsageError(Problem("hrrp has no baseline period", "--baseline", "give --performance alone"))
    parameters = find_program(program_id).parameters
    scenario = parameters.in_force(parameters.period(period))
    measures, parameter = _PROGRAMS[program_id]
    of_period = scenario.keyed(parameter)
    asked = {name: measure for name, measure in measures.items() if of_period.get(name)}
    if not asked:
        raise UsageError(Problem(f"{period} has no measure that claims tell", "--from-claims", "choose a later period"))
    return scenario, asked


def _counted(chain: _Chain, *, is_prospective_only: bool) -> tuple[pa.Table, list[HospitalRate], dict[str, str]]:
    """Cases, rates, and for each measure and period without a model the reason."""
    measures = list(chain.asked.values())
    cases = hospital_cases(
        chain.data,
        chain.out,
        measures,
        chain.spans,
        value_sets=chain.value_sets,
        engine=chain.engine,
        threads=chain.threads,
        progress=chain.progress,
    )
    if is_prospective_only:
        cases = cases.filter(pa.compute.equal(cases["facility_type"], PROSPECTIVE_PAYMENT))
    labels, models = [one.label for one in chain.spans], chain.out / "models"
    outcomes = [one for one in measures if one != spending.MEASURE]
    rates, not_fitted = outcome_rates(cases, models, outcomes, labels, chain.threads)
    if spending.MEASURE in measures:
        with open_engine(chain.engine, chain.threads) as engine:
            costs, without = spending.spending_rates(engine, chain.data, cases, models, labels, chain.threads)
        rates, not_fitted = [*rates, *costs], not_fitted | without
    for name, why in not_fitted.items():
        chain.progress(f"{name} gives no rate: {why}")
    if not any(one.rate is not None for one in rates):
        problems = [Problem(why, name, "give claims of more patients") for name, why in not_fitted.items()]
        raise InputDataError(problems)
    return cases, rates, not_fitted


def _write_readmissions(
    chain: _Chain,
    scenario: Scenario,
    files: Sequence[PublishedFile],
    cases: pa.Table,
    rates: Sequence[HospitalRate],
) -> None:
    with open_engine(chain.engine, chain.threads) as engine:
        paid = hospital_payments(engine, open_claims(engine, chain.data), cases, chain.spans[-1])
    chain.progress(f"payments and dual proportions of {len(paid):,} hospitals counted")
    known = {(one.facility_id, one.measure): one for one in rates}
    minimum = int(scenario.value("minimum_discharges"))
    hrrp_files.write_files(files, chain.out / FILES, hrrp_files.Counted(chain.asked, known, paid, minimum))
    fitted = sum(one.rate is not None for one in rates)
    chain.progress(f"{fitted} excess readmission ratios from claims")
