"""A comparison of attribution rules on a claims folder, written."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from openvbp.attribution.rule_files import find_rule
from openvbp.attribution_comparison.comparison import Comparison, compare_rules
from openvbp.attribution_comparison.overview import overview
from openvbp.attribution_comparison.page import render_page
from openvbp.claims.tables import open_claims
from openvbp.engine import EngineName, cannot_write, open_engine
from openvbp.periods import parse_any_period

COMPARED = (
    "plurality_primary_care_npi",
    "majority_primary_care_npi",
    "most_recent_primary_care",
    "primary_care_with_one_year_look_back",
    "plurality_all_npi",
    "threshold_30_all_npi",
    "charges_all_npi",
    "proportional",
    "plurality_primary_care_tin",
    "mssp_two_step",
)
"""Rules that are compared where none are named; the first is the reference."""


def compare_folder(
    *,
    data: Path,
    out: Path,
    period: str,
    rules: Sequence[str] = (),
    reference: str = "",
    engine: EngineName = "duckdb",
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> Comparison:
    """Compare attribution rules on a folder of claims, and write what is found.

    Parameters
    ----------
    data
        A claims folder.
    out
        Folder; gets ``comparison.html``, ``comparison.json`` and ``payments.parquet`` (one row per rule × unit).
    period
        Period of assignment, for example ``CY2024``.
    rules
        Names or rule files; :data:`COMPARED` where none is given.
    reference
        Rule that the others are held against; the first where none is given.
    engine, threads, progress
        As of :func:`openvbp.attribution.run.attribute_folder`.

    Raises
    ------
    UsageError, InputDataError
        As of :func:`openvbp.attribution_comparison.compare_rules`.
    MachineError
        If a file cannot be written.

    Examples
    --------
    >>> compare_folder(data=Path("claims"), out=Path("RUN"), period="CY2024")  # doctest: +SKIP
    """
    chosen = [find_rule(name) for name in rules or COMPARED]
    when = parse_any_period(period)
    with open_engine(engine, threads) as opened:
        found = compare_rules(
            opened,
            open_claims(opened, data),
            chosen,
            when,
            reference=reference or chosen[0].rule,
            progress=progress,
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "comparison.html").write_text(render_page(found), encoding="utf-8")
        content = json.dumps({"overview": overview(found), **found.as_json()}, indent=1, default=str)
        (out / "comparison.json").write_text(content + "\n", encoding="utf-8")
        pq.write_table(found.payments, out / "payments.parquet", compression="zstd")
    except OSError as error:
        raise cannot_write(out, error) from error
    return found
