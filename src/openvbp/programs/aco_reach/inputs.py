"""The table of ACOs of one performance year."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ibis
import pyarrow as pa
from ibis import _

from openvbp.checked_rows import RowCheck, accepted, check_rows, rejected_cells
from openvbp.declared_tables import DeclaredColumn, DeclaredTable, read_rows
from openvbp.engine import open_engine
from openvbp.parameters import Scenario
from openvbp.program import InputFile, ProgramInputs

AGREEMENTS = ("global", "professional")
ACOS = DeclaredTable(
    "aco_results.csv",
    (
        DeclaredColumn("provider_id", "text"),
        DeclaredColumn("provider_name", "text", may_be_empty=True),
        DeclaredColumn("agreement", "text", choices=AGREEMENTS),
        DeclaredColumn("aged_disabled_months", "count", lowest=0),
        DeclaredColumn("aged_disabled_benchmark_pbpm", "amount", lowest=0),
        DeclaredColumn("esrd_months", "count", lowest=0),
        DeclaredColumn("esrd_benchmark_pbpm", "amount", lowest=0),
        DeclaredColumn("expenditures", "amount", lowest=0),
        DeclaredColumn("quality_score", "ratio", may_be_empty=True, lowest=0),
        DeclaredColumn("is_retention_earned", "yes_no", is_optional=True, may_be_empty=True),
        DeclaredColumn("reference_risk_score", "ratio", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("risk_score", "ratio", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("risk_score_2019", "ratio", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("coding_intensity_factor", "ratio", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("stop_loss_payout", "amount", is_optional=True, may_be_empty=True, lowest=0),
    ),
    key=("provider_id",),
)
_CHECKS = (
    RowCheck("quality_score", lambda rows: rows.quality_score > 1, "above 1: give a share"),
    RowCheck(
        "aged_disabled_months",
        lambda rows: rows.aged_disabled_months + rows.esrd_months == 0,
        "a benchmark cannot be made of zero months",
    ),
    RowCheck(
        "risk_score",
        lambda rows: rows.risk_score.isnull() != rows.reference_risk_score.isnull(),
        "give both risk scores or none",
    ),
    RowCheck("reference_risk_score", lambda rows: rows.reference_risk_score == 0, "a risk score cannot be zero"),
)


@dataclass(frozen=True)
class ReachInputs:
    """Accepted ACOs, and what was rejected."""

    acos: pa.Table
    rejected: pa.Table


def read(folder: Path, declared: Scenario) -> ProgramInputs:
    """Read the ACOs of one performance year.

    Raises
    ------
    InputDataError
        If the file is missing or broken, no row can be used, or rows contradict each other.
    """
    with open_engine() as engine:
        text = read_rows(folder, ACOS)
        rows = check_rows(engine, text, _CHECKS)
        one, nothing = ibis.literal("1").cast("decimal(18, 6)"), ibis.literal("0").cast("decimal(18, 2)")
        usable = accepted(rows).mutate(
            coding_intensity_factor=_.coding_intensity_factor.fill_null(one),
            stop_loss_payout=_.stop_loss_payout.fill_null(nothing),
        )
        acos = engine.to_arrow(usable.order_by("provider_id"))
        rejected = engine.to_arrow(rejected_cells(rows, ACOS))
    in_rows = text.rows.num_rows
    file = InputFile(ACOS.file_name, text.sha256, "results", in_rows, acos.num_rows, in_rows - acos.num_rows)
    return ProgramInputs([file], declared, ReachInputs(acos, rejected))
