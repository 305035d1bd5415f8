"""The audit of a run: inputs with digests, versions, rows at every step, checks, differences from published values."""

from __future__ import annotations

import functools
from typing import Any

from openvbp.errors import OpenvbpError, Problem
from openvbp.programs import program as find_program
from openvbp.reporting.comparison import Comparison
from openvbp.reporting.comparison import compare as compare_run
from openvbp.web.lab import find_data
from openvbp.web.page import NotFoundError, Page, Rows
from openvbp.web.runs import ServedRun
from openvbp.web.site import Site
from openvbp.web.viewer import Asked

DIFFERENCES_SHOWN = 50


def audit(site: Site, asked: Asked, run: str) -> Page:
    """Show what a run was made from and how."""
    found = site.runs.get(run)
    if found is None:
        raise NotFoundError(
            Problem(
                f"no run '{run}' is served",
                f"/audit/{run}",
                "choose one on the first page",
                examples=tuple(site.runs)[:3],
            )
        )
    record = found.record
    # Whoever knows a small file but for one count could try every count until the digest is right.
    shows_digests = site.sees_all(asked.viewer) or not found.suppressed_cells
    files = [file if shows_digests else {**file, "sha256": "not published"} for file in record["input_files"]]
    checks = record["checks"] if shows_digests else []
    stages = [
        {
            "stage": name,
            "table": path,
            "rows": table["rows"],
            "seconds": stage["seconds"],
            "sha256": table["sha256"] if shows_digests else "not published",
        }
        for name, stage in record["stages"].items()
        for path, table in stage["tables"].items()
    ]
    compared, why_not = (None, "")
    if asked.text("published"):
        compared, why_not = _compared(site, found) if shows_digests else (None, "small numbers are withheld")
    return Page(
        "audit.html",
        f"Audit: {record['title']}, {record['period']}",
        {**site.about(found), "run": run, "finished_at": record["finished_at"], "engine": record["engine"]},
        [
            Rows("input_files", files),
            Rows("tables", stages),
            Rows("checks", [{**one, "examples": "; ".join(one["examples"])} for one in checks]),
            *(
                [Rows("published", [vars(one) | {"is_equal": one.is_equal} for one in compared.quantities])]
                if compared
                else []
            ),
            *([Rows("differences", compared.differences)] if compared else []),
        ],
        {
            "run": found,
            "record": record,
            "files": files,
            "stages": stages,
            "checks": checks,
            "compared": compared,
            "why_not": why_not,
            "asked_published": bool(asked.text("published")),
            "shown": DIFFERENCES_SHOWN,
            "shows_digests": shows_digests,
        },
    )


def _compared(site: Site, run: ServedRun) -> tuple[Comparison | None, str]:
    """Compare with the published values, or say why that cannot be done."""
    try:
        return _comparison(run, site.labs.folders), ""
    except OpenvbpError as error:
        return None, "; ".join(f"{one.what}: {one.what_to_do}" for one in error.problems)


@functools.lru_cache(maxsize=16)
def _comparison(run: ServedRun, folders: tuple[Any, ...]) -> Comparison:
    if run.is_contract:
        raise NotFoundError(
            Problem("nothing is published about a contract", run.program, "compare it with another run")
        )
    program = find_program(run.program)
    published = program.read_published_values(find_data(run.full, folders), run.record["period"])
    return compare_run(run.full, published, program.tolerances)
