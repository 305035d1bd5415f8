"""The same claims as a Claim and Claim Line Feed: files 1 to 5, 7, 8 and 9, fixed width, by the layouts of the adapter.

A feed tells less than the claims folder: no allowed amounts of institutions, no managed care, no organizations. A
claim that was delivered twice stands in it once. One member in a hundred has an earlier identifier, under which the
claims of the first year stand; file 9 says so.
"""

from __future__ import annotations

import contextlib
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from openvbp.claims.adapters.layout import SourceFile, load_layout
from openvbp.claims.synthetic.files import decimals
from openvbp.errors import InternalError, Problem

FOLDER = "cclf"
_NUMBERS = {
    "part_a_header": 1,
    "part_a_line": 2,
    "part_a_procedure": 3,
    "part_a_diagnosis": 4,
    "part_b_line": 5,
    "equipment_line": 6,
    "part_d": 7,
    "beneficiary": 8,
    "identifier": 9,
}
_DIAGNOSES = 8
_ROWS = 200_000
_CLAIM_TYPES = {"11": "60", "21": "20", "32": "10", "81": "50"}
"""First two digits of the type of bill to the type of claim; 40 (outpatient) for all others."""
_RACES = {
    "white": "1",
    "black or african american": "2",
    "other race": "3",
    "asian": "4",
    "hispanic": "5",
    "american indian or alaska native": "6",
}
_SUPPLIER = "54"
_ICD_10 = "0"
Cells = dict[str, pa.Array | str]


class _Feed:
    """Open files of a feed, one per kind."""

    def __init__(self, folder: Path, last_year: int, stack: contextlib.ExitStack) -> None:
        self._layout = load_layout("cclf")
        # Delivered when everything has been paid.
        self._delivered = f"Y{last_year % 100:02d}.D{(last_year + 2) % 100:02d}0401.T0100000"
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._stack = folder, stack
        self._files = {kind: self._open(number) for kind, number in _NUMBERS.items()}

    def _open(self, number: int):  # type: ignore[no-untyped-def]
        path = self._folder / f"P.A0000.ACO.ZC{number}{self._delivered}"
        return self._stack.enter_context(path.open("wb"))

    def write(self, kind: str, count: int, cells: Cells) -> None:
        """Write rows: cells by target column of the layout; a text stands in every row."""
        for start in range(0, count, _ROWS):
            length = min(_ROWS, count - start)
            part = {
                name: pa.repeat(pa.scalar(value), length) if isinstance(value, str) else value.slice(start, length)
                for name, value in cells.items()
            }
            self._files[kind].write(_fixed_width(self._layout[kind], part, length))


def _fixed_width(declared: SourceFile, cells: dict[str, pa.Array], count: int) -> bytes:
    unknown = set(cells) - {field.target for field in declared.fields}
    if unknown:
        raise InternalError(
            Problem(f"fields that {declared.name} does not have: {sorted(unknown)}", FOLDER, "report this")
        )
    columns = []
    for field in declared.fields:
        value = cells.get(field.target) if field.target else None
        if value is None:
            columns.append(pa.repeat(pa.scalar(" " * field.width), count))
            continue
        written = pc.fill_null(value.cast(pa.string()), "")
        if (pc.max(pc.utf8_length(written)).as_py() or 0) > field.width:
            raise InternalError(Problem(f"{declared.name}.{field.name} is too narrow", FOLDER, "report this"))
        columns.append(pc.ascii_rpad(written, field.width))
    end = pa.repeat(pa.scalar("\n"), count)
    rows = pc.binary_join_element_wise(*columns, end, "")
    # All rows are equally wide: the data of the array are the file.
    return memoryview(rows.buffers()[2])[: count * (sum(field.width for field in declared.fields) + 1)].tobytes()


def write_feed(folder: Path, first_year: int, years: int) -> Path:
    """Write a claims folder's members and claims as a feed.

    Parameters
    ----------
    folder
        A claims folder as :func:`openvbp.claims.synthetic.population.generate` writes it.
    first_year, years
        Calendar years that it holds.

    Returns
    -------
    The folder of the feed, ``cclf`` in the claims folder.
    """
    to = folder / FOLDER
    second_year = pa.scalar(date(first_year + 1, 1, 1), pa.date32())
    with contextlib.ExitStack() as stack:
        feed = _Feed(to, first_year + years - 1, stack)
        for number, path in enumerate(sorted((folder / "eligibility").glob("*.parquet"))):
            name = path.name
            _write_members(feed, pq.read_table(path).combine_chunks())
            claims = _delivered_once(pq.read_table(folder / "medical_claim" / name).combine_chunks())
            claims = _with_earlier_identifiers(claims, second_year)
            _write_institutional(feed, claims.filter(pc.equal(claims["claim_type"], "institutional")))
            _write_professional(feed, claims.filter(pc.equal(claims["claim_type"], "professional")))
            fills = pq.read_table(folder / "pharmacy_claim" / name).combine_chunks()
            _write_fills(feed, fills, number)
    return to


