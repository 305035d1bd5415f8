"""From codes to the DRG of each stay, with and without the conditions acquired in the hospital."""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import Engine
from openvbp.parameters import Scenario
from openvbp.programs.dra_hac import rules
from openvbp.programs.dra_hac.inputs import indicator

_STAY = ["scenario_id", "stay_id"]
_DEFINITION = ["scenario_id", "category", "alternative"]
_CONDITION = [*_DEFINITION, "stay_id"]
_CATEGORY = pa.schema([("scenario_id", pa.string()), ("category", pa.string())])
_INDICATOR = pa.schema(
    [
        ("scenario_id", pa.string()),
        ("indicator", pa.string()),
        ("pays_complication", pa.bool_()),
        ("is_indicator_unverified", pa.bool_()),
    ]
)


def group_stays(
    engine: Engine, tables: dict[str, ir.Table], scenarios: Sequence[Scenario], name: str = ""
) -> dict[str, ir.Table]:
    """Find the acquired conditions of every stay and its DRG with and without them.

    Parameters
    ----------
    tables
        Accepted rows of the input files, by table.
    scenarios
        The rules to apply.
    name
        Prefix that keeps this call's tables apart from another's.

    Returns
    -------
    Tables by name: ``stay_condition`` (scenario × stay × category that applies), ``stay_diagnosis`` (scenario × stay ×
    secondary diagnosis), ``stay_result`` (scenario × stay with DRGs, weights and payments).
    """
    categories = engine.table(_categories(scenarios), f"{name}category")
    indicators = engine.table(_indicators(scenarios), f"{name}indicator")
    stays = tables["stays"]
    principal = tables["diagnoses"].filter(_.sequence == 1).select("stay_id", principal_diagnosis="code")
    stays = stays.inner_join(principal, "stay_id")
    secondary = tables["diagnoses"].filter(_.sequence > 1).mutate(indicator=indicator)
    secondary = secondary.inner_join(stays, "stay_id").inner_join(indicators, "indicator")
    secondary = engine.compute(rules.is_not_present_on_admission(secondary), f"{name}secondary_diagnosis")
    hac_codes = tables["hac_codes"].mutate(alternative=_.alternative.fill_null("1"), part=ibis.coalesce(_.part, _.role))
    hac_codes = hac_codes.inner_join(categories, "category")
    members = engine.compute(_members(secondary, hac_codes), f"{name}condition_member")
    conditions = _conditions(members, stays, tables["procedures"], hac_codes)
    conditions = engine.compute(conditions.filter(_.is_condition_acquired), f"{name}acquired_condition")
    diagnoses = _rated(secondary, members, conditions, tables)
    diagnoses = engine.compute(diagnoses, f"{name}stay_diagnosis_computed")
    scenario_ids = indicators.select("scenario_id").distinct()
    grouped = _grouped(stays.cross_join(scenario_ids), diagnoses, tables["drg_triplets"])
    return {
        "stay_condition": conditions.select("scenario_id", "provider_id", "stay_id", measure_id="category").distinct(),
        "stay_diagnosis": diagnoses,
        "stay_result": engine.compute(grouped, f"{name}stay_result_computed"),
    }


def _categories(scenarios: Sequence[Scenario]) -> pa.Table:
    rows = [
        {"scenario_id": scenario.scenario_id, "category": category}
        for scenario in scenarios
        for category, is_selected in scenario.keyed("is_selected_category").items()
        if is_selected
    ]
    return pa.Table.from_pylist(rows, schema=_CATEGORY)


def _indicators(scenarios: Sequence[Scenario]) -> pa.Table:
    rows = [
        {
            "scenario_id": scenario.scenario_id,
            "indicator": name,
            "pays_complication": pays,
            "is_indicator_unverified": scenario.cited("pays_complication", name).unverified,
        }
        for scenario in scenarios
        for name, pays in scenario.keyed("pays_complication").items()
    ]
    return pa.Table.from_pylist(rows, schema=_INDICATOR)


