"""A person's categories as bits of whole numbers, and small tables that say what each portion of the bits means.

A set of categories is one or more words of 60 bits. Portions of ten bits have 1,024 values, so what a portion drops, or
is worth in a segment, is looked up: joins to small tables do what otherwise takes a row per person and category.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from openvbp.risk.tables import Edit, RiskTables

WORD = 60
PORTION = 10
VALUES = 2**PORTION
PORTIONS_OF_WORD = WORD // PORTION
OLDEST_EDITED = 127


@dataclass(frozen=True)
class Layout:
    """Which bit of which word stands for what."""

    items: tuple[int, ...]

    @functools.cached_property
    def _positions(self) -> dict[int, int]:
        return {item: position for position, item in enumerate(self.items)}

    @property
    def words(self) -> int:
        """Number of words."""
        return -(-len(self.items) // WORD)

    def mask(self, items: Sequence[int]) -> tuple[int, ...]:
        """Words with the bits of some items."""
        words = [0] * self.words
        for item in items:
            position = self._positions[item]
            words[position // WORD] |= 1 << position % WORD
        return tuple(words)

    def portions(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Portions, counted over all words, and the items of their bits."""
        for portion in range(self.words * PORTIONS_OF_WORD):
            items = self.items[portion * PORTION : (portion + 1) * PORTION]
            if items:
                yield portion, items


@dataclass(frozen=True)
class EditClass:
    """What age or sex does to a set of codes that it treats alike."""

    gender: str | None
    age_up_to: int | None
    age_from: int | None
    if_fired: tuple[int, ...]
    otherwise: tuple[int, ...]

    def fires(self, age: int, gender: str) -> bool:
        """Whether it fires for a person."""
        return Edit("", self.gender, self.age_up_to, self.age_from, None).fires(age, gender)


def edit_classes(tables: RiskTables) -> dict[EditClass, list[str]]:
    """Diagnosis codes with edits, by what the edit does; those that give a category come first."""
    found: dict[EditClass, list[str]] = {}
    for code, edit in tables.edits.items():
        fired = () if edit.category is None else (edit.category,)
        alike = EditClass(edit.gender, edit.age_up_to, edit.age_from, fired, tables.mapping.get(code, ()))
        if fired or alike.otherwise:
            found.setdefault(alike, []).append(code)
    return dict(sorted(found.items(), key=lambda item: not item[0].if_fired))


def codes_table(tables: RiskTables, layout: Layout, classes: Mapping[EditClass, list[str]], edits: Layout) -> pa.Table:
    """Give one row per diagnosis code that counts: ``code``, its ``category_N`` words and its ``edit_N`` words."""
    class_of = {code: number for number, codes in enumerate(classes.values()) for code in codes}
    codes = sorted({*tables.mapping, *class_of})
    nothing, no_edit = layout.mask(()), edits.mask(())
    words, edit_words = [], []
    for code in codes:
        number = class_of.get(code)
        words.append(layout.mask(tables.mapping[code]) if number is None else nothing)
        edit_words.append(no_edit if number is None else edits.mask((number,)))
    return pa.table({"code": codes, **_columns("category", words), **_columns("edit", edit_words)})


def fired_table(classes: Sequence[EditClass], edits: Layout) -> pa.Table:
    """Give one row per gender and age: ``edit_key`` and the ``fired_N`` words of the edits that fire."""
    keys, words = [], []
    for female, gender in enumerate(("male", "female")):
        for age in range(OLDEST_EDITED + 1):
            keys.append(female * (OLDEST_EDITED + 1) + age)
            words.append(edits.mask([number for number, one in enumerate(classes) if one.fires(age, gender)]))
    return pa.table({"edit_key": keys, **_columns("fired", words)})


def mask_table(layout: Layout, drawn: Layout, of_item: Callable[[int], Sequence[int]]) -> pa.Table:
    """Say what the portions of a word stand for.

    Parameters
    ----------
    layout
        Of the words that are given.
    drawn
        Of the bits that are looked up.
    of_item
        Items of ``layout`` that a set bit of ``drawn`` stands for.

    Returns
    -------
    One row per ``value`` of a portion; for each portion that means anything, and each word, ``given_PORTION_WORD``.
    """
    columns: dict[str, list[int]] = {"value": list(range(VALUES))}
    for portion, items in drawn.portions():
        masks = [layout.mask(of_item(item)) for item in items]
        for word in range(layout.words):
            if not any(any(mask) for mask in masks):
                continue
            values = [0]
            for bit in range(PORTION):
                mask = masks[bit][word] if bit < len(masks) else 0
                values += [one | mask for one in values]
            columns[f"given_{portion}_{word}"] = values
    return pa.table({name: pa.array(values, pa.int64()) for name, values in columns.items()})


def portions_in(table: pa.Table) -> list[int]:
    """Portions that a table of masks says something about."""
    return sorted({int(name.split("_")[1]) for name in table.column_names if name != "value"})


def worth_table(tables: RiskTables, layout: Layout, name: Callable[[int], str], *, are_listed: bool) -> pa.Table:
    """Say what the portions of a word are worth in each segment.

    Parameters
    ----------
    tables
        Coefficients.
    layout
        Of the bits.
    name
        Coefficient of an item, without the segment.
    are_listed
        Whether items are listed in segments where they are not paid.

    Returns
    -------
    One row per ``value``, the number of the segment × 1,024 + bits; for each portion ``units_PORTION`` (thousandths),
    ``items_PORTION`` (how many) and ``listed_PORTION`` (their names, each after a blank).
    """
    segments = tables.model.segments
    count = [value.bit_count() for value in range(VALUES)] * len(segments)
    columns: dict[str, pa.Array] = {"value": pa.array(range(VALUES * len(segments)), pa.int64())}
    for portion, items in layout.portions():
        names = [name(item) for item in items]
        units: list[int] = []
        texts: list[str] = []
        for segment in segments:
            pays = segment not in tables.model.without_conditions
            each = [tables.units(segment, one) if pays else 0 for one in names]
            shown = [one if are_listed or f"{segment}_{one}".lower() in tables.coefficients else "" for one in names]
            worth, text = [0], [""]
            # Every value is one with its highest bit cleared, and that bit.
            for bit in range(PORTION):
                extra = each[bit] if bit < len(items) else 0
                label = f" {shown[bit]}" if bit < len(items) and shown[bit] else ""
                worth += [one + extra for one in worth]
                text += [one + label for one in text]
            units += worth
            texts += text
        columns[f"units_{portion}"] = pa.array(units, pa.int64())
        columns[f"items_{portion}"] = pa.array(count, pa.int64())
        columns[f"listed_{portion}"] = pa.array(texts)
    return pa.table(columns)


def count_table(tables: RiskTables, largest: int) -> pa.Table:
    """Give one row per segment and number of categories: ``count_key``, ``count_units``, ``count_variable``."""
    keys, units, names = [], [], []
    for number, segment in enumerate(tables.model.segments):
        for count in range(largest + 1):
            name = "D10P" if count >= 10 else f"D{count}"
            worth = tables.units(segment, name) if segment not in tables.model.without_conditions and count else 0
            keys.append(number * (largest + 1) + count)
            units.append(worth)
            names.append(name if worth else "")
    return pa.table({"count_key": keys, "count_units": units, "count_variable": names})


def _columns(prefix: str, words: Sequence[Sequence[int]]) -> dict[str, pa.Array]:
    return {
        f"{prefix}_{number}": pa.array(column, pa.int64()) for number, column in enumerate(zip(*words, strict=True))
    }
