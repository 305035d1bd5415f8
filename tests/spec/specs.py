"""Worked examples: tiny tables in a YAML file per program, read here for the tests and for the manual.

A file has ``types`` (column: Ibis type) and ``rules`` (rule: says, examples). ``examples`` is a table whose cells are
separated by ``|``; the columns after ``=>`` are what the rule must give. An empty cell is a missing value. All rows of
one rule are one input table, so rules over groups are shown too.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import yaml

FOLDER = Path(__file__).parent
CASE = "case"


@dataclass(frozen=True)
class Spec:
    """One rule with its examples."""

    program_id: str
    rule_id: str
    says: str
    types: dict[str, str]
    given: list[str]
    expected: list[str]
    rows: list[dict[str, str]]

    @property
    def name(self) -> str:
        return f"{self.program_id}.{self.rule_id}"

    def value(self, column: str, text: str) -> Any:
        """Read a cell as the type of its column; an empty cell is missing."""
        if text == "":
            return None
        kind = self.types.get(column, "string")
        if kind == "boolean":
            return {"yes": True, "no": False}[text]
        if kind == "int64":
            return int(text)
        return Decimal(text) if kind.startswith("decimal") else text

    def input_table(self) -> pa.Table:
        """Rows as given, one example each."""
        columns = [CASE, *self.given]
        fields = {name: ibis.dtype(self.types.get(name, "string")).to_pyarrow() for name in columns}
        rows = [{name: self.value(name, row[name]) for name in columns} for row in self.rows]
        return pa.Table.from_pylist(rows, schema=pa.schema(list(fields.items())))

    def expected_rows(self) -> list[dict[str, Any]]:
        """What the rule must give, by case."""
        return [{CASE: row[CASE], **{name: self.value(name, row[name]) for name in self.expected}} for row in self.rows]


def specs_of(program_id: str) -> list[Spec]:
    """Read the examples of one program."""
    document = yaml.safe_load((FOLDER / f"{program_id}.yaml").read_text(encoding="utf-8"))
    return [_spec(program_id, rule_id, rule, document["types"]) for rule_id, rule in document["rules"].items()]


def all_specs() -> list[Spec]:
    """Read the examples of all programs."""
    return [spec for path in sorted(FOLDER.glob("*.yaml")) for spec in specs_of(path.stem)]


def _spec(program_id: str, rule_id: str, rule: dict[str, str], types: dict[str, str]) -> Spec:
    lines = [line for line in rule["examples"].splitlines() if line.strip()]
    given_header, expected_header = lines[0].split("=>")
    given, expected = _cells(given_header), _cells(expected_header)
    assert given[0] == CASE, f"{rule_id}: the first column must be '{CASE}'"
    rows = []
    for line in lines[1:]:
        left, right = line.split("=>")
        cells = [*_cells(left), *_cells(right)]
        assert len(cells) == len(given) + len(expected), f"{rule_id}: row with wrong number of cells: {line}"
        rows.append(dict(zip([*given, *expected], cells, strict=True)))
    return Spec(program_id, rule_id, rule["says"], types, given[1:], expected, rows)


def _cells(text: str) -> list[str]:
    return [cell.strip() for cell in text.split("|")]
