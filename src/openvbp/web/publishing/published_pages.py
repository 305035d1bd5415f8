"""The pages of a published site: where each is, and what it shows."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from openvbp.errors import InputDataError, Problem
from openvbp.parameters import ACTUAL
from openvbp.programs import program_ids
from openvbp.web.page import Page
from openvbp.web.pages import audit, card, equity, finder, law, league, overlap, study
from openvbp.web.pages.league import league_rows
from openvbp.web.publishing.file_names import file_names
from openvbp.web.publishing.numbers_page import numbers
from openvbp.web.runs import ServedRun, address_part
from openvbp.web.site import Site
from openvbp.web.viewer import Asked

ROWS_A_LIST = 500
TWINS = ("json", "csv")
SORTS = ("rank", "name")
"""Orders in which the table of all providers is published."""


@dataclass(frozen=True)
class PublishedPage:
    """A page and the file it becomes."""

    address: str
    """Where the server has it; empty where it has none."""
    file: str
    page: Callable[[], Page]
    asked: Asked = field(default_factory=Asked)
    twins_as: tuple[str, ...] = ()
    """Endings of the twins beside it."""
    files_of: ServedRun | None = None
    """Run whose files are listed on it."""

    @property
    def path(self) -> str:
        """The address without what is asked for."""
        return self.address.partition("?")[0]

    @property
    def twins(self) -> Mapping[str, str]:
        """File of each twin by its ending."""
        stem = self.file.removesuffix(".html")
        return {kind: f"{stem}.{kind}" for kind in self.twins_as}


def site_pages(site: Site) -> Iterator[PublishedPage]:
    """List the pages that belong to no provider alone."""
    nobody = Asked()
    yield PublishedPage("/", "index.html", lambda: finder.finder(site, nobody), twins_as=TWINS)
    yield PublishedPage("/lab", "lab.html", lambda: _lab(site))
    for run in site.runs.values():
        yield from _run_pages(site, run)
    for program in dict.fromkeys((*program_ids(), *(run.program for run in site.runs.values()))):
        yield from _law_pages(site, program)
    for name in site.studies:
        make = functools.partial(study.study, site, nobody, name)
        yield PublishedPage(f"/evaluate/{name}", f"evaluate/{name}/index.html", make, twins_as=TWINS)
    if site.registry is not None:
        yield from _overlap_pages(site)


def provider_pages(site: Site, run: ServedRun) -> Iterator[tuple[PublishedPage, ...]]:
    """List the pages of each provider: its card, and its payment explained with all its numbers; by scenario.

    Raises
    ------
    InputDataError
        If two providers, or a provider and a page, have the same address.
    """
    _demand_addresses(run)
    for provider_id, folder in provider_folders(run).items():
        address = f"{run.address}{address_part(provider_id)}"
        yield tuple(
            page
            for scenario_id in run.scenarios
            for page in _of_provider(site, run, provider_id, address, f"{run.address[1:]}{folder}", scenario_id)
        )


def _of_provider(
    site: Site, run: ServedRun, provider_id: str, address: str, folder: str, scenario_id: str
) -> Iterator[PublishedPage]:
    asked, ending, query = _of_scenario(run, scenario_id)
    make = functools.partial(card.card, site, asked, run.program, run.period, address_part(provider_id))
    yield PublishedPage(f"{address}{query}", f"{folder}/index{ending}.html", make, asked, TWINS)
    explained = functools.partial(numbers, site, run, provider_id, asked)
    # The workbook and the tables of the run hold the same for programs.
    yield PublishedPage(f"{address}/why{query}", f"{folder}/why{ending}.html", explained, asked, ("csv",))


def _of_scenario(run: ServedRun, scenario_id: str) -> tuple[Asked, str, str]:
    """Give what is asked for to see a scenario, the end of the names of its files, and that of its addresses."""
    if scenario_id == ACTUAL:
        return Asked(), "", ""
    ending = f"-{file_names(run.scenarios)[scenario_id]}"
    return Asked(query={"scenario": scenario_id}), ending, f"?{urlencode({'scenario': scenario_id})}"


@functools.lru_cache(maxsize=64)
def provider_folders(run: ServedRun) -> Mapping[str, str]:
    """Give the folder of each provider within that of its run."""
    stems = ["equity", *(f"index{_of_scenario(run, one)[1]}" for one in run.scenarios)]
    taken = ["tables", "results.xlsx", *(f"{stem}.{kind}" for stem in stems for kind in ("html", *TWINS))]
    return file_names(run.providers, taken)


def _run_pages(site: Site, run: ServedRun) -> Iterator[PublishedPage]:
    folder, name = run.address[1:], run.name
    for scenario_id in run.scenarios:
        yield from _league_pages(site, run, scenario_id)
    yield PublishedPage(
        f"{run.address}equity",
        f"{folder}equity.html",
        lambda: equity.equity(site, Asked(), run.program, run.period),
        twins_as=TWINS,
    )
    yield PublishedPage(
        f"/audit/{name}", f"audit/{name}.html", lambda: audit.audit(site, Asked(), name), twins_as=TWINS
    )
    lists = provider_lists(run)
    for number in range(1, len(lists) + 1):
        file = f"find/{name}.html" if number == 1 else f"find/{name}-{number}.html"
        yield PublishedPage(f"/find/{name}?page={number}", file, functools.partial(_list, site, run, number))


def _league_pages(site: Site, run: ServedRun, scenario_id: str) -> Iterator[PublishedPage]:
    """List the table of all providers in portions; of the rules in force in each order."""
    scenario, ending, _ = _of_scenario(run, scenario_id)
    pages = -(-len(run.providers) // league.ROWS_A_PAGE)
    for order, number in itertools.product(SORTS if scenario_id == ACTUAL else SORTS[:1], range(1, pages + 1)):
        asked = Asked(query={**scenario.query, "sort": order, "page": str(number)})
        is_first = (order, number) == (SORTS[0], 1)
        file = f"index{ending}.html" if is_first else f"by-{order}-{number}{ending}.html"
        make = functools.partial(league.league, site, asked, run.program, run.period)
        address = f"{run.address}?{urlencode(asked.query)}"
        twins, listed = (TWINS, run) if is_first else ((), None)
        yield PublishedPage(address, f"{run.address[1:]}{file}", make, asked, twins, listed)


def _law_pages(site: Site, program: str) -> Iterator[PublishedPage]:
    """List the rules of a program: of the last day, with twins; of one with results, of each day of a change too."""
    address = f"/law/{program}"
    last = law.law(site, Asked(), program)
    yield PublishedPage(address, f"law/{program}/index.html", lambda: last, twins_as=TWINS)
    for day in last.content["days"] if program in {run.program for run in site.runs.values()} else ():
        asked = Asked(query={"on": str(day)})

        def make(asked: Asked = asked) -> Page:
            # The twins beside it are those of the last day.
            return dataclasses.replace(law.law(site, asked, program), tables=[])

        yield PublishedPage(f"{address}?on={day}", f"law/{program}/{day}.html", make, asked)


def _overlap_pages(site: Site) -> Iterator[PublishedPage]:
    first = overlap.overlap(site, Asked())
    for number in range(1, first.content["pages"] + 1):
        asked = Asked(query={"page": str(number)})
        file = "overlap/index.html" if number == 1 else f"overlap/page-{number}.html"
        make = functools.partial(overlap.overlap, site, asked)
        yield PublishedPage(f"/overlap?page={number}", file, make, asked, twins_as=TWINS if number == 1 else ())
        for row in make().content["rows"]:
            for one in itertools.chain.from_iterable(row["cells"]):
                names = {"first": row["first"].name, "second": one["measure"].name}
                yield _side_by_side(site, names)


def _side_by_side(site: Site, names: Mapping[str, str]) -> PublishedPage:
    (file,) = file_names([" ".join(names.values())]).values()
    asked = Asked(query=names)

    def make() -> Page:
        return dataclasses.replace(overlap.overlap(site, asked), tables=[])

    return PublishedPage(f"/overlap?{urlencode(names)}", f"overlap/{file}.html", make, asked)


def provider_lists(run: ServedRun) -> Sequence[Sequence[Mapping[str, Any]]]:
    """Give the providers by state and name, in portions of a page."""
    rows = sorted(
        league_rows(run, run.public, ACTUAL),
        key=lambda row: (row["state"] or "~", row["provider_name"] or row["provider_id"], row["provider_id"]),
    )
    return [list(part) for part in _portions(rows)]


def _portions(rows: Sequence[Mapping[str, Any]]) -> Iterable[Sequence[Mapping[str, Any]]]:
    return [rows[start : start + ROWS_A_LIST] for start in range(0, max(len(rows), 1), ROWS_A_LIST)]


def _list(site: Site, run: ServedRun, number: int) -> Page:
    lists = provider_lists(run)

    def ends(rows: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
        first, last = (
            " ".join(str(part) for part in (row["state"], row["provider_name"] or row["provider_id"]) if part)
            for row in (rows[0], rows[-1])
        )
        return first[:24], last[:24]

    return Page(
        "published_providers.html",
        f"All providers: {run.record['title']}, {run.record['period']}",
        site.about(run),
        [],
        {
            "run": run,
            "rows": lists[number - 1],
            "pages": [ends(rows) for rows in lists if rows],
            "page_number": number,
            "first": (number - 1) * ROWS_A_LIST + 1,
            "all": sum(len(rows) for rows in lists),
        },
    )


def _lab(site: Site) -> Page:
    commands = [
        (
            f"{run.record['title']}, {run.record['period']}",
            f"openvbp run {shlex.quote(run.argument)} --period {_period(run)} --data FOLDER --out RUN",
        )
        for run in site.runs.values()
    ]
    return Page("published_lab.html", "Try a reform", {}, [], {"commands": commands})


def _period(run: ServedRun) -> str:
    return shlex.quote(run.record["period"])


def _demand_addresses(run: ServedRun) -> None:
    """Raise an ``InputDataError`` if a provider cannot be told from another, or from a page, by its address."""
    parts = [address_part(one) for one in run.providers]
    twice = sorted({one for one in parts if parts.count(one) > 1}) if len(set(parts)) < len(parts) else []
    pages = sorted({"equity", "compare", ""} & set(parts))
    if twice or pages:
        raise InputDataError(
            Problem(
                "identifiers of providers are the same, or the name of a page, once written as an address",
                f"{run.record['title']} {run.record['period']}",
                "give these providers identifiers of letters, digits and . _ - that differ",
                len(twice) + len(pages),
                tuple([*twice, *pages][:3]),
            )
        )
