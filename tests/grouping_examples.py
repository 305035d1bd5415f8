"""Diagnoses and files of AHRQ's layout for tests of groups; and a slow oracle that looks at rows one by one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from openvbp.engine import Engine
from openvbp.grouping.codes import codes_in
from openvbp.grouping.flags import Grouped, WithoutIndicator, group, shown
from openvbp.grouping.grouper import Grouper

ICD_10, ICD_9 = "icd-10-cm", "icd-9-cm"
COLUMNS = {
    "subject_id": pa.string(),
    "code": pa.string(),
    "code_system": pa.string(),
    "position": pa.int64(),
    "poa": pa.string(),
    "claim_id": pa.string(),
    "drg_code": pa.string(),
}
Row = Mapping[str, Any]


def row(subject: str, code: str | None, system: str = ICD_10, position: int | None = 2, **more: Any) -> Row:
    return {"subject_id": subject, "code": code, "code_system": system, "position": position, **more}


def found_by(
    engine: Engine,
    grouper: Grouper,
    rows: Sequence[Row],
    without: WithoutIndicator = "refuse",
    subjects: Iterable[str] | None = None,
) -> tuple[Grouped, dict[str, dict[str, Any]], pa.Table]:
    """What was found, what is shown of each subject, and the codes."""
    listed = pa.Table.from_pylist([dict(one) for one in rows], pa.schema(list(COLUMNS.items())))
    diagnoses = engine.table(listed, "grouping_test")
    everybody = None if subjects is None else engine.table(pa.table({"subject_id": list(subjects)}), "grouping_people")
    codes = codes_in(engine, grouper, diagnoses)
    grouped = group(engine, grouper, everybody, diagnoses, codes, without, "grouping_test")
    table = engine.to_arrow(grouped.subjects.select("subject_id", **shown(grouped)))
    return grouped, {one.pop("subject_id"): one for one in table.to_pylist()}, codes


def has_of(one: Mapping[str, Any], grouper: Grouper) -> set[str]:
    return {name for name in grouper.labels if one[name]}


def by_hand(grouper: Grouper, rows: Sequence[Row], subject: str) -> set[str]:
    """Groups of a subject, from its rows one by one."""
    mine = [one for one in rows if one["subject_id"] == subject]
    found, screened = set(), set()
    for one in mine:
        code = (one["code"] or "").strip().upper().replace(".", "")
        for kind, listed, name in grouper.screens:
            against = one.get("drg_code") or "" if kind == "drg" else code if one["position"] == 1 else ""
            if against == listed or (listed.endswith("*") and against and against.startswith(listed[:-1])):
                screened.add(name)
        if grouper.positions == "secondary" and one["position"] < 2:
            continue
        if grouper.positions == "principal" and one["position"] != 1:
            continue
        for system, listed, name in grouper.codes:
            if system != one["code_system"] or not code:
                continue
            if not (code == listed or (listed.endswith("*") and code.startswith(listed[:-1]))):
                continue
            rule = next(each.rule for each in grouper.groups if each.name == name)
            poa = (one.get("poa") or "").strip().upper()
            exempt = poa in ("1", "E") if grouper.exempt is None else code in grouper.exempt
            is_present = exempt or poa in ("Y", "W")
            is_absent = not exempt and poa in ("N", "U")
            if {"any": True, "present": is_present, "absent": is_absent}[rule]:
                found.add(name)
    left = found - screened
    kept = left - {child for parent, child in grouper.hierarchy if parent in left}
    return {each.reported_as for each in grouper.groups if each.name in kept and each.reported_as}


MEASURES = {
    "CANCER_LYMPH": "No",
    "CANCER_METS": "No",
    "CANCER_NSITU": "No",
    "CANCER_SOLID": "No",
    "CBVD": "Yes",
    "DIAB_CX": "No",
    "DIAB_UNCX": "No",
    "HF": "Yes",
    "HTN_CX": "No",
    "HTN_UNCX": "No",
    "LIVER_MLD": "Yes",
    "LIVER_SEV": "Yes",
    "PARALYSIS": "Yes",
    "RENLFL_MOD": "Yes",
    "RENLFL_SEV": "Yes",
}
MAPPED = {
    "C8190": "CANCER_LYMPH",
    "C787": "CANCER_METS",
    "D0501": "CANCER_NSITU",
    "C50911": "CANCER_SOLID",
    "I639": "CBVD_POA",
    "I69351": "CBVD_SQLA PARALYSIS",
    "E1122": "DIAB_CX",
    "E119": "DIAB_UNCX",
    "I509": "HF",
    "I110": "HF HTN_CX",
    "I10": "HTN_UNCX",
    "K7460": "LIVER_MLD",
    "K7290": "LIVER_SEV",
    "N183": "RENLFL_MOD",
    "N186": "RENLFL_SEV",
}
"""Codes and comorbidities in the layout of AHRQ's workbook: a few, made up to the point where rules matter."""


