"""Contracts on pages: each under an address of its own, its terms beside their place in the file, reforms of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from openvbp import pipeline
from openvbp.cli import app
from openvbp.errors import InputDataError, UsageError
from openvbp.run_folder import RECORD, RunFolder
from openvbp.web.accounts import Accounts, add_account
from openvbp.web.app import create_app
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


def _run(contract: Path, out: Path) -> RunFolder:
    return pipeline.run(str(contract), period="", data=DATA, out=out, threads=1)


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
        steps = site / name / "CY2025" / "bay_physicians" / "steps.html"
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
