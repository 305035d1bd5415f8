"""HRRP files of one fiscal year, merged: hospital-specific reports, supplemental files, public files, added files.

Several files may give the same number. The one that is nearest to CMS's own computation is taken: the hospital's
report, then the supplemental file, then files that the user adds, then the public file, whose counts of small hospitals
are suppressed. Where files disagree, the run says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

from openvbp.errors import InputDataError, Problem
from openvbp.parameters import Scenario
from openvbp.programs.hrrp import cells, hospital_report
from openvbp.programs.hrrp.file_reader import FileReader
from openvbp.programs.hrrp.merged_files import ReadmissionInputs
from openvbp.programs.hrrp.published_files import PublishedFile, read_folder

_PRECEDENCE = ("report", "stays", "supplemental", "hospitals", "conditions", "ratios", "ignored")
_FISCAL_YEAR = re.compile(r"\bFY ?(20\d\d)\b")
_SPAN = re.compile(r"through (\w+ \d{1,2}, \d{4})")


def read_published(directory: Path, scenario: Scenario) -> ReadmissionInputs:
    """Read a folder of HRRP files.

    Parameters
    ----------
    directory
        Folder of the files of one fiscal year, or one file.
    scenario
        The rules in force: the applicable period that the files must be of, and what their zeros mean.

    Raises
    ------
    InputDataError
        If files are broken, of another year, name unknown measures, or give a hospital two different rows.
    """
    found = read_folder(directory)
    problems = [problem for file in found for problem in _other_period(file, scenario)]
    inputs = ReadmissionInputs()
    reports = [file.sheet for file in found if file.kind in ("report", "stays") and file.sheet]
    folder = directory if directory.is_dir() else directory.parent
    inputs.report_provider_id = hospital_report.provider_of(reports, folder) if reports else None
    forms = {**cells.FORMS, **_peer_group_form(scenario)}
    for file in sorted(found, key=lambda one: _PRECEDENCE.index(one.kind)):
        try:
            FileReader(inputs, scenario, file, forms).read()
        except InputDataError as error:
            problems.extend(error.problems)
    problems.extend(_stays_that_do_not_add_up(inputs))
    problems.extend(_dual_stays_that_do_not_add_up(inputs))
    if problems:
        raise InputDataError(problems)
    return inputs


def _peer_group_form(scenario: Scenario) -> dict[str, cells.Form]:
    groups = scenario.value("number_of_peer_groups")
    name = "published_peer_group"
    return {name: replace(cells.FORMS[name], highest=groups)} if groups else {}


def _other_period(file: PublishedFile, scenario: Scenario) -> Iterator[Problem]:
    """Compare the period that a file states with the applicable period, and its fiscal year with the program's."""
    if file.sheet is None or file.kind == "ignored":
        return
    start, end = (date.fromisoformat(scenario.value(f"applicable_period_{one}")) for one in ("start", "end"))
    years = {f"FY{year}" for text in (*file.sheet.titles, *file.sheet.header) for year in _FISCAL_YEAR.findall(text)}
    stated: set[date | None] = set()
    for name, expected in (("start_date", start), ("end_date", end)):
        if name in file.described:
            index = file.described[name]
            stated |= {_date(row[index]) for row in file.sheet.rows} - {expected, None}
    match = _SPAN.search(" ".join(file.sheet.titles[:4])) if file.kind in ("report", "stays") else None
    if match:
        stated |= {datetime.strptime(match[1], "%B %d, %Y").date()} - {end}
    wrong = sorted(str(day) for day in stated) or sorted(years - {scenario.period.label} if years else [])
    if stated or (file.kind == "supplemental" and years and scenario.period.label not in years):
        yield Problem(
            f"file is not of {scenario.period.label}, whose applicable period is {start} to {end}",
            str(file.path),
            "give the files of the period, or the period of the files",
            len(wrong),
            tuple(wrong[:3]),
        )


def _date(text: str) -> date | None:
    for form in ("%m/%d/%Y", "%Y-%m-%d"):
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    return None


def _stays_that_do_not_add_up(inputs: ReadmissionInputs) -> Iterator[Problem]:
    """Demand as many index stays as the report's results say: otherwise a sheet is not whole."""
    provider_id = inputs.report_provider_id
    for stays in inputs.stays:
        condition = inputs.conditions.get((provider_id or "", stays.measure_id))
        if condition is None or not inputs.has("published_excess_readmission_ratio"):
            continue
        reported = int(condition.values.get("eligible_discharges", Decimal(0)))
        if stays.index_stays != reported:
            yield Problem(
                f"{stays.measure_id}: {stays.index_stays} index stays are listed, {reported} are reported in Table 2",
                "hospital-specific report",
                "the sheet of stays may be truncated or of another report; save it again",
            )


def _dual_stays_that_do_not_add_up(inputs: ReadmissionInputs) -> Iterator[Problem]:
    """Demand that dual-eligible stays are a part of all stays, and that a report lists as many as it counts."""
    counts = {
        provider_id: (hospital.values["dual_eligible_stays"], hospital.values["stays"])
        for provider_id, hospital in sorted(inputs.hospitals.items())
        if {"dual_eligible_stays", "stays"} <= hospital.values.keys()
    }
    wrong = [f"{one}: {dual} of {stays}" for one, (dual, stays) in counts.items() if dual > stays]
    if wrong:
        yield Problem(
            "more dual-eligible stays than stays",
            "; ".join(inputs.citations["dual_eligible_stays", ""]),
            "correct the numbers",
            len(wrong),
            tuple(wrong[:3]),
        )
    listed, reported = inputs.listed_dual_eligible_stays, counts.get(inputs.report_provider_id or "", (None,))[0]
    if listed is not None and reported is not None and listed != reported:
        yield Problem(
            f"{listed} dual-eligible stays are listed, {reported} are reported in Table 1",
            "hospital-specific report",
            "the sheet of dual-eligible stays may be truncated or of another report; save it again",
        )
