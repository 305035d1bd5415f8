"""Results of laboratory tests of members with diabetes: glycated haemoglobin and low-density cholesterol."""

from __future__ import annotations

import numpy as np

from openvbp.claims.synthetic.conditions import CONDITIONS
from openvbp.claims.synthetic.people import People
from openvbp.claims.synthetic.providers import Providers
from openvbp.claims.synthetic.region import Region
from openvbp.claims.synthetic.relations import Relations

TESTS = (("4548-4", "%"), ("13457-7", "mg/dL"))
"""LOINC code and unit."""


def draw_results(region: Region, people: People, providers: Providers, relations: Relations) -> dict[str, np.ndarray]:
    """Draw results; the usual clinician's true testing effect decides whether a test is done.

    Returns
    -------
    One entry per result: ``person``, ``day``, ``test`` (place in ``TESTS``), ``tenths`` (the result × 10) and
    ``clinician`` who ordered it.
    """
    rng = region.generators["laboratory"]
    members = np.flatnonzero(people.conditions[:, CONDITIONS.index("diabetes")]).astype(np.int32)
    odds = region.settings["laboratory"]["tested_share"] / (1 - region.settings["laboratory"]["tested_share"])
    found = []
    for year in range(region.years):
        primary = relations.primary[members, year]
        tested = odds * np.exp(providers.effect["clinician_testing"][primary] + people.access[members])
        for test in range(len(TESTS)):
            done = members[rng.random(len(members)) < tested / (1 + tested)]
            length = region.starts[year + 1] - region.starts[year]
            day = (region.starts[year] + rng.integers(0, length, len(done))).astype(np.int32)
            mean, deviation = ((7.1, 1.3), (88.0, 30.0))[test]
            worse = 0.35 * np.tanh(people.severity[done]) if test == 0 else 0.0
            value = np.maximum(rng.normal(mean + worse, deviation, len(done)), mean * 0.6)
            kept = people.covered(done, day)
            found.append((done[kept], day[kept], np.full(kept.sum(), test), np.rint(value[kept] * 10).astype(np.int64)))
    person, day, test, tenths = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.lexsort((test, day, person))
    return {
        "person": person[order],
        "day": day[order],
        "test": test[order],
        "tenths": tenths[order],
        "clinician": relations.primary[person[order], region.year_of(day[order])],
    }