def elixhauser_folder(folder: Path, *, has_exempt: bool = True, has_weights: bool = True) -> Path:
    """Files in AHRQ's layout: the sheets of the workbook as CSV, index program, format program."""
    folder.mkdir()
    title = "Searchable list of codes in the Elixhauser Comorbidity Software Refined for ICD-10-CM, v2026.1"
    measures = [
        f"{title},,",
        '"Abbreviation \n(SAS Data Element Name)",Comorbidity Description,Uses present on admission?',
    ]
    measures[1] = measures[1].replace("admission?", "admission (POA) indicators for assignment?")
    measures += [f"CMR_{name},{name.lower()} ,{answer}" for name, answer in MEASURES.items()]
    names = sorted({one for some in MAPPED.values() for one in some.split()})
    mapping = [title, "ICD-10-CM Diagnosis,ICD-10-CM Code Description,# Comorbidities," + ",".join(names)]
    for code, some in MAPPED.items():
        flags = ",".join("1" if one in some.split() else "0" for one in names)
        mapping.append(f'{code},"described, with a comma",{len(some.split())},{flags}')
    for name, lines in {"Comorbidity_Measures": measures, "DX_to_Comorb_Mapping": mapping}.items():
        (folder / f"{name}.csv").write_text("\n".join([*lines, "End of Content,,"]) + "\n")
    if has_weights:
        weights = [f"   {kind}{name:12} = {at - 3} ;" for kind in ("rw", "mw") for at, name in enumerate(MEASURES)]
        (folder / "CMR_Index_Program_v2026-1.sas").write_text("\ufeff" + "\n".join(weights) + "\n")
    if has_exempt:
        older = "VALUE $POAXMPT_V42FMT\n \"I509\" = '1' other = ' ';\n"
        lists = older + "Value $poaxmpt_v43fmt\n 'I69351',\n 'Z0001' = '1'\n other = \" \";\n"
        (folder / "CMR_Format_Program_v2026-1.sas").write_text(lists)
    return folder


_CATEGORIES = ["Default CCSR CATEGORY{} IP", "Default CCSR CATEGORY{} OP", "CCSR CATEGORY 1{}", "CCSR CATEGORY 2{}"]
_DESCRIBED = {
    "CIR007": "Essential hypertension",
    "INF002": "Septicemia",
    "INF003": "Bacterial",
    "SYM003": "Shock",
    " ": "",
}


def ccsr_file(folder: Path, name: str = "DXCCSR_v2026-1.csv") -> Path:
    """A file in AHRQ's layout: cells in single quotes, descriptions in double ones."""
    header = ["'ICD-10-CM CODE'", "'ICD-10-CM CODE DESCRIPTION'"]
    for one in _CATEGORIES:
        description = one.format(" DESCRIPTION") if "Default" in one else one.format("") + " DESCRIPTION"
        header += [f"'{one.format('')}'", f"'{description}'"]
    lines = [",".join([*header, "'Rationale for Default Assignment'"])]
    for code, some in {"A021": "INF002 INF003", "I10": "CIR007", "R6521": "INF002 SYM003"}.items():
        first, second = [*some.split(), " "][:2]
        cells = [f"'{one}','{_DESCRIBED[one]}'" for one in (first, first, first, second)]
        lines.append(f"'{code}',\"described, with a comma\",{','.join(cells)},'01'")
    path = folder / name
    path.write_text("\n".join(lines) + "\n")
    return path
