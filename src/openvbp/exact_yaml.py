"""YAML with numbers as exact decimals and no key twice."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import yaml

# The parser written in C, where PyYAML was built with it: a run reads thousands of lines of parameters.
_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _ExactLoader(_Parser):
    pass


def _mapping(loader: _ExactLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen = set()
    for key, _ in node.value:
        name = loader.construct_object(key)
        if name in seen:
            raise yaml.constructor.ConstructorError(problem=f"{name} stands twice", problem_mark=key.start_mark)
        seen.add(name)
    return loader.construct_mapping(node, deep=True)


def _number(_: _ExactLoader, node: yaml.ScalarNode) -> Decimal:
    try:
        return Decimal(node.value)
    except InvalidOperation as error:
        problem = f"{node.value} is not a decimal number"
        raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark) from error


_ExactLoader.add_constructor("tag:yaml.org,2002:map", _mapping)
_ExactLoader.add_constructor("tag:yaml.org,2002:float", _number)
_ExactLoader.add_constructor("tag:yaml.org,2002:int", _number)


def load_exact(content: bytes | str) -> Any:
    """Read a YAML document; every number is a ``Decimal``.

    Raises
    ------
    yaml.YAMLError
        If it is not YAML, or a key stands twice.
    """
    return yaml.load(content, Loader=_ExactLoader)  # noqa: S506 (a subclass of the safe loader)


def lines_of(content: bytes | str) -> Mapping[tuple[str | int, ...], int]:
    """Tell on which line each entry of a YAML document stands.

    Returns
    -------
    Path of keys and places (from 0) in lists to line number, from 1.
    """
    lines: dict[tuple[str | int, ...], int] = {}

    def walk(node: yaml.Node | None, path: tuple[str | int, ...]) -> None:
        """Note the lines of what stands below a node."""
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                below = (*path, str(key.value))
                lines[below] = key.start_mark.line + 1
                walk(value, below)
        elif isinstance(node, yaml.SequenceNode):
            for place, value in enumerate(node.value):
                lines[(*path, place)] = value.start_mark.line + 1
                walk(value, (*path, place))

    walk(yaml.compose(content, Loader=_ExactLoader), ())
    return lines
