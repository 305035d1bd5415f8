"""YAML files of a user's own terms: read and held against a model, every error with its line and what to write."""

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
Place = Sequence[str | int]
_DAY = "expected a date such as 2025-01-01"
_LIST = "expected a list: each entry on its own line, beginning with '- '"
_SECTION = "expected terms below it, each on its own line"
_WORDS = {
    "missing": "this term is missing",
    "dict_type": _SECTION,
    "model_type": _SECTION,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "string_type": "expected a text; put it in quotation marks",
    "string_pattern_mismatch": "expected a name of letters, digits, '_', '-' and '.', without blanks",
    "string_too_short": "this term is empty",
    "too_short": "expected at least one entry",
    "too_long": "too many entries",
    "bool_type": "expected true or false",
    "bool_parsing": "expected true or false",
    "date_type": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_parsing": _DAY,
    "int_from_float": "expected a whole number",
    "int_parsing": "expected a whole number",
    "literal_error": "expected {expected}",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected at least {ge}",
    "less_than_equal": "expected at most {le}",
}
"""What a user reads instead of pydantic's words, by the type of its error."""


@dataclass(frozen=True)
class TermsFile(Generic[Terms]):
    """A file whose terms have the right form."""

    path: Path
    content: bytes
    terms: Terms
    lines: Mapping[tuple[str | int, ...], int]

    @property
    def sha256(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.content).hexdigest()

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
        What the file is to hold, for messages: ``contract``.
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
        what, what_to_do = f"{holds} file cannot be read: {error.strerror}", f"give the path of a {holds} file"
        raise UsageError(Problem(what, str(path), what_to_do)) from error
    try:
        document, lines = load_exact(content), lines_of(content)
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        what = f"not readable as YAML: {getattr(error, 'problem', None) or error}"
        what_to_do = "check indentation, colons and quotation marks; give each term once"
        raise InputDataError(Problem(what, where, what_to_do)) from error
    if not isinstance(document, dict):
        raise InputDataError(Problem(f"the file holds no {holds}", str(path), advice))
    try:
        terms = model.model_validate(document)
    except ValidationError as error:
        found = _by_place(error, document).items()
        problems = [_problem(_where(path, place, lines), model, place, one, advice) for place, one in found]
        raise InputDataError(problems) from error
    return TermsFile(path, content, terms, lines)


def named(place: Place) -> str:
    """Write the place of a term as a reader would say it: ``savings.corridors, entry 2.share``."""
    words = [f", entry {part + 1}" if isinstance(part, int) else f".{part}" for part in place]
    return "".join(words).removeprefix(".")


def _by_place(error: ValidationError, document: dict[Any, Any]) -> dict[tuple[str | int, ...], dict[str, Any]]:
    """One error per place: a term that may have several forms gives an error for each."""
    by_place: dict[tuple[str | int, ...], dict[str, Any]] = {}
    for one in error.errors():
        place = _in_document(one["loc"], document, is_absent=one["type"] == "missing")
        if place not in by_place or by_place[place]["type"] != "value_error":
            by_place[place] = dict(one)
    return by_place


def _in_document(place: Place, document: Any, *, is_absent: bool) -> tuple[str | int, ...]:
    """Leave out of an error's place what names a form of the term and not a term."""
    kept: list[str | int] = []
    for at, part in enumerate(place):
        below = {str(key): value for key, value in document.items()} if isinstance(document, dict) else {}
        if isinstance(part, int) and isinstance(document, list):
            kept.append(part)
            document = document[part]
        elif str(part) in below:
            kept.append(part)
            document = below[str(part)]
        elif is_absent and at == len(place) - 1:
            kept.append(part)
    return tuple(kept)


def _problem(where: str, model: type[BaseModel], place: Place, error: Mapping[str, Any], advice: str) -> Problem:
    name = named(place)
    if error["type"] == "extra_forbidden":
        known = _known_terms(model, place[:-1])
        near = difflib.get_close_matches(str(place[-1]), known, n=1, cutoff=0.5)
        meant = f"; did you mean '{near[0]}'?" if near else ""
        return Problem(f"there is no term '{name}'{meant}", where, f"use one of: {', '.join(known)}")
    if error["type"] == "value_error":
        what = str(error["ctx"]["error"])
    else:
        what = str(_WORDS.get(error["type"], error["msg"])).format(**(error.get("ctx") or {}))
    what_to_do = f"add '{place[-1]}'" if error["type"] == "missing" else "correct the term"
    return Problem(f"{name}: {what}" if name else what, where, f"{what_to_do}; {advice}")


def _where(path: Path, place: Place, lines: Mapping[tuple[str | int, ...], int]) -> str:
    keys = tuple(part if isinstance(part, int) else str(part) for part in place)
    # A missing term has no line: that of its section is given.
    line = next((lines[keys[:end]] for end in range(len(keys), 0, -1) if keys[:end] in lines), None)
    return f"{path}, line {line}" if line else str(path)


def _known_terms(model: Any, place: Place) -> list[str]:
    """Names of the terms that a section may have."""
    for part in place:
        fields = model.model_fields if isinstance(model, type) and issubclass(model, BaseModel) else {}
        field = next((one for name, one in fields.items() if part in (name, one.alias)), None)
        if field is not None:
            model = _model_in(field.annotation)
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def _model_in(annotation: Any) -> Any:
    """Find the section class in a term's type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for one in get_args(annotation) if (found := _model_in(one)) is not None), None)
