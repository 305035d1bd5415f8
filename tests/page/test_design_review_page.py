"""The command ``openvbp review`` as a person meets it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import openvbp
from openvbp.cli import app

ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "docs" / "how-to" / "review-a-design.md"


def ask(*words: str) -> Result:
    return CliRunner().invoke(app, ["review", *words])


def test_a_ranking_is_printed_with_its_paragraph_and_ends_with_1() -> None:
    found = ask("hacrp", "--period", "FY2024", "--what", "cliffs,losers")
    assert found.exit_code == 1, found.output
    assert "The worst quarter loses whatever the level of all" in found.stdout
    assert "cutoff_percentile = 0.75 [CMS, HAC Reduction Program" in found.stdout
    assert re.search(r"AMA-3 +broken: Physicians take part of their own will", found.stdout)
    assert max(map(len, found.stdout.splitlines())) <= 118


def test_nothing_serious_ends_with_0_and_json_is_whole(tmp_path: Path) -> None:
    found = ask("mssp", "--out", str(tmp_path / "OUT"), "--json")
    assert found.exit_code == 0, found.output
    printed = json.loads(found.stdout)
    assert printed == json.loads((tmp_path / "OUT" / "review.json").read_text())
    assert [one["severity"] for one in printed["aspects"] if one["name"] == "cliffs"] == ["caution"]
    assert {one["judgement"] for one in printed["principles"]} == {"kept", "broken", "not determinable"}
    assert all(one["read"] and one["reason"] for one in printed["principles"])


def test_the_example_is_as_the_manual_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = ask("examples/aco-contract.yaml", "--what", "cliffs,small-denominators,losers")
    assert found.exit_code == 1
    assert found.stdout[: found.stdout.index("\n\nPublished")] in MANUAL.read_text(encoding="utf-8")


def test_a_page_of_made_up_hospitals_stands_alone(tmp_path: Path) -> None:
    out = tmp_path / "OUT"
    found = ask("hvbp", "--period", "FY2024", "--synthetic", "60", "--out", str(out), "--cost", "200000")
    assert f"wrote {out / 'review.html'}" in found.stdout, found.output
    page = (out / "review.html").read_text(encoding="utf-8")
    for heading in ("At a glance", "Reliability of the scores", "Published principles, item by item"):
        assert f"<h2>{heading}</h2>" in page
    assert re.search(r"one point of one measure is worth [0-9.]+ % of a provider", page)
    assert re.search(r"[0-9.]+ % of the variance that [0-9]+ of [0-9]+ measures give to the scores is noise", page)
    assert re.search(r"At a cost of \$200,000 the whole share at risk \(2 %\) covers it only from \$10,000,000", page)
    assert page.count("<svg") == 1
    assert not re.search("(src|href)=.?(https?:)?//", page)
    # Single hospitals are not told: their numbers begin with 99.
    assert not re.search(r"\b99\d{4}\b", page)


def test_from_python_as_the_manual_says() -> None:
    assert openvbp.review("hacrp", period="FY2024").serious == ["cliffs", "losers"]
    assert "found.serious  # ['cliffs', 'losers']" in MANUAL.read_text(encoding="utf-8")
