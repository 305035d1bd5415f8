"""What must be right about the file before anything is computed, and what a careful reader wants to know."""

from __future__ import annotations

from collections import Counter

from openvbp.errors import Problem
from openvbp.parameters import Scenario
from openvbp.program import Check
from openvbp.programs.mssp.published_files import years_of
from openvbp.programs.mssp.readers import PublishedInputs

_NO_END = 9999
_COLUMNS = {
    # quantity: name as published, first and last performance year whose file has the column
    "beneficiaries": ("N_AB", 2013, _NO_END),
    "start_date": ("Current_Start_Date", 2013, _NO_END),
    "quality_score": ("QualScore", 2013, _NO_END),
    "final_sharing_rate": ("FinalShareRate", 2013, 2015),
    "is_quality_standard_met": ("Met_QPS", 2016, _NO_END),
    "disaster_adjustment": ("DisAdj", 2017, _NO_END),
    "revenue_category": ("Rev_Exp_Cat", 2018, _NO_END),
    "is_six_months": ("Participation_Six_Months", 2019, 2019),
    "is_alternative_standard_met": ("Met_AltQPS", 2023, _NO_END),
    "has_guardrail": ("Guardrail", 2024, _NO_END),
}


def problems(inputs: PublishedInputs, declared: Scenario) -> list[Problem]:
    """Name what makes the file unusable for the period: columns that are missing, tracks or dates of another year."""
    found = [_missing_columns(inputs, declared), _unknown_tracks(inputs, declared), _other_year(inputs, declared)]
    return [problem for problem in found if problem]


def _missing_columns(inputs: PublishedInputs, declared: Scenario) -> Problem | None:
    year = declared.period.start.year
    missing = [
        published
        for name, (published, first, last) in _COLUMNS.items()
        if first <= year <= last and name not in inputs.file.named
    ]
    if not missing:
        return None
    return Problem(
        f"columns that {declared.period.label} needs are missing",
        str(inputs.file.table.path),
        "give the public use file of the year as published",
        len(missing),
        tuple(missing[:3]),
    )


def _unknown_tracks(inputs: PublishedInputs, declared: Scenario) -> Problem | None:
    known = declared.keyed("is_two_sided")
    found = Counter(aco["track"] for aco in inputs.acos if aco["track"] not in known)
    if not found:
        return None
    return Problem(
        f"ACOs are in tracks that {declared.period.label} does not have",
        str(inputs.file.table.path),
        "check the period",
        sum(found.values()),
        tuple(sorted(found)[:3]),
    )


def _other_year(inputs: PublishedInputs, declared: Scenario) -> Problem | None:
    """New agreements begin every year but one, so the newest one dates the file."""
    year = declared.period.start.year
    newest = max((aco["start_year"] for aco in inputs.acos if aco["start_year"]), default=None)
    if newest is None or year - 1 <= newest <= year:
        return None
    return Problem(
        f"the newest agreement began in {newest}: the file is not of {declared.period.label}",
        str(inputs.file.table.path),
        "give the file of the period, or the period of the file",
    )


def checks(inputs: PublishedInputs) -> list[Check]:
    """Say what is worth knowing about a file that can be used."""
    file = inputs.file
    other = [one.table.name for one in inputs.set_aside if one.has_results]
    six_months = [aco["provider_id"] for aco in inputs.acos if aco["performance_months"] == 6]
    found = [
        Check("headers_moved", int(file.is_shifted), "the headers of the money columns stood one column too far left"),
        Check("file_without_year", int(not years_of(file)), "the file does not say its year; the period was taken"),
        Check("file_of_another_year", len(other), "set aside", tuple(other[:3])),
        Check(
            "performance_year_of_six_months", len(six_months), "amounts are those of six months", tuple(six_months[:3])
        ),
    ]
    return [check for check in found if check.count]
