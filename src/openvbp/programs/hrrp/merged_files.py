"""What the files of a fiscal year say, merged: hospitals, their conditions, stays, and where each number stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from openvbp.programs.hrrp.hospital_report import Stays
from openvbp.programs.hrrp.published_files import PublishedFile
from openvbp.published_rows import rejection


@dataclass
class FileRows:
    """How many of a file's rows were used."""

    file: PublishedFile
    rows: int
    accepted: int


@dataclass
class Hospital:
    """What the files say about a hospital."""

    provider_id: str
    name: str | None = None
    state: str | None = None
    excluded_reason: str | None = None
    values: dict[str, Decimal] = field(default_factory=dict)


@dataclass
class Condition:
    """What the files say about one measure of a hospital."""

    values: dict[str, Decimal] = field(default_factory=dict)
    footnote: str | None = None
    rate_unverified: str | None = None
    """Why the ratio is not the publisher's own, where the file says so."""
    problem: str | None = None
    """Why the measure cannot be determined: a cell that was rejected."""


@dataclass
class ReadmissionInputs:
    """What a folder holds, file by file merged into hospitals and their conditions."""

    files: list[FileRows] = field(default_factory=list)
    hospitals: dict[str, Hospital] = field(default_factory=dict)
    conditions: dict[tuple[str, str], Condition] = field(default_factory=dict)
    """(provider_id, measure_id) to its values."""
    stays: list[Stays] = field(default_factory=list)
    report_provider_id: str | None = None
    listed_dual_eligible_stays: int | None = None
    """Rows of Table 9 of the report."""
    citations: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """(quantity, measure_id or nothing) to the files and columns it stands in."""
    rejected: list[dict[str, str]] = field(default_factory=list)
    restored_zeros: int = 0
    zero_ratios: int = 0
    disagreements: list[str] = field(default_factory=list)

    def has(self, quantity: str) -> bool:
        """Whether any file gives a quantity."""
        return any(key[0] == quantity for key in self.citations)

    def reject(self, file: PublishedFile, number: int, provider_id: str, column: str, value: str, reason: str) -> None:
        """List a row or cell that cannot be used."""
        self.rejected.append(rejection(file.path.name, number, provider_id, column, value, reason))

    @property
    def provider_ids(self) -> list[str]:
        """Hospitals of which a file gives a condition: those that only added files name are left out."""
        return sorted({provider_id for provider_id, _ in self.conditions})
