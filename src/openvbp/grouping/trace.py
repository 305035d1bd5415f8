"""Why a subject has a group, or has it not: one row per diagnosis and group."""

from __future__ import annotations

from functools import reduce

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.grouping.flags import WORD, Grouped, has, present, words_of
from openvbp.grouping.grouper import Grouper

COUNTS = "counts"
NOT_IN_POSITION = "position does not count"
NOT_BY_INDICATOR = "not so on admission"
UNKNOWN = "presence on admission not known"
SCREENED = "screened by DRG or principal diagnosis"
DROPPED = "dropped by "


def trace(engine: Engine, grouped: Grouped, codes: pa.Table) -> ir.Table:
    """Trace groups back to diagnoses.

    Parameters
    ----------
    engine
        Where to compute.
    grouped, codes
        What was found, and the codes (:func:`openvbp.grouping.codes.codes_in`).

    Returns
    -------
    One row per diagnosis and group that its code is in: ``subject_id``, ``claim_id``, ``code`` as written,
    ``code_system``, ``position``, ``poa``, ``group`` (as it is shown; of those that only drop others, their own name),
    ``outcome``: :data:`COUNTS`, or why not.
    """
    grouper = grouped.grouper
    rule_of = {one.name: one for one in grouper.groups}
    listed = [
        {
            "code_system": row["code_system"],
            "code": row["code"],
            "part": part,
            "group": rule_of[part].reported_as or part,
            "rule": rule_of[part].rule,
            "is_exempt": None if grouper.exempt is None else row["plain"] in grouper.exempt,
            "word": grouper.place(part) // WORD,
            "bit": 1 << grouper.place(part) % WORD,
        }
        for row in codes.to_pylist()
        for part in row["groups"]
    ]
    names = ("code_system", "code", "part", "group", "rule")
    schema = pa.schema(
        [*((name, pa.string()) for name in names), ("is_exempt", pa.bool_()), ("word", pa.int64()), ("bit", pa.int64())]
    )
    meaning = engine.table(pa.Table.from_pylist(listed, schema), "grouping_meaning")
    words = [one for one in grouped.subjects.columns if one.startswith(("found_", "kept_"))]
    joined = grouped.diagnoses.inner_join(meaning, ["code_system", "code"])
    rows = joined.inner_join(grouped.subjects.select("subject_id", *words), "subject_id")
    return rows.mutate(outcome=_outcome(rows, grouped)).select(
        "subject_id", "claim_id", "code", "code_system", "position", "poa", "group", "outcome"
    )


def _outcome(rows: ir.Table, grouped: Grouped) -> ir.StringValue:
    grouper = grouped.grouper
    cases: list[tuple[ir.BooleanValue, ir.Value | str]] = []
    if grouper.positions == "secondary":
        cases.append(((rows.position <= 1).fill_null(True), NOT_IN_POSITION))  # noqa: FBT003
    elif grouper.positions == "principal":
        cases.append(((rows.position != 1).fill_null(True), NOT_IN_POSITION))  # noqa: FBT003
    if grouped.without_indicator == "missing":
        cases.append((rows.rule != "any", UNKNOWN))
    elif grouped.without_indicator == "assume":
        cases.append((rows.rule == "absent", NOT_BY_INDICATOR))
    elif grouper.needs_indicator:
        is_present, is_absent = present(rows)
        unmet = ((rows.rule == "present") & ~is_present) | ((rows.rule == "absent") & ~is_absent)
        cases.append((unmet, NOT_BY_INDICATOR))
    kept = [(rows.word == word) & ((rows[f"kept_{word}"] & rows.bit) != 0) for word in words_of(grouper)]
    cases.append((reduce(lambda one, other: one | other, kept), COUNTS))
    for parent, child in grouper.hierarchy:
        dropped = (rows.part == child) & has(rows, grouper, parent, "found")
        cases.append((dropped, f"{DROPPED}{parent}"))
    return ibis.cases(*cases, else_=SCREENED)


def groups_of(traced: ir.Table, grouper: Grouper) -> ir.Table:
    """Give one row per subject and group that is shown: ``subject_id``, ``group``, ``diagnosis_count`` that gave it."""
    counting = traced.filter((_.outcome == COUNTS) & _.group.isin(list(grouper.labels)))
    return counting.group_by("subject_id", "group").agg(diagnosis_count=_.count())
