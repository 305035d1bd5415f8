"""Names of files for identifiers of providers, whatever they hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from openvbp.web.runs import address_part

LONGEST = 80

_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", *(f"{name}{number}" for name in ("com", "lpt") for number in range(1, 10))]
)
"""Names that some systems take for devices."""


def file_names(identifiers: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Give each identifier a name that every system takes, and that no other has, in capitals or not.

    A plain identifier is its own name. Another is written with what is safe of it and eight digits of its SHA-256.

    Parameters
    ----------
    identifiers
        Identifiers, each once.
    taken
        Names that other files have.

    Examples
    --------
    >>> file_names(["010001", "../a"])
    {'../a': 'a-61b4c98b', '010001': '010001'}
    """
    names: dict[str, str] = {}
    used = {one.casefold() for one in taken}
    for one in sorted(identifiers):
        name = address_part(one).strip(".-")[:LONGEST]
        is_device = name.partition(".")[0].casefold() in _DEVICES
        if not name or name != one or is_device or name.casefold() in used:
            name = f"{name or 'provider'}-{hashlib.sha256(one.encode()).hexdigest()[:8]}"
        used.add(name.casefold())
        names[one] = name
    return names
