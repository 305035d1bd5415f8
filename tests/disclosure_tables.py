"""Made-up tables of the results model: two measures of each provider, ten points in proportion to the share."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from openvbp.results import results_model

TYPES = {"text": pa.string(), "date": pa.date32(), "integer": pa.int64(), "flag": pa.bool_()}
COMMON = {"program_id": "p", "period_start": date(2024, 1, 1), "period_end": date(2024, 12, 31)}
COMMON |= {"scenario_id": "actual", "status": "scored", "provider_type": "practice"}
COMMON |= {"rule_id": "input", "citation": "made up", "unit": "count", "inputs": ""}


def table(name: str, rows: list[dict[str, Any]]) -> pa.Table:
    """Make a table of the results model; columns that are not given are common values or missing."""
    columns = results_model()[name].columns
    types = {
        column.name: TYPES.get(column.type)
        or pa.decimal128(*(int(part) for part in column.type.removeprefix("decimal(").removesuffix(")").split(",")))
        for column in columns
    }
    filled = [{column: row.get(column, COMMON.get(column)) for column in types} for row in rows]
    return pa.Table.from_pylist(filled, pa.schema(list(types.items())))


def results(fractions: list[tuple[int, int]], providers: int) -> dict[str, pa.Table]:
    """Score two measures of each provider: ten points in proportion to the share, their sum is the score."""
    cells = [(f"P{number % providers}", f"M{number // providers}", *one) for number, one in enumerate(fractions)]
    measures, steps = [], []
    totals: dict[str, Decimal] = {}
    for provider, measure, done, patients in cells:
        points = (Decimal(10 * done) / max(patients, 1)).quantize(Decimal("0.0001"))
        at = {"provider_id": provider, "measure_id": measure}
        totals[provider] = totals.get(provider, Decimal(0)) + points
        share = points / 10
        measures.append(
            at | {"numerator": done, "denominator": patients, "rate": share, "points": points, "maximum_points": 10}
        )
        made = {"rule_id": "points", "unit": "points", "inputs": "numerator denominator"}
        steps += [
            at | {"quantity": "numerator", "value": done},
            at | {"quantity": "denominator", "value": patients},
            at | made | {"quantity": "points", "value": points},
        ]
    for provider, total in totals.items():
        made = {"rule_id": "total", "unit": "points", "inputs": "points", "quantity": "total_points"}
        steps.append({"provider_id": provider, "value": total} | made)
        made = {"rule_id": "pay", "unit": "usd", "inputs": "total_points", "quantity": "net"}
        steps.append({"provider_id": provider, "value": 100 * total} | made)
    for number, step in enumerate(steps, 1):
        step["step_number"] = number
    scores = [{"provider_id": provider, "score": total, "rank": 1} for provider, total in totals.items()]
    pays = [
        {"provider_id": provider, "component_id": "net", "currency": "USD", "is_cap_applied": False, "base_amount": 100}
        | {"rate": total, "amount": 100 * total}
        for provider, total in totals.items()
    ]
    return {
        "measure_result": table("measure_result", measures),
        "step_result": table("step_result", steps),
        "provider_result": table("provider_result", scores),
        "payment_result": table("payment_result", pays),
    }
