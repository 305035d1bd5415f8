"""Parameters of the population: read from ``parameters.yaml``, changed by the user."""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from openvbp.errors import Problem, UsageError
from openvbp.exact_yaml import load_exact

Settings = Mapping[str, Mapping[str, Any]]
"""Section, name, value. Binary floats: they steer random draws, and no result is computed from them."""
_FOLDER = Path(__file__).parent


def load_settings(changes: Iterable[str] = ()) -> dict[str, dict[str, Any]]:
    """Read the parameters and apply changes.

    Parameters
    ----------
    changes
        ``section.name=value``, as the user writes them; of a parameter with several numbers all, with commas between.

    Raises
    ------
    UsageError
        If a change names no parameter, or its value is no number.
    """
    settings: dict[str, dict[str, Any]] = _floats(load_exact((_FOLDER / "parameters.yaml").read_bytes()))
    problems = []
    for change in changes:
        path, _, text = change.partition("=")
        section, _, name = path.strip().partition(".")
        present = settings.get(section, {}).get(name)
        if not isinstance(present, (float, list)):
            known = ", ".join(f"{section}.{one}" for one in settings.get(section, ())) or ", ".join(settings)
            problems.append(Problem(f"there is no parameter '{path}'", f"--set {change}", f"choose one of {known}"))
            continue
        try:
            numbers = [float(one) for one in text.split(",")] if isinstance(present, list) else float(text)
            settings[section][name] = numbers
        except ValueError:
            example = ",".join(f"{one:g}" for one in present) if isinstance(present, list) else "0.05"
            problems.append(Problem(f"'{text}' is not a number", f"--set {change}", f"write for example {example}"))
    if problems:
        raise UsageError(problems)
    return settings


@functools.cache
def rows(name: str) -> tuple[dict[str, Any], ...]:
    """Read a table beside this module; numbers become floats, ``yes`` and ``no`` truth values, codes stay text."""
    with (_FOLDER / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return tuple({key: _value(key, text) for key, text in row.items()} for row in csv.DictReader(file))


_TEXT = {
    "specialties",
    "codes",
    "code",
    "ndc",
    "specialty",
    "role",
    "place",
    "revenue",
    "drg",
    "fips",
    "ccn_prefix",
    "procedure",
}


def _value(column: str, text: str) -> Any:
    if column in _TEXT or not text:
        return text
    if text in ("yes", "no"):
        return text == "yes"
    try:
        return float(text)
    except ValueError:
        return text


def _floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _floats(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_floats(one) for one in value]
    return float(value) if isinstance(value, Decimal) else value
