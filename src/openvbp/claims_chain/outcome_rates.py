"""Outcomes of hospital stays from claims: counted, and standardized for who the patients were."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from openvbp.claims_chain.hospital_cases import COVARIATES
from openvbp.claims_chain.hospital_rate import HospitalRate, decimal_of, unfitted
from openvbp.errors import InputDataError, Problem
from openvbp.outcome_models.case_files import CaseColumns
from openvbp.outcome_models.run import fit_file


def outcome_rates(
    cases: pa.Table, out: Path, measures: Iterable[str], periods: Iterable[str], threads: int | None = None
) -> tuple[list[HospitalRate], dict[str, str]]:
    """Standardize outcomes.

    A random-intercept logistic model of each measure and period (:func:`openvbp.outcome_models.run.fit_file`) with the
    covariates of :data:`openvbp.claims_chain.hospital_cases.COVARIATES`. It is ours: the measures of the Centers for
    Medicare & Medicaid Services have many more covariates.

    Parameters
    ----------
    cases
        Rows of :func:`openvbp.claims_chain.hospital_cases.hospital_cases`.
    out
        Folder for the models, ``MEASURE/PERIOD``: evidence of single persons, which must not be passed on.
    measures, periods
        Which; periods by their labels.
    threads
        Of DuckDB.

    Returns
    -------
    Rates of every hospital with a case, and for each measure and period without a model the reason.
    """
    found: list[HospitalRate] = []
    not_fitted: dict[str, str] = {}
    for measure in measures:
        for period in periods:
            rows = rows_of(cases, measure, period)
            try:
                found += _standardized(rows, out / measure / period, measure, period, threads)
            except InputDataError as error:
                not_fitted[f"{measure} {period}"] = "; ".join(one.what for one in error.problems)
                found += unfitted(rows, measure, period, is_cost=False)
    return found, not_fitted


def rows_of(cases: pa.Table, measure: str, period: str) -> list[dict[str, Any]]:
    """Cases of a measure and period."""
    is_asked = pc.and_(pc.equal(cases["measure"], measure), pc.equal(cases["period"], period))  # type: ignore[attr-defined]
    return cases.filter(is_asked).to_pylist()


def _standardized(
    rows: Sequence[Mapping[str, Any]], out: Path, measure: str, period: str, threads: int | None
) -> list[HospitalRate]:
    if not rows:
        raise InputDataError(Problem("there is no case", f"{measure} {period}", "give claims of more patients"))
    # A constant says nothing, and the model would refuse it.
    varying = tuple(name for name in COVARIATES if np.ptp([row[name] for row in rows]) > 0)
    out.mkdir(parents=True, exist_ok=True)
    path = out / "cases.parquet"
    pq.write_table(
        pa.Table.from_pylist([{name: row[name] for name in ("facility_id", "outcome", *varying)} for row in rows]), path
    )
    fit_file(data=path, columns=CaseColumns("facility_id", "outcome", varying), out=out, threads=threads)
    return [
        HospitalRate(
            row["provider_id"],
            measure,
            period,
            row["cases"],
            row["observed"],
            decimal_of(row["observed_rate"]),
            decimal_of(row["predicted"] / row["cases"]),
            decimal_of(row["expected"] / row["cases"]),
            decimal_of(row["standardized_rate"]),
        )
        for row in pq.read_table(out / "providers.parquet").to_pylist()
    ]
