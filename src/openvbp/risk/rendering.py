"""What a run of risk scores prints."""

from __future__ import annotations

from typing import Any


def render(summary: dict[str, Any]) -> str:
    """Write what a run found for a terminal."""
    lines = [f"Risk scores, payment year {summary['payment_year']}, {summary['data']}"]
    for one in summary["models"]:
        mark = "  UNVERIFIED" if one["is_unverified"] else ""
        lines += ["", f"{one['title']}, tables of {one['tables']}"]
        share = one["mapped"] / one["diagnoses"]
        lines.append(
            f"  diagnoses {one['diagnoses']:,}, in the mapping {one['mapped']:,} ({share:.1%}), "
            f"not of the form of ICD-10-CM {one['malformed']:,}"
        )
        for part in one["factors"]:
            segments = "" if len(one["factors"]) == 1 else f"{', '.join(part['segments'])}: "
            factors = f"normalization {part['normalization']}, coding adjustment {part['coding_adjustment']}"
            lines.append(f"  {segments}{factors}{mark}")
        width = max(8, *(len(row["segment"]) for row in one["segments"]))
        lines.append(f"  {'segment':{width}} {'persons':>8} {'raw score':>10} {'categories':>11}")
        for row in one["segments"]:
            cells = f"{row['persons']:>8,} {row['mean_raw']:>10} {row['mean_categories']:>11}"
            lines.append(f"  {row['segment']:{width}} {cells}")
        lines.append(f"  {'all':{width}} {one['persons']:>8,} {one['mean_raw']:>10}   adjusted {one['mean_adjusted']}")
    lines.append("")
    if summary["blend"]:
        weights = ", ".join(f"{name} {weight}" for name, weight in summary["blend"].items())
        lines.append(f"Blended ({weights}, UNVERIFIED): mean {summary['blended_mean']}")
    elif any(one["model"].startswith("V") for one in summary["models"]):
        lines.append("No blended score: the models are not all of the payment year's blend.")
    for reason, persons in summary["rejected"].items():
        lines.append(f"Not scored: {persons:,} persons, {reason}")
    if summary["procedures"] is None:
        lines.append("Every procedure counted: give --procedures with the codes that CMS publishes for the year.")
    models = [one["model"] for one in summary["models"]]
    is_mixed = any(one.startswith("V") for one in models) and not any(one.startswith("ESRD") for one in models)
    if summary["end_stage_renal_disease"] and is_mixed:
        persons = f"{summary['end_stage_renal_disease']:,} persons have end-stage renal disease"
        lines.append(f"{persons} and are scored as others: --model ESRD-V24 is their own.")
    return "\n".join(lines)
