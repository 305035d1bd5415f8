"""A payer's statement: what it says of each quantity of a settlement."""

from __future__ import annotations

import csv
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pyarrow as pa

from openvbp.errors import InputDataError, Problem

SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("provider_id", "domain_id", "quantity")]
    + [("value", pa.decimal128(38, 16)), ("slack", pa.decimal128(38, 16))]
)
_COLUMNS = ("provider_id", "quantity", "line", "population", "domain_id", "value")
_FLAGS = {"yes": Decimal(1), "true": Decimal(1), "no": Decimal(0), "false": Decimal(0)}


def is_statement(path: Path) -> bool:
    """Whether a file is a statement in lines (quantity, value) and not a publication of its own form."""
    if not path.is_file() or path.suffix.lower() != ".csv":
        return False
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
        header = [name.strip().lower() for name in next(csv.reader(lines), [])]
    return "value" in header and bool({"quantity", "line"} & set(header))


def read_statement(path: Path, known: Collection[str], providers: Sequence[str]) -> pa.Table:
    """Read a statement in lines: CSV with ``quantity`` (or ``line``) and ``value``.

    ``provider_id`` may be left out where there is one provider; ``population`` (or ``domain_id``) names the part of the
    contract that a line is about. Values may carry a currency sign, thousands separators or a percent sign. A value
    that is printed with so many decimals stands for all that round to it.

    Parameters
    ----------
    known
        Quantities of the settlement.
    providers
        Providers of the settlement.

    Returns
    -------
    Lines of the statement: provider_id, domain_id, quantity, value, slack.

    Raises
    ------
    InputDataError
        With every line that cannot be used: unknown quantity, no number, unknown provider, a line twice.
    """
    with path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        header = [name.strip().lower() for name in reader.fieldnames or ()]
        unknown = [name for name in header if name not in _COLUMNS]
        if unknown:
            raise InputDataError(
                Problem("columns are not known", str(path), "use " + ", ".join(_COLUMNS), len(unknown), tuple(unknown))
            )
        reader.fieldnames = header
        rows = [{"number": reader.line_num, **row} for row in reader]
    if not rows:
        raise InputDataError(Problem("the statement has no lines", str(path), "give at least one quantity and value"))
    wrong: dict[str, list[str]] = {}
    read: dict[tuple[str, str | None, str], dict[str, Any]] = {}
    for row in rows:
        line = _line(row, providers)
        key = (line["provider_id"], line["domain_id"], line["quantity"])
        reason = _reason(line, known, providers) or ("a line stands twice" if key in read else None)
        if reason:
            wrong.setdefault(reason, []).append(f"line {row['number']}: {line['quantity']} {row.get('value') or ''}")
        else:
            read[key] = line
    if wrong:
        raise InputDataError(
            [
                Problem(reason, str(path), _advice(reason, known), len(examples), tuple(examples[:3]))
                for reason, examples in wrong.items()
            ]
        )
    return pa.Table.from_pylist(list(read.values()), schema=SCHEMA)


def from_published(values: pa.Table, known: Collection[str], tolerances: Mapping[str, Decimal]) -> pa.Table:
    """Take published values, in the long form of a program, as a statement; their tolerances are no departures."""
    lines = []
    for row in values.to_pylist():
        value = _number(row["text"]) if row["quantity"] in known else None
        if value is not None:
            number, slack = value
            lines.append(
                {
                    "provider_id": row["provider_id"],
                    "domain_id": row.get("domain_id"),
                    "quantity": row["quantity"],
                    "value": number,
                    "slack": max(
                        slack, row.get("tolerance") or Decimal(0), tolerances.get(row["quantity"], Decimal(0))
                    ),
                }
            )
    return pa.Table.from_pylist(lines, schema=SCHEMA)


def _line(row: dict[str, Any], providers: Sequence[str]) -> dict[str, Any]:
    value = _number(row.get("value") or "")
    only = providers[0] if len(providers) == 1 else ""
    return {
        "provider_id": (row.get("provider_id") or "").strip() or only,
        "domain_id": (row.get("population") or row.get("domain_id") or "").strip() or None,
        "quantity": (row.get("quantity") or row.get("line") or "").strip().lower().replace(" ", "_"),
        "value": value and value[0],
        "slack": value and value[1],
    }


def _number(text: str) -> tuple[Decimal, Decimal] | None:
    """Read a printed number: its value, and half a unit of its last decimal."""
    plain = text.strip().replace("$", "").replace(",", "").replace(" ", "")
    if plain.lower() in _FLAGS:
        return _FLAGS[plain.lower()], Decimal(0)
    if plain.startswith("(") and plain.endswith(")"):
        # Accountants write negative amounts in brackets.
        plain = "-" + plain[1:-1]
    try:
        number = Decimal(plain.removesuffix("%"))
    except InvalidOperation:
        return None
    if not number.is_finite():
        return None
    half = Decimal(1).scaleb(int(number.as_tuple().exponent)) / 2
    return (number / 100, half / 100) if plain.endswith("%") else (number, half)


def _reason(line: dict[str, Any], known: Collection[str], providers: Sequence[str]) -> str | None:
    if line["quantity"] not in known:
        return "a line is not known in this settlement"
    if line["value"] is None:
        return "a value is not a number"
    if not line["provider_id"]:
        return "a line names no provider, and there are several"
    return None if line["provider_id"] in providers else "a provider is not in the data"


def _advice(reason: str, known: Collection[str]) -> str:
    if reason.startswith("a line is not known"):
        return "use the names that 'openvbp explain' prints: " + ", ".join(sorted(known))
    return "correct the statement"
