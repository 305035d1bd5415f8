"""Lists of participants and attestations held against the providers that occur in claims."""

from __future__ import annotations

from collections.abc import Iterator

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.claims.defects import Finding, defects
from openvbp.claims.row_checks import SENTINEL
from openvbp.engine import Engine

_LISTS = ("participant", "attestation")
_SOURCES = ("medical_claim", "provider")
_NUMBERS = {
    "tin": ("rendering_tin", "billing_tin", "tin"),
    "npi": (
        "rendering_npi",
        "billing_npi",
        "facility_npi",
        "attending_npi",
        "operating_npi",
        "other_npi",
        "npi",
    ),
    "ccn": ("facility_ccn", "ccn"),
}
"""Column of a list, and columns of all tables that hold such numbers."""


def check_provider_lists(engine: Engine, values: ir.Table) -> Iterator[Finding]:
    """Count the numbers on lists that are in no claim and not in provider.

    Parameters
    ----------
    engine
        Where to compute.
    values
        Distinct values of the folder (``value_checks.distinct_values``).
    """
    kind = ibis.cases(
        *((values["column"].isin(columns), number) for number, columns in _NUMBERS.items()), else_=ibis.null("string")
    )
    numbers = values.select("table", "row_count", "value", kind=kind).filter(_.kind.notnull() & (_.value != SENTINEL))
    known = numbers.filter(_.table.isin(_SOURCES)).select("kind", "value", is_known=True).distinct()
    listed = numbers.filter(_.table.isin(_LISTS)).left_join(known, ["kind", "value"])
    counts = listed.group_by("table", "kind").agg(
        listed=_.row_count.sum().cast("int64"), strange=_.row_count.sum(where=_.is_known.isnull()).cast("int64")
    )
    for found in engine.to_arrow(counts).to_pylist():
        if found["strange"]:
            place = found["table"], found["kind"]
            yield Finding(defects()["unknown_provider"], *place, found["strange"], found["listed"])
