"""What a run reads: achievement, registers, lists and totals of one country and year, and the user's own tables."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from statistics import median

import pyarrow as pa
import pyarrow.compute as pc

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.parameters import Scenario
from openvbp.program import Check, ProgramInputs
from openvbp.programs.qof import english_files, own_tables, scottish_files, scottish_practices
from openvbp.programs.qof.indicator_codes import framework
from openvbp.programs.qof.input_tables import (
    ACHIEVEMENT,
    ASPIRATION,
    FACTOR,
    FRACTIONS,
    LEDGER,
    PRACTICES,
    REGISTERS,
    SHARE,
    TARGETS,
    QofInputs,
)


def country_of(directory: Path) -> str:
    """Tell the country by the layout: Scotland publishes ``indicator_*`` files, England ``ACHIEVEMENT_*``.

    Raises
    ------
    InputDataError
        If the folder has files of both countries or of none.
    """
    names = [one.name.lower() for one in directory.iterdir()] if directory.is_dir() else []
    found = [
        country
        for country, part in (("scotland", "indicator_"), ("england", "achievement"))
        if any(name.startswith(part) and name.endswith((".csv", ".parquet")) for name in names)
    ]
    if len(found) != 1:
        what = "files of England and of Scotland in one folder" if found else "no achievement file"
        what_to_do = "give a folder with indicator_YYYY_YY files (Scotland) or ACHIEVEMENT_YYYY files (England)"
        raise InputDataError(Problem(what, str(directory), what_to_do))
    return found[0]


def read(directory: Path, declared: Scenario) -> ProgramInputs:
    """Read the files of one year.

    Raises
    ------
    InputDataError
        If the folder is not of one country, a file of the year is missing, broken or stored twice, or no row can be
        used.
    UsageError
        If the country had no framework in the period.
    """
    country = country_of(directory)
    if (
        declared.value("gbp_per_point", country) is None
        and country == "scotland"
        and declared.period.start.year >= 2016
    ):
        where = f"period {declared.period.label}"
        raise UsageError(Problem("the framework of Scotland ended on 1 April 2016", where, "choose an earlier year"))
    declared, own = own_tables.with_own_indicators(directory, country, declared)
    if not declared.keyed(f"{framework(country, declared)}_points"):
        raise InputDataError(
            Problem(
                f"the indicators of {declared.period.label} are not known for {country.capitalize()}",
                str(directory),
                f"add {own_tables.INDICATORS.file_name} with their points and thresholds",
            )
        )
    inputs = (_read_scotland if country == "scotland" else _read_england)(directory, declared)
    inputs.take(own)
    _add_own_tables(inputs, directory, declared)
    return ProgramInputs(inputs.files, declared, inputs, _checks(inputs))


def _read_scotland(directory: Path, declared: Scenario) -> QofInputs:
    label = declared.period.label
    indicators = scottish_files.read_indicators(directory, declared)
    inputs = QofInputs(
        "scotland",
        _scottish_achievement(indicators.table, declared),
        REGISTERS.empty_table(),
        PRACTICES.empty_table(),
    )
    inputs.files.append(indicators.file)
    inputs.rejected.append(indicators.rejected)
    totals = inputs.take(scottish_practices.read_totals(directory, label))
    lists = {row["provider_id"]: row["list_size"] for row in totals.to_pylist() if row["list_size"]} if totals else {}
    registers = inputs.take(scottish_practices.read_registers(directory, label, lists))
    if registers is not None:
        inputs.registers = _with_published_prevalence(registers)
    inputs.practices = _scottish_practices(indicators.table, totals, registers)
    return inputs


def _scottish_achievement(table: pa.Table, declared: Scenario) -> pa.Table:
    """Turn markers into what they mean: ``-`` is zero where the indicator has a fraction, ``*`` a suppressed count."""
    scoring = declared.keyed(f"{framework('scotland', declared)}_scoring")
    fractions = pa.array([code for code, kind in scoring.items() if kind in FRACTIONS], pa.string())
    has_fraction = pc.is_in(table["indicator_id"], value_set=fractions)

    def count(name: str) -> pa.ChunkedArray:
        return pc.if_else(pc.and_(has_fraction, _is_marked(table, name, "-")), 0, table[name])

    # Points printed as "x" (a survey that did not apply) count nothing in the published totals either.
    counts_nothing = pc.or_(*(_is_marked(table, "achieved_points", one) for one in ("-", "x")))
    suppressed = pc.or_(*(_is_marked(table, one, scottish_files.SUPPRESSED) for one in ("numerator", "denominator")))
    columns = {
        "provider_id": table["provider_id"],
        "measure_id": table["indicator_id"],
        "numerator": count("numerator"),
        "denominator": count("denominator"),
        "exceptions": pa.nulls(table.num_rows, pa.int64()),
        "register": table["register"],
        "published_points": pc.if_else(
            counts_nothing, pa.scalar(Decimal(0), pa.decimal128(20, 16)), table["achieved_points"]
        ),
        "is_suppressed": suppressed,
    }
    return pa.table(columns).cast(ACHIEVEMENT)


def _is_marked(table: pa.Table, column: str, marker: str) -> pa.ChunkedArray:
    return pc.equal(pc.coalesce(table[f"{column}_marker"], ""), marker)


def _with_published_prevalence(registers: pa.Table) -> pa.Table:
    """Add the national prevalence that the printed factors imply: one number per register, prevalence over factor.

    It is not quite the mean of the practices in the table, whose lists and practices are those of another day.
    """
    rows = registers.to_pylist()
    implied: dict[str, list[Decimal]] = {}
    for row in rows:
        factor = Decimal(row["published_factor"] or 0)
        if factor and row["register"] and row["list_size"]:
            implied.setdefault(row["area"], []).append(Decimal(row["register"]) / row["list_size"] / factor)
    national = {area: median(values).quantize(Decimal(1).scaleb(-18)) for area, values in implied.items()}
    table = [
        {
            "provider_id": row["provider_id"],
            "domain_id": row["area"],
            "list_size": row["list_size"],
            "register": row["register"],
            "published_factor": Decimal(row["published_factor"]).quantize(Decimal(1).scaleb(-15))
            if row["published_factor"]
            else None,
            "published_prevalence": national.get(row["area"]),
        }
        for row in rows
    ]
    return pa.Table.from_pylist(table, schema=REGISTERS)


def _scottish_practices(indicators: pa.Table, totals: pa.Table | None, registers: pa.Table | None) -> pa.Table:
    """Take what the totals say of a practice, else the prevalence table, else the achievement file."""
    practices = {
        row["provider_id"]: {"provider_id": row["provider_id"], "contract": row["contract"]}
        for row in indicators.select(["provider_id", "contract"])
        .group_by(["provider_id", "contract"])
        .aggregate([])
        .to_pylist()
    }
    for table in (registers, totals):
        if table is None:
            continue
        names = [
            name for name in ("provider_id", "provider_name", "health_board", "list_size") if name in table.column_names
        ]
        for row in table.select(names).to_pylist():
            if row["provider_id"] in practices and row["list_size"]:
                practices[row["provider_id"]] |= {
                    "provider_name": row.get("provider_name"),
                    "health_board": row["health_board"],
                    "practice_list_size": row["list_size"],
                }
    return pa.Table.from_pylist(list(practices.values()), schema=PRACTICES)


def _read_england(directory: Path, declared: Scenario) -> QofInputs:
    achieved, rejected, files = english_files.read_achievement(directory, declared)
    renamed = achieved.rename_columns({"indicator_id": "measure_id", "achieved_points": "published_points"})
    inputs = QofInputs(
        "england",
        renamed.select(ACHIEVEMENT.names).cast(ACHIEVEMENT),
        REGISTERS.empty_table(),
        PRACTICES.empty_table(),
    )
    inputs.files += files
    inputs.rejected.append(rejected)
    registers = inputs.take(english_files.read_registers(directory, declared.period.label))
    lists: dict[str, int] = {}
    if registers is not None:
        nothing = pa.nulls(registers.num_rows)
        columns = registers.rename_columns({"area": "domain_id"}).drop(["list_type"])
        columns = columns.append_column("published_factor", nothing.cast(FACTOR)).append_column(
            "published_prevalence", nothing.cast(SHARE)
        )
        inputs.registers = columns.select(REGISTERS.names).cast(REGISTERS)
        sizes = english_files.list_sizes(registers)
        lists = dict(zip(sizes["provider_id"].to_pylist(), sizes["list_size"].to_pylist(), strict=True))
    known = pc.unique(inputs.achievement["provider_id"]).to_pylist()
    inputs.practices = pa.Table.from_pylist(
        [{"provider_id": one, "practice_list_size": lists.get(one)} for one in known], schema=PRACTICES
    )
    return inputs


def _add_own_tables(inputs: QofInputs, directory: Path, declared: Scenario) -> None:
    ledger = inputs.take(own_tables.read_ledger(directory, inputs.country, declared))
    if ledger is not None:
        inputs.ledger = ledger.rename_columns({"indicator_id": "measure_id", "points": "override_points"}).cast(LEDGER)
    targets = inputs.take(own_tables.read_own(directory, own_tables.TARGET_POPULATIONS))
    if targets is not None:
        inputs.targets = targets.rename_columns({"area": "domain_id"}).cast(TARGETS)
    aspiration = inputs.take(own_tables.read_own(directory, own_tables.ASPIRATION))
    if aspiration is not None:
        inputs.aspiration = aspiration.cast(ASPIRATION)


def _checks(inputs: QofInputs) -> list[Check]:
    practices = set(inputs.practices["provider_id"].to_pylist())
    without_list = [row["provider_id"] for row in inputs.practices.to_pylist() if not row["practice_list_size"]]
    registered = set(inputs.registers["provider_id"].to_pylist())
    without_register = sorted(practices - registered)
    strangers = sorted(set(inputs.ledger["provider_id"].to_pylist()) - practices)
    only_registers = sorted(registered - practices)
    suppressed = pc.sum(inputs.achievement["is_suppressed"]).as_py() or 0
    found = [
        Check("practice_without_list", len(without_list), "no payment can be computed", tuple(without_list[:3])),
        Check("practice_without_registers", len(without_register), "no prevalence factor", tuple(without_register[:3])),
        Check(
            "practice_without_achievement",
            len(only_registers),
            "closed, merged or new: counts in the national prevalence only",
            tuple(only_registers[:3]),
        ),
        Check(
            "override_of_unknown_practice",
            len(strangers),
            "in override_ledger.csv, not in the achievement file",
            tuple(strangers[:3]),
        ),
        Check("suppressed_counts", suppressed, "points are taken as published"),
    ]
    return [check for check in found if check.count]
