"""Studies that cannot be run, or not in full: what is said, where, and what remains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation_panels import STUDY, terms, write_panel
from openvbp.errors import InputDataError, UsageError
from openvbp.evaluation.cells import cells_from_counts, cells_from_rates, collapse
from openvbp.evaluation.evaluation import Evaluation
from openvbp.evaluation.findings import Finding
from openvbp.evaluation.run import run_study
from openvbp.evaluation.study_file import read_study
from openvbp.evaluation.windows import parse_window

EXPOSURE = """\
  attributes: {region: region}
  exposures:
    region: {file: a.csv, area: a, provider: p, persons: n, achievement: {file: b.csv, provider: p, column: x}}
"""


def changed(folder: Path, **columns: Any) -> None:
    """Write the panel anew with columns replaced."""
    rows = write_panel(folder, treated=12, others=16)
    for name, change in columns.items():
        values = change(rows[name].to_pylist(), rows)
        rows = rows.set_column(rows.column_names.index(name), name, pa.array(values))
    pq.write_table(rows, folder / "panel.parquet")


def main_row(folder: Path, **changes: Any) -> Finding:
    study = terms(main={"conditions": ["heart"], **changes.pop("main", {})}, **changes)
    return next(one for one in Evaluation(study, folder).run().rows if one.section == "main")


def test_one_treated_cluster_is_refused_and_designs_that_remain_are_named(tmp_path: Path) -> None:
    write_panel(tmp_path, treated=1, others=20)
    found = main_row(tmp_path)
    assert found.status == "not possible"
    assert "one treated cluster (provider)" in found.note
    assert "synthetic control" in found.note


def test_no_untreated_group_is_refused_and_designs_that_remain_are_named(tmp_path: Path) -> None:
    write_panel(tmp_path, treated=20, others=0)
    results = Evaluation(terms(main={"conditions": ["heart"]}), tmp_path).run()
    found = results.section("main")[0]
    assert found.status == "not possible"
    assert "no untreated provider is left" in found.note
    assert "by a dose within the treated (counts), or an interrupted time series" in found.note
    dose = Evaluation(terms(main={"conditions": ["heart"], "design": "dose", "dose": "dose"}), tmp_path).run()
    assert "The main analysis was not possible" in results.summary
    assert len(dose.section("main")) >= 1


def test_outcome_known_before_treatment(tmp_path: Path) -> None:
    write_panel(tmp_path, treated=12, others=16)
    found = main_row(tmp_path, main={"before": ["2010-01..2010-03"], "after": ["2010-04..2010-06"]})
    assert "outcome known before treatment: windows end before 2011-07-01" in found.note


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("2010-01..2011-06", "2010-07..2011-12", "windows overlap"),
        ("2010-01..2010-03", "2011-04..2011-09", "windows begin before onset"),
    ],
)
def test_windows_on_the_wrong_side(tmp_path: Path, before: str, after: str, words: str) -> None:
    spans = {"2010Q1": before, "2011Q4": after}

    def first(values: list[str], _rows: pa.Table) -> list[str]:
        return [spans.get(one, one).split("..")[0] for one in values]

    rows = write_panel(tmp_path, treated=12, others=16)
    kept = rows.filter(pa.array([one in spans for one in rows["quarter"].to_pylist()]))
    quarters = kept["quarter"].to_pylist()
    kept = kept.append_column("first", pa.array([spans[one].split("..")[0] for one in quarters]))
    kept = kept.append_column("last", pa.array([spans[one].split("..")[1] for one in quarters]))
    pq.write_table(kept, tmp_path / "panel.parquet")
    study = terms(main={"conditions": ["heart"], "before": [before], "after": [after]})
    columns = {name: one for name, one in study["data"]["columns"].items() if name != "period"}
    study["data"]["columns"] = columns | {"start": "first", "end": "last"}
    found = Evaluation(study, tmp_path).run().section("main")[0]
    assert words in found.note
    if words == "windows overlap":
        study["main"]["overlap"] = "undo"
        undone = Evaluation(study, tmp_path).run().section("main")[0]
        assert undone.scale == 3


def test_providers_that_change_their_group_are_left_out_and_counted(tmp_path: Path) -> None:
    def moved(values: list[str], rows: pa.Table) -> list[str]:
        late = [one >= "2011Q3" for one in rows["quarter"].to_pylist()]
        return [
            "exempt A" if one == "program" and at < 24 and is_late else one
            for at, (one, is_late) in enumerate(zip(values, late, strict=True))
        ]

    changed(tmp_path, group=moved)
    evaluation = Evaluation(terms(main={"conditions": ["heart"]}), tmp_path)
    assert evaluation.frame.notes == {"the provider's group changes between windows": 24}


def test_holes_are_counted(tmp_path: Path) -> None:
    def holes(values: list[int], rows: pa.Table) -> list[int | None]:
        gone = zip(rows["provider"].to_pylist(), rows["quarter"].to_pylist(), strict=True)
        return [
            None if provider == "P001" and quarter < "2011Q3" else one
            for one, (provider, quarter) in zip(values, gone, strict=True)
        ]

    changed(tmp_path, deaths=holes)
    study = terms(main={"conditions": ["heart"]})
    results = Evaluation(study, tmp_path).run()
    assert results.rows_rejected == {"outcome is not given or no number": 12}
    assert results.left_out == {"seen on one side of onset only": 6}
    whole = Evaluation(terms(main={"conditions": ["heart"], "complete": True}), tmp_path).run()
    assert whole.left_out == {"not seen in every window (holes)": 6}


def test_weights_that_sum_to_zero(tmp_path: Path) -> None:
    rows = write_panel(tmp_path, treated=12, others=16)
    rows = rows.append_column("rate", pa.array(np.full(rows.num_rows, 12.0)))
    rows = rows.set_column(rows.column_names.index("cases"), "cases", pa.array(np.zeros(rows.num_rows)))
    pq.write_table(rows, tmp_path / "panel.parquet")
    study = terms(main={"conditions": ["heart"]})
    columns = {name: one for name, one in study["data"]["columns"].items() if name not in ("observed", "expected")}
    study["data"]["columns"] = columns | {"rate": "rate"}
    found = Evaluation(study, tmp_path).run().section("main")[0]
    assert found.status == "not possible"
    assert "no provider of program is left" in found.note


def test_a_study_without_treated_providers_stops(tmp_path: Path) -> None:
    write_panel(tmp_path, treated=0, others=20)
    with pytest.raises(InputDataError, match="no provider is treated"):
        Evaluation(terms(), tmp_path).run()


def test_an_unknown_program_needs_its_own_groups_and_onset(tmp_path: Path) -> None:
    write_panel(tmp_path)
    with pytest.raises(UsageError, match="there is no program 'made_up'"):
        Evaluation(terms(groups=None), tmp_path)


def test_a_program_without_facts_names_those_that_have_them(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"mips has no evaluation.yaml") as caught:
        Evaluation(terms(program="mips", groups=None), tmp_path)
    assert "hvbp" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("main: {conditions: [heart]}", "main: {conditions: [hart]}", "there is no condition 'hart'"),
        ("main: {conditions: [heart]}", "main: {desing: did}", "did you mean 'design'?"),
        ("main: {conditions: [heart]}", "main: {design: magic}", "expected 'did'"),
        ("main: {conditions: [heart]}", "main: {cluster: county}", "there is no attribute 'county'"),
        ("main: {conditions: [heart]}", "main: {design: counts, dose: points}", "there is no attribute 'points'"),
        ("  attributes: {region: region}", EXPOSURE, "'region' is an attribute as well"),
        ("  attributes: {region: region}", EXPOSURE.replace("persons: n, ", ""), "persons: this term is missing"),
        ("main: {conditions: [heart]}", "main: {before: [2010-2011]}", "'2010-2011' is no window"),
        ("outcome: {name: deaths}", "outcome: {name: deaths, shrunken: true}", "understate an effect"),
        ("observed: deaths, cases: cases", "observed: deaths", "counts need the column of cases"),
        ("onset: {date: 2011-07-01", "onset: {date: July", "expected a date"),
        ("study: A made-up program\n", "", "study: this term is missing"),
    ],
)
def test_wrong_terms_are_said_with_their_line(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace(old, new), encoding="utf-8")
    with pytest.raises(InputDataError) as caught:
        read_study(path)
    assert words in str(caught.value)
    assert words.endswith("missing") or "line " in str(caught.value)


def test_the_study_of_these_tests_is_right(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(STUDY, encoding="utf-8")
    assert read_study(path).terms.study == "A made-up program"


@pytest.mark.parametrize(
    ("registered", "words"),
    [
        ("P000,x,0\nP001,x,2", "persons are no number above zero[^:]*: .*\n  for example: P000, x"),
        ("P000,x,many\nP001,x,2", "persons are no number above zero"),
        ("P000,x,1\nP000,x,2", "an area and provider stand twice[^:]*: .*\n  for example: P000, x"),
        ("P000,z,1", "no achievement is known"),
        (",x,1", "there is no area or no provider"),
    ],
)
def test_registrations_that_cannot_be(tmp_path: Path, registered: str, words: str) -> None:
    write_panel(tmp_path, treated=4, others=4)
    (tmp_path / "where.csv").write_text(f"area,practice,n\n{registered}\n", encoding="utf-8")
    (tmp_path / "points.csv").write_text("practice,points\nx,80\n", encoding="utf-8")
    achievement = {"file": "points.csv", "provider": "practice", "column": "points"}
    study = terms()
    study["data"]["exposures"] = {
        "points": {
            "file": "where.csv", "area": "area", "provider": "practice", "persons": "n", "achievement": achievement,
        }
    }  # fmt: skip
    with pytest.raises(InputDataError, match=words):
        Evaluation(study, tmp_path).run()


def test_missing_columns_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match="file is missing"):
        Evaluation(terms(), tmp_path).run()
    write_panel(tmp_path, treated=3, others=3)
    study = terms()
    study["data"]["columns"] = {**study["data"]["columns"], "observed": "died"}
    with pytest.raises(UsageError, match="columns are missing"):
        Evaluation(study, tmp_path).run()


def test_a_provider_twice_in_a_cell(tmp_path: Path) -> None:
    rows = write_panel(tmp_path, treated=3, others=3)
    pq.write_table(pa.concat_tables([rows, rows.slice(0, 2)]), tmp_path / "panel.parquet")
    with pytest.raises(InputDataError, match="several rows for one condition and window") as caught:
        Evaluation(terms(), tmp_path).run()
    assert caught.value.problems[0].count == 2


WINDOW = parse_window("2010-01..2010-03")


@pytest.mark.parametrize(("observed", "cases"), [(-1.0, 10.0), (11.0, 10.0), (0.0, 0.0)])
def test_counts_that_cannot_be(observed: float, cases: float) -> None:
    with pytest.raises(InputDataError, match="events below zero or above cases"):
        cells_from_counts(["A"], ["x"], [WINDOW], np.array([observed]), np.array([cases]))


def test_rates_that_cannot_be() -> None:
    with pytest.raises(InputDataError, match="rates outside 0 to 100"):
        cells_from_rates(["A"], ["x"], [WINDOW], np.array([101.0]), is_shrunken=True)


def test_outcomes_of_cases_are_0_or_1_and_no_value_is_shown() -> None:
    rows = pa.table(
        {
            "provider_id": ["A", "A"],
            "condition": ["x", "x"],
            "start": [WINDOW.start] * 2,
            "end": [WINDOW.end] * 2,
            "outcome": [1, 7],
        }
    )
    with pytest.raises(InputDataError, match="neither 0 nor 1") as caught:
        collapse(rows)
    assert "7" not in str(caught.value)


@pytest.mark.parametrize(
    ("column", "values", "words"),
    [
        ("died", [1, 0, 7], "neither 0 nor 1"),
        ("chance", [0.1, None, 0.2], "cases have no expected probability"),
        ("region", ["x", "x", "y"], "'region' differs between cases of one provider"),
    ],
)
def test_case_rows_that_cannot_be_counted(tmp_path: Path, column: str, values: list[Any], words: str) -> None:
    rows: dict[str, list[Any]] = {"hospital": ["A"] * 3, "quarter": ["2011Q1"] * 3, "group": ["program"] * 3}
    rows |= {"died": [1, 0, 0], "chance": [0.1, 0.1, 0.2], "region": ["x"] * 3, column: values}
    pq.write_table(pa.table(rows), tmp_path / "cases.parquet")
    study = terms(conditions={})
    columns = {"provider": "hospital", "period": "quarter", "group": "group", "outcome": "died", "expected": "chance"}
    study["data"] = {"file": "cases.parquet", "columns": columns, "attributes": {"region": "region"}}
    with pytest.raises(InputDataError, match=words) as caught:
        Evaluation(study, tmp_path).run()
    assert "7" not in str(caught.value).replace(str(tmp_path), "")


def test_few_treated_providers_are_permuted_without_being_asked(tmp_path: Path) -> None:
    write_panel(tmp_path, treated=5, others=30)
    rows = Evaluation(terms(main={"conditions": ["heart"]}, draws=199), tmp_path).run().section("main")
    assert any("permutation" in row.label for row in rows)
    assert "read the permutation test" in rows[0].note


def test_one_comparison_group_is_said_to_be_one(tmp_path: Path) -> None:
    write_panel(tmp_path, treated=8, others=1)
    groups = {"treated": ["program"], "exempt": ["exempt B"]}
    rows = Evaluation(terms(groups=groups, main={"conditions": ["heart"]}), tmp_path).run().section("main")
    assert any("hangs on one comparison" in row.note for row in rows)


CUTOFF_STUDY = """\
study: cutoff
program: hacrp
outcome: {name: later score, unit: score}
discontinuities:
  - label: it
    period: FY2019
    score: {file: scores.csv, provider: hospital, column: score}
    outcome: {file: later.csv, provider: hospital, column: score}
