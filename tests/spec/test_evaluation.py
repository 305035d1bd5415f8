"""Evaluations on made-up panels: cells, windows, every design, the order of checks, power, lock, conclusion."""

from __future__ import annotations

import json
import re
from datetime import date
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation_panels import QUARTERS, terms, write_panel
from openvbp.errors import UsageError
from openvbp.estimators.difference_in_differences import difference_in_differences
from openvbp.evaluation.cells import collapse
from openvbp.evaluation.evaluation import Evaluation
from openvbp.evaluation.model_panel import panel_of_models
from openvbp.evaluation.program_facts import program_facts
from openvbp.evaluation.shrinkage import between_provider_sd
from openvbp.evaluation.specification_curve import summarize
from openvbp.evaluation.windows import parse_window, undoing_factor, window_of


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("panel")
    write_panel(folder)
    return folder


def cases(seed: int = 3) -> pa.Table:
    """Cases of 40 providers in six months, half of them treated from the fourth on."""
    random = np.random.default_rng(seed)
    rows = 6_000
    provider, month = random.integers(0, 40, rows), random.integers(0, 6, rows)
    expected = random.uniform(0.05, 0.3, rows)
    chance = expected - 0.05 * ((provider < 20) & (month >= 3))
    return pa.table(
        {
            "provider_id": [f"P{one:02}" for one in provider],
            "condition": ["heart"] * rows,
            "start": [date(2020, 1 + one, 1) for one in month],
            "end": [date(2020, 1 + one, 28) for one in month],
            "outcome": (random.uniform(size=rows) < chance).astype(int),
            "expected": expected,
        }
    )


def test_cells_give_the_estimate_and_error_of_the_cases() -> None:
    rows = cases()
    provider = np.array([int(one[1:]) for one in rows["provider_id"].to_pylist()])
    month = np.array([one.month for one in rows["start"].to_pylist()])
    treatment = ((provider < 20) & (month >= 4)).astype(float)
    of_cases = difference_in_differences(
        100 * rows["outcome"].to_numpy(), treatment, unit=provider, period=month
    ).effect
    cells = collapse(rows)
    unit = np.array([int(one[1:]) for one in cells.provider])
    period = np.array([cells.windows[at].start.month for at in cells.window])
    of_cells = difference_in_differences(
        cells.rate,
        ((unit < 20) & (period >= 4)).astype(float),
        unit=unit,
        period=period,
        weights=cells.cases,
        observations=int(cells.cases.sum()),
    ).effect
    assert len(cells) == 240
    assert of_cells.estimate == pytest.approx(of_cases.estimate, abs=1e-9)
    assert of_cells.standard_error == pytest.approx(of_cases.standard_error, abs=1e-9)


def test_cells_keep_counts_and_expected_events() -> None:
    rows, cells = cases(), collapse(cases())
    assert cells.observed.sum() == sum(rows["outcome"].to_pylist())
    assert cells.cases.sum() == rows.num_rows
    assert cells.expected.sum() == pytest.approx(sum(rows["expected"].to_pylist()))
    expected = np.array(rows["expected"].to_pylist())
    assert cells.variance.sum() == pytest.approx((expected * (1 - expected)).sum())
    adjusted = cells.outcome("risk_adjusted")
    assert adjusted[0] == pytest.approx(100 * (cells.observed[0] - cells.expected[0]) / cells.cases[0])
    assert cells.to_arrow().num_rows == len(cells)


