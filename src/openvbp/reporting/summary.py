"""What a run found, in a few lines that a person understands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa

from openvbp.parameters import ACTUAL
from openvbp.reporting.explanation import written
from openvbp.results import WHOLE_COMPONENTS
from openvbp.run_folder import RunFolder

_STATUS_WORDS = {
    "scored": "scored",
    "unverified": "scored with parameters or rates that are not verified",
    "too_few_cases": "without a score: too few cases or measures",
    "not_reported": "without a score: not reported",
    "excluded": "excluded from the program",
    "suppressed": "without a score: none is computed this period",
    "not_determinable": "without a score: an input is not public or was rejected",
}


def summarize(run: RunFolder, command: str = "openvbp") -> str:
    """Say who was scored, how scores and money are spread, what was rejected, and where to look next.

    ``command`` is how the reader can call openvbp. Scenarios beside the rules in force are compared with them, one line
    each, at most five.
    """
    record = run.record
    rows = record["input_rows"]
    lines = [
        f"{run.title}",
        f"{rows['in']:,} rows read, {rows['accepted']:,} accepted, {rows['rejected']:,} rejected; "
        f"{record['rejected_cells']:,} rows or cells listed in rejected/",
        *(
            f"note: {check['name'].replace('_', ' ')}: {check['count']:,} times; {check['meaning']}"
            for check in record["checks"]
        ),
        "",
    ]
    providers = _providers(run)
    actual = _rows(providers, ACTUAL)
    lines += [
        f"  {count:>7,} {_STATUS_WORDS[status]}"
        for status, count in Counter(row["status"] for row in actual).most_common()
    ]
    lines += ["", *_score_lines(actual)]
    payments = run.read("payment_result") if "payment_result" in run.tables else None
    if payments is not None:
        lines += _payment_lines(_rows(payments, ACTUAL))
    others = [name for name in record["scenarios"] if name != ACTUAL]
    for name in others[:5]:
        lines += ["", *_scenario_lines(run, name, actual, _rows(providers, name), payments)]
    if len(others) > 5:
        lines += ["", f"... and {len(others) - 5:,} more scenarios: {command} export {run.path} --to results.duckdb"]
    return "\n".join([*lines, "", *_next_lines(run, actual, command)])


def _providers(run: RunFolder) -> pa.Table:
    """One row per scenario and provider; of a program without a total score, the provider's payment."""
    if "provider_result" in run.tables:
        return run.read("provider_result")
    chosen: dict[tuple[str, str], dict[str, Any]] = {}
    for row in run.read("payment_result").sort_by("component_id").to_pylist():
        if row["component_id"] in WHOLE_COMPONENTS or (row["scenario_id"], row["provider_id"]) not in chosen:
            chosen[row["scenario_id"], row["provider_id"]] = row
    rows = [{name: row[name] for name in ("scenario_id", "provider_id", "status")} for row in chosen.values()]
    return pa.Table.from_pylist([{**row, "score": None} for row in rows])


def _rows(table: pa.Table, scenario_id: str) -> list[dict[str, Any]]:
    mask = pa.compute.equal(table["scenario_id"], scenario_id)  # type: ignore[attr-defined]
    return table.filter(mask).to_pylist()


def _score_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    scores = sorted(row["score"] for row in rows if row["score"] is not None)
    if not scores:
        return []
    marks = [scores[(len(scores) - 1) * quarter // 4] for quarter in range(5)]
    names = ("lowest", "lower quarter", "median", "upper quarter", "highest")
    # Factors and z-scores differ in their third decimal, points hardly in their second.
    places = 4 if scores[-1] < 10 else 2
    return ["score: " + ", ".join(f"{name} {mark:.{places}f}" for name, mark in zip(names, marks, strict=True))]


def _payment_lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Sum each component of the payment; say who gains and who loses where it is known."""
    lines = []
    by_component: dict[str, list[Decimal]] = {}
    # A program pays in one currency.
    currency = rows[0]["currency"].lower() if rows else ""
    for row in rows:
        if row["amount"] is not None:
            by_component.setdefault(row["component_id"], []).append(row["amount"])
    for component, amounts in sorted(by_component.items(), key=lambda item: (item[0] in WHOLE_COMPONENTS, item[0])):
        whom = "1 provider" if len(amounts) == 1 else f"{len(amounts):,} providers"
        lines.append(f"{component}: {written(sum(amounts, Decimal(0)), currency)} over {whom}")
    factors = [row["factor"] for row in rows if row["factor"] is not None and row["rate"] is not None]
    if factors:
        gain, lose = sum(factor > 1 for factor in factors), sum(factor < 1 for factor in factors)
        lines.append(
            f"payment factor: {gain:,} gain, {lose:,} lose, {len(factors) - gain - lose:,} neither; "
            f"from {min(factors)} to {max(factors)}"
        )
    unknown = Counter(
        row["status_reason"] for row in rows if row["status"] == "not_determinable" and row["factor"] is None
    )
    if unknown and not factors:
        lines.append(f"payment not determinable: {unknown.most_common(1)[0][0]}")
    return lines


def _scenario_lines(
    run: RunFolder,
    scenario_id: str,
    actual: Sequence[dict[str, Any]],
    changed: Sequence[dict[str, Any]],
    payments: pa.Table | None,
) -> list[str]:
    before = {row["provider_id"]: row["score"] for row in actual}
    moved = [row for row in changed if row["score"] != before.get(row["provider_id"])]
    changes = ", ".join(f"{path}={value}" for path, value in run.record["scenarios"][scenario_id].items())
    lines = [f"scenario {scenario_id} ({changes}): {len(moved):,} scores change", *_score_lines(changed)]
    return lines + (_payment_lines(_rows(payments, scenario_id)) if payments is not None else [])


def _next_lines(run: RunFolder, rows: Sequence[dict[str, Any]], command: str) -> list[str]:
    scored = [row["provider_id"] for row in rows if row["score"] is not None] or [rows[0]["provider_id"]]
    lines = [
        "Next:",
        f"  {command} explain {run.path} {scored[len(scored) // 2]}",
        f"  {command} export {run.path} --to results.xlsx",
    ]
    # The terms of a contract stand in its own file.
    if run.record["program"] != "contract":
        lines.append(f"  {command} programs {run.record['program']} --period {run.record['period']}")
    return lines
