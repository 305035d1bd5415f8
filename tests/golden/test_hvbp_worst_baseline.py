"""Hospitals with the worst mortality before Hospital VBP, against the worst exempt ones, on the public panel."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from conftest import published_data
from openvbp.estimators.worst_baseline import worst_baseline


def _both_windows(measures: tuple[str, ...], later: str) -> dict[str, np.ndarray]:
    """Rates of hospitals and conditions that are in both windows, with patients of the first."""
    path = published_data("evaluation", "hospital_compare_mortality_panel.parquet")
    wanted = [("measure", "in", measures), ("type", "in", ("IPPS", "CAH", "MD")), ("start", "in", ("2008-07", later))]
    columns = ["ccn", "measure", "start", "rate", "n", "type"]
    rows = [row for row in pq.read_table(path, columns=columns, filters=wanted).to_pylist() if row["rate"]]
    after = {(row["ccn"], row["measure"]): float(row["rate"]) for row in rows if row["start"] == later}
    pairs = [
        (
            row["ccn"],
            row["measure"],
            row["type"],
            float(row["n"]),
            float(row["rate"]),
            after[row["ccn"], row["measure"]],
        )
        for row in rows
        if row["start"] == "2008-07" and row["n"] and (row["ccn"], row["measure"]) in after
    ]
    ccn, measure, kind, patients, early, late = (np.array(column) for column in zip(*pairs, strict=True))
    twice = {
        "unit": np.unique(ccn, return_inverse=True)[1],
        "condition": np.unique(measure, return_inverse=True)[1],
        "group": np.unique(kind, return_inverse=True)[1],
        "treated": kind == "IPPS",
        "weights": patients,
    }
    found = {name: np.tile(values, 2) for name, values in twice.items()}
    return found | {"outcome": np.concatenate([early, late]), "after": np.repeat([False, True], len(pairs))}


@pytest.mark.parametrize(
    ("measures", "later", "scale", "everyone", "worst", "hospitals"),
    [
        (("ami", "hf", "pn"), "2010-07", 1.5, (-0.116, -0.285, 0.053), (-0.150, -0.469, 0.169), (1437, 357)),
        (("ami", "hf"), "2013-07", 1.0, (-0.178, -0.354, -0.001), (-0.389, -0.723, -0.054), (1064, 164)),
    ],
)
def test_worst_quarter(measures, later, scale, everyone, worst, hospitals):
    """In percentage points; times 1.5 where windows overlap by a year."""
    rows = _both_windows(measures, later)
    found = worst_baseline(period=rows["after"].astype(int), **rows)
    for effect, expected in ((found.everyone, everyone), (found.effect, worst)):
        limits = np.array([effect.estimate, effect.low, effect.high]) * scale
        assert limits == pytest.approx(expected, abs=1e-3)
    assert (found.treated_units, found.control_units) == hospitals
    # The same hospitals against all exempt ones would have shown a fall of more than a point.
    assert found.same_selection_left_out.high * scale < -0.9
