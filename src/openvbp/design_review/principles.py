"""Published principles of payment for performance, held against a design one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, model_validator

from openvbp.design_review.aspect import TITLES, Aspect, Evidence
from openvbp.design_review.design import Design, of_fact
from openvbp.exact_yaml import load_exact

Judgement = Literal["kept", "broken", "not determinable"]


class Principle(BaseModel):
    """One principle, and what of a design tells whether it is kept."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    source: str
    year: int
    text: str
    """In our own words."""
    read: str
    """Where it was read."""
    unverified: bool = False
    """Whether the wording of the source itself was not read."""
    fact: str = ""
    kept: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    undetermined: str = ""
    """Why a value that is neither kept nor broken does not decide."""
    aspect: str = ""
    or_aspect: str = ""
    """Looked at where the aspect could not be."""
    neither: str = ""
    """Why nothing in a file tells."""

    @model_validator(mode="after")
    def _one_question(self) -> Principle:
        if sum(bool(one) for one in (self.fact, self.aspect, self.neither)) != 1:
            raise ValueError(f"{self.id} must name a fact, an aspect, or why neither")
        if {self.aspect, self.or_aspect} - {"", *TITLES}:
            raise ValueError(f"{self.id}: there is no aspect {self.aspect} {self.or_aspect}")
        return self


@dataclass(frozen=True)
class Verdict:
    """Whether a design keeps a principle."""

    principle: Principle
    judgement: Judgement
    reason: str
    evidence: Sequence[Evidence] = ()


def published_principles() -> list[Principle]:
    """All principles on record."""
    content = files("openvbp.design_review").joinpath("principles.yaml").read_text(encoding="utf-8")
    return [Principle.model_validate({**one, "year": int(one["year"])}) for one in load_exact(content)["principles"]]


def judge(design: Design, aspects: Mapping[str, Aspect]) -> list[Verdict]:
    """Hold every principle against a design.

    Parameters
    ----------
    design
        What is reviewed.
    aspects
        Those that were looked at, by name.
    """
    return [_verdict(one, design, aspects) for one in published_principles()]


def _verdict(one: Principle, design: Design, aspects: Mapping[str, Aspect]) -> Verdict:
    if one.neither:
        return Verdict(one, "not determinable", one.neither)
    return _by_fact(one, design) if one.fact else _by_aspect(one, aspects)


def _by_fact(one: Principle, design: Design) -> Verdict:
    fact, name = design.fact(one.fact), one.fact.replace("_", " ")
    if fact is None:
        return Verdict(one, "not determinable", f"{name}: the file does not say")
    place, said = [of_fact(name, fact)], f"{name}: {fact.value.replace('_', ' ')}"
    if fact.value in one.kept:
        return Verdict(one, "kept", said, place)
    if fact.value in one.broken:
        return Verdict(one, "broken", said, place)
    return Verdict(one, "not determinable", f"{said}; {one.undetermined or 'it does not decide'}", place)


def _by_aspect(one: Principle, aspects: Mapping[str, Aspect]) -> Verdict:
    known = [aspects[name] for name in (one.aspect, one.or_aspect) if name in aspects]
    seen = [aspect for aspect in known if aspect.severity is not None]
    if not seen:
        reason = known[0].why_not if known else "the aspect was not looked at"
        return Verdict(one, "not determinable", reason)
    aspect = seen[0]
    worst = next(finding for finding in aspect.findings if finding.severity == aspect.severity)
    judged: dict[str, Judgement] = {"serious": "broken", "fine": "kept", "caution": "not determinable"}
    doubt = ", a caution" if aspect.severity == "caution" else ""
    reason = f"{aspect.title.lower()}{doubt}: {worst.text}"
    return Verdict(one, judged[aspect.severity or "fine"], reason, worst.evidence)
