"""A design reviewed: every aspect that the file and the data allow, and the principles; written as page and JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from openvbp import __version__, pipeline
from openvbp.claims.synthetic import population
from openvbp.claims_chain.settlement import holds_claims, settle_from_claims
from openvbp.design_review import learning, losers, noise, patients, scores
from openvbp.design_review.account import Account
from openvbp.design_review.aspect import SERIOUS_WHEN, TITLES, Aspect, CannotBeSeenError
from openvbp.design_review.chance import chance
from openvbp.design_review.cliffs import program_cliffs
from openvbp.design_review.contract_cliffs import contract_cliffs
from openvbp.design_review.design import CONTRACT, Design, open_design
from openvbp.design_review.page import render_page
from openvbp.design_review.principles import Verdict, judge
from openvbp.engine import cannot_write, open_engine
from openvbp.errors import Problem, UsageError
from openvbp.programs.hvbp import synthetic
from openvbp.run_folder import RunFolder, open_run

REPORT, PAGE = "review.json", "review.html"
_YEARS = 3
"""Of a made-up population: the performance year, a baseline year, and one before it."""
Progress = Callable[[str], None]


@dataclass(frozen=True)
class TriedOn:
    """What a design is tried on: at most one of a run, data and a number to make up; nothing is allowed."""

    run: Path | None = None
    """A finished run of the same program and period."""
    data: Path | None = None
    """Folder for ``openvbp run``: published files, a contract's tables or claims."""
    synthetic: int = 0
    """Members of a made-up population for a contract with a section ``claims``, hospitals for hvbp."""
    cost: float | None = None
    """What taking part costs in a period, in the design's currency."""
    sizes: Sequence[int] = ()
    """Numbers of members for which chance is computed beside the data's own."""


@dataclass(frozen=True)
class Review:
    """What a review found."""

    title: str
    aspects: Sequence[Aspect]
    verdicts: Sequence[Verdict]
    record: Mapping[str, Any] = field(repr=False)
    """As it is written to ``review.json``."""

    @property
    def serious(self) -> list[str]:
        """Names of the aspects with a serious finding."""
        return [one.name for one in self.aspects if one.severity == "serious"]


def review(
    program: str,
    *,
    period: str = "",
    out: Path | None = None,
    tried_on: TriedOn | None = None,
    what: Sequence[str] = (),
    threads: int | None = None,
    progress: Progress = lambda _line: None,
) -> Review:
    """Review a design before it starts.

    Parameters
    ----------
    program
        A program's name, or the path of a contract file.
    period
        Its period; without one that of the run, a contract's only one, or a program's last.
    out
        Folder for ``review.html`` and ``review.json``, and for what is run; nothing is written without one.
    tried_on
        Data; without them only what the terms tell is looked at.
    what
        Aspects (:data:`openvbp.design_review.aspect.TITLES`); all when empty. Those that cannot be looked at say why.
    threads, progress
        As of :func:`openvbp.pipeline.run`.

    Raises
    ------
    UsageError
        If there is no such program, file, period or aspect, several data are given, or there is nowhere to write.
    InputDataError
        If the contract or the data cannot be used.
    MachineError
        If a file cannot be written.

    Examples
    --------
    >>> found = review("hacrp", period="FY2024")
    >>> found.serious
    ['cliffs', 'losers']
    """
    unknown = sorted(set(what) - set(TITLES))
    if unknown:
        what_to_do = "choose of: " + ", ".join(TITLES)
        raise UsageError(Problem("there is no such aspect", "--what", what_to_do, len(unknown), tuple(unknown)))
    asked = tried_on or TriedOn()
    design = open_design(program, period)
    run = _run_of(program, design, asked, out, threads, progress)
    design = open_design(program, period, run=run, data=asked.data, cost=asked.cost, sizes=tuple(asked.sizes))
    aspects = _aspects(design, [name for name in TITLES if not what or name in what], threads, progress)
    verdicts = judge(design, {one.name: one for one in aspects})
    record = _record(design, aspects, verdicts)
    if out is not None:
        _write(design.title, record, aspects, verdicts, out)
    return Review(design.title, aspects, verdicts, record)