def _valid_on(stays: ir.Table, codes: ir.Table, code: ir.Value) -> list[ir.BooleanValue]:
    """Join conditions: the code, valid on the day of discharge."""
    return [
        code == codes.listed_code,
        stays.discharge_date >= codes.valid_from,
        stays.discharge_date <= codes.valid_to,
    ]


def _listed(codes: ir.Table, *columns: str) -> ir.Table:
    return codes.select(*columns, "valid_from", "valid_to", listed_code="code").distinct()


def _members(secondary: ir.Table, hac_codes: ir.Table) -> ir.Table:
    """Secondary diagnoses in the categories' code lists: scenario × stay × diagnosis × condition × part."""
    listed = hac_codes.filter(_.role.isin(["secondary_diagnosis", "accompanying_diagnosis"]))
    listed = _listed(listed, "scenario_id", "category", "alternative", "part", "role").rename(
        condition_scenario="scenario_id"
    )
    found = secondary.join(
        listed,
        [secondary.scenario_id == listed.condition_scenario, *_valid_on(secondary, listed, secondary.code)],
    )
    return found.select(
        *_CONDITION, "provider_id", "discharge_date", "sequence", "part", "role", "is_not_present_on_admission"
    ).distinct()


def _conditions(members: ir.Table, stays: ir.Table, procedures: ir.Table, hac_codes: ir.Table) -> ir.Table:
    """Count the parts of each definition that a stay meets, and those it needs."""
    trigger = members.filter((_.role == "secondary_diagnosis") & _.is_not_present_on_admission)
    candidates = trigger.select(*_CONDITION, "provider_id", "discharge_date").distinct()
    done = procedures.inner_join(stays.select("stay_id", "discharge_date"), "stay_id")
    met = ibis.union(
        trigger.select(*_CONDITION, "part"),
        _met_by(stays, stays.principal_diagnosis, hac_codes, "principal_diagnosis"),
        _met_by(done, done.code, hac_codes, "procedure"),
        distinct=True,
    )
    parts = met.group_by(*_CONDITION).agg(met_parts=_.part.nunique())
    required = _required_parts(candidates, hac_codes)
    conditions = candidates.inner_join(parts, _CONDITION).inner_join(required, [*_DEFINITION, "discharge_date"])
    return rules.is_condition_acquired(conditions)


def _required_parts(candidates: ir.Table, hac_codes: ir.Table) -> ir.Table:
    """Count the parts of each definition that have codes on the day of discharge."""
    days = candidates.select(*_DEFINITION, "discharge_date").distinct()
    parts = hac_codes.filter(_.role != "accompanying_diagnosis").select(
        "part", "valid_from", "valid_to", **{f"defined_{name}": hac_codes[name] for name in _DEFINITION}
    )
    defined = days.join(
        parts,
        [
            *(days[name] == parts[f"defined_{name}"] for name in _DEFINITION),
            days.discharge_date >= parts.valid_from,
            days.discharge_date <= parts.valid_to,
        ],
    )
    return defined.group_by(*_DEFINITION, "discharge_date").agg(required_parts=_.part.nunique())


def _met_by(rows: ir.Table, code: ir.Value, hac_codes: ir.Table, role: str) -> ir.Table:
    listed = _listed(hac_codes.filter(_.role == role), "scenario_id", "category", "alternative", "part")
    return rows.join(listed, _valid_on(rows, listed, code)).select(*_CONDITION, "part").distinct()


def _rated(secondary: ir.Table, members: ir.Table, conditions: ir.Table, tables: dict[str, ir.Table]) -> ir.Table:
    """Severity of every secondary diagnosis, as coded and as counted."""
    codes = _listed(tables["cc_codes"], "cc_level", "exclusion_collection", "only_if_alive")
    rated = secondary.left_join(codes, _valid_on(secondary, codes, secondary.code)).drop("valid_from", "valid_to")
    acquired = members.semi_join(conditions, _CONDITION)
    rated = _flagged(rated, acquired, "is_in_acquired_condition")
    rated = _flagged(rated, _excluded(rated, tables["cc_exclusions"]), "is_excluded_by_principal_diagnosis")
    for rule in (rules.is_disregarded, rules.severity, rules.counted_severity):
        rated = rule(rated)
    return rated


