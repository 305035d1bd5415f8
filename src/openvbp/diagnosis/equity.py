"""Equity of payments: who is penalised, by kind of provider, and what other rules would move between kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from openvbp.diagnosis.payment_outcome import Outcome, outcome, within_groups
from openvbp.diagnosis.penalties import LOSES, wilson
from openvbp.diagnosis.provider_groups import UNKNOWN, ProviderGroups
from openvbp.diagnosis.runs import Runs
from openvbp.diagnosis.section import CannotBeMadeError, Section, number, percent
from openvbp.parameters import ACTUAL
from openvbp.run_folder import RunFolder

_REPLICATIONS, _SEED = 400, 1
_MOST_SCENARIOS = 5
WITHIN = "ranked within"


@dataclass(frozen=True)
class _Grouped:
    """Providers of a run with their group by one column."""

    period: str
    column: str
    member: np.ndarray
    ordered: Sequence[str]

    def key(self, group: str) -> dict[str, Any]:
        return {"period": self.period, "by": self.column, "group": group}


def equity(runs: Runs, groups: ProviderGroups) -> Section:
    """Compare penalties and money between groups of providers, by the rules in force and by others.

    Parameters
    ----------
    runs
        Their scenarios beside ``actual`` are the other rules; where a penalty falls on all beyond a score, ranks within
        the groups are one more.
    groups
        As of :func:`openvbp.diagnosis.provider_groups.read_groups`.

    Raises
    ------
    CannotBeMadeError
        If nothing is known by which providers could be grouped.
    """
    if not groups.groups:
        raise CannotBeMadeError(
            "nothing is known by which providers could be grouped: give --providers, a table with provider_id and for "
            "example beds, dsh, dual, rural, safety_net"
        )
    rates: list[dict[str, Any]] = []
    rescored: list[dict[str, Any]] = []
    words = ""
    for run in runs.folders:
        providers = run.read("provider")["provider_id"].to_pylist()
        words, actual = outcome(run, runs.component, ACTUAL, providers)
        others = _scenarios(run, runs.component, providers)
        beds = np.array([groups.beds.get(one, np.nan) for one in providers])
        for grouped in _grouped(run, providers, groups):
            rates += [grouped.key(one) | _rates(actual, grouped.member == one, beds) for one in grouped.ordered]
            ranked = _ranked(run, providers, actual, grouped) if words == LOSES else []
            for scenario, other in [*others, *ranked]:
                rescored += _changes(grouped, scenario, actual, other)
    findings = [*_gaps(rates, words, runs.currency), *_moves(rescored, words, runs.currency)]
    findings += [groups.matched] if groups.matched else []
    return Section("equity", findings, {"rates": rates, "rescored": rescored})


def _grouped(run: RunFolder, providers: Sequence[str], groups: ProviderGroups) -> Iterator[_Grouped]:
    for column, of in groups.groups.items():
        member = np.array([of.get(one, UNKNOWN) for one in providers], dtype=object)
        ordered = [one for one in [*groups.order[column], UNKNOWN] if (member == one).any()]
        yield _Grouped(run.record["period"], column, member, ordered)


def _scenarios(run: RunFolder, component: str, providers: Sequence[str]) -> list[tuple[str, Outcome]]:
    names = [one for one in run.record["scenarios"] if one != ACTUAL][:_MOST_SCENARIOS]
    return [(one, outcome(run, component, one, providers)[1]) for one in names]


def _ranked(run: RunFolder, providers: Sequence[str], actual: Outcome, grouped: _Grouped) -> list[tuple[str, Outcome]]:
    try:
        return [(f"{WITHIN} {grouped.column}", within_groups(run, providers, actual, grouped.member.tolist()))]
    except CannotBeMadeError:
        return []


def _rates(actual: Outcome, mine: np.ndarray, beds: np.ndarray) -> dict[str, Any]:
    known = mine & ~np.isnan(actual.penalised)
    hit, total = int(actual.penalised[known].sum()), int(known.sum())
    low, high = wilson(hit, total)
    paid, rated = mine & ~np.isnan(actual.amount), mine & ~np.isnan(actual.rate)
    sized = paid & (beds > 0)
    return {
        "providers": total,
        "penalised": hit,
        "share": hit / total if total else None,
        "low": low,
        "high": high,
        "mean_rate": float(actual.rate[rated].mean()) if rated.any() else None,
        "amount": float(actual.amount[paid].sum()) if paid.any() else None,
        "amount_per_provider": float(actual.amount[paid].mean()) if paid.any() else None,
        "amount_per_bed": float(actual.amount[sized].sum() / beds[sized].sum()) if sized.any() else None,
    }


def _changes(grouped: _Grouped, scenario: str, actual: Outcome, other: Outcome) -> list[dict[str, Any]]:
    """What other rules change in each group, with 95 % intervals by a bootstrap over the group's providers."""
    listed = []
    generator = np.random.default_rng(_SEED)
    for group in grouped.ordered:
        mine = grouped.member == group
        row: dict[str, Any] = grouped.key(group) | {"rules": scenario}
        for name, is_sum in (("penalised", False), ("rate", False), ("amount", True)):
            change = (getattr(other, name) - getattr(actual, name))[mine]
            change = change[~np.isnan(change)]
            row |= _interval(f"{name}_change", change, generator, is_sum=is_sum)
        row["providers"] = int((mine & ~np.isnan(actual.penalised)).sum())
        row["share_before"], row["share_after"] = (
            float(np.nanmean(one.penalised[mine])) if (~np.isnan(one.penalised[mine])).any() else None
            for one in (actual, other)
        )
        listed.append(row)
    return listed


