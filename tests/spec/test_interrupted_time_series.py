"""Interrupted time series of the treated alone, by hand, and what a study of it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation_panels import ONSET, terms, write_panel
from openvbp.errors import InputDataError
from openvbp.estimators.interrupted_time_series import interrupted_time_series
from openvbp.evaluation.evaluation import Evaluation


def panel(units: int = 4, windows: int = 5) -> tuple[np.ndarray, np.ndarray]:
    unit, window = np.divmod(np.arange(units * windows), windows)
    return unit, window


def test_departures_from_a_line_are_read_off() -> None:
    """Levels differ, all rise by 2 a window; the last two windows lie 5 and 9 below the line."""
    unit, window = panel()
    outcome = 10.0 * unit + 2.0 * window - 5.0 * (window == 3) - 9.0 * (window == 4)
    found = interrupted_time_series(outcome, unit=unit, window=window, onset=3)
    assert [one.estimate for one in found.departures] == pytest.approx([-5, -9])
    assert found.average.estimate == pytest.approx(-7)
    assert found.last_before is not None
    assert found.last_before.estimate == pytest.approx(0, abs=1e-9)


def test_conditions_have_lines_of_their_own() -> None:
    unit, window = np.tile(panel(), 2)
    condition = np.repeat([0, 1], len(unit) // 2)
    outcome = np.where(condition == 0, 2.0, -1.0) * window + 3.0 * (window == 4)
    given: dict[str, Any] = {"unit": unit, "window": window, "onset": 4}
    assert interrupted_time_series(outcome, **given, condition=condition).average.estimate == pytest.approx(3)
    # One line for both bends: rates as steep as the mean are taken from it.
    alone = interrupted_time_series(outcome[condition == 0], unit=unit[:20], window=window[:20], onset=4)
    assert alone.average.estimate == pytest.approx(3)


def test_a_bend_before_onset_is_told() -> None:
    unit, window = panel()
    outcome = 1.0 * window + 4.0 * (window >= 2) + unit
    found = interrupted_time_series(outcome, unit=unit, window=window, onset=3)
    assert found.last_before is not None
    assert found.last_before.estimate == pytest.approx(4)


def test_one_window_before_gives_the_difference_to_it() -> None:
    unit, window = panel(windows=2)
    outcome = 7.0 * unit - 3.0 * window + 0.5 * (unit == 1) * window
    found = interrupted_time_series(outcome, unit=unit, window=window, onset=1, weights=np.where(unit == 1, 5.0, 1.0))
    assert found.average.estimate == pytest.approx(-3 + 0.5 * 5 / 8)
    assert found.last_before is None


@pytest.mark.parametrize(("onset", "side"), [(0, "before"), (5, "after")])
def test_windows_on_one_side_are_refused(onset: int, side: str) -> None:
    unit, window = panel()
    with pytest.raises(InputDataError, match=f"no window lies {side} onset"):
        interrupted_time_series(1.0 * unit, unit=unit, window=window, onset=onset)


def test_intervals_hold_no_effect_as_often_as_they_say() -> None:
    unit, window = panel(40, 6)
    held = []
    for seed in range(200):
        random = np.random.default_rng(seed)
        outcome = random.normal(size=40)[unit] + 0.2 * window + random.normal(size=unit.size)
        held.append(interrupted_time_series(outcome, unit=unit, window=window, onset=4).average.p_value >= 0.05)
    # Binomial: 95 % of 200, four standard errors.
    assert abs(np.mean(held) - 0.95) < 4 * (0.95 * 0.05 / 200) ** 0.5


def test_a_study_without_a_comparison_says_that_it_has_none(tmp_path: Path) -> None:
    write_panel(tmp_path, others=0)
    asked = terms(main={"design": "its", "conditions": ["heart"]}, groups={"treated": ["program"], "exempt": []})
    result = Evaluation(asked, tmp_path).run()
    main = result.section("main")[0]
    assert main.comparison_providers == 0
    # Two points fewer from the onset on, and a tenth less each quarter before and after it.
    assert main.low < -2 < main.high
    assert "departure from the line of 6 windows before" in main.note
    assert "an improvement against the line before onset" in result.summary
    assert result.what_would_change[0].startswith("Anything else that changed at the same time")
    assert result.section("pre-trend test")[0].note == "there is no event study: see there"
    assert ONSET in dict(result.card)["Onset of this study"]
    assert dict(result.card)["Main comparison"] == "none"


def test_a_comparison_that_is_there_is_not_taken_into_the_line(tmp_path: Path) -> None:
    write_panel(tmp_path / "alone", others=0)
    write_panel(tmp_path / "both")
    shown = []
    for folder, exempt in (("alone", []), ("both", ["exempt A", "exempt B"])):
        asked = terms(main={"design": "its"}, groups={"treated": ["program"], "exempt": exempt})
        evaluation = Evaluation(asked, tmp_path / folder)
        shown.append(evaluation.main_table()[0].estimate)
    assert shown[0] == pytest.approx(shown[1])