def _excluded(rated: ir.Table, exclusions: ir.Table) -> ir.Table:
    """Diagnoses whose exclusion collection holds the principal diagnosis of their stay."""
    listed = _listed(exclusions, "exclusion_collection").rename(
        excluding_collection="exclusion_collection",
        first_day="valid_from",
        last_day="valid_to",
        excluding="listed_code",
    )
    return rated.join(
        listed,
        [
            rated.exclusion_collection == listed.excluding_collection,
            rated.principal_diagnosis == listed.excluding,
            rated.discharge_date >= listed.first_day,
            rated.discharge_date <= listed.last_day,
        ],
    )


def _flagged(diagnoses: ir.Table, found: ir.Table, flag: str) -> ir.Table:
    """Add a flag that is true for the diagnoses that were found."""
    keys = [*_STAY, "sequence"]
    marks = found.select(*keys).distinct().mutate(mark=ibis.literal(True))  # noqa: FBT003
    joined = diagnoses.left_join(marks, keys).drop(*(f"{key}_right" for key in keys))
    return joined.mutate(**{flag: joined.mark.fill_null(False)}).drop("mark")  # noqa: FBT003


def _grouped(stays: ir.Table, diagnoses: ir.Table, triplets: ir.Table) -> ir.Table:
    """DRG, weight and payment of every stay, as coded and without the acquired conditions."""
    decisive = _.is_disregarded & _.is_indicator_unverified & (_.severity > 0)
    severities = diagnoses.group_by(*_STAY).agg(
        severity_as_coded=_.severity.max(),
        severity_after_hac=_.counted_severity.max(),
        rests_on_unverified_indicator=decisive.any(),
    )
    stays = stays.left_join(severities, _STAY).drop(*(f"{key}_right" for key in _STAY))
    stays = stays.mutate(
        severity_as_coded=_.severity_as_coded.fill_null(0),
        severity_after_hac=_.severity_after_hac.fill_null(0),
        rests_on_unverified_indicator=_.rests_on_unverified_indicator.fill_null(False),  # noqa: FBT003
    )
    families = triplets.select("base_drg", "valid_from", "valid_to", listed_code="drg").distinct()
    stays = stays.join(families, _valid_on(stays, families, stays.drg)).drop("listed_code", "valid_from", "valid_to")
    for suffix in ("as_coded", "after_hac"):
        stays = _with_drg(stays, triplets, suffix)
    for rule in (rules.payment_as_coded, rules.payment_after_hac, rules.payment_reduction):
        stays = rule(stays)
    reproduced = (stays.drg == stays.drg_as_coded) | (stays.drg == stays.drg_after_hac)
    return stays.mutate(is_billed_drg_reproduced=reproduced)


def _with_drg(stays: ir.Table, triplets: ir.Table, suffix: str) -> ir.Table:
    """Look up the DRG and the weight of a severity in the stay's family."""
    severity = stays[f"severity_{suffix}"]
    level = ibis.cases((severity == 2, "mcc"), (severity == 1, "cc"), else_="none")
    listed = triplets.select(
        "valid_from",
        "valid_to",
        "cc_level",
        family="base_drg",
        **{f"drg_{suffix}": triplets.drg, f"weight_{suffix}": triplets.weight},
    )
    joined = stays.join(
        listed,
        [
            stays.base_drg == listed.family,
            level == listed.cc_level,
            stays.discharge_date >= listed.valid_from,
            stays.discharge_date <= listed.valid_to,
        ],
    )
    return joined.drop("family", "valid_from", "valid_to").rename({f"cc_level_{suffix}": "cc_level"})
