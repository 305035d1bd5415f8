"""Strata in which the cost of hospital episodes is compared."""

from __future__ import annotations

from collections import Counter

import pytest

from openvbp.claims_chain.spending import LEAST_EPISODES, category, strata


@pytest.mark.parametrize(
    ("drg", "expected"),
    [("291", "MDC 05"), ("470", "MDC 08"), ("871", "MDC 18"), ("807", "MDC 14"), ("001", "other"), ("", "other")],
)
def test_category_of_a_drg(drg: str, expected: str) -> None:
    assert category(drg) == expected


@pytest.mark.parametrize(
    ("episodes", "expected"),
    [
        # A DRG of its own; two small ones of a category together; what is left, with the smallest other stratum.
        ({"291": 60, "470": 45}, {"291": 60, "470": 45}),
        ({"291": 60, "280": 25, "282": 30}, {"291": 60, "MDC 05": 55}),
        ({"291": 60, "470": 45, "871": 10, None: 5}, {"291": 60, "other": 60}),
        ({"291": 60, "871": 30, "190": 20}, {"291": 60, "other": 50}),
        ({"291": 10}, {"other": 10}),
    ],
)
def test_strata(episodes: dict[str | None, int], expected: dict[str, int]) -> None:
    drgs = [drg for drg, count in episodes.items() for _ in range(count)]
    found = Counter(strata(drgs))
    assert found == expected
    assert min(found.values()) >= min(LEAST_EPISODES, len(drgs))
