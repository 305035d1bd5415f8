"""The public report card: topics and summary of commercial members, measures and summary of Medicare members."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.parameter_tables import parameter_table
from openvbp.parameters import Scenario
from openvbp.programs.iha_amp import rules
from openvbp.programs.iha_amp.input_files import MEASURES, MEDICARE_MEASURES, MEDICARE_RESULTS
from openvbp.programs.iha_amp.inputs import COMMERCIAL, MEDICARE, STARS, CaliforniaInputs
from openvbp.programs.iha_amp.quality import KEYS, with_rejected

_POINTS = pa.decimal128(7, 4)
_UNREAD = "parameters whose source has not been read: "
MEDICARE_PARAMETERS = ("medicare_minimum_patients", "medicare_minimum_measures", "medicare_outcome_weight")


def rate_topics(
    engine: Engine, inputs: CaliforniaInputs, measures: ir.Table, scenarios: Sequence[Scenario]
) -> tuple[ir.Table, ir.Table]:
    """Scores and stars of topics, and the measures they are made from.

    Parameters
    ----------
    measures
        Scored measures of the quality composite; those without a topic do not count.

    Returns
    -------
    Scenario × organization × measure, and scenario × organization × topic with the summary on each row.
    """
    lines = engine.table(_cut_points(scenarios, COMMERCIAL), "topic_cut_points")
    columns = ("numerator", "denominator", "measure_rate", "minimum_patients", "is_lower_better", "has_rejected_row")
    rows = measures.filter(_.topic_id.notnull())
    named = ibis.literal(f"{COMMERCIAL}.")
    rows = rows.select(*KEYS, *columns, measure_id=named + rows.measure_id, domain_id=named + rows.topic_id)
    rows = rows.inner_join(_flags(engine, scenarios), "scenario_id")
    rows = rows.inner_join(_listed(engine, inputs), "domain_id")
    rows = rules.topic_score(engine.compute(rules.card_score(rows), "card_measure"))
    rows = engine.compute(rows.mutate(**_measure_status(rows, "card_score", "measure_results.csv")), "card_rated")
    topics = rows.group_by(*KEYS, "domain_id").agg(
        topic_score=_.topic_score.max(),
        has_rejected_row=_.has_rejected_row.any(),
        has_gap=_.card_score.count() < _.listed_measures.max(),
        listed_measures=_.listed_measures.max(),
        listed_topics=_.listed_topics.max(),
        unread=_.unread.max(),
        is_topic_of_some_measures=_.is_topic_of_some_measures.any(),
    )
    topics = engine.compute(topics, "topic_input").left_join(lines, ["scenario_id", "domain_id"])
    topics = topics.drop("scenario_id_right", "domain_id_right")
    topics = engine.compute(rules.commercial_summary_score(rules.topic_stars(topics)), "topic_rules")
    return rows, engine.compute(topics.mutate(**_card_status(topics, "topic_score", "topic_stars")), "topic_rated")


def summarize_topics(engine: Engine, topics: ir.Table, scenarios: Sequence[Scenario]) -> ir.Table:
    """The summary of the commercial card: scenario × organization."""
    rows = topics.group_by(*KEYS).agg(
        commercial_summary_score=_.commercial_summary_score.max(),
        has_rejected_row=_.has_rejected_row.any(),
        listed_topics=_.listed_topics.max(),
        has_gap=_.has_gap.any() | (_.topic_score.count() < _.listed_topics.max()),
        unread=_.unread.max(),
    )
    rows = rows.inner_join(engine.table(_summary_lines(scenarios, COMMERCIAL), "summary_cut_points"), "scenario_id")
    rows = engine.compute(rules.commercial_summary_stars(rows), "summary_input")
    status = _card_status(rows, "commercial_summary_score", "commercial_summary_stars")
    return engine.compute(rows.mutate(**status), "summary_rated")


def rate_medicare(engine: Engine, inputs: CaliforniaInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Stars of measures of the Medicare card, with the summary score on each row: scenario × organization × measure."""
    rows = engine.table(with_rejected(inputs, MEDICARE_RESULTS), "medicare_row")
    listed = inputs.accepted[MEDICARE_MEASURES].select(["measure_id", "is_outcome", "is_lower_better"])
    rows = rows.left_join(engine.table(listed, "medicare_measure"), "measure_id").drop("measure_id_right")
    rows = rows.cross_join(engine.table(_medicare_parameters(scenarios), "medicare_parameter"))
    rows = rows.mutate(measure_id=ibis.literal(f"{MEDICARE}.") + rows.measure_id, domain_id=ibis.literal(MEDICARE))
    lines = engine.table(_cut_points(scenarios, MEDICARE), "medicare_cut_points").rename(measure_id="domain_id")
    rows = rows.left_join(lines, ["scenario_id", "measure_id"]).drop("scenario_id_right", "measure_id_right")
    rows = engine.compute(rules.measure_rate(rows), "medicare_rate")
    rows = engine.compute(rules.measure_stars(rules.card_score(rows)), "medicare_stars")
    rows = rules.medicare_summary_score(rows)
    return engine.compute(
        rows.mutate(**_measure_status(rows, "measure_stars", "medicare_results.csv")), "medicare_rated"
    )


