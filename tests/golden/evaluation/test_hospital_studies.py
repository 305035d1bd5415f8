"""The worked examples on public data: published panels of hospitals, 2008 to 2022.

Expected figures were computed independently of this code, with normal limits; ours are those of Student's t. With some
fifty clusters (states) that makes limits 2.5 % wider, so the row clustered by state is compared through its error.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from conftest import ROOT, published_data
from openvbp.evaluation.evaluation import Evaluation
from openvbp.evaluation.findings import Finding
from openvbp.evaluation.results import Results
from openvbp.evaluation.run import lock_study, run_study
from openvbp.evaluation.shrinkage import measure_shrinkage

EXAMPLES = ROOT / "examples" / "evaluation"


def study(name: str, folder: Path) -> Path:
    """Copy an example: a run notes beside the study file that outcomes were read."""
    return Path(shutil.copy(EXAMPLES / name, folder))


@pytest.fixture(scope="module")
def data() -> Path:
    return published_data("evaluation")


@pytest.fixture(scope="module")
def mortality(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    return Evaluation(study("hvbp-mortality.yaml", tmp_path_factory.mktemp("study")), data, threads=1)


@pytest.fixture(scope="module")
def found(mortality: Evaluation) -> Results:
    return mortality.run()


@pytest.fixture(scope="module")
def copd(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    return run_study(study("hvbp-copd.yaml", tmp_path_factory.mktemp("copd")), data, threads=1)


@pytest.fixture(scope="module")
def cutoffs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Results:
    return run_study(study("hacrp-discontinuity.yaml", tmp_path_factory.mktemp("hacrp")), data, threads=1)


def row(results: Results, label: str, section: str = "main") -> Finding:
    (one,) = [one for one in results.section(section) if one.label == label]
    return one


# label: estimate, low, high, treated, comparison, MDE
TABLE = {
    "main analysis": (-0.116, -0.285, 0.053, 2963, 984, 0.24),
    "unweighted": (-0.089, -0.209, 0.030, 2963, 984, 0.17),
    "ami alone": (0.251, -0.523, 1.025, 2303, 86, 1.11),
    "hf alone": (0.189, -0.034, 0.411, 2902, 682, 0.32),
    "pn alone": (-0.341, -0.553, -0.129, 2946, 979, 0.30),
    "all three in Jul 2013-Jun 2016": (-0.006, -0.168, 0.156, 2861, 959, 0.23),
    "AMI and HF in Jul 2013-Jun 2016": (-0.178, -0.354, -0.001, 2784, 607, 0.25),
    "AMI and HF against Maryland": (-0.150, -0.485, 0.184, 2784, 41, 0.48),
    "AMI and HF against CAH": (-0.201, -0.367, -0.034, 2784, 566, 0.24),
    "against VA, unweighted": (0.548, 0.286, 0.810, 2963, 105, 0.37),
    "AMI and HF, worst baseline quarter": (-0.389, -0.723, -0.054, 1064, 164, 0.48),
}


@pytest.mark.parametrize("label", list(TABLE))
def test_mortality_table(found: Results, label: str) -> None:
    one, expected = row(found, label), TABLE[label]
    assert (one.treated_providers, one.comparison_providers) == expected[3:5]
    assert (one.estimate, one.low, one.high) == pytest.approx(expected[:3], abs=1.6e-3)
    assert one.minimum_detectable_effect == pytest.approx(expected[5], abs=0.006)


def test_mortality_worst_baseline_with_the_same_selection(found: Results) -> None:
    (one,) = found.section("worst baseline")
    assert (one.estimate, one.low, one.high) == pytest.approx((-0.150, -0.469, 0.169), abs=1.5e-3)
    assert (one.treated_providers, one.comparison_providers) == (1437, 357)


def test_mortality_clustered_by_state(found: Results) -> None:
    one = row(found, "clustered by state")
    assert one.estimate == pytest.approx(-0.116, abs=1e-3)
    assert 1.96 * one.standard_error == pytest.approx((0.067 + 0.299) / 2, abs=1.5e-3)
    assert one.clusters < 60


def test_readmissions_are_the_spill_over_and_another_programs_measures(found: Results) -> None:
    section = "spill-over: untouched conditions"
    one = row(found, "all of them: r_ami+r_hf+r_pn", section)
    assert (one.estimate, one.low, one.high) == pytest.approx((0.066, -0.116, 0.248), abs=1.5e-3)
    assert (one.treated_providers, one.comparison_providers) == (2970, 999)
    assert "hrrp has measured READM-30-HF" in row(found, "r_hf", section).note


def test_what_one_window_before_onset_cannot_show_is_said(found: Results) -> None:
    for section in ("pre-trend test", "honest bounds", "placebo in time"):
        (one,) = found.section(section)
        assert not one.is_estimated
        assert one.note


def test_specification_curve_shows_that_the_comparison_decides(found: Results) -> None:
    curve = found.curve
    assert curve is not None
    assert (curve.specifications, curve.not_possible) == (252, 28)
    by_group = curve.by_choice["compare"]
    assert by_group["VA"][2] == 0
    assert by_group["MD"][3] == 0
    assert by_group["VA"][1] > 0.4 > 0 > by_group["MD"][1]
    # Numbers of this list of choices; another list gives others.
    assert (curve.median, curve.lower_quartile, curve.upper_quartile) == pytest.approx((0.081, -0.196, 0.297), abs=1e-3)
    assert (curve.better, curve.worse) == pytest.approx((47 / 252, 54 / 252))


def test_conclusion_says_what_public_data_cannot_exclude(found: Results) -> None:
    text = " ".join(found.what_would_change)
    assert "cannot exclude an effect of 0.6 percentage points" in text
    assert "The answer depends on it" in text
    assert "the choice that matters most is 'compare'" in text.lower()
    assert "no effect was found" in found.summary


def test_groups_are_those_of_the_panel(mortality: Evaluation, data: Path) -> None:
    import pyarrow.parquet as pq

    panel = pq.read_table(data / "hospital_compare_mortality_panel.parquet", columns=["ccn", "type"])
    named = {"IPPS", "CAH", "MD", "VA"}
    type_of = dict(zip(panel["ccn"].to_pylist(), panel["type"].to_pylist(), strict=True))
    ours = dict(zip(mortality.frame.cells.provider, mortality.frame.group, strict=True))
    assert {ccn: kind for ccn, kind in type_of.items() if kind in named} == ours


# raw rates have −0.50; reliability of treated and comparison, and what is left, as measured before (± its own error)
SHRINKAGE = {"hf": (0.53, 0.25, 0.44), "pn": (0.58, 0.35, 0.48), "ami": (0.39, 0.23, 0.40)}


@pytest.mark.parametrize("condition", list(SHRINKAGE))
def test_less_than_half_of_an_effect_is_left_in_shrunken_rates(mortality: Evaluation, condition: str) -> None:
    main = mortality.study.main.model_copy(update={"conditions": (condition,)})
    one = measure_shrinkage(mortality.frame, main, replicates=100)
    treated, compared, left = SHRINKAGE[condition]
    assert one.raw == pytest.approx(-0.5, abs=4 * one.raw_sd / 10)
    assert (one.reliability_treated, one.reliability_compared) == pytest.approx((treated, compared), abs=0.05)
    assert one.attenuation == pytest.approx(left, abs=4 * one.weighted_sd / 10 / 0.5)


def test_copd_with_a_window_before(copd: Results) -> None:
    before, after = copd.section("event study")
    assert (before.estimate, before.low, before.high) == pytest.approx((0.031, -0.063, 0.125), abs=1.5e-3)
    assert (after.estimate, after.low, after.high) == pytest.approx((-0.035, -0.131, 0.062), abs=1.5e-3)
    assert (after.treated_providers, after.comparison_providers) == (2658, 580)
    assert copd.section("pre-trend test")[0].p_value == pytest.approx(0.52, abs=0.01)


def test_copd_beyond_stroke(copd: Results) -> None:
    one = row(copd, "beyond what happened to stroke")
    assert (one.estimate, one.low, one.high) == pytest.approx((-0.074, -0.367, 0.218), abs=1.5e-3)
    assert "+0.188 (-0.122, +0.497)" in one.note


# providers; estimate and interval of another implementation, which left Maryland's exempt hospitals in
JUMPS = {
    "FY2019, a year later, with Maryland": (3178, 0.073, -0.052, 0.197),
    "FY2019, two years later, with Maryland": (3122, 0.083, -0.078, 0.244),
    "FY2020, a year later, with Maryland": (3135, 0.008, -0.092, 0.107),
}


@pytest.mark.parametrize("label", list(JUMPS))
def test_jumps_at_the_programs_own_cutoff(cutoffs: Results, label: str) -> None:
    one, (providers, estimate, low, high) = row(cutoffs, label), JUMPS[label]
    assert one.cells == providers
    assert (one.estimate, one.low, one.high) == pytest.approx((estimate, low, high), abs=3.1e-3)


def test_a_study_at_a_cutoff_can_be_locked(data: Path, tmp_path: Path) -> None:
    path = study("hacrp-discontinuity.yaml", tmp_path)
    lock_study(path, data, tmp_path / "prereg.json")
    assert run_study(path, data, registration=tmp_path / "prereg.json", threads=1).status.status == "locked"


def test_cutoffs_are_the_programs_and_exempt_hospitals_are_left_out(cutoffs: Results) -> None:
    one = row(cutoffs, "FY2019 penalty, score a year later")
    assert one.cells == 3132
    assert "cutoff 0.343 (Inferred from the published FY2019 scores" in one.note
    assert Counter(row.is_significant for row in cutoffs.section("main")) == {False: 6}


def test_what_the_penalty_cannot_have_changed_does_not_jump(cutoffs: Results) -> None:
    checks = "checks at the cutoff"
    label = "FY2019 penalty, score a year later: "
    before, beds = (row(cutoffs, label + name, checks) for name in ("score a year before", "beds"))
    assert (before.estimate, before.low, before.high) == pytest.approx((0.003, -0.128, 0.134), abs=1.5e-3)
    assert (beds.estimate, beds.low, beds.high) == pytest.approx((-20.5, -113.4, 72.5), abs=0.1)
    listed = [one for one in cutoffs.section(checks) if "with Maryland" not in one.label]
    assert (len(listed), sum(one.p_value < 0.05 for one in listed)) == (17, 1)
