"""Coding drift in one row: by how much risk scores rose that patients' age and sex do not explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from openvbp.diagnosis.section import CannotBeMadeError, Section, percent

CAPPED = 10
"""Diagnoses of a claim that count in the comparison: as many as claims had before 2011."""


@dataclass(frozen=True)
class MeanRisk:
    """Mean risk of the persons of a period, by one set of coefficients for all periods."""

    persons: int
    demographic: float
    coded: float
    capped: float | None = None
    """Coded risk if only the first ten diagnoses of a claim count; none where claims were not looked at."""


def coding(risk: Mapping[int, MeanRisk], drift: Mapping[str, Any] | None, *, is_frozen: bool | None) -> Section:
    """Say for each two periods how much of the rise of risk scores is coding.

    Parameters
    ----------
    risk
        Period to mean risk.
    drift
        As of :func:`openvbp.profiling.drift.coding_drift`: how many providers stand out; or none.
    is_frozen
        Whether one set of coefficients scored all periods; none where that is not known.

    Raises
    ------
    CannotBeMadeError
        If there are not two periods with demographic risk.
    """
    known = sorted(period for period, one in risk.items() if one.demographic > 0)
    if len(known) < 2:
        raise CannotBeMadeError("mean coded and demographic risk are known in fewer than two periods")
    flagged = {one["after"]: one["flagged"] for one in (drift or {}).get("changes", [])}
    rows = [_row(before, risk[before], after, risk[after], flagged.get(after)) for before, after in pairwise(known)]
    findings = [_sentence(row) for row in rows]
    if is_frozen is False:
        findings.append("The periods were scored by different coefficients: part of the change is the model's.")
    return Section("coding", findings, {"changes": rows})


def _row(before: int, one: MeanRisk, after: int, other: MeanRisk, flagged: int | None) -> dict[str, Any]:
    total = (other.demographic + other.coded) / (one.demographic + one.coded) - 1
    demographic = other.demographic / one.demographic - 1
    capped = None
    if one.capped is not None and other.capped is not None:
        capped = (other.demographic + other.capped) / (one.demographic + one.capped) - 1
    return {
        "before": before,
        "after": after,
        "persons_before": one.persons,
        "persons_after": other.persons,
        "change_all_codes": total,
        "change_first_ten_codes": capped,
        "change_demographic": demographic,
        "coding": total - demographic,
        "beyond_ten_codes": None if capped is None else total - capped,
        "providers_that_stand_out": flagged,
    }


def _sentence(row: Mapping[str, Any]) -> str:
    capped = row["change_first_ten_codes"]
    parts = [
        f"{row['before']} to {row['after']}: the mean risk score changed by {percent(row['change_all_codes'])}",
        f", by age and sex alone {percent(row['change_demographic'])}",
        "" if capped is None else f", with the first ten codes of a claim {percent(capped)}",
        f". The difference, {percent(row['coding'])}, is coding or illness: expected outcomes "
        "change by it, and ratios of observed over expected the other way.",
    ]
    if row["providers_that_stand_out"] is not None:
        parts.append(f" {row['providers_that_stand_out']:,} providers stand out.")
    return "".join(parts)


def from_drift(drift: Mapping[str, Any]) -> dict[int, MeanRisk]:
    """Take mean risks from a finished look for drift (``drift.json``)."""
    found: dict[int, list[Mapping[str, Any]]] = {}
    for row in drift["providers"]:
        if row["mean_demographic"] is not None:
            found.setdefault(int(row["period"]), []).append(row)
    return {period: _mean_of(rows) for period, rows in found.items()}


def _mean_of(rows: Sequence[Mapping[str, Any]]) -> MeanRisk:
    persons = sum(row["persons"] for row in rows)
    demographic, coded = (
        sum(row[name] * row["persons"] for row in rows) / persons for name in ("mean_demographic", "mean_coded")
    )
    return MeanRisk(persons, demographic, coded)
