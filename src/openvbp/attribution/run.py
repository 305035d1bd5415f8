"""A run of attribution on a folder of claims, and what it prints."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from openvbp import __version__
from openvbp.attribution.evaluator import attribute
from openvbp.attribution.events import read_events
from openvbp.attribution.portions import Portions, portions
from openvbp.attribution.result_rows import ResultRows, Tally
from openvbp.attribution.rule import Rule
from openvbp.attribution.rule_files import find_rule, is_unverified, rule_ids, shipped_rule
from openvbp.claims.tables import ClaimsData, open_claims
from openvbp.engine import EngineName, cannot_write, open_engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.periods import Period, parse_any_period

ATTRIBUTION = "attribution.parquet"
SUMMARY = "attribution.json"
_Given = TypeVar("_Given")


def given(value: _Given | None, option: str, what: str) -> _Given:
    """Demand an option.

    Raises
    ------
    UsageError
        If it is absent.
    """
    if value is None:
        raise UsageError(Problem(f"{what} is not given", option, f"add {option}, or --rules to list the rules"))
    return value


def listed_rules() -> list[dict[str, Any]]:
    """List the shipped rules: name, title, unit, source, what has not been read in it."""
    return [
        {
            "rule": rule.rule,
            "title": rule.title,
            "subject": rule.subject,
            "unit": rule.unit,
            "cite": rule.cite,
            "is_unverified": is_unverified(rule, date.today().year),
            "unverified": rule.unverified,
            "about": rule.about,
        }
        for rule in map(shipped_rule, rule_ids())
    ]


def render_rules(rows: Sequence[dict[str, Any]]) -> str:
    """Write the list for a terminal."""
    blocks = []
    for row in rows:
        lines = [
            f"{row['rule']}  {row['title']}",
            f"  assigns each {row['subject'].replace('_', ' ')} to: {row['unit']}",
        ]
        lines.append(f"  source: {row['cite']}")
        if row["is_unverified"]:
            lines.append(f"  UNVERIFIED: {row['unverified'] or 'some of its codes'}")
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks)


def attribute_folder(
    *,
    data: Path,
    out: Path,
    period: str,
    rules: Sequence[str] = (),
    engine: EngineName = "duckdb",
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, Any]:
    """Evaluate rules on a folder of claims and write ``attribution.parquet`` and ``attribution.json``.

    Parameters
    ----------
    data
        Folder of claims in the native layout.
    out
        Folder for the results.
    period
        For example ``CY2024``, ``PY2024``, ``FY2024`` or ``2023-07..2024-06``.
    rules
        Names of rules or paths of rule files; all shipped rules whose tables are there when empty.
    engine, threads
        Where to compute.
    progress
        Told each line of progress.

    Returns
    -------
    The summary that is written: period, and for each rule its source and how many persons were assigned, and why not.

    Raises
    ------
    UsageError, InputDataError
        If a rule, the period or the data cannot be used; nobody who could be assigned is an error.
    MachineError
        If the results cannot be written.
    """
    span = parse_any_period(period)
    chosen = [find_rule(name) for name in rules]
    with open_engine(engine, threads) as opened:
        claims = open_claims(opened, data)
        if not chosen:
            chosen = [rule for rule in map(shipped_rule, rule_ids()) if not _missing(rule, claims, progress)]
        try:
            out.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".rows-", dir=out) as scratch:
                gathered = ResultRows(Path(scratch))
                tallies = _gather(portions(claims), chosen, span, gathered, progress)
                for name in gathered.write(out / ATTRIBUTION):
                    progress(f"rule {name} done")
        except OSError as error:
            raise cannot_write(out / ATTRIBUTION, error) from error
    summary = {
        "period": span.label,
        "openvbp": __version__,
        "data": str(data),
        "rules": [_summary(rule, span, tallies[rule.rule]) for rule in chosen],
    }
    if not any(row["eligible"] for row in summary["rules"]):
        raise InputDataError(
            Problem(f"nobody can be assigned in {span.label}", str(data), "choose a period with months of enrolment")
        )
    (out / SUMMARY).write_text(json.dumps(summary, indent=1, default=str) + "\n", encoding="utf-8")
    return summary


def render_summary(summary: dict[str, Any]) -> str:
    """Write what a run found for a terminal."""
    width = max(len(row["rule"]) for row in summary["rules"])
    lines = [f"Attribution {summary['period']}, {summary['data']}", ""]
    lines.append(f"{'rule':{width}}  {'eligible':>10}  {'assigned':>10}  {'share':>6}  {'units':>8}  not assigned")
    for row in summary["rules"]:
        why = "; ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in row["not_assigned"].items())
        share = "" if row["share"] is None else f"{row['share']:.3f}"
        mark = "  UNVERIFIED" if row["is_unverified"] else ""
        counts = f"{row['eligible']:>10,}  {row['assigned']:>10,}  {share:>6}  {row['units']:>8,}"
        lines.append(f"{row['rule']:{width}}  {counts}  {why}{mark}".rstrip())
    lines += ["", "Eligible and assigned are persons; in rules on stays, stays or transfer chains."]
    return "\n".join(lines)


def _missing(rule: Rule, claims: ClaimsData, progress: Callable[[str], None]) -> bool:
    """Whether the claims lack a table that a rule needs; says so."""
    needs = {"participant"} if rule.unit == "organization" else set()
    needs |= {"attestation" if one.source == "attestation" else "provider_attribution" for one in rule.pre_emption}
    # Who attests nothing is assigned by claims: an absent table of attestations is an empty one.
    lacks = sorted(name for name in needs - {"attestation"} if name not in claims)
    if lacks:
        progress(f"rule {rule.rule} left out: the claims have no table {', '.join(lacks)}")
    return bool(lacks)


def _gather(
    cut: Portions, rules: Sequence[Rule], period: Period, gathered: ResultRows, progress: Callable[[str], None]
) -> dict[str, Tally]:
    """Evaluate the rules portion by portion."""
    tallies = {rule.rule: Tally(rule) for rule in rules}
    engine = cut.claims.engine
    built = cut.each(lambda claims: attribute(engine, read_events(claims, rules, period), rules, period).tables)
    for number, tables in enumerate(built, start=1):
        for rule_id, table in tables.items():
            rows = engine.to_arrow(table.order_by("person_id", "episode_id", "unit_id"))
            tallies[rule_id].add(rows)
            gathered.add(rule_id, rows)
        if len(cut) > 1:
            progress(f"portion {number} of {len(cut)} done")
    return tallies


def _summary(rule: Rule, period: Period, tally: Tally) -> dict[str, Any]:
    return {
        "rule": rule.rule,
        "title": rule.title,
        "cite": rule.cite,
        "is_unverified": is_unverified(rule, period.end.year),
        "subject": rule.subject,
        "unit": rule.unit,
        **tally.counts(),
    }
