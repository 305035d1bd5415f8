"""From published text to numbers: every cell is accepted or rejected with a reason."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.money import RATE_TYPE
from openvbp.programs.hvbp.measures import measure_catalogue
from openvbp.programs.hvbp.readers import PublishedInputs, added_rows, measure_rows, provider_rows, score_rows
from openvbp.published_values import as_amount, as_points, as_rate, as_score, problem

_RATES = ("baseline_rate", "performance_rate")
_POINTS = {"achievement_points": 10, "improvement_points": 9, "measure_points": 10}
_COUNT = "decimal(18, 4)"
_COUNTS = ("baseline_cases", "performance_cases", "performance_events")
_REJECTED_COLUMNS = ("source_file", "row_number", "provider_id", "column", "value", "reason")


def input_tables(engine: Engine, inputs: PublishedInputs, measure_ids: list[str]) -> dict[str, ir.Table]:
    """Read the numbers of published inputs.

    Returns
    -------
    Tables by name: ``provider`` (hospital), ``measure_input`` (hospital × measure, with ``input_problem``
    where a cell was rejected), ``published_score`` (hospital × quantity × domain), ``rejected`` (cell or
    row).

    Raises
    ------
    InputDataError
        If an added file names an unknown measure, or amounts are given for a part of the hospitals only.
    """
    provider_text = engine.table(provider_rows(inputs), "provider_text")
    measure_text = engine.table(measure_rows(inputs, measure_ids), "measure_text")
    score_text = engine.table(score_rows(inputs), "score_text")
    case_text = engine.table(_case_text(inputs), "case_text")
    payment_text = engine.table(added_rows(inputs, "payments", ("base_operating_drg_payment_amount",)), "payment_text")
    attribute_text = engine.table(
        added_rows(inputs, "attributes", ("dual_eligible_ratio", "excluded_reason")), "attribute_text"
    )
    measures = engine.compute(
        _measure_input(engine, measure_text, case_text, provider_text, measure_ids), "measure_input"
    )
    scores = engine.compute(_published_score(score_text), "published_score_read")
    providers = engine.compute(_providers(provider_text, payment_text, attribute_text), "provider_read")
    rejected = ibis.union(
        _rejected_measures(measures, inputs),
        _rejected(scores, scores["source"], scores.quantity, scores.text, scores.input_problem),
        *(
            _rejected_attribute(providers, name, rows.file.table.name)
            for name, kind in _ATTRIBUTES.items()
            for rows in inputs.of_kind(kind)
        ),
        engine.table(_rejected_rows(inputs), "rejected_row"),
    )
    return {
        "provider": providers.drop(*(f"{name}_{end}" for name in _ATTRIBUTES for end in ("text", "problem"))),
        "measure_input": measures.drop("first_problem_column", "first_problem_text"),
        "published_score": scores.drop("text", "input_problem", "source", "measure_id"),
        "rejected": rejected,
    }


def _case_text(inputs: PublishedInputs) -> pa.Table:
    """Cases of the user's file, HCAHPS surveys spread over the dimensions."""
    rows = added_rows(inputs, "cases", ("measure_id", *_COUNTS, "rate_unverified"))
    by_measure: dict[str, list[str]] = {}
    for measure in measure_catalogue().values():
        by_measure.setdefault(measure.cases_of, []).append(measure.measure_id)
    unknown = sorted(set(rows["measure_id"].to_pylist()) - by_measure.keys())
    if unknown:
        raise InputDataError(
            Problem(
                "cases of an unknown measure",
                inputs.of_kind("cases")[0].file.table.name,
                "use the measures' ids; cases of the survey are those of HCAHPS",
                len(unknown),
                tuple(unknown[:3]),
            )
        )
    spread = [
        {**row, "measure_id": measure_id} for row in rows.to_pylist() for measure_id in by_measure[row["measure_id"]]
    ]
    return pa.Table.from_pylist(spread, schema=rows.schema)


