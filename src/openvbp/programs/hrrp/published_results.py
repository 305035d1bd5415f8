"""What HRRP files publish as results, in long form, for comparison with the run's own."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from openvbp.parameters import Scenario
from openvbp.programs.hrrp.merged_files import ReadmissionInputs

_OF_CONDITION = {
    "published_excess_readmission_ratio": "excess_readmission_ratio",
    "published_penalty_indicator": "penalty_indicator",
}
_OF_STAYS = {
    "predicted_readmission_rate": "predicted_rate_of_stays",
    "expected_readmission_rate": "expected_rate_of_stays",
}
_OF_HOSPITAL = {
    "published_payment_reduction": "payment_reduction",
    "published_payment_adjustment_factor": "payment_adjustment_factor",
}
_COLUMNS = ("provider_id", "quantity", "measure_id", "domain_id", "source", "text")


def published_value_rows(merged: ReadmissionInputs, scenario: Scenario) -> pa.Table:
    """Published ratios, penalty indicators, rates of stays, reductions and factors.

    Returns
    -------
    Hospital × quantity × measure: provider_id, quantity, measure_id, domain_id, source, text.
    """
    rows = [*_conditions(merged, scenario), *_hospitals(merged)]
    return pa.Table.from_pylist(
        [dict(zip(_COLUMNS, row, strict=True)) for row in rows],
        schema=pa.schema([(name, pa.string()) for name in _COLUMNS]),
    )


def _conditions(merged: ReadmissionInputs, scenario: Scenario) -> Iterator[tuple[str | None, ...]]:
    applied = {name for name, is_applied in scenario.keyed("is_condition_applied").items() if is_applied}
    with_stays = {stays.measure_id for stays in merged.stays if stays.index_stays}
    for (provider_id, measure_id), condition in sorted(merged.conditions.items()):
        if measure_id not in applied:
            continue
        is_of_stays = provider_id == merged.report_provider_id and measure_id in with_stays
        for given, quantity in {**_OF_CONDITION, **(_OF_STAYS if is_of_stays else {})}.items():
            if given in condition.values:
                source = merged.citations[given, measure_id][0]
                yield provider_id, quantity, measure_id, None, source, f"{condition.values[given]:f}"


def _hospitals(merged: ReadmissionInputs) -> Iterator[tuple[str | None, ...]]:
    for provider_id in merged.provider_ids:
        values = merged.hospitals[provider_id].values
        for given, quantity in _OF_HOSPITAL.items():
            if given in values:
                yield provider_id, quantity, None, None, merged.citations[given, ""][0], f"{values[given]:f}"
        if "published_dual_proportion" in values and "stays" in values:
            source = merged.citations["published_dual_proportion", ""][0]
            yield provider_id, "dual_proportion", None, None, source, f"{values['published_dual_proportion']:f}"
