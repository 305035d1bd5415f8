"""The truth that real claims never tell, as tables beside the claims."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from openvbp.claims.synthetic.adjustments import KINDS
from openvbp.claims.synthetic.claims_tables import Columns, claim_ids, person_ids
from openvbp.claims.synthetic.coding import Coded
from openvbp.claims.synthetic.conditions import CONDITIONS
from openvbp.claims.synthetic.deliberate_cases import CASES
from openvbp.claims.synthetic.files import dates, decimals, text, truth_values
from openvbp.claims.synthetic.people import People
from openvbp.claims.synthetic.program import Program
from openvbp.claims.synthetic.providers import NEVER, Providers
from openvbp.claims.synthetic.region import Region
from openvbp.claims.synthetic.relations import Relations


def truth_member(region: Region, people: People, relations: Relations, case: np.ndarray) -> Columns:
    """One row per member × year: severity (standard deviations), risk and acuity (mean one), conditions."""
    n, years = region.members, region.years
    person = np.repeat(np.arange(n, dtype=np.int32), years)
    year = np.tile(np.arange(years), n)
    return {
        "person_id": text(person, person_ids(region)),
        "year": pa.array(region.first_year + year),
        "region": pa.array(np.full(len(person), region.number, np.int64)),
        "severity": pa.array(people.severity[person]),
        "risk": pa.array(people.risk[person]),
        "acuity": pa.array(people.acuity[person, year]),
        "access": pa.array(people.access[person]),
        "conditions": pa.array(people.conditions.sum(axis=1)[person].astype(np.int64)),
        "has_usual_clinician": truth_values(relations.has_primary[person]),
        "uses_health_center": truth_values(relations.uses_center[person]),
        "death_date": dates(people.death[person], missing=people.death[person] == NEVER),
        "deliberate_case": text(case[person], list(CASES)),
    }


def truth_attribution(region: Region, providers: Providers, relations: Relations) -> Columns:
    """One row per member with a usual clinician × year: who it is, and his practice on the year's first day."""
    person = np.repeat(np.flatnonzero(relations.has_primary).astype(np.int32), region.years)
    year = np.tile(np.arange(region.years), len(person) // region.years)
    usual = relations.primary[person, year]
    return {
        "person_id": text(person, person_ids(region)),
        "year": pa.array(region.first_year + year),
        "npi": text(usual, providers.npi),
        "tin": text(providers.tin_at(usual, region.starts[year]), providers.tins),
    }


def truth_provider_effect(providers: Providers) -> Columns:
    """One row per provider × measure: the effect on the log scale; upcoding as a probability per absent condition."""
    found = [(name, np.flatnonzero(effect), effect) for name, effect in sorted(providers.effect.items())]
    ccns = sorted(set(providers.ccn) - {""})
    ccn = np.array([ccns.index(code) if code else -1 for code in providers.ccn])
    who = np.concatenate([which for _, which, _ in found])
    return {
        "npi": text(who, providers.npi),
        "ccn": text(ccn[who], ccns),
        "measure": text(
            np.concatenate([np.full(len(which), number) for number, (_, which, _) in enumerate(found)]),
            [name for name, *_ in found],
        ),
        "effect": pa.array(np.concatenate([effect[which] for _, which, effect in found])),
    }


def truth_program_effect(region: Region, providers: Providers, program: Program) -> Columns:
    """One row per primary care practice × month: eligibility, start, and the relative change that holds."""
    practices = np.flatnonzero(np.isin(np.arange(len(providers.tins)), providers.tin[: len(providers.favourites)]))
    months = np.arange(1, 12 * region.years + 1)
    days = np.array([region.month_start(int(month)) for month in months], np.int32)
    practice = np.repeat(practices, len(months))
    day = np.tile(days, len(practices))
    start = program.start[practice]
    calendar = np.array([(region.first_year + (m - 1) // 12) * 100 + (m - 1) % 12 + 1 for m in months], np.int64)
    return {
        "tin": text(practice, providers.tins),
        "year_month": pa.array(np.tile(calendar, len(practices))),
        "is_eligible": truth_values(program.is_eligible[practice]),
        "start_date": dates(start, missing=start == NEVER),
        "change": pa.array(program.change_at(practice, day) + 0.0),
        "is_spill_over": truth_values((start == NEVER) & (program.change_at(practice, day) < 0)),
    }


def truth_adjustment(region: Region, truth: dict[str, np.ndarray]) -> Columns:
    """One row per claim to which something happened: rows delivered and what is netted (US dollars)."""
    return {
        "claim_control_number": claim_ids(region, truth["control"]),
        "person_id": text(truth["person"], person_ids(region)),
        "kind": text(truth["kind"], list(KINDS)),
        "rows": pa.array(truth["rows"]),
        "paid_amount": decimals(truth["paid"]),
        "allowed_amount": decimals(truth["allowed"]),
        "is_utilization": truth_values(truth["is_utilization"]),
    }


def truth_coding(region: Region, people: People, coded: Coded) -> Columns:
    """One row per member × year × condition that is there or was written."""
    there = np.repeat(people.conditions[:, None, :], region.years, axis=1)
    person, year, condition = np.nonzero(there | coded.coded)
    at = (person, year, condition)
    return {
        "person_id": text(person, person_ids(region)),
        "year": pa.array(region.first_year + year),
        "condition": text(condition, list(CONDITIONS)),
        "is_true": truth_values(there[at]),
        "is_coded": truth_values(coded.coded[at]),
        "is_upcoded": truth_values(coded.upcoded[at]),
    }
