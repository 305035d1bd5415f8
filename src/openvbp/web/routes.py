"""The addresses: which page is where, and what it takes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from openvbp.web.page import Page
from openvbp.web.pages import audit, card, compare, equity, evidence, finder, lab, law, league, overlap, study, why

_PARAMETER = re.compile(r"{(\w+)}")
_SCENARIO = {"scenario": "Scenario of the run; the rules in force when absent."}


@dataclass(frozen=True)
class PageRoute:
    """A page and where it is."""

    name: str
    path: str
    summary: str
    page: Callable[..., Page]
    queries: Mapping[str, str] = field(default_factory=dict)
    is_embedded: bool = False
    is_remembered: bool = True
    """Whether the answer to somebody who is not signed in is the same each time."""

    @property
    def path_parameters(self) -> dict[str, type]:
        """Names of what the address holds, and their types."""
        return {name: int if name == "step_number" else str for name in _PARAMETER.findall(self.path)}

    def twin_path(self, kind: str) -> str:
        """Give the address of a twin."""
        return f"{self.path.rstrip('/') or '/index'}.{kind}"


_LEAGUE = {
    "q": "Words that identifier, name or place hold.",
    "state": "Only this state or region.",
    "peer_group": "Only this peer group.",
    "status": "Only this status.",
    "by": "With 'group': a grouping of the equity page, such as size.",
    "group": "Only this group of it.",
    "sort": "rank, name, id, score or payment; a minus before it turns the order around.",
    **_SCENARIO,
}

_LAB = {
    "program": "Program of the run.",
    "period": "Period of the run, as in the address of its pages.",
    "set": "path:value of a changed parameter; repeatable.",
    "given": "path:value assumed before and after; repeatable.",
    "by": "Grouping: score, peer_group, state or dual.",
    "provider": "One provider to look at.",
}

_LAW = {"on": "The day, such as 2023-10-01; the last one when absent.", "at": "Number of the day, for the slider."}
_OVERLAP = {
    "q": "Words of identifier or title.",
    "program": "Only pairs with a measure of this program.",
    "kind": "same or near.",
    "first": "A measure, PROGRAM/ID, to lay beside another.",
    "second": "The other.",
    "reports": "A program that a practice reports to, to count what they ask for together; repeatable.",
    "physicians": "With 'reports': physicians of the practice.",
}
_COMPARE = {"provider": "Identifier; repeatable, three at most.", **_SCENARIO}

PAGES = (
    PageRoute("finder", "/", "What is served, found and modelled", finder.finder, {"q": "Words to look for."}),
    PageRoute("lab", "/lab", "What a reform does", lab.lab, _LAB),
    PageRoute("law", "/law/{program}", "Parameters and rules on a day", law.law, _LAW),
    PageRoute(
        "audit",
        "/audit/{run}",
        "What a run was made from",
        audit.audit,
        {"published": "1 to compare with published results."},
    ),
    PageRoute("study", "/evaluate/{study}", "A finished evaluation", study.study),
    PageRoute("overlap", "/overlap", "Measures that are the same", overlap.overlap, _OVERLAP),
    PageRoute("league", "/{program}/{period}/", "All providers of a run", league.league, _LEAGUE),
    PageRoute("equity", "/{program}/{period}/equity", "Scores and payments by kind of provider", equity.equity),
    PageRoute(
        "compare", "/{program}/{period}/compare", "Up to three providers side by side", compare.compare, _COMPARE
    ),
    PageRoute(
        "embed",
        "/{program}/{period}/{provider}/embed",
        "A small card for other pages",
        compare.embed,
        _SCENARIO,
        is_embedded=True,
    ),
    PageRoute("card", "/{program}/{period}/{provider}", "Report card of a provider", card.card, _SCENARIO),
    PageRoute("why", "/{program}/{period}/{provider}/why", "Why this payment", why.why, _SCENARIO),
    PageRoute(
        "evidence",
        "/{program}/{period}/{provider}/evidence",
        "Patients behind a provider's numbers: signed in only",
        evidence.evidence,
        {"measure": "Only this measure, on the page."},
        is_remembered=False,
    ),
    PageRoute(
        "step",
        "/{program}/{period}/{provider}/why/{step_number}",
        "One number and where it is from",
        why.step,
        _SCENARIO,
    ),
)
"""Pages in the order in which addresses are tried: fixed ones before those that begin with any program."""
