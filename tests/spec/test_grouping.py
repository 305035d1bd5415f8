"""Groups of diagnoses: hand-made patients per Charlson group, hierarchy, presence on admission, screens, windows."""

from __future__ import annotations

import csv
import functools
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import xlsxwriter

from claims_tables import arrow_rows
from grouping_examples import ICD_9, ICD_10, ccsr_file, elixhauser_folder, found_by, has_of, row
from openvbp.claims.tables import open_claims
from openvbp.engine import Engine
from openvbp.errors import InputDataError
from openvbp.grouping import diagnoses
from openvbp.grouping.codes import Limits, indicator_rates
from openvbp.grouping.diagnoses import Window, from_claims, spread
from openvbp.grouping.grouper import Grouper
from openvbp.grouping.tables import read_folder, read_grouper
from openvbp.grouping.trace import groups_of, trace

CHARLSON = {
    # group: codes of ICD-10-CM, of ICD-9-CM, weight of 1987, of 2011
    "myocardial_infarction": ("I21.4", "410.11", 1, 0),
    "congestive_heart_failure": ("I50.22", "428.0", 1, 2),
    "peripheral_vascular_disease": ("I73.9", "443.9", 1, 0),
    "cerebrovascular_disease": ("G45.9", "434.91", 1, 0),
    "dementia": ("F03.90", "331.2", 1, 2),
    "chronic_pulmonary_disease": ("J44.9", "496", 1, 1),
    "rheumatic_disease": ("M05.79", "714.0", 1, 1),
    "peptic_ulcer_disease": ("K25.4", "531.40", 1, 0),
    "mild_liver_disease": ("K73.9", "571.2", 1, 2),
    "diabetes_without_complication": ("E11.9", "250.00", 1, 0),
    "diabetes_with_complication": ("E11.22", "250.40", 2, 1),
    "hemiplegia_or_paraplegia": ("G81.94", "342.90", 2, 2),
    "renal_disease": ("N18.6", "585.6", 2, 1),
    "malignancy": ("C50.911", "174.9", 2, 2),
    "moderate_or_severe_liver_disease": ("K72.90", "572.2", 3, 4),
    "metastatic_solid_tumor": ("C78.7", "197.7", 6, 6),
    "aids_hiv": ("B20", "042", 6, 4),
}
PAIRS = [
    ("diabetes_with_complication", "diabetes_without_complication"),
    ("moderate_or_severe_liver_disease", "mild_liver_disease"),
    ("metastatic_solid_tumor", "malignancy"),
]
NEAR = [
    "I20.9",
    "I25.10",
    "I10",
    "I11.9",
    "E16.2",
    "C44.91",
    "C4A.9",
    "K76.1",
    "K72.00",
    "N17.9",
    "B23.0",
    "F05",
    "Z21",
]


@functools.cache
def charlson() -> Grouper:
    return read_grouper("charlson-quan")


