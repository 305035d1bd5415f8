"""What the commands print for a person."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from openvbp.evaluation.findings import Finding
from openvbp.evaluation.known_truth import KnownEffect
from openvbp.evaluation.results import Results
from openvbp.evaluation.shrinkage import Shrinkage
from openvbp.evaluation.specification_curve import SECTION as CURVE

_WIDTH = 116


def results_text(results: Results) -> str:
    """Write the conclusion, what would change it, and the rows."""
    lines = [results.study.study, "", *textwrap.wrap(results.summary, _WIDTH), results.status.words, ""]
    lines.append("What would change this conclusion")
    for number, one in enumerate(results.what_would_change, start=1):
        lines += textwrap.wrap(f"{number}. {one}", _WIDTH, subsequent_indent="   ")
    lines += ["", rows_text([one for one in results.rows if one.section != CURVE])]
    curve = results.curve
    if curve is not None:
        lines += [
            "",
            f"Specification curve: {curve.specifications} specifications ({curve.not_possible} not possible), median "
            f"{curve.median:+.3f}, middle half {curve.lower_quartile:+.3f} to {curve.upper_quartile:+.3f}; "
            f"{curve.better:.1%} better, {curve.worse:.1%} worse",
        ]
        for choice, (count, median, better, worse) in curve.by_choice.get("compare", {}).items():
            lines.append(f"  {choice:24} {count:>5}  median {median:+.3f}  better {better:.0%}  worse {worse:.0%}")
    return "\n".join(lines)


def rows_text(rows: Sequence[Finding]) -> str:
    """Write rows under the headings of their sections."""
    lines: list[str] = []
    section = ""
    for one in rows:
        if one.section != section:
            section = one.section
            columns = f"{'estimate':>9} {'95 % interval':>20} {'p':>6} {'MDE':>6} {'T/C':>12}"
            lines += ["", f"{section.capitalize():52} {columns}"]
        lines += _lines(one)
        if one.note and not one.is_estimated:
            lines += textwrap.wrap(f"not possible: {one.note}", _WIDTH, initial_indent="    ", subsequent_indent="    ")
        elif one.note and (math.isnan(one.low) or "WARNING" in one.note):
            lines += textwrap.wrap(one.note, _WIDTH, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines).lstrip("\n")


def _lines(one: Finding) -> list[str]:
    """Label and figures; a label that is too long has lines of its own."""
    if not one.is_estimated:
        return textwrap.wrap(one.label, _WIDTH, initial_indent="  ", subsequent_indent="    ")
    *above, label = textwrap.wrap(one.label, 50, subsequent_indent="  ")
    interval = f"({one.low:+.3f}, {one.high:+.3f})" if math.isfinite(one.low) else ""
    estimate = f"{one.estimate:+.3f}" if math.isfinite(one.estimate) else ""
    p_value = f"{one.p_value:.3f}" if math.isfinite(one.p_value) else ""
    detectable = f"{one.minimum_detectable_effect:.2f}" if math.isfinite(one.minimum_detectable_effect) else ""
    sizes = f"{one.treated_providers}/{one.comparison_providers}" if one.treated_providers else ""
    figures = f"  {label:50} {estimate:>9} {interval:>20} {p_value:>6} {detectable:>6} {sizes:>12}".rstrip()
    return [*(f"  {part}" for part in above), figures]


def shrinkage_text(found: Sequence[Shrinkage]) -> str:
    """Write what is left of a simulated effect."""
    first = found[0]
    lines = [
        f"Effect {first.effect:+.2f}, {first.replicates} simulated programs, mean estimates (standard deviation)",
        "",
    ]
    header = ("conditions", "raw rates", "shrunken, weighted", "unweighted", "reliability T / C", "left")
    lines.append("{:14} {:>15} {:>20} {:>11} {:>18} {:>6}".format(*header))
    for one in found:
        cells = (
            "+".join(one.conditions),
            f"{one.raw:+.2f} ({one.raw_sd:.2f})",
            f"{one.weighted:+.2f} ({one.weighted_sd:.2f})",
            f"{one.unweighted:+.2f}",
            f"{one.reliability_treated:.2f} / {one.reliability_compared:.2f}",
            f"{one.attenuation:.0%}",
        )
        lines.append("{:14} {:>15} {:>20} {:>11} {:>18} {:>6}".format(*cells))
    return "\n".join(lines)


def truth_text(found: Sequence[KnownEffect], unit: str) -> str:
    """Write estimates beside what is true."""
    main = found[0]
    said = (
        f"In truth the program changed the events of the treated by {main.relative:+.1%}, {main.on_treated:+.3f} "
        f"{unit}. A comparison that is changed as well shows less: what each analysis would show without chance stands "
        "beside it."
    )
    header = ("analysis", "estimate", "95 % interval", "can show", "in it")
    lines = [*textwrap.wrap(said, _WIDTH), "", "{:44} {:>9} {:>20} {:>9} {:>6}".format(*header)]
    for one in found:
        label = textwrap.shorten(one.finding.label, 44, placeholder=" …")
        interval = f"({one.finding.low:+.3f}, {one.finding.high:+.3f})" if math.isfinite(one.finding.low) else ""
        shown = f"{one.shown:+.3f}" if math.isfinite(one.shown) else ""
        held = ("yes" if one.is_held else "no") if interval and shown else ""
        lines.append(f"{label:44} {one.finding.estimate:>+9.3f} {interval:>20} {shown:>9} {held:>6}".rstrip())
    return "\n".join(lines)
