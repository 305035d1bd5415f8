"""Reading a contract file: every error said in the user's words, with its line."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.exact_yaml import lines_of, load_exact
from openvbp.programs.contract.frameworks import framework_findings
from openvbp.programs.contract.term_checks import Finding, findings
from openvbp.programs.contract.terms import Contract

_ADVICE = "see the commented contracts in examples/, or 'openvbp check --schema' for an editor"
_WORDS = {
    "missing": "this term is missing",
    "dict_type": "expected terms below it, each on its own line",
    "model_type": "expected terms below it, each on its own line",
    "list_type": "expected a list: each entry on its own line, beginning with '- '",
    "string_type": "expected a text; put it in quotation marks",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "string_pattern_mismatch": "expected a name of letters, digits, '_', '-' and '.', without blanks",
    "string_too_short": "this term is empty",
    "too_short": "expected at least one entry",
    "too_long": "too many entries",
    "date_type": "expected a date such as 2025-01-01",
    "date_from_datetime_parsing": "expected a date such as 2025-01-01",
    "date_parsing": "expected a date such as 2025-01-01",
    "literal_error": "expected {expected}",
    "greater_than_equal": "expected at least {ge}",
    "less_than_equal": "expected at most {le}",
}
_BRANCHES = ("function-before", "constrained-str", "dict[")


@dataclass(frozen=True)
class ContractFile:
    """A contract whose terms were found right."""

    path: Path
    content: bytes
    terms: Contract
    warnings: Sequence[Problem]
    """What is allowed but a careful reader wants to know."""

    @property
    def sha256(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.content).hexdigest()


def read_contract(path: Path) -> ContractFile:
    """Read and check a contract file.

    Raises
    ------
    UsageError
        If there is no such file.
    InputDataError
        With every error found: line, term, what is wrong, what to write.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(
            Problem(f"contract file cannot be read: {error.strerror}", str(path), "give the path of a contract file")
        ) from error
    try:
        document = load_exact(content)
        lines = lines_of(content)
    except (yaml.YAMLError, ValueError) as error:
        raise InputDataError(_not_yaml(path, error)) from error
    if not isinstance(document, dict):
        raise InputDataError(Problem("the file holds no contract", str(path), _ADVICE))
    try:
        terms = Contract.model_validate(document)
    except ValidationError as error:
        raise InputDataError(_problems(path, error, lines)) from error
    found = [*findings(terms), *framework_findings(terms)]
    errors = [_problem_of(path, one, lines) for one in found if one.is_error]
    if errors:
        raise InputDataError(errors)
    warnings = [_problem_of(path, one, lines) for one in found]
    return ContractFile(path, content, terms, warnings)


def json_schema() -> str:
    """JSON schema of contract files, for editors."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **Contract.model_json_schema(by_alias=True)}
    return json.dumps(schema, indent=1) + "\n"


def _not_yaml(path: Path, error: Exception) -> Problem:
    mark = getattr(error, "problem_mark", None)
    where = f"{path}, line {mark.line + 1}" if mark else str(path)
    what = getattr(error, "problem", None) or str(error)
    return Problem(
        f"not readable as YAML: {what}", where, "check indentation, colons and quotation marks; give each term once"
    )


def _problems(path: Path, error: ValidationError, lines: Mapping[tuple[str | int, ...], int]) -> list[Problem]:
    """One problem per place: a term that may have several forms gives an error for each."""
    by_place: dict[tuple[str | int, ...], dict[str, Any]] = {}
    for one in error.errors():
        place = tuple(part for part in one["loc"] if not _is_branch(part))
        if place not in by_place or by_place[place]["type"] != "value_error":
            by_place[place] = dict(one)
    return [_problem(path, place, one, lines) for place, one in by_place.items()]


def _is_branch(part: str | int) -> bool:
    """Whether a part of an error's place names a form of the term, not a term."""
    return isinstance(part, str) and (part.startswith(_BRANCHES) or part == "[key]")


def _problem(
    path: Path, place: tuple[str | int, ...], error: dict[str, Any], lines: Mapping[tuple[str | int, ...], int]
) -> Problem:
    name = _name(place)
    if error["type"] == "extra_forbidden":
        known = _known_terms(place[:-1])
        near = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
        meant = f"; did you mean '{near[0]}'?" if near else ""
        advice = f"use one of: {', '.join(known)}"
        return Problem(f"there is no term '{name}'{meant}", _where(path, place, lines), advice)
    if error["type"] == "value_error":
        what = str(error["ctx"]["error"])
    else:
        what = str(_WORDS.get(error["type"], error["msg"])).format(**(error.get("ctx") or {}))
    advice = f"add '{place[-1]}'; {_ADVICE}" if error["type"] == "missing" else f"correct the term; {_ADVICE}"
    return Problem(f"{name}: {what}", _where(path, place, lines), advice)


def _problem_of(path: Path, finding: Finding, lines: Mapping[tuple[str | int, ...], int]) -> Problem:
    return Problem(f"{_name(finding.place)}: {finding.what}", _where(path, finding.place, lines), finding.what_to_do)


def _name(place: Sequence[str | int]) -> str:
    """Write the place of a term as a reader would say it: ``savings.corridors, entry 2, share``."""
    words: list[str] = []
    for part in place:
        if isinstance(part, int):
            words.append(f", entry {part + 1}")
        else:
            words.append(f"{'.' if words else ''}{part}")
    return "".join(words)


def _where(path: Path, place: Sequence[str | int], lines: Mapping[tuple[str | int, ...], int]) -> str:
    keys = tuple(part if isinstance(part, int) else str(part) for part in place)
    # A missing term has no line: that of its section is given.
    line = next((lines[keys[:end]] for end in range(len(keys), 0, -1) if keys[:end] in lines), None)
    return f"{path}, line {line}" if line else str(path)


def _known_terms(place: Sequence[str | int]) -> list[str]:
    """Names of the terms that a section may have."""
    model: Any = Contract
    for part in place:
        field = model.model_fields.get(part) if isinstance(model, type) and issubclass(model, BaseModel) else None
        if field is not None:
            model = _model_in(field.annotation)
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> Any:
    """Find the section class in a term's type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _model_in(one)) is not None), None)
