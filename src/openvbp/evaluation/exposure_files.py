"""Exposure of areas from files: where people are registered, and what their providers achieve."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.estimators.spatial_exposure import SpatialExposure, spatial_exposure
from openvbp.evaluation.cells import as_float
from openvbp.evaluation.other_files import read_column, read_rows
from openvbp.evaluation.study_terms import Exposure

COVERED = "{}: share of persons covered"
"""Attribute beside an exposure: of the area's persons, those with a provider whose achievement is known."""


def read_exposure(engine: Engine, folder: Path, name: str, asked: Exposure) -> dict[str, dict[str, str]]:
    """Carry achievement to areas.

    Returns
    -------
    Area to text, for the exposure and for its share covered; areas without a known exposure are left out.

    Raises
    ------
    UsageError, InputDataError
        If a file, column, area or provider is missing, persons are no number above zero, an area and provider stand
        twice, or achievement is known of no provider.
    """
    path = folder / asked.file
    rows = read_rows(engine, path, (asked.area, asked.provider, asked.persons))
    _refuse(rows, [not (row[0] and row[1]) for row in rows], path, "there is no area or no provider")
    persons = np.array([as_float(row[2]) for row in rows])
    _refuse(rows, [not (math.isfinite(one) and one > 0) for one in persons], path, "persons are no number above zero")
    pairs = [(row[0], row[1]) for row in rows]
    first = {pair: at for at, pair in reversed(list(enumerate(pairs)))}
    _refuse(rows, [first[pair] != at for at, pair in enumerate(pairs)], path, "an area and provider stand twice")
    achieved = read_column(engine, folder, asked.achievement)
    areas, area = np.unique([row[0] for row in rows], return_inverse=True)
    providers, provider = np.unique([row[1] for row in rows], return_inverse=True)
    found = spatial_exposure(area, provider, persons, [as_float(achieved.get(one)) for one in providers])
    return _as_texts(name, [str(one) for one in areas], found)


def _as_texts(name: str, areas: Sequence[str], found: SpatialExposure) -> dict[str, dict[str, str]]:
    known = [(area, at) for at, area in enumerate(areas) if math.isfinite(found.exposure[at])]
    return {
        name: {area: repr(float(found.exposure[at])) for area, at in known},
        COVERED.format(name): {area: repr(float(found.covered[at])) for area, at in known},
    }


def _refuse(rows: Sequence[tuple[str, ...]], wrong: Sequence[bool], path: Path, what: str) -> None:
    examples = [f"{row[0]}, {row[1]}" for row, is_wrong in zip(rows, wrong, strict=True) if is_wrong]
    if examples:
        raise InputDataError(Problem(what, str(path), "correct these rows", len(examples), tuple(examples[:3])))
