"""What one aspect of a design shows, or why it could not be looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["serious", "caution", "fine"]
"""Serious: money follows something else than what is to be paid for, in an extent that :data:`SERIOUS_WHEN` states;
caution: it may, or the file does not allow to say how much."""
Rows = Sequence[Mapping[str, Any]]

TITLES = {
    "cliffs": "Cliffs: where one case more changes the money",
    "small-denominators": "Small denominators",
    "reliability": "Reliability of the scores",
    "noise": "Share of the money that is noise",
    "losers": "Who loses by construction",
    "topped-out": "Measures topped out",
    "exclusions": "Exclusions that can be gamed",
    "power": "Power to detect an effect",
    "burden": "Burden against reward",
    "attribution": "Stability of attribution",
    "risk-adjustment": "Risk adjustment",
    "overlap": "Overlap with other programs",
    "chance": "Risk against size: paid or charged by chance alone",
}
"""Aspects by the name that ``--what`` gives them, in the order of the report."""

SERIOUS_WHEN = {
    "cliffs": "one case or one rank moves a tenth, or more, of the most that can be won",
    "small-denominators": "half of the measures or more may be scored with a 95 % interval of ± 15 points or wider",
    "reliability": "the median provider's reliability is below 0.4 in half of the measures or more",
    "noise": "half of the variance of the money, or more, is noise",
    "losers": "how many must lose is fixed before anybody performs",
    "topped-out": "half of the measures or more are topped out",
    "exclusions": "providers themselves decide whom they leave out, and the money follows the rest",
    "power": "never serious: it is a limit of what can be learned, not of who is paid",
    "burden": "the cost is above the most that the smallest practice shown can win",
    "attribution": "a third of the patients, or more, are no longer the organization's a year later",
    "risk-adjustment": "neither the patients' conditions nor their social risk are adjusted for",
    "overlap": "never serious: paying twice may be meant",
    "chance": "without any true savings the organization is paid, or charged, with a probability of 20 % or more",
}
"""When a finding of an aspect is serious: the review then ends with exit code 1."""


@dataclass(frozen=True)
class Evidence:
    """A value that a finding stands on: of a parameter, with its citation, or of data."""

    place: str
    """Path of the parameter, or where in the data."""
    value: str
    cite: str
    unverified: bool = False


@dataclass(frozen=True)
class Finding:
    """One sentence about a design, with what it stands on."""

    severity: Severity
    text: str
    evidence: Sequence[Evidence] = ()


@dataclass(frozen=True)
class Aspect:
    """One aspect of a design."""

    name: str
    """One of :data:`TITLES`."""
    findings: Sequence[Finding] = ()
    tables: Mapping[str, Rows] = field(default_factory=dict)
    """Caption to rows with plain values; none of single patients."""
    why_not: str = ""
    """Why it could not be looked at, and what to give so that it can; empty where it was."""

    @property
    def title(self) -> str:
        """Heading."""
        return TITLES[self.name]

    @property
    def severity(self) -> Severity | None:
        """The worst of the findings; none where it was not looked at."""
        if self.why_not or not self.findings:
            return None
        found = {one.severity for one in self.findings}
        return "serious" if "serious" in found else "caution" if "caution" in found else "fine"


class CannotBeSeenError(Exception):
    """The file and the data do not hold what an aspect needs: said in the report, no error of the command."""
