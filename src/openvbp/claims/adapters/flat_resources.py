"""FHIR resources turned into flat rows of text: ExplanationOfBenefit, Patient and Coverage, STU3 and R4."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from openvbp.claims.adapters.layout import SourceFile
from openvbp.claims.adapters.text_problems import problem

Resource = dict[str, Any]
_BATCH_ROWS = 20_000
_ADJUDICATION = {
    # Variables of STU3 resources, by the words that R4 uses.
    "line_nch_pmt_amt": "benefit",
    "rev_cntr_pmt_amt_amt": "benefit",
    "line_alowd_chrg_amt": "eligible",
    "line_sbmtd_chrg_amt": "submitted",
    "rev_cntr_tot_chrg_amt": "submitted",
    "line_coinsrnc_amt": "coinsurance",
    "line_bene_ptb_ddctbl_amt": "deductible",
    "line_prvdr_pmt_amt": "paidtoprovider",
    "line_prcsg_ind_cd": "processing",
    "clm_line_prcsg_ind_cd": "processing",
    "cvrd_d_plan_pd_amt": "benefit",
    "tot_rx_cst_amt": "submitted",
    "ptnt_pay_amt": "paidbypatient",
}
_INFORMATION = {
    "admissionperiod": "admission",
    "discharge-status": "discharge_status",
    "admtype": "admission_type",
    "pointoforigin": "admission_source",
    "typeofbill": "bill_type",
    "drg": "drg",
    "clm_adjstmt_type_cd": "adjustment",
    "dayssupply": "days_supply",
    "refillnum": "refill",
}
_ROLES = {
    "rendering": "rendering",
    "performing": "rendering",
    "primary": "rendering",
    "attending": "attending",
    "operating": "operating",
    "otheroperating": "other",
    "other": "other",
    "referring": "referring",
    "prescribing": "prescribing",
}
_KINDS = {
    "professional": "line",
    "institutional": "line",
    "pharmacy": "drug",
    "Patient": "patient",
    "Coverage": "coverage",
}
"""Kinds of rows by the type of a claim, or of another resource."""
_NAMED = re.compile(rb'"(?:code|resourceType)"\s*:\s*"(' + "|".join(_KINDS).encode() + rb')"')
_NOT_LISTED = ("admitting", "patientreasonforvisit")
"""Kinds of diagnoses that are not among those of the claim."""


def kinds_of_rows(path: Path) -> list[str]:
    """Say which kinds of rows a file may hold, by the names in it: ``line``, ``drug``, ``patient``, ``coverage``."""
    names: set[bytes] = set()
    with path.open("rb") as lines:
        for line in lines:
            names.update(_NAMED.findall(line))
    return sorted({_KINDS[name.decode()] for name in names})


def read_resources(path: Path, kind: str, declared: SourceFile) -> pa.RecordBatchReader:
    """Read the rows of one kind: one per item of a claim, one per other resource.

    Returns
    -------
    Batches of ``line_number`` (of the line, or of the entry in a bundle) and one text per field of the layout.

    Raises
    ------
    InputDataError
        If a line is not a JSON resource.
    """
    names = [field.name for field in declared.used]
    schema = pa.schema([("line_number", pa.int64()), *((name, pa.string()) for name in names)])

    def batches() -> Iterator[pa.RecordBatch]:
        rows: list[dict[str, Any]] = []
        for number, one in _resources(path):
            if _kind(one) == kind:
                rows += [{"line_number": number, **row} for row in _FLAT[kind](one)]
            if len(rows) >= _BATCH_ROWS:
                yield _batch(rows, names, schema)
                rows = []
        if rows:
            yield _batch(rows, names, schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _batch(rows: Sequence[dict[str, Any]], names: Sequence[str], schema: pa.Schema) -> pa.RecordBatch:
    cells: dict[str, list[str | None]] = {}
    for place, row in enumerate(rows):
        for name, value in row.items():
            if value is not None:
                cells.setdefault(name, [None] * len(rows))[place] = str(value)
    numbers = pa.array([row["line_number"] for row in rows], pa.int64())
    nothing = pa.nulls(len(rows), pa.string())
    columns = [pa.array(cells[name], pa.string()) if name in cells else nothing for name in names]
    return pa.RecordBatch.from_arrays([numbers, *columns], schema=schema)


def _resources(path: Path) -> Iterator[tuple[int, Resource]]:
    """Give resources with their place: NDJSON, one resource in the whole file, or the entries of bundles."""
    with path.open("rb") as lines:
        first = lines.readline()
        lines.seek(0)
        # Numbers stay as they are written, so that no amount passes through a binary float.
        if not first.rstrip().endswith(b"}"):
            yield from _entries(1, _parsed(path, 1, lines.read()))
            return
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield from _entries(number, _parsed(path, number, line))


def _parsed(path: Path, number: int, text: bytes) -> Resource:
    try:
        found = json.loads(text.decode("utf-8"), parse_float=str)
    except (ValueError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict) or "resourceType" not in found:
        raise problem(path, f"line {number} is not a FHIR resource in JSON", "get the file again")
    return found


def _entries(number: int, found: Resource) -> Iterator[tuple[int, Resource]]:
    if found["resourceType"] == "Bundle":
        yield from ((place, entry["resource"]) for place, entry in enumerate(found.get("entry", []), 1))
    else:
        yield number, found


def _kind(one: Resource) -> str | None:
    if one["resourceType"] == "ExplanationOfBenefit":
        return _KINDS.get(_type(one) or "", "line")
    return _KINDS.get(one["resourceType"])


def _codings(concept: Any) -> list[Resource]:
    """Codings of a concept, or of a list of concepts."""
    concepts = concept if isinstance(concept, list) else [concept or {}]
    return [coding for one in concepts for coding in one.get("coding", [])]


def _code(concept: Any, *systems: str) -> str | None:
    """First code of a concept, of a system whose name ends so if any are given."""
    for coding in _codings(concept):
        name = coding.get("system", "").lower()
        if not systems or any(name.endswith(system) for system in systems):
            return coding.get("code")
    return None


def _type(one: Resource) -> str | None:
    return _code(one.get("type"), "/claim-type", "/ex-claimtype")


def _reference(one: Resource | None) -> str | None:
    return ((one or {}).get("reference") or "").rpartition("/")[2].removeprefix("#") or None


def _flat_claim(one: Resource) -> Iterator[dict[str, Any]]:
    head = _head(one)
    team = {member.get("sequence"): member for member in one.get("careTeam", [])}
    contained = {part.get("id"): part for part in one.get("contained", [])}
    for member in team.values():
        head.setdefault(_ROLES.get(_code(member.get("role")) or "", "unknown"), _npi(member.get("provider"), contained))
    rendering = head.pop("rendering", None)
    head |= _billing(one, contained)
    for number, item in enumerate(one.get("item") or [{}], 1):
        linked = [
            team[place] for place in item.get("careTeamSequence", item.get("careTeamLinkId", [])) if place in team
        ]
        by = next((member for member in linked if _ROLES.get(_code(member.get("role")) or "") == "rendering"), None)
        yield {
            **head,
            "rendering": _npi(by.get("provider"), contained) if by else rendering,
            "specialty": _code(by.get("qualification"), "prvdr-spclty-cd", "prvdr_spclty") if by else None,
            **_item(item, number),
        }


def _head(one: Resource) -> dict[str, Any]:
    identifiers = one.get("identifier", [])
    unique = next((each for each in identifiers if each.get("system", "").endswith(("clm_id", "pde_id"))), None)
    unique = unique or next((each for each in identifiers if _code(each.get("type")) == "uc"), {})
    control = next((each for each in identifiers if each.get("system", "").endswith("CLM-CNTL-NUM")), {})
    period = one.get("billablePeriod", {})
    return {
        "claim_id": unique.get("value") or one.get("id"),
        "control_number": control.get("value"),
        "person": _reference(one.get("patient")),
        "type": _type(one),
        "status": one.get("status"),
        "use": one.get("use"),
        "claim_type_code": _code(one.get("type"), "clm-type-cd", "nch_clm_type_cd"),
        "eob_type": _code(one.get("type"), "eob-type"),
        "start": period.get("start"),
        "end": period.get("end"),
        "created": one.get("created"),
        "claim_paid": one.get("payment", {}).get("amount", {}).get("value"),
        **_information(one),
        **_diagnoses(one),
        **_procedures(one),
    }


def _information(one: Resource) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for info in one.get("supportingInfo", one.get("information", [])):
        codes = [coding.get("code", "").lower() for coding in _codings(info.get("category"))]
        name = next((_INFORMATION[code] for code in codes if code in _INFORMATION), None)
        if name is None:
            continue
        period = info.get("timingPeriod", {})
        given[f"{name}_start"], given[f"{name}_end"] = period.get("start"), period.get("end")
        quantity = info.get("valueQuantity", {}).get("value")
        given[name] = _code(info.get("code")) or quantity or info.get("valueString")
    return given


def _diagnoses(one: Resource) -> dict[str, Any]:
    listed = []
    for diagnosis in one.get("diagnosis", []):
        kinds = [coding.get("code", "") for coding in _codings(diagnosis.get("type"))]
        coding = next(iter(_codings(diagnosis.get("diagnosisCodeableConcept"))), {})
        if not any(kind in _NOT_LISTED for kind in kinds) and coding.get("code"):
            place = 0 if "principal" in kinds else 2 if "externalcauseofinjury" in kinds else 1
            listed.append((place, diagnosis.get("sequence", 0), coding, _code(diagnosis.get("onAdmission"))))
    listed.sort(key=lambda each: each[:2])
    given: dict[str, Any] = {"diagnosis_system": listed[0][2].get("system") if listed else None}
    codes = {coding["code"]: poa for _place, _sequence, coding, poa in reversed(listed)}
    for number, code in enumerate(dict.fromkeys(coding["code"] for _place, _sequence, coding, _poa in listed), 1):
        given[f"diagnosis_{number}"], given[f"poa_{number}"] = code, codes[code]
    return given


def _procedures(one: Resource) -> dict[str, Any]:
    given = {}
    for number, procedure in enumerate(sorted(one.get("procedure", []), key=lambda each: each.get("sequence", 0)), 1):
        given[f"procedure_{number}"] = _code(procedure.get("procedureCodeableConcept"))
        given[f"procedure_date_{number}"] = procedure.get("date")
    return given


def _npi(provider: Resource | None, contained: dict[str, Resource]) -> str | None:
    identifier = (provider or {}).get("identifier") or {}
    return identifier.get("value") or _identifiers(contained.get(_reference(provider) or "", {})).get("npi")


def _billing(one: Resource, contained: dict[str, Resource]) -> dict[str, Any]:
    found = _identifiers(contained.get(_reference(one.get("provider")) or "", {}))
    npi = found.get("npi") or _npi(one.get("provider") or one.get("organization"), contained)
    return {"provider": npi, "provider_ccn": found.get("ccn"), "provider_tax": found.get("tax")}


def _identifiers(one: Resource) -> dict[str, str]:
    given = {}
    for identifier in one.get("identifier", []):
        system = identifier.get("system", "").lower()
        kind = (_code(identifier.get("type")) or "").lower()
        if system.endswith("us-npi") or kind in ("npi", "prn"):
            given["npi"] = identifier.get("value")
        elif system.endswith(("/ccn", "prvdr_num")):
            given["ccn"] = identifier.get("value")
        elif kind == "tax" or system.endswith("tax_num"):
            given["tax"] = identifier.get("value")
    return given


def _item(item: Resource, number: int) -> dict[str, Any]:
    period = item.get("servicedPeriod", {})
    service = item.get("productOrService") or item.get("service")
    parts = [item, *item.get("detail", [])]
    drugs = (_code(part.get("productOrService") or part.get("service"), "sid/ndc") for part in parts)
    taxes = [
        extension.get("valueIdentifier", {}).get("value")
        for extension in item.get("extension", [])
        if extension.get("url", "").lower().endswith(("prvdr-tax-num", "/tax_num"))
    ]
    return {
        "sequence": item.get("sequence", number),
        "item_start": item.get("servicedDate") or period.get("start"),
        "item_end": item.get("servicedDate") or period.get("end"),
        "revenue": _code(item.get("revenue"), "rev-cntr-cd", "rev_cntr", "revenuecodes"),
        "procedure_or_service": _code(service, "hcpcs", "/cpt", "hcpcsreleasecodesets", "hcpcs_cd"),
        **{f"modifier_{place}": _code(each) for place, each in enumerate(item.get("modifier", [])[:5], 1)},
        "quantity": next((part["quantity"].get("value") for part in parts if "quantity" in part), None),
        "place_of_service": _code(item.get("locationCodeableConcept")),
        "rendering_tax": next((tax for tax in taxes if tax), None),
        "ndc": next((drug for drug in drugs if drug), None),
        **_adjudication(item),
    }


def _adjudication(item: Resource) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for one in item.get("adjudication", []):
        for coding in _codings(one.get("category")):
            name = coding.get("code", "").rpartition("/")[2].lower()
            # The first of a kind counts: further ones are parts of it.
            given.setdefault(
                _ADJUDICATION.get(name, name), one.get("amount", {}).get("value") or _code(one.get("reason"))
            )
    return given


def _extension(one: Resource, name: str) -> Any:
    for extension in one.get("extension", []):
        if extension.get("url", "").endswith(f"/{name}"):
            coding = extension.get("valueCoding") or {}
            return coding.get("code") or extension.get("valueDate")
    return None


def _flat_patient(one: Resource) -> Iterator[dict[str, Any]]:
    mbi = [each.get("value") for each in one.get("identifier", []) if each.get("system", "").endswith("us-mbi")]
    address = next(iter(one.get("address", [])), {})
    yield {
        "person": one.get("id"),
        "mbi": next(iter(mbi), None),
        "gender": one.get("gender"),
        "birth_date": one.get("birthDate"),
        "death_date": one.get("deceasedDateTime"),
        "race": _extension(one, "race"),
        "state": address.get("state"),
    }


def _flat_coverage(one: Resource) -> Iterator[dict[str, Any]]:
    part = one.get("grouping", {}).get("subPlan")
    yield {
        "person": _reference(one.get("beneficiary")),
        "part": part or next((each.get("value") for each in one.get("class", [])), None),
        "status": one.get("status"),
        "year": _extension(one, "rfrnc_yr"),
        "medicare_status": _extension(one, "ms_cd"),
        "original_reason": _extension(one, "orec"),
    }


_FLAT = {"line": _flat_claim, "drug": _flat_claim, "patient": _flat_patient, "coverage": _flat_coverage}
