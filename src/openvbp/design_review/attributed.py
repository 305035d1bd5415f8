"""Whose patients persons were: the attribution that a settlement from claims keeps, by year."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow.parquet as pq

from openvbp.attribution.rule_files import find_rule
from openvbp.attribution.run import ATTRIBUTION
from openvbp.claims_chain.settlement import FOLDER
from openvbp.design_review.design import Design


@dataclass(frozen=True)
class Attributed:
    """Persons of one year; never to be shown."""

    own: frozenset[str]
    """Of the contractor."""
    of_others: frozenset[str]


def attributed(design: Design) -> dict[str, Attributed]:
    """Give the persons of each year by the contract's own rule; nothing where the run was not settled from claims."""
    contract = design.contract
    folder = design.run.path / FOLDER / "attribution" if design.run else None
    if contract is None or contract.claims is None or folder is None or not folder.is_dir():
        return {}
    rule = find_rule(contract.claims.attribution_rule).rule
    units = contract.claims.units or [contract.parties.contractor_id]
    found = {}
    for year in sorted(one.name for one in folder.iterdir() if (one / ATTRIBUTION).is_file()):
        columns = ["rule_id", "person_id", "unit_id"]
        rows = pq.read_table(
            folder / year / ATTRIBUTION, columns=columns, filters=[("rule_id", "==", rule)]
        ).to_pylist()
        own = frozenset(one["person_id"] for one in rows if one["unit_id"] in units)
        found[year] = Attributed(own, frozenset(one["person_id"] for one in rows if one["unit_id"]) - own)
    return found
