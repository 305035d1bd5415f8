"""Whether measures, domains and hospitals are scored, from what, and, if not, why."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from openvbp import money


def measure_status(measures: ir.Table) -> dict[str, ir.Value]:
    """Say for each measure whether it is scored, from what, and, if not, why."""
    reported = ibis.coalesce(
        measures.performance_rate, measures.published_z_score, measures.published_points.cast(money.RATE_TYPE)
    ).notnull()
    scored = measures.measure_score.notnull()
    status = ibis.cases(
        (~measures.is_total_hac_score_computed, "suppressed"),
        (measures.input_problem.notnull(), "not_determinable"),
        (scored & measures.measure_unverified.notnull(), "unverified"),
        (scored, "scored"),
        (reported | measures.is_worst_score_assigned, "not_determinable"),
        else_="not_reported",
    )
    footnote = ibis.ifelse(
        ibis.coalesce(measures.footnote, "") == "", "", ibis.literal(" (footnote ") + measures.footnote + ")"
    )
    reason = ibis.cases(
        (status == "suppressed", "the measure is paused this year"),
        (measures.input_problem.notnull(), ibis.literal("input: ") + measures.input_problem),
        (
            status == "unverified",
            ibis.literal("parameters whose source has not been read: ") + measures.measure_unverified,
        ),
        (status == "not_determinable", "the results do not differ, so that no score follows from them"),
        (status == "not_reported", ibis.literal("no result is published") + footnote),
        else_=_made_from(measures, footnote),
    )
    return {"status": status, "status_reason": reason}


def _made_from(measures: ir.Table, footnote: ir.StringValue) -> ir.StringValue:
    """Say what a score was made from."""
    if "takes_published" not in measures.columns:
        return ibis.ifelse(
            measures.published_points.notnull(), "points as published", "points by decile of the results in the file"
        )
    half_of_last_decimal = ibis.literal("0.00005").cast(money.RATE_TYPE)
    computed_constants = "z-score of the result; mean and standard deviation of the results in the file"
    return ibis.cases(
        (
            measures.takes_published & measures.performance_rate.isnull(),
            ibis.literal("z-score as published: no result is printed") + footnote,
        ),
        (
            measures.takes_published & ~measures.has_given_constants,
            "z-score as published: mean and standard deviation of the year are not known",
        ),
        (measures.takes_published, "z-score as published: the printed result is rounded"),
        (measures.is_worst_score_assigned, ibis.literal("highest z-score of the measure") + footnote),
        (~measures.has_given_constants, computed_constants),
        (
            (measures.published_z_score - measures.measure_score.cast(money.RATE_TYPE)).abs() > half_of_last_decimal,
            ibis.literal("z-score of the result; the published z-score differs: ")
            + measures.published_z_score.cast("string"),
        ),
        else_="z-score of the result",
    )


def domain_status(domains: ir.Table) -> dict[str, ir.Value]:
    """Say for each domain whether it is scored and, if not, why."""
    names = ibis.coalesce(domains.domain_unverified, domains.measures_unverified)
    status = ibis.cases(
        (domains.is_paused, "suppressed"),
        (domains.has_unknown_measure, "not_determinable"),
        (domains.scored_measures == 0, "too_few_cases"),
        (names.notnull(), "unverified"),
        else_="scored",
    )
    reason = ibis.cases(
        (status == "suppressed", "the measures are paused this year"),
        (status == "not_determinable", "a measure of the domain cannot be determined"),
        (status == "too_few_cases", "no measure of the domain is scored; the other domain counts fully"),
        (status == "unverified", ibis.literal("parameters whose source has not been read: ") + names),
        else_=ibis.null("string"),
    )
    return {"status": status, "status_reason": reason}


def hospital_status(hospitals: ir.Table) -> dict[str, ir.Value]:
    """Say for each hospital whether it has a Total HAC Score and, if not, why."""
    unverified = ibis.coalesce(hospitals.program_unverified, hospitals.measures_unverified)
    status = ibis.cases(
        (hospitals.excluded_reason.notnull(), "excluded"),
        (~hospitals.is_total_hac_score_computed, "suppressed"),
        (hospitals.has_unknown_measure, "not_determinable"),
        (hospitals.total_hac_score.isnull(), "too_few_cases"),
        (unverified.notnull(), "unverified"),
        else_="scored",
    )
    reason = ibis.cases(
        (status == "excluded", hospitals.excluded_reason),
        (status == "suppressed", "no Total HAC Score is computed this year"),
        (status == "not_determinable", "a measure cannot be determined"),
        (hospitals.scored_measures == 0, "no measure is scored"),
        (status == "too_few_cases", "the file prints no Total HAC Score for the hospital"),
        (status == "unverified", ibis.literal("parameters whose source has not been read: ") + unverified),
        else_=ibis.null("string"),
    )
    return {"status": status, "status_reason": reason}
