"""Synthetic HVBP files: repeatable, in the published layout, and usable in every year."""

from __future__ import annotations

import csv
import re
import statistics
from collections import Counter
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import published_data
from openvbp import pipeline
from openvbp.errors import UsageError
from openvbp.parameters import load_parameters
from openvbp.programs.hvbp import PROGRAM, synthetic
from openvbp.programs.hvbp.measures import measure_catalogue, measures_by_name
from openvbp.programs.hvbp.synthetic_rates import measure_models
from openvbp.run_folder import RunFolder
from openvbp.text_tables import normalized

PERIODS = ("FY2013", "FY2015", "FY2018", "FY2024", "FY2026")
ALL_PERIODS = tuple(f"FY{year}" for year in range(2013, 2027))
HOSPITALS = 300


class Case(NamedTuple):
    """A synthetic folder and its run."""

    files: synthetic.SyntheticFiles
    run: RunFolder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Runs by period, each made once."""

    @cache
    def make(period: str) -> Case:
        folder = tmp_path_factory.mktemp(period)
        files = synthetic.generate(folder / "files", hospitals=HOSPITALS, period=period)
        return Case(files, pipeline.run("hvbp", period=period, data=files.folder, out=folder / "RUN"))

    return make


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def scores(run: RunFolder) -> dict[str, float]:
    """Total Performance Scores of the hospitals in the program."""
    rows = run.read("provider_result").to_pylist()
    return {row["provider_id"]: float(row["score"]) for row in rows if row["status"] in ("scored", "unverified")}


# --- the files ----------------------------------------------------------------------------------------


def test_same_seed_same_bytes_another_seed_other_bytes(tmp_path):
    for name, seed in (("first", 5), ("again", 5), ("other", 6)):
        synthetic.generate(tmp_path / name, hospitals=40, seed=seed)
    first, again, other = (contents(tmp_path / name) for name in ("first", "again", "other"))
    assert first == again
    assert first.keys() == other.keys()
    assert [name for name in first if first[name] == other[name]] == []


def test_hospitals_are_the_same_in_every_period(tmp_path):
    folders = [synthetic.generate(tmp_path / period, hospitals=40, period=period) for period in ("FY2014", "FY2024")]
    payments = [contents(files.folder)["SYNTHETIC_hvbp_payments.csv"] for files in folders]
    assert payments[0] == payments[1]
    assert folders[0].truth.read_bytes() == folders[1].truth.read_bytes()


@pytest.mark.parametrize(
    "domain", ["safety", "clinical_outcomes", "person_and_community_engagement", "efficiency_and_cost_reduction"]
)
def test_columns_are_the_published_ones_without_points_in_their_order(tmp_path, domain):
    files = synthetic.generate(tmp_path, hospitals=20)
    published = rows_of(published_data("hospital", "hvbp", "fy2024", f"hvbp_{domain}.csv"))[0]
    points = re.compile(r".* (Achievement Points|Improvement Points|(Measure|Dimension|Base|Consistency) Score)")
    expected = [one for one in published if one == "Combined SSI Measure Score" or not points.fullmatch(one)]
    written = rows_of(files.folder / f"SYNTHETIC_hvbp_{domain}.csv")[0]
    assert list(written) == expected
    # Cells look alike: the same number of decimals and the same percent signs.
    for column in expected[8:]:
        shapes = [re.sub(r"\d", "9", re.sub(r"^\d+", "", row[column])) for row in (published, written)]
        assert len(set(shapes) - {"Not Available"}) <= 1, column


def test_everything_says_that_it_is_synthetic(tmp_path):
    files = synthetic.generate(tmp_path, hospitals=25)
    assert "No hospital" in (tmp_path / "SYNTHETIC.txt").read_text(encoding="utf-8")
    assert {path.name.split("_")[0] for path in files.files} == {"SYNTHETIC"}
    hospitals = rows_of(files.folder / "SYNTHETIC_hvbp_safety.csv")
    assert [row["Facility ID"] for row in hospitals] == [f"99{number:04d}" for number in range(1, 26)]
    assert hospitals[0]["Facility Name"] == "Synthetic hospital 0001"


@pytest.mark.parametrize("period", PERIODS)
def test_standards_are_those_of_the_printed_rates(made, period):
    """Median, mean of the best decile and lowest rate, in the performance period for efficiency."""
    for path in made(period).files.files:
        hospitals = rows_of(path)
        for column in hospitals[0]:
            if not column.endswith(" Benchmark"):
                continue
            name = column.removesuffix(" Benchmark")
            is_higher_better = measure_catalogue()[measures_by_name()[normalized(name)]].direction == "higher"
            time = "Performance" if "efficiency" in path.name else "Baseline"
            texts = [row[f"{name} {time} Rate"] for row in hospitals]
            rates = sorted((number(text) for text in texts if text != "Not Available"), reverse=is_higher_better)
            fields = [one for one in ("Floor", "Achievement Threshold", "Benchmark") if f"{name} {one}" in hospitals[0]]
            standards = {field: {row[f"{name} {field}"] for row in hospitals} for field in fields}
            if not rates:
                assert standards["Benchmark"] == {"Not Available"}
                continue
            best = rates[: (len(rates) + 5) // 10]
            expected = {
                "Achievement Threshold": statistics.median(rates),
                "Benchmark": sum(best) / len(best),
                "Floor": min(rates),
            }
            for field, same_for_all in standards.items():
                (text,) = same_for_all
                # Half a unit of the last place; survey standards are rounded twice.
                tolerance = Decimal("0.505") * last_place(text)
                assert abs(number(text) - expected[field]) <= tolerance, (name, field)


def number(text: str) -> Decimal:
    return Decimal(text.rstrip("%"))


def last_place(text: str) -> Decimal:
    return Decimal(1).scaleb(number(text).as_tuple().exponent)


def test_a_rate_is_printed_where_there_are_enough_cases(tmp_path):
    files = synthetic.generate(tmp_path, hospitals=HOSPITALS)
    cases = {
        row["Facility ID"]: row
        for row in rows_of(tmp_path / "SYNTHETIC_hvbp_cases.csv")
        if row["Measure ID"] == "MORT-30-CABG"
    }
    hospitals = rows_of(tmp_path / "SYNTHETIC_hvbp_clinical_outcomes.csv")
    for period in ("Baseline", "Performance"):
        printed = {row["Facility ID"] for row in hospitals if row[f"MORT-30-CABG {period} Rate"] != "Not Available"}
        assert printed == {one for one, row in cases.items() if int(row[f"{period} Cases"]) >= 25}
        assert 0 < len(printed) < files.hospitals


def test_every_measure_with_a_rate_has_a_model():
    expected = {measure.measure_id for measure in measure_catalogue().values() if measure.unit != "points"}
    assert measure_models().keys() == expected


# --- what it refuses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"hospitals": 19}, "19 hospitals"),
        ({"hospitals": 10_000}, "10,000 hospitals"),
        ({"seed": -1}, "seed"),
        ({"period": "FY2012"}, "FY2012"),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path, wrong, says):
    with pytest.raises(UsageError, match=says):
        synthetic.generate(tmp_path / "files", **wrong)
    assert not (tmp_path / "files").exists()


def test_real_files_are_never_mixed_with_synthetic_ones(tmp_path):
    (tmp_path / "hvbp_safety.csv").write_text("Facility ID\n010001\n", encoding="utf-8")
    with pytest.raises(UsageError, match="not synthetic"):
        synthetic.generate(tmp_path, hospitals=20)
    assert list(contents(tmp_path)) == ["hvbp_safety.csv"]
    assert not (tmp_path / "SYNTHETIC_truth").exists()


def test_another_period_replaces_the_files_of_the_first(tmp_path):
    synthetic.generate(tmp_path / "twice", hospitals=20, period="FY2013")
    for name in ("twice", "once"):
        synthetic.generate(tmp_path / name, hospitals=20, period="FY2024")
    assert contents(tmp_path / "twice") == contents(tmp_path / "once")


# --- what the program makes of them -------------------------------------------------------------------


@settings(max_examples=12, deadline=None)
@given(
    period=st.sampled_from(ALL_PERIODS),
    hospitals=st.integers(20, 60),
    seed=st.integers(0, 2**64),
)
def test_the_program_reads_every_period_size_and_seed(period, hospitals, seed):
    parameters = load_parameters(PROGRAM.parameters_file)
    with TemporaryDirectory() as folder:
        files = synthetic.generate(Path(folder), hospitals=hospitals, period=period, seed=seed)
        inputs = PROGRAM.read(files.folder, parameters.in_force(parameters.period(period)))
    assert {file.name for file in inputs.files} == {path.name for path in files.files}
    assert all(file.rows == file.accepted_rows > 0 for file in inputs.files)
    assert sum(file.rows == hospitals for file in inputs.files) == len(inputs.files) - 1, "all but the file of cases"
    assert {check.name for check in inputs.checks} <= {"declared_standard_differs"}


@pytest.mark.parametrize("period", PERIODS)
def test_every_hospital_is_scored_or_says_why_not(made, period):
    case = made(period)
    record = case.run.record
    assert record["input_rows"]["rejected"] == record["rejected_cells"] == 0
    statuses = Counter(row["status"] for row in case.run.read("provider_result").to_pylist())
    scored = len(scores(case.run))
    assert statuses["excluded"] == 2
    assert scored + statuses["too_few_cases"] + statuses["excluded"] == case.files.hospitals == HOSPITALS
    assert scored >= 0.8 * HOSPITALS
    measures = Counter(row["status"] for row in case.run.read("measure_result").to_pylist())
    assert measures["not_reported"] > 0
    assert measures["not_determinable"] == 0, "cases of both infection sites are given"


@pytest.mark.parametrize("period", PERIODS)
def test_incentives_equal_withholds_to_the_cent(made, period):
    totals = Counter()
    for row in made(period).run.read("payment_result").to_pylist():
        totals[row["component_id"]] += row["amount"] or 0
    assert totals["withhold"] < -1_000_000
    assert abs(totals["withhold"] + totals["incentive"]) < Decimal("0.005")
    assert abs(totals["net"]) < Decimal("0.005")


@pytest.mark.parametrize("period", PERIODS)
def test_better_hospitals_get_better_scores(made, period):
    case = made(period)
    quality = {row["Facility ID"]: float(row["Performance True Quality"]) for row in rows_of(case.files.truth)}
    found = scores(case.run)
    assert statistics.correlation([quality[one] for one in found], list(found.values())) > 0.5


def test_safety_net_hospitals_have_lower_surveys(made):
    run = made("FY2024").run
    ratio = {row["provider_id"]: float(row["dual_eligible_ratio"]) for row in run.read("provider").to_pylist()}
    survey = {
        row["provider_id"]: float(row["score"])
        for row in run.read("domain_result", domain_id="person_and_community_engagement").to_pylist()
        if row["score"] is not None
    }
    assert statistics.correlation([ratio[one] for one in survey], list(survey.values())) < -0.2
