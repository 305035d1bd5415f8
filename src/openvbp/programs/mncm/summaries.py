"""What a clinic's results come to: better than average on how many measures, and domains of the survey."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameter_tables import parameter_table
from openvbp.parameters import Scenario
from openvbp.programs.mncm import rules
from openvbp.programs.mncm.input_files import SURVEY
from openvbp.programs.mncm.inputs import ReportCardInputs
from openvbp.programs.mncm.scores import SHOWN
from openvbp.rule_chain import apply_rules
from openvbp.rules import in_force


def rate_providers(engine: Engine, clinics: ir.Table, scenarios: Sequence[Scenario]) -> ir.Table:
    """Say on how many of its published measures a clinic is better than average: scenario × clinic.

    The survey is no part of the report that names top performers.
    """
    is_rated = _.status.isin(SHOWN) & (_.data_source != SURVEY)
    totals = clinics.group_by("scenario_id", "provider_id").agg(
        rated_measures=money.whole_sum(is_rated.cast("int64")),
        better_measures=money.whole_sum((is_rated & (_.statewide_rating > 0)).cast("int64")),
        unverified=_.unverified.max(),
    )
    shares = [
        {"scenario_id": one.scenario_id, "top_performer_share": one.value("top_performer_share")} for one in scenarios
    ]
    schema = pa.schema([("scenario_id", pa.string()), ("top_performer_share", pa.decimal128(7, 6))])
    joined = totals.inner_join(engine.table(parameter_table(shares, schema), "top_performer"), "scenario_id")
    chain = in_force([rules.better_than_average_percent, rules.is_top_performer], scenarios[0].period.start)
    rated = apply_rules(engine, chain, joined, "provider_rated")
    has_none = rated.rated_measures == 0
    names_top_performers = rules.is_top_performer in chain
    is_top = rated.is_top_performer if names_top_performers else ibis.literal(False)  # noqa: FBT003
    status = ibis.cases((has_none, "too_few_cases"), (rated.unverified.notnull(), "unverified"), else_="scored")
    reason = ibis.cases(
        (has_none, "no clinical measure is published"),
        (is_top, "top performer: better than average on enough of its published measures"),
        (rated.unverified.notnull(), "see the measures"),
        else_=ibis.null("string"),
    )
    return engine.compute(rated.mutate(status=status, status_reason=reason), "provider_published")


def has_survey_domain(inputs: ReportCardInputs) -> bool:
    """Whether any question with a result belongs to a domain."""
    in_domain = {
        row["measure_id"] for row in inputs.measures.to_pylist() if row["data_source"] == SURVEY and row["domain_id"]
    }
    asked = {*inputs.answers["measure_id"].to_pylist(), *inputs.rejected_results["measure_id"].to_pylist()}
    return bool(in_domain & asked)


def rate_experience(engine: Engine, clinics: ir.Table) -> ir.Table:
    """Average the questions of each domain of the survey: scenario × clinic × domain."""
    asked = clinics.filter((_.data_source == SURVEY) & _.domain_id.notnull())
    domains = asked.group_by("scenario_id", "provider_id", "domain_id").agg(
        questions=_.count(),
        shown=money.whole_sum(_.status.isin(SHOWN).cast("int64")),
        question_rate_units=money.whole_sum(money.in_units(_.actual_rate, money.SCORE_DECIMALS)),
        unknown=money.whole_sum((_.status == "not_determinable").cast("int64")),
    )
    domains = rules.experience_percent(domains)
    is_whole = domains.shown == domains.questions
    return engine.compute(
        domains.mutate(
            experience_percent=ibis.ifelse(is_whole, domains.experience_percent, ibis.null(money.SCORE_TYPE)),
            status=ibis.cases(
                (domains.unknown > 0, "not_determinable"), (~is_whole, "too_few_cases"), else_="unverified"
            ),
            status_reason=ibis.cases(
                (domains.unknown > 0, "a question is not determinable"),
                (~is_whole, "a question is not reportable"),
                (domains.questions == 1, "see the question"),
                else_="how the questions of a domain are combined has not been read",
            ),
        ),
        "experience_rated",
    )
