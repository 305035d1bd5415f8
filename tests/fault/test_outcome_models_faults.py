"""Data and options that an outcome model cannot use: what is wrong is named, and no patient's value is shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openvbp.engine import Engine
from openvbp.errors import InputDataError, OpenvbpError, UsageError
from openvbp.outcome_models.bootstrap import bootstrap
from openvbp.outcome_models.case_files import CaseColumns, read_cases
from openvbp.outcome_models.fitting import fit
from openvbp.outcome_models.result_tables import combine_folders
from openvbp.outcome_models.rows import rows_in_memory, rows_of_parquet
from openvbp.outcome_models.run import Options, fit_file
from openvbp.outcome_models.standardization import combine_cohorts, observed_to_expected
from outcome_cases import multicenter_rows, simulate

GOOD = simulate(cases=3_000, providers=40, covariates=2, tau=0.4, seed=4)


def message(error: pytest.ExceptionInfo[OpenvbpError]) -> str:
    return str(error.value)


def with_covariate(name: str, values: np.ndarray) -> dict[str, np.ndarray]:
    return {**GOOD.covariates, name: values}


def test_one_provider() -> None:
    with pytest.raises(InputDataError) as error:
        fit(rows_in_memory(GOOD.covariates, GOOD.outcome, np.zeros(len(GOOD.outcome))))
    assert "only one provider" in message(error)


@pytest.mark.parametrize(("value", "words"), [(0, "never happens"), (1, "always happens")])
def test_outcome_that_never_or_always_happens(value: int, words: str) -> None:
    with pytest.raises(InputDataError) as error:
        fit(rows_in_memory(GOOD.covariates, np.full(len(GOOD.outcome), value), GOOD.provider))
    assert words in message(error)


def test_every_bad_covariate_is_named_at_once() -> None:
    total = GOOD.covariates["x0"] + 2 * GOOD.covariates["x1"]
    covariates = with_covariate("total", total) | {"unit": np.ones(len(total))}
    with pytest.raises(InputDataError) as error:
        fit(rows_in_memory(covariates, GOOD.outcome, GOOD.provider))
    assert "covariates are constant\n  where: unit" in message(error)
    assert "covariates repeat others (they are collinear)\n  where: total" in message(error)


def test_infinite_covariates_are_named() -> None:
    broken = GOOD.covariates["x0"].copy()
    broken[7] = np.nan
    with pytest.raises(InputDataError) as error:
        fit(rows_in_memory(with_covariate("age", broken), GOOD.outcome, GOOD.provider))
    assert "missing or infinite\n  where: age" in message(error)


def test_separation_by_one_covariate_is_named() -> None:
    rare = ((GOOD.outcome == 0) & (np.arange(len(GOOD.outcome)) % 50 == 0)).astype(float)
    with pytest.raises(InputDataError) as error:
        fit(rows_in_memory(with_covariate("rare", rare), GOOD.outcome, GOOD.provider))
    assert "separation" in message(error)
    assert "where: rare" in message(error)


@pytest.mark.parametrize("method", ["pql", "fixed", "profile", "laplace"])
def test_separation_by_two_covariates_together_does_not_settle(method: str) -> None:
    """Each covariate overlaps; their difference tells the outcome."""
    noise = np.random.default_rng(1).normal(size=len(GOOD.outcome)) * 5
    covariates = {"a": noise, "b": noise + 2 * GOOD.outcome - 1}
    with pytest.raises(InputDataError) as error:
        fit(rows_in_memory(covariates, GOOD.outcome, GOOD.provider), method=method)  # type: ignore[arg-type]
    assert "do not settle" in message(error)


def test_provider_without_events_is_fitted_and_said() -> None:
    outcome = np.where(GOOD.provider == 3, 0.0, GOOD.outcome)
    found = fit(rows_in_memory(GOOD.covariates, outcome, GOOD.provider))
    assert any(one.startswith("providers without an event: ") for one in found.warnings)
    assert 0 < found.sums.predicted[3] < found.at_zero.predicted[3]


def test_providers_that_do_not_differ_are_said() -> None:
    # In every provider the same outcomes: less spread than chance would give.
    rows = rows_in_memory(
        {"x": np.tile([0, 1, 1, 0, 1, 0], 40)}, np.tile([1, 0, 1, 0, 0, 0], 40), np.repeat(range(40), 6)
    )
    found = fit(rows)
    assert found.estimate.is_at_bound
    assert any("at a bound of its search" in one for one in found.warnings)
    assert found.sums.predicted == pytest.approx(found.at_zero.predicted, rel=1e-3)


@pytest.mark.parametrize("method", ["laplace", "profile"])
def test_few_events_are_refused_with_laplace_and_fitted_with_quadrature(method: str) -> None:
    rare = simulate(cases=8_000, providers=250, covariates=1, tau=0.4, intercept=-4.5, spread=0.3, seed=1)
    with pytest.raises(UsageError) as error:
        fit(rare.rows(), method=method)  # type: ignore[arg-type]
    assert "use --method quadrature" in message(error)
    assert fit(rare.rows(), method="quadrature", nodes=9).tau > 0
    assert any("compare --method quadrature" in one for one in fit(rare.rows()).warnings)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "magic"}, "no method 'magic'"),
        ({"nodes": 0}, "0 nodes"),
        ({"method": "fixed", "within": True}, "fixed effects with --within"),
    ],
)
def test_options_that_do_not_exist(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as error:
        fit(multicenter_rows(), **options)  # type: ignore[arg-type]
    assert words in message(error)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(bootstrap=20), "20 replicates"),
        (Options(bootstrap=200, method="laplace"), "no bootstrap of method 'laplace'"),
        (Options(level=1.5), "1.5 is no level"),
        (Options(method="magic"), "no method 'magic'"),  # type: ignore[arg-type]
    ],
)
def test_options_of_a_run_are_checked_before_the_file_is_read(tmp_path: Path, options: Options, words: str) -> None:
    with pytest.raises(UsageError) as error:
        fit_file(data=tmp_path / "none.csv", columns=CaseColumns("p", "y", ()), out=tmp_path, options=options)
    assert words in message(error)


def test_bootstrap_of_another_method() -> None:
    with pytest.raises(UsageError):
        bootstrap(fit(multicenter_rows(), method="quadrature"), 100, seed=1)


def test_within_without_covariates() -> None:
    with pytest.raises(UsageError) as error:
        fit(rows_in_memory({}, GOOD.outcome, GOOD.provider), within=True)
    assert "give covariates" in message(error)
    assert fit(rows_in_memory({}, GOOD.outcome, GOOD.provider)).tau > 0


def test_outcomes_that_are_no_outcomes() -> None:
    with pytest.raises(InputDataError) as error:
        rows_in_memory({}, [0, 1, 2, 3], ["A", "A", "B", "B"])
    assert "outcome is neither 0 nor 1 (2 times)" in message(error)
    with pytest.raises(InputDataError) as error:
        rows_in_memory({}, [], [])
    assert "there is no row" in message(error)


def test_parquet_rows_of_a_provider_apart(tmp_path: Path) -> None:
    path = tmp_path / "cases.parquet"
    pq.write_table(pa.table({"p": ["A", "B", "A"], "y": [0, 1, 1]}), path)
    with pytest.raises(InputDataError) as error:
        rows_of_parquet(path, covariates=[], outcome="y", provider="p")
    assert "sort them by p" in message(error)


def test_covariates_missing_in_batches_are_named(tmp_path: Path) -> None:
    path = tmp_path / "cases.parquet"
    pq.write_table(pa.table({"p": ["A", "A", "B", "B"], "y": [0, 1, 1, 0], "age": [70, None, 75, 80]}), path)
    with pytest.raises(InputDataError) as error:
        fit(rows_of_parquet(path, covariates=["age"], outcome="y", provider="p"))
    assert "missing or infinite\n  where: age" in message(error)


@pytest.mark.parametrize(
    ("text", "columns", "words"),
    [
        (None, CaseColumns("p", "y", ("age",)), "file is missing"),
        ("p,y\nA,1\n", CaseColumns("p", "y", ("age",)), "columns are missing"),
        ("p,y,age\n", CaseColumns("p", "y", ("age",)), "file has no row"),
        ("p,y,age\nA,1,old\nB,,70\n", CaseColumns("p", "y", ("age",)), "covariate is no finite number: age"),
        ("p,y,age\nA,1,70\n", CaseColumns("p", "y", ("age", "age")), "a column is named twice"),
        ("p,y,age\nA,1,70\n", CaseColumns("p", "y", ("y",)), "a column is named twice"),
    ],
)
def test_files_that_cannot_be_used(
    tmp_path: Path, duckdb_engine: Engine, text: str | None, columns: CaseColumns, words: str
) -> None:
    path = tmp_path / "cases.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(OpenvbpError) as error:
        read_cases(duckdb_engine, path, columns, tmp_path, tmp_path)
    assert words in message(error)
    assert "old" not in message(error)


def test_parquet_of_other_kinds(tmp_path: Path, duckdb_engine: Engine) -> None:
    days = pa.array([0, 1], pa.date32())
    pq.write_table(pa.table({"p": ["A", "B"], "y": [0, 1], "day": days}), tmp_path / "cases.parquet")
    with pytest.raises(InputDataError) as error:
        read_cases(duckdb_engine, tmp_path / "cases.parquet", CaseColumns("p", "y", ("day",)), tmp_path, tmp_path)
    assert "columns are no numbers" in message(error)
    (tmp_path / "broken.parquet").write_text("not Parquet")
    with pytest.raises(InputDataError) as error:
        read_cases(duckdb_engine, tmp_path / "broken.parquet", CaseColumns("p", "y", ()), tmp_path, tmp_path)
    assert "cannot be read as Parquet" in message(error)
    (tmp_path / "cases.txt").write_text("p,y\n")
    with pytest.raises(UsageError):
        read_cases(duckdb_engine, tmp_path / "cases.txt", CaseColumns("p", "y", ()), tmp_path, tmp_path)


def test_a_failed_run_leaves_no_earlier_result_and_no_copy_of_cases(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "providers.parquet").write_text("of an earlier run")
    (tmp_path / "cases.csv").write_text("p,y,x\nA,1,1\nA,0,1\nB,0,1\nB,1,1\n,1,1\n")
    with pytest.raises(InputDataError) as error:
        fit_file(data=tmp_path / "cases.csv", columns=CaseColumns("p", "y", ("x",)), out=out)
    assert "covariates are constant" in message(error)
    assert [path.name for path in out.iterdir()] == ["rejected.parquet"]


def test_cohorts_and_counts_that_cannot_be_combined(tmp_path: Path) -> None:
    with pytest.raises(InputDataError) as error:
        combine_cohorts([{"A": (0, 1.0)}, {"B": (5, 0.0)}])
    assert "not above zero (2 times)" in message(error)
    with pytest.raises(InputDataError) as error:
        combine_folders([tmp_path])
    assert "not a fitted model" in message(error)
    with pytest.raises(InputDataError):
        observed_to_expected(np.array([1.0]), np.array([0.0]))
