"""A study at a program's cutoff, run: the same report as any other evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from openvbp.engine import open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.evaluation.conclusion import signed
from openvbp.evaluation.discontinuity import CHECKS, Scores, binned, estimate_discontinuity, read_scores
from openvbp.evaluation.findings import Finding
from openvbp.evaluation.lock import (
    ABSENT,
    NOT_NOTED,
    READINGS,
    Digests,
    digest_of,
    lock,
    note_reading,
    specification_digest,
    status_of,
)
from openvbp.evaluation.program_facts import ProgramFacts, program_facts
from openvbp.evaluation.results import Card, Results
from openvbp.evaluation.study_file import read_study
from openvbp.evaluation.study_terms import DiscontinuityStudy

_REACH = 1.0
"""Of the figure, on each side of the cutoff, in the unit of the score."""


def lock_discontinuities(study: Path, data: Path, to: Path, *, after_reading: bool = False) -> dict[str, Any]:
    """Register a study at a cutoff before outcomes are read; see :func:`openvbp.evaluation.lock.lock`."""
    terms = _terms(study)
    found = _digests(terms, program_facts(terms.program), data)
    plan = {"terms": terms.model_dump(mode="json")}
    return lock(to, terms.study, found, plan, after_reading=after_reading, readings=study.parent / READINGS)


def run_discontinuities(
    study: Path, data: Path, *, registration: Path | None = None, threads: int | None = None
) -> Results:
    """Run a study at a cutoff.

    Parameters
    ----------
    study
        Study file with ``discontinuities``.
    data
        Folder of the files that it names.
    registration
        File of a lock, to hold the run against.
    threads
        Of DuckDB.

    Raises
    ------
    UsageError, InputDataError
        If terms, files or columns are wrong, or the program has no cutoff.
    """
    terms = _terms(study)
    facts = program_facts(terms.program)
    found = _digests(terms, facts, data)
    missing = [name for name, digest in found.data.items() if digest == ABSENT]
    if missing:
        what_to_do = "name files of the folder that --data gives"
        raise InputDataError(Problem("files are missing", str(data), what_to_do, len(missing), tuple(missing[:3])))
    status = status_of(registration, found)
    noted = note_reading(study.parent / READINGS, found)
    with open_engine("duckdb", threads) as engine:
        read = [read_scores(engine, data, one, facts) for one in terms.discontinuities]
    treated = facts.facts.cutoff.treated if facts.facts.cutoff else "above"
    rows: list[Finding] = []
    for one, scores in zip(terms.discontinuities, read, strict=True):
        rows += estimate_discontinuity(scores, terms, one, treated)
    rows.sort(key=lambda row: row.section != "main")
    return Results(
        study=terms,
        card=_card(terms, facts, read),
        rows=rows,
        curve=None,
        shrinkage=None,
        status=status,
        digests=found,
        summary=_summary(rows, terms),
        what_would_change=_what_would_change(rows),
        left_out={f"{one.label}: without an outcome": one.without_outcome for one in read},
        rows_read=sum(len(one.score) + one.without_outcome + one.exempt for one in read),
        rows_rejected={f"{one.label}: exempt": one.exempt for one in read if one.exempt},
        warnings=[] if noted else [NOT_NOTED],
        figures={"cutoffs": [_figure(one, terms.outcome.name) for one in read]},
    )


def _figure(scores: Scores, outcome: str) -> dict[str, Any]:
    bins = binned(scores, _REACH)
    return {"bins": bins, "cutoff": scores.cutoff, "score": f"Score, {scores.label}", "outcome": outcome}


def _terms(study: Path) -> DiscontinuityStudy:
    terms = read_study(study).terms
    if not isinstance(terms, DiscontinuityStudy):
        raise InputDataError(Problem("the study has no discontinuities", str(study), "use Evaluation"))
    return terms


def _digests(terms: DiscontinuityStudy, facts: ProgramFacts, data: Path) -> Digests:
    files = dict.fromkeys(
        source.file for one in terms.discontinuities for source in (one.score, one.outcome, *one.covariates.values())
    )
    of_files = {name: digest_of(data / name) for name in files}
    return Digests(facts.digest, specification_digest(terms.model_dump_json()), of_files)


def _card(study: DiscontinuityStudy, facts: ProgramFacts, read: list[Scores]) -> Card:
    cutoff = facts.facts.cutoff
    rule = f"{cutoff.running}; those {cutoff.treated} the cutoff are treated ({cutoff.cite})" if cutoff else ""
    card = [
        ("Program", f"{facts.parameters.title}; {'; '.join(facts.parameters.authority.values())}"),
        ("Outcome", f"{study.outcome.name}, {study.outcome.unit}"),
        ("Design", "regression discontinuity" if study.design == "rd" else "regression kink"),
        ("Score", rule),
    ]
    return [
        *card,
        *((f"Cutoff, {one.label}", f"{one.cutoff:g} ({one.cite}); {len(one.score):,} providers") for one in read),
    ]


def _summary(rows: list[Finding], study: DiscontinuityStudy) -> str:
    main = [one for one in rows if one.section == "main"]
    possible = [one for one in main if one.is_estimated]
    if not possible:
        return f"No estimate was possible: {main[0].note}"
    listed = "; ".join(
        f"{one.label} {signed(one.estimate)} ({signed(one.low)} to {signed(one.high)})" for one in possible
    )
    found = [one for one in possible if one.is_significant]
    what = "jump" if study.design == "rd" else "change of slope"
    words = f"no {what} is found" if not found else f"{len(found)} of {len(possible)} differ from no {what}"
    return f"{study.outcome.name} at the cutoff: {words}. {listed}."


def _what_would_change(rows: list[Finding]) -> list[str]:
    checks = [one for one in rows if one.section == CHECKS and one.is_estimated]
    failed = [one for one in checks if one.p_value < 0.05]
    listed = ", ".join(f"{one.label} (p {one.p_value:.3f})" for one in failed)
    first = "No check at the cutoff was possible."
    if failed:
        first = f"{len(failed)} of {len(checks)} checks find what should not be there: {listed}."
    elif checks:
        first = f"None of {len(checks)} checks finds what should not be there."
    return [
        first,
        "Providers far from the cutoff: the effect is that of penalties on hospitals near it, on no others.",
        "An effect that works through the threat of a penalty: all providers face it, and it is on both sides.",
    ]
