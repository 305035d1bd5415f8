"""Stays that can be priced: every row of the claim files is accepted or rejected with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.checked_rows import IS_COPY, RowCheck, accepted, check_rows, reject, rejected_cells
from openvbp.declared_tables import DeclaredTable, TextRows, read_rows
from openvbp.engine import Engine, open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.parameters import Scenario
from openvbp.program import Check, InputFile, ProgramInputs
from openvbp.programs.dra_hac.input_files import DIAGNOSES, PROCEDURES, STAYS
from openvbp.programs.dra_hac.reference_tables import ReferenceTable, read_reference_tables

BLANK = "blank"
"""Name of the empty present-on-admission indicator in the parameters."""

_ORDER = {"stays": ("stay_id",), "diagnoses": ("stay_id", "sequence"), "procedures": ("stay_id", "sequence")}
_MAY_BE_ABSENT = {
    "procedures": pa.schema([("stay_id", pa.string()), ("sequence", pa.int64()), ("code", pa.string())]),
    "cc_exclusions": pa.schema(
        [(name, pa.string()) for name in ("exclusion_collection", "code", "code_system")]
        + [("valid_from", pa.date32()), ("valid_to", pa.date32())]
    ),
}
"""Tables whose files are not needed when no code list refers to them."""


@dataclass(frozen=True)
class HacInputs:
    """What the stages need: accepted rows by table, and what was rejected."""

    tables: dict[str, pa.Table]
    rejected: pa.Table
    categories_with_codes: frozenset[str]


@dataclass
class _ClaimFile:
    text: TextRows
    rows: ir.Table


def read(directory: Path, declared: Scenario) -> ProgramInputs:
    """Read stays, their diagnoses and procedures, and the grouper's tables.

    Parameters
    ----------
    directory
        Folder with the files that the program's README describes.
    declared
        The parameters of the fiscal year.

    Raises
    ------
    InputDataError
        If a file is missing or broken, a reference table cannot be used, or no stay remains.
    """
    with open_engine() as engine:
        reference = read_reference_tables(engine, directory, declared)
        in_use = {name: _in_use(table.rows, declared) for name, table in reference.items()}
        _demand_in_use(engine, reference, in_use, declared)
        claims = _read_claims(engine, directory, declared, in_use)
        tables = {name: engine.to_arrow(table) for name, table in in_use.items()}
        for name, file in claims.items():
            tables[name] = engine.to_arrow(accepted(file.rows).order_by(_ORDER[name]))
        rejected = pa.concat_tables(
            engine.to_arrow(rejected_cells(file.rows, file.text.declared)) for file in claims.values()
        )
        tables |= {name: schema.empty_table() for name, schema in _MAY_BE_ABSENT.items() if name not in tables}
        checks = _checks(engine, claims, in_use, declared, tables["hac_codes"])
    files = [*map(_reference_file, reference.values())]
    files += [_claim_input_file(name, file, tables[name].num_rows) for name, file in claims.items()]
    content = HacInputs(tables, rejected, frozenset(_secondary_categories(tables["hac_codes"])))
    return ProgramInputs(files, declared, content, checks)


def _reference_file(table: ReferenceTable) -> InputFile:
    text = table.text
    count = text.rows.num_rows
    return InputFile(
        text.declared.file_name, text.sha256, "reference", count, count - table.rejected_rows, table.rejected_rows
    )


def _claim_input_file(name: str, file: _ClaimFile, accepted_rows: int) -> InputFile:
    text = file.text
    count = text.rows.num_rows
    return InputFile(text.declared.file_name, text.sha256, name, count, accepted_rows, count - accepted_rows)


def _in_use(rows: ir.Table, scenario: Scenario) -> ir.Table:
    """Keep rows that are valid in the period, in the period's code systems."""
    valid = rows.filter((_.valid_from <= scenario.period.end) & (_.valid_to >= scenario.period.start))
    if "code_system" not in rows.columns:
        return valid
    systems = [scenario.value("diagnosis_code_system"), scenario.value("procedure_code_system")]
    return valid.filter(_.code_system.isin(systems))


def _demand_in_use(
    engine: Engine, reference: dict[str, ReferenceTable], in_use: dict[str, ir.Table], scenario: Scenario
) -> None:
    systems = f"{scenario.value('diagnosis_code_system')} and {scenario.value('procedure_code_system')}"
    problems = [
        Problem(
            f"no row is valid in {scenario.period.label}",
            str(table.text.path),
            f"give rows whose from and to include days of the period; its code systems are {systems}",
            table.text.rows.num_rows,
        )
        for name, table in reference.items()
        if not engine.to_arrow(in_use[name].limit(1)).num_rows
    ]
    if problems:
        raise InputDataError(problems)


