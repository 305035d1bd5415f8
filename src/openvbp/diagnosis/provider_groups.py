"""Groups of providers: from a table of the user's own, and from what the run knows of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from openvbp.diagnosis.runs import Runs
from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.profiling.tables import demand_columns, open_table

PROVIDER = "provider_id"
BEDS = "beds"
_MOST_LEVELS = 12
_OF_RUN = ("dual_eligible_ratio", "peer_group")
"""Columns of the run's table ``provider`` that are groups where they are filled."""
_QUARTERS = (0.25, 0.5, 0.75)
UNKNOWN = "not known"


@dataclass(frozen=True)
class ProviderGroups:
    """Each provider's group by several columns."""

    groups: Mapping[str, Mapping[str, str]]
    """Column to provider to group."""
    order: Mapping[str, Sequence[str]]
    """Column to its groups in order."""
    beds: Mapping[str, float]
    """Provider to beds, where the table has them."""
    matched: str
    """How the table of the user's and the runs go together, in a sentence; empty without a table."""


def read_groups(engine: Engine, runs: Runs, path: Path | None, bands: Mapping[str, Sequence[float]]) -> ProviderGroups:
    """Read groups of providers.

    Parameters
    ----------
    engine
        Where the table is read.
    runs
        Whose last run's ``provider`` table gives dual-eligible ratios and peer groups.
    path
        Table with ``provider_id`` and columns to group by, or none. Columns of numbers with more than 12 values are cut
        at ``bands``, else at quartiles; others are groups as they are.
    bands
        Column to the values at which it is cut.

    Raises
    ------
    UsageError
        If ``provider_id`` or a column of the bands is missing.
    InputDataError
        If a provider stands twice, the table knows none of the run's providers, or a column of texts has too many.
    """
    known = runs.last.read("provider").to_pylist()
    columns: dict[str, dict[str, Any]] = {
        name: {row[PROVIDER]: row[name] for row in known if row[name] is not None} for name in _OF_RUN
    }
    everyone = {one for run in runs.folders for one in run.read("provider")[PROVIDER].to_pylist()}
    matched = ""
    if path is not None:
        own, matched = _own(engine, path, everyone)
        columns |= own
    missing = sorted(set(bands) - set(columns))
    if missing:
        what_to_do = "name columns of the table of --providers"
        raise UsageError(Problem("columns of bands are missing", "--bands", what_to_do, len(missing), tuple(missing)))
    groups, order = {}, {}
    for name, values in columns.items():
        if values:
            groups[name], order[name] = _cut(name, values, bands.get(name), str(path))
    return ProviderGroups(groups, order, _numbers(columns.get(BEDS, {})) or {}, matched)


def _own(engine: Engine, path: Path, providers: set[str]) -> tuple[dict[str, dict[str, Any]], str]:
    table = open_table(engine, path, "diagnosis_providers")
    demand_columns(table, [PROVIDER], str(path))
    rows = engine.to_arrow(table).to_pylist()
    names = [str(row[PROVIDER]) for row in rows]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        what = "providers stand more than once"
        raise InputDataError(Problem(what, str(path), "give one row per provider", len(twice), tuple(twice[:3])))
    if not providers & set(names):
        examples = (f"the table has {names[0]}" if names else "the table is empty", f"the run has {min(providers)}")
        what_to_do = "write identifiers as the run does, with leading zeros"
        raise InputDataError(Problem("the table knows none of the run's providers", str(path), what_to_do, 1, examples))
    both = len(providers & set(names))
    matched = (
        f"The table of providers knows {both:,} of the {len(providers):,} providers of the runs; "
        f"{len(names) - both:,} others are not used."
    )
    columns = {
        column: {
            str(row[PROVIDER]): row[column]
            for row in rows
            if row[column] is not None and str(row[column]).strip() != "" and str(row[PROVIDER]) in providers
        }
        for column in table.columns
        if column != PROVIDER
    }
    return columns, matched


def _numbers(values: Mapping[str, Any]) -> dict[str, float] | None:
    """Values as numbers; none where one is no number."""
    found = {}
    for provider, value in values.items():
        try:
            found[provider] = float(value)
        except (TypeError, ValueError):
            return None
        if not math.isfinite(found[provider]):
            return None
    return found


def _cut(
    name: str, values: Mapping[str, Any], bands: Sequence[float] | None, where: str
) -> tuple[dict[str, str], list[str]]:
    numbers = _numbers(values)
    if bands and numbers is None:
        what = f"the column {name} has values that are no numbers"
        raise InputDataError(Problem(what, where, "correct them, or leave the column out of --bands"))
    levels = sorted({str(value) for value in values.values()})
    if not bands and (numbers is None or len(levels) <= _MOST_LEVELS):
        if len(levels) > _MOST_LEVELS:
            what_to_do = f"group them into {_MOST_LEVELS} at most, or leave the column out"
            raise InputDataError(Problem(f"the column {name} has {len(levels):,} different texts", where, what_to_do))
        return {provider: str(value) for provider, value in values.items()}, levels
    assert numbers is not None  # noqa: S101 (texts have left above)
    # Quartiles to three digits, so that the words say exactly where they are cut.
    quarters = [float(f"{one:.3g}") for one in np.quantile(list(numbers.values()), _QUARTERS)]
    edges = sorted(set(bands or quarters))
    words = [
        f"below {edges[0]:,.6g}",
        *(f"{low:,.6g} to below {high:,.6g}" for low, high in pairwise(edges)),
        f"{edges[-1]:,.6g} and above",
    ]
    found = {provider: words[int(np.searchsorted(edges, value, side="right"))] for provider, value in numbers.items()}
    return found, words
