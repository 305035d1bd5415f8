"""Cases, providers, scores and options that cannot be used: a clear error, and no row is lost without a reason."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openvbp.engine import Engine
from openvbp.errors import InputDataError, MachineError, OpenvbpError, UsageError
from openvbp.profiling.coded_risk import open_attribution
from openvbp.profiling.drift import Options as DriftOptions
from openvbp.profiling.drift import coding_drift
from openvbp.profiling.drift_inputs import Sources, find_drift
from openvbp.profiling.fairness import Options, fairness_card, write_fairness_card
from openvbp.profiling.flags import Options as FlagOptions
from openvbp.profiling.flags import flag_providers, write_flags
from openvbp.profiling.funnel import METHODS
from openvbp.profiling.provider_table import Columns
from openvbp.profiling.rescoring import from_runs
from openvbp.profiling.tables import open_table

RIGHT: dict[str, list[Any]] = {
    "hospital": ["A", "A", "B", "B"],
    "died": [0, 1, 0, 1],
    "predicted": [0.1, 0.4, 0.2, 0.6],
    "dual": [0, 0, 1, 1],
}


def card(
    engine: Engine, columns: dict[str, Any], groups: tuple[str, ...] = ("dual",), **options: Any
) -> dict[str, Any]:
    table = engine.table(pa.table(columns), "profiling_fault")
    given = Options(minimum=2, **options)
    return fairness_card(engine, table, outcome="died", predicted="predicted", groups=groups, options=given)


def test_rows_of_cases_are_accepted_or_counted_with_a_reason(duckdb_engine: Engine) -> None:
    columns: dict[str, Any] = {
        "died": ["0", "1", "1", "0", "2", None, "yes", "1.0", "0", "1"],
        "predicted": ["0.1", "0.4", "1.2", "-0.1", "0.5", "0.5", "0.5", "1", None, "high"],
        "dual": ["0", "1", "0", "1", "0", "1", "0", "1", "0", "1"],
    }
    found = card(duckdb_engine, columns)
    assert found["accepted"] == 3
    assert found["rejected"] == {
        "outcome is missing": 1,
        "outcome is neither 0 nor 1": 2,
        "predicted probability is missing": 1,
        "predicted probability is not a number": 1,
        "predicted probability is outside 0 to 1": 2,
    }
    assert found["accepted"] + sum(found["rejected"].values()) == len(columns["died"])
    not_numbers = card(duckdb_engine, RIGHT | {"predicted": [0.1, math.nan, math.inf, 0.6]})
    assert not_numbers["rejected"] == {"predicted probability is outside 0 to 1": 2}
    without = card(duckdb_engine, RIGHT | {"hospital": ["A", None, "B", "B"]}, provider="hospital")
    assert without["rejected"] == {"provider is missing": 1}


@pytest.mark.parametrize(
    ("change", "groups", "options", "error", "message"),
    [
        ({}, (), {}, InputDataError, "no column of groups is named"),
        ({}, ("race",), {}, UsageError, "columns are missing"),
        ({}, ("died",), {}, UsageError, "a column is named for two things"),
        ({"predicted": [2.0] * 4}, ("dual",), {}, InputDataError, "no row can be used"),
        ({"hospital": ["A"] * 4}, ("dual",), {"provider": "hospital"}, UsageError, "all cases are of one provider"),
        ({}, ("dual",), {"peers_by": ("dual", "1")}, UsageError, "peer groups need a provider and a group"),
        (
            {},
            ("dual",),
            {"provider": "hospital", "peers_by": ("dual", "7"), "peer_groups": 2},
            UsageError,
            "the group dual=7 has no case, or every case",
        ),
        (
            {},
            ("dual",),
            {"provider": "hospital", "peers_by": ("dual", "1")},
            UsageError,
            "2 providers cannot be put in 5 peer groups",
        ),
        ({}, ("dual",), {"covariates": ("age", "dual")}, UsageError, "social risk is in the case-mix model"),
    ],
)
def test_a_card_that_cannot_be_made_is_refused(
    duckdb_engine: Engine,
    change: dict[str, Any],
    groups: tuple[str, ...],
    options: dict[str, Any],
    error: type[OpenvbpError],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        card(duckdb_engine, RIGHT | change, groups, **options)


def test_a_measurement_is_no_group(duckdb_engine: Engine) -> None:
    rows = {"died": [0, 1] * 60, "predicted": [0.5] * 120, "income": list(range(120))}
    with pytest.raises(InputDataError, match="a column of groups has too many values") as raised:
        card(duckdb_engine, rows, ("income",))
    assert "income: 120 values" in str(raised.value)


def test_files_that_cannot_be_read_or_written_are_said(tmp_path: Path, duckdb_engine: Engine) -> None:
    with pytest.raises(InputDataError, match="file is missing"):
        open_table(duckdb_engine, tmp_path / "none.parquet", "profiling_none")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(InputDataError, match="file cannot be read as Parquet"):
        open_table(duckdb_engine, tmp_path / "broken.parquet", "profiling_broken")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputDataError, match="the folder holds no Parquet file"):
        open_table(duckdb_engine, tmp_path / "empty", "profiling_empty")
    pq.write_table(pa.table(RIGHT), tmp_path / "cases.parquet")
    (tmp_path / "taken").write_text("a file, no folder")
    with pytest.raises(MachineError, match="cannot write"):
        write_fairness_card(
            data=tmp_path / "cases.parquet",
            out=tmp_path / "taken",
            outcome="died",
            predicted="predicted",
            groups=["dual"],
        )


PROVIDERS: dict[str, list[Any]] = {"provider_id": ["A", "B", "C"], "observed": [1, 2, 3], "expected": [1.5, 2.0, 2.5]}


def test_rows_of_providers_are_accepted_or_counted_with_a_reason(duckdb_engine: Engine) -> None:
    columns = {
        "provider_id": ["A", "B", "C", "D", "E", "F", None, "H"],
        "observed": [5, -1, 2.5, 4, 4, 9, 3, None],
        "expected": [4.0, 4.0, 4.0, 0.0, 4.0, 4.0, 4.0, 4.0],
        "cases": [9, 9, 9, 9, 9, 8, 9, 9],
        "information": [3.0, 3.0, 3.0, 3.0, 4.5, 3.0, 3.0, 3.0],
    }
    with pytest.raises(InputDataError, match="there is one provider only"):
        flags(duckdb_engine, columns)
    more = {name: [*values, *values[:1]] for name, values in columns.items()} | {
        "provider_id": [*columns["provider_id"], "I"]
    }
    found = flags(duckdb_engine, more)
    assert [row["provider_id"] for row in found["providers"]] == ["A", "I"]
    assert found["rejected"] == {
        "expected events are not above 0": 1,
        "information is above the expected events": 1,
        "more events than cases": 1,
        "observed events are missing or no number": 1,
        "observed events are not a whole number of 0 or more": 2,
        "provider is missing": 1,
    }
    assert found["accepted"] + sum(found["rejected"].values()) == 9


def flags(engine: Engine, columns: dict[str, Any], options: FlagOptions | None = None, **named: str) -> dict[str, Any]:
    table = engine.table(pa.table(columns), "profiling_fault_providers")
    known = {name: name for name in ("cases", "information") if name in columns} | named
    return flag_providers(engine, table, Columns(**known), options)


@pytest.mark.parametrize(
    ("change", "options", "named", "error", "message"),
    [
        ({"provider_id": ["A", "A", "C"]}, {}, {}, InputDataError, "providers stand more than once"),
        ({"provider_id": ["A"] * 3, "observed": [None] * 3}, {}, {}, InputDataError, "providers stand more than once"),
        ({"observed": [None] * 3}, {}, {}, InputDataError, "no row can be used"),
        ({}, {}, {"effect": "observed"}, UsageError, "an effect goes with its variance"),
        ({}, {}, {"peers": "region"}, UsageError, "columns are missing"),
        ({}, {"method": "best"}, {}, UsageError, "there is no method 'best'"),
        ({}, {"confidence": 95}, {}, UsageError, "95 is not a level"),
        ({}, {"least_reliability": 1.0}, {}, UsageError, "1.0 is not a share"),
        ({}, {"between_variance": -1.0}, {}, UsageError, "a variance is not below 0"),
    ],
)
def test_flags_that_cannot_be_set_are_refused(
    duckdb_engine: Engine,
    change: dict[str, Any],
    options: dict[str, Any],
    named: dict[str, str],
    error: type[OpenvbpError],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        flags(duckdb_engine, PROVIDERS | change, FlagOptions(**options), **named)


def test_providers_that_all_are_alike_are_flagged_by_nobody(duckdb_engine: Engine) -> None:
    same = {"provider_id": list("ABCD"), "observed": [10] * 4, "expected": [10.0] * 4, "cases": [100] * 4}
    found = flags(duckdb_engine, same)
    assert {row["flag"] for row in found["providers"]} == {"no different"}
    assert found["summary"]["between_variance"] == 0
    assert found["summary"]["unadjusted"] is None
    assert found["summary"]["cases_needed"] is None
    assert {row["reliability"] for row in found["providers"]} == {0}
    none = flags(duckdb_engine, same | {"observed": [0, 0, 0, 1]})
    assert all(math.isfinite(row["shrunken_ratio"]) for row in none["providers"])


def test_peer_groups_without_an_event_and_providers_without_expectation_are_borne(duckdb_engine: Engine) -> None:
    rows = {
        "provider_id": list("ABCDEF"),
        "observed": [0, 0, 0, 40, 38, 60],
        "expected": [9.0, 12.0, 1e-7, 20.0, 20.0, 20.0],
        "region": ["x", "x", "y", "y", "y", "y"],
    }
    for method in METHODS:
        found = flags(duckdb_engine, rows, FlagOptions(method=method), peers="region")
        ratios = [row["ratio_within_peers"] for row in found["providers"]]
        # No event where the peers have some is none; where they have none there is no ratio.
        assert ratios[:3] == [None, None, 0]
        assert all(
            math.isfinite(row[name]) for row in found["providers"] for name in ("z", "upper_limit", "shrunken_upper")
        )
    # Their peers have 138 events of 60 expected: 40 of 20 are no more than usual there.
    assert [row["flag_within_peers"] for row in found["providers"]][3:5] == ["no different"] * 2


def test_no_flag_file_is_written_where_the_folder_cannot_be(tmp_path: Path) -> None:
    pq.write_table(pa.table(PROVIDERS), tmp_path / "providers.parquet")
    (tmp_path / "taken").write_text("a file, no folder")
    with pytest.raises(MachineError, match="cannot write"):
        write_flags(data=tmp_path / "providers.parquet", out=tmp_path / "taken")


def drift(engine: Engine, scores: dict[str, Any], providers: dict[str, Any] | None = None, **options: Any) -> Any:
    given = providers or {name: scores[name] for name in ("person_id", "period")} | {
        "provider_id": ["AB"[at % 2] for at in range(len(scores["person_id"]))]
    }
    tables = [engine.table(pa.table(one), f"profiling_fault_{name}") for name, one in (("s", scores), ("a", given))]
    return coding_drift(engine, tables[0], tables[1], options=DriftOptions(**({"minimum": 2} | options)))


def scores_of(periods: tuple[int, ...] = (2023, 2024), persons: int = 12) -> dict[str, list[Any]]:
    rows = [(f"{at:02}", period, (at * 7 % 5 + at * period % 3) / 10) for period in periods for at in range(persons)]
    person, period, coded = (list(one) for one in zip(*rows, strict=True))
    return {"person_id": person, "period": period, "coded": coded}


@pytest.mark.parametrize(
    ("scores", "options", "error", "message"),
    [
        (scores_of((2023,)), {}, InputDataError, "there is one period only: 2023"),
        (scores_of((2022, 2024, 2027)), {}, InputDataError, r"periods are missing in between \(3 times\)"),
        (scores_of() | {"person_id": ["1"] * 24}, {}, InputDataError, "persons stand more than once in a period"),
        (scores_of() | {"coded": [None] * 24}, {}, InputDataError, "no row can be used"),
        (scores_of(), {"compared": "some"}, UsageError, "drift cannot be looked for in this way"),
        (scores_of(), {"threshold": 0}, UsageError, "drift cannot be looked for in this way"),
    ],
)
def test_drift_that_cannot_be_looked_for_is_refused(
    duckdb_engine: Engine, scores: dict[str, Any], options: dict[str, Any], error: type[OpenvbpError], message: str
) -> None:
    with pytest.raises(error, match=message) as raised:
        drift(duckdb_engine, scores, **options)
    # No person's identifier reaches a message.
    assert "07" not in str(raised.value)


def test_persons_without_a_provider_are_counted_and_one_provider_is_refused(duckdb_engine: Engine) -> None:
    scores = scores_of()
    providers = {name: scores[name][:22] for name in ("person_id", "period")} | {"provider_id": ["A", "B"] * 11}
    found = drift(duckdb_engine, scores, providers)
    assert (found["accepted"], found["rejected"]) == (22, {"person has no provider in the period": 2})
    with pytest.raises(InputDataError, match="there is one provider only"):
        drift(duckdb_engine, scores, providers | {"provider_id": ["A"] * 22})
    with pytest.raises(InputDataError, match="no providers of 50 persons can be compared"):
        drift(duckdb_engine, scores, providers, minimum=50)


def test_scores_must_come_from_one_place_and_runs_must_be_finished(tmp_path: Path, duckdb_engine: Engine) -> None:
    attribution = tmp_path / "attribution.parquet"
    rows = {"person_id": ["1", "1"], "year": [2023, 2024], "unit_id": ["A", "B"], "rule_id": ["x", "y"]}
    pq.write_table(pa.table(rows), attribution)
    with pytest.raises(UsageError, match="no scores are given"):
        find_drift(Sources(attribution=(attribution,)), out=tmp_path / "out")
    with pytest.raises(UsageError, match="scores are given twice"):
        find_drift(Sources((attribution,), claims=tmp_path, data=tmp_path), out=tmp_path / "out")
    with pytest.raises(UsageError, match="claims are scored with tables of one payment year"):
        find_drift(Sources((attribution,), claims=tmp_path), out=tmp_path / "out")
    with pytest.raises(InputDataError, match="the folder holds no finished run of risk scores"):
        from_runs(duckdb_engine, [tmp_path], "V28")
    with pytest.raises(UsageError, match="the table has several rules"):
        open_attribution(duckdb_engine, [attribution], "unit_id", "")
    with pytest.raises(UsageError, match="there is no rule 'z'"):
        open_attribution(duckdb_engine, [attribution], "unit_id", "z")
