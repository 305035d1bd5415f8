"""Stays of the statement's hospitals: patient-level, kept under ``evidence/`` alone."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.checked_rows import accepted
from openvbp.declared_tables import TextRows
from openvbp.engine import Engine
from openvbp.errors import InputDataError, Problem
from openvbp.payment.combined_adjustments import FACTOR_TYPE, share
from openvbp.programs.hospital_statement.input_files import DRA_HAC, HAC_AMOUNT, PROGRAMS

_OF_RUN = "factor_of_run"
_OF_HOSPITAL = [
    name
    for program in PROGRAMS
    if program is not DRA_HAC
    for name in (program.given_factor, program.status, program.reason)
]


def read_stay_table(
    engine: Engine, text: TextRows, rows: ir.Table, hospitals: ir.Table, priced_stays: pa.Table | None
) -> ir.Table:
    """Give each accepted stay the factors of its hospital, and its own of HAC non-payment.

    Parameters
    ----------
    engine
        Where to compute.
    text
        The file, for messages.
    rows
        Its checked rows.
    hospitals
        Hospitals with the factor, status and reason of each program.
    priced_stays
        What a run of ``dra_hac`` pays for each stay, where there is one.

    Returns
    -------
    One row per stay, with the columns that the rules need.

    Raises
    ------
    InputDataError
        If no stay remains, or both the file and the run say what is not paid for a stay.
    """
    stays = accepted(rows)
    if priced_stays is None:
        stays = stays.mutate(**{_OF_RUN: ibis.null(FACTOR_TYPE)})
    else:
        priced = engine.table(priced_stays, "stays_of_run").select(
            "stay_id", "provider_id", **{_OF_RUN: share(_.payment_after_hac, _.payment_as_coded)}
        )
        joined = stays.left_join(priced, ["stay_id", "provider_id"])
        stays = joined.drop("stay_id_right", "provider_id_right")
    decided = engine.compute(_with_hospital(stays, hospitals), "statement_stays")
    _demand_usable(engine, decided, text)
    return decided.drop(_OF_RUN)


def _with_hospital(stays: ir.Table, hospitals: ir.Table) -> ir.Table:
    # At a hospital that loses nothing for acquired conditions no stay does.
    loses_nothing = (hospitals[DRA_HAC.given_factor] == 1) | (hospitals[HAC_AMOUNT] == 0)
    own = hospitals.select(
        "provider_id",
        *_OF_HOSPITAL,
        loses_nothing=loses_nothing.fill_null(False),  # noqa: FBT003
        status_of_hospital=hospitals[DRA_HAC.status],
        reason_of_hospital=hospitals[DRA_HAC.reason],
    )
    joined = stays.inner_join(own, "provider_id")
    one = ibis.literal(1).cast(FACTOR_TYPE)
    spared = joined.loses_nothing & joined[HAC_AMOUNT].isnull()
    factor = ibis.coalesce(joined[_OF_RUN], ibis.ifelse(spared, one, ibis.null(FACTOR_TYPE)))
    unknown = factor.isnull() & joined[HAC_AMOUNT].isnull()
    return joined.mutate(
        **{
            DRA_HAC.given_factor: factor,
            DRA_HAC.status: ibis.cases(
                (unknown, "not_determinable"),
                (joined.status_of_hospital == "not_determinable", "scored"),
                else_=joined.status_of_hospital,
            ),
            DRA_HAC.reason: ibis.ifelse(unknown, f"no {HAC_AMOUNT} is given for the stay", joined.reason_of_hospital),
        }
    ).drop("loses_nothing", "status_of_hospital", "reason_of_hospital")


def _demand_usable(engine: Engine, stays: ir.Table, text: TextRows) -> None:
    twice = _[HAC_AMOUNT].notnull() & _[_OF_RUN].notnull()
    counts = engine.to_arrow(stays.aggregate(stays=_.count(), twice=twice.cast("int64").sum())).to_pylist()[0]
    if not counts["stays"]:
        raise InputDataError(
            Problem(
                "no stay can be used",
                str(text.path),
                "correct the file: every stay needs a hospital of hospitals.csv and a discharge in the period",
                text.rows.num_rows,
            )
        )
    if counts["twice"]:
        raise InputDataError(
            Problem(
                f"stays have a {HAC_AMOUNT} in the file and a payment in the run of {DRA_HAC.program_id}",
                str(text.path),
                f"take out the column {HAC_AMOUNT} or the run",
                counts["twice"],
            )
        )
