"""Nothing that is published depends on a withheld count; every identifier gets a file name of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
from hypothesis import given
from hypothesis import strategies as st

from disclosure_tables import results, table
from openvbp.reporting.disclosure import withhold
from openvbp.web.publishing.file_names import LONGEST, file_names
from openvbp.web.publishing.statements import write_statements
from openvbp.web.publishing.static_site import publish

COUNTS = [(4, 40), (40, 40), (20, 40), (5, 60), (60, 60), (20, 60), (9, 50), (33, 50)]


@given(st.lists(st.text(max_size=100), unique=True, max_size=30))
def test_names_of_files_are_safe_and_differ_in_any_case(identifiers: list[str]) -> None:
    names = file_names(identifiers, ["index.html"])
    assert list(names) == sorted(identifiers)
    assert len({one.casefold() for one in names.values()} | {"index.html"}) == len(identifiers) + 1
    for one in names.values():
        assert one
        assert one.isascii()
        assert not one.startswith((".", "-"))
        assert not set(one) & set('/\\:*?"<>|\0 %#')
        assert len(one) <= LONGEST + 9


@given(st.text(max_size=60))
def test_a_name_follows_from_its_identifier_alone(identifier: str) -> None:
    assert file_names([identifier]) == {identifier: file_names([identifier, "other"])[identifier]}


def _run(folder: Path, counts: list[tuple[int, int]]) -> Path:
    providers = len(counts) // 2
    tables = results(counts, providers)
    tables["provider"] = table(
        "provider",
        [{"provider_id": f"P{number}", "provider_name": f"Practice {number}"} for number in range(providers)],
    )
    (folder / "results").mkdir(parents=True)
    for name, rows in tables.items():
        pq.write_table(rows, folder / "results" / f"{name}.parquet")
    record = {"title": "Made up", "program": "iqr", "period": "2024", "authority": {}, "engine": "duckdb"}
    record |= {"period_start": "2024-01-01", "period_end": "2024-12-31", "finished_at": "2025-01-01T00:00:00"}
    record |= {"versions": {"openvbp": "0"}, "parameters_sha256": "0", "scenarios": {"actual": {}}, "wall_seconds": 1}
    record |= {"rows": {f"results/{name}": rows.num_rows for name, rows in tables.items()}, "command": None}
    digest = str(hash(tuple(counts)))
    record |= {"input_files": [{"name": "counts.csv", "rows": 6, "sha256": digest, "used_for": "all"}]}
    record["input_files"][0] |= {"accepted_rows": 6, "rejected_rows": 0}
    record |= {"checks": [{"name": "small", "count": counts[0][0], "meaning": "patients", "examples": []}]}
    record |= {"input_rows": {"in": 6, "accepted": 6, "rejected": 0}}
    written = {"results/measure_result": {"rows": 6, "sha256": digest}}
    record |= {"stages": {"results": {"seconds": 1, "tables": written}}}
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def _files(folder: Path) -> dict[str, bytes]:
    return {
        f"{folder.name.partition('-')[2]}/{one.relative_to(folder)}": one.read_bytes()
        for one in folder.rglob("*")
        if one.is_file()
    }


def test_other_withheld_counts_give_the_same_files(tmp_path: Path) -> None:
    """Whoever tries values for a withheld count sees the same site for each: nothing gives it back."""
    shown = withhold(results(COUNTS, len(COUNTS) // 2)).tables["measure_result"].to_pylist()
    withheld = [number for number, row in enumerate(shown) if row["numerator"] is None]
    assert 0 < len(withheld) < len(COUNTS)
    small = [number for number in withheld if 0 < COUNTS[number][0] < 11]
    other = [(one[0] % 9 + 1, one[1]) if number in small else one for number, one in enumerate(COUNTS)]
    assert other != COUNTS
    found = []
    for name, counts in (("one", COUNTS), ("other", other)):
        run = _run(tmp_path / name, counts)
        publish([run], tmp_path / f"{name}-site")
        write_statements(run, tmp_path / f"{name}-statements", public=True)
        write_statements(run, tmp_path / f"{name}-own")
        found.append(_files(tmp_path / f"{name}-site") | _files(tmp_path / f"{name}-statements"))
    assert found[0] == found[1]
    assert _files(tmp_path / "one-own") != _files(tmp_path / "other-own")