def summarize_medicare(engine: Engine, measures: ir.Table, scenarios: Sequence[Scenario]) -> ir.Table:
    """The summary of the Medicare card: scenario × organization."""
    rows = measures.group_by(*KEYS).agg(
        medicare_summary_score=_.medicare_summary_score.max(),
        has_rejected_row=_.has_rejected_row.any(),
        has_gap=ibis.literal(True),  # noqa: FBT003
        measures=_.measure_stars.count(),
        **{name: _[name].max() for name in MEDICARE_PARAMETERS},
        unread=_.unread.max(),
    )
    lines = engine.table(_summary_lines(scenarios, MEDICARE), "medicare_summary_cut_points")
    rows = engine.compute(rules.medicare_summary_stars(rows.inner_join(lines, "scenario_id")), "medicare_summary")
    status = _card_status(rows, "medicare_summary_score", "medicare_summary_stars")
    needed = rows.medicare_minimum_measures.cast("string") + " are needed"
    few = rows.measures.cast("string") + " measures have enough patients, " + needed
    status["status_reason"] = ibis.ifelse(status["status"] == "too_few_cases", few, status["status_reason"])
    return engine.compute(rows.mutate(**status), "medicare_summary_rated")


def _listed(engine: Engine, inputs: CaliforniaInputs) -> ir.Table:
    """How many measures each topic has, and how many topics there are."""
    counts: dict[str, int] = {}
    for name in inputs.accepted[MEASURES]["topic_id"].to_pylist():
        if name is not None:
            counts[f"{COMMERCIAL}.{name}"] = counts.get(f"{COMMERCIAL}.{name}", 0) + 1
    table = {"domain_id": pa.array(counts, pa.string()), "listed_measures": pa.array(counts.values(), pa.int64())}
    topics = pa.array([len(counts)] * len(counts), pa.int64())
    return engine.table(pa.table({**table, "listed_topics": topics}), "listed")


def _flags(engine: Engine, scenarios: Sequence[Scenario]) -> ir.Table:
    name = "is_topic_of_some_measures"
    schema = pa.schema([("scenario_id", pa.string()), (name, pa.bool_()), ("unread", pa.string())])
    rows = [
        {"scenario_id": one.scenario_id, name: one.value(name), "unread": one.unverified([(name, "")])}
        for one in scenarios
    ]
    return engine.table(pa.Table.from_pylist(rows, schema=schema), "card_parameter")


def _medicare_parameters(scenarios: Sequence[Scenario]) -> pa.Table:
    texts = [(name, pa.string()) for name in ("scenario_id", "unread")]
    schema = pa.schema([*texts, *((name, pa.int64()) for name in (*MEDICARE_PARAMETERS, "minimum_patients"))])
    grades = [(name, MEDICARE) for name in STARS]
    rows = [
        {
            "scenario_id": one.scenario_id,
            "unread": one.unverified([*((name, "") for name in MEDICARE_PARAMETERS), *grades]),
            **{name: one.value(name) for name in MEDICARE_PARAMETERS},
            "minimum_patients": one.value("medicare_minimum_patients"),
        }
        for one in scenarios
    ]
    return parameter_table(rows, schema)


def _cut_points(scenarios: Sequence[Scenario], card: str) -> pa.Table:
    """Cut points of a card's topics or measures, which stand as ``domain_id``."""
    schema = pa.schema([("scenario_id", pa.string()), ("domain_id", pa.string()), *((name, _POINTS) for name in STARS)])
    rows = [
        {
            "scenario_id": one.scenario_id,
            "domain_id": item,
            **{name: one.value(name, item) for name in STARS},
        }
        for one in scenarios
        for item in one.keyed("two_stars")
        if item.startswith(f"{card}.")
    ]
    return parameter_table(rows, schema)


def _summary_lines(scenarios: Sequence[Scenario], card: str) -> pa.Table:
    names = STARS if card == MEDICARE else STARS[:3]
    schema = pa.schema([("scenario_id", pa.string()), *((f"{card}_{name}", _POINTS) for name in names)])
    rows = [
        {"scenario_id": one.scenario_id, **{f"{card}_{name}": one.value(name, card) for name in names}}
        for one in scenarios
    ]
    return parameter_table(rows, schema)


def _measure_status(rows: ir.Table, result: str, file_name: str) -> dict[str, ir.Value]:
    status = ibis.cases(
        (rows.has_rejected_row, "not_determinable"),
        (rows.denominator == 0, "not_reported"),
        (rows.denominator < rows.minimum_patients, "too_few_cases"),
        (rows[result].isnull(), "not_determinable"),
        else_="scored",
    )
    counts = rows.denominator.cast("string") + " patients, " + rows.minimum_patients.cast("string") + " are needed"
    reason = ibis.cases(
        (rows.has_rejected_row, f"the row of {file_name} was rejected"),
        (status == "not_reported", "no patient to whom the measure applies"),
        (status == "too_few_cases", counts),
        (status == "not_determinable", "cut points are not given"),
        else_=ibis.null("string"),
    )
    return {"status": status, "status_reason": reason}


def _card_status(rows: ir.Table, score: str, stars: str) -> dict[str, ir.Value]:
    """Status of a topic or a summary; what has not been read matters only where something is missing."""
    unread = rows.has_gap & rows.unread.notnull()
    status = ibis.cases(
        (rows.has_rejected_row, "not_determinable"),
        (rows[score].isnull(), "too_few_cases"),
        (rows[stars].isnull(), "not_determinable"),
        (unread, "unverified"),
        else_="scored",
    )
    reason = ibis.cases(
        (rows.has_rejected_row, "a row of the results was rejected"),
        (rows[score].isnull(), "too few measures have enough patients"),
        (rows[stars].isnull(), "cut points are not given"),
        (unread, ibis.literal(_UNREAD) + rows.unread),
        else_=ibis.null("string"),
    )
    return {"status": status, "status_reason": reason}
