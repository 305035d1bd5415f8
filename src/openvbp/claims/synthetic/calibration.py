"""How near a written population comes to the published figures: computed from its claims, like any payer's."""

from __future__ import annotations

import csv
import html
import json
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from openvbp.claims.synthetic import calibration_figures as figures
from openvbp.claims.tables import open_claims
from openvbp.engine import open_engine
from openvbp.html_page import page, table
from openvbp.periods import Period

REPORT = "calibration"


@dataclass(frozen=True)
class Compared:
    """A target and what the population achieves."""

    target: str
    group: str
    about: str
    unit: str
    value: float
    achieved: float | None
    """None where the population is too small to say."""
    ratio: float | None
    tolerance: float
    """Largest accepted relative deviation; in units of the figure itself where ``is_absolute``."""
    is_absolute: bool
    is_within: bool
    cite: str
    evidence: str


def calibrate(folder: Path, first_year: int, years: int, threads: int | None = None) -> list[Compared]:
    """Compare a synthetic claims folder with the targets.

    Parameters
    ----------
    folder
        A claims folder.
    first_year, years
        Calendar years that it holds.
    threads
        Threads of DuckDB.

    Returns
    -------
    One entry per target of ``targets.csv``; rates count person-years with Parts A and B outside managed care.
    """
    period = Period("generated", date(first_year, 1, 1), date(first_year + years - 1, 12, 31))
    with open_engine("duckdb", threads) as engine:
        achieved = figures.achieved(engine, open_claims(engine, folder), period)
    with (Path(__file__).parent / "targets.csv").open(encoding="utf-8", newline="") as file:
        return [_compared(row, achieved.get(row["target"])) for row in csv.DictReader(file)]


def _compared(row: dict[str, str], achieved: float | None) -> Compared:
    value, tolerance, absolute = float(row["value"]), float(row["tolerance"]), row["is_absolute"] == "yes"
    deviation = None if achieved is None else abs(achieved - value) / (1 if absolute else value)
    return Compared(
        target=row["target"],
        group=row["group"],
        about=row["about"],
        unit=row["unit"],
        value=value,
        achieved=achieved,
        ratio=None if achieved is None else achieved / value,
        tolerance=tolerance,
        is_absolute=absolute,
        is_within=deviation is not None and deviation <= tolerance + 1e-9,
        cite=row["cite"],
        evidence=row["evidence"],
    )


def write_report(compared: list[Compared], folder: Path) -> None:
    """Write ``calibration.json`` and ``calibration.html`` beside the claims."""
    content = json.dumps([asdict(one) for one in compared], indent=1)
    (folder / f"{REPORT}.json").write_text(content + "\n", encoding="utf-8")
    header = ("figure", "unit", "target", "achieved", "ratio", "within", "source")
    groups = dict.fromkeys(one.group for one in compared)
    sections = [
        (group.capitalize(), table(header, [_html_row(one) for one in compared if one.group == group]))
        for group in groups
    ]
    lead = f"<p>{html.escape(summary(compared))}.</p>"
    report = page("Calibration of a synthetic population", sections, lead=lead)
    (folder / f"{REPORT}.html").write_text(report, encoding="utf-8")


def _html_row(one: Compared) -> list[str]:
    within = "yes" if one.is_within else "<strong>no</strong>"
    source = one.cite + (" (unverified)" if one.evidence == "unverified" else "")
    texts = (one.about, one.unit, _number(one.value), _number(one.achieved), _ratio(one))
    return [*map(html.escape, texts), within, html.escape(source)]


def summary(compared: list[Compared]) -> str:
    """One sentence: how many targets are met."""
    within = sum(one.is_within for one in compared)
    return f"{within} of {len(compared)} figures are within their tolerance of published ones"


def as_text(compared: list[Compared]) -> str:
    """Say in a few lines how many targets are met, by group, and which are not."""
    lines = [summary(compared)]
    for group in dict.fromkeys(one.group for one in compared):
        of_group = [one for one in compared if one.group == group]
        lines.append(f"  {group:<16}{sum(one.is_within for one in of_group):>3} of {len(of_group)}")
    missed = [one for one in compared if not one.is_within]
    if missed:
        lines.append("not within tolerance (a population of less than two regions of 25,000 misses some by chance):")
    for one in missed:
        achieved = f"{_number(one.achieved)} for {_number(one.value)}, ratio {_ratio(one)}"
        lines.append(f"  {one.about} ({one.unit}): {achieved}")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.2f}"


def _ratio(one: Compared) -> str:
    return "-" if one.ratio is None else f"{one.ratio:.3f}"
