"""Made-up MIPS files: two clinicians with measures and categories, one excluded, flat benchmarks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HEADERS = {
    "clinicians": "provider_id,is_small_practice,paid_amount,excluded_reason",
    "measure_results": "provider_id,measure_id,submission_method,performance_rate,cases,reported_share,"
    "is_outcome_or_high_priority",
    "category_scores": "provider_id,category_id,score,is_reweighted",
}
CLINICIANS = ["A,no,1000.00,", "B,yes,2000.00,", "C,no,,low-volume threshold"]
MEASURES = ["A,001,registry,50,100,0.9,yes", "A,236,registry,50,100,0.9,no", "B,001,registry,5,100,0.9,yes"]
CATEGORIES = [
    f"{name},{category},80,no"
    for name in ("A", "B")
    for category in ("cost", "improvement_activities", "promoting_interoperability")
]
FLAT = {
    "benchmarkYear": 2021,
    "performanceYear": 2023,
    "submissionMethod": "registry",
    "isInverse": False,
    "isToppedOutByProgram": False,
    "percentiles": {"1": 1, **{str(rank): rank for rank in range(10, 100, 10)}, "99": 99},
}
BENCHMARKS = [{"measureId": "001", **FLAT, "isInverse": True}, {"measureId": "236", **FLAT}]


def write(
    folder: Path,
    clinicians: list[str] | None = None,
    measures: list[str] | None = None,
    categories: list[str] | None = None,
    benchmarks: Any = BENCHMARKS,
) -> Path:
    data = folder / "data"
    data.mkdir(parents=True)
    rows = {
        "clinicians": CLINICIANS if clinicians is None else clinicians,
        "measure_results": MEASURES if measures is None else measures,
        "category_scores": CATEGORIES if categories is None else categories,
    }
    for name, lines in rows.items():
        if lines:
            (data / f"{name}.csv").write_text("\n".join([HEADERS[name], *lines]) + "\n", encoding="utf-8")
    (data / "benchmarks.json").write_text(json.dumps(benchmarks), encoding="utf-8")
    return data
