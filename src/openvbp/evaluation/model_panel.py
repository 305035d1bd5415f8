"""A panel made of fitted models of outcomes: observed and expected events of each provider, window by window."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from openvbp.errors import InputDataError, Problem, UsageError
from openvbp.evaluation.windows import Window, parse_window
from openvbp.outcome_models.result_tables import PROVIDERS

COLUMNS = ("provider_id", "cases", "observed", "expected")


def panel_of_models(models: Sequence[str]) -> pa.Table:
    """Put the providers of fitted models together.

    Expected events must come from one model for all windows (coefficients of the windows before onset): else a change
    of coding or of the model enters the outcome.

    Parameters
    ----------
    models
        ``CONDITION:WINDOW=FOLDER`` each, such as ``ami:2010-01..2010-12=fits/ami-2010``; the folder is one of
        'openvbp outcomes fit'.

    Returns
    -------
    Provider × condition × window: ``provider_id``, ``condition``, ``start``, ``end``, ``observed``, ``expected``,
    ``cases``.

    Raises
    ------
    UsageError
        If an entry is written in another way.
    InputDataError
        If a folder holds no fitted model.
    """
    if not models:
        raise UsageError(Problem("no model is given", "--model", "write CONDITION:WINDOW=FOLDER"))
    return pa.concat_tables(_rows(*_parts(one)) for one in models)


def _parts(entry: str) -> tuple[str, Window, Path]:
    name, equals, folder = entry.partition("=")
    condition, colon, window = name.partition(":")
    if not (equals and colon and condition and folder):
        what_to_do = "write CONDITION:WINDOW=FOLDER, such as ami:2010-01..2010-12=fits/ami-2010"
        raise UsageError(Problem(f"'{entry}' cannot be read", "--model", what_to_do))
    return condition, parse_window(window), Path(folder)


def _rows(condition: str, window: Window, folder: Path) -> pa.Table:
    path = folder / PROVIDERS
    try:
        found = pq.read_table(path, columns=list(COLUMNS))
    except (OSError, pa.ArrowInvalid) as error:
        what_to_do = "give a folder that 'openvbp outcomes fit' wrote"
        raise InputDataError(Problem("no fitted model can be read", str(path), what_to_do)) from error
    rows = found.num_rows
    return pa.table(
        {
            "provider_id": found["provider_id"],
            "condition": pa.array([condition] * rows),
            "start": pa.array([window.start] * rows),
            "end": pa.array([window.end] * rows),
            "observed": found["observed"].cast(pa.int64()),
            "expected": found["expected"].cast(pa.float64()),
            "cases": found["cases"].cast(pa.int64()),
        }
    )
