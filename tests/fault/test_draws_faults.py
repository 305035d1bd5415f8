"""Files of draws that are not whole, or belong to other providers: refused or counted, never paid as if certain."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hrrp_files import MadeCondition, MadeHospital, write_public, write_supplemental
from openvbp.errors import InputDataError, OpenvbpError, UsageError
from openvbp.outcome_models.case_files import CaseColumns
from openvbp.outcome_models.fitting import fit
from openvbp.outcome_models.posterior_draws import COLUMNS, draw_rows, posterior_ratios, replicate_ratios, write_draws
from openvbp.outcome_models.run import Options, fit_file
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder
from openvbp.uncertainty.draw_files import read_draws
from openvbp.uncertainty.published_counts import approximate
from openvbp.uncertainty.run_draws import draws_of_run
from openvbp.uncertainty.scoring import NO_MEASURE, NO_PROVIDER, NO_VALUE
from outcome_cases import simulate

PERIOD = "FY2024"
HF, AMI = "READM-30-HF", "READM-30-AMI"
NUMBER = 20


def bounds(_measure_id: str) -> tuple[Decimal | None, Decimal | None]:
    return Decimal("0.000001"), Decimal(10)


def draws(*pairs: tuple[str, str], value: float = 1.1, number: int = NUMBER) -> pa.Table:
    return pa.concat_tables(
        [draw_rows([provider], measure, np.full((number, 1), value)) for provider, measure in pairs]
    )


def message(folder: Path, rows: pa.Table) -> str:
    file = folder / "draws.parquet"
    pq.write_table(rows, file)
    with pytest.raises(InputDataError) as error:
        read_draws(file, bounds)
    return str(error.value)


def changed(rows: pa.Table, name: str, place: int, value: object) -> pa.Table:
    values = rows[name].to_pylist()
    values[place] = value
    at = rows.column_names.index(name)
    return rows.set_column(at, name, pa.array(values, COLUMNS.field(name).type))


@pytest.mark.parametrize("value", [0.0, -0.1, 10.5])
def test_values_that_the_measure_cannot_have(tmp_path: Path, value: float) -> None:
    said = message(tmp_path, changed(draws(("010001", HF), ("010002", HF)), "value", 3, value))
    assert "values of READM-30-HF are outside 0.000001 to 10" in said
    assert f"010001 READM-30-HF 4 {value}" in said


@pytest.mark.parametrize(
    ("name", "value"), [("value", None), ("value", float("nan")), ("value", float("inf")), ("provider_id", None)]
)
def test_missing_cells(tmp_path: Path, name: str, value: object) -> None:
    assert "cells are missing or no number" in message(tmp_path, changed(draws(("010001", HF)), name, 3, value))


def test_unequal_numbers_of_draws(tmp_path: Path) -> None:
    rows = draws(("010001", HF), ("010002", HF), ("010003", HF))
    said = message(tmp_path, rows.slice(0, rows.num_rows - 2))
    assert "providers and measures do not have all of the 20 draws" in said
    assert "010003 READM-30-HF" in said


def test_a_draw_that_stands_twice(tmp_path: Path) -> None:
    assert "have a draw twice" in message(tmp_path, changed(draws(("010001", HF)), "draw", 3, 5))


def test_draws_not_numbered_from_one(tmp_path: Path) -> None:
    assert "not numbered from 1" in message(tmp_path, changed(draws(("010001", HF)), "draw", 0, 0))


def test_too_few_draws(tmp_path: Path) -> None:
    assert "there are only 19 draws" in message(tmp_path, draws(("010001", HF), number=19))


def test_a_column_is_missing_or_of_another_type(tmp_path: Path) -> None:
    rows = draws(("010001", HF))
    assert "columns are missing" in message(tmp_path, rows.drop(["value"]))
    texts = rows.set_column(3, "value", pa.array(["high"] * rows.num_rows))
    assert "columns have the wrong types" in message(tmp_path, texts)
    assert "has no rows" in message(tmp_path, rows.slice(0, 0))


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="file of draws not found"):
        read_draws(tmp_path / "absent.parquet", bounds)
    for name, content in (("a.csv", "provider_id,measure_id,draw,value\n010001,HF,1,high\n"), ("a.parquet", "no")):
        (tmp_path / name).write_text(content, encoding="utf-8")
        with pytest.raises(InputDataError, match="cannot be read"):
            read_draws(tmp_path / name, bounds)


def test_csv_keeps_leading_zeros(tmp_path: Path) -> None:
    lines = [f"010001,{HF},{number},1.0{number}" for number in range(1, NUMBER + 1)]
    (tmp_path / "draws.csv").write_text("\n".join(["provider_id,measure_id,draw,value", *lines]), encoding="utf-8")
    found = read_draws(tmp_path / "draws.csv", bounds)
    assert set(found.rows["provider_id"].to_pylist()) == {"010001"}
    assert found.number == NUMBER


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve hospitals; the first has too few heart attacks to be scored for them, and of the last nothing is known."""
    folder = tmp_path_factory.mktemp("files")
    hospitals = []
    for place in range(1, 13):
        conditions = {HF: MadeCondition(f"{0.9 + place / 50:.4f}", 300)}
        if place < 12:
            conditions[AMI] = MadeCondition("1.0200", 10 if place == 1 else 200)
        hospitals.append(MadeHospital(f"01{place:04}", conditions))
    write_public(folder, PERIOD, hospitals)
    write_supplemental(folder, PERIOD, hospitals, "0.96")
    return folder