def test_each_charlson_group_has_its_patient_in_both_code_systems(duckdb_engine: Engine) -> None:
    engine = duckdb_engine
    rows = [row(f"{name} 10", ten) for name, (ten, *_rest) in CHARLSON.items()]
    rows += [row(f"{name} 9", nine.replace(".", ""), ICD_9) for name, (_ten, nine, *_rest) in CHARLSON.items()]
    rows += [row(f"{one} {other}", CHARLSON[name][0]) for one, other in PAIRS for name in (one, other)]
    # A code of one system says nothing in the other: V43.4 is a vessel, E11 no diabetes in ICD-9-CM.
    rows += [row("near", code) for code in NEAR] + [
        row("near", "V43.4"),
        row("near", "E11.9", ICD_9),
        row("nobody", None),
    ]
    rows += [row("everything", ten.lower() + " ") for ten, *_rest in CHARLSON.values()]
    grouped, shown, codes = found_by(engine, charlson(), rows)
    for name, (_ten, _nine, original, updated) in CHARLSON.items():
        for system in ("10", "9"):
            one = shown[f"{name} {system}"]
            assert has_of(one, charlson()) == {name}
            assert (one["charlson_1987"], one["charlson_2011"]) == (original, updated), name
    for one, other in PAIRS:
        assert has_of(shown[f"{one} {other}"], charlson()) == {one}
    assert has_of(shown["near"], charlson()) == has_of(shown["nobody"], charlson()) == set()
    assert shown["nobody"]["charlson_1987"] == 0
    assert len(has_of(shown["everything"], charlson())) == 14
    assert (shown["everything"]["charlson_1987"], shown["everything"]["charlson_2011"]) == (29, 24)

    rows_of = engine.compute(trace(engine, grouped, codes), "grouping_test_trace")
    outcomes = {(one["subject_id"], one["group"]): one["outcome"] for one in engine.to_arrow(rows_of).to_pylist()}
    assert outcomes["metastatic_solid_tumor malignancy", "malignancy"] == "dropped by metastatic_solid_tumor"
    assert outcomes["malignancy 9", "malignancy"] == "counts"
    long = engine.to_arrow(groups_of(rows_of, charlson())).to_pylist()
    assert {(one["subject_id"], one["group"]) for one in long} == {
        (subject, name) for subject, one in shown.items() for name in has_of(one, charlson())
    }


def test_without_hierarchy_both_groups_count(duckdb_engine: Engine) -> None:
    grouper = charlson().without_hierarchy()
    _grouped, shown, _codes = found_by(duckdb_engine, grouper, [row("A", "C50.9"), row("A", "C78.7")])
    assert has_of(shown["A"], grouper) == {"malignancy", "metastatic_solid_tumor"}
    assert shown["A"]["charlson_1987"] == 8


ELIXHAUSER = [
    # subject: code and indicator, principal diagnosis first; then comorbidities
    ("principal does not count", "I509 Y", ""),
    ("present", "Z000 Y, I509 Y", "HF"),
    ("clinically undetermined", "Z000 Y, I509 W", "HF"),
    ("not present", "Z000 Y, I509 N", ""),
    ("unknown", "Z000 Y, I509 U", ""),
    ("part asks, part does not", "Z000 Y, I110 N", "HTN_CX"),
    ("exempt code needs none", "Z000 Y, I69351 -", "CBVD PARALYSIS"),
    ("stroke before", "Z000 Y, I639 Y", "CBVD"),
    ("stroke in hospital", "Z000 Y, I639 N", ""),
    ("sequela, and a stroke in hospital", "Z000 Y, I69351 -, I639 N", "PARALYSIS"),
    ("sequela, strokes before and in hospital", "Z000 Y, I69351 -, I639 N, I639 Y", "CBVD PARALYSIS"),
    ("metastasis drops tumors, not lymphoma", "Z000 Y, C787 Y, C50911 Y, D0501 Y, C8190 Y", "CANCER_METS CANCER_LYMPH"),
    ("solid drops in situ", "Z000 Y, C50911 -, D0501 -", "CANCER_SOLID"),
    ("graver diabetes, hypertension", "Z000 Y, E1122 -, E119 -, I110 Y, I10 -", "DIAB_CX HTN_CX HF"),
    ("graver kidney, liver", "Z000 Y, N183 Y, N186 Y, K7460 Y, K7290 Y", "RENLFL_SEV LIVER_SEV"),
    ("graver came later", "Z000 Y, N183 Y, N186 N", "RENLFL_MOD"),
]


