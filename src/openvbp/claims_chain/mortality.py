"""Deaths within 30 days of admission by hospital, from claims: counted, and standardized for who the patients were."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from ibis import _

from openvbp.claims.tables import open_claims
from openvbp.engine import Engine, EngineName, open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.grouping.diagnoses import Window
from openvbp.grouping.run import Options as GroupingOptions
from openvbp.grouping.run import group_data
from openvbp.measures.run import EVIDENCE, STATUS_TABLE, Request, run_measures
from openvbp.outcome_models.case_files import CaseColumns
from openvbp.outcome_models.run import fit_file
from openvbp.periods import Period

_DUAL = ("01", "02", "03", "04", "05", "06", "08")
_COUNTED = ("met", "not_met")
_GROUPER = "charlson-quan"
_INDEX = "charlson_2011"
_CENTRE, _DECADE = 75, 10
_PLACES = Decimal("0.000001")
COVARIATES = ("decades_from_75", "decades_from_75_squared", "is_female", "is_dual", "charlson_index")
"""What a patient's risk is made of: few, because hospitals in one region have few deaths."""


@dataclass(frozen=True)
class MortalityRate:
    """Of a hospital, measure and period."""

    facility_id: str
    measure: str
    """Of the library, for example ``mortality.heart_failure``."""
    period: str
    cases: int
    deaths: int
    standardized_rate: Decimal
    """Predicted over expected deaths, times the rate of all hospitals; from 0 to 1."""


def mortality_rates(
    data: Path,
    out: Path,
    measures: Sequence[str],
    periods: Sequence[Period],
    *,
    engine: EngineName = "duckdb",
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> tuple[list[MortalityRate], dict[str, str]]:
    """Count and standardize deaths.

    A random-intercept logistic model of each measure and period (:func:`openvbp.outcome_models.run.fit_file`) with age,
    its square, sex, dual eligibility and the Charlson index (weights of 2011) of the year before admission. It is ours:
    the measures of the Centers for Medicare & Medicaid Services have many more covariates.

    Parameters
    ----------
    data
        Folder of claims in the native layout.
    out
        Folder for measures, comorbidities and models: evidence of single persons, which must not be passed on.
    measures
        Mortality measures of the library.
    periods
        Periods of admission.
    engine, threads
        Where to compute.
    progress
        Told each step.

    Returns
    -------
    Rates, and for each measure and period that could not be fitted the reason.

    Raises
    ------
    InputDataError
        If no measure can be fitted in any period.
    """
    request = Request(tuple(one.label for one in periods), tuple(measures), with_persons=True)
    run_measures(data, out / "measures", request, engine=engine, threads=threads)
    progress(f"{len(measures)} measures evaluated in {len(periods)} periods")
    with open_engine(engine, threads) as opened:
        _write_index_days(opened, out)
    window = Window(by="index", index=out / "index_days.parquet")
    options = GroupingOptions(window=window, is_traced=False)
    group_data(data=data, out=out / "comorbidities", grouper=_GROUPER, options=options, engine=engine, threads=threads)
    progress("comorbidities of the year before admission found")
    with open_engine(engine, threads) as opened:
        cases = _cases(opened, data, out)
    found: list[MortalityRate] = []
    not_fitted: dict[str, str] = {}
    for measure in measures:
        for period in periods:
            rows = [row for row in cases if row["measure"] == measure and row["period"] == period.label]
            try:
                found += _standardized(rows, out / "models" / measure / period.label, measure, period.label, threads)
            except InputDataError as error:
                not_fitted[f"{measure} {period.label}"] = "; ".join(one.what for one in error.problems)
    if not found:
        problems = [Problem(why, name, "give claims of more patients") for name, why in not_fitted.items()]
        raise InputDataError(problems)
    return found, not_fitted


def _statuses(engine: Engine, out: Path) -> ir.Table:
    rows = engine.read_parquet(out / "measures" / EVIDENCE / STATUS_TABLE, "mortality_statuses")
    return rows.filter(_.status.isin(_COUNTED), _.index_facility_id.notnull())


def _write_index_days(engine: Engine, out: Path) -> None:
    days = _statuses(engine, out).select("person_id", "index_date").distinct()
    engine.write_parquet(days.order_by("person_id", "index_date"), out / "index_days.parquet")


def _cases(engine: Engine, data: Path, out: Path) -> list[dict[str, Any]]:
    """One row per index stay: measure, period, facility, whether the patient died, and the covariates."""
    eligibility = open_claims(engine, data).table("eligibility")
    latest = ibis.row_number().over(group_by="person_id", order_by=[ibis.desc("enrollment_start_date"), "plan"])
    persons = eligibility.mutate(place=latest).filter(_.place == 0)
    persons = persons.select("person_id", "birth_date", "gender", "dual_status_code")
    groups = engine.read_parquet(out / "comorbidities" / "subjects.parquet", "mortality_comorbidities")
    groups = groups.select("subject_id", charlson_index=groups[_INDEX].cast("float64"))
    stays = _statuses(engine, out).mutate(subject_id=_.person_id + ":" + _.index_date.cast("string"))
    joined = stays.inner_join(persons, "person_id").inner_join(groups, "subject_id")
    decades = ((joined.index_date.year() - joined.birth_date.year()).cast("float64") - _CENTRE) / _DECADE
    rows = joined.select(
        "measure",
        "period",
        facility_id=joined.index_facility_id,
        died=(joined.status == "met").cast("int64"),
        decades_from_75=decades,
        decades_from_75_squared=decades * decades,
        is_female=(joined.gender == "female").cast("float64"),
        is_dual=joined.dual_status_code.isin(_DUAL).fill_null(False).cast("float64"),  # noqa: FBT003
        charlson_index=joined.charlson_index,
    )
    return engine.to_arrow(rows.order_by("measure", "period", "facility_id", *COVARIATES, "died")).to_pylist()


def _standardized(
    rows: Sequence[Mapping[str, Any]], out: Path, measure: str, period: str, threads: int | None
) -> list[MortalityRate]:
    if not rows:
        raise InputDataError(Problem("there is no case", f"{measure} {period}", "give claims of more patients"))
    # A constant says nothing, and the model would refuse it.
    varying = tuple(name for name in COVARIATES if np.ptp([row[name] for row in rows]) > 0)
    out.mkdir(parents=True, exist_ok=True)
    cases = out / "cases.parquet"
    pq.write_table(
        pa.Table.from_pylist([{name: row[name] for name in ("facility_id", "died", *varying)} for row in rows]), cases
    )
    fit_file(data=cases, columns=CaseColumns("facility_id", "died", varying), out=out, threads=threads)
    providers = pq.read_table(out / "providers.parquet").to_pylist()
    return [
        MortalityRate(
            row["provider_id"],
            measure,
            period,
            row["cases"],
            row["observed"],
            Decimal(str(row["standardized_rate"])).quantize(_PLACES),
        )
        for row in providers
    ]
