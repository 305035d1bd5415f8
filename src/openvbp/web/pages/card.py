"""The report card of a provider: score, payment, trend; domains; measures among their peers."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from openvbp.parameters import ACTUAL
from openvbp.web import charts, words
from openvbp.web.page import Page, Rows
from openvbp.web.pages.league import league_rows
from openvbp.web.payment_path import explained, explaining_steps
from openvbp.web.runs import HeldRun, ServedRun, address_part
from openvbp.web.site import Site, measure_title
from openvbp.web.viewer import Asked

LEAST_PEERS = 10
"""Fewer providers have no deciles."""


def card(site: Site, asked: Asked, program: str, period: str, provider: str) -> Page:
    """Show the report card of one provider."""
    run = site.run(program, period)
    provider_id = site.provider(run, provider)
    scenario_id = site.scenario(run, asked)
    held = site.held(run, asked, provider_id)
    content = card_content(site, run, held, provider_id, scenario_id)
    return Page(
        "card.html",
        f"{content['name']}: {run.record['title']}, {run.record['period']}",
        {
            **site.about(run, scenario_id),
            "provider_id": provider_id,
            "provider_name": content["provider"]["provider_name"],
        },
        [
            Rows("provider", [content["summary"]]),
            Rows("domains", content["domain_rows"]),
            Rows("measures", [{key: row[key] for key in row if key != "bullet"} for row in content["measure_rows"]]),
            Rows("payments", content["payments"]),
        ],
        content,
    )


def card_content(site: Site, run: ServedRun, held: HeldRun, provider_id: str, scenario_id: str) -> dict[str, Any]:
    """Gather what a card, and a column of a comparison, shows."""
    one = {"scenario_id": scenario_id, "provider_id": provider_id}
    provider = run.providers[provider_id]
    everybody = league_rows(run, held, scenario_id)
    summary = next((dict(row) for row in everybody if row["provider_id"] == provider_id), None)
    measures = [_measure(run, held, row) for row in held.rows("measure_result", **one)]
    domains = held.rows("domain_result", **one)
    scores = [float(row["score"]) for row in everybody if row["score"] is not None]
    own = None if summary is None or summary["score"] is None else float(summary["score"])
    name = provider["provider_name"] or provider_id
    payments = held.rows("payment_result", **one)
    return {
        "run": run,
        "scenario": scenario_id,
        "provider": provider,
        "provider_id": provider_id,
        "name": name,
        "href": f"{run.address}{address_part(provider_id)}",
        "summary": summary
        or {"provider_id": provider_id, "status": "not_reported", "status_reason": None, "score": None, "place": None},
        "scored": len(scores),
        "payments": payments,
        "explained_by": explaining_steps(explained(held, provider_id, scenario_id), payments),
        "trend": _trend(site, run, provider_id, measures),
        "spread": charts.histogram(
            scores, own, f"How {len(scores):,} scores are spread" + ("" if own is None else f"; the line is {name}")
        ),
        "domain_rows": domains,
        "measure_rows": measures,
        "domains": _grouped(domains, measures),
        "has_intervals": any(row["low"] is not None for row in measures),
        "has_evidence": (run.full.path / "evidence").is_dir(),
        "withheld": any(row["status"] == "suppressed" for row in [*measures, *domains]),
    }


def _grouped(domains: Sequence[Mapping[str, Any]], measures: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Put measures below their domains; those of none come last."""
    names = list(dict.fromkeys([row["domain_id"] for row in domains] + [row["domain_id"] for row in measures]))
    by_name = {row["domain_id"]: row for row in domains}
    return [
        {
            "domain_id": name,
            "title": words.title_of(name) if name else "Measures",
            "result": by_name.get(name),
            "bar": _domain_bar(by_name.get(name)),
            "measures": [row for row in measures if row["domain_id"] == name],
        }
        for name in names
    ]


def _domain_bar(row: Mapping[str, Any] | None) -> Any:
    if row is None:
        return ""
    score = row["score"]
    if score is None and row["points"] is not None and row["maximum_points"]:
        score = row["points"] / row["maximum_points"] * 100
    said = words.status_words(row["status"]) if score is None else f"{words.rounded(score, 1)} of 100"
    return charts.share_bar(None if score is None else float(score) / 100, said)


def _measure(run: ServedRun, held: HeldRun, row: Mapping[str, Any]) -> dict[str, Any]:
    limits = _measure_limits(held).get((row["scenario_id"], row["provider_id"], row["measure_id"]), {})
    shown = row["rate"] is not None and row["status"] != "suppressed"
    low, high = (limits.get(name) if shown else None for name in ("rate_low", "rate_high"))
    found = {
        **{key: value for key, value in row.items() if key not in ("program_id", "period_start", "period_end")},
        "title": measure_title(run.program, row["measure_id"]),
        "low": low,
        "high": high,
        "is_higher_better": _direction(row),
        "position": _position(row),
        "compared": _compared(row, low, high),
    }
    found["bullet"] = charts.bullet(
        charts.Bullet(
            *(None if row[name] is None else float(row[name]) for name in ("rate", "threshold", "benchmark")),
            peers_deciles(run).get(row["measure_id"], ()),
            _bullet_words(found),
            *(None if one is None else float(one) for one in (low, high)),
        )
    )
    return found


