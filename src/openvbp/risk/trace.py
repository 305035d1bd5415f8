"""Why a person has a score: one row per diagnosis, category, drop, coefficient and step."""

from __future__ import annotations

from functools import reduce

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.risk.scoring import Scored, as_score
from openvbp.risk.tables import RiskTables

STEPS = ("diagnosis", "hierarchy", "demographic", "condition", "interaction", "count", "score")


def trace(engine: Engine, tables: RiskTables, scored: Scored, diagnoses: ir.Table) -> list[ir.Table]:
    """Trace scores back to diagnoses, in portions that together are the trace.

    Parameters
    ----------
    engine
        Where to compute.
    tables, scored
        The model and what it says; ``scored.persons`` with ``normalized_units`` and ``adjusted_units``.
    diagnoses
        ``person_id``, ``diagnosis_code``, as scored.

    Returns
    -------
    Tables of one row per person, step and item: ``person_id``, ``step`` (one of :data:`STEPS`), ``item``, ``source``,
    ``coefficient`` (null where the step has none).

    - diagnosis: a code that gives a category (``item``, before hierarchies), or under which age or sex strikes it;
    - hierarchy: a dropped category, the one that drops it in ``source``;
    - demographic, condition, interaction, count: a coefficient, its full name in ``source``; where the demographic sum
      is divided by a coefficient, what that adds, and "divides" in ``source``;
    - score: raw, normalized and coding-adjusted score.
    """
    persons = scored.persons
    return [
        _diagnoses(engine, tables, scored, diagnoses),
        _drops(engine, tables, scored),
        _named(engine, tables, persons, "demographic", "demographic_variables"),
        _adjustment(persons),
        _named(engine, tables, persons, "condition", "conditions"),
        _named(engine, tables, persons, "interaction", "interactions"),
        _named(engine, tables, persons, "count", "count_variable"),
        *_scores(persons),
    ]


def _row(rows: ir.Table, step: str, item: ir.Value, source: ir.Value, coefficient: ir.Value | None = None) -> ir.Table:
    nothing = ibis.null("decimal(18, 3)")
    return rows.select(
        "person_id",
        step=ibis.literal(step),
        item=item,
        source=source,
        coefficient=nothing if coefficient is None else coefficient,
    )


def _diagnoses(engine: Engine, tables: RiskTables, scored: Scored, diagnoses: ir.Table) -> ir.Table:
    listed = []
    for code in sorted({*tables.mapping, *tables.edits}):
        edit = tables.edits.get(code)
        gender, up_to, since = (edit.gender, edit.age_up_to, edit.age_from) if edit else (None, None, None)
        given = [] if edit is None or edit.category is None else [edit.category]
        otherwise = tables.mapping.get(code, ())
        if edit is not None:
            fired = [tables.model.category(category) for category in given] or ["struck by age or sex"]
            listed += [(code, item, True, gender, up_to, since) for item in fired]
        listed += [(code, tables.model.category(category), False, gender, up_to, since) for category in otherwise]
    names = ("code", "item", "if_fired", "edit_gender", "age_up_to", "age_from")
    types = (pa.string(), pa.string(), pa.bool_(), pa.string(), pa.int64(), pa.int64())
    columns = [pa.array(values, type_) for values, type_ in zip(zip(*listed, strict=True), types, strict=True)]
    meaning = engine.table(pa.table(dict(zip(names, columns, strict=True))), f"{tables.model.table_name}_meaning")
    written = scored.codes.filter(_.is_paid).select("diagnosis_code", "code")
    rows = (
        diagnoses.select("person_id", "diagnosis_code")
        .inner_join(written, "diagnosis_code")
        .inner_join(meaning, "code")
        .inner_join(scored.persons.select("person_id", "age_at_diagnosis", "gender"), "person_id")
    )
    fires = ibis.ifelse(
        rows.edit_gender.notnull(),
        rows.edit_gender == rows.gender,
        (rows.age_at_diagnosis <= rows.age_up_to).fill_null(False)  # noqa: FBT003
        | (rows.age_at_diagnosis >= rows.age_from).fill_null(False),  # noqa: FBT003
    )
    kept = rows.mutate(fires=fires).filter(_.fires == _.if_fired).distinct()
    return _row(kept, "diagnosis", kept.item, kept.code)


def _drops(engine: Engine, tables: RiskTables, scored: Scored) -> ir.Table:
    layout = scored.categories
    listed = []
    late = set(tables.late_hierarchies)
    for parent, child in tables.hierarchies:
        above, below = layout.mask([parent]), layout.mask([child])
        listed.append(
            (tables.model.category(child), tables.model.category(parent), (parent, child) in late, *above, *below)
        )
    words = range(layout.words)
    names = ["item", "source", "is_late", *(f"above_{word}" for word in words), *(f"below_{word}" for word in words)]
    columns = map(list, zip(*listed, strict=True))
    pairs = engine.table(pa.table(dict(zip(names, columns, strict=True))), f"{tables.model.table_name}_pairs")
    changed = reduce(lambda one, other: one | other, [_[f"found_{word}"] != _[f"kept_{word}"] for word in words])
    rows = scored.persons.filter(changed).cross_join(pairs)

    def has(side: str, what: str) -> ir.BooleanValue:
        return reduce(lambda one, other: one | other, [(rows[f"{what}_{w}"] & rows[f"{side}_{w}"]) != 0 for w in words])

    was_there = ibis.ifelse(rows.is_late, has("above", "kept"), has("above", "found"))
    kept = rows.filter(was_there & has("below", "found") & ~has("below", "kept"))
    return _row(kept, "hierarchy", kept.item, kept.source)


def _named(engine: Engine, tables: RiskTables, persons: ir.Table, step: str, column: str) -> ir.Table:
    listed = [
        (segment, name.removeprefix(f"{segment}_".lower()), name, units)
        for segment in tables.model.segments
        for name, units in tables.coefficients.items()
        if name.startswith(f"{segment}_".lower())
    ]
    listed += [
        (segment, name, name, units) for segment in tables.model.segments for name, units in tables.common.items()
    ]
    names = ("segment", "variable", "source", "units")
    rows = engine.table(
        pa.table(dict(zip(names, map(list, zip(*listed, strict=True)), strict=True))),
        f"{tables.model.table_name}_{step}_coefficients",
    )
    items = persons.select("person_id", "segment", item=persons[column].split(" ").unnest()).filter(_.item != "")
    found = items.mutate(variable=_.item.lower()).left_join(rows, ["segment", "variable"])
    source = ibis.cases(
        (found.source.isnull(), "not paid in this segment"),
        (found.source == found.variable, found.item),
        else_=found.segment + "_" + found.item,
    )
    return _row(found, step, found.item, source, as_score(found.units.fill_null(0)))


def _adjustment(persons: ir.Table) -> ir.Table:
    """What a division of the demographic sum adds."""
    rows = persons.filter(_.adjustment_variable != "")
    return _row(rows, "demographic", rows.adjustment_variable, ibis.literal("divides"), as_score(rows.adjustment_units))


def _scores(persons: ir.Table) -> list[ir.Table]:
    return [
        _row(persons, "score", ibis.literal(name), ibis.literal(""), as_score(persons[f"{name}_units"]))
        for name in ("raw", "normalized", "adjusted")
    ]
