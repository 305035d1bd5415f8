"""Coefficients with a covariance: estimates of any combination of them, and tests that several are zero."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from openvbp.errors import Problem, UsageError
from openvbp.estimators.arrays import Floats
from openvbp.estimators.estimate import Estimate, from_standard_error


@dataclass(frozen=True)
class JointTest:
    """Wald's test that several combinations of coefficients are all zero: W'V⁻¹W / q against F with q and d degrees."""

    statistic: float
    """F; nan where the covariance of the combinations has not full rank."""
    restrictions: int
    degrees_of_freedom: float
    p_value: float


@dataclass(frozen=True)
class Inference:
    """Coefficients (k) and their covariance (k × k)."""

    names: tuple[str, ...]
    coefficients: Floats
    covariance: Floats
    kind: str
    """HC1, CR1 or CR2."""
    observations: int
    clusters: int
    degrees_of_freedom: Callable[[Floats], float]
    """Of Student's t, for a combination of coefficients (k)."""
    from_one_cluster: frozenset[str] = frozenset()
    """Coefficients that rest on one cluster against all others, such as the effect on a single treated hospital.

    How such clusters vary is not in the data; formulas give far too small an error, and so it is nan here.
    """

    def estimate(self, combination: str | Mapping[str, float]) -> Estimate:
        """Estimate a coefficient, or a sum of coefficients times factors; errors are nan if all rest on one cluster.

        Raises
        ------
        UsageError
            If there is no coefficient of a name.
        """
        factors = self._factors(combination)
        variance = np.nan if self._rests_on_one_cluster(factors) else float(factors @ self.covariance @ factors)
        return from_standard_error(
            float(factors @ self.coefficients),
            np.sqrt(variance) if variance >= 0 else np.nan,
            observations=self.observations,
            clusters=self.clusters,
            degrees_of_freedom=self.degrees_of_freedom(factors),
        )

    def joint_test(self, combinations: Sequence[str | Mapping[str, float]]) -> JointTest:
        """Test that all combinations are zero, but for those that rest on one cluster.

        Degrees of freedom are the least of theirs.
        """
        asked = [self._factors(one) for one in combinations]
        kept = [one for one in asked if not self._rests_on_one_cluster(one)]
        if not kept:
            return JointTest(np.nan, 0, np.nan, np.nan)
        factors = np.stack(kept)
        values, covariance = factors @ self.coefficients, factors @ self.covariance @ factors.T
        count, freedom = len(factors), min(self.degrees_of_freedom(one) for one in factors)
        if np.linalg.matrix_rank(covariance, hermitian=True) < count:
            return JointTest(np.nan, count, freedom, np.nan)
        statistic = float(values @ np.linalg.solve(covariance, values)) / count
        return JointTest(statistic, count, freedom, float(special.fdtrc(count, freedom, statistic)))

    def _rests_on_one_cluster(self, factors: Floats) -> bool:
        return all(self.names[at] in self.from_one_cluster for at in np.flatnonzero(factors))

    def _factors(self, combination: str | Mapping[str, float]) -> Floats:
        asked = {combination: 1.0} if isinstance(combination, str) else combination
        unknown = sorted(set(asked) - set(self.names))
        if unknown:
            what = "there is no coefficient " + ", ".join(f"'{name}'" for name in unknown)
            raise UsageError(Problem(what, "coefficients", "one of: " + ", ".join(self.names)))
        return np.array([asked.get(name, 0.0) for name in self.names])
