"""Up to three providers side by side, and the card that others may embed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openvbp.errors import Problem, UsageError
from openvbp.web.page import Page, Rows
from openvbp.web.pages.card import card_content
from openvbp.web.runs import address_part
from openvbp.web.site import Site, measure_title
from openvbp.web.viewer import Asked

MOST = 3


def compare(site: Site, asked: Asked, program: str, period: str) -> Page:
    """Show up to three providers side by side.

    Raises
    ------
    UsageError
        If more are asked for.
    """
    run = site.run(program, period)
    scenario_id = site.scenario(run, asked)
    wanted = [
        part.strip() for name, text in asked.pairs if name == "provider" for part in text.split(",") if part.strip()
    ]
    chosen = list(dict.fromkeys(site.provider(run, address_part(one)) for one in wanted))
    if len(chosen) > MOST:
        raise UsageError(
            Problem(f"{len(chosen)} providers do not fit side by side", "provider=", f"choose {MOST} at most")
        )
    cards = [card_content(site, run, site.held(run, asked, one), one, scenario_id) for one in chosen]
    rows = _rows(run.program, cards)
    return Page(
        "compare.html",
        f"Side by side: {run.record['title']}, {run.record['period']}",
        {**site.about(run, scenario_id), "providers": ", ".join(chosen)},
        [
            Rows("measures", [_flat(row, chosen) for row in rows]),
            Rows("providers", [card["summary"] for card in cards]),
        ],
        {"run": run, "scenario": scenario_id, "cards": cards, "rows": rows, "chosen": chosen, "most": MOST},
    )


def _rows(program: str, cards: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Give a row per measure with a cell per provider; one that a provider lacks is none."""
    by_provider = [{row["measure_id"]: row for row in card["measure_rows"]} for card in cards]
    names = dict.fromkeys(name for rows in by_provider for name in rows)
    return [
        {"measure_id": name, "title": measure_title(program, name), "cells": [rows.get(name) for rows in by_provider]}
        for name in names
    ]


def _flat(row: Mapping[str, Any], chosen: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"measure_id": row["measure_id"], "title": row["title"]}
    for provider_id, cell in zip(chosen, row["cells"], strict=True):
        for name in ("rate", "points", "status"):
            found[f"{provider_id}_{name}"] = None if cell is None else cell[name]
    return found


def embed(site: Site, asked: Asked, program: str, period: str, provider: str) -> Page:
    """Show a small card for other pages: what everybody may see, whoever asks."""
    run = site.run(program, period)
    provider_id = site.provider(run, provider)
    scenario_id = site.scenario(run, asked)
    held = run.full if site.shows_all else run.public
    content = card_content(site, run, held, provider_id, scenario_id)
    return Page(
        "embed.html",
        f"{content['name']}: {run.record['title']}, {run.record['period']}",
        {**site.about(run, scenario_id), "provider_id": provider_id},
        [Rows("provider", [content["summary"]]), Rows("domains", content["domain_rows"])],
        content,
    )
