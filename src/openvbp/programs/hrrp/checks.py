"""Facts about the files of a run that a careful reader wants to know, and their rows for the run record."""

from __future__ import annotations

import hashlib
from pathlib import Path

from openvbp.parameters import Scenario
from openvbp.program import Check, InputFile
from openvbp.programs.hrrp.merged_files import ReadmissionInputs

_RATIOS = ("published_excess_readmission_ratio", "predicted_readmission_rate")
_GROUPING = ("published_peer_group", "published_dual_proportion", "dual_eligible_stays")


def input_files(merged: ReadmissionInputs) -> list[InputFile]:
    """List the files of the folder with their rows."""
    return [
        InputFile(
            rows.file.path.name,
            _sha256(rows.file.path),
            rows.file.kind,
            rows.rows,
            rows.accepted,
            rows.rows - rows.accepted,
        )
        for rows in merged.files
    ]


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def checks(merged: ReadmissionInputs, scenario: Scenario) -> list[Check]:
    """Count what is not wrong but worth knowing; patients never appear."""
    found = [
        *_of_conditions(merged, scenario),
        *_of_hospitals(merged, scenario),
        Check(
            "files_disagree",
            len(merged.disagreements),
            "files give different numbers; the report, then the supplemental file, then added files win",
            tuple(merged.disagreements[:3]),
        ),
        Check("leading_zero_restored", merged.restored_zeros, "hospital numbers had lost leading zeros"),
        Check("zero_ratio", merged.zero_ratios, "ratios printed as zero are placeholders for too few cases"),
    ]
    return [check for check in found if check.count]


def _of_conditions(merged: ReadmissionInputs, scenario: Scenario) -> list[Check]:
    applied = {name for name, is_applied in scenario.keyed("is_condition_applied").items() if is_applied}
    with_ratio = {
        key for key, condition in merged.conditions.items() if any(name in condition.values for name in _RATIOS)
    }
    uncounted = sorted(key for key in with_ratio if "eligible_discharges" not in merged.conditions[key].values)
    outside = sorted(key for key in with_ratio if key[1] not in applied)
    absent = sorted(
        (provider_id, measure_id)
        for provider_id in merged.provider_ids
        for measure_id in applied
        if (provider_id, measure_id) not in merged.conditions
    )
    return [
        Check(
            "minimum_discharges_not_checked",
            len(uncounted),
            "the number of eligible discharges is not published, so every published ratio counts",
            _examples(uncounted),
        ),
        Check(
            "condition_not_of_period",
            len(outside),
            f"the condition does not count in {scenario.period.label}",
            _examples(outside),
        ),
        Check(
            "condition_not_in_files",
            len(absent),
            "the hospital's payment cannot be determined",
            _examples(absent),
        ),
    ]


def _of_hospitals(merged: ReadmissionInputs, scenario: Scenario) -> list[Check]:
    taking_part = [one for one in merged.provider_ids if merged.hospitals[one].excluded_reason is None]
    excluded = [one for one in merged.provider_ids if merged.hospitals[one].excluded_reason]
    ungrouped = [one for one in taking_part if not any(name in merged.hospitals[one].values for name in _GROUPING)]
    is_stratified = scenario.value("number_of_peer_groups") is not None
    unknown = sorted(merged.hospitals.keys() - set(merged.provider_ids))
    return [
        Check("hospital_excluded", len(excluded), "outside the program; paid in full", tuple(excluded[:3])),
        Check(
            "peer_group_missing",
            len(ungrouped) if is_stratified else 0,
            "the files give neither peer group nor dual proportion, so the payment cannot be determined",
            tuple(ungrouped[:3]),
        ),
        Check(
            "hospital_without_conditions",
            len(unknown),
            "no file has a condition of the hospital, so it is not in the results",
            tuple(unknown[:3]),
        ),
    ]


def _examples(keys: list[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(f"{provider_id} {measure_id}" for provider_id, measure_id in keys[:3])
