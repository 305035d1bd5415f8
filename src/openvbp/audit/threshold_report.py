"""An audit of thresholds as a text, as rows and as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from decimal import Decimal
from typing import Any

from openvbp.audit.threshold_behaviour import (
    CUTS,
    LEAST_DENOMINATOR,
    Bunching,
    Exclusion,
    Leakage,
    bunching,
    exclusion,
    leakage,
)
from openvbp.audit.threshold_findings import Finding
from openvbp.audit.thresholds import MeasureAudit, ThresholdAudit

_MOST_ROWS = 30
_MOST_PROVIDERS = 5
COLUMNS = tuple(one.name for one in fields(Finding))


def render(audit: ThresholdAudit, found: Sequence[Finding]) -> str:
    """Write an audit: summary first, then measures that depart, then rows on no schedule, then behaviour."""
    lines = [f"Audit of thresholds: {audit.title}", "", *_summary(audit, found)]
    about_measures = [one for one in found if one.kind != "row"]
    rows = [one for one in found if one.kind == "row"]
    if about_measures:
        lines += ["", "Published points depart from the declared rule:"]
        for one in about_measures:
            lines += [*_about_measure(one)]
    if rows:
        by_provider = Counter(one.provider_id for one in rows).most_common(_MOST_PROVIDERS)
        lines += [
            "",
            "Rows on neither schedule, points as published and as the inferred schedule gives them; most are of",
        ]
        lines += ["  " + ", ".join(f"{provider} ({times:,})" for provider, times in by_provider)]
        lines += _about_rows(rows[:_MOST_ROWS])
    if len(rows) > _MOST_ROWS:
        lines.append(f"  ... and {len(rows) - _MOST_ROWS:,} more rows (--json or --out lists all)")
    left_out = exclusion(audit)
    lines += ["", *_bunching(bunching(audit))]
    lines += ["", *_exclusion(left_out)]
    lines += ["", *_leakage(leakage(audit))]
    return "\n".join(lines)


def as_content(audit: ThresholdAudit, found: Sequence[Finding]) -> dict[str, Any]:
    """Give the whole audit for machines: numbers as exact text, shares in percent."""
    around, left_out, masked = bunching(audit), exclusion(audit), leakage(audit)
    return {
        "title": audit.title,
        "rows": _row_counts(audit),
        "measures": [_measure(one) for one in audit.linear],
        "findings": as_rows(found),
        "bunching": [
            {"cut": cut, "above": above, "below": below, "ratio": around.ratio(cut)}
            for cut, (above, below) in around.rows.items()
        ],
        "implied_exclusion": vars(left_out) if left_out else None,
        "masked_cells": vars(masked),
    }


def as_rows(found: Sequence[Finding]) -> list[dict[str, Any]]:
    """Give findings as rows of plain values, one each."""
    return [{name: _plain(getattr(one, name)) for name in COLUMNS} for one in found]


def _row_counts(audit: ThresholdAudit) -> dict[str, int]:
    """Count rows by what can be said of them: all but the last four add up to those that are published."""
    linear = [one.measure for one in audit.linear]
    by_rate = {one.measure_id for one in linear}
    others = [one for one in audit.measures if one.measure_id not in by_rate]
    return {
        "published": audit.published_rows,
        "with_counts": sum(len(one.rows) for one in linear),
        "without_patients": sum(len(one.without_patients) for one in linear),
        "counts_withheld": sum(len(one.masked) for one in linear),
        "without_counts": sum(len(one.without_counts) for one in linear),
        "of_measures_without_thresholds": sum(one.published_rows for one in others),
        "without_points": audit.published_rows - sum(one.published_rows for one in audit.measures),
        "rejected": audit.rejected_rows,
        "partly_paid": sum(one.inference.partial_rows for one in audit.linear),
        "explained_by_declared": sum(one.explained_by_declared for one in audit.linear),
        "explained_by_inferred": sum(one.explained_by_inferred for one in audit.linear),
    }


def _summary(audit: ThresholdAudit, found: Sequence[Finding]) -> Iterator[str]:
    counts = _row_counts(audit)
    kinds = [one.kind for one in found]
    with_counts = counts["with_counts"]
    told = (
        ("measures with published points", len(audit.measures)),
        ("  points rise with the rate", len(audit.linear)),
        ("published rows", counts["published"]),
        ("  with counts, audited", with_counts),
        ("  without a patient", counts["without_patients"]),
        ("  counts withheld", counts["counts_withheld"]),
        ("  counts not given", counts["without_counts"]),
        ("  of measures without thresholds", counts["of_measures_without_thresholds"]),
        ("  without points", counts["without_points"]),
        ("rows that cannot be used", counts["rejected"]),
        ("partly paid, of those audited", counts["partly_paid"]),
    )
    yield from (f"{name:<36}{number:>9,}" for name, number in told if number or name[0] != " ")
    for name in ("declared", "inferred"):
        number = counts[f"explained_by_{name}"]
        share = f"{_share(number, with_counts)} %" if with_counts else ""
        yield f"{f'explained by the {name} schedules':<36}{number:>9,}  {share}".rstrip()
    departing = (
        ("measures with other thresholds", kinds.count("thresholds")),
        ("measures with other points", kinds.count("points")),
        ("measures that are not declared", kinds.count("not_declared")),
        ("measures paid without a patient", kinds.count("without_patients")),
        ("rows on neither schedule", kinds.count("row")),
    )
    yield from (f"{name:<36}{number:>9,}" for name, number in departing)
    yield f"{'findings':<36}{len(found):>9,}  on record {sum(bool(one.known) for one in found):,}"


def _share(part: int, whole: int) -> Decimal:
    """Percent, cut after three decimals so that a row less than all is never 100."""
    return Decimal(100_000 * part // whole).scaleb(-3)


def _about_measure(one: Finding) -> Iterator[str]:
    if one.rows is None:
        yield f"  {one.measure_id}: declared {one.declared}; published: {one.inferred}"
    else:
        yield f"  {one.measure_id}: declared {one.declared}; inferred {one.inferred}"
        yield (
            f"      explained by declared {one.explained_by_declared or 0:,}, by inferred "
            f"{one.explained_by_inferred or 0:,} of {one.rows:,} rows; partly paid {one.partly_paid or 0:,}"
        )
    if one.known:
        yield f"      on record: {one.known}"


def _about_rows(rows: Sequence[Finding]) -> Iterator[str]:
    yield f"  {'provider':<10}{'measure':<11}{'rate':>8}  {'published':>10}  {'schedule':>10}  why"
    for one in rows:
        rate = f"{one.rate} %" if one.rate is not None else ""
        by_rule = f"{one.rule_points:.4f}" if one.rule_points is not None else "all or none"
        points = f"{one.published_points:.4f}"
        why = one.known or _direction(one)
        yield f"  {one.provider_id or '':<10}{one.measure_id:<11}{rate:>8}  {points:>10}  {by_rule:>10}  {why}"


def _direction(one: Finding) -> str:
    if one.rule_points is None or one.published_points is None:
        return "not on record"
    return f"paid {'above' if one.published_points > one.rule_points else 'below'} its counts, not on record"


def _bunching(found: Bunching) -> Iterator[str]:
    above, below = found.rows[0]
    yield f"Bunching at the upper threshold F, denominators of {LEAST_DENOMINATOR} or more:"
    yield f"  rate in [F, F + 1) {above:,}, in [F - 1, F) {below:,}: ratio {_ratio(found, 0)}"
    ratios = [f"{cut:+d}: {_ratio(found, cut)}" for cut in CUTS if cut]
    yield "  the same around F + cut, where nothing is to be gained:"
    yield "    " + "  ".join(ratios[:6])
    yield "    " + "  ".join(ratios[6:])


def _ratio(found: Bunching, cut: int) -> str:
    ratio = found.ratio(cut)
    return "-" if ratio is None else str(ratio)


def _exclusion(found: Exclusion | None) -> Iterator[str]:
    if found is None:
        yield "Implied exclusion: too few providers, or no measure about a whole register"
        return
    lower, median, upper = found.quartiles
    yield f"Implied exclusion, 1 - denominator / register: {len(found.measures)} measures about the whole register"
    yield f"  {found.providers:,} providers: median {median} % (quartiles {lower} and {upper})"
    yield f"  above 15 %: {found.above_high} % of the providers"
    yield f"  with everybody put back: {found.points_put_back} of {found.points} points of a provider, mean"


def _leakage(found: Leakage) -> Iterator[str]:
    yield f"Rows whose counts are withheld: {found.masked:,}"
    yield f"  partly paid {found.partly_paid:,}; of these the points give the fraction away: {found.recoverable:,}"


def _measure(one: MeasureAudit) -> dict[str, Any]:
    return {
        "measure_id": one.measure.measure_id,
        "declared": _schedule(one.measure.schedule),
        "inferred": _schedule(one.inferred),
        "identified": one.inference.schedule is not None,
        "rows": len(one.measure.rows),
        "partly_paid": one.inference.partial_rows,
        "explained_by_declared": one.explained_by_declared,
        "explained_by_inferred": one.explained_by_inferred,
    }


def _schedule(schedule: Any) -> dict[str, str | None] | None:
    if schedule is None:
        return None
    return {name: _plain(getattr(schedule, name)) for name in ("lower", "upper", "points")}


def _plain(value: Any) -> Any:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else value
