"""Groupers from folders: ``grouper.yaml``, ``codes.csv`` and, where there are screens, ``exclusions.csv``."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.exact_yaml import load_exact
from openvbp.grouping.ahrq_ccsr import read_ccsr
from openvbp.grouping.ahrq_elixhauser import read_elixhauser
from openvbp.grouping.grouper import Group, Grouper, Index, checked

SHIPPED = {"charlson-quan": "charlson_quan"}
LOADED: dict[str, Callable[[Path], Grouper]] = {
    "elixhauser-ahrq": read_elixhauser,
    "ccsr": read_ccsr,
    "ccsr-principal": lambda tables: read_ccsr(tables, "principal"),
}
_KEYS = frozenset(
    {"title", "version", "cite", "positions", "least_mapped", "unverified", "groups", "hierarchy", "indices"}
)
_CODES = ("code_system", "code", "group")
_EXCLUSIONS = ("kind", "code", "group")


def read_grouper(name: str, tables: Path | None = None) -> Grouper:
    """Read a grouper.

    Parameters
    ----------
    name
        ``charlson-quan``, which is shipped; ``elixhauser-ahrq``, ``ccsr`` or ``ccsr-principal``, whose files are in
        ``tables``; or a folder of your own with ``grouper.yaml`` and ``codes.csv``.
    tables
        Folder of the files of AHRQ.

    Raises
    ------
    UsageError
        If there is no such grouper, or its files are not named.
    InputDataError
        If a file is missing or cannot be used. Every problem is named.
    """
    if name in LOADED:
        if tables is None:
            what = f"{name} needs the files of AHRQ, which are not shipped"
            raise UsageError(Problem(what, "--tables", "download them from hcup-us.ahrq.gov and give their folder"))
        return LOADED[name](tables)
    if tables is not None:
        what_to_do = f"leave it out, or choose {' or '.join(LOADED)}"
        raise UsageError(Problem(f"{name} takes no files of AHRQ", "--tables", what_to_do))
    if name in SHIPPED:
        return read_folder(Path(str(files("openvbp.grouping").joinpath("tables", SHIPPED[name]))), name)
    if Path(name).is_dir():
        return read_folder(Path(name), Path(name).name)
    what_to_do = f"choose {', '.join([*SHIPPED, *LOADED])}, or give a folder with grouper.yaml and codes.csv"
    raise UsageError(Problem(f"there is no grouper '{name}'", "--grouper", what_to_do))


def read_folder(folder: Path, name: str) -> Grouper:
    """Read a grouper from a folder of the layout above.

    Raises
    ------
    InputDataError
        If a file is missing, has other keys or columns, or the tables contradict themselves.
    """
    path = folder / "grouper.yaml"
    said = _yaml(path)
    unknown = sorted(set(said) - _KEYS)
    if unknown:
        what_to_do = "use " + ", ".join(sorted(_KEYS))
        raise InputDataError(Problem("keys are not known", str(path), what_to_do, len(unknown), tuple(unknown)))
    try:
        groups = tuple(_group(one, about or {}) for one, about in said.get("groups", {}).items())
        pairs = tuple((parent, child) for parent, some in said.get("hierarchy", {}).items() for child in some)
        indices = tuple(
            Index(one, {group: _whole(weight) for group, weight in about["weights"].items()}, about.get("cite", ""))
            for one, about in said.get("indices", {}).items()
        )
        least_mapped = float(said.get("least_mapped", 0))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        what = f"groups, hierarchy, indices or least_mapped are not of their form: {error}"
        raise InputDataError(Problem(what, str(path), "see docs/how-to/comorbidities.md")) from None
    rows = read_rows(folder / "codes.csv", _CODES)
    screens = read_rows(folder / "exclusions.csv", _EXCLUSIONS) if (folder / "exclusions.csv").is_file() else []
    labels: dict[str, str] = {}
    for group in groups:
        if group.reported_as:
            labels.setdefault(group.reported_as, group.label)
    paths = sorted(one for one in folder.iterdir() if one.name in ("grouper.yaml", "codes.csv", "exclusions.csv"))
    grouper = Grouper(
        name=name,
        title=str(said.get("title", name)),
        version=str(said.get("version", "")),
        cite=str(said.get("cite", "")),
        groups=groups,
        codes=frozenset((system, plain_code(code), group) for system, code, group in rows),
        labels=labels,
        hierarchy=pairs,
        indices=indices,
        positions=said.get("positions", "all"),
        screens=frozenset((kind, plain_code(code), group) for kind, code, group in screens),  # type: ignore[misc]
        least_mapped=least_mapped,
        unverified=tuple(said.get("unverified", ())),
        files=tuple((one.name, hashlib.sha256(one.read_bytes()).hexdigest()) for one in paths),
    )
    return checked(grouper, str(folder))


def plain_code(code: str) -> str:
    """Write a code as it is compared: in capitals, without dots and blanks."""
    return code.strip().upper().replace(".", "")


def read_rows(path: Path, columns: tuple[str, ...]) -> list[tuple[str, ...]]:
    """Read the named columns of a CSV file as text.

    Raises
    ------
    InputDataError
        If the file is missing or empty, lacks a column, or has empty cells or rows that stand twice.
    """
    if not path.is_file():
        raise InputDataError(Problem("file is missing", str(path), "add it"))
    with path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        missing = [one for one in columns if one not in (reader.fieldnames or ())]
        if missing:
            raise InputDataError(Problem("columns are missing", str(path), "add them", len(missing), tuple(missing)))
        rows = [tuple((row[one] or "").strip() for one in columns) for row in reader]
    empty = sum("" in row for row in rows)
    if empty or not rows:
        what = "rows have empty cells" if rows else "file has no rows"
        raise InputDataError(Problem(what, str(path), "fill them in", max(empty, 1)))
    twice = sorted({" ".join(row) for row in rows if rows.count(row) > 1}) if len(set(rows)) < len(rows) else []
    if twice:
        raise InputDataError(Problem("rows stand twice", str(path), "keep one", len(twice), tuple(twice[:3])))
    return rows


def _group(name: str, about: Mapping[str, Any]) -> Group:
    shown = about.get("reported_as", name)
    return Group(name, str(about.get("label", name)), about.get("present_on_admission", "any"), shown or None)


def _whole(weight: Any) -> int:
    if int(weight) != weight:
        raise ValueError(f"weight {weight} is not a whole number")
    return int(weight)


def _yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputDataError(Problem("file is missing", str(path), "add it"))
    try:
        said = load_exact(path.read_bytes())
    except yaml.YAMLError as error:
        raise InputDataError(Problem(f"file is not YAML: {error}", str(path), "correct it")) from None
    if not isinstance(said, dict):
        raise InputDataError(Problem("file holds no keys", str(path), "begin with title and groups"))
    return said
