"""Small made-up claims for tests of attribution: events from a few rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from openvbp.attribution import Events
from openvbp.engine import Engine

MONEY = pa.decimal128(18, 2)
LINE = pa.schema(
    {
        "claim_id": pa.string(),
        "data_source": pa.string(),
        "claim_type": pa.string(),
        "person_id": pa.string(),
        "service_date": pa.date32(),
        "service_end_date": pa.date32(),
        "place_of_service_code": pa.string(),
        "bill_type_code": pa.string(),
        "revenue_center_code": pa.string(),
        "hcpcs_code": pa.string(),
        "rendering_npi": pa.string(),
        "rendering_tin": pa.string(),
        "billing_tin": pa.string(),
        "rendering_specialty_code": pa.string(),
        "facility_ccn": pa.string(),
        "attending_npi": pa.string(),
        "operating_npi": pa.string(),
        "other_npi": pa.string(),
        "allowed_amount": MONEY,
        "paid_amount": MONEY,
        "is_utilization": pa.bool_(),
    }
)
MONTH = pa.schema(
    {
        "person_id": pa.string(),
        "year_month": pa.int64(),
        "has_part_a": pa.bool_(),
        "has_part_b": pa.bool_(),
        "has_managed_care": pa.bool_(),
        "is_in_other_shared_savings_initiative": pa.bool_(),
        "state": pa.string(),
        "is_alive": pa.bool_(),
    }
)
STAY = pa.schema(
    {
        "stay_id": pa.string(),
        "person_id": pa.string(),
        "facility_ccn": pa.string(),
        "admission_date": pa.date32(),
        "discharge_date": pa.date32(),
        "drg_code": pa.string(),
        "transfer_chain_id": pa.string(),
        "attending_npi": pa.string(),
        "operating_npi": pa.string(),
        "paid_amount": MONEY,
        "allowed_amount": MONEY,
    }
)
SPAN = {"start_date": pa.date32(), "end_date": pa.date32()}
PARTICIPANT = pa.schema(
    {"organization_id": pa.string(), "tin": pa.string(), "ccn": pa.string(), "npi": pa.string(), **SPAN}
)
ATTESTATION = pa.schema(
    {"person_id": pa.string(), "npi": pa.string(), "tin": pa.string(), "organization_id": pa.string(), **SPAN}
)
LISTED = pa.schema(
    {
        "person_id": pa.string(),
        "year_month": pa.int64(),
        "payer_attributed_provider": pa.string(),
        "payer_attributed_provider_practice": pa.string(),
        "payer_attributed_provider_organization": pa.string(),
    }
)
SCHEMAS = {
    "service_line": LINE,
    "person_month": MONTH,
    "stay": STAY,
    "participant": PARTICIPANT,
    "attestation": ATTESTATION,
    "provider_attribution": LISTED,
}
Row = dict[str, Any]


def visit(person: str, npi: str, day: str, **other: Any) -> Row:
    """An office visit of $100 to a family physician."""
    when = date.fromisoformat(day)
    return {
        "claim_id": f"{person}-{npi}-{day}",
        "data_source": "test",
        "claim_type": "professional",
        "person_id": person,
        "service_date": when,
        "service_end_date": when,
        "place_of_service_code": "11",
        "hcpcs_code": "99213",
        "rendering_npi": npi,
        "rendering_tin": f"T{npi}",
        "rendering_specialty_code": "08",
        "allowed_amount": Decimal(100),
        "paid_amount": Decimal(80),
        "is_utilization": True,
        **other,
    }


def months(person: str, first: int = 202401, last: int = 202412, **other: Any) -> list[Row]:
    """Months of enrolment in both parts."""
    found = [year * 100 + month for year in range(first // 100, last // 100 + 1) for month in range(1, 13)]
    return [
        {
            "person_id": person,
            "year_month": one,
            "has_part_a": True,
            "has_part_b": True,
            "has_managed_care": False,
            "is_in_other_shared_savings_initiative": False,
            "state": "OH",
            "is_alive": True,
            **other,
        }
        for one in found
        if first <= one <= last
    ]


def participant(organization: str, **other: Any) -> Row:
    return {"organization_id": organization, "start_date": date(2020, 1, 1), **other}


def events(engine: Engine, name: str = "test", **tables: Sequence[Row]) -> Events:
    """Events from rows; persons of the lines are enrolled all of 2024 where no months are given."""
    if "person_month" not in tables:
        persons = sorted({row["person_id"] for key in ("service_line", "stay") for row in tables.get(key, ())})
        tables["person_month"] = [row for person in persons for row in months(person)]
    tables.setdefault("service_line", [])
    return Events(
        **{
            table: engine.table(pa.Table.from_pylist(list(rows), schema=SCHEMAS[table]), f"{name}_{table}")
            for table, rows in tables.items()
        }
    )
