"""Reviews of designs on examples that can be followed by hand."""

from __future__ import annotations

import csv
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from diagnosis_runs import write_run
from openvbp.claims_chain.settlement import FOLDER
from openvbp.design_review.account import Account, Variant
from openvbp.design_review.aspect import SERIOUS_WHEN, TITLES, Aspect, Finding
from openvbp.design_review.chance import chance, cost_variation
from openvbp.design_review.contract_cliffs import contract_cliffs
from openvbp.design_review.design import Design, constructions, open_design
from openvbp.design_review.losers import losers
from openvbp.design_review.measure_scores import MeasureScores, measures_of
from openvbp.design_review.noise import noise
from openvbp.design_review.patients import attribution
from openvbp.design_review.principles import judge, published_principles
from openvbp.design_review.review import review
from openvbp.design_review.scores import small_denominators, topped_out_facts
from openvbp.engine import open_engine
from openvbp.programs import program as find_program
from openvbp.run_folder import RunFolder, open_run
from review_contracts import CLAIMS, CONTRACT, write_contract, write_rows

_FACTS = {
    "participation": {"voluntary", "mandatory"},
    "money": {"rewards_only", "withhold", "penalty_only", "both_ways"},
    "sum": {"new_money", "budget_neutral", "savings_to_payer"},
    "comparison": {"absolute", "relative", "both"},
    "improvement": {"yes", "no"},
    "clinical_risk": {"yes", "no", "some"},
    "social_risk": {"none", "peer_groups", "bonus", "register"},
    "quality_linked": {"yes", "no"},
    "standards_known_before": {"yes", "no"},
    "review_of_results": {"yes", "no"},
    "small_practices": {"supported", "not_supported"},
    "unit": {"clinician", "group", "hospital", "organization"},
    "attribution": {"none", "prospective", "retrospective", "either"},
    "one_attribution": {"yes", "no"},
    "exceptions_by_provider": {"yes", "no"},
    "reaches_clinicians": {"yes", "no"},
    "patient_choice_first": {"yes", "no"},
}
"""Every fact a review knows, and its values."""


def test_constructions_name_parameters_that_there_are_and_facts_that_are_known() -> None:
    for program_id, one in constructions().items():
        parameters = find_program(program_id).parameters.dated
        named = [cliff.parameter for cliff in one.cliffs] + [one.at_risk, one.minimum_cases, one.measures]
        named += [one.losers.parameter] if one.losers else []
        assert {name for name in named if name} <= set(parameters), program_id
        for name, fact in one.facts.items():
            assert fact.value in _FACTS[name], (program_id, name)


def test_principles_ask_for_facts_and_values_that_are_known() -> None:
    found = published_principles()
    assert len({one.id for one in found}) == len(found)
    for one in found:
        if one.fact:
            assert set(one.kept) | set(one.broken) <= _FACTS[one.fact], one.id
    assert set(SERIOUS_WHEN) == set(TITLES)


def test_a_contract_says_where_its_facts_stand(tmp_path: Path) -> None:
    facts = open_design(str(write_contract(tmp_path))).facts
    assert {name for name in facts if facts[name].value not in _FACTS[name]} == set()
    assert facts["money"].value == "both_ways"
    assert facts["money"].cite == "small.yaml, payment_model"
    assert facts["clinical_risk"].value == "no"
    assert facts["improvement"].value == "no"
    # The rule of attribution is a text: nothing is known of it.
    assert "attribution" not in facts


@pytest.fixture(scope="module")
def edges(tmp_path_factory: pytest.TempPathFactory) -> Aspect:
    design = open_design(str(write_contract(tmp_path_factory.mktemp("contract"))))
    with open_engine() as engine:
        return contract_cliffs(design, Account(engine, design))


