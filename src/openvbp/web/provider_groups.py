"""Groups of providers that the pages compare, and whose providers they list."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from openvbp.diagnosis.provider_groups import UNKNOWN, ProviderGroups, read_groups
from openvbp.diagnosis.runs import Runs
from openvbp.engine import open_engine
from openvbp.errors import Problem, UsageError
from openvbp.parameters import ACTUAL
from openvbp.web import words
from openvbp.web.reform_effects import fifths
from openvbp.web.runs import ServedRun

_NAMES: Mapping[str, str] = {
    "dual_eligible_ratio": "Share of dual-eligible stays",
    "peer_group": "Peer group",
    "size": "Size: fifths of the base payments",
    "state": "State or region",
}


def title(by: str) -> str:
    """Name a grouping for a reader."""
    return _NAMES.get(by, words.title_of(by))


@functools.lru_cache(maxsize=32)
def groups_of(run: ServedRun, providers_file: Path | None) -> ProviderGroups:
    """Read the groups of the run's table and of the user's, and add the size where base payments are known."""
    with open_engine("duckdb", 1) as engine:
        found = read_groups(engine, Runs((run.full,), run.main_component), providers_file, {})
    bases = {
        row["provider_id"]: row["base_amount"]
        for row in run.full.rows("payment_result")
        if row["scenario_id"] == ACTUAL and row["component_id"] == run.main_component
    }
    size = fifths(bases)
    if not size:
        return found
    order = list(dict.fromkeys(size.values()))
    return replace(found, groups={**found.groups, "size": size}, order={**found.order, "size": order})


def members(run: ServedRun, providers_file: Path | None, by: str, group: str) -> frozenset[str]:
    """Give the providers of a group.

    Raises
    ------
    UsageError
        If providers are not grouped so, or no such group has a provider.
    """
    known = groups_of(run, providers_file).groups
    if by not in known:
        advice = "choose one of: " + ", ".join(known) if known else "leave it out: nothing is known to group by"
        raise UsageError(Problem(f"providers are not grouped by '{by}'", "by=", advice))
    found = frozenset(one for one in run.providers if known[by].get(one, UNKNOWN) == group)
    if not found:
        advice = "choose one of: " + ", ".join(dict.fromkeys(known[by].values()))
        raise UsageError(Problem(f"there is no group '{group}' by {by}", "group=", advice))
    return found
