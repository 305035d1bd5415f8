"""The league table: all providers of a run, sorted and filtered, with intervals where the run has them."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from openvbp.errors import Problem, UsageError
from openvbp.parameters import ACTUAL
from openvbp.web import charts, words
from openvbp.web.page import Page, Rows
from openvbp.web.provider_groups import members, title
from openvbp.web.runs import HeldRun, ServedRun, address_part
from openvbp.web.site import Site
from openvbp.web.viewer import Asked

ROWS_A_PAGE = 50
SORTS: Mapping[str, str] = {
    "rank": "place",
    "name": "provider_name",
    "id": "provider_id",
    "score": "score",
    "payment": "payment_rate",
}
"""What a table may be sorted by, and the column; a minus before it turns the order around."""


def league(site: Site, asked: Asked, program: str, period: str) -> Page:
    """Show the providers of a run."""
    run = site.run(program, period)
    scenario_id = site.scenario(run, asked)
    held = site.held(run, asked)
    rows = _filtered(league_rows(run, held, scenario_id), asked, _of_group(site, run, asked))
    order = asked.text("sort", "rank")
    rows = _sorted(rows, order)
    pages = max(1, -(-len(rows) // ROWS_A_PAGE))
    number = asked.number("page", 1, pages)
    shown = rows[(number - 1) * ROWS_A_PAGE : number * ROWS_A_PAGE]
    everybody = league_rows(run, held, scenario_id)
    shown_as = _dots_of(everybody)
    return Page(
        "league.html",
        f"{run.record['title']}, {run.record['period']}",
        site.about(run, scenario_id),
        [Rows("providers", [{key: row[key] for key in row if key not in ("href",)} for row in rows])],
        {
            "run": run,
            "scenario": scenario_id,
            "rows": [{**row, "dot": _dot(row, *shown_as)} for row in shown],
            "found": len(rows),
            "all": len(everybody),
            "page_number": number,
            "pages": pages,
            "first": (number - 1) * ROWS_A_PAGE + 1,
            "sort": order,
            "sorts": list(SORTS),
            "states": sorted({row["state"] for row in everybody if row["state"]}),
            "groups": sorted({row["peer_group"] for row in everybody if row["peer_group"]}),
            "statuses": sorted({row["status"] for row in everybody}),
            "has_intervals": any(row["payment_low"] is not None for row in everybody),
            "overlapping": _overlapping(everybody),
            "summary": _summary(everybody, run),
            "together": _together(rows, run, held, scenario_id),
            "grouping": title(asked.text("by")) if asked.text("by") else "",
            "dots": shown_as,
            "component": words.title_of(run.main_component),
        },
        "table",
    )


@functools.lru_cache(maxsize=64)
def league_rows(run: ServedRun, held: HeldRun, scenario_id: str) -> tuple[dict[str, Any], ...]:
    """Give a row per provider: score, payment and its interval, in the order of the scores that count as good."""
    payments = {
        row["provider_id"]: row
        for row in held.rows("payment_result")
        if row["scenario_id"] == scenario_id and row["component_id"] == run.main_component
    }
    results = {row["provider_id"]: row for row in held.rows("provider_result") if row["scenario_id"] == scenario_id}
    limits = {
        row["provider_id"]: row
        for row in held.rows("payment_interval")
        if row["scenario_id"] == scenario_id and row["component_id"] == run.main_component
    }
    rows = []
    for provider_id, provider in run.providers.items():
        # Some are paid without a score, as for documents they send in.
        if results and provider_id not in results and provider_id not in payments:
            continue
        result, payment = results.get(provider_id, {}), payments.get(provider_id, {})
        limit = limits.get(provider_id, {}) if payment.get("rate") is not None else {}
        rows.append(
            {
                "place": None,
                "provider_id": provider_id,
                "provider_name": result.get("provider_name") or provider["provider_name"],
                "place_name": provider["place"],
                "state": provider["state"],
                "peer_group": provider["peer_group"],
                "score": result.get("score"),
                "rank": result.get("rank"),
                "payment_rate": payment.get("rate"),
                "payment_low": limit.get("rate_low"),
                "payment_high": limit.get("rate_high"),
                "payment_amount": payment.get("amount"),
                "factor": payment.get("factor"),
                "currency": payment.get("currency"),
                "status": result.get("status") or payment.get("status") or "not_reported",
                "status_reason": result.get("status_reason") or payment.get("status_reason"),
                "href": f"{run.address}{address_part(provider_id)}",
            }
        )
    is_low_good = run.is_higher_better is False
    rows.sort(key=lambda row: _best_first(row, is_low_good=is_low_good))
    # Those who share a score share a place.
    for number, row in enumerate(rows, 1):
        if row["score"] is not None:
            before = rows[number - 2] if number > 1 else None
            row["place"] = before["place"] if before and before["score"] == row["score"] else number
    return tuple(rows)


def _best_first(row: Mapping[str, Any], *, is_low_good: bool) -> tuple[Any, ...]:
    score = row["score"]
    if score is None:
        return (True, 0, row["provider_id"])
    return (False, score if is_low_good else -score, row["provider_id"])


def _of_group(site: Site, run: ServedRun, asked: Asked) -> Collection[str]:
    """Give the providers of the group that is asked for; all where none is."""
    by = asked.text("by")
    return members(run, site.providers_file, by, asked.text("group")) if by else run.providers


def _filtered(rows: Sequence[dict[str, Any]], asked: Asked, chosen: Collection[str]) -> list[dict[str, Any]]:
    parts = asked.text("q").casefold().split()
    equal = {name: asked.text(name) for name in ("state", "status", "peer_group") if asked.text(name)}
    return [
        row
        for row in rows
        if row["provider_id"] in chosen
        and all(row[name] == value for name, value in equal.items())
        and all(part in f"{row['provider_id']} {row['provider_name']} {row['place_name']}".casefold() for part in parts)
    ]


def _sorted(rows: list[dict[str, Any]], order: str) -> list[dict[str, Any]]:
    """Sort; what has no value comes last in either direction."""
    name = order.removeprefix("-")
    if name not in SORTS:
        raise UsageError(
            Problem(f"a table cannot be sorted by '{order}'", "sort=", "choose one of: " + ", ".join(SORTS))
        )
    column = SORTS[name]
    known = [row for row in rows if row[column] is not None]
    missing = [row for row in rows if row[column] is None]
    return [*sorted(known, key=lambda row: row[column], reverse=order.startswith("-")), *missing]


def _together(rows: Sequence[Mapping[str, Any]], run: ServedRun, held: HeldRun, scenario_id: str) -> str:
    """Say what the amounts of these rows come to, and how far that is from the rules in force."""
    amounts = {row["provider_id"]: row["payment_amount"] for row in rows if row["payment_amount"] is not None}
    if not amounts:
        return ""
    said = f"payment change together {words.money(sum(amounts.values()), run.currency)}"
    if scenario_id == ACTUAL:
        return said
    actual = {row["provider_id"]: row["payment_amount"] for row in league_rows(run, held, ACTUAL)}
    changes = [amount - actual[one] for one, amount in amounts.items() if actual.get(one) is not None]
    return f"{said}; change from the rules in force {words.money(sum(changes), run.currency)}" if changes else said


def _dots_of(rows: Sequence[Mapping[str, Any]]) -> tuple[str, tuple[float, float]]:
    """Say what the dots show, payments where they differ and else scores, and on which scale."""
    names = ("payment_rate", "payment_low", "payment_high")
    for column, of_column in (("payment_rate", names), ("score", ("score",))):
        known = [float(row[name]) for row in rows for name in of_column if row[name] is not None]
        if known and min(known) < max(known):
            return column, (min(known), max(known))
    return "score", (0.0, 1.0)


def _dot(row: Mapping[str, Any], column: str, scale: tuple[float, float]) -> Any:
    value = None if row[column] is None else float(row[column])
    if value is None:
        return charts.dot(None, None, None, scale, words.status_words(row["status"]))
    if column == "score":
        return charts.dot(value, None, None, scale, f"score {words.rounded(value, 2)}")
    low, high = (None if row[one] is None else float(row[one]) for one in ("payment_low", "payment_high"))
    said = f"payment change {words.percent(value)}"
    if low is not None and high is not None:
        said += f", between {words.percent(low)} and {words.percent(high)} in nine draws of ten"
    return charts.dot(value, low, high, scale, said)


def _overlapping(rows: Sequence[Mapping[str, Any]]) -> int | None:
    """Count how many of those with an interval have one that overlaps the next one's in the table."""
    known = [row for row in rows if row["payment_low"] is not None and row["payment_high"] is not None]
    if not known:
        return None
    pairs = itertools.pairwise(known)
    return sum(
        one["payment_low"] <= other["payment_high"] and other["payment_low"] <= one["payment_high"]
        for one, other in pairs
    )


def _summary(rows: Sequence[Mapping[str, Any]], run: ServedRun) -> dict[str, Any]:
    changes = [
        row["payment_rate"] if row["payment_amount"] is None else row["payment_amount"]
        for row in rows
        if row["payment_amount"] is not None or row["payment_rate"] is not None
    ]
    scores = [float(row["score"]) for row in rows if row["score"] is not None]
    amounts = [row["payment_amount"] for row in rows if row["payment_amount"] is not None]
    return {
        "scored": len(scores),
        "gain": sum(change > 0 for change in changes),
        "lose": sum(change < 0 for change in changes),
        "neither": sum(change == 0 for change in changes),
        "paid": len(changes),
        "money": words.money(sum(amount for amount in amounts if amount > 0), run.currency) if amounts else "",
        "median": sorted(scores)[len(scores) // 2] if scores else None,
        "spread": charts.histogram(scores, None, f"How the scores of {len(scores):,} providers are spread"),
    }
