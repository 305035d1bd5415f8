"""Pairs of measures that may be the same, told from pairs that only share their topic.

Text gives candidates, not verdicts: whether two measures are one is decided by a person, or on data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from openvbp.harmonization.definition_differences import differences, parsed_differences
from openvbp.harmonization.definitions import without_ages
from openvbp.harmonization.registry import Measure
from openvbp.harmonization.text_similarity import TextIndex, normalized

Kind = Literal["duplicate", "family", "undecided", "remote"]

AT_LEAST = 0.5
"""Similarity from which two measures are candidates or a family: below it most pairs share only common words."""

# Words of titles that say how a result is reported, not what is measured.
_GENERIC = frozenset(
    {
        "a",
        "an",
        "and",
        "at",
        "by",
        "for",
        "from",
        "in",
        "of",
        "on",
        "or",
        "the",
        "to",
        "with",
        "without",
        "among",
        "as",
        "is",
        "are",
        "who",
        "patients",
        "patient",
        "people",
        "individuals",
        "persons",
        "measure",
        "measures",
        "inverse",
        "percentage",
        "percent",
        "rate",
        "use",
    }
)
_ABBREVIATION = re.compile(r"\([A-Za-z0-9/ -]{2,12}\)")


@dataclass(frozen=True)
class CandidatePair:
    """Two measures with similar texts."""

    first: Measure
    second: Measure
    similarity: float
    """Cosine of the texts' character n-grams, 0 to 1."""
    kind: Kind
    """``duplicate``: the same number, or the same title and nothing that could be read differs but the direction;
    ``family``: the same topic with another population, threshold, period or subject; ``undecided``: no difference is
    known, and one of the two has no definition to read; ``remote``: known to differ, and too unlike for a family."""
    reason: str
    linked_by: str
    """Number that both carry, ``CMS122`` or ``CBE 0059``; empty without one."""


def candidate_pairs(measures: Sequence[Measure], at_least: float = AT_LEAST) -> tuple[CandidatePair, ...]:
    """Find the pairs with similar texts, the most similar first, then by name.

    Parameters
    ----------
    measures
        One version of each measure. Those whose title says nothing but an identifier are not compared.
    at_least
        Least similarity.
    """
    known = sorted((one for one in measures if one.has_text), key=lambda one: one.key)
    found = [
        _judged(known[first], known[second], similarity)
        for first, second, similarity in TextIndex([text_of(one) for one in known]).pairs(at_least)
    ]
    return tuple(sorted(found, key=lambda one: (-round(one.similarity, 6), one.first.key, one.second.key)))


def nearest(wanted: Sequence[Measure], among: Sequence[Measure], many: int) -> tuple[CandidatePair, ...]:
    """Find the most similar others of each wanted measure, however little alike they are.

    Parameters
    ----------
    wanted, among
        One version of each measure. Those whose title says nothing but an identifier are left out.
    many
        How many others for each.

    Returns
    -------
    Pairs whose first is a wanted measure, in the order of their names; for each the best first, ties by name.
    """
    ours = sorted((one for one in wanted if one.has_text), key=lambda one: one.key)
    others = sorted((one for one in among if one.has_text), key=lambda one: one.key)
    index = TextIndex([text_of(one) for one in (*others, *ours)])
    found = []
    for place, one in enumerate(ours, start=len(others)):
        similarities = [float(similarity) for similarity in index.similarities(place)[: len(others)]]
        order = sorted(range(len(others)), key=lambda other: (-round(similarities[other], 9), other))
        found.extend(_judged(one, others[other], similarities[other]) for other in order[:many])
    return tuple(found)


def text_of(measure: Measure) -> str:
    """Give the compared text: the title counts twice."""
    return f"{measure.title} {measure.title} {measure.description}"


def linked_by(first: Measure, second: Measure) -> str:
    """Name the number that both carry, of the electronic specification or of the endorsement."""
    if first.cms_number and first.cms_number == second.cms_number:
        return f"CMS{first.cms_number}"
    if first.cbe_number and first.cbe_number == second.cbe_number:
        return f"CBE {first.cbe_number.zfill(4)}"
    return ""


def _judged(first: Measure, second: Measure, similarity: float) -> CandidatePair:
    link = linked_by(first, second)
    kind, reason = _kind(first, second, link)
    if kind == "family" and similarity < AT_LEAST:
        kind = "remote"
    return CandidatePair(first, second, similarity, kind, reason, link)


def _kind(first: Measure, second: Measure, link: str) -> tuple[Kind, str]:
    apart = parsed_differences(differences(first, second))
    differing = ", ".join(one for one in apart if one != "direction")
    opposite = "; opposite direction" if "direction" in apart else ""
    if link:
        return "duplicate", f"same number{f', but the texts say other {differing}' if differing else ''}{opposite}"
    if differing:
        return "family", f"other {differing}"
    ours, theirs = _subject(first.title), _subject(second.title)
    described = [bool(one.description) for one in (first, second)]
    if ours - theirs and theirs - ours:
        return "family", f"other subject: {_few(ours - theirs)} / {_few(theirs - ours)}"
    if not all(described):
        silent = "neither has a" if not any(described) else f"{(second if described[0] else first).name} has no"
        return "undecided", f"{silent} description"
    if ours != theirs:
        return "family", f"one title adds: {_few(ours ^ theirs)}"
    return "duplicate", f"same title, no clause known to differ{opposite}"


def _subject(title: str) -> set[str]:
    return set(normalized(without_ages(_ABBREVIATION.sub(" ", title))).split()) - _GENERIC


def _few(words: set[str]) -> str:
    return " ".join(sorted(words)[:4])


@dataclass(frozen=True)
class Family:
    """Measures that hang together by candidate pairs."""

    members: tuple[Measure, ...]
    duplicates: int
    """How many of its pairs are duplicates."""


def families(pairs: Sequence[CandidatePair]) -> tuple[Family, ...]:
    """Join pairs to connected groups, the largest first.

    A chain of similar texts joins measures that are not alike themselves; the pairs say which are.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for one in pairs:
        parent[root(one.first.name)] = root(one.second.name)
    members: dict[str, dict[str, Measure]] = {}
    duplicates: dict[str, int] = {}
    for one in pairs:
        top = root(one.first.name)
        members.setdefault(top, {}).update({one.first.name: one.first, one.second.name: one.second})
        duplicates[top] = duplicates.get(top, 0) + (one.kind == "duplicate")
    found = [
        Family(tuple(sorted(all_.values(), key=lambda m: m.key)), duplicates[top]) for top, all_ in members.items()
    ]
    return tuple(sorted(found, key=lambda one: (-len(one.members), one.members[0].key)))
