"""The first page: find a program, period or provider; what is modelled and verified against what."""

from __future__ import annotations

import functools
from typing import Any

from openvbp.programs import listing
from openvbp.web.page import Page, Rows
from openvbp.web.runs import ServedRun, address_part
from openvbp.web.site import Site
from openvbp.web.viewer import Asked

MOST_FOUND = 50


def finder(site: Site, asked: Asked) -> Page:
    """Show what is served, what is found, and what is modelled."""
    words = asked.text("q")
    runs = [_run_row(one) for one in site.runs.values()]
    found = _found(site, words) if words else []
    coverage = _coverage()
    return Page(
        "finder.html",
        "Pay-for-performance programs",
        {"served_runs": len(runs), "search": words},
        [
            Rows("found" if words else "runs", found if words else runs),
            Rows("runs" if words else "coverage", runs if words else coverage),
            *([Rows("coverage", coverage)] if words else []),
        ],
        {
            "words": words,
            "runs": runs,
            "found": found[:MOST_FOUND],
            "more": max(0, len(found) - MOST_FOUND),
            "coverage": coverage,
            "studies": sorted(site.studies),
            "has_overlap": site.registry is not None,
        },
        "found",
    )


@functools.cache
def _coverage() -> list[dict[str, Any]]:
    return [{**row, "law": "; ".join(row.pop("authority").values())} for row in listing.all_programs()]


def _run_row(run: ServedRun) -> dict[str, Any]:
    results = [row for row in run.public.rows("provider_result") if row["scenario_id"] == "actual"]
    return {
        "program": run.program,
        "title": run.record["title"],
        "period": run.record["period"],
        "providers": len(run.providers),
        "scored": sum(row["status"] in ("scored", "unverified") for row in results),
        "law": "; ".join(run.record["authority"].values()),
        "href": run.address,
        "audit": f"/audit/{run.name}",
    }


def _found(site: Site, words: str) -> list[dict[str, Any]]:
    """Find providers whose identifier, name, place or state holds every word, identifiers first."""
    parts = words.casefold().split()
    rows = []
    for run in site.runs.values():
        for provider_id, row in run.providers.items():
            texts = [provider_id, *(str(row[name]) for name in ("provider_name", "place", "state") if row[name])]
            text = " ".join([*texts, run.record["title"], run.program, run.record["period"]]).casefold()
            if all(part in text for part in parts):
                rows.append(
                    {
                        "provider_id": provider_id,
                        "provider_name": row["provider_name"],
                        "place": row["place"],
                        "state": row["state"],
                        "program": run.program,
                        "title": run.record["title"],
                        "period": run.record["period"],
                        "href": f"{run.address}{address_part(provider_id)}",
                    }
                )
    wanted = words.casefold()
    return sorted(rows, key=lambda row: (wanted not in row["provider_id"].casefold(), row["provider_name"] or "~"))
