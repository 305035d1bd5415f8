"""Statements as a provider gets them: the payment, every citation, on paper; and the list of whoever sends them."""

from __future__ import annotations

import json
import re
import zipfile
from decimal import ROUND_HALF_UP, Decimal
from html import unescape
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser
from typer.testing import CliRunner

from openvbp.cli import app
from openvbp.run_folder import RunFolder
from web_site import HOSTILE

INVOKE = CliRunner()
PROVIDERS = {"hvbp": "990003", "qof": "10017", "contract": "bay_physicians"}


def statements(run: RunFolder, to: Path, *options: str) -> Path:
    done = INVOKE.invoke(app, ["export", str(run.path), "--statements", str(to), *options])
    assert done.exit_code == 0, done.output
    return to


def _words(path: Path) -> str:
    body = re.sub(r"<style>.*?</style>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


@pytest.mark.parametrize("program", PROVIDERS)
def test_a_statement_holds_the_payment_and_every_citation(
    program: str, published_runs: dict[str, RunFolder], tmp_path: Path
) -> None:
    run, provider_id = published_runs[program], PROVIDERS[program]
    words = _words(statements(run, tmp_path / "st", "--provider", provider_id) / f"{provider_id}.html")
    payments = run.read("payment_result", provider_id=provider_id).to_pylist()
    assert payments
    for row in payments:
        if row["amount"] is not None:
            cents = row["amount"].quantize(Decimal("0.01"), ROUND_HALF_UP)
            assert f"{cents:,.2f}".replace("-", "−") in words
    steps = run.read("step_result", provider_id=provider_id).to_pylist()
    for row in steps:
        if row["citation"] not in ("input", "count"):
            assert " ".join(row["citation"].split()) in words
        if row["rule_id"] == "parameter" and row["unit"] != "flag" and row["value"] is not None:
            rounded = row["value"].quantize(Decimal("1e-8"), ROUND_HALF_UP) if row["unit"] != "usd" else row["value"]
            text = f"{rounded:,f}"
            assert (text.rstrip("0").rstrip(".") if "." in text else text) in words, row
    for row in (
        run.read("measure_result", provider_id=provider_id).to_pylist() if "measure_result" in run.tables else ()
    ):
        for name in ("rate", "threshold", "benchmark"):
            if row[name] is not None:
                text = f"{row[name].quantize(Decimal('1e-6'), ROUND_HALF_UP):,f}".rstrip("0").rstrip(".")
                assert (text or "0") in words, (name, row)
        if row["status"] != "scored":
            assert (row["status_reason"] or "") in words
    assert run.record["parameters_sha256"] in words
    assert all(file["sha256"] in words for file in run.record["input_files"])


def test_all_get_a_statement_and_a_name_is_never_markup(published_runs: dict[str, RunFolder], tmp_path: Path) -> None:
    folder = statements(published_runs["hvbp"], tmp_path / "st")
    identifiers = published_runs["hvbp"].read("provider")["provider_id"].to_pylist()
    assert {one.name for one in folder.iterdir()} == {
        *(f"{one}.html" for one in identifiers),
        "index.html",
        "openvbp-statements.json",
    }
    for one in ("990001.html", "index.html"):
        text = (folder / one).read_text(encoding="utf-8")
        assert "<script" not in text
        assert HOSTILE in unescape(text)
    index = (folder / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'href="(\d+)\.html"', index) == identifiers
    assert "Not for publication" in index


def test_a_public_statement_withholds_small_counts(published_runs: dict[str, RunFolder], tmp_path: Path) -> None:
    own = _words(statements(published_runs["qof"], tmp_path / "own") / "10002.html")
    public = _words(statements(published_runs["qof"], tmp_path / "public", "--public") / "10002.html")
    assert "60 / 80" in own
    assert "60 / 80" not in public
    assert "Withheld" in public
    assert all(file["sha256"] not in public for file in published_runs["qof"].record["input_files"])


def test_a_workbook_stands_beside_each_statement(published_runs: dict[str, RunFolder], tmp_path: Path) -> None:
    folder = statements(published_runs["hvbp"], tmp_path / "st", "--provider", "990003", "--workbooks")
    assert 'href="990003.xlsx"' in (folder / "990003.html").read_text(encoding="utf-8")
    with zipfile.ZipFile(folder / "990003.xlsx") as workbook:
        sheets = [workbook.read(one).decode() for one in workbook.namelist() if "worksheets/sheet" in one]
    formulas = [one for sheet in sheets for one in re.findall(r"<f>([^<]*)</f>", sheet)]
    assert formulas
    assert all(re.fullmatch(r"[A-Z]+\d+\*[A-Z]+\d+", one) for one in formulas)


def test_a_statement_is_printed_and_read_by_everybody(
    published_runs: dict[str, RunFolder], tmp_path: Path, browser: Browser
) -> None:
    folder = statements(published_runs["hvbp"], tmp_path / "st", "--provider", "990003")
    page = browser.new_page()
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto((folder / "990003.html").as_uri())
    assert [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in Axe().run(page).response["violations"]] == []
    assert requests == [(folder / "990003.html").as_uri()]
    for paper in ("A4", "Letter"):
        page.pdf(path=tmp_path / f"{paper}.pdf", format=paper)
        pages = len(re.findall(rb"/Type\s*/Page\b", (tmp_path / f"{paper}.pdf").read_bytes()))
        assert 3 <= pages <= 15
    # What stands on paper is not cut at its edge.
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 688, "height": 1000})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.close()


def test_the_command_says_what_it_wrote(published_runs: dict[str, RunFolder], tmp_path: Path) -> None:
    done = INVOKE.invoke(
        app, ["export", str(published_runs["qof"].path), "--statements", str(tmp_path / "st"), "--public", "--json"]
    )
    said = json.loads(done.stdout)
    written = [one for one in (tmp_path / "st").iterdir() if one.suffix == ".html"]
    assert said["statements"] == len(written) - 1 == 3
    assert said["bytes"] == sum(one.stat().st_size for one in (tmp_path / "st").iterdir())
    assert said["withheld_cells"] > 0
