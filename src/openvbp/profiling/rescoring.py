"""Coded risk from finished runs of risk scores, or from claims with the coefficients of one year held still.

A model that is changed between two years changes scores without a single diagnosis; held still, only coding and illness
are left.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.claims.tables import open_claims
from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.risk.diagnoses import counting_lines
from openvbp.risk.members import checked_persons, persons_of
from openvbp.risk.model import load_model
from openvbp.risk.run import SUMMARY
from openvbp.risk.scoring import score
from openvbp.risk.table_sources import read_tables
from openvbp.risk.tables import RiskTables

# UNVERIFIED as a list: the initial preventive examination, annual wellness visits and their form in health centers are
# where health risk assessments are billed; CMS's own flag of assessments needs CPT codes, which are the AMA's.
ASSESSMENTS = ("G0402", "G0438", "G0439", "G0468")
DIAGNOSES = 25
"""A claim has so many."""


@dataclass(frozen=True)
class Rescored:
    """Scores, and where each condition was seen."""

    scores: ir.Table
    """``person_id``, ``period``, ``coded``, ``demographic`` (scores), ``cell``, ``conditions``, ``contacts``."""
    sources: ir.Table | None
    """``person_id``, ``period``, ``condition``, ``claims`` (how many show it), ``is_assessed_only``; none where claims
    were not looked at."""
    is_frozen: bool
    not_scored: dict[str, int]
    """Persons in periods that are left out, by reason."""


def from_runs(engine: Engine, runs: Sequence[Path], model: str) -> Rescored:
    """Take scores from folders of ``openvbp risk hcc``, one for each year.

    Raises
    ------
    UsageError
        If no folder has the model, or two are of the same year.
    InputDataError
        If a folder holds no finished run.
    """
    parts, files, years = [], set(), []
    for number, folder in enumerate(runs):
        summary = _summary_of(folder)
        (found,) = [one for one in summary["models"] if one["model"] == model] or [None]
        if found is None:
            known = ", ".join(one["model"] for one in summary["models"])
            raise UsageError(Problem(f"the run has no scores of {model}", str(folder), f"choose --model {known}"))
        files.add(json.dumps(found["files"], sort_keys=True))
        years.append(summary["payment_year"] - 1)
        rows = engine.read_parquet(folder / "scores" / f"{model}.parquet", f"profiling_scores_{number}")
        parts.append(rows.mutate(period=ibis.literal(years[-1], "int64")))
    if len(set(years)) < len(years):
        what_to_do = "give one run for each year"
        raise UsageError(Problem("two runs have diagnoses of the same year", "--scores", what_to_do))
    rows = ibis.union(*parts, distinct=False) if len(parts) > 1 else parts[0]
    new = load_model(model).without_conditions
    not_scored = _new_enrollees(engine, rows, new)
    scored = rows.filter(_.segment.notin(new))
    return Rescored(
        scored.select(
            *("person_id", "period", "conditions"),
            coded=(_.condition_score + _.interaction_score + _.count_score).cast("float64"),
            demographic=_.demographic_score.cast("float64"),
            cell=_.segment + " " + _.demographic_variables,
        ),
        None,
        len(files) == 1,
        not_scored,
    )


def _summary_of(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        what_to_do = "give the folder that openvbp risk hcc wrote with --out"
        raise InputDataError(
            Problem("the folder holds no finished run of risk scores", str(folder), what_to_do)
        ) from None


def from_claims(
    engine: Engine,
    folder: Path,
    *,
    years: Sequence[int],
    model: str,
    payment_year: int,
    tables: str,
    assessments: Sequence[str] = ASSESSMENTS,
    most_diagnoses: int = DIAGNOSES,
    progress: Callable[[str], None] = lambda _line: None,
) -> Rescored:
    """Score the diagnoses of several years with the tables of one payment year.

    Parameters
    ----------
    engine
        Where to compute; results are kept.
    folder
        Claims in the native layout.
    years
        Years of diagnoses; those of all claims where none is given.
    model, payment_year, tables
        As of :func:`openvbp.risk.run.score_folder`; the same for every year.
    assessments
        HCPCS codes of health risk assessments.
    most_diagnoses
        How many diagnoses of a claim count, in their order; tables of an earlier call with this engine are replaced.
    progress
        Told each year.
    """
    known = read_tables(load_model(model), payment_year, tables)
    claims = open_claims(engine, folder)
    medical = claims.table("medical_claim")
    categories = engine.table(_categories(known), "profiling_categories")
    scores, sources, not_scored = [], [], {}
    for year in years or _years_of(engine, medical):
        everybody = persons_of(claims.table("eligibility"), year + 1)
        persons, left_out = checked_persons(engine, everybody, f"{folder}, eligibility")
        for row in engine.to_arrow(left_out.group_by("reason").agg(rows=_.count())).to_pylist():
            not_scored[row["reason"]] = not_scored.get(row["reason"], 0) + row["rows"]
        written = engine.compute(_written(medical, year, assessments, most_diagnoses), f"profiling_written_{year}")
        diagnoses = engine.compute(written.select("person_id", "diagnosis_code").distinct(), f"profiling_dx_{year}")
        found = score(engine, known, persons, diagnoses, f"profiling_{year}").persons
        seen = engine.compute(_seen(written, categories), f"profiling_seen_{year}")
        contacts = written.group_by("person_id").agg(contacts=_.claim_id.nunique())
        rows = found.left_join(contacts, "person_id").drop("person_id_right")
        scores.append(_scores(engine, rows, year))
        sources.append(seen.mutate(period=ibis.literal(year, "int64")))
        progress(f"diagnoses of {year} scored with {known.model.title}, payment year {payment_year}")
    rows = ibis.union(*scores, distinct=False) if len(scores) > 1 else scores[0]
    new = known.model.without_conditions
    not_scored |= _new_enrollees(engine, rows, new)
    shown = ibis.union(*sources, distinct=False) if len(sources) > 1 else sources[0]
    kept = rows.filter(_.segment.notin(new))
    return Rescored(kept, shown, is_frozen=True, not_scored=not_scored)


def _new_enrollees(engine: Engine, rows: ir.Table, segments: tuple[str, ...]) -> dict[str, int]:
    new = engine.to_arrow(rows.filter(_.segment.isin(segments)).agg(rows=_.count()))["rows"][0].as_py()
    return {"new enrollee: diagnoses are not scored": new} if new else {}


def _years_of(engine: Engine, medical: ir.Table) -> list[int]:
    years = medical.select(year=_.claim_end_date.year().cast("int64")).filter(_.year.notnull()).distinct()
    return engine.to_arrow(years.order_by("year"))["year"].to_pylist()


def _scores(engine: Engine, rows: ir.Table, year: int) -> ir.Table:
    units = rows.condition_units + rows.interaction_units + rows.count_units
    shown = rows.select(
        *("person_id", "segment", "conditions"),
        coded=units.cast("float64") / 1000,
        demographic=rows.demographic_units.cast("float64") / 1000,
        cell=rows.segment + " " + rows.demographic_variables,
        contacts=rows.contacts.fill_null(0).cast("int64"),
        period=ibis.literal(year).cast("int64"),
    )
    return engine.compute(shown, f"profiling_scores_{year}").mutate(period=ibis.literal(year, "int64"))


def _categories(tables: RiskTables) -> pa.Table:
    pairs = sorted((code, f"HCC{one}") for code, given in tables.mapping.items() for one in given)
    codes, names = zip(*pairs, strict=True)
    return pa.table({"code": pa.array(codes), "condition": pa.array(names)})


def _written(medical: ir.Table, year: int, assessments: Sequence[str], most: int) -> ir.Table:
    """One row per claim and diagnosis that counts: ``person_id``, ``claim_id``, ``diagnosis_code``, ``is_assessment``.

    A claim with any line of an assessment is one as a whole.
    """
    lines = counting_lines(medical, year)
    codes = ibis.array([lines[f"diagnosis_code_{number}"] for number in range(1, most + 1)])
    is_assessment = lines.hcpcs_code.isin(list(assessments)).fill_null(False).cast("int64")  # noqa: FBT003
    spread = lines.select("person_id", "claim_id", is_assessment=is_assessment, diagnosis_code=codes.unnest())
    spread = spread.filter(_.diagnosis_code.notnull() & (_.diagnosis_code != ""))
    listed = spread.group_by("person_id", "claim_id", "diagnosis_code").agg(is_assessment=_.is_assessment.max())
    whole = ibis.window(group_by=["person_id", "claim_id"])
    return listed.mutate(is_assessment=_.is_assessment.max().over(whole))


def _seen(written: ir.Table, categories: ir.Table) -> ir.Table:
    """Count claims that show a condition, before hierarchies and edits."""
    coded = written.mutate(code=_.diagnosis_code.upper().replace(".", "").strip()).inner_join(categories, "code")
    by_claim = coded.group_by("person_id", "claim_id", "condition").agg(is_assessment=_.is_assessment.max())
    return by_claim.group_by("person_id", "condition").agg(
        claims=_.count(), is_assessed_only=_.is_assessment.min().cast("int64")
    )