def test_case_rows_of_a_study_are_counted_where_they_are(tmp_path: Path) -> None:
    rows = write_panel(tmp_path, treated=4, others=4)
    of_cells = Evaluation(terms(), tmp_path).frame.cells
    lists: dict[str, list] = {name: [] for name in ("provider", "condition", "quarter", "group", "died", "chance")}
    for row in rows.to_pylist():
        for at in range(row["cases"]):
            for name in ("provider", "condition", "quarter", "group"):
                lists[name].append(row[name])
            lists["died"].append(int(at < row["deaths"]))
            lists["chance"].append(0.12)
    lists["died"][0] = None
    pq.write_table(pa.table(lists), tmp_path / "cases.parquet")
    study = terms()
    columns = {"provider": "provider", "condition": "condition", "period": "quarter", "group": "group"}
    study["data"] = {"file": "cases.parquet", "columns": columns | {"outcome": "died", "expected": "chance"}}
    evaluation = Evaluation(study, tmp_path)
    cells = evaluation.frame.cells
    order = np.lexsort((of_cells.window, of_cells.condition, of_cells.provider))
    mine = np.lexsort((cells.window, cells.condition, cells.provider))
    assert cells.observed[mine][1:].tolist() == of_cells.observed[order][1:].tolist()
    assert cells.cases.sum() == of_cells.cases.sum() - 1
    assert cells.expected.sum() == pytest.approx(0.12 * cells.cases.sum())
    assert cells.variance.sum() == pytest.approx(0.12 * 0.88 * cells.cases.sum())
    assert evaluation._file.rejected == {"outcome is not given or no number": 1}
    assert evaluation._file.rows == of_cells.cases.sum()


def test_panel_of_fitted_models(tmp_path: Path) -> None:
    for at, name in enumerate(("before", "after")):
        (tmp_path / name).mkdir()
        table = pa.table(
            {"provider_id": ["A", "B"], "cases": [100, 50], "observed": [12 - at, 7], "expected": [11.5, 6.25]}
        )
        pq.write_table(table, tmp_path / name / "providers.parquet")
    folders = {f"ami:2010-01..2010-06={tmp_path / 'before'}", f"ami:2010-07..2010-12={tmp_path / 'after'}"}
    panel = panel_of_models(sorted(folders))
    assert panel.num_rows == 4
    assert panel["observed"].to_pylist() == [12, 7, 11, 7]
    assert [str(one) for one in panel["end"].to_pylist()] == ["2010-06-30"] * 2 + ["2010-12-31"] * 2
    with pytest.raises(UsageError, match="cannot be read"):
        panel_of_models(["ami=folder"])


@pytest.mark.parametrize(
    ("before", "after", "factor"),
    [
        ("2008-07..2011-06", "2010-07..2013-06", Fraction(3, 2)),
        ("2008-07..2011-06", "2009-07..2012-06", Fraction(3)),
        ("2008-07..2011-06", "2011-07..2014-06", Fraction(1)),
    ],
)
def test_factor_that_undoes_an_overlap(before: str, after: str, factor: Fraction) -> None:
    assert undoing_factor(parse_window(before), parse_window(after)) == factor


def test_periods_as_panels_write_them() -> None:
    assert str(window_of("2011Q3", "2011Q3")) == "2011-07..2011-09"
    assert str(window_of("2011", "2012")) == "2011-01..2012-12"
    assert window_of("2011-07-01", "2011-07-31").days == 31
    assert str(window_of("FY2014", "FY2014")) == "2013-10..2014-09"


def test_groups_of_hospitals_by_certification_number() -> None:
    numbers = np.array(
        ["010001", "211302", "211234", "01014F", "40003F", "400001", "013025", "010879", "010880"], object
    )
    found = program_facts("hvbp").group_of(numbers)
    assert list(found) == ["IPPS", "MD", "MD", "VA", "VA", "territory", "", "IPPS", ""]


def test_clocks_and_measures_come_from_the_program() -> None:
    facts = program_facts("hvbp")
    paid = facts.clock("paid", "MORT-30-AMI")
    assert paid is not None
    assert paid.date == date(2013, 10, 1)
    assert "measure_domain.MORT-30-AMI" in paid.cite
    assert facts.is_incentivised("MORT-30-COPD", date(2020, 10, 1))
    assert not facts.is_incentivised("MORT-30-COPD", date(2020, 9, 30))
    assert not facts.is_incentivised("MORT-30-STK", date.max)


@pytest.mark.parametrize("program", ["hvbp", "hrrp", "hacrp", "qof"])
def test_every_programs_facts_can_be_read(program: str) -> None:
    facts = program_facts(program)
    assert facts.program_id == program
    assert any(one.role == "treated" for one in facts.groups.values())
    assert facts.clock("announced", "anything") is not None