def test_cliffs_of_a_contract_are_settled_on_both_sides(edges: Aspect) -> None:
    """10 million of budget; half of 2 % is 100,000. Losses are shared above the minimum only: no jump.

    At 5 % savings quality opens 250,000 at the gate. One of the two measures alone: 1 of 4 points is below the gate.
    """
    (rows,) = edges.tables.values()
    found = {row["where"]: (round(row["below"]), round(row["above"])) for row in rows}
    assert found == {
        "savings.minimum_rate": (0, 100_000),
        "quality_gate": (0, 250_000),
        "quality.measures.screening": (0, 250_000),
    }
    # The most that can be won is half of 30 % of the budget.
    shares = {row["where"]: row["of_most_share"] for row in rows}
    assert shares["quality_gate"] == pytest.approx(250_000 / 1_500_000)
    severities = {one.text[:12]: one.severity for one in edges.findings}
    assert severities == {
        "A quality sc": "serious",
        "The last cas": "serious",
        "Savings of j": "caution",
        "Settled by a": "fine",
    }
    assert [place.cite for place in edges.findings[0].evidence] == ["small.yaml, quality.gate"]


def _on(design: Design, path: Path) -> Design:
    """The same design, tried on a run; a folder without a record stands for a settlement from claims."""
    run = open_run(path) if (path / "run.json").is_file() else RunFolder(path, {"period": "PY2024"})
    return replace(design, run=run)


