"""Two measures held against each other on a folder of claims."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path

from openvbp.claims.tables import open_claims
from openvbp.engine import EngineName, open_engine
from openvbp.errors import Problem, UsageError
from openvbp.harmonization.comparison_on_data import DataComparison, compare_on_data
from openvbp.measures.run import Request, claims_of, prepared, units_of
from openvbp.periods import parse_any_period


def compare_folder(data: Path, request: Request, pool: Decimal, engine: EngineName = "duckdb") -> DataComparison:
    """Compare the two measures that a request names (:func:`compare_on_data`).

    Parameters
    ----------
    data
        Folder of claims in the native layout.
    request
        One period and two measures; value sets and attribution as in :func:`openvbp.measures.run.run_measures`.
    pool
        US dollars divided among units.
    engine
        Where to compute.

    Raises
    ------
    UsageError, InputDataError
        If they are not two measures, cannot be compared, or lack something.
    """
    ready = prepared(request)
    if len(ready.measures) != 2 or ready.composites:
        named = ", ".join(one.key for one in [*ready.measures, *ready.composites])
        raise UsageError(Problem(f"two measures are compared, not {named}", "--first, --second", "name two measures"))
    wanted = request.measures[0]
    first, second = sorted(ready.measures, key=lambda one: wanted not in (one.id, one.key))
    with open_engine(engine) as opened, tempfile.TemporaryDirectory(prefix="openvbp-") as scratch:
        events = claims_of(open_claims(opened, data), ready.measures, ready.sets, Path(scratch))
        units = units_of(opened, request.attribution, ready.measures)
        period = parse_any_period(request.periods[0])
        return compare_on_data(events, first, second, ready.sets, period, units, pool=pool, scratch=Path(scratch))
