"""Two worlds that differ in withheld counts alone look alike in public: a contract."""

from __future__ import annotations

import shutil
from pathlib import Path

from openvbp.pipeline import run
from openvbp.reporting.disclosure import PublicTables, public_tables

EXAMPLES = Path(__file__).parents[2] / "examples"
Change = tuple[str, str, str, str]
"""File, text that stands there, text of the one world, text of the other."""
CONTRACT: tuple[Change, ...] = (
    (
        "quality.csv",
        "depression_follow_up,2025,14,26",
        "depression_follow_up,2025,4,26",
        "depression_follow_up,2025,3,9",
    ),
    ("quality.csv", "2210,3046", "3040,3046", "3043,3047"),
)


def world(changes: tuple[Change, ...], out: Path, number: int) -> PublicTables:
    folder = out / f"data {number}"
    shutil.copytree(EXAMPLES / "contract_data" / "aco", folder)
    for name, *texts in changes:
        text = (folder / name).read_text(encoding="utf-8")
        assert texts[0] in text
        (folder / name).write_text(text.replace(texts[0], texts[number]), encoding="utf-8")
    return public_tables(
        run(
            str(EXAMPLES / "aco-contract-from-tables.yaml"),
            period="PY2025",
            data=folder,
            out=out / f"RUN {number}",
            threads=2,
        )
    )


def test_withheld_counts_leave_no_trace(tmp_path: Path) -> None:
    one, other = (world(CONTRACT, tmp_path, number) for number in (1, 2))
    assert min(one.suppressed["primary"], one.suppressed["derived"]) > 0
    assert {name for name, rows in one.tables.items() if not rows.equals(other.tables[name])} == set()