def _one(table: pa.Table, name: str) -> pa.Array:
    column = table[name]
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks or [pa.array([], column.type)])


def _delivered_once(claims: pa.Table) -> pa.Table:
    key = _one(claims, "claim_id").cast(pa.int64()).to_numpy() * 1000 + _one(claims, "claim_line_number").to_numpy()
    first = np.sort(np.unique(key, return_index=True)[1])
    return claims.take(pa.array(first)).combine_chunks()


def _earlier(person: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise("T", pc.utf8_slice_codeunits(person, 1), "")


def _with_earlier_identifiers(claims: pa.Table, second_year: pa.Scalar) -> pa.Table:
    person = _one(claims, "person_id")
    is_early = pc.and_(pc.ends_with(person, "00"), pc.less(_one(claims, "claim_start_date"), second_year))
    at = claims.schema.get_field_index("person_id")
    return claims.set_column(at, "person_id", pc.if_else(is_early, _earlier(person), person)).combine_chunks()


def _versions(rows: pa.Table) -> Cells:
    """Cells of the version: adjustment type, days, amounts as they are."""
    return {
        "adjustment_type": pc.fill_null(_one(rows, "adjustment_type"), "0"),
        "effective_date": pc.coalesce(_one(rows, "effective_date"), _one(rows, "paid_date")),
        "idr_load_date": _one(rows, "file_date"),
    }


def _shared(rows: pa.Table, *names: str) -> Cells:
    return {name: _one(rows, name) for name in names}


def _write_institutional(feed: _Feed, lines: pa.Table) -> None:
    lines = lines.combine_chunks()
    is_first = pc.equal(_one(lines, "claim_line_number"), 1)
    begins = np.flatnonzero(is_first.to_numpy(zero_copy_only=False))
    cents = pc.multiply(_one(lines, "paid_amount"), pa.scalar(100)).cast(pa.int64(), safe=False).to_numpy()
    sums = np.add.reduceat(cents, begins) if len(begins) else cents[:0]
    headers = lines.filter(is_first).combine_chunks()
    bill = _one(headers, "bill_type_code")
    kinds = pc.utf8_slice_codeunits(bill, 0, 2)
    known = pc.index_in(kinds, pa.array(list(_CLAIM_TYPES)))
    kind = pc.fill_null(pa.array(list(_CLAIM_TYPES.values())).take(known), "40")
    denied = pc.equal(_one(headers, "claim_status"), "denied")
    count = headers.num_rows
    control = pc.coalesce(_one(headers, "claim_control_number"), _one(headers, "claim_id"))
    feed.write(
        "part_a_header",
        count,
        {
            **_shared(headers, "claim_id", "facility_ccn", "person_id", "claim_start_date", "claim_end_date"),
            **_shared(headers, "facility_npi", "operating_npi", "attending_npi", "other_npi", "drg_code"),
            **_shared(headers, "discharge_disposition_code", "admit_type_code", "admit_source_code"),
            **_versions(headers),
            "x_claim_type_code": kind,
            "bill_facility": pc.utf8_slice_codeunits(bill, 0, 1),
            "bill_classification": pc.utf8_slice_codeunits(bill, 1, 2),
            "bill_frequency": pc.utf8_slice_codeunits(bill, 2, 3),
            "principal_diagnosis": _one(headers, "diagnosis_code_1"),
            "denial_code": pc.if_else(denied, pa.scalar("N"), pa.scalar("")),
            "claim_paid_amount": decimals(sums).cast(pa.decimal128(18, 2)),
            "icd_indicator": _ICD_10,
            "billing_ccn": _one(headers, "facility_ccn"),
            "billing_npi": _one(headers, "facility_npi"),
            "x_control_number": _one(headers, "claim_id"),
            "x_original_control_number": control,
        },
    )
    feed.write(
        "part_a_line",
        lines.num_rows,
        {
            **_shared(lines, "claim_id", "claim_line_number", "revenue_center_code", "hcpcs_code"),
            **_shared(lines, "hcpcs_modifier_1", "service_unit_quantity"),
            "claim_line_start_date": _one(lines, "claim_start_date"),
            "claim_line_end_date": _one(lines, "claim_end_date"),
            "line_paid_amount": _one(lines, "paid_amount"),
        },
    )
    treated = headers.filter(pc.is_valid(_one(headers, "procedure_code_1"))).combine_chunks()
    procedures = {
        "procedure_code": _one(treated, "procedure_code_1"),
        "procedure_date": _one(treated, "procedure_date_1"),
    }
    feed.write("part_a_procedure", treated.num_rows, {**_shared(treated, "claim_id"), "sequence": "1", **procedures})
    for place in range(1, _DIAGNOSES + 1):
        coded = headers.filter(pc.is_valid(_one(headers, f"diagnosis_code_{place}"))).combine_chunks()
        diagnosis = {"diagnosis_code": _one(coded, f"diagnosis_code_{place}")}
        cells = {**_shared(coded, "claim_id"), "kind": "D", "sequence": str(place), **diagnosis}
        feed.write("part_a_diagnosis", coded.num_rows, cells)


def _write_professional(feed: _Feed, lines: pa.Table) -> None:
    is_supplier = pc.equal(_one(lines.combine_chunks(), "rendering_specialty_code"), _SUPPLIER)
    for kind, mask in (("part_b_line", pc.invert(is_supplier)), ("equipment_line", is_supplier)):
        rows = lines.filter(mask).combine_chunks()
        denied = pc.equal(_one(rows, "claim_status"), "denied")
        cells: Cells = {
            **_shared(rows, "claim_id", "claim_line_number", "person_id", "claim_start_date", "claim_end_date"),
            **_shared(rows, "place_of_service_code", "hcpcs_code", "paid_amount", "allowed_amount"),
            **_versions(rows),
            "x_claim_type_code": "71" if kind == "part_b_line" else "82",
            "claim_line_start_date": _one(rows, "claim_start_date"),
            "claim_line_end_date": _one(rows, "claim_end_date"),
            "denial_code": pc.if_else(denied, pa.scalar("0"), pa.scalar("1")),
            "processing_code": pc.if_else(denied, pa.scalar("D"), pa.scalar("A")),
            "claim_control_number": pc.coalesce(_one(rows, "claim_control_number"), _one(rows, "claim_id")),
        }
        if kind == "part_b_line":
            cells |= {
                **_shared(rows, "rendering_specialty_code", "rendering_tin", "rendering_npi", "service_unit_quantity"),
                **_shared(rows, "hcpcs_modifier_1", *(f"diagnosis_code_{place}" for place in range(1, _DIAGNOSES + 1))),
                "line_diagnosis": _one(rows, "diagnosis_code_1"),
                "icd_indicator": _ICD_10,
            }
        else:
            cells["billing_npi"] = _one(rows, "rendering_npi")
        feed.write(kind, rows.num_rows, cells)


def _write_fills(feed: _Feed, fills: pa.Table, part: int) -> None:
    count = fills.num_rows
    numbers = pa.array(np.arange(count) + part * 10_000_000).cast(pa.string())
    paid, allowed = _one(fills, "paid_amount"), _one(fills, "allowed_amount")
    feed.write(
        "part_d",
        count,
        {
            **_shared(fills, "claim_id", "person_id", "ndc_code", "dispensing_date", "quantity", "days_supply"),
            "dispensing_qualifier": "07",
            "dispensing_id": "9900001",
            "dispensing_status": "",
            "prescribing_qualifier": "01",
            "prescribing_id_long": _one(fills, "prescribing_provider_npi"),
            "patient_paid_amount": pc.subtract(allowed, paid).cast(pa.decimal128(18, 2)),
            "adjustment_type": "0",
            "effective_date": _one(fills, "paid_date"),
            "idr_load_date": _one(fills, "paid_date"),
            "reference_number": numbers,
            "fill_number": _one(fills, "refills"),
        },
    )


def _write_members(feed: _Feed, spans: pa.Table) -> None:
    """Write one row per member, as of his last span."""
    person = _one(spans, "person_id")
    is_last = np.append(pc.not_equal(person[1:], person[:-1]).to_numpy(zero_copy_only=False), True)
    is_first = np.roll(is_last, 1)
    last = spans.filter(pa.array(is_last)).combine_chunks()
    begin = _one(spans, "enrollment_start_date").filter(pa.array(is_first))
    fips = _one(last, "county_fips")
    race = pa.array(list(_RACES.values())).take(pc.index_in(_one(last, "race"), pa.array(list(_RACES))))
    feed.write(
        "beneficiary",
        last.num_rows,
        {
            **_shared(
                last, "person_id", "birth_date", "medicare_status_code", "dual_status_code", "death_date", "state"
            ),
            **_shared(last, "original_reason_entitlement_code"),
            "fips_state": pc.utf8_slice_codeunits(fips, 0, 2),
            "fips_county": pc.utf8_slice_codeunits(fips, 2, 5),
            "gender": pc.if_else(pc.equal(_one(last, "gender"), "male"), pa.scalar("1"), pa.scalar("2")),
            "race": race,
            "range_begin_date": begin,
            "range_end_date": _one(last, "enrollment_end_date"),
            "buy_in": pc.if_else(_one(last, "has_part_b"), pa.scalar("3"), pa.scalar("1")),
            "part_a_begin_date": begin,
            "part_b_begin_date": pc.if_else(_one(last, "has_part_b"), begin, pa.scalar(None, pa.date32())),
        },
    )
    former = _one(last, "person_id").filter(pc.ends_with(_one(last, "person_id"), "00"))
    feed.write(
        "identifier",
        len(former),
        {"identifier_kind": "M", "current_id": former, "previous_id": _earlier(former), "id_start_date": "2018-04-01"},
    )
