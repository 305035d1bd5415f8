"""The measures that are known, as a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from openvbp.measures.catalogue import Collection
from openvbp.measures.domains import domains
from openvbp.measures.measure import Composite, Episode, Measure
from openvbp.measures.wording import choice_in_words, events_in_words, in_words


def listed(collections: Sequence[Collection]) -> list[dict[str, Any]]:
    """One row per measure: what it is, what it needs, what has not been verified."""
    return [_row(collection, one) for collection in collections for one in collection.measures]


def _row(collection: Collection, measure: Measure | Composite) -> dict[str, Any]:
    governance = measure.governance
    is_composite = isinstance(measure, Composite)
    basis = "episodes" if isinstance(measure, Measure) and isinstance(measure.basis, Episode) else "persons"
    return {
        "collection": collection.name,
        "measure": measure.id,
        "version": measure.version,
        "title": governance.title if governance else "",
        "direction": measure.direction,
        "scoring": measure.how if isinstance(measure, Composite) else measure.scoring,
        "basis": basis,
        "components": list(measure.components) if isinstance(measure, Composite) else [],
        "value_sets": [] if is_composite or not isinstance(measure, Measure) else sorted(measure.value_sets()),
        "steward": governance.steward if governance else "",
        "licence": governance.licence if governance else "",
        "unverified": governance.unverified if governance else None,
    }


def render(rows: Sequence[dict[str, Any]]) -> str:
    """Write the list for a terminal."""
    blocks = []
    for row in rows:
        better = row["direction"].replace("_", " ")
        lines = [f"{row['measure']}@{row['version']}  {row['title']}"]
        lines.append(
            f"  {row['scoring'].replace('_', ' ')} of {row['basis']}, {better}; {row['steward']}, {row['licence']}"
        )
        if row["components"]:
            lines.append(f"  made of: {', '.join(row['components'])}")
        if row["value_sets"]:
            lines.append(f"  value sets: {', '.join(row['value_sets'])}")
        if row["unverified"]:
            lines.append(f"  UNVERIFIED: {row['unverified']}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def definition(measure: Measure | Composite) -> dict[str, Any]:
    """A measure's populations in words, and who answers for it."""
    shown: dict[str, Any] = {"measure": measure.id, "version": measure.version, "direction": measure.direction}
    if isinstance(measure, Measure):
        if isinstance(measure.basis, Episode):
            parts = [events_in_words(measure.basis.index), choice_in_words(measure.basis)]
            shown["one_row_for_each"] = "; ".join(part for part in parts if part)
        shown["populations"] = {name: in_words(value) for name, value in measure.values()}
        if measure.scale != 1:
            shown["scale"] = str(measure.scale)
    else:
        shown["made_of"] = {"how": measure.how, "components": list(measure.components)}
    return shown | (asdict(measure.governance) if measure.governance else {})


def render_definition(shown: dict[str, Any]) -> str:
    """Write a definition for a terminal."""
    lines = [f"{shown['measure']}@{shown['version']}, {shown['direction'].replace('_', ' ')}"]
    lines += [f"  {shown[name]}" for name in ("title", "why") if shown.get(name)]
    if "one_row_for_each" in shown:
        lines.append(f"  one row for each: {shown['one_row_for_each']}")
    for name, words in shown.get("populations", {}).items():
        lines.append(f"  {name.replace('_', ' ')}: {words}")
    if "scale" in shown:
        lines.append(f"  result: times {shown['scale']}")
    if "made_of" in shown:
        made = shown["made_of"]
        lines.append(f"  {made['how'].replace('_', ' ')} of {', '.join(made['components'])}")
    for name in ("steward", "licence", "cite", "authored_by", "checked_by", "next_review"):
        if shown.get(name):
            lines.append(f"  {name.replace('_', ' ')}: {shown[name]}")
    lines += [f"  change: {one}" for one in shown.get("changes", ())]
    if shown.get("unverified"):
        lines.append(f"  UNVERIFIED: {shown['unverified']}")
    return "\n".join(lines)


def kinds() -> list[dict[str, Any]]:
    """Kinds of events, the systems of their codes and their fields."""
    return [
        {
            "kind": one.name,
            "about": one.about,
            "code_systems": list(one.code_systems),
            "fields": dict(one.fields),
        }
        for one in domains().values()
    ]


def render_kinds(rows: Sequence[dict[str, Any]]) -> str:
    """Write the kinds of events for a terminal."""
    blocks = []
    for row in rows:
        fields = ", ".join(f"{name} ({kind})" for name, kind in row["fields"].items()) or "none"
        blocks.append(
            f"events.{row['kind']}: {row['about']}\n  codes: {', '.join(row['code_systems'])}\n  fields: {fields}"
        )
    return "\n\n".join(blocks)
