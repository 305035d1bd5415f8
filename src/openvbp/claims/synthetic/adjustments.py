"""What happens to claims after care: payment, corrections, cancellations, denials, second deliveries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openvbp.claims.synthetic.lines import Lines
from openvbp.claims.synthetic.region import Region

ORIGINAL, CANCELLATION, ADJUSTMENT = 0, 1, 2
KINDS = ("adjusted", "cancelled", "delivered twice", "denied")
DENIALS = ("CO-50", "CO-97", "CO-16", "CO-18")
_SHORTEST_LAG, _LATE_LAG, _LATEST_LAG = 14, 90, 300
_ADJUSTED, _CANCELLED, _TWICE, _DENIED = range(4)


@dataclass(frozen=True)
class Adjusted:
    """All rows as they are delivered."""

    lines: Lines
    """The lines given, then further versions, then second deliveries."""
    claim: np.ndarray
    """Row: number of the claim, each version having its own."""
    control: np.ndarray
    """Row: number of the first version; -1 where there was never another row."""
    version: np.ndarray
    """Row: 0 original, 1 cancellation, 2 adjustment; -1 for a claim that was never corrected."""
    denial: np.ndarray
    """Row: place in ``DENIALS``; -1 where the claim was not denied."""
    paid_on: np.ndarray
    """Row: day of payment."""
    copy: np.ndarray
    """Row: 1 for a second delivery."""
    truth: dict[str, np.ndarray]
    """Per claim to which something happened: ``control``, ``person``, ``kind``, ``rows``, ``paid``, ``allowed``
    (netted, cents) and ``is_utilization``."""


def adjust(region: Region, lines: Lines, is_spared: np.ndarray) -> Adjusted:
    """Draw what happens to each claim; lines are in order with claims numbered from 0, and are changed in place.

    To claims of the spared members (a truth value per member) nothing happens.
    """
    rng = region.generators["adjustments"]
    s = region.settings["claims"]
    claim = lines["claim"]
    claims = int(claim[-1]) + 1
    last_line = np.append(claim[1:] != claim[:-1], True)
    thru = lines["end"][last_line]
    lag = _SHORTEST_LAG + rng.gamma(s["lag_shape"], s["lag_days"], claims).astype(np.int32)
    is_late = rng.random(claims) < s["late_share"]
    lag[is_late] += rng.integers(_LATE_LAG, _LATEST_LAG, is_late.sum()).astype(np.int32)
    paid_on = thru + lag
    shares = [s["adjusted_share"], s["cancelled_share"], s["duplicate_share"], s["denied_share"]]
    fate = np.searchsorted(np.cumsum(shares), rng.random(claims), side="right")
    fate[is_spared[lines["person"][last_line]]] = len(KINDS)
    of_line = fate.astype(np.int8)[claim]
    kind_of_denial = rng.integers(0, len(DENIALS), claims).astype(np.int8)
    truth = _truth(lines, fate, claims)
    denied = np.flatnonzero(of_line == _DENIED)
    adjusted = np.flatnonzero(of_line == _ADJUSTED)
    versioned = np.flatnonzero(of_line < _TWICE)
    twice = np.flatnonzero(of_line == _TWICE)
    # What the adjusted claims should have been is written by the last version; the first ones are wrong.
    final = {name: lines[name][adjusted] for name in ("paid", "allowed")}
    wrong = rng.uniform(0.6, 1.4, claims)[claim[adjusted]]
    for name, right in final.items():
        lines[name][denied] = 0
        lines[name][adjusted] = np.rint(right * wrong)
    further = np.concatenate([versioned, adjusted, twice])
    result = {name: np.concatenate([value, value[further]]) for name, value in lines.items()}
    at = len(claim) + len(versioned)
    for name, right in final.items():
        result[name][at : at + len(adjusted)] = right
    number = np.concatenate([claim, _renumbered(claim[versioned], claims)])
    after = int(number.max()) + 1
    number = np.concatenate([number, _renumbered(claim[adjusted], after), claim[twice]])
    version = np.full(len(number), ORIGINAL, np.int8)
    version[: len(claim)][of_line > _TWICE] = -1
    version[len(claim) : at] = CANCELLATION
    version[at : at + len(adjusted)] = ADJUSTMENT
    # A correction follows within months; the adjustment takes effect the day after the cancellation.
    correction = paid_on + rng.integers(20, 120, claims).astype(np.int32)
    days = [paid_on[claim], correction[claim[versioned]], correction[claim[adjusted]] + 1, paid_on[claim[twice]]]
    control = np.full(len(number), -1, np.int32)
    control[: len(claim)] = np.where(of_line <= _TWICE, claim, -1)
    control[len(claim) :] = claim[further]
    denial = np.full(len(number), -1, np.int8)
    denial[denied] = kind_of_denial[claim[denied]]
    copy = np.zeros(len(number), np.int8)
    copy[at + len(adjusted) :] = 1
    return Adjusted(result, number, control, version, denial, np.concatenate(days).astype(np.int32), copy, truth)


def _renumbered(claims: np.ndarray, first: int) -> np.ndarray:
    """Number claims anew from a first number; lines of one claim stand together."""
    if not len(claims):
        return claims
    return first + np.cumsum(np.diff(claims, prepend=claims[0]) != 0)


def _truth(lines: Lines, fate: np.ndarray, claims: int) -> dict[str, np.ndarray]:
    claim = lines["claim"]
    paid = np.bincount(claim, weights=lines["paid"], minlength=claims)
    allowed = np.bincount(claim, weights=lines["allowed"], minlength=claims)
    count = np.bincount(claim, minlength=claims)
    first = np.flatnonzero(np.diff(claim, prepend=-1))
    which = np.flatnonzero(fate < len(KINDS))
    kind = fate[which]
    stands = (kind == _ADJUSTED) | (kind == _TWICE)
    versions = np.array([3, 2, 2, 1])[kind]
    return {
        "control": which,
        "person": lines["person"][first][which],
        "kind": kind,
        "rows": count[which] * versions,
        "paid": np.where(stands, paid[which], 0).astype(np.int64),
        "allowed": np.where(stands, allowed[which], 0).astype(np.int64),
        "is_utilization": stands,
    }
