"""Groupers, files of AHRQ and diagnoses that cannot be used: what is said, and that nothing is lost without a word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from grouping_examples import ccsr_file, elixhauser_folder
from openvbp.errors import InputDataError, OpenvbpError, UsageError
from openvbp.grouping.codes import Limits
from openvbp.grouping.diagnoses import Window
from openvbp.grouping.run import Options, group_data
from openvbp.grouping.tables import read_folder, read_grouper

YAML = """title: Lungs
groups: {asthma: {label: Asthma}, copd: {label: COPD}}
hierarchy: {copd: [asthma]}
indices: {lungs: {weights: {asthma: 1, copd: 2}}}
"""
CODES = "code_system,code,group\nicd-10-cm,J45*,asthma\nicd-10-cm,J44*,copd\n"


def folder(path: Path, yaml: str = YAML, codes: str = CODES) -> Path:
    path.mkdir()
    (path / "grouper.yaml").write_text(yaml)
    (path / "codes.csv").write_text(codes)
    return path


@pytest.mark.parametrize(
    ("yaml", "codes", "said"),
    [
        (YAML.replace("copd: [asthma]", "copd: [asthma], asthma: [copd]"), CODES, "drop one another in a circle"),
        (YAML.replace("[asthma]", "[fever]"), CODES, "the hierarchy names unknown groups"),
        (YAML.replace("copd: 2", "fever: 2"), CODES, "weights are of unknown groups"),
        (YAML.replace("label: COPD", "label: COPD, present_on_admission: maybe"), CODES, "rules of presence"),
        (
            YAML.replace("Asthma}", 'Asthma, reported_as: ""}').replace(
                "label: COPD", "label: COPD, reported_as: asthma"
            ),
            CODES,
            "groups that are not shown are named like shown ones",
        ),
        (YAML.replace("lungs:", "asthma:"), CODES, "columns would be named alike"),
        (YAML.replace("asthma: {", "subject_id: {"), CODES, "names cannot be columns"),
        (YAML + "sorce: me\n", CODES, "keys are not known"),
        (YAML + "positions: first\n", CODES, "positions are unknown"),
        ("title: [", CODES, "file is not YAML"),
        (YAML.replace("{weights: {asthma: 1, copd: 2}}", "3"), CODES, "are not of their form"),
        (YAML.replace("copd: 2", "copd: 2.5"), CODES, "weight 2.5 is not a whole number"),
        (YAML, CODES.replace("copd", "fever"), "groups have no code"),
        (YAML, CODES.replace("copd", "fever"), "codes are of unknown groups"),
        (YAML, CODES.replace("icd-10-cm,J44", "icd-11,J44"), "code systems are unknown"),
        (YAML, CODES + "icd-10-cm,J44*,copd\n", "rows stand twice"),
        (YAML, CODES + "icd-10-cm,,copd\n", "rows have empty cells"),
        (YAML, CODES.replace("group\n", "category\n"), "columns are missing"),
        (YAML, "code_system,code,group\n", "file has no rows"),
    ],
)
def test_groupers_that_contradict_themselves_are_refused(tmp_path: Path, yaml: str, codes: str, said: str) -> None:
    with pytest.raises(InputDataError, match=said):
        read_folder(folder(tmp_path / "own", yaml, codes), "own")


def change(name: str, before: str, after: str) -> Callable[[Path], None]:
    def changed(path: Path) -> None:
        text = (path / name).read_text()
        assert before in text
        (path / name).write_text(text.replace(before, after))

    return changed


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (change("Comorbidity_Measures.csv", "Uses present", "Present"), "column 3 is not"),
        (change("Comorbidity_Measures.csv", ",No", ",Perhaps"), "neither Yes nor No"),
        (change("Comorbidity_Measures.csv", "CMR_HF,", "CMR_CHF,"), "not of the same comorbidities"),
        (change("DX_to_Comorb_Mapping.csv", "C787,", "C8190,"), "codes stand twice"),
        (change("DX_to_Comorb_Mapping.csv", 'comma",2,', 'comma",1,'), "counts of comorbidities are wrong"),
        (change("DX_to_Comorb_Mapping.csv", ",0,1,", ",0,x,"), "neither 0 nor 1"),
        (change("CMR_Index_Program_v2026-1.sas", "rwHF ", "rwCHF "), "weights are not of the workbook"),
        (
            change("CMR_Format_Program_v2026-1.sas", "poaxmpt_v43fmt", "poaxmpt"),
            "list of exempt codes of ICD-10-CM version 43",
        ),
        (change("CMR_Format_Program_v2026-1.sas", "'I69351',", "'I69351'-"), "given as ranges"),
        (lambda path: (path / "DX_to_Comorb_Mapping.csv").unlink(), "there is no file such as CMR-Reference-File"),
        (lambda path: (path / "CMR_Index_Program_v2025-1.sas").write_text(""), "files of several releases"),
    ],
)
def test_files_of_elixhauser_that_are_damaged_are_refused(
    tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    path = elixhauser_folder(tmp_path / "ahrq")
    damage(path)
    with pytest.raises(InputDataError, match=said):
        read_grouper("elixhauser-ahrq", path)


def test_a_workbook_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "CMR-Reference-File-v2026-1.xlsx").write_bytes(b"not a workbook")
    with pytest.raises(InputDataError, match="workbook cannot be read"):
        read_grouper("elixhauser-ahrq", tmp_path)


def test_files_of_ccsr_that_are_damaged_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match="no file such as DXCCSR"):
        read_grouper("ccsr", tmp_path)
    path = ccsr_file(tmp_path)
    whole = path.read_text()
    path.write_text(whole.replace("'INF002'", "'Septicemia'"))
    with pytest.raises(InputDataError, match="codes or categories are not of their form"):
        read_grouper("ccsr", tmp_path)
    path.write_text(whole.replace("Default CCSR CATEGORY IP", "Category"))
    with pytest.raises(InputDataError, match="columns are missing"):
        read_grouper("ccsr", tmp_path)


def test_groupers_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs the files of AHRQ"):
        read_grouper("ccsr")
    with pytest.raises(UsageError, match="takes no files of AHRQ"):
        read_grouper("charlson-quan", tmp_path)
    with pytest.raises(UsageError, match="there is no grouper 'charlson'"):
        read_grouper("charlson")


HEADER = "subject_id,code,code_system,position,poa\n"


@pytest.mark.parametrize(
    ("table", "options", "said"),
    [
        ("subject_id,code,code_system,pos\nA,J449,icd-10-cm,1\n", Options(), "columns are not known"),
        ("subject_id,code\nA,J449\n", Options(), "the code system is not said"),
        (HEADER + "A,J449,icd-10-cm,1,\n", Options(code_system="icd-9-cm"), "the code system is said twice"),
        ("subject_id,code_system\nA,icd-10-cm\n", Options(), "columns are missing"),
        (HEADER, Options(), "table has no rows"),
        (HEADER + ",J449,icd-10-cm,1,\n", Options(), "cells of subject_id are wrong"),
        (HEADER + "A,J449,icd10,1,\n", Options(), "cells of code_system are wrong"),
        (
            HEADER + "A,J449,icd-10-cm,first,\nA,J449,icd-10-cm,0,\n",
            Options(),
            r"cells of position are wrong \(2 times\)",
        ),
        (HEADER + "A,,icd-10-cm,1,\n", Options(), "there is no diagnosis"),
        (HEADER + "A,486,icd-9-cm,1,\n", Options(), "no diagnosis is of icd-10-cm"),
        (HEADER + "A,J449,icd-10-cm,1,\nA,250.00,icd-10-cm,2,\n", Options(), "50.0% of diagnoses are not of the form"),
        (HEADER + "A,I10,icd-10-cm,1,\n", Options(limits=Limits(least_mapped=0.1)), "only 0.0% of diagnoses"),
    ],
)
def test_diagnoses_that_cannot_be_used_are_refused(tmp_path: Path, table: str, options: Options, said: str) -> None:
    path = tmp_path / "diagnoses.csv"
    path.write_text(table)
    own = folder(tmp_path / "own")
    with pytest.raises(OpenvbpError, match=said) as raised:
        group_data(diagnoses=path, out=tmp_path / "out", grouper=str(own), options=options, threads=1)
    assert "patient" not in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_presence_on_admission_that_is_not_said_stops_the_run(tmp_path: Path) -> None:
    path = tmp_path / "diagnoses.csv"
    path.write_text("subject_id,code,position\n" + "A,Z000,1\nA,I509,2\n" * 3)
    tables = elixhauser_folder(tmp_path / "ahrq")
    options = Options(code_system="icd-10-cm")
    asked = {"diagnoses": path, "grouper": "elixhauser-ahrq", "tables": tables, "options": options, "threads": 1}
    with pytest.raises(InputDataError, match=r"100\.0% of the diagnoses whose group asks"):
        group_data(**asked, out=tmp_path / "out")  # type: ignore[arg-type]
    path.write_text("subject_id,code\nA,I509\n")
    with pytest.raises(InputDataError, match="goes by position, and diagnoses have none"):
        group_data(**asked, out=tmp_path / "out")  # type: ignore[arg-type]


def test_what_is_asked_must_make_sense(tmp_path: Path) -> None:
    for options, grouper, said in (
        (Options(Window("person")), "charlson-quan", "days are missing"),
        (Options(Window("index")), "charlson-quan", "the file of index days is missing"),
        (Options(), "elixhauser-ahrq", "is about the diagnoses of one stay"),
    ):
        (tmp_path / "medical_claim.csv").write_text("claim_id\n")
        tables = None if grouper == "charlson-quan" else elixhauser_folder(tmp_path / "ahrq")
        with pytest.raises(UsageError, match=said):
            group_data(data=tmp_path, out=tmp_path / "out", grouper=grouper, tables=tables, options=options, threads=1)
    with pytest.raises(UsageError, match="give claims or diagnoses"):
        group_data(out=tmp_path / "out", grouper="charlson-quan")
