"""Made-up files of the Premier demonstration: three hospitals, two of them scored."""

from __future__ import annotations

from pathlib import Path

HEADERS = {
    "measure_results": "provider_id,condition_id,measure_id,measure_type,numerator,denominator,expected_rate",
    "condition_payments": "provider_id,condition_id,cases,payment_amount",
    "earlier_scores": "period,provider_id,condition_id,composite_quality_score",
}
MEASURES = [
    "010001,AMI,ASPIRIN,process,90,100,",
    "010001,AMI,SURVIVAL,outcome,93,100,0.93",
    "010002,AMI,ASPIRIN,process,80,100,",
    "010003,HF,ADVICE,process,70,100,",
]
PAYMENTS = ["010001,AMI,100,1000000.00", "010002,AMI,100,500000.00", "010003,HF,29,100000.00"]
EARLIER = ["FY2004,010001,AMI,90", "FY2004,010002,AMI,85.5"]


def write(
    folder: Path, measures: list[str] = MEASURES, payments: list[str] = PAYMENTS, earlier: list[str] = EARLIER
) -> Path:
    data = folder / "data"
    data.mkdir(parents=True)
    tables = {"measure_results": measures, "condition_payments": payments, "earlier_scores": earlier}
    for name, rows in tables.items():
        (data / f"{name}.csv").write_text("\n".join([HEADERS[name], *rows]) + "\n", encoding="utf-8")
    return data
