"""Study files: read, checked beyond their form, and their JSON schema."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.evaluation.study_terms import Analysis, DiscontinuityStudy, Study, Variation
from openvbp.evaluation.windows import parse_window
from openvbp.terms_file import TermsFile, read_terms

ADVICE = "see docs/how-to/evaluate-a-program.md, or 'openvbp evaluate schema' for an editor"


@dataclass(frozen=True)
class StudyFile:
    """A study whose terms were found right, and where it stands."""

    path: Path
    sha256: str
    terms: Study | DiscontinuityStudy


def read_study(path: Path) -> StudyFile:
    """Read and check a study file.

    Raises
    ------
    UsageError
        If there is no such file.
    InputDataError
        With every error found: line, term, what is wrong, what to write.
    """
    is_discontinuity = _mentions(path, "discontinuities:")
    model: Any = DiscontinuityStudy if is_discontinuity else Study
    found = read_terms(path, model, holds="study", advice=ADVICE)
    if isinstance(found.terms, Study):
        problems = _findings(found, found.terms)
        if problems:
            raise InputDataError(problems)
    return StudyFile(path, found.sha256, found.terms)


def json_schema() -> str:
    """JSON schema of study files, for editors."""
    kinds = [one.model_json_schema(ref_template="#/$defs/{model}") for one in (Study, DiscontinuityStudy)]
    definitions = {name: one for kind in kinds for name, one in kind.pop("$defs", {}).items()}
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "anyOf": kinds, "$defs": definitions}
    return json.dumps(schema, indent=1) + "\n"


def _mentions(path: Path, section: str) -> bool:
    try:
        return any(line.startswith(section) for line in path.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return False


def _findings(found: TermsFile, study: Study) -> list[Problem]:
    """Say what terms contradict each other."""
    problems = []
    analyses = [(("main",), study.main), *((("variations", at), one) for at, one in enumerate(study.variations))]
    for place, one in analyses:
        problems += _of_analysis(found, study, place, one)
    for name in study.data.exposures:
        if name in study.data.attributes:
            what = f"'{name}' is an attribute as well"
            problems.append(Problem(what, found.where("data", "exposures", name), "give it another name"))
    for name in study.equity:
        if name not in study.data.attributes:
            problems.append(_unknown_attribute(name, study.data.attributes, found.where("equity")))
    if study.outcome.shrunken and not study.outcome.allow_shrunken:
        what = "the outcome is shrunken: differences of it understate an effect, often by half"
        advice = "compare observed with expected cases instead; or write 'allow_shrunken: true' and read the warning"
        problems.append(Problem(what, found.where("outcome", "shrunken"), advice))
    return problems


def _of_analysis(
    found: TermsFile, study: Study, place: tuple[str | int, ...], one: Analysis | Variation
) -> list[Problem]:
    problems = []
    for name in (*(one.conditions or ()), *(one.untouched or ())):
        if study.conditions and name not in study.conditions:
            what = f"there is no condition '{name}'"
            advice = f"use one of: {', '.join(study.conditions)}"
            problems.append(Problem(what, found.where(*place, "conditions"), advice))
    for side in ("before", "after"):
        for at, label in enumerate(getattr(one, side) or ()):
            problems += _window_problem(label, found.where(*place, side, at))
    attributes, doses = study.data.attributes, {**study.data.attributes, **study.data.exposures}
    if one.cluster not in (None, "provider") and one.cluster not in attributes:
        problems.append(_unknown_attribute(one.cluster, attributes, found.where(*place, "cluster")))
    if one.dose is not None and one.dose not in doses:
        problems.append(_unknown_attribute(one.dose, doses, found.where(*place, "dose")))
    return problems


def _window_problem(label: str, where: str) -> list[Problem]:
    try:
        parse_window(label)
    except UsageError:
        return [Problem(f"'{label}' is no window", where, "write it like 2008-07..2011-06")]
    return []


def _unknown_attribute(name: str, known: Iterable[str], where: str) -> Problem:
    listed = ", ".join(known) or "none is declared"
    return Problem(f"there is no attribute '{name}'", where, f"declare it under data.attributes; known: {listed}")
