"""How a person's visits are spread over clinicians: continuity and concentration of care, whatever the rule."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
from ibis import _

from openvbp.money import divide_half_up


def concentration(visits: ir.Table) -> ir.Table:
    """Compute the indices of continuity of each person.

    Parameters
    ----------
    visits
        One row per person × ``npi`` × ``tin`` × ``service_date``.

    Returns
    -------
    One row per person: ``visits`` N, ``clinicians``, ``practices``; ``bice_boxerman`` (Σ n² − N) ÷ N(N − 1) and
    ``sequential_continuity``, the share of visits that follow one to the same clinician, both null below two visits;
    ``herfindahl_hirschman`` Σ (n ÷ N)²; ``usual_provider`` max n ÷ N.

    Source: Bice and Boxerman, Medical Care 1977; Jee and Cabana, Medical Care Research and Review 2006, for the others.
    """
    days = visits.select("person_id", "npi", "service_date").distinct()
    in_time = ibis.window(group_by="person_id", order_by=["service_date", "npi"])
    repeated = days.mutate(same=(_.npi == _.npi.lag().over(in_time)).cast("int64"))
    per_clinician = repeated.group_by("person_id", "npi").agg(n=_.count(), same=_.same.sum())
    squares = per_clinician.group_by("person_id").agg(
        visits=_.n.sum().cast("int64"),
        squares=(_.n * _.n).sum().cast("int64"),
        most=_.n.max(),
        same=_.same.sum().cast("int64"),
        clinicians=_.npi.count(),
    )
    practices = visits.group_by("person_id").agg(practices=_.tin.nunique())
    several = squares.visits - 1
    return squares.join(practices, "person_id").select(
        "person_id",
        "visits",
        "clinicians",
        "practices",
        bice_boxerman=divide_half_up(_.squares - _.visits, (squares.visits * several).nullif(0)),
        sequential_continuity=divide_half_up(_.same.fill_null(0), several.nullif(0)),
        herfindahl_hirschman=divide_half_up(_.squares, _.visits * _.visits),
        usual_provider=divide_half_up(_.most, _.visits),
    )
