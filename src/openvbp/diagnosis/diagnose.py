"""All diagnoses that runs and further inputs allow, made and written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from openvbp import __version__
from openvbp.diagnosis.bunching_section import bunching_section
from openvbp.diagnosis.coding import coding, from_drift
from openvbp.diagnosis.equity import equity
from openvbp.diagnosis.exclusions import exclusions
from openvbp.diagnosis.from_claims import Claims, ClaimsSource
from openvbp.diagnosis.multitasking import multitasking
from openvbp.diagnosis.page import render_page
from openvbp.diagnosis.panel import Panel, read_panel
from openvbp.diagnosis.penalties import penalties
from openvbp.diagnosis.provider_groups import read_groups
from openvbp.diagnosis.put_back import put_back
from openvbp.diagnosis.runs import Runs, open_runs
from openvbp.diagnosis.section import TITLES, CannotBeMadeError, Section
from openvbp.diagnosis.selection import selection_of_panel
from openvbp.engine import Engine, EngineName, cannot_write, open_engine
from openvbp.errors import InputDataError, Problem, UsageError

REPORT, PAGE = "diagnosis.json", "diagnosis.html"


@dataclass(frozen=True)
class Sources:
    """What is diagnosed: finished runs, and inputs that some diagnoses need beside them."""

    runs: Sequence[Path]
    component: str = ""
    """Payment component that is the money; found where it is empty."""
    providers: Path | None = None
    """Groups of providers (:func:`openvbp.diagnosis.provider_groups.read_groups`)."""
    bands: Mapping[str, Sequence[float]] = field(default_factory=dict)
    panel: Path | None = None
    """Provider × period: ``persons``, ``expected_risk``, ``removals`` (:mod:`openvbp.diagnosis.selection`)."""
    outcomes: Path | None = None
    """Provider × period × outcome: ``outcome``, ``value``, ``persons`` (:mod:`openvbp.diagnosis.multitasking`)."""
    since: str = ""
    """First period of the program in ``panel`` and ``outcomes``."""
    drift: Path | None = None
    """Folder that ``openvbp profile drift`` wrote."""
    claims: ClaimsSource | None = None


@dataclass(frozen=True)
class Diagnosis:
    """What was found."""

    title: str
    record: dict[str, Any]
    """As it is written to ``diagnosis.json``."""
    sections: Sequence[Section]


def diagnose(
    sources: Sources,
    *,
    out: Path,
    what: Sequence[str] = (),
    engine: EngineName = "duckdb",
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> Diagnosis:
    """Look for unintended consequences of a program, and write what is found.

    Parameters
    ----------
    sources
        Runs and further inputs.
    out
        Folder; gets ``diagnosis.html``, ``diagnosis.json``, ``<section>_<table>.parquet`` for tables that may be shown,
        and ``providers/<section>_<table>.parquet`` with rows of single providers, which may hold small counts.
    what
        Diagnoses (:data:`openvbp.diagnosis.section.TITLES`); all when empty. Those that cannot be made
        say why.
    engine, threads, progress
        Where tables of the user's own and claims are computed, and who is told.

    Raises
    ------
    UsageError
        If a diagnosis is not known, or as of :func:`openvbp.diagnosis.runs.open_runs`.
    InputDataError
        If an input cannot be used, or no diagnosis can be made.
    MachineError
        If a file cannot be written.

    Examples
    --------
    >>> diagnose(Sources([Path("RUN2019"), Path("RUN2020")]), out=Path("DIAGNOSIS"))  # doctest: +SKIP
    """
    unknown = sorted(set(what) - set(TITLES))
    if unknown:
        what_to_do = "choose of: " + ", ".join(TITLES)
        raise UsageError(Problem("there is no such diagnosis", "--what", what_to_do, len(unknown), tuple(unknown)))
    runs = open_runs(sources.runs, sources.component)
    with open_engine(engine, threads) as opened:
        maker = _Maker(opened, runs, sources, out, progress)
        sections = [maker.make(name) for name in TITLES if not what or name in what]
    if not any(one.is_made for one in sections):
        reasons = tuple(f"{one.title}: {one.why_not}" for one in sections)
        where = ", ".join(str(path) for path in sources.runs)
        raise InputDataError(Problem("nothing can be diagnosed", where, "give what is named", len(reasons), reasons))
    title = f"{runs.last.record['title']}, {', '.join(runs.periods)}"
    record = _record(title, runs, sections)
    _write(title, record, sections, out)
    return Diagnosis(title, record, sections)


class _Maker:
    """Makes sections; what several need is read once."""

    def __init__(
        self, engine: Engine, runs: Runs, sources: Sources, out: Path, progress: Callable[[str], None]
    ) -> None:
        self._engine, self._runs, self._sources, self._progress = engine, runs, sources, progress
        self._claims = Claims(engine, sources.claims, out, progress) if sources.claims else None

    def make(self, name: str) -> Section:
        makers: dict[str, Callable[[], Section]] = {
            "bunching": lambda: bunching_section(self._runs),
            "put-back": lambda: put_back(self._runs),
            "exclusions": lambda: exclusions(self._runs),
            "selection": self._selection,
            "coding": self._coding,
            "multitasking": self._multitasking,
            "penalties": lambda: penalties(self._runs),
            "equity": self._equity,
            "attribution": self._attribution,
        }
        self._progress(TITLES[name].lower())
        try:
            return makers[name]()
        except CannotBeMadeError as reason:
            return Section(name, why_not=str(reason))

    def _selection(self) -> Section:
        if self._sources.panel:
            panel = self._panel(self._sources.panel, ("expected_risk", "removals"), ())
            return selection_of_panel(panel)
        if self._claims:
            return self._claims.selection()
        raise CannotBeMadeError(
            "give --panel, a table of provider_id, period, persons, expected_risk and removals, or --claims"
        )

    def _panel(self, path: Path, values: Sequence[str], texts: Sequence[str]) -> Panel:
        providers = set(self._runs.last.read("provider")["provider_id"].to_pylist())
        return read_panel(
            self._engine,
            path,
            values=values,
            texts=texts,
            weight="persons",
            since=self._sources.since,
            in_program=providers,
        )

    def _multitasking(self) -> Section:
        if not self._sources.outcomes:
            raise CannotBeMadeError("give --outcomes, a table of provider_id, period, outcome, value and persons")
        measures: set[str] = set()
        for run in self._runs.folders:
            if "measure_result" in run.tables:
                measures |= set(run.read("measure_result")["measure_id"].to_pylist())
        return multitasking(self._panel(self._sources.outcomes, ("value",), ("outcome",)), measures)

    def _coding(self) -> Section:
        if self._sources.drift:
            file = self._sources.drift / "drift.json"
            try:
                found = json.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                what_to_do = "give the folder that openvbp profile drift wrote"
                raise InputDataError(Problem("no finished look for drift", str(file), what_to_do)) from None
            return coding(from_drift(found), found, is_frozen=found.get("is_frozen"))
        if self._claims:
            return self._claims.coding()
        raise CannotBeMadeError("give --drift, a folder of openvbp profile drift, or --claims with a risk model")

    def _equity(self) -> Section:
        groups = read_groups(self._engine, self._runs, self._sources.providers, self._sources.bands)
        return equity(self._runs, groups)

    def _attribution(self) -> Section:
        if not self._claims:
            raise CannotBeMadeError("give --claims: rules of attribution are compared on claims")
        return self._claims.rules()


def _record(title: str, runs: Runs, sections: Sequence[Section]) -> dict[str, Any]:
    return {
        "openvbp": __version__,
        "title": title,
        "program": runs.program,
        "periods": list(runs.periods),
        "runs": [
            {
                "path": str(one.path),
                "period": one.record["period"],
                "parameters_sha256": one.record["parameters_sha256"],
            }
            for one in runs.folders
        ],
        "sections": [
            {
                "name": one.name,
                "title": one.title,
                "findings": list(one.findings),
                "tables": {name: list(rows) for name, rows in one.tables.items()},
                "why_not": one.why_not,
            }
            for one in sections
        ],
    }


def _write(title: str, record: dict[str, Any], sections: Sequence[Section], out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for section in sections:
            for folder, tables in ((out, section.tables), (out / "providers", section.private)):
                for name, rows in tables.items():
                    if rows:
                        folder.mkdir(exist_ok=True)
                        target = folder / f"{section.name}_{name}.parquet"
                        pq.write_table(_table(rows), target, compression="zstd")
        (out / REPORT).write_text(json.dumps(_finite(record), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        (out / PAGE).write_text(render_page(title, record, sections), encoding="utf-8")
    except OSError as error:
        raise cannot_write(out, error) from error


def _table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as a table: columns of all rows, what a row lacks is null."""
    columns = dict.fromkeys(name for row in rows for name in row)
    return pa.Table.from_pylist([{name: row.get(name) for name in columns} for row in rows])


def _finite(value: Any) -> Any:
    """The same with null for numbers that are none, which JSON does not know."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list) else value
