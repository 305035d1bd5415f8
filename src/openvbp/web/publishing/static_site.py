"""A site of files that shows what everybody may see: it needs no server, and works from any folder."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import openvbp
from openvbp.errors import Problem, UsageError
from openvbp.reporting.disclosure import SMALLEST_CELL
from openvbp.web import rendering
from openvbp.web.page import Page, as_csv, as_json
from openvbp.web.pages import study
from openvbp.web.publishing.addresses import Addresses, canonical
from openvbp.web.publishing.published_pages import (
    PublishedPage,
    provider_folders,
    provider_lists,
    provider_pages,
    site_pages,
)
from openvbp.web.publishing.run_files import run_files, write_run_files
from openvbp.web.publishing.whole_folder import WholeFolder, as_record, whole_folder
from openvbp.web.server import Contents, make_site
from openvbp.web.site import Site

RECORD = "openvbp-site.json"
_STATIC = ("style.css", "icon.svg", "find.js")


@dataclass(frozen=True)
class Published:
    """What was written."""

    folder: str
    pages: int
    files: int
    bytes: int
    largest_page: str
    largest_page_bytes: int
    withheld_cells: int
    seconds: float

    @property
    def sentence(self) -> str:
        """The same in words."""
        return (
            f"{self.pages:,} pages in {self.files:,} files, {self.bytes / 1e6:,.1f} MB, in {self.seconds:,.0f} s; "
            f"the largest page has {self.largest_page_bytes / 1000:,.0f} kB ({self.largest_page}); "
            f"{self.withheld_cells:,} cells withheld"
        )


def publish(
    runs: Sequence[Path],
    to: Path,
    *,
    studies: Sequence[Path] = (),
    registry: Path | None = None,
    providers_file: Path | None = None,
    smallest_cell: int = SMALLEST_CELL,
    say: Callable[[str], None] = lambda _: None,
) -> Published:
    """Write the pages that everybody may see as files, with links that work from any folder.

    Parameters
    ----------
    runs
        Folders of finished runs.
    to
        Folder of the site; one that was published before is replaced when the new one is whole.
    studies
        Folders of finished evaluations.
    registry
        Folder with a corpus of measures, for the pages of overlap.
    providers_file
        Table with ``provider_id`` and columns to group by, for the equity pages.
    smallest_cell
        The smallest count of patients that is published. Small cells are withheld always.
    say
        Takes a line on what is done.

    Raises
    ------
    UsageError
        If a folder is no finished run, or something else is in the place of the site.
    InputDataError
        If a run is damaged, or its providers cannot be told apart by address.
    MachineError
        If the site cannot be written.

    Examples
    --------
    >>> publish([Path("RUN")], Path("site"))  # doctest: +SKIP
    """
    started = time.monotonic()
    runs = [Path(one) for one in runs]
    for one in runs:
        if to.absolute() == one.absolute() or to.absolute() in one.absolute().parents:
            raise UsageError(Problem("the site would take the place of a run", str(to), "give --to another folder"))
    with whole_folder(to, RECORD, "a published site") as folder:
        contents = Contents(runs, (), studies, registry, providers_file, smallest_cell)
        site = make_site(contents, say=say)
        written = _Writer(site, folder).write(say)
        for run in site.runs.values():
            say(f"writing the tables of {run.name}")
            write_run_files(run, folder, smallest_cell)
        record = {
            "openvbp": openvbp.__version__,
            "runs": sorted(site.runs),
            "smallest_cell": smallest_cell,
            "pages": written.pages,
        }
        folder.write(RECORD, as_record(record))
    withheld = sum(run.suppressed_cells for run in site.runs.values())
    seconds = round(time.monotonic() - started, 1)
    return Published(
        str(to), written.pages, folder.files, folder.bytes, *written.largest, withheld_cells=withheld, seconds=seconds
    )


def as_content(published: Published) -> dict[str, object]:
    """Give what was written for JSON."""
    return asdict(published)


class _Writer:
    """Writes the pages of a site."""

    def __init__(self, site: Site, folder: WholeFolder) -> None:
        self._site, self._folder = site, folder
        self._of_all = list(site_pages(site))
        self._of_providers = {name: list(provider_pages(site, run)) for name, run in site.runs.items()}
        self._addresses = Addresses(self._files())
        self.pages = 0
        self.largest = ("", 0)

    def _files(self) -> dict[str, str]:
        """Give the file for every address: pages, their twins, and what they need."""
        found = {f"/static/{name}": f"static/{name}" for name in (*_STATIC, "providers.js")}
        found |= {f"/{file}": file for run in self._site.runs.values() for file in run_files(run).values()}
        found |= {f"/evaluate/{name}/report": f"evaluate/{name}/report.html" for name in self._site.studies}
        groups: Iterable[PublishedPage] = itertools.chain(
            self._of_all, *(itertools.chain(*pages) for pages in self._of_providers.values())
        )
        for one in groups:
            found[canonical(one.address)] = one.file
            path, _, query = one.address.partition("?")
            for kind, file in one.twins.items():
                found[canonical(f"{path.rstrip('/') or '/index'}.{kind}?{query}")] = file
        return found

    def write(self, say: Callable[[str], None]) -> _Writer:
        """Write all."""
        static = files("openvbp.web").joinpath("static")
        for name in _STATIC:
            self._folder.write(f"static/{name}", static.joinpath(name).read_bytes())
        self._folder.write("static/providers.js", self._names())
        for name, path in self._site.studies.items():
            self._folder.write(f"evaluate/{name}/report.html", study.report(path))
            self.pages += 1
        for one in self._of_all:
            self._write(one)
        for name, pages in self._of_providers.items():
            say(f"writing {len(pages):,} providers of {name}")
            for one in itertools.chain(*pages):
                self._write(one)
        return self

    def _write(self, one: PublishedPage) -> None:
        page = one.page()
        extra: dict[str, Any] = {"is_embedded": False, "csrf": "", "is_published": True, "twins_as": one.twins_as}
        extra["run_files"] = run_files(one.files_of) if one.files_of else {}
        text = rendering.html(page, self._site, one.asked, path=one.path, is_fragment=False, extra=extra)
        size = self._folder.write(one.file, self._addresses.without_server(text, one.file, one.path))
        self.pages += 1
        self.largest = max(self.largest, (one.file, size), key=lambda pair: pair[1])
        for kind, file in one.twins.items():
            self._folder.write(file, as_csv(page) if kind == "csv" else _json(page))

    def _names(self) -> str:
        """Write the names of the providers for the search of the first page."""
        runs = [
            {
                "title": f"{run.record['title']}, {run.record['period']}",
                "folder": run.address[1:],
                "rows": [
                    [
                        *(row[name] or "" for name in ("provider_id", "provider_name", "place_name", "state")),
                        provider_folders(run)[row["provider_id"]],
                    ]
                    for rows in provider_lists(run)
                    for row in rows
                ],
            }
            for run in self._site.runs.values()
        ]
        return f"window.openvbpProviders = {json.dumps(runs, separators=(',', ':'))};\n"


def _json(page: Page) -> str:
    return json.dumps(as_json(page), ensure_ascii=False, separators=(",", ":")) + "\n"
