"""What the commands print and write: tables of text for a person, rows and mappings for other tools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

from openvbp.harmonization.burden import Burden, pays_from
from openvbp.harmonization.candidate_pairs import CandidatePair, families
from openvbp.harmonization.data_elements import CodeOverlap
from openvbp.harmonization.definition_differences import ClauseDifference
from openvbp.harmonization.definitions import Clause
from openvbp.harmonization.lint import KINDS, Finding
from openvbp.harmonization.registry import Measure, Registry

_SHOWN = 20


def of_registry(registry: Registry) -> dict[str, Any]:
    """Count rows read, accepted and rejected."""
    return {
        "folder": str(registry.folder),
        "rows": registry.rows_read,
        "versions": len(registry.measures),
        "rejected": [asdict(one) for one in registry.rejected],
    }


def registry_lines(registry: Registry) -> list[str]:
    """Say the same in words."""
    lines = [f"registry  {registry.rows_read:,} rows: {len(registry.measures):,} versions of measures"]
    if registry.rejected:
        lines[0] += f", {len(registry.rejected):,} rejected"
        reasons = Counter(one.reason for one in registry.rejected)
        lines.extend(f"  {times:,} rejected: {reason}" for reason, times in reasons.most_common())
    return lines


PAIR_COLUMNS = (
    "kind",
    "similarity",
    "first_program",
    "first_measure",
    "first_version",
    "first_title",
    "second_program",
    "second_measure",
    "second_version",
    "second_title",
    "linked_by",
    "code_overlap",
    "reason",
)


def pair_rows(pairs: Sequence[CandidatePair], overlaps: Sequence[CodeOverlap]) -> list[dict[str, Any]]:
    """Give one row per pair, in the columns of ``PAIR_COLUMNS``; ``code_overlap`` is empty where it is not known."""
    kinds = {frozenset((one.first, one.second)): one.kind for one in overlaps}
    return [
        {
            "kind": one.kind,
            "similarity": f"{one.similarity:.4f}",
            **_named("first", one.first),
            **_named("second", one.second),
            "linked_by": one.linked_by,
            "code_overlap": kinds.get(frozenset((one.first.measure_id, one.second.measure_id)), ""),
            "reason": one.reason,
        }
        for one in pairs
    ]


def _named(side: str, one: Measure) -> dict[str, str]:
    return {
        f"{side}_program": one.program,
        f"{side}_measure": one.measure_id,
        f"{side}_version": one.version,
        f"{side}_title": one.title,
    }


def render_pairs(
    registry: Registry, measures: Sequence[Measure], pairs: Sequence[CandidatePair], overlaps: Sequence[CodeOverlap]
) -> str:
    """Print counts, the largest families and the most similar pairs of each kind."""
    compared = [one for one in measures if one.has_text]
    groups = families(pairs)
    kinds = Counter(one.kind for one in pairs)
    lines = [
        *registry_lines(registry),
        f"compared  {len(compared):,} measures in force; {len(measures) - len(compared):,} have no title to compare",
        f"pairs     {len(pairs):,}: {kinds['duplicate']:,} duplicates, {kinds['family']:,} of a family, "
        f"{kinds['undecided']:,} undecided" + (f", {kinds['remote']:,} remote" if kinds["remote"] else ""),
        f"groups    {len(groups):,} with {sum(len(one.members) for one in groups):,} measures",
    ]
    if overlaps:
        shared = Counter(one.kind for one in overlaps)
        lines.append(
            f"codes     {len(overlaps):,} pairs of electronic specifications: {shared['competing']:,} competing, "
            f"{shared['related']:,} related"
        )
    for kind in ("duplicate", "undecided", "family", "remote"):
        lines.extend(_pairs_of(kind, [one for one in pairs if one.kind == kind]))
    return "\n".join(lines)


def _pairs_of(kind: str, pairs: Sequence[CandidatePair]) -> Iterator[str]:
    if not pairs:
        return
    yield ""
    yield kind
    for one in pairs[:_SHOWN]:
        yield f"  {one.similarity:.2f}  {_words(one.first)}"
        yield f"        {_words(one.second)}"
        yield f"        {one.reason}{f' ({one.linked_by})' if one.linked_by else ''}"
    if len(pairs) > _SHOWN:
        yield f"  and {len(pairs) - _SHOWN:,} more: --out FILE writes all"


def render_nearest(registry: Registry, pairs: Sequence[CandidatePair]) -> str:
    """Print each measure with its nearest others below it."""
    lines = registry_lines(registry)
    shown = ""
    for one in pairs:
        if one.first.name != shown:
            shown = one.first.name
            lines.extend(["", _words(one.first)])
        lines.append(f"  {one.similarity:.2f}  {_words(one.second)}: {one.kind}, {one.reason}")
    return "\n".join(lines)


def _words(one: Measure) -> str:
    return f"{one.name}  {one.title if len(one.title) <= 90 else one.title[:87] + '...'}"


def as_comparison(
    first: Measure, second: Measure, found: Sequence[ClauseDifference], overlap: CodeOverlap | None
) -> dict[str, Any]:
    """Give a comparison as a mapping, with the words of both texts."""
    return {
        "first": _measure(first),
        "second": _measure(second),
        "clauses": [asdict(one) for one in found],
        "code_overlap": None
        if overlap is None
        else {"kind": overlap.kind, "population": str(overlap.population), "focus": str(overlap.focus)},
    }


def _measure(one: Measure) -> dict[str, Any]:
    return {
        "program": one.program,
        "measure_id": one.measure_id,
        "version": one.version,
        "title": one.title,
        "provenance": one.provenance,
    }


def render_comparison(
    first: Measure,
    second: Measure,
    found: Sequence[ClauseDifference],
    overlap: CodeOverlap | None,
    *,
    with_words: bool,
) -> str:
    """Print one line per clause, and the words it was read from if asked."""
    lines = [f"A  {_words(first)}  {first.version}", f"B  {_words(second)}  {second.version}", ""]
    for one in found:
        lines.append(f"{one.clause:<13} {one.outcome:<12} A: {_clause(one.first)}")
        lines.append(f"{'':<26} B: {_clause(one.second)}")
        if with_words:
            for side, clause in (("A", one.first), ("B", one.second)):
                lines.extend(f"{'':<26} {side} says: {words}" for words in clause.words)
    lines.append("")
    if overlap is None:
        lines.append("codes: no overlap of the two is in the registry folder")
    elif overlap.kind == "same specification":
        lines.append(f"codes: both have the electronic specification {overlap.first}")
    else:
        lines.append(
            f"codes: {overlap.kind}; {100 * overlap.population:.1f} % of the population's and "
            f"{100 * overlap.focus:.1f} % of the numerator's codes in common"
        )
    lines.append("Parsed clauses were compared by value. Text was not interpreted: read it with --texts.")
    return "\n".join(lines)


def _clause(one: Clause) -> str:
    if one.form == "text":
        return f"text, {sum(len(words.split()) for words in one.words)} words"
    return "; ".join(one.values) or "not stated"


FINDING_COLUMNS = tuple(Finding.__annotations__)


def render_findings(registry: Registry, found: Sequence[Finding]) -> str:
    """Print the findings by kind."""
    lines = registry_lines(registry)
    lines.append(f"findings  {len(found):,}")
    for kind, meaning in KINDS.items():
        of_kind = [one for one in found if one.kind == kind]
        if of_kind:
            lines.extend(["", f"{kind} ({len(of_kind):,}): {meaning}"])
            lines.extend(f"  {one.measure} {one.version}  {one.what}" for one in of_kind[:_SHOWN])
            if len(of_kind) > _SHOWN:
                lines.append(f"  and {len(of_kind) - _SHOWN:,} more: --out FILE writes all")
    return "\n".join(lines)


def as_burden(found: Burden) -> dict[str, Any]:
    """Give the figures as a mapping; money is text, so that nothing is rounded."""
    content = asdict(found)
    content["cost_separately"], content["cost_once"] = found.cost_separately, found.cost_once
    content["pays_from_separately"] = pays_from(found.cost_separately, found.reward_per_patient)
    content["pays_from_once"] = pays_from(found.cost_once, found.reward_per_patient)
    return content


def render_burden(found: Burden, rejected: Sequence[Mapping[str, Any]]) -> str:
    """Print the figures of a practice, and the rows of its files that are not in them."""
    saved = found.elements_separately - found.elements_once
    lines = [
        f"Reporting in {found.year}",
        "",
        f"programs                    {found.programs:>8,}",
        f"submissions                 {found.submissions:>8,}",
        f"specifications to follow    {found.specifications:>8,}",
        f"measures                    {found.measures:>8,}",
        f"  computed once             {found.computations:>8,}",
        f"data elements, by measure   {found.elements_separately:>8,}",
        f"  collected once            {found.elements_once:>8,}{_saved(saved, found.elements_separately)}",
        f"  measures without elements {len(found.without_specification):>8,}{_examples(found.without_specification)}",
        f"measures with exclusions    {found.with_exclusions:>8,}",
        f"  different exclusions      {found.exclusion_sets:>8,}",
        f"changed since {found.year - 1}          {len(found.changes):>8,}",
        *(f"    {one.measure}: {one.what}" for one in found.changes),
        f"  not known                 {len(found.not_compared):>8,}{_examples(found.not_compared)}",
    ]
    if found.not_in_registry:
        lines.append(f"not in the registry         {len(found.not_in_registry):>8,}{_examples(found.not_in_registry)}")
    lines.extend(f"rejected: {one['source_file']} row {one['row_number']}: {one['reason']}" for one in rejected)
    lines.extend(_costs(found))
    chosen = found.selection
    share = 100 * chosen.kept / chosen.total if chosen.total else Decimal()
    lines.extend(
        [
            "",
            f"fewest computations         {len(chosen.measures):>8,}  of {found.computations:,}, keep "
            f"{chosen.kept.normalize():f} of {chosen.total.normalize():f} a patient ({share:.1f} %)",
            *(f"    {one}" for one in chosen.measures),
        ]
    )
    return "\n".join(lines)


def _costs(found: Burden) -> Iterator[str]:
    yield ""
    yield f"{'fixed cost a year':<26}{'each':>10}{'separately':>16}{'once':>16}"
    for one in found.costs:
        yield (
            f"  {one.item.replace('_', ' '):<24}{one.amount:>10,}{one.amount * one.separately:>16,}"
            f"{one.amount * one.once:>16,}"
        )
    yield f"  {'together':<34}{found.cost_separately:>16,}{found.cost_once:>16,}"
    yield ""
    yield f"{'patients':>10}{'reward':>16}{'net, separately':>18}{'net, once':>16}"
    for one in found.sizes:
        yield f"{one.patients:>10,}{one.reward:>16,.2f}{one.net_separately:>18,.2f}{one.net_once:>16,.2f}"
    sizes = [pays_from(cost, found.reward_per_patient) for cost in (found.cost_separately, found.cost_once)]
    words = ["never" if one is None else f"{one:,} patients" for one in sizes]
    yield f"pays from {words[0]}, computed once from {words[1]}"


def _saved(saved: int, of: int) -> str:
    return f"  {Decimal(100 * saved) / of:.1f} % saved" if of else ""


def _examples(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"  {shown}{', ...' if len(names) > 3 else ''}" if names else ""
