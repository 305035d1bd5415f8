"""From measures to final scores: the rules of 414.1380 applied in order, under all scenarios."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameter_tables import with_parameters
from openvbp.parameters import Scenario
from openvbp.programs.mips import rules, scenario_tables
from openvbp.programs.mips.input_files import CALCULATED, CATEGORIES
from openvbp.programs.mips.inputs import MipsInputs
from openvbp.scoring.decile_benchmarks import POINT_DECIMALS, POINT_TYPE

_KEYS = ["scenario_id", "provider_id"]
_NO_TEXT = ibis.null("string")
_UNREAD = "parameters whose source has not been read: "
_WHOLE = ibis.literal(True)  # noqa: FBT003


def score_measures(engine: Engine, inputs: MipsInputs, scenarios: Sequence[Scenario]) -> ir.Table:
    """Score every measure: scenario × clinician × measure."""
    measures = engine.table(inputs.measures, "measure_row")
    benchmark_keys = ["measure_id", "submission_method"]
    benchmarks = engine.table(inputs.benchmarks, "benchmark_row").mutate(has_benchmark=_WHOLE)
    joined = measures.left_join(benchmarks, benchmark_keys).drop(*(f"{key}_right" for key in benchmark_keys))
    clinicians = engine.table(inputs.clinicians, "measured_clinician")
    sizes = clinicians.select("provider_id", "is_small_practice", "applicable_measures", "excluded_reason")
    joined = joined.inner_join(sizes, "provider_id")
    joined = with_parameters(joined, engine.table(scenario_tables.scenario_rows(scenarios), "measure_parameter"))
    own = engine.table(scenario_tables.measure_rows(scenarios), "own_parameter")
    own_keys = ["scenario_id", "measure_id"]
    joined = joined.left_join(own, own_keys).drop(*(f"{key}_right" for key in own_keys))
    prepared = joined.mutate(
        is_calculated=_.submission_method == CALCULATED,
        has_unusable_benchmark=_.benchmark_problem.notnull(),
        is_capped=_.is_topped_out_by_program.fill_null(False) | _.is_capped_by_rule.fill_null(False),  # noqa: FBT003
        minimum_cases=_.own_minimum_cases.fill_null(_.minimum_cases),
        required_measures=_.applicable_measures.fill_null(_.required_measures),
        unscorable_points=ibis.ifelse(_.is_small_practice, _.unscorable_points_small, _.unscorable_points_other),
        incomplete_points=ibis.ifelse(_.is_small_practice, _.incomplete_points_small, _.incomplete_points_other),
    )
    scored = prepared
    for rule in (rules.decile, rules.decile_points, rules.achievement_points, rules.is_counted):
        scored = rule(scored)
    return engine.compute(scored.mutate(**_measure_status(scored)), "measure_scored")


def _measure_status(measures: ir.Table) -> dict[str, ir.Value]:
    unread = _joined(measures.unverified_measure, measures.unverified_own)
    few = measures.cases < measures.minimum_cases
    status = ibis.cases(
        (measures.excluded_reason.notnull(), "excluded"),
        (measures.has_unusable_benchmark, "not_determinable"),
        (measures.is_calculated & few, "too_few_cases"),
        (measures.achievement_points.isnull(), "excluded"),
        (unread.notnull(), "unverified"),
        else_="scored",
    )
    counts = measures.cases.cast("string") + " cases, " + measures.minimum_cases.cast("string") + " are needed"
    reason = ibis.cases(
        (measures.excluded_reason.notnull(), measures.excluded_reason),
        (measures.has_unusable_benchmark, ibis.literal("benchmark: ") + measures.benchmark_problem),
        (status == "too_few_cases", counts),
        (status == "excluded", "a calculated measure without benchmark does not count"),
        (status == "unverified", ibis.literal(_UNREAD) + unread),
        (
            ~measures.is_calculated & (measures.reported_share < measures.data_completeness),
            "not complete: fixed points",
        ),
        (few, counts + ": fixed points"),
        (measures.decile.isnull(), "no benchmark: fixed points"),
        (~measures.is_counted, "other measures give more points"),
        else_=_NO_TEXT,
    )
    return {"status": status, "status_reason": reason}


def _joined(*texts: ir.StringValue) -> ir.StringValue:
    """Join texts by commas; null where all are."""
    joined = texts[0]
    for text in texts[1:]:
        joined = ibis.cases(
            (joined.isnull(), text),
            (text.isnull(), joined),
            else_=joined + ", " + text,
        )
    return joined


def score_quality(engine: Engine, inputs: MipsInputs, measures: ir.Table, scenarios: Sequence[Scenario]) -> ir.Table:
    """Score the quality category of every clinician: scenario × clinician."""
    units = ibis.ifelse(_.is_counted, money.in_units(_.achievement_points, POINT_DECIMALS), 0)
    totals = measures.group_by(_KEYS).agg(
        counted_point_units=money.whole_sum(units.fill_null(0)),
        submitted_measures=money.whole_sum((~_.is_calculated).cast("int64")),
        calculated_measures=money.whole_sum((_.is_calculated & _.is_counted).cast("int64")),
        has_unknown_points=_.has_unusable_benchmark.any(),
        unverified_own=_.unverified_own.max(),
    )
    clinicians = engine.table(inputs.clinicians, "clinician_row")
    broken = engine.table(inputs.broken_quality, "broken_row").mutate(is_broken=_WHOLE)
    rows = clinicians.left_join(broken, "provider_id").drop("provider_id_right")
    rows = rows.cross_join(engine.table(scenario_tables.scenario_rows(scenarios), "clinician_parameter"))
    rows = rows.left_join(totals, _KEYS).drop(*(f"{key}_right" for key in _KEYS))
    rows = rows.mutate(
        required_measures=_.applicable_measures.fill_null(_.required_measures),
        has_rejected_row=_.is_broken.fill_null(False),  # noqa: FBT003
        is_quality_measured=_.submitted_measures.notnull() & _.is_broken.isnull(),
        has_unknown_points=_.has_unknown_points.fill_null(False),  # noqa: FBT003
        counted_point_units=_.counted_point_units.fill_null(0),
        submitted_measures=_.submitted_measures.fill_null(0),
        calculated_measures=_.calculated_measures.fill_null(0),
    ).drop("is_broken")
    for rule in (
        rules.available_points,
        rules.measure_bonus,
        rules.quality_achievement,
        rules.quality_improvement,
        rules.quality_score,
    ):
        rows = rule(rows)
    return engine.compute(rows, "quality_scored")


def score_categories(engine: Engine, inputs: MipsInputs, quality: ir.Table, scenarios: Sequence[Scenario]) -> ir.Table:
    """Weight every category of every clinician: scenario × clinician × category."""
    categories = engine.table(pa.table({"category_id": list(CATEGORIES)}), "category")
    given = engine.table(inputs.categories, "category_row").rename(given_score="score")
    kept = quality.select(
        *_KEYS,
        "is_small_practice",
        "excluded_reason",
        "quality_score",
        "has_rejected_row",
        "has_unknown_points",
        "unverified_measure",
        "unverified_own",
        unverified_quality=_joined(
            quality.unverified_quality,
            ibis.ifelse(quality.end_to_end_bonus_points > 0, quality.unverified_bonus, _NO_TEXT),
            ibis.ifelse(quality.is_small_practice, quality.unverified_small, _NO_TEXT),
        ),
    )
    rows = kept.cross_join(categories)
    keys = ["provider_id", "category_id"]
    rows = rows.left_join(given, keys).drop(*(f"{key}_right" for key in keys))
    is_measured = (rows.category_id == "quality") & rows.given_score.isnull()
    rows = rows.mutate(
        is_measured=is_measured,
        is_reweighted=_.is_reweighted.fill_null(False),  # noqa: FBT003
    )
    rows = engine.compute(rows.mutate(reweighting=_reweighting(rows)), "category_case")
    weights = engine.table(scenario_tables.weight_rows(scenarios), "weight_row")
    keys = ["scenario_id", "reweighting", "is_small_practice", "category_id"]
    rows = rows.left_join(weights, keys).drop(*(f"{key}_right" for key in keys))
    for rule in (rules.category_score, rules.category_weight, rules.weighted_score):
        rows = rule(rows)
    return engine.compute(rows.mutate(**_category_status(rows)), "category_scored")


def _is_reweighted(categories: ir.Table, name: str) -> ir.BooleanValue:
    """Whether the clinician's category of that name is reweighted."""
    flag = (categories.category_id == name) & categories.is_reweighted
    return flag.any().over(ibis.window(group_by=_KEYS))


