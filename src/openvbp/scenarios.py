"""Scenarios: the rules in force with some parameters changed, from ``--set`` or a CSV file."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from openvbp.errors import Problem, UsageError
from openvbp.parameters import ACTUAL, CitedValue, Scenario, parse_value


def override(base: Scenario, scenario_id: str, changes: Mapping[str, str]) -> Scenario:
    """Change parameters of a scenario.

    Parameters
    ----------
    base
        The scenario to start from, normally ``actual``.
    changes
        Path to new value. A path is ``parameter`` or ``parameter.key``, for example
        ``applicable_percent`` or ``domain_weight.safety``.

    Raises
    ------
    UsageError
        If a path does not exist or a value does not fit the parameter's unit.
    """
    parameters = dict(base.parameters)
    problems = []
    for path, text in changes.items():
        name, _, key = path.partition(".")
        parameter = parameters.get(name)
        if parameter is None or key not in parameter.values:
            problems.append(_unknown_path(base, path))
            continue
        try:
            value = parse_value(text, parameter.unit)
        except ValueError as error:
            problems.append(Problem(f"cannot set {path}: {error}", f"--set {path}={text}", f"give a {parameter.unit}"))
            continue
        changed = CitedValue(value, f"scenario {scenario_id}: {path}={text}", None)
        parameters[name] = replace(parameter, values={**parameter.values, key: changed})
    if problems:
        raise UsageError(problems)
    return replace(base, scenario_id=scenario_id, parameters=parameters, overrides=dict(changes))


def demand_unchanged(scenarios: Iterable[Scenario], names: Iterable[str]) -> None:
    """Refuse scenarios that change a parameter by which the input files were read.

    Raises
    ------
    UsageError
        If one does: the files are read once, under the rules in force.
    """
    changed = [path for one in scenarios for path in one.overrides if path.partition(".")[0] in set(names)]
    if changed:
        raise UsageError(
            Problem(
                "this parameter decides how the input files are read and cannot be changed",
                f"--set {changed[0]}=...",
                "leave it out; give other input files instead",
                len(changed),
                tuple(changed[:3]),
            )
        )


def _unknown_path(base: Scenario, path: str) -> Problem:
    paths = parameter_paths(base)
    near = difflib.get_close_matches(path, paths, n=3, cutoff=0.5) or paths[:3]
    return Problem(
        f"there is no parameter '{path}'",
        f"--set {path}=...",
        f"use one of the {len(paths)} paths that 'openvbp programs PROGRAM --period {base.period.label}' lists",
        examples=tuple(near),
    )


def parameter_paths(scenario: Scenario) -> list[str]:
    """List every path that ``--set`` accepts in this period."""
    return [
        f"{parameter.name}.{key}" if key else parameter.name
        for parameter in scenario.parameters.values()
        for key in parameter.values
    ]


def parse_changes(assignments: Iterable[str]) -> dict[str, str]:
    """Split ``path=value`` texts.

    Raises
    ------
    UsageError
        If a text has no ``=`` or a path comes twice.
    """
    changes: dict[str, str] = {}
    for assignment in assignments:
        path, equals, value = assignment.partition("=")
        if not equals or not path.strip() or not value.strip():
            raise UsageError(
                Problem(f"'{assignment}' is not path=value", "--set", "write for example --set applicable_percent=0.03")
            )
        if path.strip() in changes:
            raise UsageError(Problem(f"'{path.strip()}' is set twice", "--set", "give each path once"))
        changes[path.strip()] = value.strip()
    return changes


def read_scenarios(path: Path, base: Scenario) -> list[Scenario]:
    """Read scenarios from a CSV file with columns scenario_id, path, value (one row per change).

    Raises
    ------
    UsageError
        If the file is missing, has other columns, is empty, or changes what does not exist.
    """
    if not path.is_file():
        raise UsageError(Problem("scenario file not found", str(path), "give the path of an existing CSV file"))
    with path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        if reader.fieldnames != ["scenario_id", "path", "value"]:
            raise UsageError(
                Problem(f"columns are {reader.fieldnames}", str(path), "use exactly: scenario_id,path,value")
            )
        changes: dict[str, dict[str, str]] = {}
        for row in reader:
            changes.setdefault(row["scenario_id"], {})[row["path"]] = row["value"]
    if not changes or ACTUAL in changes or "" in changes:
        raise UsageError(
            Problem(
                "no scenario can be read",
                str(path),
                f"name at least one scenario; '{ACTUAL}' is reserved for the rules in force",
            )
        )
    return [override(base, scenario_id, paths) for scenario_id, paths in changes.items()]
