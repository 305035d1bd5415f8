"""The whole chain on a generated population: from raw claims to payments, each held against the truth that is known."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import openvbp
from openvbp import pipeline
from openvbp.attribution_comparison.true_payments import TruePayment, true_payments
from openvbp.claims.synthetic.population import Population
from openvbp.claims.synthetic.population import generate as generate_population
from openvbp.claims_chain.hospital_program import run_from_claims
from openvbp.claims_chain.settlement import settle_from_claims
from openvbp.claims_chain.unit_panel import write_unit_panel
from openvbp.diagnosis.diagnose import Diagnosis, Sources, diagnose
from openvbp.diagnosis.from_claims import ClaimsSource
from openvbp.errors import MachineError, Problem
from openvbp.evaluation.known_truth import KnownEffect, true_effects
from openvbp.evaluation.results import Results
from openvbp.evaluation.run import run_study
from openvbp.programs.hvbp import synthetic
from openvbp.run_folder import RunFolder

FIRST_YEAR, YEARS = 2022, 3
LAST_YEAR = FIRST_YEAR + YEARS - 1
CHANGES = (
    "program.change=-0.3",
    "program.months_to_full=6",
    "program.start_months=13,16,19",
    "program.fewest_clinicians=1",
    "program.participant_share=0.5",
)
"""The practices' program: what it truly does once it is half a year old, to whom, and from when.

Far more than any real program does, so that a study of so few people has a fair chance to find it.
"""
STUDY = "evaluation/practice-program.yaml"
"""Of the examples: whether the practices' program worked."""
_CONTRACT = "aco-contract.yaml"


@dataclass(frozen=True)
class Demonstration:
    """What was made, by folder below ``out``."""

    out: Path
    members: int
    hospitals: RunFolder
    """``hospitals``: Hospital Value-Based Purchasing, with what claims tell counted from them."""
    contract: RunFolder
    """``contract``: a contract between a health plan and an ACO, settled from claims."""
    diagnoses: dict[str, Diagnosis]
    """``diagnosis-hospitals``, ``diagnosis-contract``."""
    evaluation: Results
    """``evaluation``: the practices' program, whose effect is known."""
    known: KnownEffect
    """Its main estimate beside the truth."""
    money: list[TruePayment]
    """``true-payments``: how much of a program's money follows true quality."""


def demonstrate(
    out: Path,
    *,
    members: int = 20_000,
    hospitals: int = 300,
    period: str = "FY2024",
    seed: int = 1,
    processes: int = 2,
    progress: Callable[[str], None] = lambda _line: None,
) -> Demonstration:
    """Generate a population and run everything on it.

    Parameters
    ----------
    out
        Folder for the population, the runs and the pages.
    members
        Members of the population, at least 2,000.
    hospitals
        Hospitals of the program: those of the population, and made-up ones with which they compete.
    period
        Program period of Hospital Value-Based Purchasing.
    seed
        The same seed gives the same results.
    processes
        In which the population is drawn.
    progress
        Told each step.

    Raises
    ------
    UsageError, InputDataError, MachineError
        As of the commands that are called.
    """
    claims = out / "population"
    made = make_population(claims, members=members, seed=seed, processes=processes)
    progress(f"population: {made.members:,} made-up members, {made.rows['medical_claim']:,} lines of claims")
    last, before = f"CY{LAST_YEAR}", f"CY{LAST_YEAR - 1}"
    contract = settle_from_claims(example(_CONTRACT), period="", data=claims, out=out / "contract", progress=progress)
    files = synthetic.generate(out / "files", hospitals=hospitals, period=period, seed=seed, also=_hospitals(claims))
    hospital_run = run_from_claims(
        "hvbp",
        period=period,
        data=files.folder,
        claims=claims,
        baseline=before,
        performance=last,
        out=out / "hospitals",
        progress=progress,
    )
    diagnoses = {
        name: diagnose(sources, out=out / f"diagnosis-{name}")
        for name, sources in {
            "hospitals": Sources([out / "hospitals"]),
            "contract": Sources([out / "contract"], claims=ClaimsSource(claims, (LAST_YEAR - 1, LAST_YEAR))),
        }.items()
    }
    progress("diagnosis done")
    make_panel(claims, out / "panel.csv")
    evaluation = run_study(example(STUDY), out)
    evaluation.write(out / "evaluation")
    known = true_effects(example(STUDY), out)[0]
    progress("evaluation done")
    money = true_payments(data=claims, out=out / "true-payments", period=last)
    return Demonstration(out, members, hospital_run, contract, diagnoses, evaluation, known, money)


def make_population(to: Path, *, members: int, seed: int, processes: int = 1) -> Population:
    """Generate members and claims, with a program for practices whose effect is known."""
    return generate_population(
        to,
        members=members,
        years=YEARS,
        first_year=FIRST_YEAR,
        seed=seed,
        changes=CHANGES,
        processes=processes,
    )


