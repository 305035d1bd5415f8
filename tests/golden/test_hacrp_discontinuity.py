"""Jump of the next score at the penalty cutoff of the HAC Reduction Program, on public scores."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow.csv as csv
import pytest

from conftest import published_data
from openvbp.estimators.regression_discontinuity import regression_discontinuity
from openvbp.estimators.running_variable_density import density_test


def _scores(folder: Path, year: int) -> dict[str, tuple[float, str]]:
    """Score and penalty by provider number, which stands in brackets behind the name."""
    table = csv.read_csv(folder / f"hacrp_{year}.csv")
    rows = zip(
        table["Hospital"].to_pylist(),
        table["Total HAC Score"].to_pylist(),
        table["Payment Reduction"].to_pylist(),
        strict=True,
    )
    found = {}
    for hospital, score, penalty in rows:
        number = re.search(r"\((\w+)\)\s*$", hospital)
        if number and isinstance(score, float) and np.isfinite(score):
            found.setdefault(number[1], (score, penalty))
    return found


@pytest.mark.parametrize(
    ("year", "later", "cutoff", "widths", "hospitals", "published", "error"),
    [
        (2019, 2020, 0.343, (0.2510267, 0.4650629), 3178, (0.073, -0.052, 0.197), 0.064),
        (2019, 2021, 0.343, (0.2434766, 0.4347051), 3122, (0.083, -0.078, 0.244), 0.082),
        (2020, 2021, 0.3308, (0.4064401, 0.6544517), 3135, (0.008, -0.092, 0.107), 0.051),
    ],
)
def test_jump_of_later_scores(year, later, cutoff, widths, hospitals, published, error):
    """At the bandwidths (.25, .24, .41; for the bias .47, .43, .65) of the published figures, and at our own."""
    folder = published_data("evaluation", "hacrp")
    first, second = _scores(folder, year), _scores(folder, later)
    both = sorted(first.keys() & second.keys())
    assert len(both) == hospitals
    x, y = np.array([first[each][0] for each in both]), np.array([second[each][0] for each in both])
    # The cutoff parts the penalized from the others; hospitals that are exempt lie on both sides.
    penalized = np.array([first[each][1] for each in both])
    assert (penalized[x > cutoff] != "No").all()
    assert (penalized[x <= cutoff] != "Yes").all()
    found = regression_discontinuity(y, x, cutoff, bandwidth=widths[0], bias_bandwidth=widths[1])
    assert (found.robust.estimate, found.robust.low, found.robust.high) == pytest.approx(published, abs=0.003)
    assert found.robust.standard_error == pytest.approx(error, abs=0.001)
    own = regression_discontinuity(y, x, cutoff)
    assert own.robust.estimate == pytest.approx(published[0], abs=0.2 * error)
    assert own.robust.standard_error == pytest.approx(error, rel=0.1)
    assert 0.8 < own.bandwidth / widths[0] < 1.25
    assert density_test(x, cutoff).p_value > 0.05
