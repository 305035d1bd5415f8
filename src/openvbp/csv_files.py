"""Rows that a command writes to a CSV file of the user's."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openvbp.engine import cannot_write


def write_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], path: Path) -> None:
    """Write rows to a CSV file, with a header also where there are none.

    Raises
    ------
    MachineError
        If the file cannot be written.
    """
    try:
        with path.open("w", newline="", encoding="utf-8") as out:
            writer = csv.DictWriter(out, columns)
            writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise cannot_write(path, error, "choose another --out") from error
