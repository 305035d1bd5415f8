"""A small claims folder without a defect, made by hand, and lists of the codes in it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from openvbp.claims.contract import load_table

Row = dict[str, Any]
NPIS = ("1234567893", "1003000126", "1679576722", "1528060639", "1700865094")
TINS = ("120000001", "120000002")
CCN = "050001"
ARROW = {
    "string": pa.string(),
    "date": pa.date32(),
    "int64": pa.int64(),
    "decimal(18, 2)": pa.decimal128(18, 2),
    "decimal(18, 4)": pa.decimal128(18, 4),
    "boolean": pa.bool_(),
}
CODE_LISTS = {
    "icd_10_cm": ("icd_10_cm", ["I10", "E119", "I5033", "Z0000"]),
    "hcpcs": ("hcpcs", ["99213", "99283", "G0439"]),
    "hcpcs_level_2": ("hcpcs", ["G0439"]),
    "ms_drg": ("ms_drg_code", ["291"]),
    "place_of_service": ("place_of_service_code", ["11"]),
    "bill_type": ("bill_type_code", ["111", "131"]),
    "revenue_center": ("revenue_center_code", ["0120", "0450"]),
    "discharge_disposition": ("discharge_disposition_code", ["01"]),
    "ndc": ("ndc", ["00002143380"]),
}


@dataclass
class Folder:
    """Rows by table; what a test changes before it writes them."""

    tables: dict[str, list[Row]]
    as_csv: set[str] = field(default_factory=set)
    code_lists: dict[str, list[list[str]]] = field(default_factory=dict)
    paid_through: str = "2024-03-31"

    def only(self, *names: str) -> Folder:
        """Keep these tables."""
        self.tables = {name: self.tables[name] for name in names}
        return self

    def write(self, folder: Path) -> Path:
        """Write the tables with the columns that occur in their rows."""
        folder.mkdir(parents=True)
        for name, rows in self.tables.items():
            columns = list(dict.fromkeys(column for row in rows for column in row)) or list(load_table(name).required)
            if name in self.as_csv:
                with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as lines:
                    writer = csv.DictWriter(lines, columns)
                    writer.writeheader()
                    writer.writerows(rows)
            else:
                declared = load_table(name).column
                types = [(one, ARROW[declared[one].type] if one in declared else pa.string()) for one in columns]
                pq.write_table(pa.Table.from_pylist(rows, pa.schema(types)), folder / f"{name}.parquet")
        (folder / "claims.json").write_text(json.dumps({"paid_through": self.paid_through}))
        return folder

    def write_code_lists(self, folder: Path) -> Path:
        """Write the lists of codes."""
        folder.mkdir()
        for name, rows in self.code_lists.items():
            with (folder / f"{name}.csv").open("w", newline="") as lines:
                csv.writer(lines).writerows(rows)
        return folder


def clean_folder(persons: int = 60, line: Callable[[int, int], bool] = lambda person, month: True) -> Folder:
    """Make a folder of one year: a visit and a prescription per person and month, a stay and an ED visit per person.

    ``line`` says whether a person has a visit in a month (from 1).
    """
    tables: dict[str, list[Row]] = {
        name: [] for name in ("eligibility", "medical_claim", "pharmacy_claim", "lab_result", "provider_attribution")
    }
    for person in range(persons):
        tables["eligibility"].append(_span(person))
        for month in range(1, 13):
            if line(person, month):
                tables["medical_claim"].append(_visit(person, month))
            tables["pharmacy_claim"].append(_prescription(person, month))
        tables["medical_claim"] += _facility_lines(person)
        tables["lab_result"].append({"lab_result_id": f"L{person}", "person_id": f"P{person}", "data_source": "made"})
        tables["provider_attribution"].append(
            {
                "person_id": f"P{person}",
                "year_month": 202306,
                "payer": "medicare",
                "plan": "ffs",
                "data_source": "made",
            }
        )
    tables["provider"] = [
        {"npi": npi, "tin": TINS[0], "specialty_code": "11", "start_date": date(2020, 1, 1)} for npi in NPIS
    ]
    tables["participant"] = [
        {"organization_id": "A1", "tin": TINS[0], "npi": NPIS[0], "ccn": CCN, "start_date": date(2020, 1, 1)},
        {"organization_id": "A1", "tin": TINS[1], "npi": None, "ccn": None, "start_date": date(2020, 1, 1)},
    ]
    tables["attestation"] = [{"person_id": "P0", "npi": NPIS[0], "start_date": date(2023, 1, 1)}]
    lists = {name: [[column], *([code] for code in codes)] for name, (column, codes) in CODE_LISTS.items()}
    return Folder(tables, code_lists=lists)


def _span(person: int) -> Row:
    return {
        "person_id": f"P{person}",
        "gender": "female" if person % 2 else "male",
        "birth_date": date(1940, 1, 1) + timedelta(days=37 * person),
        "death_date": date(2023, 12, 31) if person == 1 else None,
        "enrollment_start_date": date(2023, 1, 1),
        "enrollment_end_date": date(2023, 12, 31),
        "payer": "medicare",
        "plan": "ffs",
        "data_source": "made",
        "original_reason_entitlement_code": "0",
    }


def _visit(person: int, month: int) -> Row:
    day = date(2023, month, 1 + person % 28)
    return {
        "claim_id": f"V{person}-{month}",
        "claim_line_number": 1,
        "claim_type": "professional",
        "person_id": f"P{person}",
        "payer": "medicare",
        "plan": "ffs",
        "claim_start_date": day,
        "claim_end_date": day,
        "place_of_service_code": "11",
        "hcpcs_code": "G0439" if month == 1 else "99213",
        "rendering_npi": NPIS[person % len(NPIS)],
        "rendering_tin": TINS[person % 2],
        "rendering_specialty_code": "11",
        "paid_date": day + timedelta(days=30),
        "paid_amount": Decimal("80.00"),
        "allowed_amount": Decimal("100.00"),
        "diagnosis_code_type": "icd-10-cm",
        "diagnosis_code_1": "I10" if person % 3 else "E119",
        "adjustment_type": "0",
        "claim_status": "final",
        "data_source": "made",
        "file_date": date(2024, 4, 1),
    }


def _facility_lines(person: int) -> list[Row]:
    admitted = date(2023, 1 + person % 12, 5)
    stay = _visit(person, admitted.month) | {
        "claim_id": f"S{person}",
        "claim_type": "institutional",
        "claim_start_date": admitted,
        "claim_end_date": admitted + timedelta(days=4),
        "admission_date": admitted,
        "discharge_date": admitted + timedelta(days=4),
        "discharge_disposition_code": "01",
        "bill_type_code": "111",
        "drg_code_type": "ms-drg" if person % 7 else "apr-drg",
        "drg_code": "291" if person % 7 else "1943",
        "revenue_center_code": "0120",
        "hcpcs_code": None,
        "place_of_service_code": None,
        "rendering_npi": None,
        "rendering_specialty_code": None,
        "facility_ccn": CCN,
        "facility_npi": NPIS[0],
        "diagnosis_code_1": "I5033",
    }
    emergency = {
        **stay,
        "claim_id": f"E{person}",
        "bill_type_code": "131",
        "drg_code_type": None,
        "drg_code": None,
        "admission_date": None,
        "discharge_date": None,
        "claim_end_date": admitted,
        "revenue_center_code": "0450",
        "hcpcs_code": "99283",
    }
    return [stay, {**stay, "claim_line_number": 2}, emergency]


def _prescription(person: int, month: int) -> Row:
    return {
        "claim_id": f"R{person}-{month}",
        "claim_line_number": 1,
        "person_id": f"P{person}",
        "payer": "medicare",
        "plan": "ffs",
        "dispensing_date": date(2023, month, 2),
        "ndc_code": "00002143380",
        "paid_amount": Decimal("12.00"),
        "prescribing_provider_npi": NPIS[person % len(NPIS)],
        "data_source": "made",
    }
