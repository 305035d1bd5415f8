"""Commands of profiling as a person meets them: what they print and write, and what a page does not tell."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from typer.testing import CliRunner, Result

from openvbp.cli import app
from openvbp.profiling.charts import Chart, decades, ticks


def ask(*words: str) -> Result:
    return CliRunner().invoke(app, ["profile", *words])


def cases_of(path: Path) -> Path:
    """3,000 cases at 30 hospitals; of one race are few."""
    random = np.random.default_rng(2)
    logit = random.normal(-1, 0.6, 3000)
    race = np.where(np.arange(3000) < 20, "few", np.where(np.arange(3000) % 4 == 0, "black", "white"))
    table = pa.table(
        {
            "hospital": [f"H{at % 30:02}" for at in range(3000)],
            "died": (random.random(3000) < 1 / (1 + np.exp(-logit))).astype(int),
            "predicted": 1 / (1 + np.exp(-logit)),
            "dual": (random.random(3000) < 0.25).astype(int),
            "race": race,
        }
    )
    pa.csv.write_csv(table, path)
    return path


def test_a_fairness_card_is_printed_and_written_and_flags_follow_from_it(tmp_path: Path) -> None:
    data, out = cases_of(tmp_path / "cases.csv"), tmp_path / "card"
    with data.open("a") as file:
        file.write('"H01",2,0.4,0,"white"\n"H01",1,,0,"white"\n')
    asked = ["fairness", "--data", str(data), "--outcome", "died", "--predicted", "predicted", "--out", str(out)]
    asked += ["--groups", "dual, race", "--provider", "hospital", "--peers-by", "dual=1"]
    done = ask(*asked)
    assert done.exit_code == 0, done.output
    assert "rejected 1: outcome is neither 0 nor 1" in done.output
    assert "rejected 1: predicted probability is missing" in done.output
    assert re.search(r"^dual +1 +[0-9]+ +[0-9]+ +[0-9.]+ +[01][.][0-9]{3} +0[.][0-9]{3}", done.output, re.MULTILINE)
    assert re.search(r"variance of O/E 0[.][0-9]{4} without them, 0[.][0-9]{4} within them", done.output)
    assert "whether it adjusts for social risk is not known" in done.output
    card = json.loads((out / "fairness.json").read_text())
    assert card["accepted"] == 3000
    assert pq.read_table(out / "groups.parquet").num_rows == 6

    flagged = ask(
        *["flags", "--data", str(out / "providers.parquet"), "--out", str(tmp_path / "flags")],
        *["--information", "information", "--cases", "cases", "--peers", "peer_group", "--draws", "200", "--json"],
    )
    assert flagged.exit_code == 0, flagged.output
    found = json.loads(flagged.output[flagged.output.index("{") :])
    assert (found["accepted"], len(found["providers"])) == (30, 30)
    assert {"flag", "flag_within_peers", "reliability", "probability_among_worst"} <= set(found["providers"][0])
    assert pq.read_table(tmp_path / "flags" / "flags.parquet").num_rows == 30
    page = (tmp_path / "flags" / "flags.html").read_text()
    assert page.count("<circle") == 30
    assert "Without peer groups" in page


def test_a_page_withholds_small_groups_and_what_would_give_them_back(tmp_path: Path) -> None:
    data, out = cases_of(tmp_path / "cases.csv"), tmp_path / "card"
    asked = ["fairness", "--data", str(data), "--outcome", "died", "--predicted", "predicted", "--out", str(out)]
    done = ask(*asked, "--groups", "race", "--covariates", "age,dual_status", "--social-risk", "dual_status")
    assert done.exit_code == 0, done.output
    assert "The model adjusts for social risk, as declared: dual_status" in done.output
    page = (out / "fairness.html").read_text()
    # Twenty cases with fewer than eleven deaths are withheld, and with them the smaller of the other two.
    rows = re.findall(r"<tr><td>race</td><td>(\w+)</td>(.*?)</tr>", page)
    assert {name for name, cells in rows if "withheld" in cells} == {"few", "black"}
    figures = {row["group"]: row for row in json.loads((out / "fairness.json").read_text())["groups"]}
    assert f"{figures['white']['cases']:,}" in page
    for group in ("few", "black"):
        assert f">{figures[group]['cases']:,}<" not in page
        assert f"{figures[group]['expected']:,.1f}" not in page
        assert f"{figures[group]['expected']:,.1f}" not in done.output


def test_a_funnel_leaves_out_providers_with_small_counts(tmp_path: Path) -> None:
    rows = {
        "provider_id": [f"P{at}" for at in range(6)],
        "observed": [40, 90, 30, 1, 31, 0],
        "expected": [35.25, 33.5, 31.75, 7.125, 30.5, 2.5],
    }
    pq.write_table(pa.table(rows), tmp_path / "providers.parquet")
    done = ask("flags", "--data", str(tmp_path / "providers.parquet"), "--out", str(tmp_path), "--method", "naive")
    assert done.exit_code == 0, done.output
    assert "counts are taken to be Poisson" in done.output
    page = (tmp_path / "flags.html").read_text()
    assert page.count("<circle") == 5
    assert "1 providers with a count below 11 are not drawn" in page
    assert "P3:" not in page
    # It is flagged and listed, without what would tell the count.
    assert re.search(r"<td>P3</td><td>better</td>(<td[^>]*>withheld</td>){4}", page)
    assert ">7.1<" not in page
    assert ">33.5<" in page


def test_drift_is_printed_and_written(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    unit = np.repeat(np.arange(12), 80)
    illness = random.gamma(1, 0.5, len(unit))
    parts = []
    for period in (2023, 2024):
        coded = illness + random.normal(0, 0.1, len(unit)) + 0.2 * ((unit == 4) & (period == 2024))
        conditions = np.where(coded > 1, "HCC1 HCC2", np.where(coded > 0.4, "HCC1", ""))
        columns = {
            "person_id": [str(at) for at in range(len(unit))],
            "period": [period] * len(unit),
            "coded": coded,
            "conditions": conditions,
            "unit_id": [f"U{at:02}" for at in unit],
        }
        parts.append(pa.table(columns))
    rows = pa.concat_tables(parts)
    pa.csv.write_csv(rows.select(["person_id", "period", "coded", "conditions"]), tmp_path / "scores.csv")
    pq.write_table(rows.select(["person_id", "period", "unit_id"]), tmp_path / "attribution.parquet")
    pools = pa.table({"provider_id": [f"U{at:02}" for at in range(12)], "pool": [f"S{at // 3}" for at in range(12)]})
    pa.csv.write_csv(pools, tmp_path / "pools.csv")
    asked = ["drift", "--data", str(tmp_path / "scores.csv"), "--attribution", str(tmp_path / "attribution.parquet")]
    done = ask(*asked, "--out", str(tmp_path / "out"), "--pools", str(tmp_path / "pools.csv"))
    assert done.exit_code == 0, done.output
    assert re.search(r"^U04 +2024 +80 +[+]0[.][0-9]{3}", done.output, re.MULTILINE)
    assert "pool S1, 2024: 3 providers together" in done.output
    assert "a reason to look at records" in done.output
    rows = pq.read_table(tmp_path / "out" / "providers.parquet").to_pylist()
    assert [row["provider_id"] for row in rows if row["is_flagged"]] == ["U04"]
    assert all(row["new_share"] is not None for row in rows if row["period"] == 2024)
    page = (tmp_path / "out" / "drift.html").read_text()
    assert page.count("<circle") == 12
    assert "median provider" in page


def test_commands_end_as_they_should(tmp_path: Path) -> None:
    data = cases_of(tmp_path / "cases.csv")
    asked = ["fairness", "--data", str(data), "--outcome", "died", "--predicted", "predicted", "--out", str(tmp_path)]
    assert "no column of groups is named" in str(ask(*asked, "--groups", " , ").exception)
    assert "is not a column and a group" in str(ask(*asked, "--groups", "dual", "--peers-by", "dual").exception)
    assert "cannot be clipped" in str(ask("flags", "--data", "x", "--out", "y", "--clip", "both").exception)
    wrong = ask("drift", "--attribution", "x", "--out", "y", "--claims", "z", "--years", "this,that")
    assert "'this,that' are not years" in str(wrong.exception)


def test_charts_cut_lines_at_their_edge_and_choose_round_ticks() -> None:
    chart = Chart("words & more", (1, 100), (0, 2), "x", "y", is_logarithmic=True)
    chart.line([(1, 1), (10, 1), (20, 3), (50, 1), (100, 1)], "red")
    chart.point(10, 1, "red", "A<B")
    chart.point(1000, 1, "red", "outside")
    svg = chart.svg()
    # Outside for one point: two lines are left.
    assert svg.count("<polyline") == 2
    assert svg.count("<circle") == 1
    assert "A&lt;B" in svg
    assert "words &amp; more" in svg
    assert ticks(0, 0.35) == [0.0, 0.1, 0.2, 0.3]
    assert ticks(-3.5, 4.1) == [-2.0, 0.0, 2.0, 4.0]
    assert decades(0.7, 60) == [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]
