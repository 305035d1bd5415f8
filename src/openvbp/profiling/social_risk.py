"""Social risk is never silently in a case-mix model, and what it explains is shown with and without it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
from ibis import _

from openvbp.engine import Engine
from openvbp.errors import Problem, UsageError
from openvbp.money import whole_sum
from openvbp.profiling.cases import ONE, Cases

_WORDS = frozenset(
    (
        *("adi", "black", "dsh", "dual", "duals", "imd", "lis", "mcaid", "poor", "race", "ruca", "rural", "sdi"),
        *("sdoh", "ses", "svi", "urban", "white", "zip"),
    )
)
"""Words of a name that mean social risk, of a person or of a provider's patients."""
_PARTS = (
    *("depriv", "disadvantage", "education", "ethnic", "hispanic", "homeless", "housing", "income", "insecurity"),
    *("interpreter", "language", "latino", "medicaid", "minority", "neighborhood", "neighbourhood", "poverty"),
    *("racial", "safety_net", "safetynet", "social", "socioeconomic", "unemploy", "uninsured"),
)
"""Parts of a name that mean it wherever they stand."""


def social_risk_columns(covariates: Iterable[str], groups: Iterable[str] = ()) -> list[str]:
    """Name the covariates that stand for social risk.

    Parameters
    ----------
    covariates
        Names of a case-mix model's covariates.
    groups
        Columns by whose groups the model is looked at: social risk whatever their name.

    Examples
    --------
    >>> social_risk_columns(["age", "is_dual", "adi_national_rank", "diabetes"])
    ['is_dual', 'adi_national_rank']
    """
    watched = {name.lower() for name in groups}
    return [
        name
        for name in dict.fromkeys(covariates)
        if name.lower() in watched
        or _WORDS & set(re.split(r"[^a-z]+", name.lower()))
        or any(part in name.lower() for part in _PARTS)
    ]


def check_covariates(covariates: Sequence[str], declared: Sequence[str], groups: Sequence[str] = ()) -> list[str]:
    """Demand that social-risk covariates of a case-mix model are declared.

    Returns
    -------
    The social-risk covariates, all of them declared.

    Raises
    ------
    UsageError
        If one is not declared, or a covariate is declared that the model does not have.
    """
    found = social_risk_columns(covariates, groups)
    hidden = [name for name in found if name not in declared]
    if hidden:
        what_to_do = "declare them with --social-risk, or take them out of the model and look at their groups instead"
        what = "social risk is in the case-mix model and not declared"
        raise UsageError(Problem(what, "--covariates", what_to_do, len(hidden), tuple(hidden)))
    unknown = [name for name in declared if name not in covariates]
    if unknown:
        what = "declared as social risk, but not a covariate"
        raise UsageError(Problem(what, "--social-risk", "name covariates of the model", len(unknown), tuple(unknown)))
    return list(dict.fromkeys([*found, *declared]))


@dataclass(frozen=True)
class Decomposition:
    """Variation of providers' ratios, weighted by expected events: total = between + within."""

    total: float
    between: float
    within: float

    @property
    def share_between(self) -> float | None:
        """Part of the variation that lies between peer groups."""
        return self.between / self.total if self.total else None


def peer_ratios(rows: Sequence[Mapping[str, Any]]) -> tuple[list[float], Decomposition]:
    """Hold providers against those of their peer group.

    Parameters
    ----------
    rows
        Providers: ``observed``, ``expected`` (above 0), ``peer_group``.

    Returns
    -------
    For each provider the observed ÷ expected of its peer group as a whole; and how the variation of providers' observed
    ÷ expected divides into that between peer groups and that within them.
    """
    observed, expected = _totals(rows, "observed"), _totals(rows, "expected")
    whole = math.fsum(row["observed"] for row in rows) / math.fsum(row["expected"] for row in rows)
    weight = math.fsum(row["expected"] for row in rows)
    own = {peers: observed[peers] / expected[peers] for peers in expected}
    ratios = [row["observed"] / row["expected"] for row in rows]
    between = math.fsum(expected[peers] * (own[peers] - whole) ** 2 for peers in own) / weight
    within = (
        math.fsum(
            row["expected"] * (ratio - own[row["peer_group"]]) ** 2 for row, ratio in zip(rows, ratios, strict=True)
        )
        / weight
    )
    return [own[row["peer_group"]] for row in rows], Decomposition(between + within, between, within)


def against_peers(ratio: float, peers: float) -> float | None:
    """Divide a provider's observed ÷ expected by that of its peer group; none where that had no event."""
    return ratio / peers if peers else None


