"""Points of every practice and indicator, under all scenarios."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.engine import Engine
from openvbp.parameter_tables import with_parameters
from openvbp.parameters import Scenario
from openvbp.programs.qof import rules
from openvbp.programs.qof.input_tables import FRACTIONS, QofInputs
from openvbp.programs.qof.scenario_tables import measure_parameters

_KEYS = ["provider_id", "measure_id"]


def score_indicators(engine: Engine, inputs: QofInputs, scenarios: Sequence[Scenario], name: str = "") -> ir.Table:
    """Give every practice the points of every indicator of the file.

    Parameters
    ----------
    name
        Distinguishes the intermediate tables where several portions of scenarios are computed.

    Returns
    -------
    Scenario × practice × indicator; a practice without a row has no points, which is not zero points.
    """
    achievement = engine.table(inputs.achievement, f"{name}achievement_input")
    # Draws have a version of every row for each scenario.
    keys = [key for key in ("scenario_id", *_KEYS) if key in achievement.columns]
    grid = achievement.select("provider_id").distinct()
    for key in keys:
        grid = grid if key == "provider_id" else grid.cross_join(achievement.select(key).distinct())
    rows = grid.left_join(achievement, keys).drop(*(f"{key}_right" for key in keys))
    ledger = engine.table(inputs.ledger, f"{name}ledger_input")
    rows = engine.compute(
        rows.left_join(ledger, _KEYS).drop("provider_id_right", "measure_id_right"), f"{name}measure_input"
    )
    parameters = engine.table(measure_parameters(scenarios, inputs.country), f"{name}measure_parameter")
    rows = with_parameters(rows, parameters, "measure_id")
    # Only fractions have a formula; the counts of others mean nothing.
    counted = {
        one: ibis.ifelse(_.scoring.isin(FRACTIONS), _[one], ibis.null("int64")) for one in ("numerator", "denominator")
    }
    lines = {
        one: ibis.ifelse(_.scoring.isin(FRACTIONS), _[one], ibis.null("decimal(18, 10)"))
        for one in ("lower_threshold", "upper_threshold")
    }
    rows = engine.compute(rows.mutate(**counted, **lines), f"{name}measure_row")
    for rule in (rules.achievement, rules.formula_points, rules.points):
        rows = rule(rows)
    rows = engine.compute(rows, f"{name}measure_points")
    return engine.compute(rows.mutate(**_status(rows)), f"{name}measure_scored")


def _status(rows: ir.Table) -> dict[str, ir.Value]:
    is_set = rows.override_points.notnull()
    is_computed = rows.formula_points.notnull()
    has_points = rows.points.notnull()
    is_partial = (rows.published_points > 0) & (rows.published_points < rows.available_points)
    unverified = ibis.literal("parameters whose source has not been read: ") + rows.measure_unverified
    status = ibis.cases(
        (is_set, "scored"),
        (is_computed & rows.measure_unverified.notnull(), "unverified"),
        (has_points, "scored"),
        (rows.is_suppressed.fill_null(False), "suppressed"),  # noqa: FBT003
        else_="not_reported",
    )
    reason = ibis.cases(
        (is_set, ibis.literal("set by hand (") + rows.who + "): " + rows.why),
        (is_computed, unverified),
        (~has_points, "no points are published"),
        (rows.scoring == "as_published", "points as published: paid in steps or by a description"),
        ((rows.scoring == "all_or_nothing") & is_partial, "points as published: neither all nor none"),
        (rows.scoring == "all_or_nothing", "points as published: all or nothing, without a fraction"),
        (rows.is_suppressed, "points as published: the counts are suppressed"),
        (rows.upper_threshold.isnull(), "points as published: the thresholds are not known"),
        else_="points as published: the file has no counts",
    )
    return {"status": status, "status_reason": reason}
