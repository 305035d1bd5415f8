"""What a hospital program's rates from claims rest on, beside the run: counts of hospitals, and their patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from openvbp.claims_chain.hospital_rate import HospitalRate
from openvbp.csv_files import write_csv

RATES = "rates.csv"
_HOSPITALS, _PATIENTS = "hospital_measure.parquet", "hospital_case.parquet"


def write_evidence(
    evidence: Path, chain: Path, asked: Mapping[str, str], rates: Sequence[HospitalRate], cases: pa.Table
) -> None:
    """Write numerators and denominators, and who is in them.

    Parameters
    ----------
    evidence
        Folder ``evidence`` of the run, whose tables the page of a hospital's patients shows to those who may see them:
        ``hospital_measure`` (hospital × measure × period) and ``hospital_case`` (the same × index stay).
    chain
        Folder for ``rates.csv``: all rates, by measures of the library.
    asked
        Measures of the program to measures of the library.
    rates
        Of all hospitals.
    cases
        Rows of :func:`openvbp.claims_chain.hospital_cases.hospital_cases`.
    """
    write_csv([asdict(one) for one in rates], list(HospitalRate.__dataclass_fields__), chain / RATES)
    names = {measure: measure_id for measure_id, measure in asked.items()}
    rows = [
        {"provider_id": one.facility_id, "measure_id": names[one.measure], **asdict(one)}
        for one in sorted(rates, key=lambda one: (one.facility_id, names[one.measure], one.period))
    ]
    evidence.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA), evidence / _HOSPITALS)
    known = cases.filter(pc.is_in(cases["measure"], pa.array(list(names))))
    ids = pa.array([names[one] for one in known["measure"].to_pylist()], pa.string())
    kept = known.select(["period", "person_id", "stay_id", "index_date", "outcome", "value"])
    patients = kept.add_column(0, "measure_id", ids).add_column(0, "provider_id", known["facility_id"])
    order = [(name, "ascending") for name in ("provider_id", "measure_id", "period", "index_date", "stay_id")]
    pq.write_table(patients.sort_by(order), evidence / _PATIENTS)


_NUMBER = pa.decimal128(18, 10)
_SCHEMA = pa.schema(
    [
        ("provider_id", pa.string()),
        ("measure_id", pa.string()),
        ("measure", pa.string()),
        ("period", pa.string()),
        ("cases", pa.int64()),
        ("events", pa.int64()),
        *((name, _NUMBER) for name in ("observed", "predicted", "expected", "rate")),
    ]
)