def _reweighting(categories: ir.Table) -> ir.StringValue:
    """Name the reweighted categories as the parameters do."""
    names = ibis.literal("")
    for name in CATEGORIES:
        names = names + ibis.ifelse(_is_reweighted(categories, name), f"+{name}", "")
    return ibis.ifelse(names == "", scenario_tables.NOTHING_REWEIGHTED, names.substr(1))


def _category_status(categories: ir.Table) -> dict[str, ir.Value]:
    is_measured = categories.is_measured & (categories.category_id == "quality")
    of_measures = ibis.ifelse(
        is_measured,
        _joined(categories.unverified_measure, categories.unverified_own, categories.unverified_quality),
        "",
    ).nullif("")
    unread = _joined(categories.unverified_weight, of_measures)
    unused = categories.category_weight == 0
    status = ibis.cases(
        (categories.excluded_reason.notnull() | unused, "excluded"),
        (categories.category_score.isnull(), "not_determinable"),
        (unread.notnull(), "unverified"),
        else_="scored",
    )
    reason = ibis.cases(
        (categories.excluded_reason.notnull(), categories.excluded_reason),
        (categories.is_reweighted, "reweighted to zero"),
        (unused, "the category has no weight"),
        (categories.has_rejected_row & is_measured, "a row of measure_results.csv was rejected"),
        (categories.has_unknown_points & is_measured, "the benchmark of a measure cannot be used"),
        (
            status == "not_determinable",
            ibis.ifelse(
                categories.category_id == "quality",
                "measure_results.csv and category_scores.csv have no row",
                "category_scores.csv has no row",
            ),
        ),
        (status == "unverified", ibis.literal(_UNREAD) + unread),
        else_=_NO_TEXT,
    )
    return {"status": status, "status_reason": reason}