def _totals(rows: Sequence[Mapping[str, Any]], name: str) -> dict[Any, float]:
    listed: dict[Any, list[float]] = {}
    for row in rows:
        listed.setdefault(row["peer_group"], []).append(row[name])
    return {peers: math.fsum(values) for peers, values in listed.items()}


def providers_of(
    engine: Engine, cases: Cases, marked: tuple[str, str] | None, peer_groups: int
) -> list[dict[str, Any]]:
    """Add cases up to providers, in peer groups by the share of marked cases.

    Parameters
    ----------
    engine
        Where to compute.
    cases
        Cases with a provider.
    marked
        Column and group, for example dual and 1; none for no peer groups.
    peer_groups
        Five for fifths, as of the Hospital Readmissions Reduction Program; equal shares are parted by identifier.

    Returns
    -------
    One row per provider, by identifier: ``provider_id``, ``cases``, ``observed``, ``expected``, ``information`` (sum of
    p (1 − p)), ``share`` and ``peer_group`` (1 for the lowest share; none without ``marked``).

    Raises
    ------
    UsageError
        If no case, or every case, is in the marked group, or there are fewer providers than peer groups.
    """
    column, group = marked or (cases.groups[0], "")
    in_group = ibis.ifelse(cases.rows[f"group_{cases.groups.index(column)}"] == group, 1, 0)
    summed = cases.rows.group_by("provider_id").agg(
        cases=_.count(),
        observed=whole_sum(_.event),
        expected_units=whole_sum(_.units),
        information_units=(_.units * (ONE - _.units)).cast("decimal(38, 0)").sum().cast("decimal(38, 0)"),
        marked=whole_sum(in_group),
    )
    found = engine.to_arrow(summed.order_by("provider_id")).to_pylist()
    if marked and not 0 < sum(row["marked"] for row in found) < sum(row["cases"] for row in found):
        what = f"the group {column}={group} has no case, or every case"
        raise UsageError(Problem(what, "--peers-by", "name a group that part of the cases is in"))
    if marked and len(found) < peer_groups:
        what = f"{len(found):,} providers cannot be put in {peer_groups} peer groups"
        raise UsageError(Problem(what, "--peers-by", "leave it out, or give more providers"))
    order = sorted(range(len(found)), key=lambda at: (found[at]["marked"] / found[at]["cases"], at))
    peers = {at: place * peer_groups // len(found) + 1 for place, at in enumerate(order)}
    return [
        {
            "provider_id": row["provider_id"],
            "cases": row["cases"],
            "observed": row["observed"],
            "expected": row["expected_units"] / ONE,
            "information": float(row["information_units"]) / ONE / ONE,
            "share": row["marked"] / row["cases"] if marked else None,
            "peer_group": peers[at] if marked else None,
        }
        for at, row in enumerate(found)
    ]


def within_and_between(engine: Engine, cases: Cases) -> list[dict[str, Any]]:
    """Tell whether a group fares worse at the same providers, or is at providers where all fare worse.

    Returns
    -------
    One row per column and group: ``column``, ``group``, ``ratio`` (observed ÷ expected), ``between`` (what it would be
    if everybody fared as all patients of their provider do) and ``within`` (what is left: against all patients of
    the same providers). ratio = between × within, exactly but for rounding.
    """
    found = []
    for at, column in enumerate(cases.groups):
        named = cases.rows.select("provider_id", "event", "units", group=cases.rows[f"group_{at}"])
        summed = named.group_by("provider_id", "group").agg(
            observed=whole_sum(_.event), expected_units=whole_sum(_.units)
        )
        rows = engine.to_arrow(summed.order_by("group", "provider_id")).to_pylist()
        totals: dict[str, list[int]] = {}
        for row in rows:
            own = totals.setdefault(row["provider_id"], [0, 0])
            own[0] += row["observed"]
            own[1] += row["expected_units"]
        for group in dict.fromkeys(row["group"] for row in rows):
            mine = [row for row in rows if row["group"] == group]
            observed, expected = sum(row["observed"] for row in mine), sum(row["expected_units"] for row in mine) / ONE
            # A provider with nothing expected has no ratio; nothing is expected of its patients of any group.
            as_all = math.fsum(
                row["expected_units"] * totals[row["provider_id"]][0] / totals[row["provider_id"]][1]
                for row in mine
                if row["expected_units"]
            )
            found.append(
                {
                    "column": column,
                    "group": group,
                    "ratio": observed / expected if expected else None,
                    "between": as_all / expected if expected else None,
                    "within": observed / as_all if as_all else None,
                }
            )
    return found