def _members(folder: Path, cost: np.ndarray) -> None:
    """A settlement's costs by member (rows) and year (two columns), as far as a review reads them."""
    folder.mkdir(parents=True)
    with (folder / "high_cost_members.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["member_id", "population", "year", "expenditures"])
        for year, column in (("2023", 0), ("2024", 1)):
            rows.writerows(
                [f"P{at}", "attributed", year, f"{one:.2f}"] for at, one in enumerate(cost[:, column]) if one
            )
    for year in ("2023", "2024"):
        (folder / "attribution" / year).mkdir(parents=True)
        persons = [f"P{at}" for at in range(len(cost))]
        rows = [{"rule_id": "plurality_primary_care_tin", "person_id": one, "unit_id": "G1"} for one in persons]
        pq.write_table(pa.Table.from_pylist(rows), folder / "attribution" / year / "attribution.parquet")


def test_chance_of_the_savings_rate_is_that_of_resampled_members(tmp_path: Path) -> None:
    """Members costly in one year tend to be so in the other, which the variance takes into account."""
    random = np.random.default_rng(4)
    lasting = random.normal(0, 1, 2_000)
    cost = np.exp(7 + 0.8 * lasting[:, None] + random.normal(0, 0.8, (2_000, 2)))
    cost[random.random(2_000) < 0.2] = 0
    _members(tmp_path / FOLDER, cost)
    design = _on(open_design(str(write_contract(tmp_path, CONTRACT + CLAIMS))), tmp_path)
    found = cost_variation(design)
    net = np.minimum(cost, 50_000)
    drawn = [net[random.integers(0, 2_000, 2_000)].sum(axis=0) for _ in range(1_500)]
    rates = [1 - now / before for before, now in drawn]
    assert found.members == 2_000
    assert found.of(2_000) == pytest.approx(np.std(rates), rel=0.08)
    assert found.of(8_000) == pytest.approx(found.of(2_000) / 2)


def test_who_saves_nothing_is_paid_as_often_as_chance_passes_the_minimum(tmp_path: Path) -> None:
    """Independent costs, 2,000 members: paid where a normal savings rate is 2 % or more, charged beyond -2 %."""
    random = np.random.default_rng(5)
    _members(tmp_path / FOLDER, np.exp(random.normal(7, 0.9, (2_000, 2))))
    design = open_design(str(write_contract(tmp_path, CONTRACT + CLAIMS)))
    with open_engine() as engine:
        account = Account(engine, design)
        found = chance(_on(design, tmp_path), account)
    (rows,) = found.tables.values()
    own = next(row for row in rows if row["members"] == 2_000 and row["true_savings_share"] == 0)
    sd = own["chance_sd_share"]
    beyond = float(np.mean(np.abs(random.normal(0, sd, 200_000)) >= 0.02)) / 2
    assert own["paid_share"] == pytest.approx(beyond, abs=0.005)
    assert own["charged_share"] == pytest.approx(beyond, abs=0.005)
    larger = next(row for row in rows if row["members"] == 100_000 and row["true_savings_share"] == 0)
    assert larger["paid_share"] < own["paid_share"]
    assert found.findings[0].text.startswith("With the 2,000 members of the data")
    assert (own["paid_share"] >= 0.2) == (found.severity == "serious")


def test_an_account_is_settled_by_the_contracts_rules(tmp_path: Path) -> None:
    design = open_design(str(write_contract(tmp_path)))
    with open_engine() as engine:
        settled = Account(engine, design).settle([Variant(0.04), Variant(0.04, 0.25), Variant(-0.05), Variant(0.0199)])
    # Half of 4 %; below the gate nothing; 30 % of the losses beyond 2 %; below the minimum nothing.
    assert settled.tolist() == [200_000.0, 0.0, -90_000.0, 0.0]


def test_small_denominators_by_hand(tmp_path: Path) -> None:
    """1.96 root(0.25/200) = 6.9 points; with 20 cases 21.9: one of two measures."""
    found = small_denominators(open_design(str(write_contract(tmp_path))))
    (rows,) = found.tables.values()
    assert [round(100 * row["half_interval_share"], 1) for row in rows] == [6.9, 21.9]
    assert found.severity == "serious"
    assert "1 of 2 measures" in found.findings[0].text


@pytest.mark.parametrize(
    ("rates", "is_high_better", "expected"),
    [
        ([0.97, 0.98, 0.985, *[0.99] * 40], True, True),
        ([0.5 + at / 100 for at in range(40)], True, False),
        # The better end of a rate that should be low is the lower one.
        ([*[0.90] * 12, *[0.90 + at / 400 for at in range(28)]], False, True),
        ([*[0.90] * 12, *[0.90 + at / 400 for at in range(28)]], True, False),
    ],
)
def test_topped_out_by_the_criteria_of_the_rule(rates: list[float], is_high_better: bool, expected: bool) -> None:
    assert topped_out_facts(rates, is_high_better=is_high_better)["is_topped_out"] is expected


def test_reliability_finds_the_spread_that_was_put_in() -> None:
    random = np.random.default_rng(1)
    cases = np.full(2_000, 150.0)
    true = 1 / (1 + np.exp(-(-1.0 + random.normal(0, 0.4, 2_000))))
    one = MeasureScores("M", "D", random.binomial(150, true) / 150, cases, np.full(2_000, np.nan))
    share = true.mean() * (1 - true.mean())
    expected = 0.16 / (0.16 + 1 / (150 * share))
    assert one.reliability is not None
    assert one.reliability.mean() == pytest.approx(expected, abs=0.05)
    # Of providers that are alike there is nothing to tell apart.
    same = MeasureScores("M", "D", random.binomial(150, 0.3, 2_000) / 150, cases, np.full(2_000, np.nan))
    assert same.reliability is not None
    assert same.reliability.mean() < 0.15
    # Shrunken rates differ less than chance makes: nothing is said.
    mean = one.rate.mean()
    assert MeasureScores("M", "D", mean + 0.2 * (one.rate - mean), cases, one.points).reliability is None


def test_noise_by_draws_is_their_variance_over_that_of_payments(tmp_path: Path) -> None:
    """Payments of -1 % and +1 %, variance 1e-4; intervals of ± 1.96 half percents, variance 0.25e-4."""
    rows = [
        {
            "provider_id": f"{at:02}",
            "component_id": "net",
            "rate": 0.01 * (-1) ** at,
            "amount": None,
            "rate_low": 0.01 * (-1) ** at - 0.005 * 1.959964,
            "rate_high": 0.01 * (-1) ** at + 0.005 * 1.959964,
            "probability_taken": 0.9 if at % 2 else 0.1,
        }
        for at in range(40)
    ]
    path = write_rows(tmp_path / "RUN", "hvbp", payment_interval=rows)
    first, second = noise(_on(open_design("hvbp", "FY2024"), path)).findings
    assert first.text.startswith("25.0 % of the variance of payments")
    assert second.text.startswith("10.0 % of 20 penalties")


def test_who_loses_is_counted_by_peer_group(tmp_path: Path) -> None:
    providers = [
        {"provider_id": f"{at:02}", "peer_group": str(1 + at % 2), "dual_eligible_ratio": at / 48} for at in range(48)
    ]
    paid = [{"provider_id": f"{at:02}", "rate": "-0.01" if at >= 36 else "0"} for at in range(48)]
    path = write_run(tmp_path / "RUN", 2024, provider=providers, payment_result=paid)
    found = losers(_on(open_design("hacrp", "FY2024"), path))
    (rows,) = found.tables.values()
    shares = {(row["grouped_by"], row["group"]): row["losing_share"] for row in rows}
    assert shares[("all", "all")] == 0.25
    assert shares[("peer group", "1")] == 0.25
    assert [shares[("quarter of dual-eligible share", str(one))] for one in (1, 2, 3, 4)] == [0, 0, 0, 1]
    # Rates without amounts have no sum.
    assert {row["amount"] for row in rows} == {None}


def test_verdicts_follow_facts_and_the_worst_finding() -> None:
    design = open_design("hacrp", "FY2024")
    aspects = {
        "reliability": Aspect("reliability", [Finding("fine", "good"), Finding("serious", "bad")]),
        "burden": Aspect("burden", [Finding("caution", "perhaps")]),
        "chance": Aspect("chance", why_not="no costs"),
        "noise": Aspect("noise", [Finding("fine", "little")]),
    }
    found = {one.principle.id: one for one in judge(design, aspects)}
    assert (found["AMA-3"].judgement, found["AMA-4a"].judgement) == ("broken", "kept")
    assert found["AMA-3"].evidence[0].cite == "42 U.S.C. 1395ww(p)(1)"
    assert (found["AMA-4"].judgement, found["AMA-4"].reason[-3:]) == ("broken", "bad")
    assert found["AMA-G4"].judgement == "not determinable"
    # Where chance was not looked at, noise is.
    assert (found["AMA-G2"].judgement, found["AMA-G2"].reason[-6:]) == ("kept", "little")
    assert found["LAN-A1"].reason == "patient choice first: the file does not say"


def test_a_ranking_is_serious_and_terms_alone_are_enough_to_see_it() -> None:
    found = review("hacrp", period="FY2024")
    assert found.serious == ["cliffs", "losers"]
    (ranked,) = next(one for one in found.aspects if one.name == "losers").findings
    (place,) = ranked.evidence
    assert (place.place, Decimal(place.value)) == ("cutoff_percentile", Decimal("0.75"))
    assert review("mssp", what=["cliffs"]).serious == []


def test_measures_need_enough_providers(tmp_path: Path) -> None:
    rows = [
        {
            "provider_id": f"{at:02}",
            "measure_id": "M",
            "domain_id": "D",
            "rate": at / 100,
            "denominator": 100.0,
            "points": 1.0,
        }
        for at in range(31)
    ]
    path = write_rows(tmp_path / "RUN", "hacrp", measure_result=rows)
    (one,) = measures_of(_on(open_design("hacrp", "FY2024"), path))
    assert (one.measure_id, len(one.rate), one.is_share) == ("M", 31, True)


def test_who_loses_is_not_told_where_most_payments_are_not_known(tmp_path: Path) -> None:
    providers = [{"provider_id": f"{at:02}", "peer_group": None, "dual_eligible_ratio": None} for at in range(48)]
    paid = [{"provider_id": f"{at:02}", "rate": "0"} for at in range(20)]
    path = write_run(tmp_path / "RUN", 2024, provider=providers, payment_result=paid)
    found = losers(_on(open_design("hacrp", "FY2024"), path))
    assert not found.tables
    assert "payment of 20 of 48 providers" in found.findings[-1].text


@pytest.mark.parametrize(("gone", "moved", "told"), [(40, 20, 20), (40, 5, None), (40, 35, None), (5, 0, "nothing")])
def test_few_patients_who_left_are_not_told(tmp_path: Path, gone: int, moved: int, told: int | str | None) -> None:
    """A year later ``gone`` of 100 patients are not the group's, ``moved`` of them another's; as many are new."""
    for year, first in (("2023", 0), ("2024", gone)):
        own = [(f"P{at}", "G1") for at in range(first, first + 100)]
        others = [(f"P{at}", "OTHER") for at in range(moved)] if first else []
        rows = [{"rule_id": "plurality_primary_care_tin", "person_id": a, "unit_id": b} for a, b in own + others]
        folder = tmp_path / FOLDER / "attribution" / year
        folder.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(rows), folder / "attribution.parquet")
    found = attribution(_on(open_design(str(write_contract(tmp_path, CONTRACT + CLAIMS))), tmp_path))
    if told == "nothing":
        assert not found.tables
        return
    ((row,),) = found.tables.values()
    assert (row["before"], row["left"], row["new"], row["elsewhere"]) == (100, gone, gone, told)
    assert found.severity == "serious"
    assert ("are another's" in found.findings[-1].text) == (told is not None)
