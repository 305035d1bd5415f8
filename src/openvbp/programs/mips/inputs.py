"""Reading of one performance year: clinicians, their measures and category scores, and the benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.checked_rows import IS_COPY, accepted, check_rows, reject, rejected_cells
from openvbp.declared_tables import TextRows, read_rows
from openvbp.engine import Engine, open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.parameters import Scenario
from openvbp.program import Check, InputFile, ProgramInputs
from openvbp.programs.mips.benchmarks import read_benchmarks
from openvbp.programs.mips.input_files import (
    CALCULATED,
    CATEGORY_CHECKS,
    CATEGORY_SCORES,
    CLINICIAN_CHECKS,
    CLINICIANS,
    MEASURE_CHECKS,
    MEASURES,
)


@dataclass(frozen=True)
class MipsInputs:
    """Accepted rows by table, and what was rejected."""

    clinicians: pa.Table
    measures: pa.Table
    categories: pa.Table
    benchmarks: pa.Table
    broken_quality: pa.Table
    """Clinicians of rejected measure rows: their quality category would be that of other measures."""
    rejected: pa.Table


def read(directory: Path, declared: Scenario) -> ProgramInputs:
    """Read the clinicians, their quality measures, their other categories and the year's benchmarks.

    Raises
    ------
    InputDataError
        If a file is missing or broken, no row can be used, rows contradict each other, the benchmarks of the year are
        missing, or the quality category of a clinician is given twice.
    """
    benchmarks = read_benchmarks(directory, declared.period.start.year)
    with open_engine() as engine:
        texts = {table: read_rows(directory, table) for table in (CLINICIANS, CATEGORY_SCORES)}
        if (directory / MEASURES.file_name).is_file():
            texts[MEASURES] = read_rows(directory, MEASURES)
        rows = {CLINICIANS: check_rows(engine, texts[CLINICIANS], CLINICIAN_CHECKS)}
        known = accepted(rows[CLINICIANS]).provider_id
        for table, checks in ((CATEGORY_SCORES, CATEGORY_CHECKS), (MEASURES, MEASURE_CHECKS)):
            if table in texts:
                rows[table] = _of_known(engine, check_rows(engine, texts[table], checks), known, texts[table])
        kept = {table: engine.to_arrow(accepted(rows[table]).order_by(table.key)) for table in rows}
        measures = kept[MEASURES] if MEASURES in rows else _no_measures()
        _demand_single_quality(directory, kept[CATEGORY_SCORES], measures)
        rejected = [engine.to_arrow(rejected_cells(rows[table], table)) for table in rows]
        broken = _broken_quality(engine, rows.get(MEASURES))
        checks = _checks(engine, measures, benchmarks.rows)
    files = [
        InputFile(
            table.file_name,
            text.sha256,
            table.file_name.removesuffix(".csv"),
            text.rows.num_rows,
            kept[table].num_rows,
            text.rows.num_rows - kept[table].num_rows,
        )
        for table, text in texts.items()
    ]
    content = MipsInputs(
        kept[CLINICIANS],
        measures,
        kept[CATEGORY_SCORES],
        benchmarks.rows,
        broken,
        pa.concat_tables([*(table.cast(benchmarks.rejected.schema) for table in rejected), benchmarks.rejected]),
    )
    return ProgramInputs([*files, *benchmarks.files], declared, content, checks)


def _of_known(engine: Engine, rows: ir.Table, known: ir.StringColumn, text: TextRows) -> ir.Table:
    reason = "its clinician is not among the accepted rows of clinicians.csv"
    decided = reject(rows, rows.provider_id.notin(known), "provider_id", reason)
    decided = engine.compute(decided, f"{text.declared.file_name.partition('.')[0]}_decided")
    usable = engine.to_arrow(decided.aggregate(n=_.problem.isnull().sum()))["n"][0].as_py()
    if not usable:
        raise InputDataError(
            Problem(
                "no row is of a clinician in clinicians.csv",
                str(text.path),
                "use the same provider_id in all files",
                text.rows.num_rows,
            )
        )
    return decided


def _no_measures() -> pa.Table:
    """No row, with the columns that the rules use: categories may all be given or reweighted."""
    empty = {
        "text": "string",
        "ratio": "decimal(18, 6)",
        "count": "int64",
        "yes_no": "boolean",
    }
    schema = ibis.schema({column.name: empty[column.kind] for column in MEASURES.columns})
    return schema.to_pyarrow().empty_table()


def _demand_single_quality(directory: Path, categories: pa.Table, measures: pa.Table) -> None:
    """A quality category that is given has no measures beside it, nor has one that is reweighted."""
    given = {row["provider_id"] for row in categories.to_pylist() if row["category_id"] == "quality"}
    twice = sorted(given & set(measures["provider_id"].to_pylist()))
    if twice:
        raise InputDataError(
            Problem(
                "the quality category of clinicians is given and has measures too",
                str(directory / CATEGORY_SCORES.file_name),
                f"remove the row 'quality' there, or the clinician's rows in {MEASURES.file_name}",
                len(twice),
                tuple(twice[:3]),
            )
        )


def _broken_quality(engine: Engine, measures: ir.Table | None) -> pa.Table:
    if measures is None:
        return pa.table({"provider_id": pa.array([], pa.string())})
    broken = measures.filter(_.problem.notnull() & (_.problem != IS_COPY) & (_.provider_id != ""))
    return engine.to_arrow(broken.select("provider_id").distinct().order_by("provider_id"))


def _checks(engine: Engine, measures: pa.Table, benchmarks: pa.Table) -> list[Check]:
    """Tell which measures have no benchmark: a mistyped identifier looks the same."""
    rows = engine.table(measures, "measure_without")
    keys = ["measure_id", "submission_method"]
    without = rows.anti_join(engine.table(benchmarks, "benchmark_known"), keys)
    without = without.filter(_.submission_method != CALCULATED)
    found = engine.to_arrow(without.group_by(keys).agg(rows=_.count()).order_by(keys)).to_pylist()
    if not found:
        return []
    return [
        Check(
            "measures without benchmark",
            sum(row["rows"] for row in found),
            "submitted measures that the year's benchmark file does not have for the submission method",
            tuple(f"{row['measure_id']} {row['submission_method']}" for row in found[:3]),
        )
    ]