def test_elixhauser_by_presence_on_admission_and_position(engine: Engine, tmp_path: Path) -> None:
    grouper = read_grouper("elixhauser-ahrq", elixhauser_folder(tmp_path / "ahrq"))
    assert (grouper.version, grouper.exempt) == ("2026.1", {"I69351", "Z0001"})
    rows = [
        row(subject, code, position=at, poa=None if poa == "-" else poa)
        for subject, some, _expected in ELIXHAUSER
        for at, (code, poa) in enumerate((one.split() for one in some.split(", ")), start=1)
    ]
    rows.append(row("principal does not count", "E119", ICD_9))
    grouped, shown, codes = found_by(engine, grouper, rows)
    for subject, _some, expected in ELIXHAUSER:
        assert has_of(shown[subject], grouper) == {f"CMR_{name}" for name in expected.split()}, subject
    # Weights of the file are -3, -2 ... in the order of the comorbidities: -2 for metastasis, -3 for lymphoma.
    assert shown["metastasis drops tumors, not lymphoma"]["mortality_index"] == -5
    rows_of = engine.compute(trace(engine, grouped, codes), "grouping_test_trace")
    outcomes = {
        (one["subject_id"], one["group"], one["position"]): one["outcome"]
        for one in engine.to_arrow(rows_of).to_pylist()
    }
    assert outcomes["principal does not count", "CMR_HF", 1] == "position does not count"
    assert outcomes["not present", "CMR_HF", 2] == "not so on admission"
    assert outcomes["sequela, and a stroke in hospital", "CMR_CBVD", 2] == "dropped by CBVD_NPOA"
    long = engine.to_arrow(groups_of(rows_of, grouper)).to_pylist()
    assert "CBVD_NPOA" not in {one["group"] for one in long}


