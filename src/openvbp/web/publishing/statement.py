"""The statement of a provider: what was paid and why, for print."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from markupsafe import Markup

from openvbp.parameters import ACTUAL
from openvbp.reporting.explanation import Step
from openvbp.run_folder import RECORD
from openvbp.web import rendering, words
from openvbp.web.pages import why
from openvbp.web.runs import ServedRun
from openvbp.web.site import Site, measure_title
from openvbp.web.viewer import Asked
from openvbp.web.words import step_words

_NOT_LEFT_OUT = ("scored", "unverified", None)


class StatementSite(Site):
    """One run whose providers are asked for by their identifiers."""

    def provider(self, run: ServedRun, part: str) -> str:  # noqa: ARG002
        """Give the identifier itself."""
        return part


def statement(site: StatementSite, run: ServedRun, provider_id: str, *, workbook: str = "") -> str:
    """Write the statement of a provider as a page of HTML without scripts, made to be printed.

    Parameters
    ----------
    site
        Decides whether small cells are withheld.
    run
        The run.
    provider_id
        One of its providers.
    workbook
        Name of the workbook beside the statement; empty where there is none.
    """
    content = why.why(site, Asked(), run.program, run.period, provider_id).content
    held = site.held(run, Asked(), provider_id)
    found = why.explained(held, provider_id, ACTUAL)
    steps = found.steps if found else ()
    return (
        rendering.environment()
        .get_template("statement.html")
        .render(
            {
                **content,
                "style": style(),
                "workbook": workbook,
                "is_public": not site.shows_all,
                # By the digest of a run whose small counts are withheld, guesses of them could be tried.
                "run_digest": run_digest(run) if site.shows_all or not run.suppressed_cells else "",
                "parameters": _parameters(run, steps),
                "citations": _citations(steps),
                "missing": _missing(run, content, steps),
            }
        )
    )


@functools.cache
def style() -> Markup:
    """Give the style sheet of statements, to stand within them."""
    return Markup(files("openvbp.web").joinpath("static", "statement.css").read_text(encoding="utf-8"))  # noqa: S704


@functools.lru_cache(maxsize=8)
def run_digest(run: ServedRun) -> str:
    """Give the SHA-256 of the run's record, which holds those of its inputs, parameters and tables."""
    return hashlib.sha256((run.full.path / RECORD).read_bytes()).hexdigest()


def _parameters(run: ServedRun, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Give the values that the rules set, those of the program as a whole first.

    Measures and domains with the same value from the same source share a row.
    """
    given = [one for one in steps if one.rule_id == "parameter"]
    given.sort(key=lambda one: (one.measure_id is not None, one.domain_id is not None))
    rows: dict[tuple[str, str, str, str | None], dict[str, None]] = {}
    for one in given:
        places = rows.setdefault((one.quantity, step_words(one.value, one.unit, one.note), one.citation, one.note), {})
        if one.measure_id or one.domain_id:
            places[measure_title(run.program, one.measure_id) if one.measure_id else words.title_of(one.domain_id)] = (
                None
            )
    return [
        {"quantity": quantity, "value": value, "citation": citation, "note": note, "places": list(places)}
        for (quantity, value, citation, note), places in rows.items()
    ]


def _citations(steps: Sequence[Step]) -> list[tuple[str, list[str]]]:
    """Give every paragraph and source with the quantities that stand on it."""
    found: dict[str, dict[str, None]] = {}
    for one in steps:
        said = one.citation if one.citation not in ("input", "count") else why.KINDS[one.citation]
        found.setdefault(said, {})[words.title_of(one.quantity)] = None
    return [(citation, list(quantities)) for citation, quantities in found.items()]


def _missing(run: ServedRun, content: Mapping[str, Any], steps: Sequence[Step]) -> list[dict[str, Any]]:
    """List measures, domains and parts of the payment that have no value, and counted exclusions."""
    listed = [(row["title"], row) for row in content["measure_rows"]]
    listed += [(f"Domain {words.title_of(row['domain_id'])}", row) for row in content["domain_rows"]]
    listed += [(f"Payment: {words.title_of(row['component_id'])}", row) for row in content["payments"]]
    rows = [
        {"what": what, "status": words.status_words(row["status"]), "why": row["status_reason"]}
        for what, row in listed
        if row["status"] not in _NOT_LEFT_OUT
    ]
    return rows + [
        {
            "what": why.label(run, one),
            "status": step_words(one.value, one.unit, one.note),
            "why": one.note or one.citation,
        }
        for one in steps
        if any(part in one.quantity for part in ("exclu", "except")) and one.value
    ]
