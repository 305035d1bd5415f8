"""Measures that are shipped, and those of the user: definitions in Python, who answers for them in YAML beside."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.exact_yaml import load_exact
from openvbp.measures import library
from openvbp.measures.measure import Composite, Governance, Measure

_LISTS = ("changes",)


@dataclass(frozen=True)
class Collection:
    """Measures of one file, with the examples that they are tested by."""

    name: str
    measures: tuple[Measure | Composite, ...]
    examples: Mapping[str, Any]


@functools.cache
def shipped() -> tuple[Collection, ...]:
    """Give the collections that are shipped, in the order of their names."""
    names = sorted(one.name for one in pkgutil.iter_modules(library.__path__))
    return tuple(_shipped(name) for name in names)


def _shipped(name: str) -> Collection:
    module = importlib.import_module(f"{library.__name__}.{name}")
    text = files(library.__name__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return _collection(name, module, text, f"{name}.yaml", is_shipped=True)


def user_collection(path: Path) -> Collection:
    """Read the user's own measures: a Python file with ``MEASURES``, and optionally a YAML file beside it.

    The file is run: read only files that you trust.

    Raises
    ------
    UsageError
        If there is no such file, or it does not give measures.
    MeasureError
        If a measure is not well defined.
    """
    specification = importlib.util.spec_from_file_location(path.stem, path) if path.is_file() else None
    if specification is None or specification.loader is None:
        raise UsageError(Problem("there is no such file of measures", str(path), "give a Python file with MEASURES"))
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    beside = path.with_suffix(".yaml")
    text = beside.read_text(encoding="utf-8") if beside.is_file() else ""
    return _collection(path.stem, module, text, str(beside), is_shipped=False)


def _collection(name: str, module: ModuleType, text: str, where: str, *, is_shipped: bool) -> Collection:
    measures: Sequence[Measure | Composite] = getattr(module, "MEASURES", ())
    if not measures:
        raise UsageError(Problem("file gives no measures", where, "assign a list of measures to MEASURES"))
    try:
        described: dict[str, Any] = load_exact(text) or {}
    except yaml.YAMLError as error:
        raise InputDataError(Problem(f"file is not YAML: {error}", where, "correct it")) from None
    examples = described.pop("examples", {})
    unknown = sorted(set(described) - {one.id for one in measures})
    if unknown:
        what = "measures are described that are not defined"
        raise InputDataError(Problem(what, where, "correct their ids", len(unknown), tuple(unknown)))
    governed = tuple(_governed(one, described.get(one.id), where, is_shipped=is_shipped) for one in measures)
    return Collection(name, governed, examples)


def _governed(
    measure: Measure | Composite, described: Mapping[str, Any] | None, where: str, *, is_shipped: bool
) -> Measure | Composite:
    names = [one.name for one in fields(Governance)]
    given = dict(described or {})
    unknown = sorted(set(given) - set(names))
    missing = [name for name in names if name != "unverified" and not given.get(name)]
    if unknown or (is_shipped and missing):
        what = f"unknown keys {', '.join(unknown)}" if unknown else f"{', '.join(missing)} is missing"
        raise InputDataError(Problem(f"{measure.id}: {what}", where, f"give {', '.join(names)}"))
    texts = {name: str(given.get(name) or "") for name in names if name not in ("unverified", *_LISTS)}
    changes = tuple(str(one) for one in given.get("changes") or ())
    unverified = str(given["unverified"]) if given.get("unverified") else None
    return replace(measure, governance=Governance(**texts, changes=changes, unverified=unverified))


def find_measures(
    names: Sequence[str], own: Sequence[Collection] = (), collections: Sequence[Collection] | None = None
) -> list[Measure | Composite]:
    """Find measures by id, by ``id@version`` or by collection; all of the user's own when no name is given.

    Raises
    ------
    UsageError
        If a name is not known.
    """
    known = [*own, *(shipped() if collections is None else collections)]
    if not names:
        return [one for collection in own or known for one in collection.measures]
    found: dict[str, Measure | Composite] = {}
    unknown = []
    for name in names:
        chosen = [
            one for collection in known for one in collection.measures if name in (one.id, one.key, collection.name)
        ]
        unknown += [] if chosen else [name]
        found |= {one.key: one for one in chosen}
    if unknown:
        raise UsageError(
            Problem(
                "measures are not known", "--measure", "openvbp measures list shows them", len(unknown), tuple(unknown)
            )
        )
    return _with_components(found, known)


def _with_components(found: dict[str, Measure | Composite], known: Sequence[Collection]) -> list[Measure | Composite]:
    """Add the components of composites."""
    by_id = {one.id: one for collection in known for one in collection.measures}
    queue = list(found.values())
    while queue:
        one = queue.pop()
        for name in one.components if isinstance(one, Composite) else ():
            component = by_id.get(name)
            if component is not None and component.key not in found:
                found[component.key] = component
                queue.append(component)
    return list(found.values())
