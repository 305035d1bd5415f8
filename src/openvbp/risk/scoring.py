"""Raw risk scores of persons, for one model: diagnoses to categories, hierarchies, interactions, count, person."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from functools import reduce

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.money import from_units
from openvbp.risk import bit_tables as bits
from openvbp.risk.bit_tables import Layout
from openvbp.risk.demographics import kind_of, kinds
from openvbp.risk.tables import COEFFICIENT_DECIMALS, RiskTables, parts_of

MOST_COUNTED = 10
"""Ten and more categories are one cell."""


@ibis.udf.agg.builtin
def bit_or(word: int) -> int:  # type: ignore[empty-body]
    """Bits set in any row; Ibis' own bit_or is not defined on Spark."""


@dataclass(frozen=True)
class Scored:
    """What one model says of persons."""

    persons: ir.Table
    """One row per person, scores in thousandths and sets as bits: see :func:`score`."""
    codes: ir.Table
    """One row per diagnosis code as written: ``diagnosis_code``, ``code``, ``times``, and words where it counts."""
    categories: Layout
    edits: Layout


def score(engine: Engine, tables: RiskTables, persons: ir.Table, diagnoses: ir.Table, name: str = "") -> Scored:
    """Score persons.

    Parameters
    ----------
    engine
        Where to compute.
    tables
        Tables of the model.
    persons
        One row per person: ``person_id``, ``age`` (completed years on 1 February of the payment year), ``gender``
        (female, male), ``original_reason_entitlement_code``, ``dual_status_code``, ``is_new_enrollee``,
        ``is_special_needs_plan``, ``is_institutional``; ``age_at_diagnosis``, by which diagnoses are edited. ESRD
        models ask for ``months_since_transplant`` (null on dialysis, else from 1), RxHCC for ``is_low_income`` and
        ``is_end_stage_renal_disease``.
    diagnoses
        ``person_id``, ``diagnosis_code``: of services that count for risk adjustment; repeats do no harm.
    name
        Of the tables that are computed on the way; one per model of a run.

    Returns
    -------
    Per person: ``person_id``, ``age``, ``gender``, ``age_at_diagnosis``; ``segment``, ``is_disabled``,
    ``is_under_65``, ``demographic_variables``, ``conditions`` and ``interactions`` (separated by blanks),
    ``condition_count``, ``count_variable``; in thousandths ``demographic_units``, ``condition_units``,
    ``interaction_units``, ``count_units``, ``raw_units``, and ``adjustment_units``, the share of the demographic units
    that ``adjustment_variable`` gives; ``found_N``, the categories before the hierarchies, ``kept_N``, those after
    them.
    """
    prefix = name or tables.model.table_name
    categories = Layout(tables.categories)
    classes = bits.edit_classes(tables)
    edits = Layout(tuple(range(len(classes))))
    mapped = engine.compute(
        engine.table(bits.codes_table(tables, categories, classes, edits), f"{prefix}_mapping_rows"),
        f"{prefix}_mapping",
    )
    codes = _codes(engine, diagnoses, mapped, f"{prefix}_codes")
    words = [f"category_{number}" for number in range(categories.words)]
    words += [f"edit_{number}" for number in range(edits.words)]
    counting = codes.filter(_.is_paid).select("diagnosis_code", *words)
    hits = diagnoses.select("person_id", "diagnosis_code").inner_join(counting, "diagnosis_code")
    found = hits.group_by("person_id").agg(**{word: bit_or(hits[word]) for word in words})
    kind = engine.compute(engine.table(kinds(tables), f"{prefix}_kind_rows"), f"{prefix}_kinds")
    known = persons.select("person_id", "age", "gender", "age_at_diagnosis", kind=kind_of(tables.model, persons))
    placed = known.inner_join(kind, "kind").drop("kind")
    joined = placed.left_join(found, "person_id").drop("person_id_right")
    rows = joined.mutate(**{word: joined[word].fill_null(0) for word in words})
    rows = _edited(engine, rows, categories, edits, list(classes), prefix)
    rows = engine.compute(_without_lonely(rows, tables, categories), f"{prefix}_found")
    rows = _after_hierarchies(engine, rows, tables, categories, prefix)
    rows = _interactions(engine.compute(rows, f"{prefix}_kept"), tables, categories)
    return Scored(_summed(engine, rows, tables, categories, prefix), codes, categories, edits)


def _codes(engine: Engine, diagnoses: ir.Table, mapped: ir.Table, name: str) -> ir.Table:
    """Normalize each code once, however often it stands."""
    written = diagnoses.group_by("diagnosis_code").agg(times=_.count())
    code = written.diagnosis_code.upper().replace(".", "").strip()
    joined = written.mutate(code=code).left_join(mapped, "code")
    return engine.compute(joined.mutate(is_paid=joined.code_right.notnull()).drop("code_right"), name)


