"""Part D fills of drugs for chronic conditions; the drug codes are made up."""

from __future__ import annotations

import numpy as np

from openvbp.claims.synthetic.conditions import CONDITIONS
from openvbp.claims.synthetic.lines import cents
from openvbp.claims.synthetic.people import People
from openvbp.claims.synthetic.region import Region
from openvbp.claims.synthetic.relations import Relations
from openvbp.claims.synthetic.settings import rows
from openvbp.claims.synthetic.visits import spread, yearly_counts


def draw_prescriptions(region: Region, people: People, relations: Relations) -> dict[str, np.ndarray]:
    """Draw fills.

    Returns
    -------
    One entry per fill, by member and day: ``person``, ``day``, ``drug`` (row of ``drugs``), ``prescriber``,
    ``quantity``, ``supply`` (days), ``refill``, ``allowed`` and ``paid`` (cents).
    """
    rng = region.generators["prescriptions"]
    s = region.settings["prescriptions"]
    enrolled = rng.random(region.members) < s["enrolled_share"]
    drugs = rows("drugs")
    people_of, days_of, drugs_of = [], [], []
    for number, row in enumerate(drugs):
        suits = people.conditions[:, CONDITIONS.index(row["condition"])] if row["condition"] else True
        takes = enrolled & suits & (rng.random(region.members) < row["probability"])
        members = np.flatnonzero(takes)
        counts = yearly_counts(region, np.full(len(members), row["fills"] * s["scale"]), rng)
        at, _, day = spread(region, counts, rng)
        person = members[at].astype(np.int32)
        covered = people.covered(person, day)
        people_of.append(person[covered])
        days_of.append(day[covered])
        drugs_of.append(np.full(covered.sum(), number, np.int16))
    person, day, drug = np.concatenate(people_of), np.concatenate(days_of), np.concatenate(drugs_of)
    order = np.argsort(person.astype(np.int64) * 1_000_000 + day, kind="stable")
    person, day, drug = person[order], day[order], drug[order]
    price = np.array([row["price"] for row in drugs])[drug]
    allowed = cents(price * rng.lognormal(-0.01, 0.15, len(person)))
    return {
        "person": person,
        "day": day,
        "drug": drug,
        "prescriber": relations.primary[person, region.year_of(day)],
        "quantity": np.array([row["quantity"] for row in drugs], np.int64)[drug],
        "supply": np.array([row["days"] for row in drugs], np.int64)[drug],
        "refill": rng.integers(0, 6, len(person)),
        "allowed": allowed,
        "paid": np.rint(allowed * 0.75).astype(np.int64),
    }
