"""A run of a grouper on claims or on a table of diagnoses, and what it writes and prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp import __version__
from openvbp.claims.tables import open_claims
from openvbp.engine import Engine, EngineName, cannot_write, open_engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.grouping.codes import Limits, codes_in, indicator_rates, match_rates
from openvbp.grouping.diagnoses import Diagnosed, Window, from_claims, from_table
from openvbp.grouping.flags import Grouped, WithoutIndicator, group, shown
from openvbp.grouping.grouper import Grouper
from openvbp.grouping.page import write_page
from openvbp.grouping.tables import read_grouper
from openvbp.grouping.trace import groups_of, trace

SUMMARY = "grouping.json"
PAGE = "grouping.html"


@dataclass(frozen=True)
class Options:
    """What a run is asked for beside data and grouper."""

    window: Window = field(default_factory=Window)
    """Of claims."""
    code_system: str | None = None
    """Of a table of diagnoses without such a column."""
    subjects: Path | None = None
    """Everybody, for a table of diagnoses."""
    without_indicator: WithoutIndicator = "refuse"
    limits: Limits = field(default_factory=Limits)
    has_hierarchy: bool = True
    is_traced: bool = True


def group_data(
    *,
    data: Path | None = None,
    diagnoses: Path | None = None,
    out: Path,
    grouper: str,
    tables: Path | None = None,
    options: Options | None = None,
    engine: EngineName = "duckdb",
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, Any]:
    """Group the diagnoses of a folder of claims, or of a table.

    Parameters
    ----------
    data, diagnoses
        Folder of claims, or a CSV or Parquet of diagnoses (:func:`openvbp.grouping.diagnoses.from_table`): one of them.
    out
        Folder for ``subjects.parquet`` (one row per subject: a column per group and index), ``groups.parquet`` (one row
        per subject and group), ``trace.parquet`` (one row per diagnosis and group), ``codes.parquet`` (one row per
        code), ``grouping.json`` and ``grouping.html``; earlier ones are replaced.
    grouper, tables
        See :func:`openvbp.grouping.tables.read_grouper`.
    options
        See :class:`Options`.
    engine, threads
        Where to compute.
    progress
        Told each line of progress.

    Returns
    -------
    The summary that is written.

    Raises
    ------
    UsageError, InputDataError
        If grouper, tables or data cannot be used, or a limit is passed.
    MachineError
        If the results cannot be written.
    """
    asked = options or Options()
    if (data is None) == (diagnoses is None):
        raise UsageError(Problem("give claims or diagnoses", "--data, --diagnoses", "name one of them"))
    where = str(data or diagnoses)
    read = read_grouper(grouper, tables)
    if not asked.has_hierarchy:
        read = read.without_hierarchy()
    if data is not None and read.is_of_stay and asked.window.by != "claim":
        what = f"{read.title} is about the diagnoses of one stay, by their position"
        raise UsageError(Problem(what, "--by", "choose --by claim"))
    with open_engine(engine, threads) as opened:
        if data is not None:
            given = from_claims(opened, open_claims(opened, data), asked.window)
        else:
            given = from_table(opened, diagnoses or Path(), asked.code_system, asked.subjects)
        _need_positions(opened, read, given.diagnoses, where)
        codes = codes_in(opened, read, given.diagnoses)
        counts = match_rates(read, codes, asked.limits, where)
        rates = {"asked": 0, "without": 0}
        if read.needs_indicator:
            rates = indicator_rates(opened, read, given.diagnoses, codes, asked.without_indicator, asked.limits, where)
        progress(f"{counts['diagnoses']:,} diagnoses, {codes.num_rows:,} codes")
        grouped = group(opened, read, given.subjects, given.diagnoses, codes, asked.without_indicator)
        published = opened.compute(grouped.subjects.mutate(**shown(grouped)), "grouping_published")
        summary = _summary(opened, read, grouped, published, given, counts, rates, asked, where)
        _write(opened, grouped, published, codes, asked, out)
    write_page(summary, out / PAGE)
    (out / SUMMARY).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    return summary


def _need_positions(engine: Engine, grouper: Grouper, diagnoses: ir.Table, where: str) -> None:
    if grouper.positions != "all" or any(kind == "principal" for kind, _code, _group in grouper.screens):
        without = engine.to_arrow(
            diagnoses.agg(times=(diagnoses.position.isnull() & diagnoses.code.notnull()).cast("int64").sum())
        )
        times = without["times"][0].as_py()
        if times:
            what = f"{grouper.title} goes by position, and diagnoses have none"
            raise InputDataError(Problem(what, where, "number them, from 1 for the principal diagnosis", times))
    if any(kind == "drg" for kind, _code, _group in grouper.screens):
        known = engine.to_arrow(diagnoses.agg(times=diagnoses.drg_code.notnull().cast("int64").sum()))
        if not known["times"][0].as_py():
            raise InputDataError(Problem(f"{grouper.title} screens by DRG, and there is none", where, "give drg_code"))


def _write(engine: Engine, grouped: Grouped, published: ir.Table, codes: pa.Table, options: Options, out: Path) -> None:
    traced = trace(engine, grouped, codes)
    wide = published.drop(*(one for one in published.columns if one.startswith(("found_", "kept_"))))
    try:
        out.mkdir(parents=True, exist_ok=True)
        engine.write_parquet(wide.order_by("subject_id"), out / "subjects.parquet")
        if options.is_traced:
            kept = engine.compute(traced, "grouping_trace")
            order = ["subject_id", "group", "claim_id", "position", "code", "code_system"]
            engine.write_parquet(kept.order_by(order), out / "trace.parquet")
            traced = kept
        else:
            (out / "trace.parquet").unlink(missing_ok=True)
        long = groups_of(traced, grouped.grouper)
        engine.write_parquet(long.order_by("subject_id", "group"), out / "groups.parquet")
        listed = engine.table(_as_text(codes), "grouping_codes")
        engine.write_parquet(listed.order_by("code_system", "code"), out / "codes.parquet")
    except OSError as error:
        raise cannot_write(out, error) from error


def _as_text(codes: pa.Table) -> pa.Table:
    groups = pa.array([" ".join(some) for some in codes["groups"].to_pylist()], pa.string())
    return codes.set_column(codes.column_names.index("groups"), "groups", groups)


def _summary(
    engine: Engine,
    grouper: Grouper,
    grouped: Grouped,
    published: ir.Table,
    given: Diagnosed,
    counts: dict[str, int],
    rates: dict[str, int],
    options: Options,
    where: str,
) -> dict[str, Any]:
    has_any = ibis.greatest(*(_[name].fill_null(0) for name in grouper.labels))
    sums = {f"of_{name}": _[name].sum().cast("int64") for name in grouper.labels}
    sums |= {f"sum_{one.name}": _[one.name].sum().cast("int64") for one in grouper.indices}
    found = engine.to_arrow(
        published.agg(subjects=_.count(), with_any=has_any.sum().cast("int64"), **sums)
    ).to_pylist()[0]
    return {
        "openvbp": __version__,
        "data": where,
        "grouper": grouper.name,
        "title": grouper.title,
        "version": grouper.version,
        "cite": grouper.cite,
        "unverified": list(grouper.unverified),
        "files": [{"name": name, "sha256": sha256} for name, sha256 in grouper.files],
        "has_hierarchy": options.has_hierarchy,
        "subjects": found["subjects"],
        "subjects_with_group": found["with_any"],
        **counts,
        "of_other_subjects": given.of_others,
        "indicators_asked": rates["asked"],
        "indicators_absent": rates["without"],
        "without_indicator": options.without_indicator if grouper.needs_indicator else None,
        "knows_exempt_codes": grouper.exempt is not None if grouper.needs_indicator else None,
        "groups": [
            {"group": name, "label": label, "subjects": None if name in grouped.unknown else found[f"of_{name}"]}
            for name, label in grouper.labels.items()
        ],
        "indices": [
            {"index": one.name, "cite": one.cite, "mean": _mean(found[f"sum_{one.name}"], found["subjects"])}
            for one in grouper.indices
        ],
    }


def _mean(total: int | None, subjects: int) -> str | None:
    return None if total is None else str((Decimal(total) / subjects).quantize(Decimal("0.001")))


def render(summary: dict[str, Any]) -> str:
    """Write what a run found for a terminal."""
    lines = [f"{summary['title']}, version {summary['version']}, {summary['data']}", *notes(summary), ""]
    width = max(len(one["label"]) for one in summary["groups"])
    lines.append(f"  {'group':{width}} {'subjects':>9} {'share':>7}")
    # Classifications have hundreds of categories: those that somebody has, the most frequent first.
    listed = [one for one in summary["groups"] if one["subjects"] != 0]
    if len(summary["groups"]) > 50:
        listed = sorted(listed, key=lambda one: -(one["subjects"] or 0))[:20]
    for one in listed:
        lines.append(f"  {one['label']:{width}} {_cells(one['subjects'], summary['subjects'])}")
    lines.append(f"  {'any of them':{width}} {_cells(summary['subjects_with_group'], summary['subjects'])}")
    lines.append("")
    for one in summary["indices"]:
        lines.append(f"{one['index']}: mean {one['mean'] if one['mean'] is not None else 'not known'} ({one['cite']})")
    lines += [f"UNVERIFIED: {one}" for one in summary["unverified"]]
    return "\n".join(lines)


def notes(summary: dict[str, Any]) -> list[str]:
    """Say what became of the diagnoses."""
    of_system = summary["diagnoses"] - summary["other_system"]
    lines = [
        f"  subjects {summary['subjects']:,}; diagnoses {summary['diagnoses']:,}, in a group {summary['mapped']:,} "
        f"({summary['mapped'] / of_system:.1%}), in none {summary['unmapped']:,} "
        f"({summary['unmapped_codes']:,} codes)",
        f"  malformed {summary['malformed']:,}, of another code system {summary['other_system']:,}",
    ]
    if summary["of_other_subjects"]:
        lines.append(
            f"  diagnoses of subjects that are not listed, which do not count: {summary['of_other_subjects']:,}"
        )
    if summary["without_indicator"]:
        meant = {
            "refuse": "they do not count",
            "missing": "groups that ask are left empty",
            "assume": "every diagnosis is taken as present on admission",
        }[summary["without_indicator"]]
        lines.append(
            f"  presence on admission asked {summary['indicators_asked']:,} times, absent "
            f"{summary['indicators_absent']:,} times: {meant}"
        )
        if not summary["knows_exempt_codes"]:
            lines.append("  list of exempt codes not given: indicators 1 and E are taken as exempt")
    return lines


def _cells(subjects: int | None, of: int) -> str:
    return f"{'not known':>9}" if subjects is None else f"{subjects:>9,} {subjects / of:>7.1%}"
