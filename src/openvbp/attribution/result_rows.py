"""Rows of attribution gathered portion by portion, written rule by rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.ipc
import pyarrow.parquet as pq

from openvbp.attribution.rule import Rule


class Tally:
    """Counts of a rule's rows; each person's rows are added together."""

    def __init__(self, rule: Rule) -> None:
        self._subject = "person_id" if rule.subject == "person" else "episode_id"
        self._assigned = 0
        self._reasons: Counter[str] = Counter()
        self._units: set[str] = set()

    def add(self, rows: pa.Table) -> None:
        """Count more rows."""
        assigned = rows.filter(pc.is_null(rows["reason"]))
        self._assigned += pc.count_distinct(assigned[self._subject]).as_py()
        self._units.update(assigned["unit_id"].unique().drop_null().to_pylist())
        for one in rows["reason"].drop_null().value_counts().to_pylist():
            self._reasons[str(one["values"])] += one["counts"]

    def counts(self) -> dict[str, Any]:
        """``eligible``, ``assigned``, ``share``, ``units`` and ``not_assigned``, the numbers by reason."""
        why = dict(sorted(self._reasons.items()))
        eligible = self._assigned + sum(number for name, number in why.items() if name != "not_eligible")
        return {
            "eligible": eligible,
            "assigned": self._assigned,
            "share": self._assigned / eligible if eligible else None,
            "units": len(self._units),
            "not_assigned": why,
        }


class ResultRows:
    """Rows by rule, kept in files of a scratch folder until all portions are there."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        self._files: dict[str, tuple[Path, Any]] = {}

    def add(self, rule_id: str, rows: pa.Table) -> None:
        """Take the rows of a rule and a portion."""
        if rule_id not in self._files:
            path = self._scratch / f"{len(self._files)}.arrow"
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._files[rule_id] = path, pa.ipc.new_stream(str(path), rows.schema, options=options)
        self._files[rule_id][1].write_table(rows)

    def write(self, path: Path) -> Iterator[str]:
        """Write one Parquet file, rule by rule, in the order in which rows were taken; yields each rule when done."""
        writer = None
        try:
            for rule_id, (kept, stream) in self._files.items():
                stream.close()
                with pa.ipc.open_stream(str(kept)) as batches:
                    writer = writer or pq.ParquetWriter(path, batches.schema, compression="zstd")
                    writer.write_table(batches.read_all())
                kept.unlink()
                yield rule_id
        finally:
            if writer:
                writer.close()
