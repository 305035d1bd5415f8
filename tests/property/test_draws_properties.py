"""What must hold for any draws: certain ones change nothing, order does not matter, runs resume and forget."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import published_data
from hrrp_files import MadeCondition, MadeHospital, write_public, write_supplemental
from openvbp.outcome_models.posterior_draws import draw_rows, write_draws
from openvbp.pipeline import run
from openvbp.programs.hvbp import synthetic
from openvbp.run_folder import RunFolder
from openvbp.uncertainty import scoring
from openvbp.uncertainty.published_counts import approximate
from openvbp.uncertainty.run_draws import draws_of_run

PERIOD, NUMBER = "FY2024", 20
MEASURES = ("READM-30-AMI", "READM-30-HF", "READM-30-PN")
TABLES = ("payment_interval", "measure_interval", "payment_draw")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("files")
    random = np.random.default_rng(1)
    hospitals = [
        MadeHospital(
            f"01{place:04}",
            {one: MadeCondition(f"{random.normal(1, 0.05):.4f}", int(random.integers(30, 900))) for one in MEASURES},
        )
        for place in range(1, 21)
    ]
    (folder / "hrrp").mkdir()
    write_public(folder / "hrrp", PERIOD, hospitals)
    write_supplemental(folder / "hrrp", PERIOD, hospitals, "0.96")
    made = synthetic.generate(folder / "hvbp", hospitals=20, period=PERIOD, seed=2)
    return {"hrrp": folder / "hrrp", "hvbp": made.folder}


@pytest.fixture(scope="module")
def drawn(files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, pa.Table]:
    """A run with draws, and the draws; not to be written to."""
    out = tmp_path_factory.mktemp("drawn") / "RUN"
    rows = draws_of_run(start("hrrp", files, out), NUMBER, 3).rows
    return start("hrrp", files, out, rows), rows


def copied(folder: RunFolder, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder.path, tmp_path / "RUN"))


def start(program: str, files: dict[str, Path], out: Path, draws: pa.Table | None = None) -> RunFolder:
    file = None
    if draws is not None:
        file = out.parent / "draws.parquet"
        write_draws(draws, file)
    return run(program, period=PERIOD, data=files[program], out=out, draws=file, threads=1)


def place(folder: RunFolder, name: str) -> Path:
    return folder.path / ("results" if name.endswith("_interval") else "uncertainty") / f"{name}.parquet"


def table(folder: RunFolder, name: str) -> list[dict[str, object]]:
    return pq.read_table(place(folder, name)).to_pylist()


def certain(folder: RunFolder) -> pa.Table:
    """Draws that all equal the value of the run."""
    rows = folder.read("measure_result").to_pylist()
    known = [one for one in rows if one["status"] in ("scored", "unverified") and one["rate"] is not None]
    return pa.concat_tables(
        [draw_rows([one["provider_id"]], one["measure_id"], np.full((NUMBER, 1), float(one["rate"]))) for one in known]
    )


@pytest.mark.parametrize("program", ["hrrp", "hvbp"])
def test_certain_draws_change_nothing(program: str, files: dict[str, Path], tmp_path: Path) -> None:
    before = start(program, files, tmp_path / "RUN")
    after = start(program, files, tmp_path / "RUN", certain(before))
    # The stages of the program itself are kept.
    assert [stage["kept"] for stage in after.record["stages"].values()] == [True, True, True, False]
    rows = table(after, "payment_interval")
    assert {one["draw_status"] for one in rows} == {"drawn"}
    assert len({one["rate"] for one in rows}) > 5
    for one in rows:
        assert one["rate"] == one["rate_low"] == one["rate_high"]
        assert one["amount"] == one["amount_low"] == one["amount_high"]
        assert one["probability_sign_flips"] == 0
    for one in table(after, "measure_interval"):
        assert one["rate"] == one["rate_low"] == one["rate_high"]
        assert one["points"] == one["points_low"] == one["points_high"]


def test_certain_draws_of_published_results_change_nothing(tmp_path: Path) -> None:
    lines = published_data("hospital", "hacrp", "fy2024.csv").read_text(encoding="utf-8-sig").splitlines(keepends=True)
    (tmp_path / "FILES").mkdir()
    (tmp_path / "FILES" / "fy2024.csv").write_text("".join(lines[:81]), encoding="utf-8")
    files = {"hacrp": tmp_path / "FILES"}
    drawn = start("hacrp", files, tmp_path / "RUN", certain(start("hacrp", files, tmp_path / "RUN")))
    rows = [one for one in table(drawn, "payment_interval") if one["draw_status"] == "drawn"]
    assert len(rows) > 60
    # The z-score is computed from the result here, and published to four decimals there.
    assert all(one["rate"] == one["rate_low"] == one["rate_high"] for one in rows)
    assert {float(one["rate"]) for one in rows} == {0.0, -0.01}  # type: ignore[arg-type]


def test_order_of_rows_and_portions_change_nothing(
    files: dict[str, Path], drawn: tuple[RunFolder, pa.Table], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, rows = drawn
    expected = {name: place(first, name).read_bytes() for name in TABLES}
    order = np.random.default_rng(1).permutation(rows.num_rows)
    monkeypatch.setattr(scoring, "ROWS_AT_ONCE", 20 * 6 * 7)
    again = start("hrrp", files, copied(first, tmp_path), rows.take(pa.array(order)))
    assert not again.record["stages"]["uncertainty"]["kept"]
    assert {name: place(again, name).read_bytes() for name in TABLES} == expected


def test_same_draws_are_kept_and_a_run_without_draws_forgets_them(
    files: dict[str, Path], drawn: tuple[RunFolder, pa.Table], tmp_path: Path
) -> None:
    first, rows = drawn
    second = start("hrrp", files, copied(first, tmp_path), rows)
    assert second.record["stages"]["uncertainty"]["kept"]
    assert second.record["draws"] == first.record["draws"]
    third = start("hrrp", files, tmp_path / "RUN")
    assert "draws" not in third.record
    assert not (third.path / "uncertainty").exists()
    assert not [name for name in TABLES if place(third, name).exists()]
    assert not (third.path / "uncertainty.html").exists()
    assert not (third.path / "rejected" / "draws.parquet").exists()


def test_scenarios_are_drawn_too(files: dict[str, Path], drawn: tuple[RunFolder, pa.Table], tmp_path: Path) -> None:
    write_draws(drawn[1], tmp_path / "draws.parquet")
    changed = run(
        "hrrp",
        period=PERIOD,
        data=files["hrrp"],
        out=tmp_path / "RUN",
        changes=["neutrality_modifier=0.5"],
        draws=tmp_path / "draws.parquet",
        threads=1,
    )
    rows = table(changed, "payment_draw")
    paid = {name: sum(-one["rate"] for one in rows if one["scenario_id"] == name) for name in ("actual", "what_if")}  # type: ignore[operator, misc]
    assert 0 < paid["what_if"] < paid["actual"]
    assert set(changed.record["draws"]["scenarios"]) == {"actual", "what_if"}


effects = st.lists(st.floats(-0.5, 0.5), min_size=10, max_size=40)


@given(effects=effects, rate=st.floats(0.02, 0.6), cases=st.integers(25, 2_000))
@settings(max_examples=60, deadline=None)
def test_variance_among_providers_is_the_sum_of_its_parts(effects: list[float], rate: float, cases: int) -> None:
    logits = np.log(rate / (1 - rate)) + np.array(effects)
    ratio = 1 / (1 + np.exp(-logits)) / rate
    found = approximate(ratio, np.full(len(effects), rate), np.full(len(effects), float(cases)))
    assert np.mean(found.effects**2 + found.variances) == pytest.approx(found.tau**2, abs=1e-6)
    assert (found.variances <= found.tau**2 + 1e-12).all()
