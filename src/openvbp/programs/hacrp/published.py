"""What the file publishes beside its inputs: results to compare with, and where each input stands."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from openvbp.programs.hacrp.readers import FileRows, PublishedInputs, read_published

_INPUTS = {"performance_rate": "rate", "published_z_score": "z_score", "published_points": "points"}
_AMOUNTS = (
    "base_operating_drg_payment_amount",
    "hvbp_adjustment_factor",
    "hrrp_adjustment_factor",
    "other_payment_amount",
)
_FLAGS = {"yes": "1", "no": "0"}


def citations(inputs: PublishedInputs, measure_ids: Iterable[str]) -> list[tuple[str, str, str]]:
    """File and column of every input: quantity, measure (empty if of the hospital), citation."""
    rows = inputs.scores
    found = [
        (quantity, measure_id, _citation(rows, rows.file.measures[measure_id, name]))
        for measure_id in measure_ids
        for quantity, name in _INPUTS.items()
        if (measure_id, name) in rows.file.measures
    ]
    found += [
        ("is_worst_score_assigned", measure_id, _citation(rows, rows.file.measures[measure_id, "footnote"]))
        for measure_id in measure_ids
        if (measure_id, "footnote") in rows.file.measures
    ]
    if "total_hac_score" in rows.file.named:
        found.append(("published_total_hac_score", "", _citation(rows, rows.file.named["total_hac_score"])))
    exempt = "42 U.S.C. 1395ww(p)(2)(C)"
    if "payment_reduction" in rows.file.named:
        exempt += f"; {_citation(rows, rows.file.named['payment_reduction'])}"
    found.append(("is_exempt", "", exempt))
    payments = inputs.added.get("payments")
    if payments:
        found += [
            (name, "", _citation(payments, payments.file.named[name]))
            for name in _AMOUNTS
            if name in payments.file.named
        ]
    return found


def _citation(rows: FileRows, index: int) -> str:
    return f"{rows.file.table.name}, column '{rows.file.table.header[index]}'"


def read_published_values(path: Path, period_label: str) -> pa.Table:
    """Published results in long form, as text, for comparison.

    Returns
    -------
    Hospital × quantity × measure or domain: provider_id, quantity, measure_id, domain_id, source, text. A payment
    reduction is 1 for Yes and 0 for No.
    """
    rows = read_published(path, period_label).scores
    named = rows.file.named
    parts = [
        _long(rows, "measure_score", measure_id, None, index)
        for (measure_id, name), index in rows.file.measures.items()
        if name in ("z_score", "points")
    ]
    parts += [
        _long(rows, "domain_score", None, domain_id, named[domain_id])
        for domain_id in ("domain_1", "domain_2")
        if domain_id in named
    ]
    if "total_hac_score" in named:
        parts.append(_long(rows, "total_hac_score", None, None, named["total_hac_score"]))
    if "payment_reduction" in named:
        flags = [_FLAGS.get(text.lower(), "") for text in rows.columns[named["payment_reduction"]]]
        part = _long(rows, "is_in_worst_quartile", None, None, named["payment_reduction"])
        parts.append(part.set_column(part.column_names.index("text"), "text", pa.array(flags, pa.string())))
    return pa.concat_tables(parts)


def _long(rows: FileRows, quantity: str, measure_id: str | None, domain_id: str | None, index: int) -> pa.Table:
    count = len(rows.provider_ids)
    constant = {
        "quantity": quantity,
        "measure_id": measure_id,
        "domain_id": domain_id,
        "source": _citation(rows, index),
    }
    return pa.table(
        {
            "provider_id": pa.array(rows.provider_ids, pa.string()),
            **{name: pa.array([value] * count, pa.string()) for name, value in constant.items()},
            "text": rows.texts(index),
        }
    )
