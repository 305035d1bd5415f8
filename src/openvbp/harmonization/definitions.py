"""The clauses of a measure's definition, as far as its title and description say them.

What a pattern recognises is *parsed*, to values that can be compared. What is only found as a passage stays *text*. The
rest is not stated: a clause is never filled in from habit ("adults", "the measurement period").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from openvbp.harmonization.registry import Measure

ClauseName = Literal[
    "age", "denominator", "exclusions", "numerator", "threshold", "period", "event choice", "direction"
]
Form = Literal["parsed", "text", "not stated"]

CLAUSES: tuple[ClauseName, ...] = (
    "age",
    "denominator",
    "exclusions",
    "numerator",
    "threshold",
    "period",
    "event choice",
    "direction",
)


@dataclass(frozen=True)
class Clause:
    """One clause: what was read of it, and from which words."""

    form: Form
    values: tuple[str, ...] = ()
    """Parsed values in a common form, sorted; one passage where the clause is text."""
    words: tuple[str, ...] = ()
    """The words each value was parsed from."""


NOT_STATED = Clause("not stated")

_UNIT = r"(?P<unit>year|month|week|day)s?"
_AGES = (
    # Each gives low, high or both; a unit that is not written is years, as in "Ages 6 to 17".
    (
        rf"(?P<low>\d+)(?:\s*(?P<low_unit>year|month|week|day)s?(?: of age)?)?\s*(?:-|–|to|through)\s*"
        rf"(?P<high>\d+)\s*(?:{_UNIT})(?:\s*(?:of age|old)|\b)(?<!ago)",
        False,
    ),
    (
        rf"\bage[sd]?\s*(?:of\s*)?(?P<low>\d+)(?:\s*(?P<low_unit>year|month)s?)?\s*(?:-|–|to|through|and)\s*"
        rf"(?P<high>\d+)(?:\s*{_UNIT})?",
        True,
    ),
    (rf"(?P<low>\d+)\s*{_UNIT}(?: of age| old)?,?\s*(?:and|or)\s*(?:older|over|above)", False),
    (rf"\bage[sd]?\s*(?:>=|≥|at least)?\s*(?P<low>\d+)(?:\s*{_UNIT})?,?\s*(?:and|or)\s*(?:older|over|above)", True),
    (rf"(?:\bunder age|\bunder the age of|\byounger than)\s*(?P<below>\d+)(?:\s*{_UNIT})?", True),
)
_COMPARED = {
    "<": "<",
    ">": ">",
    "≤": "≤",
    "≥": "≥",
    "<=": "≤",
    ">=": "≥",
    "less than": "<",
    "below": "<",
    "under": "<",
    "greater than": ">",
    "more than": ">",
    "above": ">",
    "at least": "≥",
    "at or above": "≥",
    "at or below": "≤",
    "no more than": "≤",
    "less than or equal to": "≤",
    "greater than or equal to": "≥",
}
_THRESHOLD = re.compile(
    "(?P<sign>" + "|".join(sorted(map(re.escape, _COMPARED), key=len, reverse=True)) + r")\s*"
    r"(?P<number>\d+(?:\.\d+)?(?:/\d+)?)\s*(?P<unit>%|percent|mm ?hg|mg/d[lL]|g/d[lL]|mmol/l|copies/m[lL]|weeks)",
    re.IGNORECASE,
)
_NUMBERS = {
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "six": "6",
    "seven": "7",
    "ten": "10",
    "twelve": "12",
    "thirty": "30",
}
_NUMBER = r"(?P<number>\d+|" + "|".join(_NUMBERS) + ")"
_SPAN = re.compile(
    rf"\b(?P<how>within|for at least|during|in|over|prior|up to)\s+(?:the\s+)?(?:first\s+|last\s+|past\s+|previous\s+)?"
    rf"{_NUMBER}[\s-]*(?P<unit>hour|day|week|month|year)s?(?!\s*of age)(?!\s*old)"
    r"(?:\s+(?P<side>prior|before|after|following|preceding|of))?",
    re.IGNORECASE,
)
_PERIOD = re.compile(r"\b(?:measurement|performance|reporting) (?:period|year)\b", re.IGNORECASE)
_SIDES = {"prior": "before", "before": "before", "preceding": "before"}
_EVENT_CHOICE = {
    "most recent": re.compile(r"\bmost[- ]recent|\blast documented|\blatest\b", re.IGNORECASE),
    "at least one": re.compile(r"\bat least (?:one|once|1)\b|\bone or more\b", re.IGNORECASE),
    "at least two": re.compile(r"\bat least (?:two|twice|2)\b|\btwo or more\b", re.IGNORECASE),
}
_DIVIDED = re.compile(
    r"\b(?:percentage|percent|proportion|rate|number) of\s+(?P<denominator>(?:[^.;]|\.(?=\d))*?)\s*,?\s+"
    r"(?P<numerator>(?:who (?:had|have|has|were|was|are|received|receive|did|do|achieve|achieved|demonstrate"
    r"|reached|underwent|remained|completed|filled|initiated)|whose|for whom|in which|where|with documentation"
    r"|with a documented|that (?:had|were|was|included|include|resulted))\b(?:[^.;]|\.(?=\d))*)",
    re.IGNORECASE,
)
_EXCLUDED = re.compile(r"\b(?:exclud\w+|except(?: for)?|not including|other than|without)\b[^.;)]*", re.IGNORECASE)


def clauses_of(measure: Measure) -> dict[ClauseName, Clause]:
    """Read the clauses of a definition from title and description.

    Returns
    -------
    A clause for every name of ``CLAUSES``, in that order.
    """
    text = f"{measure.title}. {measure.description}"
    ages, rest = _ages(text)
    divided = _DIVIDED.search(measure.description)
    exclusions = tuple(" ".join(one.group().split()) for one in _EXCLUDED.finditer(measure.description))
    return {
        "age": ages,
        "denominator": _passage(divided.group("denominator") if divided else ""),
        "exclusions": Clause("text", exclusions, exclusions) if exclusions else NOT_STATED,
        "numerator": _passage(divided.group("numerator") if divided else ""),
        "threshold": _thresholds(rest),
        "period": _periods(rest),
        "event choice": _choices(rest),
        "direction": Clause("parsed", (measure.direction,), ()) if measure.direction else NOT_STATED,
    }


def without_ages(text: str) -> str:
    """Leave out the age bands that are parsed."""
    return _ages(text)[1]


def _passage(words: str) -> Clause:
    tidy = " ".join(words.split())
    return Clause("text", (tidy,), (tidy,)) if tidy else NOT_STATED


def _ages(text: str) -> tuple[Clause, str]:
    """Read age bands, and give the text without them: "at least 18 years" is no threshold."""
    found: list[tuple[str, str]] = []
    for pattern, is_named in _AGES:
        compiled = re.compile(pattern, re.IGNORECASE)
        for match in compiled.finditer(text):
            # "12-18 months after surgery" is a period: a band without the word age must say what it counts.
            if is_named or re.search(r"age|old", text[max(match.start() - 8, 0) : match.end() + 8], re.IGNORECASE):
                found.append((_band(match), match.group()))
                text = text.replace(match.group(), " " * len(match.group()))
    return _parsed(found), text


def _band(match: re.Match[str]) -> str:
    parts = match.groupdict()
    unit = (parts.get("unit") or "year").lower()
    if parts.get("below"):
        return f"under {parts['below']} {unit}s"
    low_unit = (parts.get("low_unit") or unit).lower()
    low = parts["low"] if low_unit == unit else f"{parts['low']} {low_unit}s"
    return f"{low} to {parts['high']} {unit}s" if parts.get("high") else f"{low} {unit}s and older"


def _thresholds(text: str) -> Clause:
    found = []
    for match in _THRESHOLD.finditer(text):
        number = match.group("number")
        number = re.sub(r"\.0+$", "", number)
        unit = match.group("unit").lower().replace("percent", "%").replace("mm hg", "mmhg")
        found.append((f"{_COMPARED[match.group('sign').lower()]} {number} {unit}", match.group()))
    return _parsed(found)


def _periods(text: str) -> Clause:
    found = [("measurement period", match.group()) for match in _PERIOD.finditer(text)]
    for match in _SPAN.finditer(text):
        number = _NUMBERS.get(match.group("number").lower(), match.group("number"))
        side = (match.group("side") or "").lower()
        when = f" {_SIDES.get(side, 'after')}" if side else ""
        found.append((f"{number} {match.group('unit').lower()}s{when}", match.group()))
    return _parsed(found)


def _choices(text: str) -> Clause:
    return _parsed([(name, match.group()) for name, form in _EVENT_CHOICE.items() for match in form.finditer(text)])


def _parsed(found: list[tuple[str, str]]) -> Clause:
    first: dict[str, str] = {}
    for value, words in found:
        first.setdefault(value, words)
    values = tuple(sorted(first))
    return Clause("parsed", values, tuple(" ".join(first[one].split()) for one in values)) if values else NOT_STATED
