"""The input contract: which tables of claims there are, and what their columns hold.

It is Tuva's input layer (version 0.18) and the columns that payment programs need and it lacks; ``schemas/*.yaml`` says
which is which.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from openvbp.errors import Problem, UsageError
from openvbp.exact_yaml import load_exact

Kind = Literal["text", "code", "npi", "ccn", "date", "year_month", "amount", "quantity", "count", "flag"]
Origin = Literal["tuva", "openvbp"]

TYPES: dict[Kind, str] = {
    "text": "string",
    "code": "string",
    "npi": "string",
    "ccn": "string",
    "date": "date",
    "year_month": "int64",
    "amount": "decimal(18, 2)",
    "quantity": "decimal(18, 4)",
    "count": "int64",
    "flag": "boolean",
}
"""Kind of a column to its type. Amounts are US dollars; a year_month is year × 100 + month."""
CLAIMS_TABLES = (
    "eligibility",
    "medical_claim",
    "pharmacy_claim",
    "lab_result",
    "provider_attribution",
    "provider",
    "participant",
    "attestation",
)
PASSES_THROUGH = "x_"
"""Columns of the user's own begin so; they are kept as they are."""
_FOLDER = Path(__file__).parent / "schemas"
_REPEATED = re.compile(r"(.*)\{1\.\.(\d+)\}")


@dataclass(frozen=True)
class ClaimsColumn:
    """A column of a table of claims."""

    name: str
    kind: Kind
    is_required: bool = False
    """Whether a file must have the column, and each row a value in it."""
    allowed: tuple[str, ...] = ()
    """The only codes that may stand in it; empty where any may."""
    origin: Origin = "tuva"
    about: str = ""

    @property
    def type(self) -> str:
        """Type of the column's values, as Ibis spells it."""
        return TYPES[self.kind]


@dataclass(frozen=True)
class ClaimsTable:
    """A table of claims."""

    name: str
    grain: str
    key: tuple[str, ...]
    """Columns that together name a row."""
    ordered_by: str
    """The day or month by which rows are dated."""
    columns: tuple[ClaimsColumn, ...]

    @functools.cached_property
    def column(self) -> dict[str, ClaimsColumn]:
        """Columns by name."""
        return {column.name: column for column in self.columns}

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that must be there."""
        return tuple(column.name for column in self.columns if column.is_required)


@functools.cache
def load_table(name: str) -> ClaimsTable:
    """Read the contract of a table.

    Parameters
    ----------
    name
        One of :data:`CLAIMS_TABLES`.

    Raises
    ------
    UsageError
        If there is no such table.

    Examples
    --------
    >>> load_table("medical_claim").key
    ('claim_id', 'claim_line_number', 'data_source')
    """
    if name not in CLAIMS_TABLES:
        raise UsageError(
            Problem(f"there is no table of claims '{name}'", "claims", "choose one of " + ", ".join(CLAIMS_TABLES))
        )
    declared: dict[str, Any] = load_exact((_FOLDER / f"{name}.yaml").read_bytes())
    origin: Origin = declared.get("origin", "tuva")
    columns = tuple(
        column for one in declared["columns"] for column in _repeated({"origin": origin, **one, "name": one["name"]})
    )
    return ClaimsTable(name, declared["grain"], tuple(declared["key"]), declared["ordered_by"], columns)


def _repeated(declared: dict[str, Any]) -> list[ClaimsColumn]:
    """Write out a column such as ``diagnosis_code_{1..25}``."""
    declared = {**declared, "allowed": tuple(str(code) for code in declared.get("allowed", ()))}
    found = _REPEATED.fullmatch(declared["name"])
    if not found:
        return [ClaimsColumn(**declared)]
    stem, times = found[1], int(found[2])
    return [ClaimsColumn(**{**declared, "name": f"{stem}{number}"}) for number in range(1, times + 1)]
