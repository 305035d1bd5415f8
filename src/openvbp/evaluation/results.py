"""What a run gives: rows in the order of the report, and the files they are written to."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from openvbp import __version__
from openvbp.engine import cannot_write
from openvbp.evaluation.findings import Finding, as_rows, as_table
from openvbp.evaluation.lock import Digests, LockStatus
from openvbp.evaluation.shrinkage import Shrinkage
from openvbp.evaluation.specification_curve import CurveSummary
from openvbp.evaluation.study_terms import DiscontinuityStudy, Study

ROWS, RECORD, PAGE = "results.parquet", "evaluation.json", "evaluation.html"
Card = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Results:
    """A finished evaluation."""

    study: Study | DiscontinuityStudy
    card: Card
    rows: Sequence[Finding]
    curve: CurveSummary | None
    shrinkage: Shrinkage | None
    status: LockStatus
    digests: Digests
    summary: str
    what_would_change: Sequence[str]
    left_out: Mapping[str, int]
    """Cells that the main analysis could not use, by reason."""
    rows_read: int
    rows_rejected: Mapping[str, int]
    warnings: Sequence[str] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    """What figures need beside the rows."""

    def section(self, name: str) -> list[Finding]:
        """Rows of a section, in order."""
        return [one for one in self.rows if one.section == name]

    def record(self) -> dict[str, Any]:
        """Give everything but the figures for JSON."""
        return {
            "openvbp": __version__,
            "study": self.study.study,
            "summary": self.summary,
            "what_would_change": list(self.what_would_change),
            "lock": {"status": self.status.status, "words": self.status.words, "changed": list(self.status.changed)},
            "card": [{"name": name, "text": text} for name, text in self.card],
            "curve": asdict(self.curve) if self.curve else None,
            "shrinkage": self.shrinkage.as_row() if self.shrinkage else None,
            "left_out": dict(self.left_out),
            "rows_read": self.rows_read,
            "rows_rejected": dict(self.rows_rejected),
            "digests": asdict(self.digests),
            "warnings": list(self.warnings),
            "terms": self.study.model_dump(mode="json"),
            "results": as_rows(self.rows),
        }

    def write(self, out: str | Path) -> Path:
        """Write table, record and page to a folder; gives the page.

        Raises
        ------
        MachineError
            If they cannot be written.
        """
        from openvbp.evaluation.page import render_page

        folder = Path(out)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(as_table(self.rows), folder / ROWS)
            content = json.dumps(self.record(), indent=1, default=str, ensure_ascii=False)
            (folder / RECORD).write_text(content + "\n", encoding="utf-8")
            (folder / PAGE).write_text(render_page(self), encoding="utf-8")
        except OSError as error:
            raise cannot_write(folder, error, "free disk space or choose another --out") from error
        return folder / PAGE
