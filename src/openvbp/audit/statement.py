"""A payer's statement: what it says of each quantity of a settlement."""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, ROUND_UP, Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from openvbp.errors import InputDataError, Problem

SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("provider_id", "domain_id", "quantity")]
    + [("value", pa.decimal128(38, 16)), ("slack", pa.decimal128(38, 16))]
)
_COLUMNS = ("provider_id", "quantity", "line", "population", "domain_id", "measure_id", "value")
_FLAGS = {"yes": Decimal(1), "true": Decimal(1), "no": Decimal(0), "false": Decimal(0)}
_NUMBER = re.compile(r"[+-]?(\d+|\d{1,3}(,\d{3})+)([.]\d{1,14})?")
_LAST_PLACE = Decimal(1).scaleb(-16)
_CURRENCIES = ("usd", "gbp", "eur")
_BELOW = {"ratio": 10, "flag": 2, **dict.fromkeys(_CURRENCIES, 10**11)}
"""Unit to a number that its values do not reach: a share of 42.5 is one of 42.5 percent whose sign is missing."""

_ANY_OTHER_IS_BELOW = 10**9
_UNKNOWN = "a line is not known in this settlement"


@dataclass(frozen=True)
class Known:
    """What a statement can speak of."""

    units: Mapping[str, str]
    """Quantity of the settlement to its unit."""
    providers: Sequence[str]
    domains: Sequence[str] = ()
    """Parts of the contract of which lines can be; none where a provider has one row."""
    of_domains: Collection[str] = ()
    """Quantities that each domain has one of."""


def is_statement(path: Path) -> bool:
    """Whether a file is a statement in lines (quantity, value) and not a publication of its own form."""
    if not path.is_file() or path.suffix.lower() != ".csv":
        return False
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as lines:
        header = _names(next(csv.reader(lines), []))
    return "value" in header and bool({"quantity", "line"} & set(header))


def read_statement(path: Path, known: Known) -> pa.Table:
    """Read a statement in lines: CSV with ``quantity`` (or ``line``) and ``value``.

    ``provider_id`` may be left out where there is one provider; ``population`` (or ``domain_id``) names the part of the
    contract that a line is about. Values may carry a currency sign, thousands separators or a percent sign. A value
    that is printed with so many decimals stands for all that round to it.

    Returns
    -------
    Lines of the statement: provider_id, domain_id, quantity, value, slack.

    Raises
    ------
    InputDataError
        With every line that cannot be used: unknown quantity, no number, unknown provider, a line twice.
    """
    wrong: dict[str, list[str]] = {}
    read: dict[tuple[str, str | None, str], dict[str, Any]] = {}
    for number, row in _rows(path):
        line = _line(row, known)
        key = (line["provider_id"], line["domain_id"], line["quantity"])
        reason = _reason(line, row, known) or ("a line stands twice" if key in read else None)
        if reason:
            whose = f"{line['provider_id']} " if len(known.providers) > 1 else ""
            wrong.setdefault(reason, []).append(f"line {number}: {whose}{line['quantity']} {row.get('value') or ''}")
        else:
            read[key] = line
    if wrong:
        raise InputDataError(
            [
                Problem(reason, str(path), _advice(reason, examples, known), len(examples), tuple(examples[:3]))
                for reason, examples in wrong.items()
            ]
        )
    return pa.Table.from_pylist(list(read.values()), schema=SCHEMA)


def _names(header: Sequence[str]) -> list[str]:
    return [name.strip().lower().replace(" ", "_") for name in header]


def _rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            header = _names(reader.fieldnames or ())
            reader.fieldnames = header
            rows = [(reader.line_num, row) for row in reader]
    except UnicodeDecodeError:
        what_to_do = "save it as comma-separated UTF-8 text"
        raise InputDataError(Problem("file is not UTF-8 text", str(path), what_to_do)) from None
    problems = []
    unknown = [name for name in header if name not in _COLUMNS]
    if unknown:
        what_to_do = "use " + ", ".join(_COLUMNS)
        problems.append(Problem("columns are not known", str(path), what_to_do, len(unknown), tuple(unknown[:3])))
    if {"quantity", "line"} <= set(header) or len(set(header)) < len(header):
        problems.append(Problem("a column stands twice", str(path), "name the lines in one column"))
    ragged = [f"line {number}" for number, row in rows if None in row or None in row.values()]
    if ragged:
        what_to_do = "put quotation marks around values with commas"
        what = f"rows do not have the {len(header)} cells of the header"
        problems.append(Problem(what, str(path), what_to_do, len(ragged), tuple(ragged[:3])))
    if not rows:
        problems.append(Problem("the statement has no lines", str(path), "give at least one quantity and value"))
    if problems:
        raise InputDataError(problems)
    return rows


