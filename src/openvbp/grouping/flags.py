"""Which groups each subject has: sets of groups as bits of whole numbers, so a subject is one row however many it has.

Codes are looked up once per code, not per diagnosis: prefixes cost nothing on large data.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.grouping.grouper import PREFIX_MARK, Grouper, PresentRule

WORD = 60
PRESENT = ("Y", "W")
NOT_PRESENT = ("N", "U")
REPORTED_EXEMPT = ("1", "E")
"""Indicators of diagnoses that need none; believed only where the list of exempt codes is not known."""
WithoutIndicator = Literal["refuse", "missing", "assume"]


@dataclass(frozen=True)
class Grouped:
    """What was found."""

    subjects: ir.Table
    """One row per subject: what was given, ``found_N`` and ``kept_N``, bits before and after the hierarchy."""
    diagnoses: ir.Table
    """As given, of the grouper's code systems, with the code in capitals and without dot."""
    unknown: frozenset[str]
    """Groups, as they are shown, that cannot be told without indicators."""
    grouper: Grouper
    without_indicator: WithoutIndicator


@ibis.udf.agg.builtin
def bit_or(word: int) -> int:  # type: ignore[empty-body]
    """Bits set in any row; Ibis' own bit_or is not defined on Spark."""


class CodeBook:
    """Finds the groups of a code, its own and those of its beginnings."""

    def __init__(self, rows: Iterable[tuple[str, str, str]]) -> None:
        self._found: dict[tuple[str, str], set[str]] = {}
        for system, code, group in rows:
            self._found.setdefault((system, code), set()).add(group)
        self._lengths = sorted({len(code) - 1 for _system, code in self._found if code.endswith(PREFIX_MARK)})

    def groups_of(self, system: str, code: str) -> set[str]:
        """Give the groups of a code, without dot and in capitals."""
        found = set(self._found.get((system, code), ()))
        for length in self._lengths:
            if length <= len(code):
                found |= self._found.get((system, code[:length] + PREFIX_MARK), set())
        return found


