"""Index stays of hospital measures and what their patients are like: counted once for all measures of a program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.claims.facilities import facility_type
from openvbp.claims.tables import open_claims
from openvbp.engine import Engine, EngineName, open_engine
from openvbp.grouping.diagnoses import Window
from openvbp.grouping.run import Options as GroupingOptions
from openvbp.grouping.run import group_data
from openvbp.measures.run import EVIDENCE, STATUS_TABLE, Request, run_measures
from openvbp.periods import Period

PROSPECTIVE_PAYMENT = "short_term_acute_hospital"
"""Type of the hospitals to which the inpatient prospective payment system applies, by their certification numbers."""
COVARIATES = ("decades_from_75", "decades_from_75_squared", "is_female", "is_dual", "charlson_index")
"""What a patient's risk is made of: few, because hospitals in one region have few deaths."""
_DUAL = ("01", "02", "03", "04", "05", "06", "08")
_COUNTED = ("met", "not_met")
_GROUPER = "charlson-quan"
_INDEX = "charlson_2011"
_CENTRE, _DECADE = 75, 10


def hospital_cases(
    data: Path,
    out: Path,
    measures: Sequence[str],
    periods: Sequence[Period],
    *,
    value_sets: Path | None = None,
    engine: EngineName = "duckdb",
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> pa.Table:
    """Evaluate measures of the library on hospital stays, and look up who the patients were.

    Parameters
    ----------
    data
        Folder of claims in the native layout.
    out
        Folder for ``measures`` and ``comorbidities``: evidence of single persons, which must not be passed on.
    measures
        Measures of the library on hospital stays.
    periods
        Periods in which they are evaluated.
    value_sets
        Folder of the user's value sets, where a measure needs any.
    engine, threads
        Where to compute.
    progress
        Told each step.

    Returns
    -------
    One row per index stay in the denominator: ``measure``, ``period`` (its label), ``facility_id``, ``facility_type``,
    ``person_id``, ``stay_id``, ``index_date``, ``outcome`` (1 in the numerator, else 0), ``value`` (what the measure
    adds up, US dollars of costs; else null) and :data:`COVARIATES`: age, its square, sex, dual eligibility and the
    Charlson index (weights of 2011) of the year before.

    Raises
    ------
    UsageError, InputDataError, MachineError
        As of :func:`openvbp.measures.run.run_measures`.
    """
    request = Request(tuple(one.label for one in periods), tuple(measures), value_sets=value_sets, with_persons=True)
    run_measures(data, out / "measures", request, engine=engine, threads=threads)
    progress(f"{len(measures)} measures evaluated in {len(periods)} period{'s' if len(periods) > 1 else ''}")
    with open_engine(engine, threads) as opened:
        _write_index_days(opened, out)
    window = Window(by="index", index=out / "index_days.parquet")
    options = GroupingOptions(window=window, is_traced=False)
    group_data(data=data, out=out / "comorbidities", grouper=_GROUPER, options=options, engine=engine, threads=threads)
    progress("comorbidities of the year before admission found")
    with open_engine(engine, threads) as opened:
        return _cases(opened, data, out)


def _statuses(engine: Engine, out: Path) -> ir.Table:
    rows = engine.read_parquet(out / "measures" / EVIDENCE / STATUS_TABLE, "hospital_statuses")
    return rows.filter(_.status.isin(_COUNTED), _.index_facility_id.notnull())


def _write_index_days(engine: Engine, out: Path) -> None:
    days = _statuses(engine, out).select("person_id", "index_date").distinct()
    engine.write_parquet(days.order_by("person_id", "index_date"), out / "index_days.parquet")


def _cases(engine: Engine, data: Path, out: Path) -> pa.Table:
    eligibility = open_claims(engine, data).table("eligibility")
    latest = ibis.row_number().over(group_by="person_id", order_by=[ibis.desc("enrollment_start_date"), "plan"])
    persons = eligibility.mutate(place=latest).filter(_.place == 0)
    persons = persons.select("person_id", "birth_date", "gender", "dual_status_code")
    groups = engine.read_parquet(out / "comorbidities" / "subjects.parquet", "hospital_comorbidities")
    groups = groups.select("subject_id", charlson_index=groups[_INDEX].cast("float64"))
    stays = _statuses(engine, out).mutate(subject_id=_.person_id + ":" + _.index_date.cast("string"))
    joined = stays.inner_join(persons, "person_id").inner_join(groups, "subject_id")
    decades = ((joined.index_date.year() - joined.birth_date.year()).cast("float64") - _CENTRE) / _DECADE
    rows = joined.select(
        "measure",
        "period",
        "person_id",
        "index_date",
        "value",
        facility_id=joined.index_facility_id,
        facility_type=facility_type(joined.index_facility_id),
        stay_id=joined.index_event_id,
        outcome=(joined.status == "met").cast("int64"),
        decades_from_75=decades,
        decades_from_75_squared=decades * decades,
        is_female=(joined.gender == "female").cast("float64"),
        is_dual=joined.dual_status_code.isin(_DUAL).fill_null(False).cast("float64"),  # noqa: FBT003
        charlson_index=joined.charlson_index,
    )
    return engine.to_arrow(rows.order_by("measure", "period", "facility_id", *COVARIATES, "outcome", "stay_id"))
