"""What a contract is settled from, counted from a folder of claims."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.attribution.rule_files import find_rule
from openvbp.attribution.run import ATTRIBUTION, attribute_folder
from openvbp.claims.tables import open_claims
from openvbp.claims_chain import experience as experiences
from openvbp.claims_chain.contract_counting import Counting, demand_countable, year_of
from openvbp.claims_chain.contract_tables import write_experience, write_members, write_participants, write_quality
from openvbp.engine import Engine, open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.measures.run import Request, run_measures
from openvbp.periods import Period


def count_inputs(counting: Counting) -> dict[str, Any]:
    """Count everything that a contract is settled from.

    Parameters
    ----------
    counting
        Contract, claims and folder. The folder gets the CSV files that the contract reads, ``attribution/YEAR/`` and
        ``measures/``: evidence of single persons, which must not be passed on.

    Returns
    -------
    What was counted: members and member months by year, and participants.

    Raises
    ------
    UsageError
        If the contract cannot be counted from claims.
    InputDataError
        If the claims cannot be used, or the contractor has no member.
    MachineError
        If a file cannot be written.
    """
    demand_countable(counting)
    terms, asked, performance = counting.file.terms, counting.asked, counting.terms.period
    counting.out.mkdir(parents=True, exist_ok=True)
    spans = [year_of(performance, year) for year in counting.years]
    attributed = {span.end.year: _attribute(counting, span, is_last=span == spans[-1]) for span in spans}
    _run_measures(counting, spans)
    with open_engine(counting.engine, counting.threads) as engine:
        claims = open_claims(engine, counting.data)
        tables = {year: engine.read_parquet(path, f"chain_attribution_{year}") for year, path in attributed.items()}
        mine = {year: _members(engine, table, counting, year) for year, table in tables.items()}
        kept = [span for span in spans if span.end.year in counting.experience_years]
        rule = find_rule(asked.attribution_rule)
        counted = [
            experiences.experience(engine, claims, rule, span, mine[span.end.year], asked, _risk(counting, span))
            for span in kept
        ]
        counting.progress("members, months and cost counted")
        write_experience(counting, counted)
        if terms.stop_loss:
            write_members(counting, counted)
        rates = write_quality(engine, counting, spans, mine) if terms.quality else None
        listed = (
            write_participants(engine, claims, counting, counted[-1], tables[performance.end.year], rates)
            if terms.distribution
            else []
        )
    return {
        "contractor": terms.parties.contractor_id,
        "years": {
            one.year: {
                "members": one.members.num_rows,
                "member_months": one.member_months,
                "expenditures": str(one.expenditures),
                "risk_score": str(one.risk_score),
            }
            for one in counted
        },
        "practices": sum(not one["practice_id"] for one in listed),
        "clinicians": sum(bool(one["practice_id"]) for one in listed),
    }


def _attribute(counting: Counting, span: Period, *, is_last: bool) -> Path:
    asked = counting.asked
    rules = [asked.attribution_rule]
    if is_last and counting.file.terms.distribution:
        rules += [asked.practice_rule, asked.clinician_rule]
    out = counting.out / "attribution" / str(span.end.year)
    attribute_folder(
        data=counting.data,
        out=out,
        period=span.label,
        rules=list(dict.fromkeys(rules)),
        engine=counting.engine,
        threads=counting.threads,
    )
    counting.progress(f"{span.label}: members attributed")
    return out / ATTRIBUTION


def _members(engine: Engine, attributed: ir.Table, counting: Counting, year: int) -> pa.Array:
    rule = find_rule(counting.asked.attribution_rule).rule
    rows = attributed.filter(_.rule_id == rule, _.unit_id.isin(counting.units)).select("person_id")
    found = engine.to_arrow(rows.order_by("person_id"))["person_id"].combine_chunks()
    where = f"{counting.data}, rule {rule}, {year}"
    if not len(found):
        units = ", ".join(counting.units)
        to_do = "name units of the rule in claims.units of the contract"
        raise InputDataError(Problem(f"the rule gives {units} no member", where, to_do))
    if len(found) > len(found.unique()):
        what = "the rule gives a member to several units"
        raise InputDataError(Problem(what, where, "choose a rule that gives each member to one"))
    return found


def _risk(counting: Counting, span: Period) -> experiences.RiskScore:
    model, year = counting.asked.risk_model, span.end.year
    if model == "demographic":
        return experiences.demographic_risk
    out = counting.out / "risk" / str(year)
    return experiences.condition_category_risk(counting.data, out, model, year, counting.risk_tables)


def _run_measures(counting: Counting, spans: Sequence[Period]) -> None:
    agreed = counting.file.terms.quality
    if agreed is None:
        return
    periods = spans[-2:] if counting.needs_prior_rates else spans[-1:]
    request = Request(tuple(one.label for one in periods), tuple(agreed.measures), with_persons=True)
    out = counting.out / "measures"
    run_measures(counting.data, out, request, engine=counting.engine, threads=counting.threads)
    counting.progress(f"{len(agreed.measures)} measures evaluated")
