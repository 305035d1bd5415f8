"""Rows of published hospital files: every hospital once, under its six-character number; the rest with a reason.

Publishers lose leading zeros and repeat rows; what is repaired is counted, what is rejected is listed, and what
contradicts itself stops the run.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

from openvbp.errors import Problem

_NUMBER = re.compile(r"\d\d[0-9A-Z]\d{3}")


@dataclass
class OncePerHospital:
    """Looks at the rows of one file in their order."""

    restored_zeros: int = 0
    """Numbers that had lost leading zeros."""
    conflicting: list[str] = field(default_factory=list)
    """Hospitals with two different rows."""
    _seen: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def look_at(self, number: str, content: tuple[str, ...], part: str = "") -> tuple[str, str | None]:
        """Repair a hospital's number and say why its row cannot be used.

        Parameters
        ----------
        number
            The number as the file has it.
        content
            The cells that a repetition must share.
        part
            What the row is about, where a hospital has several, for example a measure.

        Returns
        -------
        The CMS certification number, and the reason for rejecting the row or ``None``.
        """
        provider_id = number.upper()
        if provider_id.isdigit() and len(provider_id) in (4, 5):
            provider_id = provider_id.zfill(6)
            self.restored_zeros += 1
        if not _NUMBER.fullmatch(provider_id):
            return provider_id, "not a CMS certification number of six characters"
        first = self._seen.setdefault((provider_id, part), content)
        if first is content:
            return provider_id, None
        if first == content:
            return provider_id, "the same row stands in the file before"
        self.conflicting.append(provider_id)
        return provider_id, None

    def problems(self, where: str, column: str) -> list[Problem]:
        """Say what stops the run: contradictions, or a file without a single hospital."""
        found = []
        if self.conflicting:
            found.append(
                Problem(
                    "hospital has two different rows",
                    where,
                    "keep the right row of each hospital",
                    len(self.conflicting),
                    tuple(self.conflicting[:3]),
                )
            )
        if not self._seen:
            found.append(Problem("no row has a valid hospital number", where, f"check the column {column}"))
        return found


def rejection(
    source: str, number: int | None, provider_id: str, column: str, value: str, reason: str
) -> dict[str, str]:
    """Describe one rejected row or cell, as ``rejected/cells`` lists it."""
    return {
        "source_file": source,
        "row_number": str(number or ""),
        "provider_id": provider_id,
        "column": column,
        "value": value,
        "reason": reason,
    }
