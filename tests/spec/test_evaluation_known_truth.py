"""Studies held against the truth of a made-up population, counted by hand."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from openvbp.cli import app
from openvbp.errors import InputDataError
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
groups: {treated: [in], exempt: [out]}
onset: {date: 2022-07-01, cite: made up}
main: {design: imputation}
variations: [{label: averages, design: callaway_santanna}]
"""
UNITS = ("A", "B", "C", "D", "E", "F")
"""A and B are in the program from July 2022."""


def change(unit: str, year_month: int) -> float:
    """In the program −20 %, elsewhere a tenth of it spills over."""
    return (-0.2 if unit in "AB" else -0.02) if year_month >= 202207 else 0.0


def write(folder: Path, *, moving: bool = False) -> None:
    """Ten persons a practice; if ``moving``, in 2023 half of A's are with C, and one of the others has died."""
    months = [year * 100 + month for year in (2022, 2023) for month in range(1, 13)]
    effects = [{"tin": unit, "year_month": at, "change": change(unit, at)} for unit in UNITS for at in months]
    persons = [f"{unit}{number}" for unit in UNITS for number in range(10)]
    movers = {f"A{number}" for number in range(5)} if moving else set()
    attribution = [
        {"person_id": one, "year": year, "tin": "C" if year == 2023 and one in movers else one[0]}
        for one in persons
        for year in (2022, 2023)
    ]
    died = date(2022, 12, 31) if moving else None
    members = [{"person_id": one, "year": 2022, "death_date": died if one == "A9" else None} for one in persons]
    for name, rows in {"program_effect": effects, "attribution": attribution, "member": members}.items():
        (folder / "truth" / f"truth_{name}").mkdir(parents=True)
        table = pa.Table.from_pylist(rows)
        if name == "member":
            table = table.set_column(2, "death_date", table["death_date"].cast(pa.date32()))
        pq.write_table(table, folder / "truth" / f"truth_{name}" / "part.parquet")
    lines = ["p,g,f,s,e,o,n,x"]
    for number, unit in enumerate(UNITS):
        for at, (start, end) in enumerate(WINDOWS):
            # Events are what is expected times a ratio of the window, and the true change: nothing is left to chance.
            expected = 100 + 10 * number
            events = expected * RATIOS[at] * (1 + change(unit, int(start.replace("-", "")[:6])))
            group, first = ("in", "2022-07..2022-12") if unit in "AB" else ("out", "")
            lines.append(f"{unit},{group},{first},{start},{end},{events},{10 * expected},{expected}")
    (folder / "panel.csv").write_text("\n".join(lines) + "\n")
    (folder / "study.yaml").write_text(STUDY)


def found(folder: Path) -> dict[str, Any]:
    return {one.finding.label: one for one in true_effects(folder / "study.yaml", folder, folder)}


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


def test_patients_who_move_take_the_effect_of_where_they_are(tmp_path: Path) -> None:
    """In 2023 four of A's nine are still there: −20 % for them, −2 % for the five who are not."""
    write(tmp_path, moving=True)
    moved = (4 * -0.2 + 5 * -0.02) / 9
    prevented = -0.2 * (100 + 110) * 1.07 + (moved * 100 - 0.2 * 110) * 1.1
    one = found(tmp_path)["main analysis"]
    # The ratios of windows are found from events and truth: those of the panel were made as if nobody had moved.
    assert one.relative == pytest.approx(prevented / (210 * (1.07 + 1.1)), rel=0.005)


def test_the_command_says_what_is_true_and_what_can_be_shown(tmp_path: Path) -> None:
    write(tmp_path)
    asked = f"evaluate truth {tmp_path}/study.yaml --data {tmp_path} --population {tmp_path}".split()
    told = CliRunner().invoke(app, asked, catch_exceptions=False).stdout
    assert "changed the events of the treated by -20.0%" in told
    rows = {line[:44].strip(): line.split()[-1] for line in told.splitlines() if line}
    assert rows["averages"] in ("yes", "no")


def test_another_population_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    panel = (tmp_path / "panel.csv").read_text().replace("\nF,", "\nZ,")
    (tmp_path / "panel.csv").write_text(panel)
    with pytest.raises(InputDataError, match="providers of the panel have no truth"):
        found(tmp_path)


def test_a_folder_without_truth_is_refused(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(InputDataError, match="file is missing"):
        true_effects(tmp_path / "study.yaml", tmp_path, tmp_path / "elsewhere")
