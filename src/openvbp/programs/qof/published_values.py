"""What the publications print beside their inputs: points, totals, factors and pounds to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from openvbp.parameters import Scenario, load_parameters
from openvbp.program import DeclaredPoints, DepartureKind, KnownDeparture, PublishedPoints
from openvbp.programs.qof import english_files, own_tables, scottish_files, scottish_practices
from openvbp.programs.qof.indicator_codes import framework
from openvbp.programs.qof.inputs import country_of

_HUNDREDTH = Decimal("0.01")
_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("provider_id", "quantity", "measure_id", "domain_id", "source", "text")]
    + [("tolerance", pa.decimal128(28, 12))]
)
_PAYMENT_TOLERANCE = Decimal("0.01")
"""Share of a published payment: list, average list and the factors of additional services are not those of the day."""


def read_published_values(directory: Path, period_label: str) -> pa.Table:
    """Published points, totals, prevalence factors and payments, as text.

    A payment has a tolerance of one percent: only pounds per point and patient can be told from the publications, and
    the factors of additional services are not among them.

    Returns
    -------
    Practice × quantity: provider_id, quantity, measure_id, domain_id, source, text, tolerance.
    """
    declared = load_parameters(Path(__file__).with_name("parameters.yaml"))
    scenario = declared.in_force(declared.period(period_label))
    if country_of(directory) == "england":
        scenario, _own = own_tables.with_own_indicators(directory, "england", scenario)
        achieved, _rejected, files = english_files.read_achievement(directory, scenario)
        source = ", ".join(file.name for file in files)
        return _table(_points(achieved, source))
    indicators = scottish_files.read_indicators(directory, scenario)
    rows = _points(_with_zeros(indicators.table), indicators.file.name)
    totals = scottish_practices.read_totals(directory, period_label)
    lists: dict[str, int] = {}
    if totals is not None:
        known = set(pc.unique(indicators.table["provider_id"]).to_pylist())
        lists = {row["provider_id"]: row["list_size"] for row in totals.table.to_pylist() if row["list_size"]}
        matched = [row for row in totals.table.to_pylist() if row["provider_id"] in known]
        rows += [_row(row, "total_points", row["published_points"], totals.file.name) for row in matched]
        rows += [_payment(row, totals.file.name) for row in matched if row["published_payment"]]
    registers = scottish_practices.read_registers(directory, period_label, lists)
    if registers is not None:
        adjusted = scenario.keyed("prevalence_adjustment")
        quantity = "adjusted_disease_prevalence_factor"
        rows += [
            _row(row, quantity, row["published_factor"], registers.file.name, domain_id=row["area"])
            for row in registers.table.to_pylist()
            if row["area"] in adjusted
        ]
    return _table(rows)


def _with_zeros(table: pa.Table) -> pa.Table:
    """Write the points that are printed as ``-`` as what they are: zero."""
    is_zero = pc.equal(pc.coalesce(table["achieved_points_marker"], ""), "-")
    text = pc.if_else(is_zero, "0", table["achieved_text"])
    return table.set_column(table.column_names.index("achieved_text"), "achieved_text", text)


def _points(table: pa.Table, source: str) -> list[dict[str, Any]]:
    return [
        _row(row, "points", row["achieved_text"], source, measure_id=row["indicator_id"])
        for row in table.select(["provider_id", "indicator_id", "achieved_text"]).to_pylist()
        if row["achieved_text"]
    ]


def _payment(row: Mapping[str, Any], source: str) -> dict[str, Any]:
    tolerance = (Decimal(row["published_payment"]) * _PAYMENT_TOLERANCE).quantize(Decimal("0.01"))
    return {**_row(row, "achievement_payment", row["published_payment"], source), "tolerance": tolerance}


def _row(row: Mapping[str, Any], quantity: str, text: str, source: str, **keys: str) -> dict[str, Any]:
    """Describe one value; zeros at the end, which the publications drop, are written out to the second decimal."""
    padded = str(Decimal(text).quantize(_HUNDREDTH)) if text and -int(Decimal(text).as_tuple().exponent) < 2 else text
    return {"provider_id": row["provider_id"], "quantity": quantity, "source": source, "text": padded, **keys}


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def read_published_points(directory: Path, declared: Scenario) -> PublishedPoints:
    """Published counts and points by practice and indicator beside the thresholds of the workbook, for audits.

    Declared is what the workbook says, without the corrections: these, what is known of practices without a patient,
    and ``override_ledger.csv`` are departures on record. In England ``indicators.csv`` completes what is declared.

    Raises
    ------
    InputDataError
        If the folder is not of one country, or the files of the year cannot be used.
    """
    country = country_of(directory)
    known = recorded_departures(country, declared)
    if country == "england":
        declared, _own = own_tables.with_own_indicators(directory, country, declared)
        rows, rejected = _english_points(directory, declared)
    else:
        rows, rejected = _scottish_points(directory, declared)
    ledger = own_tables.read_ledger(directory, country, declared)
    known += [
        KnownDeparture("row", row["indicator_id"], f"{row['why']} ({row['who']})", row["provider_id"])
        for row in (ledger.table.to_pylist() if ledger else ())
    ]
    return PublishedPoints(rows, rejected, declared_points(country, declared), known)


_RECORDED: Mapping[str, Mapping[str, DepartureKind]] = {
    "england": {},
    "scotland": {
        "scotland_corrected_points": "points",
        "scotland_corrected_upper_threshold": "thresholds",
        "zero_denominator_pays": "without_patients",
    },
}
"""Country to the parameters that record how payment departed from the workbook."""


def recorded_departures(country: str, declared: Scenario) -> list[KnownDeparture]:
    """List how payment departed from the workbook of the year, with what proves it."""
    return [
        KnownDeparture(kind, measure_id, cited.cite)
        for name, kind in _RECORDED[country].items()
        for measure_id, cited in declared.parameters[name].values.items()
        if cited.value
    ]


def _scottish_points(directory: Path, declared: Scenario) -> tuple[pa.Table, int]:
    published = scottish_files.read_indicators(directory, declared)
    table = _with_zeros(published.table)
    is_masked = pc.or_(
        *(pc.equal(pc.coalesce(table[f"{one}_marker"], ""), "*") for one in ("numerator", "denominator"))
    )
    rows = {
        "provider_id": table["provider_id"],
        "measure_id": table["indicator_id"],
        **{one: _count(table, one) for one in ("numerator", "denominator")},
        "population": table["register"],
        "is_masked": is_masked,
        "points": table["achieved_text"],
        "maximum_points": table["available_text"],
    }
    return pa.table(rows), published.rejected.num_rows


def _count(table: pa.Table, name: str) -> pa.ChunkedArray:
    """Counts of indicators with a fraction: ``-`` is zero there."""
    return pc.if_else(pc.coalesce(pc.equal(table[f"{name}_marker"], "-"), False), 0, table[name])


def _english_points(directory: Path, declared: Scenario) -> tuple[pa.Table, int]:
    achieved, rejected, _files = english_files.read_achievement(directory, declared)
    maximum = declared.keyed(f"{framework('england', declared)}_points")
    rows = [
        {
            "provider_id": row["provider_id"],
            "measure_id": row["indicator_id"],
            "numerator": row["numerator"],
            "denominator": row["denominator"],
            "population": row["register"],
            "is_masked": row["is_suppressed"],
            "points": row["achieved_text"],
            "maximum_points": f"{maximum[row['indicator_id']]:f}" if row["indicator_id"] in maximum else None,
        }
        for row in achieved.to_pylist()
    ]
    counts = ("numerator", "denominator", "population")
    texts = ("provider_id", "measure_id", "points", "maximum_points")
    fields = [
        *((name, pa.int64()) for name in counts),
        ("is_masked", pa.bool_()),
        *((name, pa.string()) for name in texts),
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields)), rejected.num_rows


def declared_points(country: str, declared: Scenario) -> dict[str, DeclaredPoints]:
    """Give each indicator the schedule that the workbook declares, without the corrections."""
    name = framework(country, declared)
    points, scoring = declared.keyed(f"{name}_points"), declared.keyed(f"{name}_scoring")
    lower, upper = declared.keyed(f"{name}_lower_threshold"), declared.keyed(f"{name}_upper_threshold")
    return {
        code: DeclaredPoints(
            most,
            lower[code] * 100 if code in lower else None,
            upper[code] * 100 if code in upper else None,
            is_all_or_nothing=scoring.get(code) == "all_or_nothing",
        )
        for code, most in points.items()
    }
