"""The wide tables of sites and documentations as the tables of the results model."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import money
from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.programs.germany_external_quality import rules
from openvbp.programs.germany_external_quality.scores import SITE_QUANTITIES
from openvbp.rules import rules_of
from openvbp.steps import Given, Source, StepGroup, step_rows

_NO_RATE = ibis.null("decimal(18, 10)")
_NO_POINTS = ibis.null("decimal(18, 4)")
_SITE_INPUTS = ("observed", "cases")
_SITE_PARAMETERS = {
    "reference_limit": "ratio",
    "reference_percentile": "ratio",
    "is_lower_better": "flag",
    "smallest_reported_count": "count",
    "is_event_count_masked": "flag",
}
_DOCUMENTATION_INPUTS = ("enrolled_patients", "documentations")
_DOCUMENTATION_PARAMETERS = {"maximum_documentations": "count", "documentation_fee": "eur"}
_GIVEN = (
    *(Given(name, "count", "input") for name in (*_SITE_INPUTS, *_DOCUMENTATION_INPUTS)),
    *(Given(name, unit, "parameter") for name, unit in (_SITE_PARAMETERS | _DOCUMENTATION_PARAMETERS).items()),
)
_KEYS = ["scenario_id", "provider_id"]


def provider_table(table: ir.Table, provider_type: str) -> ir.Table:
    """Sites or physicians as the hub's ``provider``."""
    return (
        table.select("provider_id")
        .distinct()
        .mutate(
            provider_type=ibis.literal(provider_type),
            **dict.fromkeys(("provider_name", "state", "place", "peer_group", "excluded_reason"), ibis.null("string")),
            dual_eligible_ratio=_NO_RATE,
        )
    )


def measure_result(sites: ir.Table) -> ir.Table:
    """Indicators of sites as the hub's ``measure_result``; the threshold is the limit of the reference range."""
    return sites.select(
        "scenario_id",
        "provider_id",
        "measure_id",
        "domain_id",
        "status",
        "status_reason",
        numerator=_.observed,
        denominator=_.cases,
        rate=money.exact(_.indicator_rate, 18, 10),
        threshold=money.exact(_.range_limit, 18, 10),
        **dict.fromkeys(("expected", "baseline_rate", "benchmark"), _NO_RATE),
        **dict.fromkeys(("achievement_points", "improvement_points", "points", "maximum_points"), _NO_POINTS),
    )


def provider_result(sites: ir.Table) -> ir.Table:
    """Sites as the hub's ``provider_result``: the score is the share of results inside the range."""
    is_scored = _.status == "scored"
    totals = sites.group_by(*_KEYS).agg(
        scored=money.whole_sum(is_scored.cast("int64")),
        inside=money.whole_sum((is_scored & ~_.is_conspicuous).cast("int64")),
        masked=(_.status == "suppressed").sum(),
    )
    share = money.divide_half_up(totals.inside, totals.scored)
    has_score = totals.scored > 0
    return totals.select(
        *_KEYS,
        provider_name=ibis.null("string"),
        peer_group=ibis.null("string"),
        score=money.exact(share * 100, 18, 12),
        rank=ibis.null("int64"),
        percentile=_NO_RATE,
        status=ibis.cases((has_score, "scored"), (totals.masked > 0, "suppressed"), else_="not_reported"),
        status_reason=ibis.cases(
            (has_score, ibis.null("string")),
            (totals.masked > 0, "small counts are not published"),
            else_="no indicator has a result",
        ),
    )


def payment_result(documentations: ir.Table, rejected: ir.Table) -> ir.Table:
    """Fees as the hub's ``payment_result``: each programme and type, and the net of the physician.

    Parameters
    ----------
    documentations
        Paid documentations.
    rejected
        Physicians of whom a row was rejected (``provider_id``): their net is not known.
    """
    full = money.exact(
        documentations.documentation_fee.cast("decimal(9, 2)") * documentations.documentations.cast("decimal(22, 2)"),
        18,
        2,
    )
    rate = money.divide_half_up(documentations.paid_documentations, documentations.documentations)
    one = ibis.literal(1).cast(money.SCORE_TYPE)
    parts = documentations.select(
        *_KEYS,
        component_id=ibis.literal("documentation.") + documentations.measure_id,
        base_amount=full,
        currency=ibis.literal("EUR"),
        # Without a documentation nothing is cut.
        rate=money.exact(ibis.ifelse(documentations.documentations == 0, one, rate), 18, 16),
        amount=_.documentation_amount,
        is_cap_applied=_.paid_documentations < _.documentations,
        factor=_NO_RATE,
        status=_.status,
        status_reason=_.status_reason,
    )
    return ibis.union(parts, _net(parts, rejected))


