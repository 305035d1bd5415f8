"""From published text to numbers: every cell is accepted or rejected with a reason."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.programs.hacrp.measures import measure_catalogue
from openvbp.programs.hacrp.readers import (
    ATTRIBUTE_TEXTS,
    PAYMENT_TEXTS,
    PublishedInputs,
    added_rows,
    hospital_rows,
    measure_rows,
)
from openvbp.published_values import as_points, as_rate, is_missing, problem

HIGHEST_Z_SCORE = 100
_REJECTED_COLUMNS = ("source_file", "row_number", "provider_id", "column", "value", "reason")
_AMOUNT = "decimal(18, 2)"
_FACTOR = "decimal(18, 10)"


def input_tables(
    engine: Engine, inputs: PublishedInputs, measure_ids: Sequence[str], footnotes: Sequence[str]
) -> dict[str, ir.Table]:
    """Read the numbers of published inputs.

    Parameters
    ----------
    measure_ids
        Measures of the period.
    footnotes
        Footnotes that decide about a score.

    Returns
    -------
    Tables by name: ``provider`` (hospital, with its published Total HAC Score and the user's amounts),
    ``measure_input`` (hospital × measure, with ``input_problem`` where a cell was rejected), ``rejected`` (cell or
    row).
    """
    measures = engine.compute(
        _measures(engine, engine.table(measure_rows(inputs, measure_ids), "measure_text"), measure_ids, footnotes),
        "measure_input",
    )
    providers = engine.compute(_providers(engine, inputs), "provider_read")
    scores_file = inputs.scores.file.table.name
    rejected = ibis.union(
        *(_rejected_measure(measures, name, scores_file) for name in ("rate", "z_score", "points")),
        *(_rejected_of_provider(providers, name, inputs) for name in _PROVIDER_NUMBERS),
        engine.table(_rejected_rows(inputs), "rejected_row"),
    )
    return {
        "provider": providers.drop(*(f"{name}_{end}" for name in _PROVIDER_NUMBERS for end in ("text", "problem"))),
        "measure_input": measures.drop(
            *(name for name in measures.columns if name.endswith(("_text", "_problem")) and name != "input_problem")
        ),
        "rejected": rejected,
    }


def _measures(engine: Engine, text: ir.Table, measure_ids: Sequence[str], footnotes: Sequence[str]) -> ir.Table:
    """Read result, z-score and points of every hospital × measure of the period."""
    catalogue = measure_catalogue()
    bounds = pa.table(
        {
            "measure_id": pa.array(measure_ids, pa.string()),
            "highest_rate": pa.array([catalogue[one].highest_rate for one in measure_ids], pa.decimal128(18, 10)),
        }
    )
    rows = text.inner_join(engine.table(bounds, "measure_bounds"), "measure_id")
    rows = rows.rename(rate_text="rate", z_score_text="z_score", points_text="points")
    rows = rows.mutate(
        performance_rate=as_rate(_.rate_text),
        published_z_score=as_rate(_.z_score_text),
        published_points=as_points(_.points_text),
    )
    rows = rows.mutate(
        rate_problem=problem(rows.rate_text, rows.performance_rate, 0, rows.highest_rate),
        z_score_problem=problem(rows.z_score_text, rows.published_z_score, -HIGHEST_Z_SCORE, HIGHEST_Z_SCORE),
        points_problem=problem(rows.points_text, rows.published_points, 1, 10),
        # A cell may name several footnotes; one of them decides.
        deciding_footnote=ibis.cases(
            *((rows.footnote.re_search(f"(^|[^0-9]){code}([^0-9]|$)"), code) for code in footnotes),
            else_=ibis.null("string"),
        )
        if footnotes
        else ibis.null("string"),
    )
    return rows.drop("highest_rate").mutate(
        input_problem=ibis.coalesce(_.rate_problem, _.z_score_problem, _.points_problem)
    )


_PROVIDER_NUMBERS = (
    "total_hac_score",
    "payment_reduction",
    "base_operating_drg_payment_amount",
    "other_payment_amount",
    "hvbp_adjustment_factor",
    "hrrp_adjustment_factor",
    "dual_eligible_ratio",
)


def _providers(engine: Engine, inputs: PublishedInputs) -> ir.Table:
    """Join the published scores with the amounts and attributes that the user added."""
    joined = engine.table(hospital_rows(inputs), "provider_text")
    for kind, texts in (("payments", PAYMENT_TEXTS), ("attributes", ATTRIBUTE_TEXTS)):
        added = engine.table(added_rows(inputs, kind, texts), f"{kind}_text")
        joined = joined.left_join(added, "provider_id").drop("provider_id_right")
    joined = joined.rename({f"{name}_text": name for name in _PROVIDER_NUMBERS})
    read: dict[str, ir.Value] = {
        "total_hac_score": as_rate(joined.total_hac_score_text),
        "payment_reduction": ibis.cases(
            (joined.payment_reduction_text.lower() == "yes", True),
            (joined.payment_reduction_text.lower() == "no", False),
            else_=ibis.null("boolean"),
        ),
        "dual_eligible_ratio": as_rate(joined.dual_eligible_ratio_text),
    }
    for name in PAYMENT_TEXTS:
        kind = _FACTOR if name.endswith("factor") else _AMOUNT
        read[name] = joined[f"{name}_text"].re_replace("[$, ]", "").try_cast(kind)
    highest = {"dual_eligible_ratio": 1, "hvbp_adjustment_factor": 2, "hrrp_adjustment_factor": 1}
    problems = {
        f"{name}_problem": problem(joined[f"{name}_text"], value)
        if name in ("total_hac_score", "payment_reduction")
        else problem(joined[f"{name}_text"], value, 0, highest.get(name))
        for name, value in read.items()
    }
    return joined.mutate(**problems).mutate(
        excluded_reason=joined.excluded_reason.nullif(""),
        has_payment_reduction=~is_missing(joined.payment_reduction_text),
        has_total_hac_score=~is_missing(joined.total_hac_score_text),
        **read,
    )


def _rejected_measure(rows: ir.Table, name: str, source: str) -> ir.Table:
    column = rows.measure_id + f" {name.replace('_', '-')}"
    return _rejected(rows, source, column, rows[f"{name}_text"], rows[f"{name}_problem"])


def _rejected_of_provider(rows: ir.Table, name: str, inputs: PublishedInputs) -> ir.Table:
    kind = "payments" if name in PAYMENT_TEXTS else "attributes" if name in ATTRIBUTE_TEXTS else None
    file = inputs.added.get(kind, inputs.scores) if kind else inputs.scores
    column = ibis.literal(name.replace("_", " "))
    return _rejected(rows, file.file.table.name, column, rows[f"{name}_text"], rows[f"{name}_problem"])


def _rejected(rows: ir.Table, source: str, column: ir.Value, value: ir.Value, reason: ir.Value) -> ir.Table:
    return rows.filter(reason.notnull()).select(
        source_file=ibis.literal(source),
        row_number=ibis.literal(""),
        provider_id=rows.provider_id,
        column=column,
        value=value,
        reason=reason,
    )


def _rejected_rows(inputs: PublishedInputs) -> pa.Table:
    return pa.Table.from_pylist(inputs.rejected, schema=pa.schema([(name, pa.string()) for name in _REJECTED_COLUMNS]))
