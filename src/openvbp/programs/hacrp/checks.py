"""What must be right about the files before anything is computed, and what a careful reader wants to know."""

from __future__ import annotations

import re
from decimal import Decimal

from openvbp.errors import Problem
from openvbp.parameters import Scenario
from openvbp.program import Check
from openvbp.programs.hacrp import rules
from openvbp.programs.hacrp.measures import measure_catalogue
from openvbp.programs.hacrp.readers import FileRows, PublishedInputs
from openvbp.programs.hacrp.scenario_tables import used_measures
from openvbp.rules import in_force


def problems(inputs: PublishedInputs, declared: Scenario) -> list[Problem]:
    """Name what makes the files unusable for the period: columns that are missing or of another period."""
    found = [_missing_measures(inputs.scores, declared), *_other_period(inputs.scores, declared)]
    return [problem for problem in found if problem]


def _score_column(declared: Scenario) -> str:
    """The kind of score that the files of the period print."""
    return "z_score" if in_force([rules.measure_score_by_z_score], declared.period.start) else "points"


def _missing_measures(rows: FileRows, declared: Scenario) -> Problem | None:
    if not declared.value("is_total_hac_score_computed"):
        return None
    names = (_score_column(declared), "rate")
    missing = [one for one in used_measures(declared) if not any((one, name) in rows.file.measures for name in names)]
    if not missing:
        return None
    kind = names[0].replace("_", "-")
    return Problem(
        f"the file has no column with results or {kind}s of {len(missing)} measures of {declared.period.label}",
        str(rows.file.table.path),
        "give the file as published; check the period",
        len(missing),
        tuple(f"{one} ({measure_catalogue()[one].name})" for one in missing),
    )


def _other_period(rows: FileRows, declared: Scenario) -> list[Problem]:
    """Scores of measures or domains that the period does not have."""
    used = used_measures(declared)
    measures = sorted(
        {one for (one, name), index in rows.file.measures.items() if one not in used and rows.has_values(index)}
    )
    extra = [f"measure {one}" for one in measures if declared.value("is_total_hac_score_computed")]
    if not declared.keyed("domain_weight"):
        extra += [
            name.replace("_", " ") for name in ("domain_1", "domain_2") if rows.has_values(rows.file.named.get(name))
        ]
    if not extra:
        return []
    what = f"the file has scores that {declared.period.label} does not have"
    return [Problem(what, str(rows.file.table.path), "check the period", len(extra), tuple(extra))]


def checks(inputs: PublishedInputs, declared: Scenario) -> list[Check]:
    """Say what is worth knowing about files that can be used."""
    rows = inputs.scores
    named = rows.file.named
    unknown_state = [
        one
        for one, state in zip(rows.provider_ids, rows.texts(named.get("state")).to_pylist(), strict=True)
        if not state
    ]
    set_aside = [file.table.name for file in inputs.ignored if file.kind == "scores"]
    found = [
        Check(
            "hospital_without_state",
            len(unknown_state),
            "exempt states are told by the hospital's number and the file's payment reductions",
            tuple(unknown_state[:3]),
        ),
        Check("file_of_another_year", len(set_aside), "set aside", tuple(set_aside[:3])),
        Check("leading_zero_restored", inputs.restored_zeros, "hospital numbers had lost leading zeros"),
        _cutoff_of_file(rows, declared),
    ]
    return [check for check in found if check.count]


def _cutoff_of_file(rows: FileRows, declared: Scenario) -> Check:
    """Compare the cutoff with the interval that the published scores and payment reductions allow."""
    name, meaning = "cutoff_of_file", ""
    spared, penalised = (_totals(rows, text) for text in ("no", "yes"))
    declared_cutoff = declared.value("cutoff")
    if not spared or not penalised or max(spared) >= min(penalised):
        return Check(name, 0, meaning)
    interval = f"from {max(spared)} up to, but not including, {min(penalised)}"
    if declared_cutoff is None:
        return Check(name, 1, f"the published payment reductions follow from any cutoff {interval}: --set cutoff=...")
    if max(spared) <= declared_cutoff < min(penalised):
        return Check(name, 0, meaning)
    return Check(name, 1, f"declared {declared_cutoff}, the published payment reductions follow from one {interval}")


def _totals(rows: FileRows, reduction: str) -> list[Decimal]:
    named = rows.file.named
    if not {"total_hac_score", "payment_reduction"} <= named.keys():
        return []
    totals, reductions = rows.columns[named["total_hac_score"]], rows.columns[named["payment_reduction"]]
    return [
        Decimal(total)
        for total, text in zip(totals, reductions, strict=True)
        if text.lower() == reduction and re.fullmatch(r"-?\d+([.]\d+)?", total)
    ]
