"""The patients behind a provider's numbers: for those who may see them, and never without a record."""

from __future__ import annotations

from typing import Any

import pyarrow.parquet as pq

from openvbp.errors import Problem
from openvbp.web.page import ForbiddenError, NotFoundError, Page, Rows
from openvbp.web.runs import ServedRun, address_part
from openvbp.web.site import Site
from openvbp.web.viewer import Asked

ROWS_SHOWN = 200


def evidence(site: Site, asked: Asked, program: str, period: str, provider: str) -> Page:
    """Show who is behind the numbers of one provider.

    Raises
    ------
    ForbiddenError
        If whoever asks is not signed in or may not see this provider.
    NotFoundError
        If the run has no patients.
    """
    run = site.run(program, period)
    if site.sign_in is None or not asked.viewer.name:
        raise ForbiddenError(
            Problem("patients are shown to those who are signed in alone", "this page", "sign in, and come again")
        )
    # Whether there is such a provider is told to nobody who may not see it.
    provider_id = run.provider_of_address.get(provider, provider)
    if not asked.viewer.covers_provider(run.program, provider_id):
        raise ForbiddenError(
            Problem("you may not see the patients of this provider", "this page", "ask whoever runs this server")
        )
    provider_id = site.provider(run, provider)
    tables = evidence_tables(run, provider_id)
    if not tables:
        raise NotFoundError(
            Problem("the run has no patients of this provider", f"{run.record['title']}, {provider_id}", "see the card")
        )
    rows = {one.name: len(one.rows) for one in tables}
    site.sign_in.record_access(asked.viewer, run.program, run.record["period"], provider_id, rows)
    name = run.providers[provider_id]["provider_name"] or provider_id
    return Page(
        "evidence.html",
        f"Patients behind the numbers: {name}",
        {**site.about(run), "provider_id": provider_id, "seen_by": asked.viewer.name},
        tables,
        {
            "run": run,
            "name": name,
            "href": f"{run.address}{address_part(provider_id)}",
            "measure": asked.text("measure"),
            "shown": [_shown(one, asked.text("measure")) for one in tables],
        },
    )


def evidence_tables(run: ServedRun, provider_id: str) -> list[Rows]:
    """Read a provider's rows of every table below ``RUN/evidence``."""
    found = []
    for path in sorted((run.full.path / "evidence").glob("*.parquet")):
        if "provider_id" not in pq.read_schema(path).names:
            continue
        rows = pq.read_table(path, filters=[("provider_id", "==", provider_id)]).to_pylist()
        if rows:
            found.append(Rows(path.stem, rows))
    return found


def _shown(table: Rows, measure_id: str) -> dict[str, Any]:
    rows = [row for row in table.rows if not measure_id or row.get("measure_id") == measure_id]
    columns = [one for one in table.columns if one not in ("provider_id", "scenario_id")]
    return {"name": table.name, "columns": columns, "rows": rows[:ROWS_SHOWN], "all": len(rows)}
