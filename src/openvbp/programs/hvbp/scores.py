"""From numbers to the Total Performance Score: the rules of 412.165 applied in order."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameter_tables import with_parameters
from openvbp.parameters import Scenario
from openvbp.programs.hvbp import health_equity, rules
from openvbp.programs.hvbp.scenario_tables import (
    MAXIMUM_AREAS,
    domain_parameters,
    measure_parameters,
    program_parameters,
)

_KEYS = ["scenario_id", "provider_id"]
_UNREAD = "parameters whose source has not been read: "


def score(
    engine: Engine,
    inputs: dict[str, ir.Table],
    scenarios: Sequence[Scenario],
    measures_with_points: set[str],
) -> dict[str, ir.Table]:
    """Score all hospitals under all scenarios.

    Parameters
    ----------
    inputs
        Tables of :func:`openvbp.programs.hvbp.inputs.input_tables`.
    measures_with_points
        Measures for which the published files print points: a hospital without them was not scored there.

    Returns
    -------
    Wide tables by name, one column per quantity: ``measure_score`` (scenario × hospital × measure),
    ``domain_score`` (scenario × hospital × domain), ``hospital_score`` (scenario × hospital).
    """
    measure_table = engine.table(measure_parameters(scenarios, measures_with_points), "measure_parameter")
    domain_table = engine.table(domain_parameters(scenarios), "domain_parameter")
    program_table = engine.table(program_parameters(scenarios), "program_parameter")
    measures = engine.compute(score_measures(inputs["measure_input"], measure_table), "measure_score_computed")
    consistency = inputs["published_score"].filter(_.quantity == "hcahps_consistency_points")
    domains = rules.effective_weight(score_domains(measures, domain_table, consistency))
    domains = rules.weighted_domain_score(domains)
    domains = engine.compute(health_equity.add_domain_points(engine, domains, scenarios), "domain_score_computed")
    hospitals = score_hospitals(domains, inputs["provider"], program_table)
    hospitals = health_equity.adjust(engine, hospitals, domains, inputs["provider"], scenarios)
    return {
        "measure_score": measures,
        "domain_score": domains,
        "hospital_score": engine.compute(hospitals, "hospital_score_computed"),
    }


def score_measures(rows: ir.Table, parameters: ir.Table) -> ir.Table:
    """Apply the measure rules: hospital × measure to scenario × hospital × measure."""
    measures = with_parameters(rows, parameters, "measure_id")
    # What is not verified is the hospital's rate, where the files say so, or a parameter, which all hospitals share.
    unread = ibis.literal(_UNREAD) + measures.measure_unverified
    measures = measures.mutate(measure_unverified=ibis.coalesce(measures.rate_unverified, unread))
    for rule in (
        rules.is_measure_scored,
        rules.achievement_points,
        rules.improvement_points,
        rules.measure_points,
        rules.dimension_consistency_points,
        rules.combined_points,
    ):
        measures = rule(measures)
    return measures.mutate(**_measure_status(measures))


def _measure_status(measures: ir.Table) -> dict[str, ir.Value]:
    """Say for each measure whether it is scored and, if not, why."""
    # Of a rate that was counted elsewhere it is known that its cases are too few; publishers print nothing then.
    few = measures.rate_unverified.notnull() & (measures.performance_cases < measures.minimum_cases)
    unknown = measures.is_combination & measures.lowest.notnull() & measures.measure_points.isnull()
    status = ibis.cases(
        (measures.input_problem.notnull() | unknown, "not_determinable"),
        (measures.measure_points.notnull() & measures.measure_unverified.notnull(), "unverified"),
        (measures.measure_points.notnull(), "scored"),
        (measures.performance_rate.isnull() & few.fill_null(False), "too_few_cases"),  # noqa: FBT003
        (measures.performance_rate.isnull(), "not_reported"),
        (measures.is_measure_scored, "not_determinable"),
        else_="too_few_cases",
    )
    as_published = measures.measure_points.notnull() & measures.performance_rate.isnull() & ~measures.is_combination
    reason = ibis.cases(
        (measures.input_problem.notnull(), ibis.literal("input: ") + measures.input_problem),
        (unknown, "predicted infections of the two sites are not public and no combined score is published"),
        (
            measures.is_combination & measures.is_published_taken,
            "combined score as published: predicted infections are not public",
        ),
        (as_published, "points as published: the files give no rate"),
        (status == "unverified", measures.measure_unverified),
        (status == "not_determinable", "achievement threshold or benchmark is missing"),
        (
            status == "not_reported",
            ibis.coalesce(measures.rate_unverified, ibis.literal("no performance rate is published")),
        ),
        ((status == "too_few_cases") & measures.performance_cases.notnull(), "fewer cases than the minimum"),
        (status == "too_few_cases", "the file prints no points for this rate"),
        (
            measures.performance_cases.isnull() & ~measures.has_published_points & ~measures.is_combination,
            "minimum of cases not checked: no case counts given",
        ),
        else_=ibis.null("string"),
    )
    return {"status": status, "status_reason": reason}


def score_domains(measures: ir.Table, parameters: ir.Table, published_consistency: ir.Table) -> ir.Table:
    """Apply the domain rules: measures to scenario × hospital × domain."""
    counted = measures.filter(measures.combined_into.isnull())
    domains = counted.group_by(*_KEYS, "domain_id").agg(
        measures=_.count(),
        scored_measures=_.measure_points.count(),
        points_sum=money.whole_sum(_.measure_points),
        lowest_consistency=_.dimension_consistency_points.min(),
        consistency_dimensions=_.dimension_consistency_points.count(),
        has_unknown_measure=(_.status == "not_determinable").any(),
        unverified_measures=_.measure_unverified.max(),
    )
    domains = domains.inner_join(parameters, ["scenario_id", "domain_id"])
    published = published_consistency.select("provider_id", published_consistency_points=_.value.cast("int64"))
    domains = domains.left_join(published, "provider_id").drop("provider_id_right")
    for rule in (
        rules.hcahps_base_points,
        rules.hcahps_consistency_points,
        rules.domain_points,
        rules.domain_score,
    ):
        domains = rule(domains)
    share = money.floor_quotient(_.common_denominator, _.maximum_points)
    return domains.mutate(common_points=_.domain_points * 100 * share, **_domain_status(domains))


def _domain_status(domains: ir.Table) -> dict[str, ir.Value]:
    few = domains.scored_measures < domains.minimum_measures
    status = ibis.cases(
        (domains.has_unknown_measure, "not_determinable"),
        (few, "too_few_cases"),
        (
            domains.domain_points.isnull() & domains.is_hcahps & (domains.scored_measures < domains.measures),
            "too_few_cases",
        ),
        (domains.domain_points.isnull(), "not_determinable"),
        (ibis.coalesce(domains.domain_unverified, domains.unverified_measures).notnull(), "unverified"),
        else_="scored",
    )
    why = ibis.coalesce(ibis.literal(_UNREAD) + domains.domain_unverified, domains.unverified_measures)
    counts = domains.scored_measures.cast("string") + " of " + domains.measures.cast("string") + " measures are scored"
    reason = ibis.cases(
        (status == "unverified", why),
        (domains.has_unknown_measure, "a measure of the domain cannot be determined"),
        (status == "too_few_cases", counts + ", " + domains.minimum_measures.cast("string") + " are needed"),
        (status == "not_determinable", "floors of the dimensions or the consistency score are missing"),
        else_=ibis.null("string"),
    )
    return {"status": status, "status_reason": reason}


def score_hospitals(domains: ir.Table, providers: ir.Table, parameters: ir.Table) -> ir.Table:
    """Apply the hospital rules: domains to scenario × hospital."""
    scored = _.domain_points.notnull()
    totals = (
        domains.mutate(weight_units=rules.weight_units(domains))
        .group_by(*_KEYS)
        .agg(
            weighted_units=money.whole_sum(_.weight_units * _.common_points),
            total_weight_units=money.whole_sum(_.weight_units),
            common_denominator=_.common_denominator.max(),
            # Areas are looked at one by one: counting distinct texts is slow where there are many scenarios.
            **{f"area_{number}": ((_.area_number == number) & scored).any() for number in range(MAXIMUM_AREAS)},
            has_unknown_domain=(_.status == "not_determinable").any(),
            domains_unverified=(_.status == "unverified").any(),
        )
    )
    areas = [f"area_{number}" for number in range(MAXIMUM_AREAS)]
    totals = totals.mutate(scored_areas=sum(totals[area].cast("int64") for area in areas)).drop(areas)
    hospitals = totals.inner_join(parameters, "scenario_id")
    own = providers.select("provider_id", "base_operating_drg_payment_amount", "excluded_reason")
    hospitals = hospitals.inner_join(own, "provider_id")
    hospitals = rules.total_performance_score(hospitals)
    hospitals = hospitals.mutate(**_hospital_status(hospitals))
    counts = ("weighted_units", "total_weight_units", "common_denominator", "has_unknown_domain", "scored_areas")
    return hospitals.mutate(is_participating=_.status.isin(["scored", "unverified", "suppressed"])).drop(counts)


def _hospital_status(hospitals: ir.Table) -> dict[str, ir.Value]:
    unverified = hospitals.program_unverified.notnull() | hospitals.domains_unverified
    status = ibis.cases(
        (hospitals.excluded_reason.notnull(), "excluded"),
        (~hospitals.is_total_performance_score_computed, "suppressed"),
        (hospitals.has_unknown_domain, "not_determinable"),
        (hospitals.total_performance_score.isnull(), "too_few_cases"),
        (unverified, "unverified"),
        else_="scored",
    )
    areas = hospitals.scored_areas.cast("string") + " domains are scored, "
    reason = ibis.cases(
        (status == "excluded", hospitals.excluded_reason),
        (status == "suppressed", "no Total Performance Score is computed this year"),
        (status == "not_determinable", "a domain cannot be determined"),
        (status == "too_few_cases", areas + hospitals.minimum_domains.cast("string") + " are needed"),
        (
            status == "unverified",
            ibis.coalesce(
                ibis.literal(_UNREAD) + hospitals.program_unverified, ibis.literal("unverified: see the domains")
            ),
        ),
        else_=ibis.null("string"),
    )
    return {"status": status, "status_reason": reason}
