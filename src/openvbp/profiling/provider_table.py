"""One row per provider: observed and expected events and what else is known, read and checked."""

from __future__ import annotations

from dataclasses import dataclass

import ibis.expr.types as ir
import numpy as np
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.profiling.tables import as_number, demand_columns, demand_some, first_reason, rejected_by_reason


@dataclass(frozen=True)
class Columns:
    """Names of the columns; those left empty are not used."""

    provider: str = "provider_id"
    observed: str = "observed"
    expected: str = "expected"
    information: str = ""
    """Sum of p (1 − p) over the provider's cases; the expected count where it is not given."""
    cases: str = ""
    effect: str = ""
    """A model's effect of the provider, on the logit scale, with ``variance``."""
    variance: str = ""
    peers: str = ""


@dataclass(frozen=True)
class Providers:
    """Providers that can be used, by identifier."""

    provider_id: list[str]
    observed: np.ndarray
    expected: np.ndarray
    information: np.ndarray
    is_information_given: bool
    cases: np.ndarray | None
    effect: np.ndarray | None
    variance: np.ndarray | None
    peer_group: list[str]
    """Empty where there are none."""
    rejected: dict[str, int]


def read_providers(engine: Engine, table: ir.Table, columns: Columns, where: str) -> Providers:
    """Read providers, in the order of their identifiers.

    Raises
    ------
    UsageError
        If a column is missing, or an effect is named without its variance.
    InputDataError
        If a provider stands twice, no row can be used, or only one.
    """
    if bool(columns.effect) != bool(columns.variance):
        what_to_do = "name both, --effect and --variance, or neither"
        raise UsageError(Problem("an effect goes with its variance", where, what_to_do))
    named = {name: column for name, column in vars(columns).items() if column}
    demand_columns(table, list(named.values()), where)
    read = engine.compute(_read(table, named), "profiling_providers")
    _demand_once(engine, read, where)
    rejected = rejected_by_reason(engine, read)
    rows = engine.to_arrow(read.filter(_.reason.isnull()).order_by("provider_id"))
    demand_some(rows.num_rows, rejected, where)
    if rows.num_rows == 1:
        what_to_do = "give several: a provider is profiled against others"
        raise InputDataError(Problem("there is one provider only", where, what_to_do))
    numbers = {
        name: np.asarray(rows[name].to_pylist(), float)
        for name in ("observed", "expected", "information", "cases", "effect", "variance")
        if name in rows.column_names
    }
    return Providers(
        provider_id=rows["provider_id"].to_pylist(),
        observed=numbers["observed"],
        expected=numbers["expected"],
        information=numbers.get("information", numbers["expected"]),
        is_information_given="information" in numbers,
        cases=numbers.get("cases"),
        effect=numbers.get("effect"),
        variance=numbers.get("variance"),
        peer_group=rows["peers"].to_pylist() if "peers" in rows.column_names else [],
        rejected=rejected,
    )


def _read(table: ir.Table, named: dict[str, str]) -> ir.Table:
    """Type the columns and say why a row cannot be used."""
    texts = {"provider", "peers"}
    read = table.select(
        provider_id=table[named["provider"]].cast("string"),
        **{name: as_number(table[column]) for name, column in named.items() if name not in texts},
        **({"peers": table[named["peers"]].cast("string")} if "peers" in named else {}),
    )

    def whole(name: str) -> ir.BooleanValue:
        return (read[name] < 0) | (read[name] != read[name].round())

    reasons = [
        (read.provider_id.isnull(), "provider is missing"),
        (read.observed.isnull(), "observed events are missing or no number"),
        (whole("observed"), "observed events are not a whole number of 0 or more"),
        (read.expected.isnull(), "expected events are missing or no number"),
        (~((read.expected > 0) & (read.expected < 1e12)), "expected events are not above 0"),
    ]
    if "information" in named:
        reasons.append((read.information.isnull(), "information is missing or no number"))
        reasons.append((~((read.information > 0) & (read.information < 1e12)), "information is not above 0"))
        # p (1 − p) is less than p.
        reasons.append((read.information > read.expected * (1 + 1e-9), "information is above the expected events"))
    if "cases" in named:
        reasons.append(
            (read.cases.isnull() | whole("cases") | (read.cases < 1), "cases are not a whole number above 0")
        )
        reasons.append((read.observed > read.cases, "more events than cases"))
    if "effect" in named:
        is_bad = read.effect.isnull() | read.effect.isnan() | read.variance.isnull() | ~(read.variance >= 0)
        reasons.append((is_bad, "effect or variance is missing, or the variance below 0"))
    if "peers" in named:
        reasons.append((read.peers.isnull(), "peer group is missing"))
    return read.mutate(reason=first_reason(reasons))


def _demand_once(engine: Engine, rows: ir.Table, where: str) -> None:
    times = rows.filter(_.provider_id.notnull()).group_by("provider_id").agg(times=_.count())
    twice = engine.to_arrow(times.filter(_.times > 1).order_by("provider_id"))
    if twice.num_rows:
        examples = tuple(twice["provider_id"].to_pylist()[:3])
        what_to_do = "give one row per provider; run measures apart"
        raise InputDataError(Problem("providers stand more than once", where, what_to_do, twice.num_rows, examples))