def make_panel(claims: Path, to: Path) -> None:
    """Count admissions of practices' patients by quarter; whose patients they are is fixed in the year before."""
    before = f"{FIRST_YEAR}-01..{FIRST_YEAR}-12"
    write_unit_panel(data=claims, to=to, period=f"{FIRST_YEAR}-01..{LAST_YEAR}-12", assigned_in=before, starts=claims)


def score_hospitals(out: Path, *, hospitals: int, period: str, seed: int, progress: Callable[[str], None]) -> RunFolder:
    """Run Hospital Value-Based Purchasing on made-up hospitals alone, without claims."""
    files = synthetic.generate(out / "files", hospitals=hospitals, period=period, seed=seed)
    return pipeline.run("hvbp", period=period, data=files.folder, out=out / "hospitals", progress=progress)


def example(name: str) -> Path:
    """Find a file of the project's examples, in its folder or in the installed package.

    Raises
    ------
    MachineError
        If it is in neither.
    """
    package = Path(openvbp.__file__).parent
    for folder in (package.parents[1] / "examples", package / "examples"):
        if (folder / name).is_file():
            return folder / name
    raise MachineError(Problem(f"the example {name} is missing", str(package), "install openvbp again"))


def _hospitals(claims: Path) -> list[str]:
    """Certification numbers of the population's hospitals."""
    effects: pa.Table = pq.read_table(claims / "truth" / "truth_provider_effect", columns=["ccn", "measure"])
    found = {row["ccn"] for row in effects.to_pylist() if row["measure"] == "hospital_mortality"}
    return sorted(found - {None})


def as_content(done: Demonstration) -> dict[str, Any]:
    """Give everything that was found as plain values."""
    return {
        "hospitals": done.hospitals.record,
        "contract": done.contract.record,
        "diagnoses": {name: one.record for name, one in done.diagnoses.items()},
        "evaluation": done.evaluation.record(),
        "truth": done.known.as_row(),
        "money": [asdict(one) for one in done.money],
    }


def in_words(done: Demonstration, command: str) -> str:
    """Say what was found and how to look at it, for a person.

    Parameters
    ----------
    done
        What was made.
    command
        How the reader can call openvbp.
    """
    estimate, unit = done.known.finding, done.evaluation.study.outcome.unit
    payer = done.money[-1]
    lines = [
        f"SYNTHETIC DATA: {done.members:,} made-up members and their claims; no real person or provider is meant.",
        "",
        "1. A contract, from claims to payment",
        *_indented(_payments(done.contract)),
        "2. Hospital Value-Based Purchasing, deaths, complications and spending counted from claims",
        *_indented(_payments(done.hospitals)),
        "3. Diagnosis: what else the programs do",
        *_indented(
            finding for one in done.diagnoses.values() for section in one.sections for finding in section.findings[:1]
        ),
        "4. Did the practices' program work?",
        *_indented(
            [
                f"admissions changed by {estimate.estimate:+.2f} {unit}, between {estimate.low:+.2f} and "
                f"{estimate.high:+.2f}; the truth is {done.known.on_treated:+.2f}, of which this comparison can show "
                f"{done.known.shown:+.2f}",
                "by its error, such a study finds an effect four times in five if it is "
                f"{estimate.minimum_detectable_effect:.2f} or more",
            ]
        ),
        "5. How much of the money follows true quality?",
        *_indented(
            [
                f"of ${payer.dollars_moved:,.0f} moved between practices by what a payer can see, "
                f"{payer.share_following or 0:.0%} goes where perfect information would send it; "
                f"payments by lot reach {payer.share_by_lot:.0%}"
            ]
        ),
        "Look at it:",
        f"  {command} serve {done.hospitals.path} {done.contract.path} "
        f"--data {done.hospitals.path}/evidence/claims/files --study {done.out}/evaluation --unsuppressed",
        "  and open http://127.0.0.1:8000",
        f"  {done.out}/diagnosis-contract/diagnosis.html, {done.out}/evaluation/evaluation.html",
    ]
    return "\n".join(lines)


def _payments(run: RunFolder) -> list[str]:
    """Title, who was scored, and the totals of each component of the payment."""
    scored = [row["status"] in ("scored", "unverified") for row in run.read("provider_result").to_pylist()]
    lines = [f"{run.title}: {sum(scored):,} of {len(scored):,} providers scored"]
    totals: dict[str, list[Any]] = {}
    for row in run.read("payment_result").to_pylist():
        if row["amount"] is not None:
            totals.setdefault(row["component_id"], []).append(row["amount"])
    for name, amounts in totals.items():
        gain, lose = sum(one > 0 for one in amounts), sum(one < 0 for one in amounts)
        lines.append(f"{name.replace('_', ' ')}: {_dollars(sum(amounts))}; {gain:,} get money, {lose:,} lose money")
    return lines


def _dollars(amount: Any) -> str:
    whole = round(amount)
    return f"{'-' if whole < 0 else ''}${abs(whole):,}"


def _indented(lines: Iterable[str]) -> list[str]:
    wrapped = [textwrap.fill(line, 110, initial_indent="   ", subsequent_indent="     ") for line in lines]
    return [*(wrapped or ["   nothing was found"]), ""]
