"""Claim lines in the making: arrays of whole numbers, one entry per line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

DIAGNOSES = 8
COLUMNS: dict[str, tuple[str, int]] = {
    "person": ("int32", -1),
    "claim": ("int32", 0),
    "is_institutional": ("bool", 0),
    "start": ("int32", 0),
    "end": ("int32", 0),
    "admission": ("int32", -1),
    "discharge": ("int32", -1),
    "clinician": ("int32", -1),
    "operating": ("int32", -1),
    "other": ("int32", -1),
    "facility": ("int32", -1),
    "place": ("int16", -1),
    "bill_type": ("int16", -1),
    "revenue": ("int16", -1),
    "hcpcs": ("int16", -1),
    "modifier": ("int16", -1),
    "drg": ("int16", -1),
    "procedure": ("int16", -1),
    "admit_source": ("int8", -1),
    "admit_type": ("int8", -1),
    "disposition": ("int8", -1),
    "units": ("int32", 1),
    "allowed": ("int64", 0),
    "paid": ("int64", 0),
    "reason": ("int32", -1),
    "condition": ("int8", -1),
    "coder": ("int32", -1),
    "slots": ("int8", 0),
    "stay": ("int32", -1),
}
"""Column to its type and what stands where nothing is given.

``claim`` tells lines of one claim within a block; days count from 1970; amounts are cents; ``clinician`` renders a
professional line or attends an institutional claim; ``reason`` is the first diagnosis, or ``condition`` the condition
that gives it; ``coder`` is the clinician whose habits decide how many of at most ``slots`` further ones are written;
``stay`` is the hospital stay without which the line would not be.
"""
Lines = dict[str, np.ndarray]


def block(person: np.ndarray, start: np.ndarray, **columns: Any) -> Lines:
    """Make lines; what is not given keeps its default, a single value holds for all lines."""
    unknown = set(columns) - set(COLUMNS)
    if unknown:
        raise ValueError(f"no such columns: {sorted(unknown)}")
    columns = {"claim": np.arange(len(person), dtype=np.int32), "end": start, **columns}
    return {"person": person, "start": start, **columns}


def kept(lines: Lines, mask: np.ndarray) -> Lines:
    """Keep some lines."""
    return {name: value[mask] if isinstance(value, np.ndarray) else value for name, value in lines.items()}


def joined(blocks: Sequence[Lines]) -> Lines:
    """Put blocks one after another, all columns filled, claims numbered through."""
    total = sum(len(one["person"]) for one in blocks)
    result = {name: np.full(total, default, dtype) for name, (dtype, default) in COLUMNS.items()}
    at, claims = 0, 0
    for one in blocks:
        count = len(one["person"])
        for name, value in one.items():
            result[name][at : at + count] = value
        if count:
            result["claim"][at : at + count] += claims
            claims = int(result["claim"][at : at + count].max()) + 1
        at += count
    return result


def together(blocks: Sequence[Lines]) -> Lines:
    """Put blocks that share their numbering of claims one after another."""
    names = dict.fromkeys(name for one in blocks for name in one)
    result: Lines = {}
    for name in names:
        dtype, default = COLUMNS[name]
        parts = []
        for one in blocks:
            value = np.asarray(one.get(name, default), dtype)
            parts.append(value if value.ndim else np.full(len(one["person"]), value, dtype))
        result[name] = np.concatenate(parts)
    return result


def merged(lines: Lines, provider: str) -> Lines:
    """Make one claim of the lines of one member, day and provider."""
    key = (lines["person"].astype(np.int64) * 50_000 + lines["start"]) * 10_000 + lines[provider]
    lines["claim"] = np.unique(key, return_inverse=True)[1].astype(np.int32)
    return lines


def in_order(lines: Lines) -> Lines:
    """Sort by member, day and claim, and number the claims anew in that order from 0."""
    # A claim stays together: its lines have one member and one first day.
    order = np.lexsort((lines["claim"], lines["start"].astype(np.int64) + lines["person"].astype(np.int64) * 1_000_000))
    result = {name: value[order] for name, value in lines.items()}
    claim = result["claim"]
    result["claim"] = np.cumsum(np.concatenate([[False], claim[1:] != claim[:-1]])).astype(np.int32)
    return result


def cents(dollars: np.ndarray) -> np.ndarray:
    """Round dollars to whole cents."""
    return np.rint(np.asarray(dollars) * 100).astype(np.int64)