def test_standard_deviation_of_providers_behind_shrunken_rates() -> None:
    error = np.array([1.0, 4.0, 9.0, 0.5] * 50)
    tau = 1.7
    variance = float(np.mean(tau**4 / (tau**2 + error)))
    assert between_provider_sd(variance, error) == pytest.approx(tau, abs=1e-6)


DESIGNS = {
    "did": {},
    "ddd": {"design": "ddd", "conditions": ["heart"], "untouched": ["hip"]},
    "event": {"design": "event"},
    "imputation": {"design": "imputation"},
    "callaway_santanna": {"design": "callaway_santanna"},
    "sdid": {"design": "sdid"},
    "dose": {"design": "dose", "dose": "dose"},
}


@pytest.mark.parametrize("name", list(DESIGNS))
def test_every_design_finds_the_effect(panel: Path, name: str) -> None:
    found = Evaluation(terms(main={"conditions": ["heart"], **DESIGNS[name]}), panel)._one("it", _main(name))
    assert found.is_estimated
    assert found.estimate == pytest.approx(-2.0, abs=4 * found.standard_error)
    assert found.high < 0


def _main(name: str):
    from openvbp.evaluation.study_terms import Analysis

    return Analysis.model_validate({"conditions": ["heart"], **DESIGNS[name]})


def test_spline_compares_changes_of_slopes(panel: Path) -> None:
    found = Evaluation(terms(main={"design": "cits"}), panel).run().rows
    main = next(one for one in found if one.section == "main")
    slopes = [float(one) for one in re.findall(r"[+-]\d+\.\d+", main.note)]
    assert len(slopes) == 4
    assert main.estimate == pytest.approx((slopes[3] - slopes[2]) - (slopes[1] - slopes[0]), abs=0.002)


def test_counts_with_time_at_risk(panel: Path) -> None:
    found = Evaluation(terms(main={"design": "counts", "dose": "dose"}), panel).run().rows
    main = next(one for one in found if one.section == "main")
    # About −2 of 11.7 deaths per hundred and unit of dose: log(1 − 2/11.7) = −0.19.
    assert main.estimate == pytest.approx(-0.19, abs=0.05)
    assert "log of the rate ratio" in main.note


def test_areas_are_exposed_to_what_their_providers_achieve(panel: Path, tmp_path: Path) -> None:
    """Two practices for each area, of which the achievements average to the dose of the panel's column."""
    rows = pq.read_table(panel / "panel.parquet")
    dose = {one: float(text) for one, text in zip(rows["provider"].to_pylist(), rows["dose"].to_pylist(), strict=True)}
    pq.write_table(rows, tmp_path / "panel.parquet")
    registered = [f"{area},{area}{side},{persons}" for area in dose for side, persons in (("x", 300), ("y", 100))]
    achieved = [
        f"{area}{side},{value + step}" for area, value in dose.items() for side, step in (("x", 0.1), ("y", -0.3))
    ]
    (tmp_path / "registered.csv").write_text("\n".join(["area,practice,persons", *registered]), encoding="utf-8")
    (tmp_path / "achieved.csv").write_text("\n".join(["practice,points", *achieved]), encoding="utf-8")
    achievement = {"file": "achieved.csv", "provider": "practice", "column": "points"}
    exposure = {"file": "registered.csv", "area": "area", "provider": "practice", "persons": "persons"}
    study = terms(main={"design": "counts", "conditions": ["heart"], "dose": "points"})
    study["data"]["exposures"] = {"points": exposure | {"achievement": achievement}}
    found = Evaluation(study, tmp_path).run()
    by_column = terms(main={"design": "counts", "conditions": ["heart"], "dose": "dose"})
    assert found.section("main")[0].estimate == pytest.approx(
        Evaluation(by_column, panel).run().section("main")[0].estimate, abs=1e-9
    )
    assert "known of 140 of 140 areas, there for 100.0% of persons" in dict(found.card)["Exposure"]
    assert {"registered.csv", "achieved.csv"} < set(found.digests.data)
    # P000 keeps one practice with points, P001 none: the first counts with what is known, the second not at all.
    kept = [one for one in achieved if not one.startswith(("P000y", "P001"))]
    (tmp_path / "achieved.csv").write_text("\n".join(["practice,points", *kept]), encoding="utf-8")
    some = Evaluation(study, tmp_path).run()
    assert some.left_out == {"exposure is not known: no provider's achievement is": 12}
    assert "known of 139 of 140 areas, there for 99.8% of persons" in dict(some.card)["Exposure"]


