"""The public use files read by hand, the amounts that their rounding allows, and the runs on them made once.

Nothing here uses the program's readers or formulas: what an amount can be is computed in plain fractions.
"""

from __future__ import annotations

import csv
import functools
import tempfile
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from conftest import published_data
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder

YEARS = (2014, 2015, 2017, 2018, 2021, 2022, 2023)
_FOLDER = tempfile.TemporaryDirectory(prefix="openvbp-mssp-")
_IS_PERCENT_WITHOUT_SIGN = {2015: ("QualScore", "FinalShareRate", "QualPerfShare")}
_HIGHEST = {"1": 50, "2": 60, "3": 75, "1+": 50, "A": 40, "B": 40, "C": 50, "D": 50, "E": 50, "EN": 75}
_PAYMENT_LIMIT = {"2": 15, "3": 20, "EN": 20}
_HALF = Fraction(1, 2)


def folder() -> Path:
    return published_data("contracts", "mssp")


@functools.cache
def mssp_run(year: int) -> RunFolder:
    """A run on the folder that holds the files of all years."""
    return run("mssp", period=f"PY{year}", data=folder(), out=Path(_FOLDER.name) / str(year))


@dataclass(frozen=True)
class Aco:
    """One row of a file."""

    year: int
    row: dict[str, str]

    @property
    def provider_id(self) -> str:
        return self.row.get("ACO_ID") or self.row["ACO_Num"]

    @property
    def track(self) -> str:
        if "Current_Track" in self.row:
            return self.row["Current_Track"]
        flagged = [name for name, value in self.row.items() if name.startswith(("Track", "Current_")) and value == "1"]
        (name,) = [one for one in flagged if one.startswith(("Track", "Current_Track", "Current_BASIC", "Current_ENH"))]
        tail = name.removeprefix("Current_").removeprefix("Track").removeprefix("BASIC").strip("_")
        return {"1_Plus": "1+", "ENHANCED": "EN"}.get(tail, tail)

    @property
    def is_two_sided(self) -> bool:
        return self.track not in ("1", "A", "B")

    def ratio(self, column: str) -> Fraction | None:
        """A share as a fraction of one; ``None`` where there is none."""
        text = self.row[column]
        if text in ("", "-", "P4R"):
            return None
        is_percent = "%" in text or column in _IS_PERCENT_WITHOUT_SIGN.get(self.year, ())
        return Fraction(text.rstrip("%")) / (100 if is_percent else 1)

    def half_unit(self, column: str) -> Fraction:
        """Half of the last printed decimal of a share. Whole numbers and dropped zeros are printed to four decimals."""
        if self.year == 2014:
            return Fraction(1, 200)
        return Fraction(1, 20_000)

    def dollars(self, column: str) -> Fraction:
        text = self.row.get(column, "")
        return Fraction(text) if text not in ("", "-") else Fraction(0)

    @property
    def beneficiaries(self) -> int:
        return int(self.row["N_AB"])

    @property
    def earned(self) -> Fraction:
        return self.dollars("EarnSaveLoss")

    @property
    def gross(self) -> Fraction:
        return self.dollars("BnchmkMinExp")

    @property
    def is_payer_of_rounded_quality(self) -> bool:
        """Whether the amount depends on a quality score that is printed rounded."""
        score = self.ratio("QualScore")
        return self.year < 2021 and score not in (None, 0, 1) and self.earned != 0

    def rates_of_score(self) -> tuple[Fraction, Fraction]:
        """Lowest and highest sharing rate that the printed quality score allows."""
        highest = Fraction(_HIGHEST[self.track], 100)
        printed, score = self.ratio("FinalShareRate"), self.ratio("QualScore")
        assert printed is not None
        if not self.is_payer_of_rounded_quality or score is None:
            return printed, printed
        half = self.half_unit("QualScore")
        return highest * (score - half), highest * min(score + half, Fraction(1))

    def rates(self) -> tuple[Fraction, Fraction]:
        """Lowest and highest sharing rate that the printed quality score and sharing rate allow together."""
        low, high = self.rates_of_score()
        printed, half = self.ratio("FinalShareRate"), self.half_unit("FinalShareRate")
        assert printed is not None
        return max(low, printed - half), min(high, printed + half)

    def interval(self, rates: tuple[Fraction, Fraction]) -> tuple[Fraction, Fraction]:
        """Lowest and highest amount of an ACO that shares something, from dollars and sharing rates as printed."""
        low, high = rates
        gross = abs(self.gross)
        if self.earned > 0:
            limit = Fraction(_PAYMENT_LIMIT.get(self.track, 10), 100) * self.dollars("ABtotBnchmk")
            kept = Fraction(98, 100)
            return (
                min((gross - _HALF) * low * kept, limit - _HALF),
                min((gross + _HALF) * high * kept, limit + _HALF),
            )
        # Years before 2021: one less the sharing rate, within bounds; relief is printed.
        lowest, highest = Fraction(40, 100), Fraction({"2": 60, "3": 75}.get(self.track, 30), 100)
        most, least = (max(min(1 - rate, highest), min(lowest, highest)) for rate in (low, high))
        relief = abs(self.dollars("DisAdj"))
        return -(gross + _HALF) * most + relief - _HALF, -(gross - _HALF) * least + relief + _HALF


@functools.cache
def acos(year: int) -> dict[str, Aco]:
    """Rows by ACO."""
    with (folder() / f"puf_{year}.csv").open(newline="", encoding="utf-8-sig") as lines:
        rows = [Aco(year, row) for row in csv.DictReader(lines)]
    return {aco.provider_id: aco for aco in rows}


def is_right(aco: Aco, amount: Decimal | None) -> bool:
    """Whether an amount is the published one: within a dollar, or within what rounding leaves open."""
    if amount is None:
        return False
    if abs(Fraction(amount) - aco.earned) <= 1:
        return True
    if not aco.is_payer_of_rounded_quality:
        return False
    low, high = aco.interval(aco.rates_of_score())
    # The published amount must be possible under both printed numbers, or the interval would prove nothing.
    lowest, highest = aco.interval(aco.rates())
    return low <= Fraction(amount) <= high and lowest - _HALF <= aco.earned <= highest + _HALF


def amounts(finished: RunFolder, component_id: str = "net") -> dict[str, Decimal | None]:
    rows = finished.read("payment_result", scenario_id="actual", component_id=component_id).to_pylist()
    return {row["provider_id"]: row["amount"] for row in rows}