@functools.lru_cache(maxsize=64)
def _measure_limits(held: HeldRun) -> dict[tuple[str, str, str], Mapping[str, Any]]:
    return {(row["scenario_id"], row["provider_id"], row["measure_id"]): row for row in held.rows("measure_interval")}


@functools.lru_cache(maxsize=64)
def peers_deciles(run: ServedRun) -> dict[str, tuple[float, ...]]:
    """Give the first to ninth decile of each measure's rates that may be shown to everybody."""
    rates: dict[str, list[float]] = {}
    for row in run.public.rows("measure_result"):
        if row["scenario_id"] == ACTUAL and row["rate"] is not None:
            rates.setdefault(row["measure_id"], []).append(float(row["rate"]))
    return {
        name: tuple(float(one) for one in np.quantile(values, np.arange(1, 10) / 10))
        for name, values in rates.items()
        if len(values) >= LEAST_PEERS
    }


def _direction(row: Mapping[str, Any]) -> bool | None:
    """Whether a higher rate is better, as threshold and benchmark tell."""
    threshold, benchmark = row["threshold"], row["benchmark"]
    return None if threshold is None or benchmark is None or threshold == benchmark else benchmark > threshold


def _position(row: Mapping[str, Any]) -> str:
    """Say where the rate stands between threshold and benchmark."""
    is_higher_better, rate = _direction(row), row["rate"]
    if rate is None or is_higher_better is None:
        return ""
    sign = 1 if is_higher_better else -1
    if rate * sign >= row["benchmark"] * sign:
        return "at the benchmark or better"
    return "better than the threshold" if rate * sign >= row["threshold"] * sign else "worse than the threshold"


def _compared(row: Mapping[str, Any], low: Decimal | None, high: Decimal | None) -> str:
    """Say better, no different or worse than expected: only with an interval, and where it is known what is better."""
    reason = str(row["status_reason"] or "")
    for said in ("better than expected", "no different than expected", "worse than expected"):
        if said in reason:
            return said
    for said in ("above expected", "as expected", "below expected"):
        if reason.startswith(said):
            return said
    reference, is_higher_better = row["threshold"], _direction(row)
    if reference is None or low is None or high is None or row["rate"] is None:
        return ""
    if low <= reference <= high:
        return "no different from the threshold"
    if is_higher_better is None:
        return "above the threshold" if low > reference else "below the threshold"
    is_better = low > reference if is_higher_better else high < reference
    return f"{'better' if is_better else 'worse'} than the threshold, beyond chance"


def _bullet_words(row: Mapping[str, Any]) -> str:
    if row["rate"] is None:
        return f"{row['title']}: {words.status_words(row['status'])}"
    said = f"{row['title']}: {words.rounded(row['rate'], 4)}"
    for name in ("threshold", "benchmark"):
        if row[name] is not None:
            said += f", {name} {words.rounded(row[name], 4)}"
    return said


def _trend(site: Site, run: ServedRun, provider_id: str, measures: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Say in three words how the provider has moved: since the period before if that is served, else the baseline."""
    earlier = [
        one
        for one in site.runs.values()
        if one.program == run.program and one.record["period_start"] < run.record["period_start"]
    ]
    if earlier:
        before = max(earlier, key=lambda one: one.record["period_start"])
        then, now = (_score(one, provider_id) for one in (before, run))
        if then is not None and now is not None:
            change = (now - then) * (-1 if run.is_higher_better is False else 1)
            said = (
                "about the same"
                if abs(change) < Decimal("0.5")
                else ("better than before" if change > 0 else "worse than before")
            )
            return {
                "words": said,
                "why": f"score {words.rounded(then, 1)} in {before.record['period']}, {words.rounded(now, 1)} now",
            }
    known = [row for row in measures if None not in (row["rate"], row["baseline_rate"], row["is_higher_better"])]
    if not known:
        return {"words": "no earlier period", "why": "neither an earlier period is served nor are baseline rates known"}
    better = sum(
        (row["rate"] > row["baseline_rate"]) == row["is_higher_better"]
        for row in known
        if row["rate"] != row["baseline_rate"]
    )
    said = (
        "most rates improved"
        if better * 2 > len(known)
        else "few rates improved"
        if better * 2 < len(known)
        else "half have improved"
    )
    return {"words": said, "why": f"{better} of {len(known)} rates are better than in the baseline period"}


def _score(run: ServedRun, provider_id: str) -> Decimal | None:
    rows = run.public.rows("provider_result", scenario_id=ACTUAL, provider_id=provider_id)
    return rows[0]["score"] if rows else None
