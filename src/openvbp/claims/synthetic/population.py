"""A whole population, region by region, each drawn and written alone: the same bytes for any number of processes."""

from __future__ import annotations

import datetime
import hashlib
import json
import multiprocessing
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openvbp import __version__
from openvbp.claims.synthetic import claims_tables, truth
from openvbp.claims.synthetic.adjustments import adjust
from openvbp.claims.synthetic.coding import write_diagnoses
from openvbp.claims.synthetic.conditions import draw_conditions
from openvbp.claims.synthetic.deliberate_cases import CASES, choose_cases, deliberate_visits
from openvbp.claims.synthetic.enrollment import draw_enrollment
from openvbp.claims.synthetic.files import write
from openvbp.claims.synthetic.hospital_care import clinician_claims, facility_claims, stay_clinicians
from openvbp.claims.synthetic.laboratory import draw_results
from openvbp.claims.synthetic.lines import Lines, in_order, joined, kept
from openvbp.claims.synthetic.organizations import attestations, draw_organizations
from openvbp.claims.synthetic.outpatient import ambulances_of_stays, department_claims, dialysis, emergency_visits
from openvbp.claims.synthetic.people import draw_people
from openvbp.claims.synthetic.post_acute import draw_post_acute
from openvbp.claims.synthetic.prescriptions import draw_prescriptions
from openvbp.claims.synthetic.program import draw_program, spared
from openvbp.claims.synthetic.providers import draw_providers
from openvbp.claims.synthetic.region import REGION_MEMBERS, Region
from openvbp.claims.synthetic.relations import draw_relations
from openvbp.claims.synthetic.services import ancillary_services, clinician_drugs, equipment
from openvbp.claims.synthetic.settings import load_settings
from openvbp.claims.synthetic.stays import draw_stays
from openvbp.claims.synthetic.visits import center_visits, primary_visits, specialist_visits
from openvbp.engine import cannot_write
from openvbp.errors import Problem, UsageError

Progress = Callable[[int, int], None]
"""Members so far, members in all."""
MANIFEST = "claims.json"
TRUTH = "truth"
_FEWEST = 500
_MOST_REGIONS = 10_000


@dataclass(frozen=True)
class WrittenRegion:
    """What one region gave."""

    rows: dict[str, int]
    """Rows per table."""
    paid_through: datetime.date
    """Last day of payment."""


@dataclass(frozen=True)
class Population:
    """What was written."""

    folder: Path
    members: int
    rows: dict[str, int]
    """Rows per table; tables of the truth are named ``truth/...``."""
    paid_through: datetime.date
    """Last day of payment."""


