"""What a set of rules does to each provider of a run: penalised or not, rate and money, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openvbp.diagnosis.penalties import penalised
from openvbp.diagnosis.rescoring import ranked_within_groups
from openvbp.diagnosis.runs import payments, results
from openvbp.diagnosis.section import CannotBeMadeError
from openvbp.run_folder import RunFolder


@dataclass(frozen=True)
class Outcome:
    """By one set of rules; arrays over providers in one order, nan where not known."""

    penalised: np.ndarray
    """1 or 0."""
    rate: np.ndarray
    """Share of the base payment."""
    amount: np.ndarray
    """Money."""
    base: np.ndarray
    """Money to which the rate applies."""


def outcome(run: RunFolder, component: str, scenario: str, providers: Sequence[str]) -> tuple[str, Outcome]:
    """Read what a scenario of a run does; also says what penalised means."""
    words, state = penalised(run, component, scenario)
    paid = payments(run, component, scenario) if component else {}

    def column(name: str) -> np.ndarray:
        values = [paid.get(one, {}).get(name) for one in providers]
        return np.array([np.nan if value is None else value for value in values])

    lost = np.array([float(state[one]) if one in state else np.nan for one in providers])
    return words, Outcome(lost, column("rate"), column("amount"), column("base_amount"))


def within_groups(run: RunFolder, providers: Sequence[str], actual: Outcome, group: Sequence[str]) -> Outcome:
    """Give a flat penalty to the worst of every group instead of the worst of all.

    Raises
    ------
    CannotBeMadeError
        If the penalty is not the same for all, or does not fall on all providers beyond a score.
    """
    hit = actual.penalised == 1
    if not hit.any() or np.ptp(actual.rate[hit]) > 1e-12 or np.isnan(actual.rate[hit]).any():
        raise CannotBeMadeError("the penalty is not the same for all")
    rows = results(run, "provider_result").select(["provider_id", "score"]).to_pylist()
    scores = {row["provider_id"]: float(row["score"]) for row in rows if row["score"] is not None}
    lost = {one: bool(is_so) for one, is_so in zip(providers, actual.penalised, strict=True) if not np.isnan(is_so)}
    again = ranked_within_groups(scores, lost, dict(zip(providers, group, strict=True)))
    state = np.array([float(again[one]) if one in again else np.nan for one in providers])
    rate = state * actual.rate[hit][0]
    return Outcome(state, rate, rate * actual.base, actual.base)
