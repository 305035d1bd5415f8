"""Outcome models against lme4 in R, whose glmer is the reference of the field: same data, same estimates."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from openvbp.outcome_models.fitting import Method, fit
from openvbp.outcome_models.standardization import standardized_rates
from outcome_cases import simulate

SCRIPT = """
suppressMessages(library(lme4))
given <- commandArgs(trailingOnly = TRUE)
data <- read.csv(given[1])
# lme4's defaults stop early: its log-likelihood is then lower than ours by some thousandths.
control <- glmerControl("bobyqa", calc.derivs = FALSE, tolPwrss = 1e-12, optCtrl = list(rhoend = 1e-8))
for (nodes in c(0, 1, 7)) {
  model <- glmer(y ~ x0 + x1 + x2 + (1 | provider), data, binomial, nAGQ = nodes, control = control)
  predicted <- tapply(fitted(model), data$provider, sum)
  expected <- tapply(predict(model, re.form = NA, type = "response"), data$provider, sum)
  cat(sprintf("%.9f", c(fixef(model), getME(model, "theta"), logLik(model), predicted / expected)), "\\n")
}
"""
METHODS: tuple[tuple[Method, int], ...] = (("profile", 0), ("laplace", 1), ("quadrature", 7))


def has_lme4() -> bool:
    """Whether R can load lme4; asked without starting R where there is none."""
    if not shutil.which("Rscript"):
        return False
    return subprocess.run(["Rscript", "-e", "find.package('lme4')"], capture_output=True, check=False).returncode == 0


def test_estimates_are_those_of_lme4(tmp_path: Path) -> None:
    if not has_lme4():
        pytest.skip("R with lme4 is not installed (Debian: r-base-core r-cran-lme4)")
    simulated = simulate(cases=6_000, providers=60, covariates=3, tau=0.4, seed=1)
    columns = np.column_stack([*simulated.covariates.values(), simulated.outcome, simulated.provider])
    np.savetxt(tmp_path / "cases.csv", columns, "%d", ",", header="x0,x1,x2,y,provider", comments="")
    (tmp_path / "fit.R").write_text(SCRIPT)
    command = ["Rscript", str(tmp_path / "fit.R"), str(tmp_path / "cases.csv")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for (method, nodes), line in zip(METHODS, printed.strip().splitlines(), strict=True):
        theirs = np.array(line.split(), dtype=float)
        ours = fit(simulated.rows(), method=method, nodes=max(nodes, 1))
        assert ours.coefficients == pytest.approx(theirs[:4], abs=1e-4), method
        assert ours.tau == pytest.approx(theirs[4], abs=1e-4), method
        assert ours.estimate.log_likelihood == pytest.approx(theirs[5], abs=1e-4), method
        assert standardized_rates(ours).ratio == pytest.approx(theirs[6:], abs=1e-3), method
