"""Whom a design counts: exclusions, risk adjustment, attribution, and measures that other programs pay too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pyarrow.parquet as pq

from openvbp.design_review.aspect import Aspect, CannotBeSeenError, Evidence, Finding, Severity
from openvbp.design_review.attributed import attributed
from openvbp.design_review.design import Design, of_fact
from openvbp.diagnosis.put_back import put_back
from openvbp.diagnosis.runs import open_runs
from openvbp.diagnosis.section import CannotBeMadeError, percent
from openvbp.errors import OpenvbpError
from openvbp.harmonization.modelled_measures import modelled_measures
from openvbp.measures.catalogue import find_measures
from openvbp.measures.measure import Measure
from openvbp.profiling.small_cells import is_small

_SERIOUS_CHURN, _CAUTION_CHURN = 1 / 3, 0.1
_LEFT_OUT = ("denominator_exclusion", "numerator_exclusion", "denominator_exception")
"""Parts of a measure that leave patients out."""


_NOBODY = {one.name: one.default for one in fields(Measure) if one.name in _LEFT_OUT}


def exclusions(design: Design) -> Aspect:
    """Say who may be left out of denominators, and whether the provider itself decides it."""
    findings, rows = [], []
    fact = design.fact("exceptions_by_provider")
    if fact:
        by_provider = fact.value == "yes"
        text = (
            "Providers themselves report whom they leave out, and the rate is of the rest."
            if by_provider
            else "Whom a measure leaves out is coded in records that others see too; coding can still move it."
        )
        findings.append(Finding("serious" if by_provider else "caution", text, [of_fact("exceptions", fact)]))
    findings += _left_out(design)
    for measure in _library_measures(design):
        parts = [name for name in _LEFT_OUT if getattr(measure, name) is not _NOBODY[name]]
        rows.append({"measure": measure.id, "leaves_out_by": ", ".join(parts).replace("_", " ") or "nothing"})
    with_parts = [one for one in rows if one["leaves_out_by"] != "nothing"]
    if rows:
        text = (
            f"{len(with_parts):,} of {len(rows):,} measures leave patients out by codes that the provider's own claims "
            "carry."
        )
        place = Evidence(
            "measures", ", ".join(one["measure"] for one in with_parts) or "none", "definitions of the measure library"
        )
        findings.append(Finding("caution" if with_parts else "fine", text, [place]))
    if not findings:
        raise CannotBeSeenError("the definitions of the measures are not in the file: name measures of the library")
    return Aspect("exclusions", findings, {"What leaves patients out": rows})


def _left_out(design: Design) -> list[Finding]:
    """What achievement would be with those put back who were left out, where the run tells who was."""
    if design.run is None or design.contract is not None:
        return []
    try:
        found = put_back(open_runs([design.run.path]))
    except (CannotBeMadeError, OpenvbpError):
        return []
    place = Evidence("RUN", "patients put back", "openvbp diagnose --what put-back")
    return [Finding("caution", one, [place]) for one in found.findings[:2]]


def _library_measures(design: Design) -> Iterator[Measure]:
    quality = design.contract.quality if design.contract else None
    for name in quality.measures if quality else ():
        try:
            yield from (one for one in find_measures([name]) if isinstance(one, Measure))
        except OpenvbpError:
            continue


def risk_adjustment(design: Design) -> Aspect:
    """Say what of the patients' risk the design takes into account: conditions, and social risk."""
    clinical, social = design.fact("clinical_risk"), design.fact("social_risk")
    if clinical is None and social is None:
        raise CannotBeSeenError("the file does not say whether, and for what, is adjusted")
    findings: list[Finding] = []
    has_social = social is not None and social.value != "none"
    if clinical:
        said = {
            "yes": "Patients' conditions are adjusted for",
            "some": "Patients' conditions are adjusted for in part",
            "no": "Patients' conditions are not adjusted for: who has sicker patients has less to win",
        }[clinical.value]
        severity: Severity = "fine" if clinical.value == "yes" else "caution"
        if clinical.value == "no" and not has_social:
            severity = "serious"
        findings.append(Finding(severity, f"{said}.", [of_fact("clinical risk", clinical)]))
    if social:
        said = {
            "none": "Social risk is outside of it: providers of poor patients are held to the same rates",
            "peer_groups": "Social risk is outside of the rates, but providers are compared within peer groups of it",
            "bonus": "Social risk is outside of the rates, and is met by a bonus",
            "register": "Social risk enters through who is counted or scored: " + (social.note or "the register"),
        }[social.value]
        findings.append(Finding("caution" if not has_social else "fine", f"{said}.", [of_fact("social risk", social)]))
    findings += _cap(design)
    if clinical is None:
        findings.append(Finding("caution", "The file does not say whether patients' conditions count."))
    return Aspect("risk-adjustment", findings)