def generate(
    to: Path,
    *,
    members: int,
    years: int = 2,
    first_year: int = 2023,
    seed: int = 1,
    changes: tuple[str, ...] = (),
    processes: int = 1,
    progress: Progress = lambda _done, _all: None,
) -> Population:
    """Write a made-up population as a claims folder with its truth.

    Parameters
    ----------
    to
        Folder: made if absent; tables of an earlier population in it are replaced.
    members
        How many persons; at least 500.
    years
        Calendar years, from 1.
    first_year
        The first of them.
    seed
        The same seed gives the same bytes, whatever the number of processes.
    changes
        Parameters to change, as ``section.name=value``.
    processes
        Regions drawn at the same time.
    progress
        Called after each region.

    Raises
    ------
    UsageError
        If a number is out of range or a change names no parameter.
    """
    _check(members, years, seed)
    settings = load_settings(changes)
    regions = [
        Region(seed, number, min(REGION_MEMBERS, members - number * REGION_MEMBERS), first_year, years, settings)
        for number in range(-(-members // REGION_MEMBERS))
    ]
    if len(regions) > 1 and regions[-1].members < _FEWEST:
        # Too few members to draw providers for: the last region takes them.
        last = regions.pop().members
        grown = regions.pop()
        regions.append(Region(seed, grown.number, grown.members + last, first_year, years, settings))
    try:
        return _generate(to, regions, changes, processes, progress)
    except OSError as error:
        raise cannot_write(to, error, "free disk space or choose another --out") from error


def _generate(
    to: Path, regions: list[Region], changes: tuple[str, ...], processes: int, progress: Progress
) -> Population:
    to.mkdir(parents=True, exist_ok=True)
    _clear(to)
    rows: dict[str, int] = {}
    paid_through = datetime.date.min
    done, members = 0, sum(region.members for region in regions)
    for region, written in _written(regions, to, processes):
        for table, count in written.rows.items():
            rows[table] = rows.get(table, 0) + count
        paid_through = max(paid_through, written.paid_through)
        done += region.members
        progress(done, members)
    made = Population(to, members, rows, paid_through)
    _write_manifest(made, regions[0], changes)
    return made


def _check(members: int, years: int, seed: int) -> None:
    problems = []
    if not _FEWEST <= members <= _MOST_REGIONS * REGION_MEMBERS:
        problems.append(
            Problem(f"{members} members", "--members", f"choose {_FEWEST} to {_MOST_REGIONS * REGION_MEMBERS:,}")
        )
    if not 1 <= years <= 10:
        problems.append(Problem(f"{years} years", "--years", "choose 1 to 10"))
    if seed < 0:
        problems.append(Problem(f"seed {seed}", "--seed", "choose a number that is not negative"))
    if problems:
        raise UsageError(problems)


def _written(regions: list[Region], to: Path, processes: int) -> Iterator[tuple[Region, WrittenRegion]]:
    if processes == 1:
        for region in regions:
            yield region, write_region(region, to)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        yield from zip(regions, pool.map(write_region, regions, [to] * len(regions)), strict=True)


def _clear(to: Path) -> None:
    """Remove the tables of an earlier population, and nothing else."""
    if not (to / MANIFEST).is_file():
        return
    for part in sorted(to.glob("*/part-*.parquet")) + sorted(to.glob(f"{TRUTH}/*/part-*.parquet")):
        part.unlink()
    for folder in [*to.glob(f"{TRUTH}/*"), *to.glob("*")]:
        if folder.is_dir() and not any(folder.iterdir()):
            shutil.rmtree(folder)


def write_region(region: Region, to: Path) -> WrittenRegion:
    """Draw a region and write its part of every table."""
    providers = draw_providers(region)
    people = draw_people(region)
    draw_enrollment(region, people)
    draw_conditions(region, people)
    organizations = draw_organizations(region, providers)
    relations = draw_relations(region, people, providers)
    program = draw_program(region, providers)
    stays = draw_stays(region, people, providers, relations)
    is_spared = np.zeros(len(stays.person), bool)
    if program.change:
        is_spared = spared(region, program, providers, relations, stays.person, stays.admission)
    clinicians = stay_clinicians(region, providers, relations, stays)
    cases = choose_cases(region, people, providers, relations, stays)
    professional, of_departments = ancillary_services(region, people, providers, relations)
    departments, method_two = department_claims(region, people, providers, relations, of_departments)
    optional = [*professional, departments]
    if program.change:
        optional = [
            kept(one, ~spared(region, program, providers, relations, one["person"], one["start"])) for one in optional
        ]
    is_case = cases.case >= 0
    visits = [
        *primary_visits(region, people, providers, relations),
        center_visits(region, people, providers, relations),
        specialist_visits(region, people, providers, relations),
        method_two,
    ]
    blocks: list[Lines] = [
        *(kept(one, ~is_case[one["person"]]) for one in visits),
        deliberate_visits(region, cases),
        *optional,
        *clinician_drugs(region, people, providers, relations),
        *equipment(region, people, providers),
        facility_claims(region, stays, clinicians),
        *clinician_claims(region, people, providers, relations, stays, clinicians),
        *draw_post_acute(region, people, providers, relations, stays),
        *emergency_visits(region, people, providers, relations),
        ambulances_of_stays(region, people, providers, stays),
        *dialysis(region, people, providers, relations),
    ]
    if program.change:
        # Everything is drawn as without the program; then what would not have been is taken out.
        blocks = [kept(one, (one["stay"] < 0) | ~is_spared[one["stay"]]) if "stay" in one else one for one in blocks]
    without_care = cases.case == CASES.index("no care")
    lines = in_order(joined([kept(one, ~without_care[one["person"]]) for one in blocks]))
    coded = write_diagnoses(region, people, providers, lines)
    adjusted = adjust(region, lines, is_case)
    fills = draw_prescriptions(region, people, relations)
    fills = {name: value[~without_care[fills["person"]]] for name, value in fills.items()}
    results = draw_results(region, people, providers, relations)
    attested = attestations(region, people, providers, relations, organizations)
    tables = {
        "eligibility": claims_tables.eligibility(region, people),
        "medical_claim": claims_tables.medical_claim(region, providers, adjusted, coded),
        "pharmacy_claim": claims_tables.pharmacy_claim(region, providers, fills),
        "lab_result": claims_tables.lab_result(region, providers, results),
        "provider": claims_tables.provider(region, providers),
        "participant": claims_tables.participant(organizations),
        "provider_attribution": claims_tables.provider_attribution(region, people, providers, relations, organizations),
        "attestation": claims_tables.attestation(region, providers, organizations, attested),
    }
    truths = {
        "truth_member": truth.truth_member(region, people, relations, cases.case),
        "truth_attribution": truth.truth_attribution(region, providers, relations),
        "truth_provider_effect": truth.truth_provider_effect(providers),
        "truth_program_effect": truth.truth_program_effect(region, providers, program),
        "truth_adjustment": truth.truth_adjustment(region, adjusted.truth),
        "truth_coding": truth.truth_coding(region, people, coded),
    }
    counts = {name: write(to, name, region.number, columns) for name, columns in tables.items()}
    counts |= {f"{TRUTH}/{name}": write(to / TRUTH, name, region.number, columns) for name, columns in truths.items()}
    last = datetime.date(1970, 1, 1) + datetime.timedelta(int(adjusted.paid_on.max()))
    return WrittenRegion(counts, last)


def _write_manifest(made: Population, region: Region, changes: tuple[str, ...]) -> None:
    to = made.folder
    parts = sorted(to.glob("*/part-*.parquet")) + sorted(to.glob(f"{TRUTH}/*/part-*.parquet"))
    manifest = {
        "layout": "tuva",
        "source": "synthetic: no person, provider or amount is real",
        "openvbp": __version__,
        "seed": region.seed,
        "members": made.members,
        "first_day": str(datetime.date(region.first_year, 1, 1)),
        "last_day": str(datetime.date(region.first_year + region.years - 1, 12, 31)),
        "paid_through": str(made.paid_through),
        "changes": list(changes),
        "parameters": region.settings,
        "tables": dict(sorted(made.rows.items())),
        "files": [{"file": str(part.relative_to(to)), "sha256": _sha256(part)} for part in parts],
    }
    (to / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