def test_all_exposed_are_held_against_lower_doses(tmp_path: Path) -> None:
    write_panel(tmp_path, treated=40, others=0)
    study = terms(main={"design": "counts", "dose": "dose"}, groups={"treated": ["program"]})
    results = Evaluation(study, tmp_path).run()
    assert results.section("main")[0].is_estimated
    assert "against lower doses" in results.summary
    assert "nothing but the dose tells them apart" in results.what_would_change[-1]
    assert not results.section("common shock")[0].is_estimated


def test_synthetic_control_of_one_treated_region(tmp_path: Path) -> None:
    rows = write_panel(tmp_path, treated=1, others=25)
    assert rows.num_rows == 26 * 2 * 12
    study = terms(main={"design": "synthetic", "conditions": ["heart"]})
    main = next(one for one in Evaluation(study, tmp_path).run().rows if one.section == "main")
    assert main.estimate < 0
    assert "1 treated and 25 comparison units" in main.note
    assert 0 < main.p_value <= 1


def test_staggered_adoption_with_the_bacon_warning(tmp_path: Path) -> None:
    write_panel(tmp_path, staggered=True, others=20)
    study = terms(main={"design": "imputation", "conditions": ["heart"]})
    study["data"]["columns"] = {**study["data"]["columns"], "first_treated": "start"}
    results = Evaluation(study, tmp_path).run()
    main = results.section("main")[0]
    assert main.estimate == pytest.approx(-2.0, abs=4 * main.standard_error)
    assert "two-way fixed effects" in main.note
    path = {one.label: one for one in results.section("event study")}
    assert {"-6 windows since start", "+0 windows since start", "+5 windows since start"} <= set(path)
    assert path["+3 windows since start"].estimate == pytest.approx(-2, abs=1.5)
    assert results.section("pre-trend test")[0].p_value > 0.005
    assert "start" in results.write(tmp_path / "OUT").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def results(panel: Path):
    curve = {"weights": ["cases", "none"], "compare": [["exempt A"], ["exempt B"]]}
    study = terms(curve=curve, equity=["region", "dose"], infer=["cr2", "wild", "permutation"], draws=199)
    return Evaluation(study, panel).run()


def test_checks_come_in_their_order(results) -> None:
    sections = list(dict.fromkeys(one.section for one in results.rows))
    assert sections == [
        "power before estimates",
        "balance before onset",
        "main",
        "event study",
        "pre-trend test",
        "honest bounds",
        "placebo in time",
        "placebo in outcome",
        "placebo in unit",
        "negative-control calibration",
        "spill-over: untouched conditions",
        "worst baseline",
        "equity",
        "common shock",
        "specification curve",
    ]


def test_several_comparison_groups_and_further_inference(results) -> None:
    labels = [one.label for one in results.section("main")]
    assert {"main analysis", "against exempt A", "against exempt B"} <= set(labels)
    assert sum(one.startswith("the same") for one in labels) == 3
    assert all(one.is_estimated and one.estimate < -1 for one in results.section("main"))


def test_balance_before_onset(results) -> None:
    rows = {one.label: one for one in results.section("balance before onset")}
    assert abs(rows["outcome, against exempt A"].estimate) < 0.6
    assert rows["dose, against exempt A"].estimate > 0.25
    assert "the groups are not alike" in rows["dose, against exempt A"].note


def test_the_untouched_condition_did_not_move(results) -> None:
    (row,) = results.section("spill-over: untouched conditions")
    assert row.label == "hip"
    assert not row.is_significant


def test_pretrend_is_tested_and_its_power_told(results) -> None:
    (row,) = results.section("pre-trend test")
    assert row.p_value > 0.01
    assert "is found with 80 % power" in row.note
    assert [one.label for one in results.section("honest bounds")][3:] == [
        "breakdown",
        "the straight line of the trend before is extrapolated (no bend)",
        "breakdown of the straight line",
    ]