def _cap(design: Design) -> list[Finding]:
    if design.contract is None or not design.contract.budget.is_risk_adjusted:
        return []
    cap = design.terms.value("risk_score_change_cap")
    place = design.evidence("risk_score_change_cap")
    if cap is None:
        return [
            Finding("caution", "Changes of the risk score count in full: more coding alone raises the budget.", [place])
        ]
    run = ""
    if design.run is not None and (design.run.path / "settlement" / "population.parquet").is_file():
        rows = pq.read_table(design.run.path / "settlement" / "population.parquet", columns=["risk_ratio"])
        ratio = rows["risk_ratio"][0].as_py()
        run = "" if ratio is None else f" In the run the budget is multiplied by {float(ratio):.4f} for risk."
    text = (
        f"Changes of the risk score count up to {percent(float(cap))}: so much of coding can raise the budget, "
        f"and real illness beyond it is not paid.{run}"
    )
    return [Finding("caution", text, [place])]


def attribution(design: Design) -> Aspect:
    """Say how many of the organization's patients are still its own a year later, from the run's attribution."""
    fact = design.fact("attribution")
    findings = []
    if fact and fact.value == "none":
        return Aspect("attribution", [Finding("fine", f"Nobody is attributed: {fact.cite}.")])
    if fact:
        text = {
            "prospective": "Patients are known before the year.",
            "retrospective": "Whose patients they were is known only after the year.",
            "either": "Organizations choose whether patients are known before the year.",
        }[fact.value]
        severity: Severity = "caution" if fact.value == "retrospective" else "fine"
        findings.append(Finding(severity, text, [of_fact("attribution", fact)]))
    counted = _churn(design)
    if counted:
        left = counted["left"] / counted["before"]
        worst: Severity = "serious" if left >= _SERIOUS_CHURN else "caution" if left >= _CAUTION_CHURN else "fine"
        elsewhere = counted["elsewhere"]
        others = "" if elsewhere is None else f" ({percent(elsewhere / counted['before'])} are another's)"
        text = (
            f"Of {counted['before']:,} patients of {counted['first']}, {percent(left)} are not the organization's in "
            f"{counted['last']}{others}; {percent(counted['new'] / counted['after'])} of its {counted['after']:,} "
            "patients are new."
        )
        place = Evidence("evidence/claims/attribution", "two years of the run", "the contract's own rule")
        findings.append(Finding(worst, text, [place]))
    if not findings:
        raise CannotBeSeenError("the file does not say how patients are attributed by a rule known here")
    return Aspect("attribution", findings, {"Patients of two years": [counted]} if counted else {})


def _churn(design: Design) -> dict[str, Any] | None:
    """Patients of the last two years of the run; nothing where few came or left."""
    years = list(attributed(design).items())[-2:]
    if len(years) < len(("before", "after")) or not all(one.own for _year, one in years):
        return None
    (first, before), (last, after) = years
    if any(is_small(len(one)) for one in (before.own - after.own, after.own - before.own)):
        return None
    elsewhere, left = len(before.own & after.of_others), len(before.own - after.own)
    return {
        "first": first,
        "last": last,
        "before": len(before.own),
        "after": len(after.own),
        "left": left,
        # Small counts are not told, nor what would give them away.
        "elsewhere": None if is_small(elsewhere) or is_small(left - elsewhere) else elsewhere,
        "new": len(after.own - before.own),
    }


def overlap(design: Design) -> Aspect:
    """Name measures that other programs modelled here pay for too, by identifier or title."""
    mine, elsewhere = design.measures, defaultdict(set)
    if not mine:
        raise CannotBeSeenError("the measures of the program are not listed here: see openvbp harmonize pairs")
    titles = {}
    for one in modelled_measures():
        program = str(one["program"]).split()[0]
        titles[(program, one["measure_id"])] = one["title"]
        if program != design.program_id:
            elsewhere[one["measure_id"]].add(program)
            if one["title"]:
                elsewhere[one["title"]].add(program)
    rows = []
    for name in sorted(mine):
        title = titles.get((design.program_id, name))
        found = elsewhere.get(name, set()) | (elsewhere.get(title, set()) if title else set())
        if found:
            rows.append({"measure": name, "also_paid_by": ", ".join(sorted(found))})
    text = f"{len(rows):,} of {len(mine):,} measures are in another program modelled here too."
    if rows:
        text += f" The same event moves money twice: {', '.join(one['measure'] for one in rows[:6])}."
    place = Evidence(
        "measure catalogues", f"{len(mine):,} measures", "compared by identifier and title; see openvbp harmonize"
    )
    return Aspect(
        "overlap", [Finding("caution" if rows else "fine", text, [place])], {"Measures of several programs": rows}
    )
