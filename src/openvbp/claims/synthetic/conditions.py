"""Chronic conditions and the need of care that follows from them."""

from __future__ import annotations

import numpy as np

from openvbp.claims.synthetic.people import People
from openvbp.claims.synthetic.region import Region
from openvbp.claims.synthetic.settings import rows

CONDITIONS = tuple(row["condition"] for row in rows("conditions"))
SLOTS = 16
"""Most conditions of a member that are ever written on claims."""
_RENAL_FAILURE = CONDITIONS.index("renal_failure")


def draw_conditions(region: Region, people: People) -> None:
    """Draw conditions that share the latent severity, then the lasting and the yearly need of care.

    A condition is present where ``ρ z + √(1 − ρ²) N(0, 1)`` is above the quantile that its prevalence asks for;
    ρ grows with its loading.
    """
    rng = region.generators["people"]
    s, n = region.settings["risk"], region.members
    declared = rows("conditions")
    standard = (people.severity - people.severity.mean()) / people.severity.std()
    present = np.empty((n, len(declared)), bool)
    loading = np.array([row["loading"] for row in declared])
    for number, row in enumerate(declared):
        shared = min(0.88, s["shared"] + 0.3 * row["loading"])
        value = shared * standard + np.sqrt(1 - shared**2) * rng.normal(size=n)
        present[:, number] = value > np.quantile(value, 1 - row["prevalence"])
    present[:, CONDITIONS.index("prostate_enlargement")] &= ~people.is_female
    present[:, _RENAL_FAILURE] = people.has_renal_failure
    present[people.has_renal_failure, CONDITIONS.index("chronic_kidney_disease")] = True
    people.conditions = present
    age = people.age_on(region.first_day)
    log_risk = (
        s["per_loading"] * (present @ loading)
        + s["per_year_of_age"] * (np.maximum(age, 60) - 74)
        + s["of_dual"] * people.is_dual
        + s["of_disabled"] * people.under_65
        + s["of_renal_failure"] * people.has_renal_failure
        + s["frailty"] * rng.normal(size=n)
    )
    risk = np.exp(log_risk)
    people.risk = risk / risk.mean()
    shape = s["yearly_shape"]
    people.acuity = rng.gamma(shape, 1 / shape, (n, region.years))


def condition_lists(people: People) -> tuple[np.ndarray, np.ndarray]:
    """List each member's conditions.

    Returns
    -------
    Member × slot with numbers of conditions, -1 where there are fewer; and how many slots are filled.
    """
    n = len(people.birth)
    members, conditions = np.nonzero(people.conditions)
    counts = np.bincount(members, minlength=n)
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    slot = np.arange(len(members)) - first[members]
    listed = np.full((n, SLOTS), -1, np.int16)
    # The rarer a condition, the further back it stands; heavier ones are kept when there are too many.
    kept = slot >= (counts[members] - SLOTS)
    shifted = slot - np.maximum(counts[members] - SLOTS, 0)
    listed[members[kept], shifted[kept]] = conditions[kept]
    return listed, np.minimum(counts, SLOTS)
