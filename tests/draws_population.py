"""Hospitals whose true readmission ratios are known, as files of HRRP, and what draws should say of them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np

from hrrp_files import conditions_of, scenario, write_csv
from openvbp.outcome_models.fitting import Fit, fit
from openvbp.outcome_models.posterior_draws import draw_rows, posterior_ratios, write_draws
from openvbp.outcome_models.standardization import standardized_rates
from outcome_cases import Simulated, simulate

PERIOD, MEASURE = "FY2024", "READM-30-HF"
HALF = Decimal("0.5")
CAP = 0.03
MINIMUM = 25


@dataclass(frozen=True)
class Population:
    """Hospitals in the order of the model's providers, those with at least 25 discharges."""

    fitted: Fit
    provider_ids: list[str]
    is_eligible: np.ndarray
    ratios: np.ndarray
    """Estimated: predicted over expected."""
    truth: np.ndarray
    expected: np.ndarray
    """Expected rate."""
    cases: np.ndarray

    @property
    def median(self) -> float:
        """Of the estimated ratios of eligible hospitals, to 9 decimals, as it is published."""
        return round(float(np.median(self.ratios[self.is_eligible])), 9)

    def reduction(self, ratios: np.ndarray) -> np.ndarray:
        """Half of what exceeds the median, at most 3 percent, rounded half up to 0.01 percent."""
        exact = np.minimum(CAP, 0.5 * np.maximum(ratios - self.median, 0))
        return np.floor(exact * 10_000 + 0.5) / 10_000


def population(*, hospitals: int, cases: int, covariates: int = 2, tau: float = 0.25, seed: int = 1) -> Population:
    """Simulate readmissions of hospitals and estimate their ratios as CMS does."""
    made: Simulated = simulate(
        cases=cases, providers=hospitals, covariates=covariates, tau=tau, intercept=-1.8, seed=seed
    )
    fitted = fit(made.rows())
    rates = standardized_rates(fitted)
    counts = fitted.design.cases
    # Providers of a model are named by their number; hospitals are numbered in Alabama.
    names = [f"01{int(one):04}" for one in fitted.providers]
    order = np.argsort([int(one) for one in fitted.providers])
    truth = np.empty(hospitals)
    truth[order] = made.ratios
    return Population(fitted, names, counts >= MINIMUM, rates.ratio, truth, rates.expected / counts, counts)


def write_files(made: Population, folder: Path) -> Path:
    """The supplemental file and the public file: one condition with a payment ratio of one half, a modifier of one."""
    folder.mkdir(parents=True, exist_ok=True)
    start, end = (scenario(PERIOD).value(f"applicable_period_{one}") for one in ("start", "end"))
    header = ["Hospital CCN", "Dual proportion", "Peer group assignment", "Neutrality modifier"]
    for label in ("AMI", "COPD", "HF", "pneumonia", "CABG", "THA/TKA"):
        header += [f"{name} for {label}" for name in ("Number of eligible discharges", "ERR", "Peer group median ERR")]
        header.append(f"DRG payment ratio for {label}")
    wide, long = [], []
    for place, provider_id in enumerate(made.provider_ids):
        row: list[object] = [provider_id, "0.2", "1", "1.0"]
        for measure_id in (
            "READM-30-AMI",
            "READM-30-COPD",
            MEASURE,
            "READM-30-PN",
            "READM-30-CABG",
            "READM-30-HIP-KNEE",
        ):
            ratio, expected = made.ratios[place], made.expected[place]
            if measure_id == MEASURE and made.is_eligible[place]:
                row += [made.cases[place], f"{ratio:.9f}", f"{made.median:.9f}", HALF]
                rates = [f"{ratio:.9f}", f"{ratio * expected * 100:.9f}", f"{expected * 100:.9f}"]
                long.append([provider_id, f"{measure_id}-HRRP", made.cases[place], *rates, start, end])
            else:
                row += [".", ".", "0.99", "."]
                long.append([provider_id, f"{measure_id}-HRRP", "N/A", "N/A", "N/A", "N/A", start, end])
        wide.append(row)
    write_csv(folder / "supplemental.csv", header, wide)
    columns = ["Facility ID", "Measure Name", "Number of Discharges", "Excess Readmission Ratio"]
    columns += ["Predicted Readmission Rate", "Expected Readmission Rate", "Start Date", "End Date"]
    write_csv(folder / "ratios.csv", columns, long)
    assert MEASURE in conditions_of(PERIOD)
    return folder


def write_model_draws(made: Population, path: Path, number: int, seed: int = 1) -> Path:
    """Draws from the fitted model, of eligible hospitals."""
    eligible = np.flatnonzero(made.is_eligible)
    values = posterior_ratios(made.fitted, number, seed=seed)[:, eligible]
    write_draws(draw_rows([made.provider_ids[one] for one in eligible], MEASURE, values), path)
    return path