def test_workbook_and_its_sheets_as_text_are_read_alike(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    texts = read_grouper("elixhauser-ahrq", elixhauser_folder(tmp_path / "ahrq"))
    with xlsxwriter.Workbook(tmp_path / "ahrq" / "CMR-Reference-File-v2026-1.xlsx") as book:
        for name in ("Comorbidity_Measures", "DX_to_Comorb_Mapping"):
            sheet = book.add_worksheet(name)
            with (tmp_path / "ahrq" / f"{name}.csv").open(newline="") as lines:
                for at, cells in enumerate(csv.reader(lines)):
                    sheet.write_row(at, 0, [int(cell) if cell.isdigit() else cell for cell in cells])
            (tmp_path / "ahrq" / f"{name}.csv").unlink()
    book = read_grouper("elixhauser-ahrq", tmp_path / "ahrq")
    assert replace(book, files=()) == replace(texts, files=())


def test_without_indicators_it_refuses_or_says_not_known_or_assumes(duckdb_engine: Engine, tmp_path: Path) -> None:
    grouper = read_grouper("elixhauser-ahrq", elixhauser_folder(tmp_path / "ahrq", has_exempt=False))
    rows = [row("A", "I509"), row("A", "I110"), row("A", "E119"), row("B", "I639"), row("B", "I69351", poa="E")]
    _grouped, shown, codes = found_by(duckdb_engine, grouper, rows)
    table = duckdb_engine._connection.table("grouping_test")
    asked = (duckdb_engine, grouper, table, codes)
    with pytest.raises(InputDataError, match=r"75\.0% of the diagnoses .* nobody would have those groups"):
        indicator_rates(*asked, "refuse", Limits(), "here")
    assert indicator_rates(*asked, "missing", Limits(), "here") == {"asked": 4, "without": 3}
    # The list of exempt codes is not known, so the indicator E is believed.
    assert has_of(shown["B"], grouper) == {"CMR_CBVD", "CMR_PARALYSIS"}
    _grouped, shown, _codes = found_by(duckdb_engine, grouper, rows, "missing")
    assert (shown["A"]["CMR_HF"], shown["A"]["CMR_HTN_CX"], shown["A"]["CMR_DIAB_UNCX"]) == (None, 1, 1)
    assert shown["A"]["mortality_index"] is None
    _grouped, shown, _codes = found_by(duckdb_engine, grouper, rows, "assume")
    assert has_of(shown["A"], grouper) == {"CMR_HF", "CMR_HTN_CX", "CMR_DIAB_UNCX"}
    assert has_of(shown["B"], grouper) == {"CMR_CBVD", "CMR_PARALYSIS"}


OWN = """title: Two lungs
version: "1"
groups:
  asthma: {label: Asthma}
  copd: {label: COPD}
hierarchy: {copd: [asthma]}
indices: {lungs: {weights: {asthma: 1, copd: -2}}}
"""


def test_own_grouper_screens_by_drg_and_principal_diagnosis(duckdb_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "grouper.yaml").write_text(OWN)
    (tmp_path / "codes.csv").write_text("code_system,code,group\nicd-10-cm,J45*,asthma\nicd-10-cm,J44.9,copd\n")
    (tmp_path / "exclusions.csv").write_text("kind,code,group\ndrg,190,copd\nprincipal,J96*,asthma\n")
    grouper = read_folder(tmp_path, "lungs")
    rows = [
        row("A", "J449", drg_code="190"),
        row("A", "J45909", drg_code="190"),
        row("B", "J96.00", position=1, drg_code="189"),
        row("B", "J45909", drg_code="189"),
        row("C", "J449", drg_code="189"),
        row("C", "J45909", drg_code="189"),
        row("C", "J4490"),
    ]
    grouped, shown, codes = found_by(duckdb_engine, grouper, rows)
    # What is screened drops nothing.
    assert {name: (one["asthma"], one["copd"], one["lungs"]) for name, one in shown.items()} == {
        "A": (1, 0, 1),
        "B": (0, 0, 0),
        "C": (0, 1, -2),
    }
    traced = duckdb_engine.to_arrow(trace(duckdb_engine, grouped, codes)).to_pylist()
    assert sorted((one["subject_id"], one["group"], one["outcome"]) for one in traced) == [
        ("A", "asthma", "counts"),
        ("A", "copd", "screened by DRG or principal diagnosis"),
        ("B", "asthma", "screened by DRG or principal diagnosis"),
        ("C", "asthma", "dropped by copd"),
        ("C", "copd", "counts"),
    ]


def test_clinical_classifications_every_category_or_the_default_of_the_principal(
    duckdb_engine: Engine, tmp_path: Path
) -> None:
    ccsr_file(tmp_path)
    rows = [row("A", "A021", position=1), row("A", "I10"), row("B", "I10", position=1), row("B", "R6521")]
    every = read_grouper("ccsr", tmp_path)
    assert (every.version, every.labels["SYM003"]) == ("2026.1", "Shock")
    _grouped, shown, _codes = found_by(duckdb_engine, every, rows)
    assert has_of(shown["A"], every) == {"INF002", "INF003", "CIR007"}
    assert has_of(shown["B"], every) == {"CIR007", "INF002", "SYM003"}
    default = read_grouper("ccsr-principal", tmp_path)
    _grouped, shown, _codes = found_by(duckdb_engine, default, rows)
    assert [has_of(shown[one], default) for one in "AB"] == [{"INF002"}, {"CIR007"}]


def folder_of_claims(folder: Path) -> Path:
    folder.mkdir()
    year = {"enrollment_start_date": date(2014, 1, 1), "enrollment_end_date": date(2024, 12, 31)}
    stay = {"claim_type": "institutional", "bill_type_code": "111", "drg_code": "291"}
    claims = [
        {"claim_id": "1", "person_id": "A", "claim_start_date": date(2024, 5, 1), "diagnosis_code_1": "E11.9"},
        {"claim_id": "2", "person_id": "A", "claim_start_date": date(2024, 6, 1), "diagnosis_code_1": "I509", **stay}
        | {"diagnosis_code_2": "N186", "diagnosis_poa_1": "Y", "diagnosis_poa_2": "N", "claim_line_number": 1},
        {"claim_id": "3", "person_id": "A", "claim_start_date": date(2024, 7, 1), "diagnosis_code_1": "B20"}
        | {"claim_status": "denied"},
        {"claim_id": "4", "person_id": "A", "claim_start_date": date(2014, 7, 1), "diagnosis_code_1": "4280"},
        {"claim_id": "5", "person_id": "stranger", "claim_start_date": date(2024, 7, 1), "diagnosis_code_1": "B20"},
    ]
    claims.append(claims[1] | {"claim_line_number": 2})
    for name, rows in {
        "eligibility": [{"person_id": one} | year for one in ("A", "B")],
        "medical_claim": claims,
    }.items():
        pq.write_table(arrow_rows(name, rows), folder / f"{name}.parquet")
    return folder


def test_diagnoses_of_lines_are_spread_once_a_claim(engine: Engine, tmp_path: Path) -> None:
    claims = open_claims(engine, folder_of_claims(tmp_path / "claims"))
    wanted = ["claim_id", "claim_end_date", "drg_code", "diagnosis_code_type"]
    wanted += [f"diagnosis_{what}_{number}" for what in ("code", "poa") for number in range(1, 26)]
    lines = claims.as_read("medical_claim")
    rows = engine.to_arrow(spread(lines.select(*wanted, subject_id=lines.person_id))).to_pylist()
    assert sorted(tuple(one.values()) for one in rows if one["claim_id"] in "24") == [
        ("A", "4280", "icd-9-cm", 1, None, "4", None),
        ("A", "I509", "icd-10-cm", 1, "Y", "2", "291"),
        ("A", "N186", "icd-10-cm", 2, "N", "2", "291"),
    ]


def test_diagnoses_of_claims_by_person(duckdb_engine: Engine, tmp_path: Path) -> None:
    engine = duckdb_engine
    claims = open_claims(engine, folder_of_claims(tmp_path / "claims"))
    window = Window("person", date(2014, 1, 1), date(2024, 12, 31))
    given = from_claims(engine, claims, window)
    rows = engine.to_arrow(given.diagnoses).to_pylist()
    # Of two lines of one claim, one; denied ones not; those of a person who is not enrolled apart.
    assert sorted((one["code"], one["code_system"], one["position"], one["poa"], one["claim_id"]) for one in rows) == [
        ("4280", "icd-9-cm", 1, None, "4"),
        ("E11.9", "icd-10-cm", 1, None, "1"),
        ("I509", "icd-10-cm", 1, "Y", "2"),
        ("N186", "icd-10-cm", 2, "N", "2"),
    ]
    assert given.of_others == 1
    assert given.subjects is not None
    assert sorted(engine.to_arrow(given.subjects)["subject_id"].to_pylist()) == ["A", "B"]


def test_diagnoses_of_claims_by_stay_and_index_day(
    duckdb_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = duckdb_engine
    # Netting of versions, which the test above has, takes seconds to be written as SQL.
    monkeypatch.setattr(diagnoses, "standing_lines", lambda claims: claims.table("medical_claim"))
    claims = open_claims(engine, folder_of_claims(tmp_path / "claims"))
    given = from_claims(engine, claims, Window("claim", date(2024, 1, 1), date(2024, 12, 31)))
    assert engine.to_arrow(given.subjects).to_pylist() == [{"subject_id": "test:2", "person_id": "A"}]
    index = tmp_path / "index.csv"
    index.write_text("person_id,index_date\nA,2024-06-01\nA,2024-06-02\nB,2024-06-02\n")
    given = from_claims(engine, claims, Window("index", index=index, days=31))
    rows = engine.to_arrow(given.diagnoses).to_pylist()
    assert sorted((one["subject_id"], one["code"]) for one in rows) == [
        ("A:2024-06-01", "E11.9"),
        ("A:2024-06-02", "I509"),
        ("A:2024-06-02", "N186"),
    ]
    assert len(engine.to_arrow(given.subjects)) == 3


def test_charlson_codes_are_whole_ranges_of_the_article() -> None:
    codes = {(system, code) for system, code, _group in charlson().codes}
    assert sum(system == ICD_10 for system, _code in codes) == 289
    assert {(ICD_10, f"I6{digit}*") for digit in range(10)} <= codes
    assert {(ICD_9, f"43{digit}*") for digit in range(9)} <= codes
