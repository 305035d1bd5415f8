"""The commands ``attribute --compare`` and ``claims events`` as a person meets them, on a small population."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from openvbp.attribution.rule_files import shipped_rule
from openvbp.attribution_comparison.comparison import compare_rules
from openvbp.claims.synthetic.population import generate
from openvbp.claims.tables import open_claims
from openvbp.cli import app
from openvbp.engine import Engine
from openvbp.errors import InputDataError, UsageError
from openvbp.periods import parse_any_period

RULES = ("plurality_primary_care_npi", "plurality_all_npi", "proportional", "plurality_primary_care_tin")


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("population") / "claims"
    generate(out, members=500, years=2, first_year=2023, seed=1)
    return out


@pytest.fixture(scope="module")
def compared(population: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("comparison")
    words = ["attribute", "--data", str(population), "--period", "CY2024", "--compare", "--out", str(out)]
    result = CliRunner().invoke(app, [*words, *(word for rule in RULES for word in ("--rule", rule))])
    assert result.exit_code == 0, result.output
    return out, result.stdout


class _Cells(HTMLParser):
    """Counts the cells of each row of each table."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[int]] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append(0)
        elif tag in ("td", "th"):
            self.tables[-1][-1] += 1


def test_every_rule_has_a_line_and_the_reference_is_not_held_against_itself(compared: tuple[Path, str]) -> None:
    out, printed = compared
    lines = {line.split()[0]: line for line in printed.splitlines() if line.startswith(RULES)}
    assert lines.keys() == set(RULES)
    assert lines[RULES[0]].count("–") == 4
    assert "against plurality_primary_care_npi" in printed
    rows = {row["rule"]: row for row in json.loads((out / "comparison.json").read_text(encoding="utf-8"))["overview"]}
    assert all(0 < row["assigned"] < 1 for row in rows.values())
    assert rows["plurality_all_npi"]["assigned"] > rows["plurality_primary_care_npi"]["assigned"]
    assert rows["plurality_primary_care_tin"]["churn"] < rows["plurality_primary_care_npi"]["churn"]
    assert rows["proportional"]["churn"] is None  # who is with several has no one unit to change


def test_each_rule_pays_out_what_it_withholds(compared: tuple[Path, str]) -> None:
    paid = pq.read_table(compared[0] / "payments.parquet")
    for rule in RULES:
        units = paid.filter(pc.equal(paid["rule_id"], rule))
        assert pc.sum(units["payment"]).as_py() == 0
        assert pc.sum(units["withheld"]).as_py() > 0


def test_the_page_is_whole_and_shows_no_small_group(compared: tuple[Path, str]) -> None:
    page = (compared[0] / "comparison.html").read_text(encoding="utf-8")
    cells = _Cells()
    cells.feed(page)
    assert len(cells.tables) == 8
    assert all(len(set(rows)) == 1 for rows in cells.tables)
    shown = re.findall(r"race: [a-z ]+", page)
    found = json.loads((compared[0] / "comparison.json").read_text(encoding="utf-8"))["assigned"]
    small = {row["stratum"] for row in found if row["eligible"] < 11}
    assert small, "no group of the population is small"
    assert not small & set(shown)
    assert "http" not in page.replace("http-equiv", "")


def test_rules_that_cannot_be_compared(population: Path, duckdb_engine: Engine) -> None:
    claims, period = open_claims(duckdb_engine, population), parse_any_period("CY2024")
    rules = [shipped_rule("admission_last")]
    with pytest.raises(UsageError) as caught:
        compare_rules(duckdb_engine, claims, rules, period, reference="absent")
    said = str(caught.value)
    assert "nothing to compare" in said
    assert "rules on stays" in said
    assert "absent is not among the rules" in said
    both = [shipped_rule(name) for name in RULES[:2]]
    with pytest.raises(InputDataError, match="nobody is enrolled in CY1999"):
        compare_rules(duckdb_engine, claims, both, parse_any_period("CY1999"), reference=RULES[0])


def test_events_are_written_and_a_period_without_anybody_is_an_error(population: Path, tmp_path: Path) -> None:
    words = ["claims", "events", str(population), "--out", str(tmp_path / "events"), "--period"]
    result = CliRunner().invoke(app, [*words, "CY2024"])
    assert result.exit_code == 0, result.output
    for line in result.stdout.splitlines():
        name, rows, _unit = line.split()
        assert pq.read_metadata(tmp_path / "events" / f"{name}.parquet").num_rows == int(rows.replace(",", "")) > 0
    failed = CliRunner().invoke(app, [*words, "CY1999"])
    assert isinstance(failed.exception, InputDataError)
    assert "no row of person_month" in str(failed.exception)
