"""Who asks, and for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

ALL = "*"
"""Covers every provider of every run."""


@dataclass(frozen=True)
class Viewer:
    """Who asks: nobody known, or somebody who has signed in."""

    name: str = ""
    covers: frozenset[str] = frozenset()
    """``*``, or ``program/provider``, ``contract/provider``: whose results and patients the viewer may see in full."""

    def covers_provider(self, program: str, provider_id: str) -> bool:
        """Whether the viewer may see all of a provider."""
        return self.covers_all or f"{program}/{provider_id}" in self.covers

    @property
    def covers_all(self) -> bool:
        """Whether the viewer may see all of every provider."""
        return ALL in self.covers


@dataclass(frozen=True)
class Asked:
    """One request, apart from what its address names."""

    viewer: Viewer = Viewer()
    query: Mapping[str, str] = field(default_factory=dict)
    pairs: Sequence[tuple[str, str]] = ()
    """The query with repeated names."""

    def text(self, name: str, otherwise: str = "") -> str:
        """Give a value of the query."""
        return self.query.get(name, otherwise).strip()

    def number(self, name: str, otherwise: int, most: int) -> int:
        """Give a whole number of the query between 1 and ``most``; what is none counts as not given."""
        text = self.query.get(name, "")
        return min(int(text), most) if text.isdigit() and len(text) < 10 and int(text) > 0 else otherwise