def _measure_input(
    engine: Engine, text: ir.Table, case_text: ir.Table, providers: ir.Table, measure_ids: list[str]
) -> ir.Table:
    """Read rates, points and cases of every hospital × measure of the period."""
    catalogue = measure_catalogue()
    bounds = pa.table(
        {
            "measure_id": pa.array(measure_ids, pa.string()),
            "lowest_rate": pa.array([catalogue[one].lowest_rate for one in measure_ids], pa.decimal128(18, 10)),
            "highest_rate": pa.array([catalogue[one].highest_rate for one in measure_ids], pa.decimal128(18, 10)),
        }
    )
    limits = engine.table(bounds, "measure_bounds")
    cases = case_text.rename({f"{name}_text": name for name in _COUNTS})
    keys = ["provider_id", "measure_id"]
    grid = providers.select("provider_id").cross_join(limits)
    joined = grid.left_join(text, keys).drop("provider_id_right", "measure_id_right")
    joined = joined.left_join(cases, keys).drop("provider_id_right", "measure_id_right")
    read: dict[str, ir.Value] = {f"{name}_value": as_rate(joined[name]) for name in _RATES}
    read |= {f"{name}_value": as_points(joined[name]) for name in _POINTS}
    read |= {f"{name}_value": as_rate(joined[f"{name}_text"]) for name in _COUNTS}
    joined = joined.mutate(**read)
    problems = {
        name: problem(joined[name], joined[f"{name}_value"], joined.lowest_rate, joined.highest_rate) for name in _RATES
    }
    problems |= {name: problem(joined[name], joined[f"{name}_value"], 0, most) for name, most in _POINTS.items()}
    problems |= {name: problem(joined[f"{name}_text"], joined[f"{name}_value"], 0) for name in _COUNTS}
    texts = {name: joined[f"{name}_text"] if name in _COUNTS else joined[name] for name in problems}
    first_column = ibis.cases(
        *((reason.notnull(), name) for name, reason in problems.items()), else_=ibis.null("string")
    )
    first_text = ibis.cases(
        *((reason.notnull(), texts[name]) for name, reason in problems.items()), else_=ibis.null("string")
    )
    missing_row = ibis.ifelse(
        joined.source_file.isnull(), ibis.literal("hospital is not in the file"), ibis.null("string")
    )
    return joined.select(
        "provider_id",
        "measure_id",
        "source_file",
        baseline_rate=joined.baseline_rate_value,
        performance_rate=joined.performance_rate_value,
        baseline_cases=joined.baseline_cases_value.cast(_COUNT),
        performance_cases=joined.performance_cases_value.cast(_COUNT),
        performance_events=joined.performance_events_value.cast(_COUNT),
        rate_unverified=joined.rate_unverified.nullif(""),
        published_achievement_points=joined.achievement_points_value,
        published_improvement_points=joined.improvement_points_value,
        published_measure_points=joined.measure_points_value,
        input_problem=ibis.coalesce(missing_row, *problems.values()),
        first_problem_column=first_column,
        first_problem_text=first_text,
    )


def _published_score(text: ir.Table) -> ir.Table:
    value = as_score(text.text)
    return text.mutate(value=value, input_problem=problem(text.text, value))


_ATTRIBUTES = {"base_operating_drg_payment_amount": "payments", "dual_eligible_ratio": "attributes"}
"""Numbers that the user adds: column to kind of file."""


def _providers(text: ir.Table, payments: ir.Table, attributes: ir.Table) -> ir.Table:
    """Join the amounts and attributes that the user added."""
    joined = text.left_join(payments, "provider_id").drop("provider_id_right")
    joined = joined.left_join(attributes, "provider_id").drop("provider_id_right")
    joined = joined.rename({f"{name}_text": name for name in _ATTRIBUTES})
    amount = as_amount(joined.base_operating_drg_payment_amount_text)
    ratio = as_rate(joined.dual_eligible_ratio_text)
    amount_problem = problem(joined.base_operating_drg_payment_amount_text, amount, 0)
    ratio_problem = problem(joined.dual_eligible_ratio_text, ratio, 0, 1)
    return joined.mutate(
        base_operating_drg_payment_amount=ibis.ifelse(amount_problem.isnull(), amount, ibis.null("decimal(18, 2)")),
        dual_eligible_ratio=ibis.ifelse(ratio_problem.isnull(), ratio, ibis.null(RATE_TYPE)),
        base_operating_drg_payment_amount_problem=amount_problem,
        dual_eligible_ratio_problem=ratio_problem,
        excluded_reason=joined.excluded_reason.nullif(""),
    )


def _rejected(rows: ir.Table, source: ir.Value, column: ir.Value, value: ir.Value, reason: ir.Value) -> ir.Table:
    return rows.filter(reason.notnull()).select(
        source_file=source,
        row_number=ibis.literal(""),
        provider_id=rows.provider_id,
        column=column,
        value=value,
        reason=reason,
    )


def _rejected_measures(rows: ir.Table, inputs: PublishedInputs) -> ir.Table:
    cells = rows.filter(_.source_file.notnull())
    column = cells.measure_id + " " + cells.first_problem_column
    case_file = next((rows.file.table.name for rows in inputs.of_kind("cases")), None)
    source = ibis.ifelse(cells.first_problem_column.isin(_COUNTS), case_file, cells.source_file)
    return _rejected(cells, source, column, cells.first_problem_text, cells.input_problem)


def _rejected_attribute(rows: ir.Table, name: str, source_file: str) -> ir.Table:
    reason = rows[f"{name}_problem"]
    return _rejected(rows, ibis.literal(source_file), ibis.literal(name), rows[f"{name}_text"], reason)


def _rejected_rows(inputs: PublishedInputs) -> pa.Table:
    schema = pa.schema([(name, pa.string()) for name in _REJECTED_COLUMNS])
    return pa.Table.from_pylist(inputs.rejected, schema=schema)
