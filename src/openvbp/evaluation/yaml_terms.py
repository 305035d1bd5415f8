"""YAML files of a user's terms: read and checked, every error said with its line and what to write."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.exact_yaml import lines_of, load_exact

Terms = TypeVar("Terms", bound=BaseModel)
Lines = Mapping[tuple[str | int, ...], int]
_WORDS = {
    "missing": "this term is missing",
    "string_type": "expected a text; put it in quotation marks",
    "string_too_short": "this term is empty",
    "too_short": "expected at least one entry",
    "tuple_type": "expected a list: each entry on its own line, beginning with '- '",
    "dict_type": "expected terms below it, each on its own line",
    "model_type": "expected terms below it, each on its own line",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "literal_error": "expected {expected}",
    "date_from_datetime_parsing": "expected a date such as 2011-07-01",
    "date_type": "expected a date such as 2011-07-01",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected at least {ge}",
    "less_than_equal": "expected at most {le}",
}


@dataclass(frozen=True)
class TermsFile(Generic[Terms]):
    """A file whose terms have the right form."""

    path: Path
    sha256: str
    terms: Terms
    lines: Lines

    def where(self, *place: str | int) -> str:
        """Say on which line a term stands: that of its section where it has none."""
        return _where(self.path, place, self.lines)


def read_terms(path: Path, model: type[Terms], *, holds: str, advice: str) -> TermsFile[Terms]:
    """Read a file and hold it against a model of its terms.

    Parameters
    ----------
    path
        The file.
    model
        Its sections and terms.
    holds
        What the file is to hold, for messages.
    advice
        Where to read how to write it.

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
        raise UsageError(Problem(f"file cannot be read: {error.strerror}", str(path), "give another path")) from error
    try:
        document, lines = load_exact(content), lines_of(content)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        what = f"not readable as YAML: {getattr(error, 'problem', None) or error}"
        raise InputDataError(Problem(what, where, "check indentation, colons and quotation marks")) from error
    if not isinstance(document, dict):
        raise InputDataError(Problem(f"the file holds no {holds}", str(path), advice))
    try:
        terms = model.model_validate(document)
    except ValidationError as error:
        raise InputDataError([_problem(path, model, one, lines, advice) for one in error.errors()]) from error
    return TermsFile(path, hashlib.sha256(content).hexdigest(), terms, lines)


def _problem(path: Path, model: type[BaseModel], error: Any, lines: Lines, advice: str) -> Problem:
    place = tuple(error["loc"])
    name = ".".join(str(part + 1) if isinstance(part, int) else part for part in place)
    where = _where(path, place, lines)
    if error["type"] == "extra_forbidden":
        known = _known_terms(model, place[:-1])
        near = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
        meant = f"; did you mean '{near[0]}'?" if near else ""
        return Problem(f"there is no term '{name}'{meant}", where, f"use one of: {', '.join(known)}")
    if error["type"] == "value_error":
        what = str(error["ctx"]["error"])
    else:
        what = str(_WORDS.get(error["type"], error["msg"])).format(**(error.get("ctx") or {}))
    return Problem(f"{name}: {what}", where, advice)


def _where(path: Path, place: Sequence[str | int], lines: Lines) -> str:
    keys = tuple(part if isinstance(part, int) else str(part) for part in place)
    line = next((lines[keys[:end]] for end in range(len(keys), 0, -1) if keys[:end] in lines), None)
    return f"{path}, line {line}" if line else str(path)


def _known_terms(model: Any, place: Sequence[str | int]) -> list[str]:
    """Names of the terms that a section may have."""
    for part in place:
        fields = model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else {}
        if part in fields:
            model = _model_in(fields[part].annotation)
    return [one.alias or name for name, one in model.model_fields.items()] if model else []


def _model_in(annotation: Any) -> Any:
    """Find the section class in a term's type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _model_in(one)) is not None), None)
