"""The design card: what a study compares, with the source of everything that the program itself says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from openvbp.evaluation.cells import as_float
from openvbp.evaluation.exposure_files import COVERED
from openvbp.evaluation.frame import Frame
from openvbp.evaluation.program_facts import Dated
from openvbp.evaluation.study_terms import Analysis

Card = list[tuple[str, str]]


def design_card(frame: Frame, main: Analysis) -> Card:
    """Give name and text of each line of the card."""
    asked = frame.resolved(main)
    study, facts = frame.study, frame.facts
    title = f"{facts.parameters.title}; {'; '.join(facts.parameters.authority.values())}" if facts else study.program
    windows = frame.windows((*asked.before, *asked.after))
    untouched = [one for one in frame.conditions if one not in frame.incentivised(max(one.end for one in windows))]
    card: Card = [
        ("Program", title),
        ("Outcome", f"{study.outcome.name} ({study.outcome.kind.replace('_', ' ')}), {study.outcome.unit}"),
        ("Design", _DESIGNS[asked.design]),
        ("Conditions", _conditions(frame, asked.conditions)),
        ("Untouched conditions", _conditions(frame, untouched) or "none in the panel"),
        ("Before", ", ".join(asked.before)),
        ("After", ", ".join(asked.after)),
        *_clocks(frame, asked.conditions),
        *_groups(frame),
        *_exposures(frame),
        ("Main comparison", "none" if asked.design == "its" else " and ".join(asked.compare)),
        ("Weights", _WEIGHTS[asked.weights]),
        ("Errors", f"clustered by {asked.cluster}"),
    ]
    card += [
        ("Thresholds", f"{one}: {'; '.join(found)}") for one in asked.conditions if (found := _thresholds(frame, one))
    ]
    card += [("Break in the outcome", text) for text in frame.breaks(asked.conditions, windows)]
    card += [("Left out", f"{count:,} cells: {why}") for why, count in frame.notes.items()]
    return card


_DESIGNS = {
    "did": "difference in differences with effects of provider × condition and condition × window",
    "ddd": "triple difference: paid against untouched conditions, treated against comparison, after against before",
    "event": "event study: effect in each window, the last before onset as reference",
    "cits": "comparative interrupted time series: difference in changes of slopes, per quarter",
    "imputation": "staggered adoption, imputation",
    "callaway_santanna": "staggered adoption, Callaway and Sant'Anna",
    "synthetic": "synthetic control with placebos in space",
    "sdid": "synthetic difference in differences",
    "dose": "difference in differences by dose",
    "counts": "counts with time at risk, by dose",
    "its": "interrupted time series of the treated alone: departure from the line of the windows before",
}
_WEIGHTS = {
    "none": "none: every provider counts alike",
    "cases": "cases of the cell",
    "baseline_cases": "cases before onset, so that volume that moves does not move weights",
}


def _conditions(frame: Frame, names: Sequence[str]) -> str:
    return ", ".join(f"{one} ({measure})" if (measure := frame.measure(one)) else one for one in names)


def _clocks(frame: Frame, conditions: Sequence[str]) -> Card:
    found = []
    for clock, dated in frame.clocks(conditions).items():
        if dated is not None:
            found.append((f"Clock: {clock}", _dated(dated)))
    if frame.study.onset is not None:
        found.append(("Onset of this study", f"{frame.study.onset.date} ({frame.study.onset.cite})"))
    else:
        found.append(("Onset of this study", f"the day on which it was {frame.study.clock}"))
    return found


def _dated(one: Dated) -> str:
    return f"{one.date} ({one.cite}){', unverified' if one.unverified else ''}"


def _groups(frame: Frame) -> Card:
    found = []
    for name in frame.group_names:
        count = len(np.unique(frame.provider_codes[frame.is_in([name])]))
        role = "Treated" if name in frame.treated_groups else "Exempt"
        known = frame.facts.groups.get(name) if frame.facts and frame.study.groups is None else None
        text = f"{name}: {count:,} providers"
        if known is not None:
            doubt = ", unverified" if known.unverified else ""
            caution = f"; {known.caution}" if known.caution else ""
            text = f"{name}, {known.label}: {count:,} providers ({known.cite}{doubt}){caution}"
        found.append((role, text))
    return found


def _exposures(frame: Frame) -> Card:
    """Say what areas are exposed to, and how much of them is known: a mean over areas."""
    found = []
    _, first = np.unique(frame.provider_codes, return_index=True)
    for name, asked in frame.study.data.exposures.items():
        values, covered = (
            np.array([as_float(one) for one in frame.cells.attributes[column][first]])
            for column in (name, COVERED.format(name))
        )
        known = np.isfinite(values)
        text = (
            f"{name}: {asked.achievement.column} ({asked.achievement.file}) by {asked.persons} ({asked.file}); known "
            f"of {int(known.sum()):,} of {len(known):,} areas, there for {covered[known].mean():.1%} of persons"
        )
        if known.any():
            text += f"; from {values[known].min():g} to {values[known].max():g}, mean {values[known].mean():.3g}"
        found.append(("Exposure", text))
    return found


def _thresholds(frame: Frame, condition: str) -> list[str]:
    return frame.facts.thresholds(frame.measure(condition)) if frame.facts else []