def _interval(name: str, change: np.ndarray, generator: np.random.Generator, *, is_sum: bool) -> dict[str, Any]:
    if not len(change):
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    times = len(change) if is_sum else 1
    weights = generator.multinomial(len(change), np.full(len(change), 1 / len(change)), _REPLICATIONS)
    means = weights @ change / len(change)
    low, high = np.quantile(means, [0.025, 0.975]) * times
    return {name: float(change.mean() * times), f"{name}_low": float(low), f"{name}_high": float(high)}


def _by(rows: Sequence[Mapping[str, Any]], *names: str) -> dict[tuple[str, ...], list[Mapping[str, Any]]]:
    found: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["group"] != UNKNOWN:
            found.setdefault(tuple(row[name] for name in names), []).append(row)
    return found


def _gaps(rates: Sequence[Mapping[str, Any]], words: str, currency: str) -> list[str]:
    sentences = []
    for (period, column), listed in reversed(_by(rates, "period", "by").items()):
        rows = [row for row in listed if row["providers"]]
        if len(rows) < 2:
            # A contract's practices, say, are paid by a key and not scored: there is nothing to compare.
            continue
        shares = " / ".join(percent(row["share"], 0) for row in rows)
        groups = " / ".join(row["group"] for row in rows)
        sentence = f"{period}, by {column} ({groups}): {shares} are {words}"
        if all(row["amount_per_bed"] is not None for row in rows):
            sentence += f"; {currency} per bed " + " / ".join(number(row["amount_per_bed"], 0) for row in rows)
        elif all(row["amount_per_provider"] is not None for row in rows):
            sentence += f"; {currency} per provider " + " / ".join(
                number(row["amount_per_provider"], 0) for row in rows
            )
        sentences.append(sentence + ".")
    return sentences


def _moves(rescored: Sequence[Mapping[str, Any]], words: str, currency: str) -> list[str]:
    sentences = []
    for (period, column, rules), rows in reversed(_by(rescored, "period", "by", "rules").items()):
        if all(row["amount_change"] is not None for row in rows):
            gained = sum(max(row["amount_change"], 0) for row in rows)
            lost = sum(max(-row["amount_change"], 0) for row in rows)
            parts = "; ".join(
                f"{row['group']}: {number(row['amount_change'], 0)} ({number(row['amount_change_low'], 0)} to "
                f"{number(row['amount_change_high'], 0)})"
                for row in rows
            )
            sentences.append(
                f"{period}, rules {rules}, by {column}: {currency} {number(min(gained, lost), 0)} would move from some "
                f"groups to others (gained {number(gained, 0)}, lost {number(lost, 0)}): {parts}."
            )
        else:
            parts = "; ".join(
                f"{row['group']}: {percent(row['share_before'], 0)} to {percent(row['share_after'], 0)}" for row in rows
            )
            sentences.append(f"{period}, rules {rules}, by {column}, {words}: {parts}.")
    return sentences
