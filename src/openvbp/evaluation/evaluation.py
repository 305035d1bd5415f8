"""The evaluation of a program: power first, a lock if wanted, then everything at once.

.. code-block:: python

    ev = Evaluation("hvbp-mortality.yaml", data="evaluation/")
    ev.power()
    ev.lock("prereg.json")
    result = ev.run(registration="prereg.json")
    result.write("OUT")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from openvbp.engine import open_engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.evaluation import checks, subgroups
from openvbp.evaluation.balance import balance
from openvbp.evaluation.bounds import honest
from openvbp.evaluation.cell_files import CellFile, read_cells
from openvbp.evaluation.conclusion import summary, what_would_change
from openvbp.evaluation.design_card import design_card
from openvbp.evaluation.designs import estimate, further_inference
from openvbp.evaluation.findings import Finding, attempt, not_possible
from openvbp.evaluation.frame import Frame, frame
from openvbp.evaluation.lock import (
    NOT_NOTED,
    READINGS,
    Digests,
    digest_of,
    lock,
    note_reading,
    specification_digest,
    status_of,
)
from openvbp.evaluation.power_plan import planned_power
from openvbp.evaluation.program_facts import ProgramFacts, program_facts
from openvbp.evaluation.results import Results
from openvbp.evaluation.samples import sample
from openvbp.evaluation.shrinkage import Shrinkage, measure_shrinkage
from openvbp.evaluation.specification_curve import specification_curve, summarize
from openvbp.evaluation.staggered_designs import bacon_warning
from openvbp.evaluation.study_file import read_study
from openvbp.evaluation.study_terms import Analysis, OtherFile, Study


class Evaluation:
    """A study, ready to be planned, locked and run.

    Parameters
    ----------
    study
        Path of a study file, or its terms.
    data
        Folder of the files that the study names.
    threads
        Of DuckDB, which reads them; all cores when absent.

    Raises
    ------
    UsageError, InputDataError
        If a term is wrong; data are read when they are first needed.
    """

    def __init__(
        self, study: str | Path | Study | Mapping[str, Any], data: str | Path, *, threads: int | None = None
    ) -> None:
        self.data, self.threads = Path(data), threads
        self._folder = Path(study).parent if isinstance(study, (str, Path)) else self.data
        self.study = _terms(study)
        self.facts = _facts(self.study)

    @cached_property
    def _file(self) -> CellFile:
        with open_engine("duckdb", self.threads) as engine:
            return read_cells(engine, self.data, self.study)

    @cached_property
    def frame(self) -> Frame:
        """Cells with the groups of their providers."""
        return frame(self.study, self._file.cells, self.facts)

    @cached_property
    def digests(self) -> Digests:
        """Of program, terms and data."""
        program = self.facts.digest if self.facts else "none"
        data = self.study.data
        others = [one.file for one in data.attributes.values() if isinstance(one, OtherFile)]
        others += [name for one in data.exposures.values() for name in (one.file, one.achievement.file)]
        files = {name: digest_of(self.data / name) for name in dict.fromkeys([self.study.data.file, *others])}
        return Digests(program, specification_digest(self.study.model_dump_json()), files)

    @property
    def _has_data(self) -> bool:
        return (self.data / self.study.data.file).exists()

    def power(self) -> list[Finding]:
        """Plan the smallest effect that the study can find; outcomes after onset are not read."""
        return list(self._power)

    @cached_property
    def _power(self) -> list[Finding]:
        return planned_power(self.frame, self.study.main, seed=self.study.seed)

    def lock(self, path: str | Path, *, after_reading: bool = False) -> dict[str, Any]:
        """Register the study before its outcomes are read; see :func:`openvbp.evaluation.lock.lock`."""
        plan: dict[str, Any] = {"terms": self.study.model_dump(mode="json")}
        if self._has_data:
            plan["power"] = [row.note for row in self.power()]
        return lock(
            Path(path),
            self.study.study,
            self.digests,
            plan,
            after_reading=after_reading,
            readings=self._folder / READINGS,
        )

    def run(
        self, registration: str | Path | None = None, *, progress: Callable[[str], None] = lambda _line: None
    ) -> Results:
        """Estimate everything, in the fixed order of the report.

        Parameters
        ----------
        registration
            File of :meth:`lock`, to hold the run against.
        progress
            Told each line of progress.

        Raises
        ------
        UsageError, InputDataError
            If the study cannot be run at all; an analysis that is not possible becomes a row that says why.
        """
        status = status_of(Path(registration) if registration else None, self.digests)
        main = self.study.main
        rows = self.power()
        noted = note_reading(self._folder / READINGS, self.digests)
        progress(f"{len(self.frame.cells):,} cells; {status.words}")
        rows += self._checked_rows()
        curve_rows = specification_curve(self.frame, main, self.study.curve) if self.study.curve else []
        if curve_rows:
            progress(f"{len(curve_rows):,} specifications")
        curve = summarize(curve_rows, is_desirable=self.study.outcome.is_desirable)
        shrinkage = self._shrinkage(main)
        rows += curve_rows
        warnings = [] if noted else [NOT_NOTED]
        return Results(
            study=self.study,
            card=design_card(self.frame, main),
            rows=rows,
            curve=curve,
            shrinkage=shrinkage,
            status=status,
            digests=self.digests,
            summary=summary(rows, self.study.outcome),
            what_would_change=what_would_change(rows, curve, shrinkage, self.study.outcome),
            left_out=self._left_out(main),
            rows_read=self._file.rows,
            rows_rejected=self._file.rejected,
            warnings=warnings,
        )

    def _checked_rows(self) -> list[Finding]:
        """Give balance, main table and all checks but the specification curve, in the order of the report."""
        main = self.study.main
        rows = [*balance(self.frame, main), *self.main_table()]
        first = next(row for row in rows if row.section == "main")
        path, event_rows = checks.event_path(self.frame, main)
        rows += [*event_rows, *checks.pretrend(path), *honest(path, self.study)]
        spill = checks.spill_over(self.frame, main)
        placebos = [
            *checks.placebo_time(self.frame, main),
            *checks.placebo_outcome(spill),
            *checks.placebo_unit(self.frame, main),
        ]
        rows += [*placebos, *checks.calibration(first, placebos), *spill]
        rows += subgroups.worst_baseline(self.frame, main)
        rows += subgroups.equity(self.frame, main, self.study.equity)
        return rows + subgroups.common_shock(self.frame, main, first)

    def analyses(self) -> list[tuple[str, Analysis]]:
        """Name the main analysis, each comparison group, each condition and the variations."""
        main = self.study.main
        resolved = self.frame.resolved(main)
        named: list[tuple[str, Analysis]] = [("main analysis", resolved)]
        groups = [(one,) for one in self.frame.exempt_groups] + [self.frame.exempt_groups]
        for group in dict.fromkeys(groups):
            if group and set(group) != set(resolved.compare):
                named.append((f"against {'+'.join(group)}", resolved.model_copy(update={"compare": group})))
        if len(resolved.conditions) > 1:
            for one in resolved.conditions:
                named.append((f"{one} alone", resolved.model_copy(update={"conditions": (one,)})))
        return named + [(one.label, one.of(main)) for one in self.study.variations]

    def main_table(self) -> list[Finding]:
        """Estimate all :meth:`analyses`, the main one first, and give its further inference."""
        rows: list[Finding] = []
        if len(self.frame.exempt_groups) < 2:
            why = "there are not two groups without the program in these data: the answer hangs on one comparison"
            rows.append(not_possible("main", "against another comparison group", why))
        for label, one in self.analyses():
            rows += attempt("main", label, lambda one=one, label=label: self._one(label, one))
        # The main analysis comes first, whatever is said of comparison groups.
        rows.sort(key=lambda row: row.label != "main analysis")
        return rows + attempt("main", "further inference", lambda: self._further(self.study.main))

    def _one(self, label: str, one: Analysis) -> Finding:
        found = estimate(self.frame, one, section="main", label=label)
        if one.design not in ("imputation", "callaway_santanna"):
            return found
        try:
            warning = bacon_warning(self.frame, sample(self.frame, one, both_sides=False))
        except InputDataError as error:
            warning = f"two-way fixed effects could not be decomposed: {error.problems[0].what}"
        return replace(found, note="; ".join(filter(None, [found.note, warning])))

    def _further(self, main: Analysis) -> list[Finding]:
        draws, seed = self.study.draws, self.study.seed
        return further_inference(self.frame, main, self.study.infer, draws=draws, seed=seed)

    def _shrinkage(self, main: Analysis) -> Shrinkage | None:
        if not self.study.outcome.shrunken:
            return None
        try:
            return measure_shrinkage(self.frame, main, seed=self.study.seed)
        except InputDataError:
            return None

    def _left_out(self, main: Analysis) -> dict[str, int]:
        try:
            return dict(sample(self.frame, main).left_out)
        except InputDataError:
            return {}


def _terms(study: str | Path | Study | Mapping[str, Any]) -> Study:
    if isinstance(study, Study):
        return study
    if isinstance(study, Mapping):
        try:
            return Study.model_validate(study)
        except ValidationError as error:
            problems = [
                Problem(f"{'.'.join(map(str, one['loc']))}: {one['msg']}", "study", "correct the term")
                for one in error.errors()
            ]
            raise InputDataError(problems) from error
    found = read_study(Path(study)).terms
    if not isinstance(found, Study):
        what_to_do = "use openvbp.evaluation.run.run_study, or 'openvbp evaluate run'"
        raise UsageError(Problem("the study is one at a cutoff", str(study), what_to_do))
    return found


def _facts(study: Study) -> ProgramFacts | None:
    """Read what the program says; a study that names its own groups and onset can do without."""
    try:
        return program_facts(study.program)
    except UsageError:
        if study.groups is None or study.onset is None:
            raise
        return None
