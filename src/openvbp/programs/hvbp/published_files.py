"""Which of a folder's files are HVBP files, and what each of their columns is.

Files are told by their columns, never by their names: names, dates in names and column spellings change
from release to release.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from openvbp.errors import InputDataError, Problem
from openvbp.programs.hvbp.measures import measures_by_name
from openvbp.text_tables import TextTable, normalized, read_text_table

FIELDS = {
    "floor": "floor",
    "achievement threshold": "achievement_threshold",
    "benchmark": "benchmark",
    "baseline rate": "baseline_rate",
    "performance rate": "performance_rate",
    "achievement points": "achievement_points",
    "improvement points": "improvement_points",
    "measure score": "measure_points",
    "dimension score": "measure_points",
}
_OF_HOSPITALS = {
    "hcahps_base_points",
    "hcahps_consistency_points",
    "total_performance_score",
    "baseline_cases",
    "performance_cases",
    "performance_events",
    "rate_unverified",
    "base_operating_drg_payment_amount",
    "dual_eligible_ratio",
    "excluded_reason",
}
_CASE_COLUMNS = ("Measure ID", "Baseline Cases", "Performance Cases")
_STANDARDS_AND_RATES = {"floor", "achievement_threshold", "benchmark", "baseline_rate", "performance_rate"}
_MEASURE_COLUMN = re.compile(rf"(?P<measure>.+?) (?P<field>{'|'.join(FIELDS)})")
_DOMAIN_COLUMN = re.compile(r"(?P<kind>unweighted|weighted)( normalized)? (?P<domain>.+?)( domain)? score")
_DOMAIN_NAMES = {
    "clinical process of care": "clinical_process",
    "clinical process": "clinical_process",
    "clinical care process": "clinical_process",
    "outcome": "clinical_outcomes",
    "clinical care outcomes": "clinical_outcomes",
    "clinical care": "clinical_outcomes",
    "clinical outcomes": "clinical_outcomes",
    "patient experience of care": "person_and_community_engagement",
    "patient and caregiver centered experience of care care coordination": "person_and_community_engagement",
    "person and community engagement": "person_and_community_engagement",
    "safety": "safety",
    "efficiency": "efficiency_and_cost_reduction",
    "efficiency and cost reduction": "efficiency_and_cost_reduction",
}
_NAMED_COLUMNS = {
    "facility id": "provider_id",
    "provider number": "provider_id",
    "provider id": "provider_id",
    "ccn": "provider_id",
    "facility name": "provider_name",
    "hospital name": "provider_name",
    "city town": "place",
    "city": "place",
    "state": "state",
    "fiscal year": "fiscal_year",
    "hcahps base score": "hcahps_base_points",
    "hcahps consistency score": "hcahps_consistency_points",
    "total performance score": "total_performance_score",
    "measure id": "measure_id",
    "baseline cases": "baseline_cases",
    "performance cases": "performance_cases",
    "performance events": "performance_events",
    "rate unverified": "rate_unverified",
    "base operating drg payment amount usd": "base_operating_drg_payment_amount",
    "dual eligible ratio": "dual_eligible_ratio",
    "excluded reason": "excluded_reason",
}


@dataclass
class PublishedFile:
    """One file of the folder with the meaning of its columns, by column index."""

    table: TextTable
    named: dict[str, int] = field(default_factory=dict)
    measures: dict[tuple[str, str], int] = field(default_factory=dict)
    """(measure_id, field of :data:`FIELDS`) to column."""
    domains: dict[tuple[str, str], int] = field(default_factory=dict)
    """(domain_id, ``unweighted`` or ``weighted``) to column."""
    unknown_measures: list[str] = field(default_factory=list)

    @property
    def kind(self) -> str:
        """What the file is used for; ``ignored`` when it has nothing to do with HVBP."""
        if "provider_id" not in self.named:
            return "ignored"
        if self.measures or self.unknown_measures or "hcahps_base_points" in self.named:
            return "measures"
        if "total_performance_score" in self.named or self.domains:
            return "scores"
        if self.named.keys() & {"baseline_cases", "performance_cases"}:
            return "cases"
        if "base_operating_drg_payment_amount" in self.named:
            return "payments"
        if self.named.keys() & {"dual_eligible_ratio", "excluded_reason"}:
            return "attributes"
        return "ignored"


def read_folder(directory: Path) -> list[PublishedFile]:
    """Read every CSV file of a folder and classify its columns.

    Raises
    ------
    InputDataError
        If the folder is missing or has no CSV file, a file is broken or lacks columns, or a column names an unknown
        measure.
    """
    if not directory.is_dir():
        raise InputDataError(Problem("folder not found", str(directory), "give the folder of the published files"))
    paths = sorted(path for path in directory.iterdir() if path.suffix.lower() == ".csv" and path.is_file())
    if not paths:
        raise InputDataError(
            Problem("folder has no CSV file", str(directory), "download the published files: openvbp fetch hvbp")
        )
    published, problems = [], []
    for path in paths:
        try:
            published.append(classify(read_text_table(path)))
        except InputDataError as error:
            problems.extend(error.problems)
    problems.extend(_unknown_measures(published))
    problems.extend(problem for file in published for problem in _lacking_columns(file))
    problems.extend(_given_twice(published))
    if problems:
        raise InputDataError(problems)
    return published


def classify(table: TextTable) -> PublishedFile:
    """Find out what each column of a file is."""
    result = PublishedFile(table)
    names = measures_by_name()
    for index, header in enumerate(table.header):
        name = normalized(header)
        domain = _DOMAIN_COLUMN.fullmatch(name)
        measure = _MEASURE_COLUMN.fullmatch(name)
        if name in _NAMED_COLUMNS:
            result.named.setdefault(_NAMED_COLUMNS[name], index)
        elif domain and domain["domain"] in _DOMAIN_NAMES:
            result.domains[_DOMAIN_NAMES[domain["domain"]], domain["kind"]] = index
        elif measure and measure["measure"] in names:
            result.measures[names[measure["measure"]], FIELDS[measure["field"]]] = index
        elif measure:
            result.unknown_measures.append(header)
    return result


def _unknown_measures(published: Iterable[PublishedFile]) -> list[Problem]:
    return [
        Problem(
            "columns of an unknown measure",
            str(file.table.path),
            "check the file; a new measure is added in measure_catalogue.csv and measures.csv",
            len(file.unknown_measures),
            tuple(file.unknown_measures),
        )
        for file in published
        if file.unknown_measures
    ]


def _lacking_columns(file: PublishedFile) -> list[Problem]:
    """Columns without which a file's other columns would be read as "no value" for every hospital."""
    lacking = []
    is_of_hospitals = file.measures or file.domains or file.named.keys() & _OF_HOSPITALS
    if is_of_hospitals and "provider_id" not in file.named:
        lacking.append("Facility ID")
    if file.kind == "cases":
        lacking += [header for header in _CASE_COLUMNS if _NAMED_COLUMNS[normalized(header)] not in file.named]
    rates_of = {measure_id for measure_id, name in file.measures if name in _STANDARDS_AND_RATES}
    for measure_id in sorted(rates_of):
        for rate, points in (("performance_rate", "achievement_points"), ("baseline_rate", "improvement_points")):
            if not {(measure_id, rate), (measure_id, points)} & file.measures.keys():
                lacking.append(f"{measure_id} {rate.replace('_', ' ').title()}")
    if not lacking:
        return []
    return [
        Problem(
            "columns are missing",
            str(file.table.path),
            "use the file as published, or add the columns",
            len(lacking),
            tuple(lacking[:3]),
        )
    ]


def _given_twice(published: Iterable[PublishedFile]) -> list[Problem]:
    first: dict[object, str] = {}
    problems = []
    for file in published:
        keys: list[object] = [*file.measures, *file.domains]
        if file.kind in ("cases", "payments", "attributes"):
            keys.append(file.kind)
        shared = [key for key in keys if first.setdefault(key, file.table.name) != file.table.name]
        if shared:
            problems.append(
                Problem(
                    f"the same columns stand in {first[shared[0]]}",
                    str(file.table.path),
                    "keep one release of each file in the folder",
                    len(shared),
                    tuple(" ".join(key) if isinstance(key, tuple) else str(key) for key in shared[:3]),
                )
            )
    return problems
