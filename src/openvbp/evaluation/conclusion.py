"""What a run found and what would change it, in plain words made of its rows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from openvbp.evaluation.findings import Finding
from openvbp.evaluation.shrinkage import Shrinkage
from openvbp.evaluation.specification_curve import CurveSummary
from openvbp.evaluation.study_terms import Outcome

LEVEL = 0.05
_LINE = "the line before onset"
_DOSE = "lower doses"
_ALONE = (
    "Anything else that changed at the same time, and any change of how the outcome is counted: there is no "
    "comparison, and nothing in these data tells them from the program. Intervals count how providers vary, not a "
    "window that is unlike others for all of them."
)
_OF_DOSES = (
    "Another cause that changed the outcome where the dose is high and not where it is low: all are treated, and "
    "nothing but the dose tells them apart."
)
_ALWAYS = (
    "A change of the comparison providers for reasons of their own, or a shock that all treated providers share, would "
    "change it: no standard error counts either."
)


def summary(rows: Sequence[Finding], outcome: Outcome) -> str:
    """Say in a sentence or two what the main analysis found."""
    main = next((one for one in rows if one.section == "main"), None)
    if main is None or not main.is_estimated:
        return f"The main analysis was not possible: {main.note if main else 'there is none'}"
    if math.isnan(main.low):
        return _without_interval(main, outcome)
    interval = f"{signed(main.estimate)} ({signed(main.low)} to {signed(main.high)}) {outcome.unit}"
    if main.is_significant:
        return f"{outcome.name}: {interval}, {_direction(main, outcome)} against {_comparator(main)}."
    best = main.high if outcome.is_desirable else main.low
    return (
        f"{outcome.name}: {interval} against {_comparator(main)}: no effect was found. An improvement of up to "
        f"{abs(best):.2f} cannot be excluded, and only one of {main.minimum_detectable_effect:.2f} or more would have "
        "been found with 80 % power."
    )


def _direction(main: Finding, outcome: Outcome) -> str:
    return "an improvement" if (main.estimate > 0) == outcome.is_desirable else "a worsening"


def _comparator(main: Finding) -> str:
    return _LINE if main.design == "its" else main.compare or _DOSE


def _without_interval(main: Finding, outcome: Outcome) -> str:
    """Say what placebos or permutations found: they give a p-value only, or not even that."""
    said = f"{outcome.name}: {signed(main.estimate)} {outcome.unit} against {_comparator(main)}"
    if math.isnan(main.p_value):
        return f"{said}: this design gives no error, so that nothing can be said of chance."
    found = _direction(main, outcome) if main.p_value < LEVEL else "no effect was found"
    return f"{said}: {found} (p {main.p_value:.3f}). There is no interval: what cannot be excluded is not known."


def what_would_change(
    rows: Sequence[Finding], curve: CurveSummary | None, shrinkage: Shrinkage | None, outcome: Outcome
) -> list[str]:
    """List what would change the conclusion, the most telling first."""
    main = next((one for one in rows if one.section == "main" and one.is_estimated), None)
    if main is None:
        return ["An analysis that is possible: see the reasons in the tables."]
    if main.design == "its":
        return [one for one in (_ALONE, f"Another line. {main.note[0].upper()}{main.note[1:]}.", _curve(curve)) if one]
    said = [_comparison(rows, main), _curve(curve), _shrunken(main, shrinkage, outcome)]
    if not main.compare:
        return [one for one in (*said, _OF_DOSES) if one]
    said += [_trends(rows), _spill(rows), _shock(rows), _unit(rows), _ALWAYS]
    return [one for one in said if one]


def _comparison(rows: Sequence[Finding], main: Finding) -> str:
    groups = [one for one in rows if one.section == "main" and one.is_estimated and one.label.startswith("against ")]
    if not groups:
        return ""
    listed = ", ".join(
        f"{signed(one.estimate)} ({signed(one.low)} to {signed(one.high)}) {one.label}" for one in groups
    )
    answers = {(one.is_significant, one.estimate > 0) if one.is_significant else None for one in (main, *groups)}
    if len(answers) > 1:
        return f"Another comparison group. The answer depends on it: {listed}."
    return f"Another comparison group would not: {listed}."


def _curve(curve: CurveSummary | None) -> str:
    if curve is None:
        return ""
    text = (
        f"Other reasonable choices. Of {curve.specifications} specifications {curve.better:.1%} find a significant "
        f"improvement and {curve.worse:.1%} a significant worsening; median {signed(curve.median)}, middle half "
        f"{signed(curve.lower_quartile)} to {signed(curve.upper_quartile)}."
    )
    spread = {
        name: max(one[1] for one in choices.values()) - min(one[1] for one in choices.values())
        for name, choices in curve.by_choice.items()
    }
    if spread:
        name = max(spread, key=lambda one: spread[one])
        text += f" The choice that matters most is '{name}': medians lie {spread[name]:.2f} apart."
    return text


def _shrunken(main: Finding, shrinkage: Shrinkage | None, outcome: Outcome) -> str:
    if not outcome.shrunken:
        return ""
    if shrinkage is None:
        return (
            "Observed and expected cases: the rates are shrunken, by how much is not known, and the effect is larger."
        )
    left = shrinkage.attenuation
    scaled = [one / left for one in (main.estimate, main.low, main.high)]
    return (
        f"Observed and expected cases instead of shrunken rates. About {left:.0%} of an effect is left in these rates, "
        f"so {signed(main.estimate)} may mean {signed(scaled[0])} ({signed(scaled[1])} to {signed(scaled[2])}): these "
        f"data cannot exclude an effect of {max(abs(scaled[1]), abs(scaled[2])):.1f} {outcome.unit}."
    )


def _trends(rows: Sequence[Finding]) -> str:
    test = next((one for one in rows if one.section == "pre-trend test"), None)
    if test is None or not test.is_estimated:
        return "A second window before onset: whether trends were parallel cannot be tested with one."
    if test.p_value < 0.05:
        return f"A comparison with parallel trends. The test of leads rejects them (p {test.p_value:.3f}): {test.note}."
    breakdown = next((one for one in rows if one.section == "honest bounds" and one.label == "breakdown"), None)
    bound = f" {breakdown.note[0].upper()}{breakdown.note[1:]}." if breakdown else ""
    return f"A trend that the test of leads could not have seen (p {test.p_value:.2f}; {test.note}).{bound}"


def _spill(rows: Sequence[Finding]) -> str:
    moved = [one for one in rows if one.section.startswith("spill-over") and one.is_estimated and one.is_significant]
    if not moved:
        return ""
    listed = ", ".join(
        f"{one.label} {signed(one.estimate)}" + (", paid for by another program" if "not untouched" in one.note else "")
        for one in moved
    )
    return f"Conditions that the program left alone moved as well ({listed}): a spill-over, or another cause of both."


def _shock(rows: Sequence[Finding]) -> str:
    found = [one for one in rows if one.section == "common shock" and one.is_estimated]
    if not found:
        return ""
    spread = f" Changes of regions vary with a standard deviation of {found[1].estimate:.2f}." if len(found) > 1 else ""
    return f"{found[0].note[0].upper()}{found[0].note[1:]}.{spread}"


def _unit(rows: Sequence[Finding]) -> str:
    moved = [one for one in rows if one.section == "placebo in unit" and one.is_estimated and one.is_significant]
    if not moved:
        return ""
    listed = ", ".join(f"{one.label} {signed(one.estimate)}" for one in moved)
    return f"Exempt groups differ among themselves without any program ({listed}): comparisons move on their own."


def signed(value: float) -> str:
    """Write a figure with its sign."""
    return f"{value:+.3f}".replace("-", "−")
