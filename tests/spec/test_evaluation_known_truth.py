"""Studies held against the truth of made-up panels, counted by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from openvbp.cli import app
from openvbp.errors import InputDataError, UsageError
from openvbp.evaluation.known_truth import true_effects

WINDOWS = [("2022-01-01", "2022-06-30"), ("2022-07-01", "2022-12-31"), ("2023-01-01", "2023-06-30")]
RATIOS = (1.0, 1.07, 1.1)
STUDY = """\
study: Made up
program: made up
outcome: {name: admissions, kind: risk_adjusted, unit: per 100}
data:
  file: panel.csv
  columns: {provider: p, group: g, first_treated: f, start: s, end: e, observed: o, cases: n, expected: x}
  attributes: {true_change: t}
groups: {treated: [in], exempt: [out]}
onset: {date: 2022-07-01, cite: made up}
main: {design: imputation}
variations: [{label: averages, design: callaway_santanna}]
"""
UNITS = ("A", "B", "C", "D", "E", "F")
"""A and B are in the program from July 2022."""


def change(unit: str, at: int) -> float:
    """In the program −20 %, elsewhere a tenth of it spills over."""
    return (-0.2 if unit in "AB" else -0.02) if at else 0.0


def write(folder: Path) -> None:
    lines = ["p,g,f,s,e,o,n,x,t"]
    for number, unit in enumerate(UNITS):
        for at, (start, end) in enumerate(WINDOWS):
            # Events are what is expected times a ratio of the window, and the true change: nothing is left to chance.
            expected = 100 + 10 * number
            events = expected * RATIOS[at] * (1 + change(unit, at))
            group, first = ("in", "2022-07..2022-12") if unit in "AB" else ("out", "")
            cells = (unit, group, first, start, end, events, 10 * expected, expected, change(unit, at))
            lines.append(",".join(map(str, cells)))
    (folder / "panel.csv").write_text("\n".join(lines) + "\n")
    (folder / "study.yaml").write_text(STUDY)


def found(folder: Path) -> dict[str, Any]:
    return {one.finding.label: one for one in true_effects(folder / "study.yaml", folder)}


def test_the_true_effect_is_the_mean_over_treated_cells(tmp_path: Path) -> None:
    write(tmp_path)
    for one in found(tmp_path).values():
        assert one.relative == pytest.approx(-0.2)
        # Ten in a hundred, times the ratios of the two windows, a fifth of it.
        assert one.on_treated == pytest.approx(-10 * 1.085 * 0.2)


def test_a_comparison_that_is_changed_shows_less(tmp_path: Path) -> None:
    write(tmp_path)
    for label in ("main analysis", "averages"):
        one = found(tmp_path)[label]
        assert one.shown == pytest.approx(-10 * 1.085 * (0.2 - 0.02))
        # Nothing is left to chance in these events.
        assert one.finding.estimate == pytest.approx(one.shown)
        assert one.is_held == (one.finding.low <= one.shown <= one.finding.high)


def test_the_command_says_what_is_true_and_what_can_be_shown(tmp_path: Path) -> None:
    write(tmp_path)
    asked = f"evaluate truth {tmp_path}/study.yaml --data {tmp_path}".split()
    told = CliRunner().invoke(app, asked, catch_exceptions=False).stdout
    assert "changed the events of the treated by -20.0%" in told
    rows = {line[:44].strip(): line.split()[-1] for line in told.splitlines() if line}
    assert rows["averages"] in ("yes", "no")


def test_cells_without_truth_are_refused(tmp_path: Path) -> None:
    write(tmp_path)
    panel = (tmp_path / "panel.csv").read_text()
    (tmp_path / "panel.csv").write_text(panel.replace("150,0.0\n", "150,\n"))
    with pytest.raises(InputDataError, match="cells without a known truth") as refused:
        found(tmp_path)
    assert refused.value.problems[0].examples == ("F",)


def test_a_study_that_does_not_name_the_truth_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY.replace("  attributes: {true_change: t}\n", ""))
    with pytest.raises(UsageError, match="no attribute 'true_change'"):
        found(tmp_path)