def _portion(rows: ir.Table, words: str, portion: int) -> ir.IntegerValue:
    word, place = divmod(portion, bits.PORTIONS_OF_WORD)
    return (rows[f"{words}_{word}"] >> (place * bits.PORTION)) & (bits.VALUES - 1)


def _any_of(values: list[ir.Value]) -> ir.Value:
    return reduce(operator.or_, values)


def _joined_to(rows: ir.Table, table: ir.Table, keys: dict[int, ir.IntegerValue]) -> ir.Table:
    """Join rows to a small table once per portion, by the key of each; only the portion's columns are taken."""
    # All keys at once and joins one after another: Ibis then writes one query, not one within another.
    rows = rows.mutate(**{f"key_{portion}": key for portion, key in keys.items()})
    for portion in keys:
        wanted = [name for name in table.columns if name != "value" and name.split("_")[1] == str(portion)]
        rows = rows.left_join(table.select(*wanted, **{f"key_{portion}": "value"}), f"key_{portion}")
    return rows


def _looked_up(
    engine: Engine, rows: ir.Table, table: pa.Table, words: str, given: str, count: int, name: str
) -> ir.Table:
    """Add the words ``GIVEN_N`` that the bits of the words ``WORDS_N`` stand for."""
    portions = bits.portions_in(table)
    before = rows.columns
    if portions:
        computed = engine.compute(engine.table(table, f"{name}_rows"), name)
        rows = _joined_to(rows, computed, {portion: _portion(rows, words, portion) for portion in portions})
    together = {
        f"{given}_{word}": _any_of([rows[f"given_{portion}_{word}"] for portion in portions])
        if portions
        else ibis.literal(0, "int64")
        for word in range(count)
    }
    return rows.select(*before, **together)


def _edited(
    engine: Engine, rows: ir.Table, categories: Layout, edits: Layout, classes: list[bits.EditClass], prefix: str
) -> ir.Table:
    """Turn codes with edits into the categories that age and sex leave."""
    if not classes:
        return rows.rename(**{f"found_{word}": f"category_{word}" for word in range(categories.words)})
    fired = engine.compute(engine.table(bits.fired_table(classes, edits), f"{prefix}_fired_rows"), f"{prefix}_fired")
    female = (rows.gender == "female").cast("int64")
    age = ibis.greatest(ibis.least(rows.age_at_diagnosis, bits.OLDEST_EDITED), 0)
    rows = rows.mutate(edit_key=female * (bits.OLDEST_EDITED + 1) + age).inner_join(fired, "edit_key")
    split = {f"struck_{word}": rows[f"edit_{word}"] & rows[f"fired_{word}"] for word in range(edits.words)}
    split |= {
        f"passed_{word}": rows[f"edit_{word}"] - (rows[f"edit_{word}"] & rows[f"fired_{word}"])
        for word in range(edits.words)
    }
    rows = rows.mutate(**split)
    for drawn, given in (("struck", "if_fired"), ("passed", "otherwise")):
        table = bits.mask_table(categories, edits, lambda number, given=given: getattr(classes[number], given))
        rows = _looked_up(engine, rows, table, drawn, given, categories.words, f"{prefix}_{given}")
    return rows.mutate(
        **{
            f"found_{word}": rows[f"category_{word}"] | rows[f"if_fired_{word}"] | rows[f"otherwise_{word}"]
            for word in range(categories.words)
        }
    ).drop(
        "edit_key",
        *(f"{one}_{word}" for one in ("edit", "fired", "struck", "passed") for word in range(edits.words)),
        *(f"{one}_{word}" for one in ("category", "if_fired", "otherwise") for word in range(categories.words)),
    )


def _has(rows: ir.Table, words: str, mask: tuple[int, ...]) -> ir.BooleanValue:
    """Whether any of the bits is set."""
    return _any_of([(rows[f"{words}_{word}"] & part) != 0 for word, part in enumerate(mask) if part])


def _cleared(rows: ir.Table, words: str, mask: tuple[int, ...], condition: ir.BooleanValue) -> ir.Table:
    """Clear bits where a condition holds."""
    changed = {}
    for word, part in enumerate(mask):
        if part:
            column = rows[f"{words}_{word}"]
            changed[f"{words}_{word}"] = ibis.ifelse(condition, column - (column & part), column)
    return rows.mutate(**changed)


def _without_lonely(rows: ir.Table, tables: RiskTables, categories: Layout) -> ir.Table:
    """Drop categories that need another one which is not there."""
    for category, others in tables.model.needs_company.items():
        present = [other for other in others if other in tables.categories]
        is_alone = ~_has(rows, "found", categories.mask(present))
        rows = _cleared(rows, "found", categories.mask([category]), is_alone)
    return rows


