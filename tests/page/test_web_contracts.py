"""Contracts on pages: each under an address of its own, its terms beside their place in the file, reforms of them."""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from openvbp import pipeline
from openvbp.cli import app
from openvbp.errors import InputDataError, UsageError
from openvbp.programs import program as find_program
from openvbp.run_folder import RECORD, RunFolder, open_run
from openvbp.scenarios import parameter_paths
from openvbp.web.accounts import Accounts, add_account
from openvbp.web.app import create_app
from openvbp.web.lab import Lab, ProviderOutcome, Reform
from openvbp.web.server import Contents, make_site
from openvbp.web.sign_in import SignIn
from openvbp.web.viewer import Asked, Viewer
from web_site import EXAMPLES

HARBOR, OTHER = "harbor-bay-capitation", "second-plan"
CAPITATION = EXAMPLES / "capitation-contract.yaml"
DATA = EXAMPLES / "contract_data" / "capitation"


def _contract(path: Path, name: str, old: str = "", new: str = "") -> Path:
    """Write the capitation contract under another name, with another term."""
    text = CAPITATION.read_text(encoding="utf-8").replace(f"contract: {HARBOR}", f"contract: {name}")
    assert old in text
    path.write_text(text.replace(old, new) if old else text, encoding="utf-8")
    return path