def test_a_bend_as_large_as_the_breakdown_loses_the_sign(panel: Path) -> None:
    study = terms(main={"conditions": ["heart"]})
    first = {one.label: one for one in Evaluation(study, panel).run().section("honest bounds")}
    breakdown = first["breakdown of the straight line"]
    assert breakdown.estimate > 0.01
    assert f"by up to {breakdown.estimate:.3f} from window to window" in breakdown.note
    bends = [0.5 * breakdown.estimate, 1.1 * breakdown.estimate]
    rows = Evaluation({**study, "bends": bends}, panel).run().section("honest bounds")
    less, more = [one for one in rows if "bent by at most" in one.label]
    assert less.high < 0 < more.high


def test_the_curve_counts_all_combinations(results) -> None:
    rows = results.section("specification curve")
    assert len(rows) == 4
    summary = summarize(rows, is_desirable=False)
    assert summary is not None
    assert summary.better == 1
    assert set(summary.by_choice) == {"compare", "weights"}
    assert summarize(rows, is_desirable=True).worse == 1  # type: ignore[union-attr]


def test_placebos_calibrate_the_main_estimate(results) -> None:
    (row,) = results.section("negative-control calibration")
    main = results.section("main")[0]
    assert row.standard_error >= main.standard_error
    assert row.estimate == pytest.approx(main.estimate, abs=0.6)


def test_conclusion_says_what_would_change_it(results) -> None:
    assert "an improvement" in results.summary
    text = " ".join(results.what_would_change)
    assert "comparison group" in text
    assert "would take the effect away" in text


def test_power_reads_no_outcome_after_onset(tmp_path: Path) -> None:
    rows = write_panel(tmp_path)
    before = Evaluation(terms(), tmp_path).power()
    late = np.array([QUARTERS.index(one) >= 6 for one in rows["quarter"].to_pylist()])
    deaths = np.where(late, 0, rows["deaths"].to_numpy())
    import pyarrow.parquet as pq

    changed = rows.set_column(rows.column_names.index("deaths"), "deaths", pa.array(deaths))
    pq.write_table(changed, tmp_path / "panel.parquet")
    assert Evaluation(terms(), tmp_path).power() == before


def test_lock_run_and_change(tmp_path: Path) -> None:
    write_panel(tmp_path, others=20, treated=10)
    study = terms(main={"conditions": ["heart"]})
    registered = Evaluation(study, tmp_path).lock(tmp_path / "prereg.json")
    assert registered["outcomes_read_before"] is False
    run = Evaluation(study, tmp_path).run(tmp_path / "prereg.json")
    assert run.status.status == "locked"
    changed = Evaluation(terms(main={"conditions": ["heart"], "weights": "none"}), tmp_path)
    status = changed.run(tmp_path / "prereg.json").status
    assert (status.status, status.changed) == ("changed since", ("specification",))
    with pytest.raises(UsageError, match="no pre-registration"):
        changed.lock(tmp_path / "second.json")
    late = changed.lock(tmp_path / "second.json", after_reading=True)
    assert late["outcomes_read_before"] is True
    assert "not a pre-registration" in changed.run(tmp_path / "second.json").status.words
    with pytest.raises(UsageError, match="there already"):
        changed.lock(tmp_path / "second.json", after_reading=True)


def test_a_study_is_registered_before_there_are_data(tmp_path: Path) -> None:
    study = terms(main={"conditions": ["heart"]})
    Evaluation(study, tmp_path).lock(tmp_path / "prereg.json")
    write_panel(tmp_path, others=20, treated=10)
    status = Evaluation(study, tmp_path).run(tmp_path / "prereg.json").status
    assert status.status == "locked"
    assert "before the data were there" in status.words


def test_results_are_written_as_table_record_and_page(results, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    page = results.write(tmp_path / "OUT")
    record = json.loads((tmp_path / "OUT" / "evaluation.json").read_text(encoding="utf-8"))
    table = pq.read_table(tmp_path / "OUT" / "results.parquet")
    assert table.num_rows == len(results.rows) == len(record["results"])
    assert record["lock"]["status"] == "not locked"
    assert set(record["digests"]["data"]) == {"panel.parquet"}
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert text.count("<svg") == 3
