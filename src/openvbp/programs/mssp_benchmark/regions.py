"""An ACO's region: its counties, weighted by where its assigned beneficiaries live.

42 CFR 425.601(c)-(d), 425.654: per capita expenditures and risk scores of all assignable beneficiaries of the counties.
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from openvbp.errors import InputDataError, Problem
from openvbp.programs.mssp_benchmark.input_files import COUNTY_NAMES

_MARKERS = ("", ".", "*", "-")


@dataclass(frozen=True)
class CountyFile:
    """Per capita expenditures and risk score by county and enrollment type; values not published are missing."""

    name: str
    sha256: str
    rows: int
    values: Mapping[tuple[int, int, str], tuple[Decimal | None, Decimal | None]]


def read_counties(path: Path) -> CountyFile:
    """Read the published county-level fee-for-service file of one year, in CMS's layout.

    Raises
    ------
    InputDataError
        If a column is missing, a number cannot be read or a county stands twice.
    """
    content = path.read_bytes()
    reader = csv.DictReader(content.decode("utf-8-sig").splitlines())
    header = {name.strip().lower(): name for name in reader.fieldnames or ()}
    columns = {
        of: (f"per capita {name.lower()} expenditures", f"average {name.lower()} hcc risk score")
        for of, name in COUNTY_NAMES.items()
    }
    wanted = ["state id", "county id", *(one for pair in columns.values() for one in pair)]
    missing = [name for name in wanted if name not in header]
    if missing:
        raise InputDataError(
            Problem("columns are missing", str(path), "give CMS's county-level file", len(missing), tuple(missing[:3]))
        )
    values: dict[tuple[int, int, str], tuple[Decimal | None, Decimal | None]] = {}
    count = 0
    for count, row in enumerate(reader, 1):  # noqa: B007 (the last number is the number of rows)
        place = f"{path}, line {reader.line_num}"
        state, county = (int(_number(row[header[name]], place) or 0) for name in ("state id", "county id"))
        for of, (spending, risk) in columns.items():
            key = (state, county, of)
            if key in values:
                raise InputDataError(Problem("a county stands twice", place, "keep one row of it"))
            values[key] = (_number(row[header[spending]], place), _number(row[header[risk]], place))
    return CountyFile(path.name, hashlib.sha256(content).hexdigest(), count, values)


def _number(text: str, place: str) -> Decimal | None:
    if text.strip() in _MARKERS:
        return None
    try:
        return Decimal(text.replace(",", "").strip())
    except InvalidOperation:
        raise InputDataError(Problem(f"'{text}' is not a number", place, "correct the cell")) from None


def regional_rows(
    counties: Sequence[Mapping[str, Any]], files: Mapping[str, CountyFile], where: str
) -> list[dict[str, Any]]:
    """Average the counties of each ACO by its person years: ACO × type × year.

    Raises
    ------
    InputDataError
        If a county is not in the file of the year, or its values are not published.
    """
    sums: dict[tuple[str, str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
    lost = []
    for row in counties:
        if row["year"] not in files:
            continue
        values = files[row["year"]].values.get(
            (row["state_id"], row["county_id"], row["enrollment_type"]), (None, None)
        )
        if values[0] is None or values[1] is None:
            lost.append(
                f"{row['provider_id']} {row['year']} {row['state_id']}-{row['county_id']} {row['enrollment_type']}"
            )
            continue
        total = sums[row["provider_id"], row["enrollment_type"], row["year"]]
        parts = (row["person_years"], row["person_years"] * values[0], row["person_years"] * values[1])
        total[:] = [old + new for old, new in zip(total, parts, strict=True)]
    if lost:
        raise InputDataError(
            Problem(
                "counties have no published values",
                where,
                "leave them out if they are too small to matter, or give regional_values.csv instead",
                len(lost),
                tuple(lost[:3]),
            )
        )
    return [
        {
            "provider_id": provider,
            "enrollment_type": of,
            "year": year,
            "regional_per_capita": (spending / weight).quantize(Decimal("0.01"), ROUND_HALF_UP),
            "regional_risk_score": (risk / weight).quantize(Decimal("0.000001"), ROUND_HALF_UP),
            "market_share": None,
        }
        for (provider, of, year), (weight, spending, risk) in sorted(sums.items())
        if weight
    ]