def from_published(values: pa.Table, known: Collection[str], tolerances: Mapping[str, Decimal]) -> pa.Table:
    """Take published values, in the long form of a program, as a statement; their tolerances are no departures."""
    lines = []
    for row in values.to_pylist():
        value = _number(row["text"]) if row["quantity"] in known else None
        if value is not None:
            number, slack = value
            allowed = max(slack, row.get("tolerance") or Decimal(0), tolerances.get(row["quantity"], Decimal(0)))
            lines.append(
                {
                    "provider_id": row["provider_id"],
                    "domain_id": row.get("domain_id"),
                    "quantity": row["quantity"],
                    "value": number,
                    "slack": allowed.quantize(_LAST_PLACE, ROUND_UP),
                }
            )
    return pa.Table.from_pylist(lines, schema=SCHEMA)


def _line(row: Mapping[str, Any], known: Known) -> dict[str, Any]:
    value = _number(row["value"])
    only = known.providers[0] if len(known.providers) == 1 else ""
    return {
        "provider_id": (row.get("provider_id") or "").strip() or only,
        "domain_id": (row.get("population") or row.get("domain_id") or "").strip() or None,
        "quantity": (row.get("quantity") or row.get("line") or "").strip().lower().replace(" ", "_"),
        "value": value and value[0],
        "slack": value and value[1],
    }


def _number(text: str) -> tuple[Decimal, Decimal] | None:
    """Read a printed number: its value, and half a unit of its last decimal."""
    plain = re.sub(r"[$£€\s]", "", text).replace("\N{MINUS SIGN}", "-")
    if plain.lower() in _FLAGS:
        return _FLAGS[plain.lower()], Decimal(0)
    if plain.startswith("(") and plain.endswith(")"):
        # Accountants write negative amounts in brackets.
        plain = "-" + plain[1:-1]
    is_percent = plain.endswith("%")
    if not _NUMBER.fullmatch(plain.removesuffix("%")):
        return None
    number = Decimal(plain.removesuffix("%").replace(",", ""))
    half = Decimal(1).scaleb(int(number.as_tuple().exponent)) / 2
    number, half = (number / 100, half / 100) if is_percent else (number, half)
    return number.quantize(_LAST_PLACE, ROUND_HALF_UP), half.quantize(_LAST_PLACE, ROUND_UP)


def _reason(line: Mapping[str, Any], row: Mapping[str, Any], known: Known) -> str | None:
    unit = known.units.get(line["quantity"])
    if unit is None:
        return _UNKNOWN
    if (row.get("measure_id") or "").strip():
        return "a line is about a measure"
    if line["value"] is None:
        return "a value is not a number"
    if abs(line["value"]) >= _BELOW.get(unit, _ANY_OTHER_IS_BELOW):
        return "a share is not below 10" if unit == "ratio" else "a value is too large"
    if not line["provider_id"]:
        return "a line names no provider, and there are several"
    if line["provider_id"] not in known.providers:
        return "a provider is not in the data"
    if line["domain_id"] is None and line["quantity"] in known.of_domains:
        return "a line does not say of which population it is"
    return "a population is not in the data" if line["domain_id"] not in (None, *known.domains) else None


def _advice(reason: str, examples: Sequence[str], known: Known) -> str:
    if reason == _UNKNOWN:
        asked = examples[0].partition(": ")[2].split(" ")[1 if len(known.providers) > 1 else 0]
        near = difflib.get_close_matches(asked, known.units, n=3, cutoff=0.5)
        return "use a name that 'openvbp explain' prints, such as " + ", ".join(near or sorted(known.units)[:5])
    return {
        "a value is not a number": "write for example 1,234.50 or (1,234.50) or 2.5 % or yes",
        "a share is not below 10": "write 42.5 % or 0.425",
        "a line is about a measure": "leave it out: a settlement starts from the scores",
        "a line names no provider, and there are several": "add a column provider_id",
        "a provider is not in the data": "give the data of the same period, or leave the provider out",
        "a line does not say of which population it is": "fill in the column population: " + ", ".join(known.domains),
        "a population is not in the data": "use one of: " + (", ".join(known.domains) or "none"),
    }.get(reason, "correct the statement")