def score_clinicians(engine: Engine, quality: ir.Table, categories: ir.Table) -> ir.Table:
    """Add up the final score of every clinician: scenario × clinician."""
    units = money.in_units(_.weighted_score, POINT_DECIMALS)
    totals = categories.group_by(_KEYS).agg(
        weighted_units=money.whole_sum(units.fill_null(0)),
        missing=money.whole_sum(_.weighted_score.isnull().cast("int64")),
        scored_categories=money.whole_sum((_.category_weight > 0).cast("int64")),
        unread_category=ibis.ifelse(_.status == "unverified", _.status_reason, _NO_TEXT).max(),
    )
    rows = quality.left_join(totals, _KEYS).drop(*(f"{key}_right" for key in _KEYS))
    weighted = money.from_units(rows.weighted_units, POINT_DECIMALS)
    rows = rows.mutate(weighted_total=ibis.ifelse(rows.missing > 0, ibis.null(POINT_TYPE), weighted))
    rows = rules.final_score(rows)
    unread = ibis.ifelse(rows.unverified_score.notnull(), ibis.literal(_UNREAD) + rows.unverified_score, _NO_TEXT)
    unread = rows.unread_category.fill_null(unread)
    status = ibis.cases(
        (rows.excluded_reason.notnull(), "excluded"),
        (rows.final_score.isnull(), "not_determinable"),
        (unread.notnull(), "unverified"),
        else_="scored",
    )
    reason = ibis.cases(
        (rows.excluded_reason.notnull(), rows.excluded_reason),
        (status == "not_determinable", "a category with weight has no score"),
        (status == "unverified", unread),
        (rows.scored_categories < 2, "fewer than two categories are scored: the performance threshold"),
        else_=_NO_TEXT,
    )
    return engine.compute(rows.mutate(status=status, status_reason=reason), "clinician_scored")
