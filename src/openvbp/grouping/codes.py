"""The codes in the data: which groups they are in, and whether they can be what they are said to be."""

from __future__ import annotations

import re
from dataclasses import dataclass

import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.grouping.flags import NOT_PRESENT, PRESENT, REPORTED_EXEMPT, CodeBook, WithoutIndicator, of_positions
from openvbp.grouping.grouper import Grouper
from openvbp.grouping.tables import plain_code

_FORMS = {
    "icd-10-cm": re.compile(r"[A-Z][0-9][0-9A-Z][0-9A-Z]{0,4}"),
    "icd-9-cm": re.compile(r"(\d{3}|V\d{2})\d{0,2}|E\d{3}\d?"),
}
MOST_WITHOUT_INDICATOR = 0.05


@dataclass(frozen=True)
class Limits:
    """Shares of diagnoses beyond which a run stops."""

    least_mapped: float | None = None
    """In a group at least; as the grouper says when None."""
    most_malformed: float = 0.02
    """Not of the form of their code system at most."""
    most_without_indicator: float = MOST_WITHOUT_INDICATOR
    """Of those whose group asks for presence on admission, without indicator at most."""


def codes_in(engine: Engine, grouper: Grouper, diagnoses: ir.Table) -> pa.Table:
    """Look every code in the data up once.

    Parameters
    ----------
    engine
        Where to compute.
    grouper
        Its code systems count.
    diagnoses
        ``code``, ``code_system``.

    Returns
    -------
    One row per code as written and code system: ``code_system``, ``code``, ``times``, ``plain`` (in capitals, without
    dot), ``groups`` (names; before rules and hierarchy), ``is_malformed``, ``is_other_system``.
    """
    counted = diagnoses.filter(_.code.notnull()).group_by("code_system", "code").agg(times=_.count())
    book = CodeBook(grouper.codes)
    rows = []
    for row in engine.to_arrow(counted.order_by("code_system", "code")).to_pylist():
        system, plain = row["code_system"], plain_code(row["code"])
        form = _FORMS.get(system)
        rows.append(
            row
            | {
                "plain": plain,
                "groups": sorted(book.groups_of(system, plain)),
                "is_malformed": form is not None and not form.fullmatch(plain),
                "is_other_system": system not in grouper.systems,
            }
        )
    names = {"code_system": pa.string(), "code": pa.string(), "times": pa.int64(), "plain": pa.string()}
    others = {"groups": pa.list_(pa.string()), "is_malformed": pa.bool_(), "is_other_system": pa.bool_()}
    return pa.Table.from_pylist(rows, pa.schema([*names.items(), *others.items()]))


def match_rates(grouper: Grouper, codes: pa.Table, limits: Limits, where: str) -> dict[str, int]:
    """Count diagnoses by what became of their code, and enforce the limits.

    Parameters
    ----------
    grouper, codes, limits
        See :func:`codes_in`.
    where
        For messages.

    Returns
    -------
    ``diagnoses``, and of those ``mapped``, ``unmapped``, ``malformed`` and ``other_system``, which add up;
    ``unmapped_codes``, how many codes that is.

    Raises
    ------
    InputDataError
        If there is no diagnosis, or a limit is passed.
    """
    counts = dict.fromkeys(("diagnoses", "mapped", "unmapped", "malformed", "other_system", "unmapped_codes"), 0)
    malformed: list[tuple[int, str]] = []
    for row in codes.to_pylist():
        kind = "other_system" if row["is_other_system"] else "mapped" if row["groups"] else "unmapped"
        if kind == "unmapped" and row["is_malformed"]:
            kind = "malformed"
            malformed.append((-row["times"], row["plain"]))
        counts["diagnoses"] += row["times"]
        counts[kind] += row["times"]
        counts["unmapped_codes"] += kind == "unmapped"
    of_system = counts["diagnoses"] - counts["other_system"]
    if not of_system:
        systems = " and ".join(grouper.systems)
        what = f"no diagnosis is of {systems}" if counts["diagnoses"] else "there is no diagnosis"
        raise InputDataError(Problem(what, where, "check days, code system and file", max(counts["diagnoses"], 1)))
    problems = []
    if counts["malformed"] > limits.most_malformed * of_system:
        what = f"{counts['malformed'] / of_system:.1%} of diagnoses are not of the form of their code system"
        shown = tuple(code for _times, code in sorted(malformed)[:3])
        to_do = "correct codes or code system, or raise --most-malformed"
        problems.append(Problem(what, where, to_do, counts["malformed"], shown))
    least = grouper.least_mapped if limits.least_mapped is None else limits.least_mapped
    if counts["mapped"] < least * of_system:
        what = f"only {counts['mapped'] / of_system:.1%} of diagnoses are in a group of {grouper.title}"
        problems.append(Problem(what, where, f"check code system and version, or lower --least-mapped ({least})"))
    if problems:
        raise InputDataError(problems)
    return counts


def indicator_rates(
    engine: Engine,
    grouper: Grouper,
    diagnoses: ir.Table,
    codes: pa.Table,
    without_indicator: WithoutIndicator,
    limits: Limits,
    where: str,
) -> dict[str, int]:
    """Count the diagnoses whose group asks for presence on admission, and those that say nothing of it.

    Without this count, software that is given no indicators says that nobody has those comorbidities.

    Returns
    -------
    ``asked``, and of those ``without``: neither an indicator that is known nor an exempt code.

    Raises
    ------
    InputDataError
        If the share without is above the limit and ``without_indicator`` is ``refuse``.
    """
    asking = {one.name for one in grouper.groups if one.rule != "any"}
    rows = [row for row in codes.to_pylist() if asking & set(row["groups"])]
    if not rows:
        return {"asked": 0, "without": 0}
    columns = {
        "code_system": pa.array([row["code_system"] for row in rows]),
        "code": pa.array([row["code"] for row in rows]),
        "may_lack": pa.array([row["plain"] not in (grouper.exempt or ()) for row in rows]),
    }
    listed = engine.table(pa.table(columns), "grouping_asking")
    known = [*PRESENT, *NOT_PRESENT, *(REPORTED_EXEMPT if grouper.exempt is None else ())]
    joined = of_positions(diagnoses, grouper).inner_join(listed, ["code_system", "code"])
    lacks = joined.may_lack & ~joined.poa.strip().upper().isin(known).fill_null(False)  # noqa: FBT003
    found = engine.to_arrow(joined.agg(asked=joined.count(), without=lacks.cast("int64").sum())).to_pylist()[0]
    counts = {name: int(value or 0) for name, value in found.items()}
    if without_indicator == "refuse" and counts["without"] > limits.most_without_indicator * counts["asked"]:
        what = (
            f"{counts['without'] / counts['asked']:.1%} of the diagnoses whose group asks for presence on admission "
            "have no indicator of it: nobody would have those groups"
        )
        to_do = (
            "give indicators (Y, N, U, W); or choose --without-indicator missing (those groups are left empty) "
            "or assume (every diagnosis was present)"
        )
        raise InputDataError(Problem(what, where, to_do, counts["without"]))
    return counts
