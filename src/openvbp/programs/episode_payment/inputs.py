"""Hospitals, prices, anchors and claims of one year, read and checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis
import pyarrow as pa
from ibis import _

from openvbp.checked_rows import RowCheck, accepted, check_rows, rejected_cells
from openvbp.declared_tables import DeclaredTable, read_rows
from openvbp.engine import Engine, open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.parameters import Scenario
from openvbp.program import Check, InputFile, ProgramInputs
from openvbp.programs.episode_payment import episodes
from openvbp.programs.episode_payment.input_files import ANCHORS, CLAIMS, HOSPITALS, MODELS, PRICES

_PERCENTILES = (
    "complication_percentile",
    "hcahps_percentile",
    "earlier_complication_percentile",
    "earlier_hcahps_percentile",
    "composite_quality_score",
)
_CHECKS: dict[DeclaredTable, Sequence[RowCheck]] = {
    HOSPITALS: [RowCheck(name, lambda rows, name=name: rows[name] > 100, "above 100") for name in _PERCENTILES],
    PRICES: [RowCheck("risk_adjustment_factor", lambda rows: rows.risk_adjustment_factor == 0, "zero")],
    ANCHORS: [
        RowCheck("discharge_date", lambda rows: rows.discharge_date < rows.admission_date, "before the admission"),
        RowCheck("death_date", lambda rows: rows.death_date < rows.admission_date, "before the admission"),
    ],
    CLAIMS: [RowCheck("last_day", lambda rows: rows.last_day < rows.first_day, "before the first day")],
}


@dataclass(frozen=True)
class EpisodeInputs:
    """Hospitals and prices as given, episodes counted; no patient is in here."""

    hospitals: pa.Table
    categories: pa.Table
    """Hospital × category: prices, episodes that ended in the year, their spending after the high-cost cap."""
    rejected: pa.Table


def read(folder: Path, declared: Scenario) -> ProgramInputs:
    """Read a year's files and build its episodes.

    Raises
    ------
    InputDataError
        If a file is missing or broken, a hospital's model does not exist in the year, an anchor has no price, or no
        episode ended in the year.
    """
    tables = (HOSPITALS, PRICES, ANCHORS, CLAIMS)
    with open_engine() as engine:
        texts = {table: read_rows(folder, table) for table in tables}
        rows = {table: check_rows(engine, texts[table], _CHECKS[table]) for table in tables}
        kept = {table: engine.to_arrow(accepted(rows[table]).order_by(table.key)) for table in tables}
        rejected = pa.concat_tables(engine.to_arrow(rejected_cells(rows[table], table)) for table in tables)
        _demand_models(kept[HOSPITALS], declared, folder)
        _demand_prices(kept, folder)
        categories, checks = _categories(engine, kept, declared)
    if not sum(categories["episodes"].to_pylist()):
        what = f"no episode ended in {declared.period.label}"
        raise InputDataError(Problem(what, str(folder / ANCHORS.file_name), "give the anchors of the year"))
    files = [
        InputFile(
            table.file_name,
            texts[table].sha256,
            table.file_name.removesuffix(".csv"),
            texts[table].rows.num_rows,
            kept[table].num_rows,
            texts[table].rows.num_rows - kept[table].num_rows,
        )
        for table in tables
    ]
    return ProgramInputs(files, declared, EpisodeInputs(kept[HOSPITALS], categories, rejected), checks)


def _demand_models(hospitals: pa.Table, declared: Scenario, folder: Path) -> None:
    known = declared.keyed("post_discharge_days")
    strange = [
        f"{row['provider_id']} {row['participation']}"
        for row in hospitals.to_pylist()
        if MODELS[row["participation"]] not in known
    ]
    if strange:
        raise InputDataError(
            Problem(
                f"the model did not exist in {declared.period.label}",
                str(folder / HOSPITALS.file_name),
                "choose another period or participation",
                len(strange),
                tuple(strange[:3]),
            )
        )


def _demand_prices(kept: dict[DeclaredTable, pa.Table], folder: Path) -> None:
    hospitals = set(kept[HOSPITALS]["provider_id"].to_pylist())
    prices = {(row["provider_id"], row["episode_category"]) for row in kept[PRICES].to_pylist()}
    wanted = {
        (row["provider_id"], row["episode_category"])
        for row in kept[ANCHORS].select(["provider_id", "episode_category"]).to_pylist()
        if row["provider_id"] in hospitals
    }
    lacking = sorted(f"{provider} {category}" for provider, category in wanted - prices)
    if lacking:
        raise InputDataError(
            Problem(
                "episodes have no price",
                str(folder / PRICES.file_name),
                "add a row for each hospital and episode category",
                len(lacking),
                tuple(lacking[:3]),
            )
        )


def _categories(
    engine: Engine, kept: dict[DeclaredTable, pa.Table], declared: Scenario
) -> tuple[pa.Table, list[Check]]:
    """Count episodes and their spending by hospital and category."""
    days = {model: int(value) for model, value in declared.keyed("post_discharge_days").items()}
    hospitals = engine.table(kept[HOSPITALS], "episode_hospital").select("provider_id", "participation")
    model = ibis.cases(*((hospitals.participation == one, of) for one, of in MODELS.items()), else_=ibis.null("string"))
    hospitals = hospitals.mutate(model=model)
    length = ibis.cases(
        *((hospitals.model == one, ibis.literal(n)) for one, n in days.items()), else_=ibis.null("int64")
    )
    hospitals = hospitals.mutate(post_discharge_days=length.cast("int64"))
    anchors = engine.table(kept[ANCHORS], "episode_anchor").inner_join(hospitals, "provider_id")
    placed = engine.compute(episodes.windows(anchors), "episode_window")
    ended = placed.filter(_.last_day_of_episode.between(declared.period.start, declared.period.end))
    stands = engine.compute(ended.filter(~_.is_cancelled), "episode_standing")
    spent = engine.compute(episodes.spending(stands, engine.table(kept[CLAIMS], "episode_claim")), "episode_spending")
    prices = engine.table(kept[PRICES], "episode_price")
    keys = ["provider_id", "episode_category"]
    caps = prices.select(*keys, "high_cost_cap")
    capped = spent.inner_join(caps, keys)
    amount = ibis.ifelse(_.episode_spending > _.high_cost_cap, _.high_cost_cap, _.episode_spending)
    totals = (
        capped.mutate(counted=ibis.coalesce(amount, _.episode_spending))
        .group_by(keys)
        .agg(episodes=_.count(), actual_spending=_.counted.cast("decimal(38, 2)").sum().cast("decimal(18, 2)"))
    )
    joined = prices.left_join(totals, keys)
    joined = joined.drop([name for name in joined.columns if name.endswith("_right")]).mutate(
        episodes=_.episodes.fill_null(0).cast("int64"),
        actual_spending=_.actual_spending.fill_null(ibis.literal("0").cast("decimal(18, 2)")),
        risk_adjustment_factor=_.risk_adjustment_factor.fill_null(ibis.literal("1").cast("decimal(18, 12)")),
    )
    rows = engine.to_arrow(joined.order_by(keys))
    counts = ended.filter(_.is_cancelled).group_by("cancelled_reason").agg(times=_.count()).order_by("cancelled_reason")
    checks = [
        Check("cancelled_episode", row["times"], row["cancelled_reason"]) for row in engine.to_arrow(counts).to_pylist()
    ]
    return rows, checks
