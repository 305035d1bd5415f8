"""Subjects and their diagnoses: from a table of one's own, or from claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.netting import net_medical_claims
from openvbp.claims.tables import ClaimsData
from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.grouping.grouper import CODE_SYSTEMS

By = Literal["person", "claim", "index"]
COLUMNS = ("subject_id", "code", "code_system", "position", "poa", "claim_id", "drg_code")
ICD_10_SINCE = date(2015, 10, 1)
"""First day of service that is coded in ICD-10-CM: tells the code system of claims that do not say it."""
_DIAGNOSES = 25
_SEPARATOR = "\x1f"
_INPATIENT = "11"


@dataclass(frozen=True)
class Diagnosed:
    """Subjects, and diagnoses with every column of :data:`COLUMNS`."""

    subjects: ir.Table | None
    """``subject_id`` and, from claims, ``person_id``; one row each. None: those of ``diagnoses``."""
    diagnoses: ir.Table
    """Of those subjects; without code, a row says only that the subject is there."""
    of_others: int
    """Diagnoses of subjects that are not among them; they do not count."""


@dataclass(frozen=True)
class Window:
    """Which claims count."""

    by: By = "person"
    first_day: date | None = None
    last_day: date | None = None
    """Of service; both days count."""
    index: Path | None = None
    """File of index days: ``person_id``, ``index_date``."""
    days: int = 365
    """Before the index day, which does not count itself."""


def from_table(engine: Engine, path: Path, code_system: str | None, subjects: Path | None) -> Diagnosed:
    """Read a table of diagnoses.

    Parameters
    ----------
    engine
        Where to read.
    path
        CSV or Parquet with ``subject_id`` and ``code``, and where needed ``code_system``, ``position`` (1 the principal
        diagnosis), ``poa``, ``claim_id``, ``drg_code``. A row without code says only that the subject is there.
    code_system
        Of all codes, where there is no such column.
    subjects
        CSV or Parquet with ``subject_id``: everybody, also those without diagnoses. Those of ``path`` when None.

    Raises
    ------
    UsageError
        If the code system is named nowhere, or twice.
    InputDataError
        If a file, column or cell is missing or not of its kind.
    """
    rows = _read(engine, path, "grouping_diagnoses_read")
    where = str(path)
    _need_columns(rows.columns, ("subject_id", "code"), where)
    unknown = [one for one in rows.columns if one not in COLUMNS]
    if unknown:
        what_to_do = "rename or remove them; known are " + ", ".join(COLUMNS)
        raise InputDataError(Problem("columns are not known", where, what_to_do, len(unknown), tuple(unknown[:3])))
    if ("code_system" in rows.columns) == (code_system is not None):
        what = "the code system is said twice" if code_system else "the code system is not said"
        raise UsageError(Problem(what, where, "give a column code_system, or --code-system"))
    if code_system is not None:
        rows = rows.mutate(code_system=ibis.literal(code_system))
    texts = {one: _text(rows, one) for one in COLUMNS if one != "position"}
    position = rows.position.try_cast("int64") if "position" in rows.columns else ibis.null("int64")
    typed = rows.select(**texts, position=position, read=_text(rows, "position"))
    _check_cells(engine, typed, where)
    diagnoses = typed.select(*COLUMNS).mutate(code=_.code.nullif(""))
    if subjects is None:
        return Diagnosed(None, diagnoses, 0)
    listed = _read(engine, subjects, "grouping_subjects_read")
    _need_columns(listed.columns, ("subject_id",), str(subjects))
    everybody = _unique(engine, listed.select(subject_id=listed.subject_id.cast("string")), str(subjects))
    return _of_subjects(engine, everybody, diagnoses.filter(_.code.notnull()))


def from_claims(engine: Engine, claims: ClaimsData, window: Window) -> Diagnosed:
    """Take diagnoses from a folder of claims: of lines that stand, are final and were not denied.

    Parameters
    ----------
    engine
        Where to compute.
    claims
        ``medical_claim``, and ``eligibility`` where subjects are persons.
    window
        ``person``: persons enrolled on a day of the window, by last days of service in it. ``claim``: inpatient claims
        (types of bill 11x) of the window, each a subject. ``index``: rows of the index file, by last days of service
        before theirs.

    Raises
    ------
    UsageError
        If days are not given, or are in the wrong order.
    InputDataError
        If nobody is left, or the index file cannot be used.
    """
    if window.by != "index" and (window.first_day is None or window.last_day is None):
        raise UsageError(Problem("days are missing", "--from, --to", "give the first and last day of service"))
    if window.first_day and window.last_day and window.first_day > window.last_day:
        raise UsageError(Problem("the first day is after the last", "--from, --to", "swap them"))
    if window.by == "claim":
        found = _of_claims(claims, window)
    elif window.by == "index":
        found = _of_index(engine, claims, window)
    else:
        found = _of_persons(claims, window)
    subjects, diagnoses = found
    kept = engine.compute(subjects, "grouping_subjects_given")
    if not engine.to_arrow(kept.count().as_table())[0][0].as_py():
        raise InputDataError(Problem("there is no subject", str(claims.folder), "check days and --by"))
    return _of_subjects(engine, kept, engine.compute(diagnoses, "grouping_diagnoses"))


def _of_persons(claims: ClaimsData, window: Window) -> tuple[ir.Table, ir.Table]:
    enrolled = claims.table("eligibility").filter(
        _.enrollment_start_date <= window.last_day,
        _.enrollment_end_date.isnull() | (_.enrollment_end_date >= window.first_day),
    )
    subjects = enrolled.select(subject_id=_.person_id, person_id=_.person_id).distinct()
    lines = standing_lines(claims).filter(_.claim_end_date.between(window.first_day, window.last_day))
    return subjects, spread(lines.mutate(subject_id=_.person_id))


def _of_claims(claims: ClaimsData, window: Window) -> tuple[ir.Table, ir.Table]:
    lines = standing_lines(claims).filter(
        _.claim_end_date.between(window.first_day, window.last_day),
        _.claim_type == "institutional",
        _.bill_type_code.startswith(_INPATIENT),
    )
    lines = lines.mutate(subject_id=_.data_source + ":" + _.claim_id)
    return lines.group_by("subject_id").agg(person_id=_.person_id.min()), spread(lines)


def _of_index(engine: Engine, claims: ClaimsData, window: Window) -> tuple[ir.Table, ir.Table]:
    if window.index is None:
        raise UsageError(Problem("the file of index days is missing", "--index", "give person_id and index_date"))
    listed = _read(engine, window.index, "grouping_index")
    _need_columns(listed.columns, ("person_id", "index_date"), str(window.index))
    days = listed.select(person_id=listed.person_id.cast("string"), index_date=listed.index_date.try_cast("date"))
    lost = days.agg(lost=(days.index_date.isnull() | days.person_id.isnull()).cast("int64").sum())
    wrong = engine.to_arrow(lost)["lost"][0].as_py()
    if wrong:
        what_to_do = "write days as 2024-12-31"
        raise InputDataError(Problem("rows lack a person or a day", str(window.index), what_to_do, wrong))
    named = days.mutate(subject_id=days.person_id + ":" + days.index_date.cast("string"))
    subjects = _unique(engine, named, str(window.index))
    lines = standing_lines(claims).inner_join(subjects, "person_id")
    before = lines.filter(
        _.claim_end_date < _.index_date, _.claim_end_date >= _.index_date - ibis.interval(days=window.days)
    )
    return subjects, spread(before)


def standing_lines(claims: ClaimsData) -> ir.Table:
    """Take the claim lines whose diagnoses count: of versions that stand, final, not denied."""
    lines = net_medical_claims(claims.table("medical_claim"))
    return lines.filter(_.is_utilization & (_.claim_status.isnull() | (_.claim_status == "final")))


def spread(lines: ir.Table) -> ir.Table:
    """Give one row per subject, claim, position and code: lines of a claim repeat its diagnoses.

    Parameters
    ----------
    lines
        Of ``medical_claim``, and ``subject_id``.

    Returns
    -------
    The columns :data:`COLUMNS`.
    """
    said = ibis.coalesce(
        lines.diagnosis_code_type, ibis.ifelse(lines.claim_end_date < ICD_10_SINCE, CODE_SYSTEMS[1], CODE_SYSTEMS[0])
    )
    slots = [
        lines[f"diagnosis_code_{number}"]
        + f"{_SEPARATOR}{number}{_SEPARATOR}"
        + lines[f"diagnosis_poa_{number}"].fill_null("")
        for number in range(1, _DIAGNOSES + 1)
    ]
    spread = lines.select(
        "subject_id", "drg_code", claim_id=lines.claim_id, code_system=said, slot=ibis.array(slots).unnest()
    )
    parts = spread.filter(_.slot.notnull()).distinct().mutate(parts=_.slot.split(_SEPARATOR))
    return parts.select(
        "subject_id",
        code=parts.parts[0],
        code_system=parts.code_system,
        position=parts.parts[1].cast("int64"),
        poa=parts.parts[2].nullif(""),
        claim_id=parts.claim_id,
        drg_code=parts.drg_code,
    ).filter(_.code != "")


def _of_subjects(engine: Engine, subjects: ir.Table, diagnoses: ir.Table) -> Diagnosed:
    others = diagnoses.anti_join(subjects, "subject_id").count().as_table()
    found = engine.to_arrow(others)[0][0].as_py()
    kept = diagnoses.semi_join(subjects, "subject_id") if found else diagnoses
    return Diagnosed(subjects, kept, found)


def _read(engine: Engine, path: Path, name: str) -> ir.Table:
    if not path.is_file():
        raise InputDataError(Problem("file is missing", str(path), "give a CSV or Parquet file"))
    return (engine.read_parquet if path.suffix == ".parquet" else engine.read_csv)(path, name)


def _text(rows: ir.Table, column: str) -> ir.StringValue:
    return rows[column].cast("string") if column in rows.columns else ibis.null("string")


def _need_columns(columns: Sequence[str], needed: Sequence[str], where: str) -> None:
    missing = [one for one in needed if one not in columns]
    if missing:
        raise InputDataError(Problem("columns are missing", where, "add them", len(missing), tuple(missing)))


def _unique(engine: Engine, rows: ir.Table, where: str) -> ir.Table:
    found = engine.to_arrow(
        rows.agg(
            times=rows.count(), different=rows.subject_id.nunique(), absent=rows.subject_id.isnull().cast("int64").sum()
        )
    ).to_pylist()[0]
    if not found["times"] or found["absent"] or found["times"] != found["different"]:
        what = "subjects are absent or stand twice" if found["times"] else "file has no rows"
        raise InputDataError(Problem(what, where, "keep one row for each", found["times"] - found["different"] or 1))
    return rows


def _check_cells(engine: Engine, rows: ir.Table, where: str) -> None:
    whole = rows.agg(
        rows=rows.count(),
        subject_id=rows.subject_id.isnull().cast("int64").sum(),
        code_system=(~rows.code_system.isin(CODE_SYSTEMS)).fill_null(True).cast("int64").sum(),  # noqa: FBT003
        position=(
            (rows.read.notnull() & (rows.read != "") & rows.position.isnull()) | (rows.position < 1).fill_null(False)  # noqa: FBT003
        )
        .cast("int64")
        .sum(),
    )
    found = engine.to_arrow(whole).to_pylist()[0]
    if not found.pop("rows"):
        raise InputDataError(Problem("table has no rows", where, "give diagnoses"))
    meant = {
        "subject_id": "fill it in",
        "code_system": "use " + " or ".join(CODE_SYSTEMS),
        "position": "use whole numbers from 1",
    }
    wrong = [Problem(f"cells of {one} are wrong", where, meant[one], times) for one, times in found.items() if times]
    if wrong:
        raise InputDataError(wrong)