def _read_claims(
    engine: Engine, directory: Path, scenario: Scenario, reference: dict[str, ir.Table]
) -> dict[str, _ClaimFile]:
    period = scenario.period
    in_period = RowCheck(
        "discharge_date",
        lambda rows: ~rows.discharge_date.between(period.start, period.end),
        f"not a discharge of {period.label}",
    )
    claims = {
        "stays": _claim_file(engine, directory, STAYS, in_period),
        "diagnoses": _claim_file(engine, directory, DIAGNOSES, _indicator_check(scenario)),
    }
    needs_procedures = engine.to_arrow(reference["hac_codes"].filter(_.role == "procedure").limit(1)).num_rows
    if needs_procedures or (directory / PROCEDURES.file_name).is_file():
        claims["procedures"] = _claim_file(engine, directory, PROCEDURES)
    stays = claims["stays"]
    children = [name for name in claims if name != "stays"]
    stays.rows = _reject_without_triplet(stays.rows, reference["drg_triplets"])
    stays.rows = _reject_without_diagnoses(stays.rows, [claims[name] for name in children])
    stays.rows = engine.compute(stays.rows, "stays_decided")
    _demand_stays(engine, stays)
    kept = stays.rows.filter(_.problem.isnull())
    for name in children:
        rows = claims[name].rows
        outside = reject(
            rows, rows.stay_id.notin(kept.stay_id), "stay_id", "its stay is not among the accepted rows of stays.csv"
        )
        claims[name].rows = engine.compute(outside, f"{name}_decided")
    return claims


def _reject_without_diagnoses(stays: ir.Table, children: list[_ClaimFile]) -> ir.Table:
    """Reject stays of which a row was rejected, or that have no principal diagnosis: their DRG is not known."""
    for file in children:
        broken = file.rows.filter(_.problem.notnull() & (_.problem != IS_COPY) & _.stay_id.notnull())
        reason = f"a row of {file.text.declared.file_name} was rejected, so the DRG cannot be determined"
        stays = reject(stays, stays.stay_id.isin(broken.stay_id), "stay_id", reason)
    principal = children[0].rows.filter(_.problem.isnull() & (_.sequence == 1))
    reason = "no principal diagnosis (sequence 1) in stay_diagnoses.csv"
    return reject(stays, stays.stay_id.notin(principal.stay_id), "stay_id", reason)


def _claim_file(engine: Engine, directory: Path, declared: DeclaredTable, *checks: RowCheck) -> _ClaimFile:
    text = read_rows(directory, declared)
    return _ClaimFile(text, check_rows(engine, text, checks))


def _indicator_check(scenario: Scenario) -> RowCheck:
    known = list(scenario.keyed("pays_complication"))
    return RowCheck(
        "present_on_admission",
        lambda rows: indicator(rows).notin(known),
        f"not a present-on-admission indicator of {scenario.period.label}: " + ", ".join(known),
    )


def indicator(diagnoses: ir.Table) -> ir.StringValue:
    """Present-on-admission indicator as the parameters name it."""
    return diagnoses.present_on_admission.upper().fill_null(BLANK)


def _reject_without_triplet(stays: ir.Table, triplets: ir.Table) -> ir.Table:
    valid = triplets.select("drg", "valid_from", "valid_to").rename(known_drg="drg").distinct()
    grouped = stays.join(
        valid,
        [
            stays.drg == valid.known_drg,
            stays.discharge_date >= valid.valid_from,
            stays.discharge_date <= valid.valid_to,
        ],
    )
    reason = "drg_triplets.csv has no triplet with this DRG on the discharge date"
    return reject(stays, stays.row_number.notin(grouped.row_number), "drg", reason)


def _demand_stays(engine: Engine, stays: _ClaimFile) -> None:
    reasons = stays.rows.group_by("problem").agg(times=_.count()).order_by(ibis.desc("times"), "problem")
    found = engine.to_arrow(reasons).to_pylist()
    if any(one["problem"] is None for one in found):
        return
    raise InputDataError(
        Problem(
            "no stay can be priced",
            str(stays.text.path),
            "correct the files: every stay needs a DRG with a triplet, a principal diagnosis and right rows",
            stays.text.rows.num_rows,
            tuple(f"{one['problem']} ({one['times']:,} stays)" for one in found[:3]),
        )
    )


def _checks(
    engine: Engine,
    claims: dict[str, _ClaimFile],
    reference: dict[str, ir.Table],
    scenario: Scenario,
    hac_codes: pa.Table,
) -> list[Check]:
    secondary = accepted(claims["diagnoses"].rows).filter(_.sequence > 1)
    counts = secondary.aggregate(
        diagnoses=_.count(), matched=secondary.code.isin(reference["cc_codes"].code).cast("int64").sum()
    )
    count = engine.to_arrow(counts).to_pylist()[0]
    without = sorted(set(scenario.keyed("is_selected_category")) - _secondary_categories(hac_codes))
    found = [
        Check(
            "category_without_codes",
            len(without),
            "hac_codes.csv has no diagnoses of these categories in the period, so they cannot be determined",
            tuple(without[:3]),
        ),
        Check(
            "no_diagnosis_in_cc_list",
            count["diagnoses"] if not count["matched"] else 0,
            "no secondary diagnosis is in cc_codes.csv: check how the codes are written",
        ),
    ]
    return [check for check in found if check.count]


def _secondary_categories(hac_codes: pa.Table) -> set[str]:
    rows = hac_codes.select(["category", "role"]).to_pylist()
    return {row["category"] for row in rows if row["role"] == "secondary_diagnosis"}
