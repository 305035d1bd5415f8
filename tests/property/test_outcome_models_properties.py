"""What holds of outcome models whatever the data: invariance, balance, gradients, and limits that cover the truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openvbp.engine import Engine, open_database, write_database
from openvbp.outcome_models import pseudo_likelihood
from openvbp.outcome_models.bootstrap import bootstrap, percentile_limits
from openvbp.outcome_models.case_files import CaseColumns, read_cases
from openvbp.outcome_models.design import design_of, sample_of
from openvbp.outcome_models.fitting import METHODS, fit
from openvbp.outcome_models.marginal_likelihood import likelihood
from openvbp.outcome_models.rows import BatchRows, rows_in_memory, rows_of_parquet
from openvbp.outcome_models.standardization import posterior_limits, standardized_rates
from outcome_cases import Simulated, simulate

SMALL = simulate(cases=6_000, providers=60, covariates=3, tau=0.4, seed=2)


def test_rows_chunks_and_names_in_any_order_give_the_same_model() -> None:
    reference = fit(SMALL.rows())
    order = np.random.default_rng(0).permutation(len(SMALL.outcome))
    covariates = {name: values[order] for name, values in SMALL.covariates.items()}
    shuffled = rows_in_memory(covariates, SMALL.outcome[order], SMALL.provider[order], chunk_rows=97)
    found = fit(shuffled)
    assert found.coefficients == pytest.approx(reference.coefficients, abs=1e-10)
    assert found.tau == pytest.approx(reference.tau, abs=1e-10)
    assert found.effects == pytest.approx(reference.effects, abs=1e-10)
    turned = fit(rows_in_memory(dict(reversed(covariates.items())), SMALL.outcome[order], SMALL.provider[order]))
    assert turned.coefficients[[0, 3, 2, 1]] == pytest.approx(reference.coefficients, abs=1e-9)


@pytest.mark.parametrize("method", METHODS)
def test_a_covariate_in_other_units_changes_its_coefficient_only(method: str) -> None:
    reference = fit(SMALL.rows(), method=method, nodes=5)  # type: ignore[arg-type]
    covariates = SMALL.covariates | {"x1": 1e6 + 1000 * SMALL.covariates["x1"]}
    found = fit(rows_in_memory(covariates, SMALL.outcome, SMALL.provider), method=method, nodes=5)  # type: ignore[arg-type]
    assert found.coefficients[2] * 1000 == pytest.approx(reference.coefficients[2], abs=1e-5)
    assert found.coefficients[[1, 3]] == pytest.approx(reference.coefficients[[1, 3]], abs=1e-5)
    assert standardized_rates(found).ratio == pytest.approx(standardized_rates(reference).ratio, abs=1e-5)


@pytest.mark.parametrize("method", ["pql", "profile", "fixed"])
def test_as_many_events_are_predicted_as_happened(method: str) -> None:
    """With the effects in the model its residuals are balanced over every covariate."""
    found = fit(SMALL.rows(), method=method)  # type: ignore[arg-type]
    assert found.sums.score == pytest.approx(np.zeros(4), abs=1e-3)
    assert found.sums.predicted.sum() == pytest.approx(SMALL.outcome.sum(), abs=1e-3)


def test_batches_of_a_file_give_the_same_model_as_memory(tmp_path: Path) -> None:
    names = [f"H{one:04}" for one in SMALL.provider]
    table = pa.table({"hospital": names, "died": SMALL.outcome.astype(np.int8), **SMALL.covariates})
    pq.write_table(table, tmp_path / "cases.parquet", row_group_size=701)
    rows = rows_of_parquet(
        tmp_path / "cases.parquet",
        covariates=list(SMALL.covariates),
        outcome="died",
        provider="hospital",
        chunk_rows=333,
    )
    reference = fit(SMALL.rows())
    assert rows.providers[:2] == ("H0000", "H0001")
    assert fit(rows).coefficients == pytest.approx(reference.coefficients, abs=1e-10)
    assert fit(rows).effects == pytest.approx(reference.effects, abs=1e-10)


def test_batches_of_a_database_give_the_same_model_as_memory(tmp_path: Path) -> None:
    names = [f"H{one:04}" for one in SMALL.provider]
    write_database({"cases": pa.table({"hospital": names, "died": SMALL.outcome, **SMALL.covariates})}, tmp_path / "db")
    with open_database(str(tmp_path / "db")) as database:
        rows = BatchRows(
            lambda _columns, size: database.read("cases", size),
            covariates=list(SMALL.covariates),
            outcome="died",
            provider="hospital",
            chunk_rows=500,
        )
        found = fit(rows)
    assert found.coefficients == pytest.approx(fit(SMALL.rows()).coefficients, abs=1e-10)


@pytest.mark.parametrize(("method", "within"), [("pql", False), ("pql", True), ("laplace", False)])
@pytest.mark.parametrize("is_rare", [False, True])
def test_a_fit_that_begins_at_a_sample_ends_at_the_same_place(
    monkeypatch: pytest.MonkeyPatch, method: str, *, within: bool, is_rare: bool
) -> None:
    """Also where the sample has no case of an indicator, so that it tells nothing of its coefficient."""
    covariates = SMALL.covariates
    if is_rare:
        covariates = covariates | {"rare": ((SMALL.provider % 6 == 1) & (np.arange(len(SMALL.outcome)) % 9 == 0)) * 1.0}
    rows = rows_in_memory(covariates, SMALL.outcome, SMALL.provider)
    reference = fit(rows, method=method, within=within)  # type: ignore[arg-type]
    monkeypatch.setattr(pseudo_likelihood, "_SAMPLE_CASES", 1_000)
    monkeypatch.setattr(pseudo_likelihood, "_LEAST_SAMPLE", 10)
    assert sample_of(design_of(rows), rows, 6)[0].tolist() == [*range(0, 60, 6)]
    found = fit(rows, method=method, within=within)  # type: ignore[arg-type]
    assert found.estimate.passes != reference.estimate.passes or is_rare
    assert found.coefficients == pytest.approx(reference.coefficients, abs=1e-6)
    assert found.tau == pytest.approx(reference.tau, abs=1e-6)
    assert found.effects == pytest.approx(reference.effects, abs=1e-6)


@settings(max_examples=8, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    nodes=st.sampled_from([1, 2, 5, 9]),
    tau=st.floats(0.05, 1.5),
    shift=st.floats(-0.5, 0.5),
    is_within=st.booleans(),
)
def test_gradient_of_the_marginal_likelihood_is_the_numerical_one(
    seed: int, nodes: int, tau: float, shift: float, *, is_within: bool
) -> None:
    simulated = simulate(cases=800, providers=12, covariates=2, tau=0.5, seed=seed)
    # Values without separation: what is compared is the likelihood, for any outcome.
    noise = np.random.default_rng(seed).normal(size=len(simulated.outcome))
    outcome = np.random.default_rng(seed + 1).integers(0, 2, len(noise))
    design = design_of(rows_in_memory({"x": noise}, outcome, simulated.provider))
    covariate = np.linspace(-1, 1, len(design.rows.providers)) if is_within else None
    beta = np.array([-0.3 + shift, shift, 0.4])[: 3 if is_within else 2]

    def value(beta: np.ndarray, logarithm: float) -> float:
        return likelihood(design, beta, float(np.exp(logarithm)), nodes=nodes, provider_covariate=covariate).value

    found = likelihood(design, beta, tau, nodes=nodes, provider_covariate=covariate)
    step, place = 1e-5, float(np.log(tau))
    for at in range(len(beta)):
        moved = np.eye(len(beta))[at] * step
        numerical = (value(beta + moved, place) - value(beta - moved, place)) / (2 * step)
        assert found.by_beta[at] == pytest.approx(numerical, abs=1e-5)
    numerical = (value(beta, place + step) - value(beta, place - step)) / (2 * step)
    assert found.by_log_tau == pytest.approx(numerical, abs=1e-5)


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_rows_read_are_accepted_or_rejected(
    seed: int, duckdb_engine: Engine, tmp_path_factory: pytest.TempPathFactory
) -> None:
    random, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("cases")
    rows = random.integers(20, 200)
    values = random.normal(size=rows)
    values[random.random(rows) < 0.1] = np.nan
    outcome = random.choice([0.0, 1.0, 2.0, None], rows, p=[0.5, 0.4, 0.05, 0.05])
    provider = random.choice(["A", "B", None], rows, p=[0.5, 0.45, 0.05])
    ages = pa.array(values, mask=random.random(rows) < 0.1)
    table = pa.table({"who": provider.tolist(), "y": outcome.tolist(), "age": ages})
    pq.write_table(table, folder / "cases.parquet")
    found = read_cases(duckdb_engine, folder / "cases.parquet", CaseColumns("who", "y", ("age",)), folder, folder)
    assert found.read == rows
    assert len(found.rows.outcome) + sum(found.rejected.values()) == rows
    wanted = [
        (who, y, age)
        for who, y, age in zip(provider, outcome, ages.to_pylist(), strict=True)
        if who is not None and y in (0.0, 1.0) and age is not None and np.isfinite(age)
    ]
    kept = np.concatenate([chunk.copy() for _, chunk in found.rows.chunks()])[:, 0]
    names = np.repeat(found.rows.providers, np.diff(found.rows.starts))
    # Within a provider rows keep their order in the file.
    assert list(zip(names, found.rows.outcome, kept, strict=True)) == sorted(wanted, key=lambda one: one[0])


def test_limits_cover_the_truth() -> None:
    """95 % limits of 2,500 made-up hospitals; half a percentage point is one standard error of the share."""
    covered, by_prediction, total = 0, 0, 0
    for seed in range(5):
        simulated = simulate(cases=60_000, providers=500, covariates=4, seed=seed)
        found = fit(simulated.rows())
        truth = simulated.ratios
        low, high = percentile_limits(bootstrap(found, 500, seed=seed).ratios)
        covered += int(((low <= truth) & (truth <= high)).sum())
        low, high = posterior_limits(found)
        by_prediction += int(((low <= truth) & (truth <= high)).sum())
        total += len(truth)
    assert 0.93 < covered / total < 0.97
    assert 0.93 < by_prediction / total < 0.97


@pytest.mark.parametrize("within", [False, True])
def test_sums_of_providers_resample_as_full_fits_do(*, within: bool) -> None:
    found = fit(larger().rows(), within=within)
    fast, full = bootstrap(found, 6, seed=5), bootstrap(found, 6, seed=5, refit=True)
    assert (np.isnan(fast.ratios) == np.isnan(full.ratios)).all()
    assert np.nanmean(np.abs(fast.ratios - full.ratios)) < 1e-3
    assert np.nanmax(np.abs(fast.ratios - full.ratios)) < 2e-2
    assert np.sqrt(fast.variances) == pytest.approx(np.sqrt(full.variances), abs=3e-3)
    again = bootstrap(found, 6, seed=5)
    assert np.array_equal(again.ratios, fast.ratios, equal_nan=True)
    assert not np.array_equal(bootstrap(found, 6, seed=6).ratios, fast.ratios, equal_nan=True)


def larger() -> Simulated:
    return simulate(cases=40_000, providers=200, covariates=4, seed=9)
