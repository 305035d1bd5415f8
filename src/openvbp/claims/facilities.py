"""What kind of facility a CMS certification number names."""

from __future__ import annotations

import csv
import functools
from importlib.resources import files

import ibis
import ibis.expr.types as ir


@functools.cache
def _kinds() -> list[dict[str, str]]:
    text = files("openvbp.claims").joinpath("facility_types.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def facility_type(certification_number: ir.StringValue) -> ir.StringValue:
    """Tell a facility's type by the last four digits of its CMS certification number.

    Parameters
    ----------
    certification_number
        Six characters; the first two are the state.

    Returns
    -------
    A ``facility_type`` of ``facility_types.csv``; null where the number is in none of its ranges or no number.

    Source: the ranges and their citations are rows of ``facility_types.csv``.
    """
    number = certification_number.substr(2, 4)
    digits = ibis.ifelse(number.re_search("^[0-9]{4}$"), number, ibis.null("string"))
    return ibis.cases(
        *((digits.between(kind["first_number"], kind["last_number"]), kind["facility_type"]) for kind in _kinds()),
        else_=ibis.null("string"),
    )


def is_acute_hospital(certification_number: ir.StringValue) -> ir.BooleanValue:
    """Whether the facility is a short-term acute or a critical access hospital; false where that is not known."""
    acute = [kind["facility_type"] for kind in _kinds() if kind["is_acute"] == "yes"]
    return facility_type(certification_number).isin(acute).fill_null(False)  # noqa: FBT003
