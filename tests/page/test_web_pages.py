"""The pages in a real browser: content, with and without JavaScript, for screen readers, keyboard and phones."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from harmonization_files import write_registry
from openvbp.web.app import create_app
from openvbp.web.server import Contents, make_site
from web_site import HOSTILE, example, hospitals, study

MOST_BYTES = 150_000
PAGES = {
    "finder": ("/", "What is paid for performance, and why"),
    "found": ("/?q=990003", "Synthetic hospital 0003"),
    "league": ("/hvbp/FY2024/", "Places are not ranks"),
    "card": ("/hvbp/FY2024/990003", "Synthetic hospital 0003"),
    "hostile name": ("/hvbp/FY2024/990001", HOSTILE),
    "why": ("/hvbp/FY2024/990003/why", "From the score to the money"),
    "step": ("/hvbp/FY2024/990003/why/283", "The rule in words"),
    "compare": ("/hvbp/FY2024/compare?provider=990003&provider=990004", "Synthetic hospital 0004"),
    "embed": ("/hvbp/FY2024/990003/embed", "The whole report card"),
    "lab": ("/lab?program=hvbp&period=FY2024&set=applicable_percent:0.03", "What it does"),
    "equity": ("/hvbp/FY2024/equity", "Share of dual-eligible stays"),
    "law": ("/law/hvbp?on=2013-10-01", "1 October 2013"),
    "audit": ("/audit/hvbp-FY2024", "SHA-256"),
    "evaluation": ("/evaluate/study", "What would change this conclusion"),
    "overlap": ("/overlap", "Which measures are the same?"),
    "burden": ("/overlap?reports=North&reports=eCQM&physicians=3", "What 2 programs ask a practice for"),
    "practice": ("/qof/2015-16/10017/why", "From the domains to the score"),
    "not found": ("/hvbp/FY2024/000000", "There is no such page"),
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("web")
    run, practices = hospitals(folder), example("qof", folder)
    contents = Contents(
        [run.path, practices.path],
        data=[folder / "files"],
        studies=[study(folder)],
        registry=write_registry(folder / "registry"),
        shows_all=True,
    )
    server = uvicorn.Server(uvicorn.Config(create_app(make_site(contents)), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(5)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def _violations(page: Page) -> list[str]:
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in Axe().run(page).response["violations"]]


@pytest.mark.parametrize("name", PAGES)
def test_page_is_whole_small_accessible_and_calls_nobody(name: str, address: str, page: Page) -> None:
    path, words = PAGES[name]
    requests, problems = [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    answer = page.goto(address + path)
    page.wait_for_load_state("networkidle")
    assert answer is not None
    assert words in page.inner_text("main")
    assert [one for one in requests if not one.startswith(address)] == []
    expected = ["Failed to load resource: the server responded with a status of 404 (Not Found)"]
    assert problems == (expected if name == "not found" else [])
    assert page.evaluate("typeof htmx") == "object"
    size = page.evaluate(
        "performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))"
        ".reduce((sum, one) => sum + one.encodedBodySize, 0)"
    )
    assert 0 < size < MOST_BYTES
    assert _violations(page) == []


@pytest.mark.parametrize("name", ["league", "why", "lab", "law"])
def test_dark_and_on_a_phone(name: str, address: str, browser: Browser) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = context.new_page()
    page.goto(address + PAGES[name][0])
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 23, 28)"
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert _violations(page) == []
    context.close()


def test_everything_can_be_read_without_javascript(address: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    for path, words in PAGES.values():
        page.goto(address + path)
        assert words in page.inner_text("main")
    page.goto(address + PAGES["why"][0])
    page.locator("a.value").first.click()
    assert page.inner_text("h1").startswith("Where one number of Synthetic hospital 0003 comes from")
    page.goto(f"{address}/lab?program=hvbp&period=FY2024")
    page.fill("input[name='set.applicable_percent']", "0.04")
    page.get_by_role("button", name="Apply").click()
    assert "set=applicable_percent:0.04" in page.url
    assert "applicable_percent = 0.04" in page.inner_text("#answer")
    context.close()


def test_a_number_opens_beside_the_payment(address: str, page: Page) -> None:
    page.goto(address + PAGES["why"][0])
    page.locator("td.number a.value").first.click()
    step = page.wait_for_selector("#step .step")
    assert step is not None
    assert "42 CFR" in step.inner_text()
    assert page.url.endswith("/why")


def test_lab_answers_a_changed_value_and_keeps_it_in_the_address(address: str, page: Page) -> None:
    page.goto(f"{address}/lab?program=hvbp&period=FY2024")
    page.fill("input[name='set.applicable_percent']", "0.05")
    page.keyboard.press("Tab")
    expect(page.locator("#answer")).to_contain_text("applicable_percent = 0.05")
    expect(page).to_have_url(re.compile("set=applicable_percent:0.05"))


def test_slider_moves_through_the_law(address: str, page: Page) -> None:
    page.goto(f"{address}/law/hvbp")
    page.focus("#at")
    page.keyboard.press("Home")
    expect(page.locator("#day")).to_contain_text("1 October 2012")


def test_keyboard_alone_leads_from_the_first_page_to_the_reason(address: str, page: Page) -> None:
    page.goto(address)
    page.focus("#q")
    page.keyboard.type("990003")
    page.keyboard.press("Enter")
    page.wait_for_selector("#found a[href$='/990003/why']")
    _tab_to(page, "/990003/why")
    page.keyboard.press("Enter")
    page.wait_for_url("**/hvbp/FY2024/990003/why")
    assert "paid what it was paid" in page.inner_text("h1")


def _tab_to(page: Page, ending: str) -> None:
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.getAttribute('href') || ''").endswith(ending):
            return
    pytest.fail(f"no way by keyboard to {ending}")


def test_league_is_filtered_and_sorted_in_place(address: str, page: Page) -> None:
    page.goto(f"{address}/hvbp/FY2024/")
    page.fill("#q", "0007")
    expect(page.locator(".league tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile("q=0007"))
    page.goto(f"{address}/hvbp/FY2024/?sort=-score")
    scores = [float(one) for one in _column(page, 5) if one != "–"]
    assert scores == sorted(scores, reverse=True)
    assert page.locator(".league tbody tr .missing").count() == len([one for one in _column(page, 5) if one == "–"])


def _column(page: Page, number: int) -> list[Any]:
    return page.locator(f".league tbody tr > :nth-child({number})").all_inner_texts()


def test_screens_can_be_printed(address: str, page: Page, tmp_path: Path) -> None:
    page.goto(address + PAGES["card"][0])
    page.emulate_media(media="print")
    assert page.locator("header.top").is_hidden()
    page.pdf(path=tmp_path / "card.pdf")
    assert (tmp_path / "card.pdf").read_bytes().startswith(b"%PDF")


def test_burden_is_chosen_without_scripts_and_kept_in_the_link(address: str, browser: Browser) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(f"{address}/overlap")
    page.check('input[value="North"]')
    page.check('input[value="eCQM"]')
    page.fill("#physicians", "3")
    page.get_by_role("button", name="Count together").click()
    assert page.url == f"{address}/overlap?reports=North&reports=eCQM&physicians=3"
    told = page.locator("dl.tiles").inner_text().split()
    assert (told[told.index("Measures") + 1], told[told.index("Concepts") + 1]) == ("3", "2")
    # Three times 785 hours, with where they are from.
    row = page.locator("tr", has_text="2,355").inner_text()
    assert "Casalino" in row
    twin = page.request.get(f"{address}{page.get_by_role('link', name='JSON').get_attribute('href')}").json()
    assert twin["tables"]["burden"][0]["concepts"] == 2
    page.context.close()
