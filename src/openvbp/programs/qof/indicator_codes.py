"""Indicator codes: publications, guidance and payment calculator write the same indicator differently.

``AF 1``, ``AF01``, ``AF001`` and ``AF001(S)`` differ in blanks, zeros and the suffix of Scottish variants; some letters
differ too (``INFORMATION 5``, ``COMMUN05``). Parameters and results use the code of the publication without the suffix.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from openvbp.parameters import Scenario

UNITED_KINGDOM = "united_kingdom"
COUNTRIES = ("scotland", "england")
CODE_FORM = r"^[A-Z][A-Z -]*[0-9]+( ?[(]S[)])?$"
_CODE = re.compile(r"([A-Z][A-Z -]*?)[ -]*0*(\d+)(?: ?\(S\))?")
_AREA_OF_LETTERS = {
    "ast": "asthma",
    "can": "cancer",
    "cvdpp": "cvd",
    "ep": "epilepsy",
    "ob": "obesity",
    "stia": "stroke",
    "smok": "smoking",
}
"""Letters of English codes and groups under the names that areas have here; all others are the same."""

_DEVOLVED_FROM = 2013


def framework(country: str, declared: Scenario) -> str:
    """Name the framework in force: the United Kingdom's until 2012/13, the country's own later."""
    return country if declared.period.start.year >= _DEVOLVED_FROM else UNITED_KINGDOM


def code_key(code: str) -> tuple[str, int] | None:
    """Reduce a code to what all ways of writing it share; ``None`` if it is not a code.

    Examples
    --------
    >>> code_key("CVD-PP02(S)") == code_key("CVDPP002")
    True
    """
    match = _CODE.fullmatch(code.strip().upper())
    return (re.sub("[ -]", "", match.group(1)), int(match.group(2))) if match else None


def declared_codes(codes: Iterable[str], country: str, declared: Scenario) -> dict[str, str]:
    """Give each published code the code under which the year's parameters have the indicator.

    Parameters
    ----------
    codes
        Codes as a file has them.
    country
        ``scotland`` or ``england``.
    declared
        The parameters of the period.

    Returns
    -------
    Published code to declared code, without codes that the year does not have.
    """
    name = framework(country, declared)
    known = {code_key(code): code for code in declared.keyed(f"{name}_points")}
    if name == UNITED_KINGDOM:
        guidance = {code_key(text): code for code, text in declared.keyed("united_kingdom_guidance_code").items()}
        known = guidance | known
    keyed = {code: code_key(code) for code in codes}
    return {code: known[key] for code, key in keyed.items() if key in known}


def area_of_group(group: str) -> str:
    """Give a group of the English publications the name of its area.

    Examples
    --------
    >>> area_of_group("STIA")
    'stroke'
    """
    return _AREA_OF_LETTERS.get(group.lower(), group.lower())


def area_of_code(code: str) -> str:
    """Name the area of an indicator by the letters of its code."""
    key = code_key(code)
    return area_of_group(key[0]) if key else ""
