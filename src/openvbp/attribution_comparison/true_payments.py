"""How much of the money follows true quality: payments under perfect information against payments that claims allow.

Only a generated population tells (:mod:`openvbp.claims.synthetic`): there it is known whose patient a person is, how
ill he is, and what his clinician's way of working does to the cost of his care. The same formula pays four times: with
all of that known, and with one thing after the other replaced by what a payer has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.stats import spearmanr

from openvbp.attribution.rule_files import find_rule
from openvbp.attribution_comparison.known_practices import STEPS, practices_by_step
from openvbp.attribution_comparison.payments import payments
from openvbp.claims.tables import open_claims
from openvbp.engine import EngineName, cannot_write, open_engine
from openvbp.errors import Problem, UsageError
from openvbp.periods import parse_any_period

FILE = "true_payments.json"
_LOTS = 400
_WIDTH = max(map(len, STEPS.values()))


@dataclass(frozen=True)
class TruePayment:
    """One step from perfect information to what a payer has."""

    step: str
    practices: int
    """That are scored."""
    dollars_moved: Decimal
    """Half the sum of the absolute payments."""
    dollars_following: Decimal
    """Of these, those that perfect information would move from or to the same practice in the same direction."""
    share_following: Decimal | None
    share_by_lot: float | None
    """The same if the payments were dealt out to the practices by lot: what no knowledge at all would reach."""
    rank_correlation: float | None
    """Of scores with those under perfect information, over practices scored in both."""


def true_payments(
    *,
    data: Path,
    out: Path,
    period: str,
    rule: str = "plurality_primary_care_tin",
    withheld_share: Decimal = Decimal("0.02"),
    minimum_persons: int = 20,
    engine: EngineName = "duckdb",
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> list[TruePayment]:
    """Pay practices of a generated population with and without knowing the truth.

    A share of the cost of its patients is withheld from every practice and paid out by its rank
    (:func:`openvbp.attribution_comparison.payments.payments`).

    Parameters
    ----------
    data
        Folder of ``openvbp generate``, with its truth.
    out
        Folder for ``true_payments.json``.
    period
        A calendar year of the population, for example ``CY2024``.
    rule
        Rule of attribution whose units are practices (TIN).
    withheld_share, minimum_persons
        Terms of the payment.
    engine, threads, progress
        As of :func:`openvbp.attribution.run.attribute_folder`.

    Returns
    -------
    One row per step of :data:`STEPS`.

    Raises
    ------
    UsageError
        If the rule's units are no practices, or the period is no calendar year.
    InputDataError
        If the folder has no truth, or nobody is known to be a practice's patient.
    MachineError
        If the file cannot be written.
    """
    chosen, span = find_rule(rule), parse_any_period(period)
    if chosen.unit != "tin" or chosen.takes_several:
        what = f"rule {rule} does not give each person to one practice"
        raise UsageError(Problem(what, "--rule", "choose one, for example plurality_primary_care_tin"))
    if (span.start.month, span.start.day, span.end.year) != (1, 1, span.start.year) or span.end.month != 12:
        raise UsageError(Problem(f"{period} is no calendar year", "--period", "write it like CY2024"))
    with open_engine(engine, threads) as opened:
        units = practices_by_step(opened, open_claims(opened, data), chosen, span)
        progress("cost, risk and attribution counted")
        paid = payments(opened, units, withheld_share=withheld_share, minimum_persons=minimum_persons)
    found = _compared(paid)
    try:
        out.mkdir(parents=True, exist_ok=True)
        content = {"period": period, "rule": rule, "steps": STEPS, "results": [asdict(one) for one in found]}
        (out / FILE).write_text(json.dumps(content, indent=1, default=str) + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(out, error) from error
    return found


def render(found: list[TruePayment]) -> str:
    """Write the steps for a terminal."""
    lines = [
        f"{'what a payer lacks':{_WIDTH}} {'practices':>9} {'moved':>12} {'following':>12} "
        f"{'share':>6} {'by lot':>6} {'rank r':>6}"
    ]
    for one in found:
        share = "" if one.share_following is None else f"{one.share_following:.3f}"
        lot = "" if one.share_by_lot is None else f"{one.share_by_lot:.3f}"
        rank = "" if one.rank_correlation is None else f"{one.rank_correlation:.2f}"
        lines.append(
            f"{STEPS[one.step]:{_WIDTH}} {one.practices:>9,} {_dollars(one.dollars_moved):>12} "
            f"{_dollars(one.dollars_following):>12} {share:>6} {lot:>6} {rank:>6}"
        )
    return "\n".join(lines)


def _dollars(amount: Decimal) -> str:
    return f"${amount:,.0f}"


def _compared(paid: pa.Table) -> list[TruePayment]:
    by_step: dict[str, dict[str, dict[str, Any]]] = {step: {} for step in STEPS}
    for row in paid.to_pylist():
        by_step[row["rule_id"]][row["unit_id"]] = row
    true = by_step["perfect"]
    found = []
    for step, units in by_step.items():
        moved = sum((abs(row["payment"]) for row in units.values()), Decimal(0)) / 2
        same = Decimal(0)
        for name, row in units.items():
            known = true[name]["payment"] if name in true else Decimal(0)
            if row["payment"] * known > 0:
                same += min(abs(row["payment"]), abs(known))
        both = [name for name, row in units.items() if row["score"] is not None and name in true and true[name]["rank"]]
        ranks = spearmanr([units[name]["score"] for name in both], [true[name]["score"] for name in both]).statistic
        found.append(
            TruePayment(
                step,
                sum(row["score"] is not None for row in units.values()),
                moved,
                same / 2,
                (same / 2 / moved).quantize(Decimal("0.0001")) if moved else None,
                _share_by_lot(units, true),
                None if np.isnan(ranks) else round(float(ranks), 4),
            )
        )
    return found


def _share_by_lot(units: Mapping[str, Mapping[str, Any]], true: Mapping[str, Mapping[str, Any]]) -> float | None:
    names = sorted(set(units) | set(true))
    paid, known = (
        np.array([float(of[name]["payment"]) if name in of else 0.0 for name in names]) for of in (units, true)
    )
    if not paid.any():
        return None
    random = np.random.default_rng(1)
    dealt = [random.permutation(paid) for _ in range(_LOTS)]
    same = [np.minimum(abs(one), abs(known))[one * known > 0].sum() for one in dealt]
    return round(float(np.mean(same) / abs(paid).sum()), 4)
