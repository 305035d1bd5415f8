"""A region: 25,000 members and the providers who care for them, drawn apart from all others."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.random import PCG64, Generator, SeedSequence

from openvbp.claims.synthetic.settings import Settings, rows

REGION_MEMBERS = 25_000
Stream = Literal[
    "providers",
    "people",
    "enrollment",
    "relations",
    "visits",
    "services",
    "outpatient",
    "stays",
    "post_acute",
    "prescriptions",
    "laboratory",
    "coding",
    "upcoding",
    "program",
    "adjustments",
    "deliberate",
]
"""Each purpose draws from a stream of its own, so that a switched-on effect leaves everything else as it was."""


class Vocabulary:
    """Texts by number, in the order of first use."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        """Number of a text; -1 for the empty one."""
        return self._numbers.setdefault(text, len(self._numbers)) if text else -1

    def numbers(self, texts: list[str] | str) -> np.ndarray:
        """Numbers of several texts, or of the words of one."""
        words = texts.split() if isinstance(texts, str) else texts
        return np.array([self.number(text) for text in words], np.int32)

    @property
    def texts(self) -> list[str]:
        """All texts so far, by number."""
        return list(self._numbers)


@dataclass(frozen=True)
class Region:
    """What all parts of one region share."""

    seed: int
    number: int
    """From 0."""
    members: int
    first_year: int
    years: int
    settings: Settings

    @functools.cached_property
    def generators(self) -> dict[Stream, Generator]:
        """Random numbers by purpose, all from ``PCG64([seed, region])``."""
        names: tuple[Stream, ...] = get_args(Stream)
        children = SeedSequence([self.seed, self.number]).spawn(len(names))
        return {name: Generator(PCG64(child)) for name, child in zip(names, children, strict=True)}

    @functools.cached_property
    def words(self) -> dict[str, Vocabulary]:
        """Texts of coded columns by column."""
        names = (
            "hcpcs",
            "modifier",
            "diagnosis",
            "procedure",
            "drg",
            "revenue",
            "bill_type",
            "place",
            "denial",
            "plan",
        )
        return {name: Vocabulary() for name in names}

    @functools.cached_property
    def starts(self) -> np.ndarray:
        """First day of each year and of the year after, in days since 1970."""
        years = range(self.first_year, self.first_year + self.years + 1)
        return np.array([f"{year}-01-01" for year in years], "datetime64[D]").astype(np.int32)

    @property
    def first_day(self) -> int:
        """First day, in days since 1970."""
        return int(self.starts[0])

    @property
    def last_day(self) -> int:
        """Last day, in days since 1970."""
        return int(self.starts[-1]) - 1

    @property
    def state(self) -> dict[str, str]:
        """State in which the region lies: ``state``, ``fips``, ``ccn_prefix``."""
        states = rows("states")
        return states[self.number % len(states)]

    def month_start(self, month: int) -> int:
        """First day of a month counted from 1 in the first year."""
        at = np.datetime64(f"{self.first_year}-01") + (month - 1)
        return int(at.astype("datetime64[D]").astype(np.int32))

    def year_of(self, days: np.ndarray) -> np.ndarray:
        """Number of the year, from 0, in which days fall."""
        return np.clip(np.searchsorted(self.starts, days, side="right") - 1, 0, self.years - 1)