def _run(contract: Path, out: Path, *changes: str) -> RunFolder:
    return pipeline.run(str(contract), period="", data=DATA, out=out, changes=changes, threads=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("contracts")


@pytest.fixture(scope="module")
def runs(folder: Path) -> list[RunFolder]:
    """Two contracts of one period, with the same contractor."""
    other = _contract(folder / "other.yaml", OTHER, "share: 0.50", "share: 0.40")
    return [_run(CAPITATION, folder / "harbor"), _run(other, folder / "other")]


@pytest.fixture(scope="module")
def client(runs: list[RunFolder]) -> TestClient:
    site = make_site(Contents([one.path for one in runs], data=[DATA], shows_all=True))
    return TestClient(create_app(site), base_url="http://localhost", follow_redirects=False)


# Addresses


def test_each_contract_has_pages_of_its_own(client: TestClient, runs: list[RunFolder]) -> None:
    first = client.get("/").text
    for name, run in zip((HARBOR, OTHER), runs, strict=True):
        assert f'href="/{name}/CY2025/"' in first
        net = {
            row["provider_id"]: row["amount"]
            for row in run.read("payment_result").to_pylist()
            if row["component_id"] == "net"
        }
        card = client.get(f"/{name}/CY2025/bay_physicians.json").json()
        assert card["about"]["program"] == name
        paid = {row["component_id"]: row["amount"] for row in card["tables"]["payments"]}
        assert float(paid["net"]) == float(net["bay_physicians"])
        for page in ("", "equity", "bay_physicians/why", "bay_physicians/why/1"):
            assert client.get(f"/{name}/CY2025/{page}").status_code == 200
        assert client.get(f"/audit/{name}-CY2025").status_code == 200
    amounts = [
        client.get(f"/{name}/CY2025/bay_physicians.json").json()["tables"]["payments"] for name in (HARBOR, OTHER)
    ]
    assert amounts[0] != amounts[1]
    assert client.get("/contract/CY2025/").status_code == 404


def test_two_runs_of_one_contract_are_refused(runs: list[RunFolder], tmp_path: Path) -> None:
    again = _run(_contract(tmp_path / "again.yaml", HARBOR.title()), tmp_path / "again")
    with pytest.raises(UsageError, match=f"two runs of {HARBOR.title()} CY2025") as raised:
        make_site(Contents([runs[0].path, again.path]))
    assert "need names of their own" in raised.value.problems[0].what_to_do


@pytest.mark.parametrize(
    ("name", "of"), [("lab", "page"), ("Law", "page"), ("index.html", "page"), ("hvbp", "program")]
)
def test_name_of_a_page_or_program_is_refused(tmp_path: Path, name: str, of: str) -> None:
    run = _run(_contract(tmp_path / "named.yaml", name), tmp_path / "RUN")
    with pytest.raises(InputDataError, match=f"which is the address of a {of}") as raised:
        make_site(Contents([run.path]))
    assert "another name in its file" in raised.value.problems[0].what_to_do


def test_names_and_periods_that_end_in_the_same_address_are_not_mixed_up(tmp_path: Path) -> None:
    run = _run(_contract(tmp_path / "a.yaml", "a-b"), tmp_path / "RUN")
    site = make_site(Contents([run.path], shows_all=True))
    client = TestClient(create_app(site), base_url="http://localhost")
    assert client.get("/a-b/CY2025/").status_code == 200
    assert client.get("/a/b-CY2025/").status_code == 404


def test_an_account_covers_a_provider_of_one_contract(runs: list[RunFolder], tmp_path: Path) -> None:
    path = tmp_path / "accounts.json"
    added = add_account(path, "bay", "a long enough password", [f"{OTHER}/bay_physicians"])
    site = make_site(Contents([one.path for one in runs]), SignIn(tmp_path / "access.jsonl", Accounts(path)))
    asked = Asked(Viewer(added.name, added.covers))
    harbor, other = (site.run(name, "CY2025") for name in (HARBOR, OTHER))
    assert site.held(other, asked, "bay_physicians") is other.full
    assert site.held(harbor, asked, "bay_physicians") is harbor.public


# The file that a run keeps


def test_run_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    run = _run(CAPITATION, tmp_path / "RUN")
    record = json.loads((run.path / RECORD).read_text())
    del record["contract"]
    (run.path / RECORD).write_text(json.dumps(record))
    with pytest.raises(InputDataError, match="its record lacks contract"):
        make_site(Contents([run.path]))


@pytest.mark.parametrize(
    "damage", [lambda path: path.write_text(path.read_text() + "\n"), lambda path: path.unlink()], ids=["other", "none"]
)
def test_kept_file_that_is_not_the_one_of_the_run_is_not_believed(
    tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    run = _run(CAPITATION, tmp_path / "RUN")
    damage(run.path / run.record["contract"]["file"])
    client = TestClient(create_app(make_site(Contents([run.path], shows_all=True))), base_url="http://localhost")
    answer = client.get(f"/law/{HARBOR}")
    assert answer.status_code == 422
    assert "missing or was changed" in answer.text


def test_only_the_file_of_the_last_run_is_kept(tmp_path: Path) -> None:
    for name in ("first", "second"):
        run = _run(_contract(tmp_path / f"{name}.yaml", HARBOR), tmp_path / "RUN")
    assert [path.name for path in (run.path / "contract").iterdir()] == ["second.yaml"]


# Terms


def test_terms_stand_beside_their_place_in_the_file(client: TestClient) -> None:
    for name, file, share in ((HARBOR, CAPITATION.name, "0.5"), (OTHER, "other.yaml", "0.4")):
        content = client.get(f"/law/{name}.json").json()
        rows = {row["path"]: row for row in content["tables"]["parameters"]}
        assert {row["cite"].partition(",")[0] for row in rows.values()} == {file}
        row = next(row for row in rows.values() if "corridors, entry 2" in row["cite"] and "_share" in row["path"])
        assert float(row["value"]) == float(share)
        text = client.get(f"/law/{name}").text
        assert "Place in the file" in text
        assert row["cite"] in text
        assert "gives" in content["tables"]["rules"][0]
    assert client.get("/law/no-such-contract").status_code == 404


# Files instead of a server


def test_two_contracts_are_published_and_stated(runs: list[RunFolder], tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = CliRunner().invoke(app, ["publish", *(str(one.path) for one in runs), "--to", str(site)])
    assert done.exit_code == 0, done.output
    for name, run in zip((HARBOR, OTHER), runs, strict=True):
        assert "Place in the file" in (site / "law" / name / "index.html").read_text(encoding="utf-8")
        steps = site / name / "CY2025" / "bay_physicians" / "why.html"
        law = re.search(r'href="([^"]*/law/[^"]*)"[^>]*>rules', steps.read_text(encoding="utf-8"))
        assert law is not None
        assert (steps.parent / law[1]).resolve() == site / "law" / name / "2025-01-01.html"
        to = tmp_path / f"statements-{name}"
        done = CliRunner().invoke(app, ["export", str(run.path), "--statements", str(to)])
        assert done.exit_code == 0, done.output
        assert run.record["title"] in (to / "bay_physicians.html").read_text(encoding="utf-8")
    assert {path.name for path in (site / "audit").glob("*.html")} == {f"{HARBOR}-CY2025.html", f"{OTHER}-CY2025.html"}
    lab = (site / "lab.html").read_text(encoding="utf-8")
    assert f"openvbp run {CAPITATION.name} --period CY2025" in lab


# Reforms


ACO, ACO_DATA = EXAMPLES / "aco-contract-from-tables.yaml", EXAMPLES / "contract_data" / "aco"
NEW_YORK, NEW_YORK_DATA = EXAMPLES / "new-york-vbp-level-1.yaml", EXAMPLES / "contract_data" / "new_york"
REFORMS = [
    (("savings_corridor_share.1", "0.6"), ("savings_minimum_rate", "0.01")),
    (("annual_trend.2025", "0.05"), ("retained_share", "0.2")),
    (("measure_target.breast_cancer_screening", "0.9"),),
    (("practices_criterion.equal", "0.2"), ("practices_criterion.member_months", "0.4")),
    (("savings_corridor_share.1", "0.6"), ("savings_minimum_rate", "0.03")),
]


def _paid(run: RunFolder, scenario_id: str) -> dict[str, tuple[Any, ...]]:
    """Give rate, amount and score of those who are paid, of which a contractor has its net."""
    scores = {
        row["provider_id"]: row["score"] for row in run.read("provider_result", scenario_id=scenario_id).to_pylist()
    }
    return {
        row["provider_id"]: (row["rate"], row["amount"], scores.get(row["provider_id"]))
        for row in run.read("payment_result", scenario_id=scenario_id).to_pylist()
        if row["component_id"] == "net" or row["component_id"].startswith("distribution_to_")
    }


def _outcomes(side: Mapping[str, ProviderOutcome]) -> dict[str, tuple[Any, ...]]:
    return {one: (outcome.rate, outcome.amount, outcome.score) for one, outcome in side.items()}


def test_lab_of_a_contract_equals_a_run(tmp_path: Path) -> None:
    """One lab for all reforms, so that nothing of the one before is left in the next."""
    lab = None
    for number, changes in enumerate(REFORMS):
        out = tmp_path / str(number)
        assignments = [f"{path}={value}" for path, value in changes]
        run = pipeline.run(str(ACO), period="", data=ACO_DATA, out=out, changes=assignments, threads=1)
        lab = lab or Lab(run, ACO_DATA, threads=1)
        answer = lab.answer(Reform(changes))
        assert _outcomes(answer.before) == _paid(run, "actual")
        assert _outcomes(answer.after) == _paid(run, "what_if")
        assert {one for one, outcome in answer.before.items() if not outcome.is_part} == {"northern_valley"}
        assert answer.before != answer.after
    assert lab is not None
    lab.close()


@pytest.mark.parametrize(
    ("contract", "data", "changes"),
    [
        (CAPITATION, DATA, (("withhold_share", "0.02"), ("savings_corridor_share.2", "0.75"))),
        (CAPITATION, DATA, (("stop_loss_attachment_point", "250000"), ("amount_per_unit.adult", "410"))),
        (NEW_YORK, NEW_YORK_DATA, (("savings_minimum_rate", "0.05"),)),
    ],
)
def test_lab_of_other_kinds_of_contracts_equals_a_run(
    contract: Path, data: Path, changes: tuple[tuple[str, str], ...], tmp_path: Path
) -> None:
    assignments = [f"{path}={value}" for path, value in changes]
    run = pipeline.run(str(contract), period="", data=data, out=tmp_path / "RUN", changes=assignments, threads=1)
    lab = Lab(run, data, threads=1)
    answer = lab.answer(Reform(changes))
    assert _outcomes(answer.after) == _paid(run, "what_if") != _paid(run, "actual")
    lab.close()


def test_sums_leave_out_what_is_handed_down(tmp_path: Path) -> None:
    run = pipeline.run(str(ACO), period="", data=ACO_DATA, out=tmp_path / "RUN", threads=1)
    done = CliRunner().invoke(
        app, ["what-if", str(run.path), "--data", str(ACO_DATA), "--set", "savings_corridor_share.1=0.6", "--json"]
    )
    assert done.exit_code == 0, done.output
    found = json.loads(done.output)
    net = _paid(run, "actual")["northern_valley"][1]
    assert Decimal(str(found["total_before"])) == net
    assert [row["group"] for row in found["groups"]] == ["clinician", "contractor", "practice"]
    assert found["winners"] == 10


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("nothing:1", "there is no parameter"),
        ("savings_corridor_share.1:7", "not a share"),
        ("savings_corridor_end.1:0.5", "corridors of savings overlap"),
        ("measure_compared_with.well_child_visits:bad", "is nothing to compare with"),
        ("measure_compared_with.well_child_visits:fixed", "there is no target"),
        ("stop_loss_attachment_point:100", "stop loss cannot begin at 100"),
        ("efficiency_modifier:-1.5", "not a rate between -1 and 1"),
    ],
)
def test_term_that_cannot_be_is_refused_on_the_page_and_in_a_run(
    client: TestClient, tmp_path: Path, change: str, words: str
) -> None:
    answer = client.get(f"/lab?program={HARBOR}&period=CY2025&set={change}")
    assert answer.status_code == 422
    assert words in answer.text
    # The second answer is no other: nothing half made is kept.
    assert client.get(f"/lab?program={HARBOR}&period=CY2025&set={change}").status_code == 422
    with pytest.raises(UsageError, match=words):
        _run(CAPITATION, tmp_path / "RUN", change.replace(":", "="))


def test_page_lists_every_term_with_what_is_in_force(client: TestClient, runs: list[RunFolder]) -> None:
    text = client.get(f"/lab?program={HARBOR}&period=CY2025").text
    terms = find_program(str(CAPITATION)).parameters
    paths = parameter_paths(terms.in_force(terms.period("")))
    assert set(re.findall(r'name="set\.([^"]+)"', text)) == set(paths)
    field = re.search(r'name="set\.savings_corridor_share\.2" value="([^"]*)".*?in force: (.*?) ·', text, re.DOTALL)
    assert field is not None
    assert (field[1], field[2]) == ("0.50", "0.50")
    assert "The contractor&#39;s share of the savings in the corridor: 2" in text
    assert "(ratio)" in text
    # A field that is left as it was changes nothing.
    answer = client.get(f"/lab?program={HARBOR}&set.savings_corridor_share.2=0.50&set.withhold_share=0.03")
    assert "set=withhold_share:0.03&" in answer.headers["location"]
    assert "corridor" not in answer.headers["location"]


def test_copies_of_a_reform_work(client: TestClient, runs: list[RunFolder], tmp_path: Path) -> None:
    page = client.get(f"/lab?program={HARBOR}&period=CY2025&set=savings_corridor_share.2:0.7").text
    shell, python, text = (unescape(one) for one in re.findall(r'<pre id="copy\d"[^>]*>(.*?)</pre>', page, re.DOTALL))
    words = shlex.split(shell.replace("\\\n", "").replace("DATA", str(DATA)).replace("RUN", str(tmp_path / "shell")))
    assert words[:2] == ["openvbp", "run"]
    (tmp_path / "here").mkdir()
    shutil.copy(CAPITATION, tmp_path / "here")
    with contextlib.chdir(tmp_path / "here"):
        done = CliRunner().invoke(app, words[1:])
        assert done.exit_code == 0, done.output
        content: dict[str, Any] = {}
        exec(python.replace("DATA", str(DATA)).replace("RUN", str(tmp_path / "python")), content)
    (tmp_path / "reform.yaml").write_text(text)
    done = CliRunner().invoke(
        app, ["what-if", str(runs[0].path), "--data", str(DATA), "--reform", str(tmp_path / "reform.yaml"), "--json"]
    )
    assert done.exit_code == 0, done.output
    after = Decimal(str(json.loads(done.output)["total_after"]))
    for name in ("shell", "python"):
        assert _paid(open_run(tmp_path / name), "what_if")["bay_physicians"][1] == after
    assert after != _paid(runs[0], "actual")["bay_physicians"][1]


def test_paths_of_a_contract_are_listed() -> None:
    done = CliRunner().invoke(app, ["programs", str(CAPITATION), "--json"])
    assert done.exit_code == 0, done.output
    rows = {row["path"]: row for row in json.loads(done.output)["parameters"]}
    assert rows["withhold_share"]["value"] == "0.05"
    assert rows["withhold_share"]["cite"] == f"{CAPITATION.name}, withhold.share (Schedule 3)"
    done = CliRunner().invoke(app, ["programs", str(CAPITATION)])
    assert "since" not in done.output