"""


def cutoff_files(folder: Path, hospitals: int = 400) -> Path:
    random = np.random.default_rng(1)
    for name in ("scores.csv", "later.csv"):
        lines = [f"{10000 + at:06},{random.normal():.4f}" for at in range(hospitals)]
        (folder / name).write_text("\n".join(["hospital,score", *lines]) + "\n", encoding="utf-8")
    path = folder / "study.yaml"
    path.write_text(CUTOFF_STUDY, encoding="utf-8")
    return path


def test_a_kink_without_slopes_is_a_row_that_says_so(tmp_path: Path) -> None:
    path = cutoff_files(tmp_path)
    assert run_study(path, tmp_path).section("main")[0].is_estimated
    path.write_text(CUTOFF_STUDY + "design: rk\n", encoding="utf-8")
    results = run_study(path, tmp_path)
    assert "needs the slopes of payment" in results.section("main")[0].note
    assert results.summary.startswith("No estimate was possible")
    path.write_text(CUTOFF_STUDY + "    payment_slopes: [0, 1]\ndesign: rk\n", encoding="utf-8")
    assert run_study(path, tmp_path).section("main")[0].is_estimated


def test_covariates_and_other_cutoffs_are_checked(tmp_path: Path) -> None:
    """The made-up covariate jumps by five at the cutoff (0.343); the outcome does not."""
    path = cutoff_files(tmp_path, hospitals=1200)
    scores = [line.split(",") for line in (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()[1:]]
    random = np.random.default_rng(2)
    beds = [f"{one},{5 * (float(score) > 0.343) + random.normal():.3f}" for one, score in scores[100:]]
    (tmp_path / "beds.csv").write_text("\n".join(["hospital,beds", *beds]) + "\n", encoding="utf-8")
    covariates = "    covariates: {beds: {file: beds.csv, provider: hospital, column: beds}}\n"
    path.write_text(CUTOFF_STUDY + covariates, encoding="utf-8")
    results = run_study(path, tmp_path)
    rows = {one.label: one for one in results.section("checks at the cutoff")}
    assert rows["it: beds"].estimate == pytest.approx(5, abs=1)
    assert "known of 1,100 of 1,200 providers" in rows["it: beds"].note
    assert "it: beds (p 0.000)" in results.what_would_change[0]
    placebos = [label for label in rows if "placebo cutoff at" in label]
    values = np.array([float(score) for _, score in scores])
    medians = [np.median(values[values < 0.343]), np.median(values[values > 0.343])]
    assert placebos == [f"it: placebo cutoff at {one:g}" for one in medians]
    assert "beds.csv" in results.digests.data
    kink = CUTOFF_STUDY + covariates + "    payment_slopes: [0, 1]\ndesign: rk\n"
    path.write_text(kink, encoding="utf-8")
    assert "slope of the outcome changes" in run_study(path, tmp_path).section("checks at the cutoff")[1].note
    path.write_text(CUTOFF_STUDY + "placebo_cutoffs: []\n", encoding="utf-8")
    assert len(run_study(path, tmp_path).section("checks at the cutoff")) == 1


def test_too_few_providers_at_the_cutoff(tmp_path: Path) -> None:
    results = run_study(cutoff_files(tmp_path, hospitals=30), tmp_path)
    assert all(not row.is_estimated and "at least 20" in row.note for row in results.rows)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("program: hacrp", "program: hvbp", "hvbp has no cutoff"),
        ("FY2019", "FY2022", "the cutoff of hacrp in FY2022 is not known"),
        ("file: later.csv", "file: never.csv", "files are missing"),
        ("column: score}\n    outcome", "column: total}\n    outcome", "columns are missing"),
        (
            "provider: hospital, column: score}\n    out",
            "provider: score, column: score}\n    out",
            "no provider has a score",
        ),
    ],
)
def test_studies_at_a_cutoff_that_cannot_be_run(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = cutoff_files(tmp_path)
    path.write_text(CUTOFF_STUDY.replace(old, new), encoding="utf-8")
    with pytest.raises((InputDataError, UsageError), match=words):
        run_study(path, tmp_path)


def test_a_broken_registration(tmp_path: Path) -> None:
    write_panel(tmp_path, treated=6, others=6)
    broken = tmp_path / "prereg.json"
    broken.write_text("{}", encoding="utf-8")
    with pytest.raises(InputDataError, match="registration cannot be read"):
        Evaluation(terms(), tmp_path).run(broken)
