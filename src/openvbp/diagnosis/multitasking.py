"""Multitasking: what happened to outcomes that the program does not pay for."""

from __future__ import annotations

from typing import Any

import numpy as np

from openvbp.diagnosis.panel import Panel, change
from openvbp.diagnosis.section import CannotBeMadeError, Section, number
from openvbp.estimators.multiple_outcomes import sharpened_q_values

_FOUND = 0.05


def multitasking(panel: Panel, measures: set[str]) -> Section:
    """Estimate the change of every outcome, paid for or not, and correct for their number.

    Parameters
    ----------
    panel
        Provider × period × ``outcome`` with ``value``.
    measures
        Measures of the program: outcomes of these names are paid for, all others are untouched.

    Raises
    ------
    CannotBeMadeError
        If every outcome is a measure of the program, or nothing can be estimated.
    """
    outcomes = panel.values["outcome"].astype(str)
    rows: list[dict[str, Any]] = []
    for name in sorted(set(outcomes)):
        mine = panel.take(outcomes == name)
        rows.append(
            {"outcome": name, "is_paid_for": name in measures, **change(mine, mine.values["value"].astype(float))}
        )
    untouched = [row for row in rows if not row["is_paid_for"] and np.isfinite(row.get("p_value", np.nan))]
    if not untouched:
        reasons = {row["why_not"] for row in rows if "why_not" in row and not row["is_paid_for"]}
        raise CannotBeMadeError("; ".join(sorted(reasons)) or "every outcome is a measure of the program")
    q_values = sharpened_q_values([row["p_value"] for row in untouched])
    for row, q in zip(untouched, q_values, strict=True):
        row["q_value"] = float(q)
    moved = [row for row in untouched if row["q_value"] < _FOUND]
    findings = [
        f"{len(untouched):,} outcomes that the program does not pay for: {len(moved):,} changed when it began "
        f"(sharpened q-value below {_FOUND:g}); {untouched[0]['method']}.",
        *(
            f"{row['outcome']}: {number(row['estimate'], 3)} ({number(row['low'], 3)} to {number(row['high'], 3)}), "
            f"q {number(row['q_value'], 3)}; mean before {number(row['before'], 3)}."
            for row in sorted(untouched, key=lambda row: (row["q_value"], row["outcome"]))[:5]
        ),
        panel.read,
    ]
    return Section("multitasking", findings, {"outcomes": rows})
