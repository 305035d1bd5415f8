"""Parameter files with every mistake are refused with the file, the place and the reason."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from openvbp.errors import InputDataError
from openvbp.parameters import ParameterSet, load_parameters

YAML = """program: example
title: Example
authority: {regulation: 42 CFR 412}
calendar: us_fiscal_year
periods: {first: FY2013, last: FY2026}
parameters:
  applicable_percent:
    label: Share withheld
    unit: ratio
    values:
      2012-10-01: {value: "0.0100", cite: first law}
      2013-10-01: {value: 0.0125, cite: second law, unverified: true, checked: 2024-01-31, note: a note}
      2016-10-01: {value: null, cite: third law}
  domain_weight:
    label: Weight
    unit: ratio
    by: domain_id
    values:
      2012-10-01: {value: {safety: "0.7", survey: "0.3"}, cite: first rule}
      2014-10-01: {value: {safety: "0.6"}, cite: second rule}
  minimum_cases:
    label: Cases needed
    unit: count
    by: measure_id
    file: measures.csv
"""
HEADER = "parameter,measure_id,from,value,cite,unverified,note\n"
TABLE = (
    HEADER
    + 'minimum_cases,HAI-1,2012-10-01,1.000,first rule,,"a note, quoted"\nminimum_cases,HAI-1,2020-10-01,,end,true,\n'
)


def load(folder: Path, document: str = YAML, table: str | None = TABLE) -> ParameterSet:
    (folder / "parameters.yaml").write_text(document, encoding="utf-8")
    if table is not None:
        (folder / "measures.csv").write_text(table, encoding="utf-8")
    return load_parameters(folder / "parameters.yaml")


def refusal(folder: Path, document: str = YAML, table: str | None = TABLE) -> InputDataError:
    with pytest.raises(InputDataError) as raised:
        load(folder, document, table)
    assert raised.value.exit_code == 3
    (problem,) = raised.value.problems
    assert problem.what.startswith("parameter file cannot be used: ")
    assert problem.what_to_do == "correct the file"
    return raised.value


def test_the_right_file_is_read_exactly(tmp_path: Path) -> None:
    parameters = load(tmp_path)
    by_year = {
        year: parameters.in_force(parameters.period(year))
        for year in ("FY2013", "FY2014", "FY2015", "FY2017", "FY2021")
    }
    percents = {year: scenario.value("applicable_percent") for year, scenario in by_year.items()}
    assert percents == {
        "FY2013": Decimal("0.0100"),
        "FY2014": Decimal("0.0125"),
        "FY2015": Decimal("0.0125"),
        "FY2017": None,
        "FY2021": None,
    }
    cited = by_year["FY2014"].cited("applicable_percent")
    assert (cited.cite, cited.unverified, cited.note) == ("second law", True, "a note")
    # A value that a later date does not name stays in force.
    assert by_year["FY2015"].keyed("domain_weight") == {"safety": Decimal("0.6"), "survey": Decimal("0.3")}
    assert by_year["FY2015"].value("minimum_cases", "HAI-1") == Decimal("1.000")
    assert by_year["FY2015"].cited("minimum_cases", "HAI-1").note == "a note, quoted"
    assert by_year["FY2021"].keyed("minimum_cases") == {}


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("title: Example", "title: Example\nauthors: someone", "authors: Extra inputs"),
        ("label: Share withheld", "label: Share withheld\n    lable: x", "applicable_percent.lable: Extra inputs"),
        ("cite: first law", "cite: first law, sight: x", ".sight: Extra inputs"),
        (", cite: first law", "", ".cite: Field required"),
        ("cite: first law", 'cite: ""', ".cite: String should have at least 1"),
        ('value: "0.0100", ', "", ".value: Field required"),
        ("    label: Share withheld\n", "", "applicable_percent.label: Field required"),
        ("unit: count", "unit: cases", "minimum_cases.unit: Input should be"),
        ('"0.0100"', '"1.5"', "applicable_percent of 2012-10-01: 1.5 is not a share between 0 and 1"),
        ('"0.0100"', "one percent", "applicable_percent of 2012-10-01: 'one percent' is not a number"),
        ('"0.0100"', ".nan", ".nan is not a decimal number"),
        ('"0.0100"', "0x10", "0x10 is not a decimal number"),
        ("2013-10-01:", "2012-10-01:", "2012-10-01 stands twice"),
        ("  domain_weight:", "  applicable_percent:", "applicable_percent stands twice"),
        ('survey: "0.3"', 'safety: "0.3"', "safety stands twice"),
        ("2012-10-01: {value: {safety", "2012-13-01: {value: {safety", "month must be in 1..12"),
        ("2012-10-01: {value: {safety", "FY2013: {value: {safety", "Input should be a valid date"),
        ('value: {safety: "0.6"}', 'value: "0.6"', "domain_weight of 2014-10-01 must give one value per domain_id"),
        ("us_fiscal_year", "moon_year", "calendar moon_year is not one of us_fiscal_year"),
        ("    file: measures.csv\n", "", "no values for minimum_cases"),
        ("periods: {first", "periods: {first: [", "line 5"),
    ],
)
def test_a_document_with_a_mistake(tmp_path: Path, old: str, new: str, reason: str) -> None:
    assert YAML.count(old) == 1
    error = refusal(tmp_path, YAML.replace(old, new))
    assert reason in error.problems[0].what
    assert error.problems[0].where == str(tmp_path / "parameters.yaml")


@pytest.mark.parametrize("document", ["", "- a list\n", "a text\n"])
def test_a_document_that_is_none(tmp_path: Path, document: str) -> None:
    assert "valid dictionary" in refusal(tmp_path, document).problems[0].what


def row(text: str) -> str:
    return f"{TABLE}{text}\n"


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (None, "No such file"),
        ("", "columns must be"),
        (TABLE.replace(",note", ""), "columns must be"),
        (TABLE.replace("measure_id", "measure"), "columns must be"),
        (row("minimum_cases,HAI-1,2012-10-01,2,first rule,,"), "HAI-1 has two values for 2012-10-01"),
        (row("minimum_cases,HAI-2,1.10.2012,2,first rule,,"), "line 4: '1.10.2012' is not a date"),
        (row("minimum_cases,HAI-2,2012-10-01,two,first rule,,"), "line 4: 'two' is not a number"),
        (row("minimum_cases,HAI-2,2012-10-01,-2,first rule,,"), "line 4: -2 is below zero"),
        (row("minimum_cases,HAI-2,2012-10-01,2,,,"), "line 4 cites nothing"),
        (row("minimum_cases,HAI-2,2012-10-01,2, ,,"), "line 4 cites nothing"),
        (row("minimum_cases,HAI-2,2012-10-01,2,first rule,yes,"), "unverified is 'yes'"),
        (row("minimum_case,HAI-2,2012-10-01,2,first rule,,"), "no parameter 'minimum_case'"),
        (row("minimum_cases,HAI-2,2012-10-01"), "line 4 has not 7 cells"),
        (row("minimum_cases,HAI-2,2012-10-01,2,first rule,,,more"), "line 4 has not 7 cells"),
    ],
)
def test_a_table_with_a_mistake(tmp_path: Path, table: str | None, reason: str) -> None:
    error = refusal(tmp_path, table=table)
    assert reason in error.problems[0].what
    assert error.problems[0].where == str(tmp_path / "measures.csv")


def test_every_file_changes_the_digest(tmp_path: Path) -> None:
    digests = {
        load(tmp_path).digest,
        load(tmp_path, document=YAML.replace("first law", "First law")).digest,
        load(tmp_path, table=TABLE.replace("first rule", "First rule")).digest,
    }
    assert len(digests) == 3
    assert load(tmp_path).digest in digests