def words_of(grouper: Grouper) -> range:
    """Numbers of the words that hold a bit per group."""
    return range(-(-len(grouper.groups) // WORD))


def masks(grouper: Grouper, names: Iterable[str]) -> list[int]:
    """Words with the bits of some groups."""
    words = [0 for _word in words_of(grouper)]
    for name in names:
        place = grouper.place(name)
        words[place // WORD] |= 1 << place % WORD
    return words


def has(rows: ir.Table, grouper: Grouper, name: str, what: str = "kept") -> ir.BooleanValue:
    """Tell whether subjects have a group, before (``found``) or after (``kept``) the hierarchy."""
    place = grouper.place(name)
    return (rows[f"{what}_{place // WORD}"] & ibis.literal(1 << place % WORD, "int64")) != 0


def present(diagnoses: ir.Table) -> tuple[ir.BooleanValue, ir.BooleanValue]:
    """Tell whether diagnoses were present on admission, and whether they were not.

    ``is_exempt`` says which codes need no indicator; null, where that is not known, leaves it to the indicator.
    """
    indicator = diagnoses.poa.strip().upper()
    exempt = ibis.coalesce(diagnoses.is_exempt, indicator.isin(REPORTED_EXEMPT), ibis.literal(False))  # noqa: FBT003
    is_present = exempt | indicator.isin(PRESENT).fill_null(False)  # noqa: FBT003
    return is_present, ~exempt & indicator.isin(NOT_PRESENT).fill_null(False)  # noqa: FBT003


def group(
    engine: Engine,
    grouper: Grouper,
    subjects: ir.Table | None,
    diagnoses: ir.Table,
    codes: pa.Table,
    without_indicator: WithoutIndicator = "refuse",
    name: str = "grouping",
) -> Grouped:
    """Put the diagnoses of subjects in groups.

    Parameters
    ----------
    engine
        Where to compute.
    grouper
        Groups, rules, hierarchy and screens.
    subjects
        One row per subject: ``subject_id``, and columns of your own. Those without diagnoses keep no group. None: those
        of ``diagnoses``, where a row without code says that a subject is there.
    diagnoses
        One row per diagnosis: ``subject_id``, ``code`` as written, ``code_system``, ``position`` (1 the principal one),
        ``poa``, ``claim_id``, and ``drg_code`` where screens ask for it.
    codes
        Every code as written: see :func:`openvbp.grouping.codes.codes_in`.
    without_indicator
        ``missing``: groups that ask for presence on admission are null. ``assume``: every diagnosis was present.
        ``refuse``: diagnoses without indicator do not count (the caller has looked that they are few).
    name
        Of the tables that are made.
    """
    ignored: set[PresentRule] = {"present", "absent"} if without_indicator == "missing" else set()
    lookup = engine.table(_lookup(grouper, codes, ignored), f"{name}_lookup")
    # Where all diagnoses are of one code system, the code alone tells it: half of the join.
    keys = ["code"] if len(set(codes["code_system"].to_pylist())) == 1 else ["code_system", "code"]
    if subjects is None:
        rows = _bits_of_subjects(diagnoses.left_join(lookup, keys), grouper, without_indicator)
    else:
        counting = of_positions(diagnoses, grouper).inner_join(lookup, keys)
        found = _bits_of_subjects(counting, grouper, without_indicator)
        rows = _joined(subjects, found, [f"found_{word}" for word in words_of(grouper)])
    if grouper.screens:
        rows = _joined(rows, _screened(engine, grouper, diagnoses, name), [f"screen_{w}" for w in words_of(grouper)])
        left = {f"found_{w}": rows[f"found_{w}"] & ~rows[f"screen_{w}"] for w in words_of(grouper)}
        rows = rows.mutate(**left).drop(*(f"screen_{w}" for w in words_of(grouper)))
    kept = {f"kept_{word}": value for word, value in enumerate(_kept(rows, grouper))}
    done = engine.compute(rows.mutate(**kept), f"{name}_subjects")
    unknown = frozenset(one for one in grouper.labels if ignored and grouper.depends_on_indicator(one))
    return Grouped(done, diagnoses, unknown, grouper, without_indicator)


def of_positions(diagnoses: ir.Table, grouper: Grouper) -> ir.Table:
    """Keep the diagnoses in the positions that count."""
    if grouper.positions == "all":
        return diagnoses
    return diagnoses.filter(_.position > 1 if grouper.positions == "secondary" else _.position == 1)


def _bits_of_subjects(joined: ir.Table, grouper: Grouper, without_indicator: WithoutIndicator) -> ir.Table:
    """One pass over diagnoses; those without group or in another position say only that the subject is there."""
    words = {}
    for word in words_of(grouper):
        bits = _bits(joined, word, without_indicator).fill_null(0)
        if grouper.positions != "all":
            is_secondary = grouper.positions == "secondary"
            counts = (joined.position > 1 if is_secondary else joined.position == 1).fill_null(False)  # noqa: FBT003
            bits = ibis.ifelse(counts, bits, ibis.literal(0, "int64"))
        words[f"found_{word}"] = bit_or(bits)
    return joined.group_by("subject_id").agg(**words)


def _lookup(grouper: Grouper, codes: pa.Table, ignored: set[PresentRule]) -> pa.Table:
    """One row per code as written that is in a group: words of bits ``any_N``, ``present_N``, ``absent_N``, by rule."""
    rule_of = {one.name: one.rule for one in grouper.groups}
    columns: dict[str, list[object]] = {"code_system": [], "code": [], "is_exempt": []}
    rules = ("any", "present", "absent") if grouper.needs_indicator else ("any",)
    columns |= {f"{rule}_{word}": [] for rule in rules for word in words_of(grouper)}
    for row in codes.select(["code_system", "code", "plain", "groups"]).to_pylist():
        if not row["groups"]:
            continue
        columns["code_system"].append(row["code_system"])
        columns["code"].append(row["code"])
        columns["is_exempt"].append(None if grouper.exempt is None else row["plain"] in grouper.exempt)
        for rule in rules:
            named = [one for one in row["groups"] if rule_of[one] == rule and rule not in ignored]
            for word, mask in enumerate(masks(grouper, named)):
                columns[f"{rule}_{word}"].append(mask)
    types = {"code_system": pa.string(), "code": pa.string(), "is_exempt": pa.bool_()}
    return pa.table({one: pa.array(values, types.get(one, pa.int64())) for one, values in columns.items()})


def _bits(joined: ir.Table, word: int, without_indicator: WithoutIndicator) -> ir.IntegerValue:
    if f"present_{word}" not in joined.columns:
        return joined[f"any_{word}"]
    if without_indicator == "assume":
        return joined[f"any_{word}"] | joined[f"present_{word}"]
    is_present, is_absent = present(joined)
    nothing = ibis.literal(0, "int64")
    by_rule = ibis.ifelse(is_present, joined[f"present_{word}"], nothing)
    return joined[f"any_{word}"] | by_rule | ibis.ifelse(is_absent, joined[f"absent_{word}"], nothing)


def _joined(subjects: ir.Table, words: ir.Table, names: list[str]) -> ir.Table:
    rows = subjects.left_join(words, "subject_id")
    return rows.drop("subject_id_right").mutate(**{one: rows[one].fill_null(0) for one in names})


def _kept(rows: ir.Table, grouper: Grouper) -> list[ir.IntegerValue]:
    """Take out what another group drops; what drops is looked for before any drop."""
    left = [rows[f"found_{word}"] for word in words_of(grouper)]
    children: dict[str, list[str]] = {}
    for parent, child in grouper.hierarchy:
        children.setdefault(parent, []).append(child)
    for parent, dropped in children.items():
        place = grouper.place(parent)
        is_there = (rows[f"found_{place // WORD}"] & ibis.literal(1 << place % WORD, "int64")) != 0
        for word, mask in enumerate(masks(grouper, dropped)):
            if mask:
                # The complement is a literal: Ibis writes that of an expression without its parentheses.
                left[word] = left[word] & ibis.ifelse(is_there, ibis.literal(~mask, "int64"), ibis.literal(-1, "int64"))
    return left


def _screened(engine: Engine, grouper: Grouper, diagnoses: ir.Table, name: str) -> ir.Table:
    """Words of the groups that a subject's DRG or principal diagnosis forbids: ``screen_N``."""
    by: dict[str, ir.Table] = {
        kind: rows.select("subject_id", "value").distinct()
        for kind, rows in (
            ("principal", diagnoses.filter(_.position == 1).mutate(value=_.code)),
            ("drg", diagnoses.mutate(value=_.drg_code)),
        )
        if any(one == kind for one, _code, _group in grouper.screens)
    }
    parts = []
    for kind, rows in by.items():
        book = CodeBook((kind, code, group) for one, code, group in grouper.screens if one == kind)
        values = engine.to_arrow(rows.select("value").distinct().filter(_.value.notnull()))["value"].to_pylist()
        found = {value: book.groups_of(kind, value.strip().upper().replace(".", "")) for value in values}
        words = [masks(grouper, groups) for groups in found.values()]
        columns = {f"screen_{w}": pa.array([one[w] for one in words], pa.int64()) for w in words_of(grouper)}
        table = pa.table({"value": pa.array(list(found), pa.string()), **columns})
        parts.append(rows.inner_join(engine.table(table, f"{name}_screen_{kind}"), "value").drop("value"))
    rows = ibis.union(*parts) if len(parts) > 1 else parts[0]
    return rows.group_by("subject_id").agg(**{f"screen_{w}": bit_or(rows[f"screen_{w}"]) for w in words_of(grouper)})


def shown(grouped: Grouped) -> dict[str, ir.Value]:
    """Give the columns that subjects are published with: one per group, 0, 1 or null, and one per index.

    Null is a group, or an index of such groups, that cannot be told without indicators of presence on admission.
    """
    rows, grouper = grouped.subjects, grouped.grouper
    flags: dict[str, ir.Value] = {}
    for name in grouper.labels:
        if name in grouped.unknown:
            flags[name] = ibis.null("int8")
            continue
        parts = [has(rows, grouper, part) for part in grouper.parts(name)]
        flags[name] = ibis.ifelse(reduce(lambda one, other: one | other, parts), 1, 0).cast("int8")
    columns: dict[str, ir.Value] = dict(flags)
    for index in grouper.indices:
        if set(index.weights) & grouped.unknown:
            columns[index.name] = ibis.null("int64")
            continue
        weighed = [flags[name].cast("int64") * weight for name, weight in index.weights.items() if weight]
        columns[index.name] = sum(weighed[1:], weighed[0]).cast("int64")
    return columns
