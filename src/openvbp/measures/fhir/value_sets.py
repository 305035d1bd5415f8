"""Value sets as FHIR gives them: expansions, or lists of codes, of the user's own licence."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from openvbp.errors import InputDataError, Problem
from openvbp.exact_yaml import load_exact
from openvbp.measures.fhir.bundles import read_json
from openvbp.measures.fhir.elements import Resource, as_list, code_of
from openvbp.measures.value_sets import ValueSet


@dataclass
class FoundSets:
    """Value sets of a folder, and codes of systems that measures do not use."""

    sets: dict[str, ValueSet] = field(default_factory=dict)
    other_systems: Counter[str] = field(default_factory=Counter)


@functools.cache
def identifiers() -> dict[str, str]:
    """Object identifier of a value set to the name by which measures ask for it (``value_sets.yaml``)."""
    text = files("openvbp.measures.fhir").joinpath("value_sets.yaml").read_text(encoding="utf-8")
    return {oid: name for name, oid in load_exact(text).items()}


def plain_name(title: str) -> str:
    """Write a title as a name of a value set: ``Office Visit`` becomes ``office_visit``."""
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")


def read_fhir_value_sets(folder: Path) -> FoundSets:
    """Read the ValueSet resources of a folder, alone or in bundles.

    A set is known by its object identifier, where a shipped measure asks for it; else by its title or name, written
    as :func:`plain_name` does.

    Raises
    ------
    InputDataError
        If there is no folder or set, a set is not expanded, has no code of a known system, or two sets with different
        codes have one name. All problems are reported together.
    """
    if not folder.is_dir():
        raise InputDataError(Problem("there is no such folder", str(folder), "give the folder of value sets"))
    found, problems = FoundSets(), list[Problem]()
    for path in sorted(folder.rglob("*.json")):
        content = read_json(path)
        if content is None:
            problems.append(Problem("file cannot be read: it is not JSON in UTF-8", str(path), "get the file again"))
            continue
        try:
            for resource in _value_sets(content):
                _add(found, resource, path, problems)
        except (AttributeError, TypeError, KeyError):
            problems.append(Problem("a value set is not built as FHIR R4 says", str(path), "get the file again"))
    if not problems and not found.sets:
        problems.append(Problem("the folder holds no ValueSet", str(folder), "add expansions in JSON"))
    if problems:
        raise InputDataError(problems)
    return found


def _value_sets(content: Resource) -> Iterator[Resource]:
    if content.get("resourceType") == "Bundle":
        for entry in as_list(content.get("entry")):
            yield from _value_sets(entry.get("resource") or {})
    elif content.get("resourceType") == "ValueSet":
        yield content


def _add(found: FoundSets, resource: Resource, path: Path, problems: list[Problem]) -> None:
    name = name_of(resource)
    listed = _listed(resource)
    if listed is None:
        to_do = "ask the terminology server for its expansion ($expand)"
        problems.append(Problem(f"value set {name} is a rule, not a list of codes", str(path), to_do))
        return
    codes = set()
    for coding in listed:
        code = code_of(coding)
        if code is None:
            found.other_systems[str(coding.get("system") or "none given")] += 1
        else:
            codes.add(code)
    if not codes:
        problems.append(
            Problem(f"value set {name} has no code of a known system", str(path), "an empty value set scores nobody")
        )
        return
    one = ValueSet(name, frozenset(codes), version=str(resource.get("version") or ""), source=_address(resource))
    given = found.sets.setdefault(name, one)
    if given.codes != one.codes:
        problems.append(Problem(f"value set {name} is there twice, with different codes", str(path), "keep one"))


def name_of(resource: Resource) -> str:
    """Name of a value set: by its identifier where that is known, else by its title."""
    addresses = [_address(resource), str(resource.get("id") or "")]
    addresses += [str(one.get("value") or "") for one in as_list(resource.get("identifier"))]
    for address in addresses:
        oid = re.split(r"[/:]", address.partition("|")[0])[-1]
        if oid in identifiers():
            return identifiers()[oid]
    return plain_name(str(resource.get("title") or resource.get("name") or resource.get("id") or "unnamed"))


def _address(resource: Resource) -> str:
    return str(resource.get("url") or "")


def _listed(resource: Resource) -> list[Mapping[str, Any]] | None:
    """Codes of the expansion, else of a definition that only lists codes; none where it is a rule."""
    expansion = resource.get("expansion")
    if expansion and expansion.get("contains"):
        return list(_contained(expansion["contains"]))
    compose = resource.get("compose") or {}
    parts = as_list(compose.get("include"))
    if not parts or compose.get("exclude") or any(set(one) & {"filter", "valueSet"} for one in parts):
        return None
    if not all(one.get("concept") for one in parts):
        return None
    return [{"system": one.get("system"), "code": each.get("code")} for one in parts for each in one["concept"]]


def _contained(parts: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Codes of an expansion, those inside others too; headings are none."""
    for one in parts:
        if one.get("code") and not one.get("abstract"):
            yield one
        yield from _contained(one.get("contains", ()))