def _net(parts: ir.Table, rejected: ir.Table) -> ir.Table:
    totals = parts.group_by(*_KEYS).agg(
        base=_.base_amount.sum(),
        total=_.amount.sum(),
        is_capped=_.is_cap_applied.any(),
        is_unverified=(_.status == "unverified").any(),
    )
    broken = rejected.mutate(is_broken=ibis.literal(True))  # noqa: FBT003
    totals = totals.left_join(broken, "provider_id").drop("provider_id_right")
    totals = totals.mutate(is_broken=_.is_broken.fill_null(False))  # noqa: FBT003
    base = money.exact(totals.base, 18, 2)
    amount = money.exact(totals.total, 28, 10)
    share = money.divide_half_up(money.in_units(amount, 2), money.in_units(base, 2))
    rate = ibis.ifelse(base == 0, ibis.literal(1).cast(money.SCORE_TYPE), share)
    known = ~totals.is_broken
    return totals.select(
        *_KEYS,
        component_id=ibis.literal("net"),
        base_amount=ibis.ifelse(known, base, ibis.null("decimal(18, 2)")),
        currency=ibis.literal("EUR"),
        rate=money.exact(ibis.ifelse(known, rate, ibis.null(money.SCORE_TYPE)), 18, 16),
        amount=ibis.ifelse(known, amount, ibis.null("decimal(28, 10)")),
        is_cap_applied=totals.is_capped,
        factor=_NO_RATE,
        status=ibis.cases((totals.is_broken, "not_determinable"), (totals.is_unverified, "unverified"), else_="scored"),
        status_reason=ibis.cases(
            (totals.is_broken, "a row of documentations.csv was rejected"),
            (totals.is_unverified, "see the programmes"),
            else_=ibis.null("string"),
        ),
    )


def step_result(
    engine: Engine, sites: ir.Table | None, documentations: ir.Table | None, scenarios: Sequence[Scenario]
) -> ir.Table:
    """Every value of the chains as the hub's ``step_result``."""
    groups, sources = [], []
    if sites is not None:
        quantities = (*SITE_QUANTITIES, "is_masked", *_SITE_PARAMETERS)
        groups.append(StepGroup(sites, quantities, "is_conspicuous"))
        sources += _sources(engine, sites, scenarios, _SITE_INPUTS, "site_results.csv")
    if documentations is not None:
        given = (*_DOCUMENTATION_INPUTS, *_DOCUMENTATION_PARAMETERS)
        quantities = (*given, "paid_documentations", "documentation_amount")
        groups.append(StepGroup(documentations, quantities, "documentation_amount"))
        sources += _sources(engine, documentations, scenarios, _DOCUMENTATION_INPUTS, "documentations.csv")
    return step_rows(engine, groups, rules_of(rules), _GIVEN, sources)


def _sources(
    engine: Engine, table: ir.Table, scenarios: Sequence[Scenario], inputs: Sequence[str], file_name: str
) -> list[Source]:
    names = engine.to_arrow(table.select("measure_id").distinct())["measure_id"].to_pylist()
    sources = []
    for scenario in scenarios:
        for name in names:
            cites = {column: f"{file_name}, column '{column}'" for column in inputs}
            cites["is_lower_better"] = "indicators.csv, column 'is_lower_better'"
            kind = name.rpartition(".")[2]
            for parameter in (*_SITE_PARAMETERS, *_DOCUMENTATION_PARAMETERS):
                values = scenario.parameters[parameter].values if parameter in scenario.parameters else {}
                cited = next((values[key] for key in (name, kind, "") if key in values), None)
                if cited is not None:
                    cites[parameter] = cited.cite
            sources += [Source(scenario.scenario_id, quantity, name, "", cite) for quantity, cite in cites.items()]
    return sources