def _run_of(
    program: str, design: Design, asked: TriedOn, out: Path | None, threads: int | None, progress: Progress
) -> RunFolder | None:
    given = [
        name for name, one in (("--run", asked.run), ("--data", asked.data), ("--synthetic", asked.synthetic)) if one
    ]
    if len(given) > 1:
        raise UsageError(Problem("a design is tried on one thing at a time", ", ".join(given), "give one of them"))
    if asked.run is not None:
        return open_run(asked.run)
    if not given:
        return None
    if out is None:
        raise UsageError(Problem("the data must be run first", given[0], "give --out, a folder for it"))
    period = design.terms.period
    data = asked.data or _made_up(design, asked.synthetic, out, progress)
    if design.contract is not None and holds_claims(data):
        return settle_from_claims(
            Path(program), period=period.label, data=data, out=out / "RUN", threads=threads, progress=progress
        )
    return pipeline.run(program, period=period.label, data=data, out=out / "RUN", threads=threads, progress=progress)


def _made_up(design: Design, number: int, out: Path, progress: Progress) -> Path:
    if design.contract is not None and design.contract.claims is not None:
        first = design.terms.period.end.year - _YEARS + 1
        population.generate(
            out / "population",
            members=number,
            years=_YEARS,
            first_year=first,
            progress=lambda done, every: progress(f"{done:,} of {every:,} members made up"),
        )
        return out / "population"
    if design.program_id == "hvbp":
        return synthetic.generate(out / "files", hospitals=number, period=design.terms.period.label).folder
    what = f"nothing can be made up for {design.program_id}"
    raise UsageError(Problem(what, "--synthetic", "give --data; it is for hvbp and contracts with a section 'claims'"))


def _aspects(design: Design, names: Sequence[str], threads: int | None, progress: Progress) -> list[Aspect]:
    with open_engine("duckdb", threads) as engine:
        needs_account = {"cliffs", "burden", "chance"} & set(names) and design.program_id == CONTRACT
        account = Account(engine, design) if needs_account else None
        makers: dict[str, Callable[[], Aspect]] = {
            "cliffs": lambda: contract_cliffs(design, account) if account else program_cliffs(design),
            "small-denominators": lambda: scores.small_denominators(design),
            "reliability": lambda: scores.reliability(design),
            "noise": lambda: noise.noise(design),
            "losers": lambda: losers.losers(design),
            "topped-out": lambda: scores.topped_out(design),
            "exclusions": lambda: patients.exclusions(design),
            "power": lambda: learning.power(design),
            "burden": lambda: learning.burden(design, account),
            "attribution": lambda: patients.attribution(design),
            "risk-adjustment": lambda: patients.risk_adjustment(design),
            "overlap": lambda: patients.overlap(design),
            "chance": lambda: chance(design, account),
        }
        found = []
        for name in names:
            progress(TITLES[name].lower())
            try:
                found.append(makers[name]())
            except CannotBeSeenError as reason:
                found.append(Aspect(name, why_not=str(reason)))
        return found


def _record(design: Design, aspects: Sequence[Aspect], verdicts: Sequence[Verdict]) -> dict[str, Any]:
    run = design.run
    return {
        "openvbp": __version__,
        "title": design.title,
        "program": design.program_id,
        "period": design.terms.period.label,
        "contract_file": str(design.path) if design.path else None,
        "run": None if run is None else {"path": str(run.path), "parameters_sha256": run.record["parameters_sha256"]},
        "aspects": [
            {
                "name": one.name,
                "title": one.title,
                "severity": one.severity,
                "serious_when": SERIOUS_WHEN[one.name],
                "why_not": one.why_not,
                "findings": [asdict(finding) for finding in one.findings],
                "tables": {caption: [dict(row) for row in rows] for caption, rows in one.tables.items()},
            }
            for one in aspects
        ],
        "principles": [
            {
                **one.principle.model_dump(include={"id", "source", "year", "text", "read", "unverified"}),
                "judgement": one.judgement,
                "reason": one.reason,
                "evidence": [asdict(place) for place in one.evidence],
            }
            for one in verdicts
        ],
    }


def _write(
    title: str, record: Mapping[str, Any], aspects: Sequence[Aspect], verdicts: Sequence[Verdict], out: Path
) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / REPORT).write_text(json.dumps(_finite(record), indent=1, allow_nan=False) + "\n", encoding="utf-8")
        (out / PAGE).write_text(render_page(title, record, aspects, verdicts), encoding="utf-8")
    except OSError as error:
        raise cannot_write(out, error) from error


def _finite(value: Any) -> Any:
    """The same with null for numbers that are none, which JSON does not know."""
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value
