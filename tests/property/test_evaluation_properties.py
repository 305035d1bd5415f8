"""What holds of evaluations whatever the panel: order of rows, units, collapsed cases, windows, worst quarters."""

from __future__ import annotations

from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openvbp.evaluation.cells import Cells, cells_from_counts, collapse
from openvbp.evaluation.designs import estimate
from openvbp.evaluation.findings import Finding
from openvbp.evaluation.frame import Frame, frame
from openvbp.evaluation.samples import sample
from openvbp.evaluation.shrinkage import between_provider_sd
from openvbp.evaluation.study_terms import Analysis, Study
from openvbp.evaluation.windows import Window, months, parse_window, undoing_factor

WINDOWS = tuple(parse_window(f"{year}-01..{year}-12") for year in range(2010, 2014))
STUDY = Study.model_validate(
    {
        "study": "a panel",
        "program": "none",
        "outcome": {"name": "deaths"},
        "data": {"file": "x", "columns": {"provider": "p", "period": "t", "observed": "o", "cases": "n", "group": "g"}},
        "groups": {"treated": ["t"], "exempt": ["a", "b"]},
        "onset": {"date": "2012-01-01", "cite": "made up"},
    }
)


def panel(seed: int, providers: int = 24) -> Cells:
    random = np.random.default_rng(seed)
    rows = [(f"P{at:02}", "tab"[at % 3], window) for at in range(providers) for window in WINDOWS]
    cases = random.integers(20, 200, len(rows)).astype(float)
    observed = random.binomial(cases.astype(int), 0.15).astype(float)
    names, groups, windows = zip(*rows, strict=True)
    return cells_from_counts(names, ["all"] * len(rows), windows, observed, cases, attributes={"group": list(groups)})


def found(cells: Cells, **terms: object) -> Finding:
    return estimate(_frame(cells), Analysis(**terms), section="main", label="it")  # type: ignore[arg-type]


def _frame(cells: Cells) -> Frame:
    return frame(STUDY, cells, None)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), weights=st.sampled_from(["cases", "baseline_cases", "none"]))
def test_order_of_rows_does_not_matter(seed: int, weights: str) -> None:
    cells = panel(seed)
    order = np.random.default_rng(seed).permutation(len(cells))
    one, other = found(cells, weights=weights), found(cells.where(order), weights=weights)
    assert (one.estimate, one.standard_error) == pytest.approx((other.estimate, other.standard_error), rel=1e-9)
    assert (one.treated_providers, one.comparison_providers) == (8, 16)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.floats(-3, 3), effect=st.floats(-5, 5))
def test_levels_of_windows_fall_out_and_an_effect_comes_in_whole(seed: int, shift: float, effect: float) -> None:
    cells = panel(seed)
    late = cells.window >= 2
    treated = cells.attributes["group"] == "t"
    moved = cells.rate + shift * late + effect * (late & treated)
    object.__setattr__(changed := cells.where(np.ones(len(cells), dtype=bool)), "rate", moved)
    before, after = found(cells, weights="none"), found(changed, weights="none")
    assert after.estimate == pytest.approx(before.estimate + effect, abs=1e-8)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_worst_quarter_is_chosen_alike_on_both_sides(seed: int) -> None:
    whole = _frame(panel(seed, providers=48))
    drawn = sample(whole, Analysis(sample="worst_quartile"))
    assert len(np.unique(drawn.provider[drawn.is_treated])) == 4
    assert len(np.unique(drawn.provider[~drawn.is_treated])) == 8
    everyone = sample(whole, Analysis())
    level = {
        provider: everyone.outcome[(everyone.provider == provider) & ~everyone.is_after].mean()
        for provider in np.unique(everyone.provider[everyone.is_treated])
    }
    chosen = set(np.unique(drawn.provider[drawn.is_treated]))
    left = [value for provider, value in level.items() if provider not in chosen]
    assert min(level[one] for one in chosen) >= max(left)


@settings(max_examples=25, deadline=None)
@given(
    outcomes=st.lists(
        st.tuples(st.sampled_from("AB"), st.sampled_from([2010, 2011]), st.integers(0, 1)), min_size=1, max_size=60
    )
)
def test_collapsing_loses_no_case_and_no_event(outcomes: list[tuple[str, int, int]]) -> None:
    providers, years, values = zip(*outcomes, strict=True)
    rows = pa.table(
        {
            "provider_id": list(providers),
            "condition": ["x"] * len(values),
            "start": [date(year, 1, 1) for year in years],
            "end": [date(year, 12, 31) for year in years],
            "outcome": list(values),
        }
    )
    cells = collapse(rows)
    assert cells.cases.sum() == len(values)
    assert cells.observed.sum() == sum(values)
    assert len(cells) == len(set(zip(providers, years, strict=True)))
    for at in range(len(cells)):
        span = cells.windows[cells.window[at]]
        mine = [v for p, y, v in outcomes if p == cells.provider[at] and y == span.start.year]
        assert cells.rate[at] == pytest.approx(100 * sum(mine) / len(mine))


@given(first=st.integers(0, 30), length=st.integers(1, 36), later=st.integers(1, 60))
def test_the_factor_undoes_what_shared_months_do(first: int, length: int, later: int) -> None:
    def window(start: int) -> Window:
        end = start + length - 1
        return parse_window(f"{2000 + start // 12}-{start % 12 + 1:02}..{2000 + end // 12}-{end % 12 + 1:02}")

    before, after = window(first), window(first + later)
    assert months(before) == length
    # Every month has one case; the rate rises by one in all months that are in the later window only, and falls out of
    # those that are in the earlier only.
    unshared = min(later, length)
    assert float(undoing_factor(before, after)) * unshared / length == pytest.approx(1)


@given(tau=st.floats(0.3, 5), noise=st.lists(st.floats(0.05, 30), min_size=3, max_size=40))
def test_deviation_of_providers_is_found_again(tau: float, noise: list[float]) -> None:
    error = np.array(noise)
    variance = float(np.mean(tau**4 / (tau**2 + error)))
    assert between_provider_sd(variance, error) == pytest.approx(tau, rel=1e-6)
