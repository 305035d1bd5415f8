"""Small cells are withheld from what may be handed on, and with them what would give them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SMALLEST_CELL = 11
"""Counts from 1 to 10 are not shown: CMS's policy on small cells."""


def is_small(count: float) -> bool:
    """Whether a count may not be shown; none may."""
    return 0 < count < SMALLEST_CELL


def withheld_groups(rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Groups of one column that are not shown.

    Parameters
    ----------
    rows
        ``group``, ``cases``, ``observed``; several rows of a group where it is divided further.

    Returns
    -------
    Groups with a small number of cases, of events or of cases without one; if that is one only, the smallest other
    group as well, because the difference from all cases would give it back.
    """
    small = {
        row["group"]
        for row in rows
        if is_small(row["cases"]) or is_small(row["observed"]) or is_small(row["cases"] - row["observed"])
    }
    size: dict[str, int] = {}
    for row in rows:
        size[row["group"]] = size.get(row["group"], 0) + row["cases"]
    others = sorted(set(size) - small, key=lambda group: (size[group], group))
    if len(small) == 1 and others:
        small.add(others[0])
    return small
