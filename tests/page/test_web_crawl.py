"""Every number of a payment is followed, link by link, to its paragraph, its cases and the file it was read from."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from html.parser import HTMLParser
from typing import Any

import pytest
from markupsafe import escape
from starlette.testclient import TestClient

from openvbp.programs import program_ids
from openvbp.web import words
from openvbp.web.app import create_app
from openvbp.web.pages.league import ROWS_A_PAGE
from openvbp.web.runs import ServedRun
from openvbp.web.server import Contents, make_site
from web_site import program_run

PROVIDERS = {
    "hrrp": ("010007",),
    "hvbp": ("990003",),
    "hacrp": ("010120",),
    "dra_hac": ("010001",),
    "iqr": ("010002", "010003"),
    "hqid": ("010001",),
    "mips": ("A",),
    "mncm": ("CLINIC-A",),
    "qof": ("10017",),
    "iha_amp": ("MISSION",),
    "rosp": ("P1",),
    "episode_payment": ("010002",),
    "aco_reach": ("D0002",),
    "advancing_quality": ("B",),
    "germany_external_quality": ("SITE-C", "PRACTICE-1"),
    "hospital_statement": ("990001",),
    "mssp_benchmark": ("A9001",),
    "mssp": ("A9999",),
    "contract": ("bay_physicians",),
}
"""Providers whose pages are gone through, by program."""
_STEP = re.compile(r'href="([^"]+/why/(\d+))"')
_MONEY = re.compile(r"−?[$£€][\d,]+(?:\.\d+)?")
_UNITS = ("usd", "gbp", "eur")
_WHOLE = ("net", "total")


@dataclass
class Served:
    """A run of a program and its pages."""

    program: str
    run: ServedRun
    client: TestClient

    def page(self, address: str) -> str:
        answer = self.client.get(address)
        assert answer.status_code == 200, address
        return answer.text

    def steps(self, provider_id: str) -> dict[int, dict[str, Any]]:
        found = self.run.full.rows("step_result", scenario_id="actual", provider_id=provider_id)
        return {row["step_number"]: row for row in found}

    def payments(self, provider_id: str) -> dict[str, dict[str, Any]]:
        found = self.run.full.rows("payment_result", scenario_id="actual", provider_id=provider_id)
        return {row["component_id"]: row for row in found}


@pytest.fixture(scope="module", params=PROVIDERS)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    shared = request.getfixturevalue("published_runs") if request.param in ("hvbp", "qof", "contract") else {}
    made = shared.get(request.param) or program_run(request.param, tmp_path_factory.mktemp(request.param))
    site = make_site(Contents([made.path], shows_all=True))
    (run,) = site.runs.values()
    with TestClient(create_app(site), base_url="http://localhost") as client:
        yield Served(request.param, run, client)


def test_pages_of_every_program_are_gone_through() -> None:
    assert set(PROVIDERS) == set(program_ids())


def test_every_number_leads_to_its_paragraph_and_its_cases(served: Served) -> None:
    for provider_id in PROVIDERS[served.program]:
        steps = served.steps(provider_id)
        seen = dict(_followed(served, f"{served.run.address}{provider_id}/why"))
        # No value of the provider is out of reach of a click.
        assert set(seen) == set(steps) != set()
        for number, text in seen.items():
            _demand_origin(steps[number], text)


def _demand_origin(step: Mapping[str, Any], text: str) -> None:
    citation = step["citation"] if step["citation"] not in ("input", "count") else None
    if citation is not None:
        assert str(escape(citation)) in text, step
    else:
        assert "read from a file" in text or "counted" in text
    if step["measure_id"]:
        assert "<dt>Numerator</dt>" in text
        assert "<dt>Denominator</dt>" in text
        assert "<dt>Exclusions</dt>" in text
    if step["rule_id"] not in ("input", "parameter", "count"):
        assert "The rule in words" in text, step["rule_id"]


def _followed(served: Served, first: str) -> Iterator[tuple[int, str]]:
    waiting, seen = [(0, first)], {0}
    while waiting:
        number, path = waiting.pop()
        page = served.page(path)
        if number:
            yield number, page
        for link, text in _STEP.findall(page):
            if int(text) not in seen:
                seen.add(int(text))
                waiting.append((int(text), link))


def test_every_payment_on_a_card_leads_to_what_it_was_made_from(served: Served) -> None:
    for provider_id in PROVIDERS[served.program]:
        address = f"{served.run.address}{provider_id}"
        payments, steps = served.payments(provider_id), served.steps(provider_id)
        shown = _amounts(served.page(address))
        known = [row[column] for row in payments.values() for column in ("amount", "base_amount")]
        assert len(shown) >= sum(value is not None for value in known)
        for text, link in [*shown, *_amounts(served.page(f"{address}/embed"))]:
            assert link.startswith(f"{address}/why"), text
            number = link.removeprefix(f"{address}/why").lstrip("/")
            # A link to one number leads to that number, but for the sign: what is withheld is taken.
            if number:
                said = words.money(abs(steps[int(number)]["value"]), served.run.currency)
                assert said == text.lstrip("−"), (text, link)
        for row in payments.values():
            for column in ("amount", "base_amount"):
                assert row[column] is None or _is_made_from(row, column, payments, steps), (row["component_id"], column)


def test_parts_of_a_payment_are_shown_with_what_they_come_to(served: Served) -> None:
    for provider_id in PROVIDERS[served.program]:
        main = served.payments(provider_id).get(served.run.main_component)
        if main and main["amount"] is not None:
            table = served.page(f"{served.run.address}{provider_id}/why").partition("From the score to the money")[2]
            parts = [_number(text) for text, _ in _amounts(table.partition("</table>")[0])]
            assert abs(parts[-1] - main["amount"]) <= Decimal("0.5")
            # Each part is shown rounded to whole units.
            assert len(parts) == 1 or abs(sum(parts[:-1]) - parts[-1]) <= len(parts)


def _number(text: str) -> Decimal:
    return Decimal(re.sub(r"[$£€,]", "", text).replace("−", "-"))


def _is_made_from(row: Mapping[str, Any], column: str, payments: Mapping[str, Any], steps: Mapping[int, Any]) -> bool:
    """Whether the value is that of a number of the provider, or the sum of the other parts of its payment."""
    numbers = [one["value"] for one in steps.values() if one["unit"] in _UNITS and one["value"] is not None]
    if any(abs(abs(value) - abs(row[column])) <= Decimal("0.005") for value in numbers):
        return True
    parts = [one[column] or 0 for name, one in payments.items() if name not in _WHOLE]
    return row["component_id"] in _WHOLE and abs(sum(parts) - row[column]) <= Decimal("0.005") * len(parts)


def test_payments_in_the_league_table_lead_to_their_reasons(served: Served) -> None:
    main = served.run.main_component
    paid = [
        row
        for row in served.run.full.rows("payment_result", scenario_id="actual")
        if row["component_id"] == main and row["amount"] is not None
    ]
    numbers = range(1, -(-len(served.run.providers) // ROWS_A_PAGE) + 1)
    pages = [served.page(f"{served.run.address}?page={number}") for number in numbers]
    shown = list(itertools.chain.from_iterable(_amounts(page) for page in pages))
    gain = [f"{served.run.address}?sort=-payment"] * len(pages) if paid else []
    assert [link for _, link in shown if "sort=" in link] == gain
    assert sorted(one for one in shown if "sort=" not in one[1]) == sorted(
        (words.money(row["amount"], row["currency"]), f"{served.run.address}{row['provider_id']}/why") for row in paid
    )
    if paid:
        together = words.money(sum(row["amount"] for row in paid), served.run.currency)
        assert all(f"payment change together {together};" in page for page in pages)


def test_amounts_of_groups_lead_to_the_providers_that_they_are_made_of(served: Served) -> None:
    links = set()
    for section in served.page(f"{served.run.address}equity").split("<section>")[1:]:
        # Limits of an interval come from drawing groups again, and ranks within groups are of no run.
        amounts = [one for one in _amounts(section) if " to " not in one[0]]
        if "<h3>Ranked within" in section:
            assert not any(link for _, link in amounts)
            continue
        for text, link in amounts:
            listed = served.page(link)
            said = "change from the rules in force" if "scenario=" in link else "payment change together"
            assert f"{said} {text};" in listed, (text, link)
            links.add(link)
    if served.program == "hacrp":
        assert len({one for one in links if "scenario=what_if" in one}) == len(links) / 2 == 5


class _Amounts(HTMLParser):
    """Texts of the page's tables and tiles that hold money, each with the link around it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self._link, self._cell, self._text = "", False, ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("td", "dd"):
            self._cell = True
        elif tag == "a":
            self._flush()
            self._link = dict(attrs).get("href") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "dd", "a"):
            self._flush()
        if tag == "a":
            self._link = ""
        elif tag in ("td", "dd"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self._cell:
            self._text += data

    def _flush(self) -> None:
        found = _MONEY.findall(self._text)
        self.found += [(self._text if len(found) > 1 else text, self._link) for text in found]
        self._text = ""


def _amounts(page: str) -> list[tuple[str, str]]:
    reader = _Amounts()
    reader.feed(page)
    return reader.found
