"""Rule files with mistakes, and claims that a rule cannot be evaluated on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from attribution_population import events, visit
from openvbp.attribution import attribute, read_rule, shipped_rule
from openvbp.attribution.rule_files import find_rule
from openvbp.engine import Engine
from openvbp.errors import InputDataError, UsageError
from openvbp.periods import parse_period

RULE = """\
rule: mine
title: Mine
cite: contract, section 4
unit: npi
pools:
  office: {services: [ambulatory_visit], clinicians: [primary_care_physician]}
steps:
  - pool: office
"""
MISTAKES = {
    "services: [ambulatory_visit]": {
        "services: [ambulatory_visits]": "no service list 'ambulatory_visits'; did you mean 'ambulatory_visit'?",
    },
    "clinicians: [primary_care_physician]": {
        "clinicians: [family_doctor]": "there is no clinician group 'family_doctor'",
        "clinicians: [primary_care_physician], window: year": "there is no window 'year'; declared are period",
        "stay_field: facility_ccn": "each pool needs either services or a stay_field",
    },
    "unit: npi": {
        "unit: physician": "unit: expected 'npi', 'tin_npi', 'tin', 'ccn' or 'organization'",
        "unit: npi\nsignal: rvu": "signal: expected 'visits'",
        "unit: npi\nminimum_share: 1.5": "minimum_share: expected at most 1",
        "unit: npi\ntie: [visits]": "there is no term 'tie'; did you mean 'ties'?",
        "unit: npi\nsubject: stay\npopulation: {minimum_months: 3}": "a rule on stays has neither population",
        "unit: ccn\npre_emption: [{source: attestation}]": "pre_emption by attestation needs unit npi or tin",
        "unit: npi\nservice_lists: {own: {codes: ['1'], condition: office}}": "there is no condition 'office'",
        "unit: npi\nservice_lists: {own: {codes: [99213]}}": "put it in quotation marks",
    },
    "- pool: office": {
        "- pool: offices": "there is no pool 'offices'; declared are office",
        "- {pool: office, after: no_assignment}\npick: all": "knows neither after: no_assignment nor requires",
    },
    "steps:": {"steps: [": "not readable as YAML"},
    "cite: contract, section 4\n": {"": "cite: this term is missing"},
}


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [(right, wrong, said) for right, some in MISTAKES.items() for wrong, said in some.items()],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, right: str, wrong: str, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(RULE)
    assert read_rule(path).rule == "mine"
    path.write_text(RULE.replace(right, wrong))
    with pytest.raises(InputDataError, match=re.escape(said)) as caught:
        read_rule(path)
    assert str(path) in str(caught.value)


def test_all_mistakes_are_told_together_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(RULE.replace("unit: npi", "unit: doctor\nsignal: money").replace("title: Mine\n", ""))
    with pytest.raises(InputDataError) as caught:
        read_rule(path)
    assert {problem.where for problem in caught.value.problems} == {f"{path}, line 3", f"{path}, line 4", str(path)}


@pytest.mark.parametrize("content", ["", "- rule", "7"])
def test_a_file_without_a_rule(tmp_path: Path, content: str) -> None:
    (tmp_path / "mine.yaml").write_text(content)
    with pytest.raises(InputDataError, match="the file holds no rule"):
        read_rule(tmp_path / "mine.yaml")


def test_an_unknown_rule_and_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'panel_list'"):
        find_rule("panel_lists")
    with pytest.raises(UsageError, match="rule file cannot be read"):
        find_rule(str(tmp_path / "none.yaml"))


def test_a_table_that_is_absent_and_a_rule_given_twice(duckdb_engine: Engine) -> None:
    period = parse_period("CY2024", "calendar_year")
    made = events(duckdb_engine, "faults", service_line=[visit("a", "1", "2024-03-01")])
    for rule_id, table in {
        "panel_list": "provider_attribution",
        "mspb_hospital": "stay",
        "aco_reach": "participant",
    }.items():
        with pytest.raises(InputDataError, match=f"rule {rule_id} needs a table {table}"):
            attribute(duckdb_engine, made, [shipped_rule(rule_id)], period)
    rule = shipped_rule("plurality_all_npi")
    with pytest.raises(UsageError, match="two rules have one name"):
        attribute(duckdb_engine, made, [rule, rule], period)
    with pytest.raises(UsageError, match="no rule is given"):
        attribute(duckdb_engine, made, [], period)
