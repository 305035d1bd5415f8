"""The tables that a run computes with, their columns, and what was read to make them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pyarrow as pa

from openvbp.program import InputFile
from openvbp.programs.qof.scottish_practices import PublishedRows

FRACTIONS = ("linear", "threshold")
"""Scorings that follow from a numerator and a denominator."""

SHARE = pa.decimal128(19, 18)
FACTOR = pa.decimal128(19, 15)
ACHIEVEMENT = pa.schema(
    [
        ("provider_id", pa.string()),
        ("measure_id", pa.string()),
        ("numerator", pa.int64()),
        ("denominator", pa.int64()),
        ("exceptions", pa.int64()),
        ("register", pa.int64()),
        ("published_points", pa.decimal128(20, 16)),
        ("is_suppressed", pa.bool_()),
    ]
)
REGISTERS = pa.schema(
    [
        ("provider_id", pa.string()),
        ("domain_id", pa.string()),
        ("list_size", pa.int64()),
        ("register", pa.int64()),
        ("published_factor", FACTOR),
        ("published_prevalence", SHARE),
    ]
)
PRACTICES = pa.schema(
    [
        ("provider_id", pa.string()),
        ("provider_name", pa.string()),
        ("health_board", pa.string()),
        ("contract", pa.string()),
        ("practice_list_size", pa.int64()),
    ]
)
LEDGER = pa.schema(
    [
        ("provider_id", pa.string()),
        ("measure_id", pa.string()),
        ("override_points", pa.decimal128(18, 12)),
        ("who", pa.string()),
        ("why", pa.string()),
    ]
)
TARGETS = pa.schema(
    [("provider_id", pa.string()), ("domain_id", pa.string()), ("target_population_factor", pa.decimal128(18, 12))]
)
ASPIRATION = pa.schema([("provider_id", pa.string()), ("previous_achievement_payment", pa.decimal128(18, 2))])
_REJECTED = pa.schema(
    [(name, pa.string()) for name in ("source_file", "row_number", "provider_id", "column", "value", "reason")]
)


@dataclass
class QofInputs:
    """The rows that can be used, and where they come from."""

    country: str
    achievement: pa.Table
    registers: pa.Table
    practices: pa.Table
    ledger: pa.Table = field(default_factory=LEDGER.empty_table)
    targets: pa.Table = field(default_factory=TARGETS.empty_table)
    aspiration: pa.Table = field(default_factory=ASPIRATION.empty_table)
    files: list[InputFile] = field(default_factory=list)
    rejected: list[pa.Table] = field(default_factory=list)
    denominators: pa.Table | None = None
    """provider_id, measure_id, denominator of ``achievement`` as they were read: those of draws are no patients."""

    def __post_init__(self) -> None:
        """Keep the denominators."""
        if self.denominators is None:
            self.denominators = self.achievement.select(["provider_id", "measure_id", "denominator"])

    def take(self, found: PublishedRows | None) -> pa.Table | None:
        """Note the file and the rejected rows, and give the accepted ones."""
        if found is None:
            return None
        self.files.append(found.file)
        self.rejected.append(found.rejected)
        return found.table

    def rejected_table(self) -> pa.Table:
        """One row per row or cell that cannot be used."""
        return pa.concat_tables([_REJECTED.empty_table(), *(one.cast(_REJECTED) for one in self.rejected)])