def finished(files: Path, rows: pa.Table) -> RunFolder:
    """Run with draws; the stages before them are kept from one test to the next."""
    out = files.parent / f"{files.name}-RUN"
    write_draws(rows, out.parent / "draws.parquet")
    return run("hrrp", period=PERIOD, data=files, out=out, draws=out.parent / "draws.parquet", threads=1)


def statuses(folder: RunFolder) -> dict[str, str]:
    rows = pq.read_table(folder.path / "results" / "payment_interval.parquet").to_pylist()
    return {one["provider_id"]: one["draw_status"] for one in rows}


def test_draws_that_belong_to_nothing_are_rejected_and_counted(files: Path) -> None:
    usable = [("010001", HF), ("010002", HF), ("010002", AMI), ("010004", HF)]
    rows = draws(*usable, ("010001", AMI), ("990001", HF), ("010003", "MORT"))
    folder = finished(files, rows)
    record = folder.record["draws"]
    assert record["rows"] == 7 * NUMBER
    assert record["accepted_rows"] == len(usable) * NUMBER
    assert record["rejected_rows"] == {NO_PROVIDER: NUMBER, NO_MEASURE: NUMBER, NO_VALUE: NUMBER}
    rejected = pq.read_table(folder.path / "rejected" / "draws.parquet").to_pylist()
    assert sum(one["rows"] for one in rejected) == record["rows"] - record["accepted_rows"]
    found = statuses(folder)
    # Too few heart attacks count for nothing, so that the first hospital is drawn whole.
    assert [found[f"01000{one}"] for one in range(1, 5)] == ["drawn", "drawn", "not_drawn", "partly_drawn"]
    counts = record["scenarios"]["actual"]["providers"]
    assert counts == {"drawn": 2, "partly_drawn": 1, "not_drawn": 9}


def test_draws_do_not_make_a_measure_count(files: Path) -> None:
    """Without a number of discharges, a ratio that is drawn would count: the hospital has none in the run."""
    rows = pa.concat_tables([draws(("010012", HF), value=1.14), draws(("010012", AMI), value=1.5)])
    folder = finished(files, rows)
    assert folder.record["draws"]["rejected_rows"] == {NO_VALUE: NUMBER}
    intervals = pq.read_table(folder.path / "results" / "payment_interval.parquet").to_pylist()
    one = next(row for row in intervals if row["provider_id"] == "010012")
    assert (one["draw_status"], one["draws"]) == ("drawn", NUMBER)
    assert one["rate_low"] == one["rate"] == one["rate_high"] < 0


def test_no_draw_belongs_to_the_run(files: Path) -> None:
    with pytest.raises(InputDataError) as error:
        finished(files, draws(("990001", HF), ("010001", "heart failure")))
    assert "no draw belongs to a scored value of the run" in str(error.value)
    assert NO_PROVIDER in str(error.value)


def test_program_whose_payments_cannot_be_drawn(tmp_path: Path) -> None:
    write_draws(draws(("010001", HF)), tmp_path / "draws.parquet")
    with pytest.raises(UsageError, match="cannot be drawn: the program reports to the public and pays nothing"):
        run("mncm", period="CY2019", data=tmp_path, out=tmp_path / "RUN", draws=tmp_path / "draws.parquet")


def refused(call: Sequence[object], words: str) -> None:
    with pytest.raises(OpenvbpError) as error:
        approximate(*(np.array(one, dtype=float) for one in call))  # type: ignore[arg-type]
    assert words in str(error.value)


def test_published_counts_that_cannot_be() -> None:
    many = [1.0] * 12
    refused((many[:9], [0.2] * 9, [50] * 9), "9 providers")
    refused(([6.0, *many[1:]], [0.2] * 12, [50] * 12), "rates or cases are impossible")
    refused((many, [0.2] * 12, [0, *[50] * 11]), "rates or cases are impossible")


def test_ratios_without_cases(files: Path, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "supplemental.csv").write_bytes((files / "supplemental.csv").read_bytes())
    without = run("hrrp", period=PERIOD, data=tmp_path / "files", out=tmp_path / "RUN", threads=1)
    with pytest.raises(InputDataError, match="no measure of the run has a number of cases and an expected rate"):
        draws_of_run(without, NUMBER, 1)


def test_replicates_that_leave_a_provider_out_too_often() -> None:
    ratios = np.array([[1.1, np.nan], [1.2, 0.9], [np.nan, 0.8], [1.3, 0.7]])
    assert replicate_ratios(ratios, 3).tolist() == [[1.1, 0.9], [1.2, 0.8], [1.3, 0.7]]
    with pytest.raises(UsageError, match="a provider is in 3 of 4 replicates only"):
        replicate_ratios(ratios, 4)


def test_models_that_give_no_draws(tmp_path: Path) -> None:
    made = simulate(cases=1_000, providers=20, covariates=1, tau=0.4, seed=4)
    with pytest.raises(UsageError, match="no draws from fixed effects"):
        posterior_ratios(fit(made.rows(), method="fixed"), NUMBER, seed=1)
    columns = CaseColumns("p", "y", ())
    for options in (Options(draws=NUMBER), Options(draws=NUMBER, measure=HF, method="fixed")):
        with pytest.raises(UsageError, match="draws need the name of the measure"):
            fit_file(data=tmp_path / "cases.csv", columns=columns, out=tmp_path / "OUT", options=options)