def _after_hierarchies(engine: Engine, rows: ir.Table, tables: RiskTables, categories: Layout, prefix: str) -> ir.Table:
    """Drop every category that one above it drops; what has been dropped drops nothing any more."""
    late = tables.late_hierarchies
    below: dict[int, list[int]] = {}
    for parent, child in tables.hierarchies:
        if (parent, child) not in late:
            below.setdefault(parent, []).append(child)
    table = bits.mask_table(categories, categories, lambda category: below.get(category, ()))
    rows = _looked_up(engine, rows, table, "found", "dropped", categories.words, f"{prefix}_hierarchies")
    kept = {
        f"kept_{word}": rows[f"found_{word}"] - (rows[f"found_{word}"] & rows[f"dropped_{word}"])
        for word in range(categories.words)
    }
    rows = rows.mutate(**kept).drop(*(f"dropped_{word}" for word in range(categories.words)))
    for parent, child in late:
        rows = _cleared(rows, "kept", categories.mask([child]), _has(rows, "kept", categories.mask([parent])))
    return rows


def _interactions(rows: ir.Table, tables: RiskTables, categories: Layout) -> ir.Table:
    """Set a bit for every interaction of which all parts are there."""
    groups = {name: _has(rows, "kept", categories.mask(given)) for name, given in tables.model.groups.items()}
    rows = rows.mutate(**{f"has_{name}": is_there for name, is_there in groups.items()})
    word = ibis.literal(0, "int64")
    for number, name in enumerate(tables.model.interactions):
        of_categories, of_person = parts_of(tables.model, name)
        parts = [rows[f"has_{part}"] for part in of_categories] + [rows[f"is_{part}"] for part in of_person]
        all_there = reduce(operator.and_, parts)
        word = word | ibis.ifelse(all_there, 1 << number, 0)
    return rows.mutate(interaction_0=word).drop(*(f"has_{name}" for name in groups))


def _worth(
    engine: Engine, rows: ir.Table, tables: RiskTables, layout: Layout, words: str, what: str, prefix: str
) -> ir.Table:
    """Add units, number and list of the items whose bits are set."""
    if what == "condition":
        table = bits.worth_table(tables, layout, tables.model.category, are_listed=True)
    else:
        names = list(tables.model.interactions)
        table = bits.worth_table(tables, layout, lambda number: names[number], are_listed=False)
    computed = engine.compute(engine.table(table, f"{prefix}_{what}_worth_rows"), f"{prefix}_{what}_worth")
    portions = [portion for portion, _items in layout.portions()]
    before = rows.columns
    key = {portion: rows.segment_number * bits.VALUES + _portion(rows, words, portion) for portion in portions}
    rows = _joined_to(rows, computed, key)

    def of_all(column: str) -> list[ir.Value]:
        return [rows[f"{column}_{portion}"] for portion in portions]

    added = {
        f"{what}_units": reduce(operator.add, of_all("units")),
        f"{what}_count": reduce(operator.add, of_all("items")),
        f"{what}s": _chained(of_all("listed")).strip(),
    }
    return rows.select(*before, **added)


def _chained(texts: list[ir.StringValue]) -> ir.StringValue:
    """Put texts together two by two: one after another, a longer and longer text would be copied each time."""
    if len(texts) == 1:
        return texts[0]
    middle = len(texts) // 2
    return _chained(texts[:middle]) + _chained(texts[middle:])


def _summed(engine: Engine, rows: ir.Table, tables: RiskTables, categories: Layout, prefix: str) -> ir.Table:
    rows = _worth(engine, rows, tables, categories, "kept", "condition", prefix)
    interactions = Layout(tuple(range(len(tables.model.interactions))))
    rows = _worth(engine, rows, tables, interactions, "interaction", "interaction", prefix)
    counts = engine.compute(
        engine.table(bits.count_table(tables, MOST_COUNTED), f"{prefix}_count_rows"), f"{prefix}_counts"
    )
    key = rows.segment_number * (MOST_COUNTED + 1) + ibis.least(rows.condition_count, MOST_COUNTED)
    rows = rows.mutate(count_key=key).inner_join(counts, "count_key").drop("count_key", "interaction_count")
    return rows.mutate(
        raw_units=rows.demographic_units + rows.condition_units + rows.interaction_units + rows.count_units
    ).drop("segment_number", "interaction_0")


def as_score(units: ir.IntegerValue) -> ir.DecimalValue:
    """Thousandths as an exact decimal."""
    return from_units(units, COEFFICIENT_DECIMALS)
