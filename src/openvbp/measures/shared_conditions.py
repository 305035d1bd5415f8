"""Conditions that several measures share, written once."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.values import MP, Age, Enrolled, Value, Window

ENROLLED = Enrolled(MP, gap_days=45, gaps=1)
"""Enrolled through the period, but for one gap of up to 45 days."""
HOSPICE = events.encounter.with_code("encounter-type", "hospice").overlapping(MP).exists()
"""Hospice care in the period, as claims show it."""


def aged(low: int, high: int | None = None, window: Window = MP) -> Value:
    """Age in completed years on the last day of a window."""
    age = Age(window.end)
    return age >= low if high is None else age.between(low, high)
