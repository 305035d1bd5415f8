"""A published site as somebody meets it who has its files alone: every link, the search, the same content."""

from __future__ import annotations

import json
import re
from html import escape, unescape
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect
from python_calamine import CalamineWorkbook
from starlette.testclient import TestClient
from typer.testing import CliRunner

from openvbp import pipeline
from openvbp.cli import app
from openvbp.run_folder import RunFolder
from openvbp.web.app import create_app
from openvbp.web.publishing.static_site import publish
from openvbp.web.server import Contents, make_site
from web_site import HOSTILE

MOST_BYTES = 150_000
_LINK = re.compile(r'\b(?:href|src|data-providers|action)="([^"]*)"')


@pytest.fixture(scope="module")
def site(published_runs: dict[str, RunFolder], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("somewhere") / "deep" / "site"
    done = CliRunner().invoke(
        app, ["publish", *(str(one.path) for one in published_runs.values()), "--to", str(folder), "--json"]
    )
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    written = [one for one in folder.rglob("*") if one.is_file()]
    assert said["files"] == len(written)
    assert said["bytes"] == sum(one.stat().st_size for one in written)
    assert said["pages"] == len([one for one in written if one.suffix == ".html"])
    return folder


def test_no_link_is_dead_and_none_leaves_the_site(site: Path) -> None:
    assert _followed(site) > 2_000


def _followed(site: Path) -> int:
    """Follow every link of a site; gives how many there are."""
    texts = {one.resolve(): one.read_text(encoding="utf-8") for one in site.rglob("*.html")}
    anchors = {path: set(re.findall(r'\bid="([^"]*)"', text)) for path, text in texts.items()}
    followed = 0
    for path, text in texts.items():
        assert len(text.encode()) < MOST_BYTES, path
        assert not re.search(r"<form|<button|\shx-", text), path
        for link in map(unescape, _LINK.findall(text)):
            file, _, anchor = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            assert not file.startswith("/"), (path, link)
            assert target.is_file(), (path, link)
            assert not anchor or anchor in anchors[target], (path, link)
            followed += 1
    return followed


def test_every_page_of_a_provider_can_be_reached(site: Path) -> None:
    waiting, seen = [site.resolve() / "index.html"], {site.resolve() / "index.html"}
    while waiting:
        path = waiting.pop()
        for link in map(unescape, _LINK.findall(path.read_text(encoding="utf-8"))):
            target = (path.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".html" and target not in seen:
                seen.add(target)
                waiting.append(target)
    assert seen == {one.resolve() for one in site.rglob("*.html")}


@pytest.mark.parametrize(
    ("program", "provider"),
    [
        ("hvbp", "hvbp/FY2024/990003"),
        ("qof", "qof/2015-16/10017"),
        ("contract", "harbor-bay-capitation/CY2025/bay_physicians"),
    ],
)
def test_every_number_leads_to_its_source(
    site: Path, published_runs: dict[str, RunFolder], program: str, provider: str
) -> None:
    why = (site / provider / "why.html").read_text(encoding="utf-8")
    linked = set(re.findall(r'href="#s(\d+)"', why))
    assert linked
    rows = dict(re.findall(r'<tr id="s(\d+)">(.*?)(?=<tr|</tbody>)', why, re.DOTALL))
    provider_id = provider.rpartition("/")[2]
    known = published_runs[program].read("step_result", provider_id=provider_id).to_pylist()
    assert set(rows) == {str(row["step_number"]) for row in known}
    assert linked <= set(rows)
    for row in known:
        if row["citation"] not in ("input", "count"):
            assert escape(row["citation"], quote=False) in unescape(rows[str(row["step_number"])]).replace("&", "&amp;")


def test_twins_are_those_of_the_server(site: Path, published_runs: dict[str, RunFolder]) -> None:
    client = TestClient(
        create_app(make_site(Contents([one.path for one in published_runs.values()]))), base_url="http://localhost"
    )
    for address, file in (
        ("/hvbp/FY2024", "hvbp/FY2024/index"),
        ("/hvbp/FY2024/990003", "hvbp/FY2024/990003/index"),
        ("/hvbp/FY2024/equity", "hvbp/FY2024/equity"),
        ("/law/hvbp", "law/hvbp/index"),
    ):
        served = client.get(f"{address}.json").json()
        assert json.loads((site / f"{file}.json").read_text(encoding="utf-8")) == served, address
        assert (site / f"{file}.csv").read_text(encoding="utf-8") == client.get(f"{address}.csv").text, address
    steps = (site / "qof/2015-16/10017/why.csv").read_text(encoding="utf-8")
    assert steps == client.get("/qof/2015-16/10017/why.csv").text


def test_results_of_a_run_are_published_without_what_is_withheld(
    site: Path, published_runs: dict[str, RunFolder]
) -> None:
    folder = site / "qof" / "2015-16"
    workbook = CalamineWorkbook.from_path(folder / "results.xlsx")
    full = published_runs["qof"].read("measure_result")
    public = pq.read_table(folder / "tables" / "measure_result.parquet")
    assert public.num_rows == full.num_rows == len(workbook.get_sheet_by_name("measure_result").to_python()) - 2
    assert public["numerator"].null_count > full["numerator"].null_count
    readme = dict(row[:2] for row in workbook.get_sheet_by_name("README").to_python())
    assert {text.rpartition(" ")[2] for name, text in readme.items() if name.startswith("Input ")} == {"published"}
    listed = (folder / "index.html").read_text(encoding="utf-8")
    assert 'href="results.xlsx"' in listed
    assert 'href="tables/step_result.parquet"' in listed


PAGES = {
    "index.html": "What is paid for performance, and why",
    "hvbp/FY2024/index.html": "Places are not ranks",
    "hvbp/FY2024/990001/index.html": HOSTILE,
    "hvbp/FY2024/990003/why.html": "paid what it was paid?",
    "lab.html": "openvbp serve RUN",
}


def test_pages_from_a_folder_are_whole_and_accessible(site: Path, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    requests, problems, noted = [], [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    for file, words in PAGES.items():
        page.goto((site / file).as_uri())
        assert words in page.inner_text("main"), file
        # The checker itself reads files, which a browser refuses.
        noted += problems
        found = Axe().run(page).response["violations"]
        assert [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found] == [], file
        problems.clear()
    assert noted == []
    assert [one for one in requests if not one.startswith(site.as_uri())] == []
    context.close()


def _open(browser: Browser, site: Path, *, scripts: bool) -> Page:
    page = browser.new_context(java_script_enabled=scripts).new_page()
    page.goto((site / "index.html").as_uri())
    return page


def test_search_finds_without_a_server(site: Path, browser: Browser) -> None:
    page = _open(browser, site, scripts=True)
    page.fill("#q", "hospital 0007")
    expect(page.locator("#hits li")).to_have_count(1)
    page.fill("#q", "990001")
    expect(page.locator("#hits li a")).to_have_text(HOSTILE)
    page.locator("#hits li a").click()
    assert HOSTILE in page.inner_text("h1")
    page.context.close()


def test_providers_are_found_without_scripts(site: Path, browser: Browser) -> None:
    page = _open(browser, site, scripts=False)
    assert page.locator("#q").is_hidden()
    page.locator("div.search a").first.click()
    page.get_by_role("link", name="Synthetic hospital 0007").click()
    assert "Synthetic hospital 0007" in page.inner_text("h1")
    page.get_by_role("link", name="Why this payment?").click()
    page.locator("table.numbers a").first.click()
    place = page.url.partition("#")[2]
    assert page.locator(f"tr#{place}").count() == 1
    page.context.close()


def test_a_site_is_published_again_in_its_place(published_runs: dict[str, RunFolder], tmp_path: Path) -> None:
    command = ["publish", str(published_runs["qof"].path), "--to", str(tmp_path / "site")]
    withheld = []
    for smallest in ("11", "3"):
        done = CliRunner().invoke(app, [*command, "--smallest-cell", smallest])
        assert done.exit_code == 0, done.output
        withheld.append(int(re.findall(r"([\d,]+) cells withheld", done.stdout)[0].replace(",", "")))
    assert withheld[0] > withheld[1]
    assert json.loads((tmp_path / "site" / "openvbp-site.json").read_text())["smallest_cell"] == 3
    assert [one.name for one in tmp_path.iterdir()] == ["site"]


def test_scenarios_of_a_run_are_published(tmp_path: Path) -> None:
    path = "scotland_upper_threshold.AF006"
    data = Path(__file__).parents[2] / "examples" / "qof" / "scotland"
    run = pipeline.run("qof", period="2015/16", data=data, out=tmp_path / "RUN", changes=[f"{path}=0.80"], threads=1)
    site = tmp_path / "site"
    publish([run.path], site)
    assert _followed(site) > 1_000
    client = TestClient(create_app(make_site(Contents([run.path]))), base_url="http://localhost")
    for address, file in (
        ("/qof/2015-16.csv", "index"),
        ("/qof/2015-16/10017.csv", "10017/index"),
        ("/qof/2015-16/10017/why.csv", "10017/why"),
    ):
        in_force, changed = (
            (site / "qof" / "2015-16" / f"{file}{ending}.csv").read_text(encoding="utf-8")
            for ending in ("", "-what_if")
        )
        assert in_force == client.get(address).text
        assert changed == client.get(f"{address}?scenario=what_if").text
    assert in_force != changed, "the changed parameter is among the steps"
    card = (site / "qof" / "2015-16" / "10017" / "index.html").read_text(encoding="utf-8")
    assert 'href="index-what_if.html"' in card
    assert f"{path}=0.80" in (site / "qof" / "2015-16" / "10017" / "why-what_if.html").read_text(encoding="utf-8")
