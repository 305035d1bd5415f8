"""What claims tell beside the runs: risk of persons in two years, whose patients they were, what other rules pay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
from ibis import _

from openvbp.attribution.run import ATTRIBUTION, attribute_folder
from openvbp.attribution_comparison.comparison import Comparison
from openvbp.attribution_comparison.folder import COMPARED, compare_folder
from openvbp.diagnosis.coding import CAPPED, MeanRisk, coding
from openvbp.diagnosis.section import CannotBeMadeError, Section, percent
from openvbp.diagnosis.selection import selection_of_persons
from openvbp.engine import Engine
from openvbp.errors import OpenvbpError, Problem, UsageError
from openvbp.profiling.coded_risk import open_attribution
from openvbp.profiling.drift import coding_drift, write_drift
from openvbp.profiling.rescoring import Rescored, from_claims

Progress = Callable[[str], None]


@dataclass(frozen=True)
class ClaimsSource:
    """A folder of claims and how it is read."""

    folder: Path
    years: tuple[int, ...]
    """Two years that follow each other."""
    rules: tuple[str, ...] = ()
    """Rules of attribution; the first says whose patients persons are, and the others are held against it."""
    model: str = "V28"
    payment_year: int = 0
    tables: str = ""

    @property
    def is_scored(self) -> bool:
        """Whether tables of a risk model are given."""
        return bool(self.payment_year and self.tables)


class Claims:
    """Claims looked at once for several diagnoses.

    Parameters
    ----------
    engine
        Where to compute.
    source
        The claims.
    out
        Folder of the report; gets ``attribution_<year>``, ``drift`` and ``attribution_rules``.
    progress
        Told what is being done.

    Raises
    ------
    UsageError
        If the years are not two that follow each other.
    """

    def __init__(self, engine: Engine, source: ClaimsSource, out: Path, progress: Progress) -> None:
        if len(source.years) != 2 or source.years[1] != source.years[0] + 1:
            what_to_do = "give two years that follow each other, for example --years 2023,2024"
            raise UsageError(Problem("the years of the claims are not two", "--years", what_to_do))
        self._engine, self._source, self._out, self._progress = engine, source, out, progress
        self._attributed: ir.Table | None = None
        self._scored: Rescored | None = None
        self._capped: dict[int, float] = {}

    def attribution(self) -> ir.Table:
        """``person_id``, ``period``, ``provider_id``: one row per person and year, by the first rule."""
        if self._attributed is None:
            rule = (self._source.rules or COMPARED)[0]
            paths = []
            for year in self._source.years:
                folder = self._out / f"attribution_{year}"
                attribute_folder(
                    data=self._source.folder, out=folder, period=f"CY{year}", rules=(rule,), progress=self._progress
                )
                paths.append(folder / ATTRIBUTION)
            rows = open_attribution(self._engine, paths, "unit_id", "")
            rows = rows.filter(_.provider_id.notnull())
            self._attributed = self._engine.compute(rows, "diagnosis_attribution")
        return self._attributed

    def _risk(self) -> Rescored:
        if not self._source.is_scored:
            raise CannotBeMadeError("claims are not scored: give --payment-year and --tables of a risk model")
        if self._scored is None:
            # The capped scores go first: the second call replaces the tables of the first.
            for row in self._means(self._score(CAPPED)):
                self._capped[row["period"]] = row["coded"]
            self._scored = self._score(None)
        return self._scored

    def _score(self, most: int | None) -> Rescored:
        source = self._source
        limited: dict[str, Any] = {} if most is None else {"most_diagnoses": most}
        return from_claims(
            self._engine,
            source.folder,
            years=source.years,
            model=source.model,
            payment_year=source.payment_year,
            tables=source.tables,
            progress=self._progress,
            **limited,
        )

    def _means(self, scored: Rescored) -> list[dict[str, Any]]:
        means = scored.scores.group_by("period").agg(
            persons=_.count(), demographic=_.demographic.mean(), coded=_.coded.mean()
        )
        return self._engine.to_arrow(means.order_by("period")).to_pylist()

    def coding(self) -> Section:
        """Coding drift, with a look at each provider in ``drift`` where there are enough."""
        scored = self._risk()
        risk = {
            row["period"]: MeanRisk(row["persons"], row["demographic"], row["coded"], self._capped.get(row["period"]))
            for row in self._means(scored)
        }
        try:
            found = coding_drift(self._engine, scored.scores, self.attribution(), sources=scored.sources)
        except OpenvbpError as error:
            self._progress(f"drift by provider: {error.problems[0].what}")
            found = None
        if found is not None:
            found["is_frozen"] = True
            write_drift(found, self._out / "drift")
        return coding(risk, found, is_frozen=True)

    def selection(self) -> Section:
        """Risk of the patients whom providers lost."""
        scores = self._risk().scores
        risk = scores.select("person_id", "period", risk=scores.coded + scores.demographic)
        return selection_of_persons(self._engine, risk, self.attribution())

    def rules(self) -> Section:
        """What other rules of attribution would pay."""
        found = compare_folder(
            data=self._source.folder,
            out=self._out / "attribution_rules",
            period=f"CY{self._source.years[-1]}",
            rules=self._source.rules if len(self._source.rules) > 1 else COMPARED,
            progress=self._progress,
        )
        return of_comparison(found)


def of_comparison(found: Comparison) -> Section:
    """Say what other rules would pay, from a comparison of them.

    Raises
    ------
    CannotBeMadeError
        If no other rule assigns persons to the same kind of unit as the first.
    """
    rows: list[dict[str, Any]] = [
        {
            "reference": found.reference,
            **row,
            "dollars_moved": float(row["dollars_moved"]),
            "dollars_withheld": float(row["dollars_withheld"]),
        }
        for row in found.sensitivity
    ]
    if not rows:
        raise CannotBeMadeError("no other rule assigns persons to the same kind of unit as the first")
    return Section("attribution", _sentences(found.reference, rows), {"rules": rows})


def _sentences(reference: str, rows: Sequence[dict[str, Any]]) -> list[str]:
    most = max(rows, key=lambda row: row["dollars_moved"])
    return [
        f"A payment that withholds a share of cost (${most['dollars_withheld']:,.0f}) and returns it by rank: with "
        f"{most['rule']} instead of {reference}, ${most['dollars_moved']:,.0f} would go to other units, and "
        f"{percent(most['changed_class'])} of {most['units']:,} units would be in another third.",
        "The whole comparison is in attribution_rules/comparison.html.",
    ]
