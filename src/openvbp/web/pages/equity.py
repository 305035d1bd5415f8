"""Equity: score and payment by kind of provider, with the rules in force and with others."""

from __future__ import annotations

import functools
import itertools
from pathlib import Path
from typing import Any

from openvbp.diagnosis.equity import equity as diagnose
from openvbp.diagnosis.runs import Runs
from openvbp.diagnosis.section import CannotBeMadeError, Section
from openvbp.parameters import ACTUAL
from openvbp.web import charts, words
from openvbp.web.page import Page, Rows
from openvbp.web.provider_groups import groups_of, title
from openvbp.web.runs import HeldRun, ServedRun
from openvbp.web.site import Site
from openvbp.web.viewer import Asked


def equity(site: Site, asked: Asked, program: str, period: str) -> Page:
    """Show who gains and loses, by kind of provider."""
    run = site.run(program, period)
    held = site.held(run, asked)
    section, why_not = _section(run, held, site.providers_file)
    rates = (
        [
            {**row, "mean_score": _mean_scores(held, run, site.providers_file).get((row["by"], row["group"]))}
            for row in section.tables["rates"]
        ]
        if section
        else []
    )
    rescored = list(section.tables["rescored"]) if section else []
    return Page(
        "equity.html",
        f"Equity: {run.record['title']}, {run.record['period']}",
        site.about(run),
        [Rows("groups", rates), Rows("other_rules", rescored)],
        {
            "run": run,
            "findings": list(section.findings) if section else [],
            "why_not": why_not,
            "tables": [
                {"by": by, "title": title(by), "rows": rows, "forest": _forest(rows)}
                for by, group in itertools.groupby(rates, lambda row: row["by"])
                for rows in [list(group)]
            ],
            "others": [
                {
                    "by": by,
                    "rules": rules,
                    "title": title(by),
                    "rows": rows,
                    "forest": _moved(rows, run),
                }
                for (by, rules), group in itertools.groupby(rescored, lambda row: (row["by"], row["rules"]))
                for rows in [list(group)]
            ],
        },
    )


@functools.lru_cache(maxsize=32)
def _section(run: ServedRun, held: HeldRun, providers_file: Path | None) -> tuple[Section | None, str]:
    try:
        return diagnose(Runs((held,), run.main_component), groups_of(run, providers_file)), ""
    except CannotBeMadeError as error:
        return None, str(error)


@functools.lru_cache(maxsize=32)
def _mean_scores(held: HeldRun, run: ServedRun, providers_file: Path | None) -> dict[tuple[str, str], float]:
    scores = {
        row["provider_id"]: float(row["score"])
        for row in held.rows("provider_result")
        if row["scenario_id"] == ACTUAL and row["score"] is not None
    }
    found: dict[tuple[str, str], list[float]] = {}
    for by, members in groups_of(run, providers_file).groups.items():
        for provider_id, group in members.items():
            if provider_id in scores:
                found.setdefault((by, group), []).append(scores[provider_id])
    return {key: sum(values) / len(values) for key, values in found.items()}


def _forest(rows: list[dict[str, Any]]) -> Any:
    known = [row for row in rows if row["share"] is not None]
    said = "; ".join(f"{row['group']} {words.percent(row['share'], 0)}" for row in known)
    return charts.groups_with_intervals(
        [(str(row["group"]), row["share"], row["low"], row["high"], words.percent(row["share"], 0)) for row in known],
        f"Share that loses, with 95 % intervals: {said}",
    )


def _moved(rows: list[dict[str, Any]], run: ServedRun) -> Any:
    """Draw the change of each group: of money where it is known, else of the rate."""
    name = "amount_change" if any(row["amount_change"] is not None for row in rows) else "rate_change"
    known = [row for row in rows if row[name] is not None]

    def said(value: float) -> str:
        return words.money(value, run.currency) if name == "amount_change" else words.signed(value, 3)

    listed = "; ".join(f"{row['group']} {said(row[name])}" for row in known)
    marks = [(str(row["group"]), row[name], row[f"{name}_low"], row[f"{name}_high"], said(row[name])) for row in known]
    return charts.groups_with_intervals(marks, f"Change by the other rules, with 95 % intervals: {listed}")
