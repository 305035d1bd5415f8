"""The pages as programs and attackers meet them: twins, status codes, what is withheld, who may see patients."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook
from starlette.testclient import TestClient

from openvbp import pipeline
from openvbp.errors import InputDataError, UsageError
from openvbp.run_folder import RunFolder
from openvbp.web.accounts import Accounts, add_account, remove_account
from openvbp.web.app import create_app
from openvbp.web.lab import Lab, Reform, find_data, read_reform
from openvbp.web.reform_effects import effects
from openvbp.web.security import demand_safe_binding
from openvbp.web.server import Contents, get, make_site
from openvbp.web.sessions import COOKIE, Attempts
from openvbp.web.sign_in import SignIn, inner_address
from web_site import HOSTILE, example, hospitals

PASSWORD = "a long enough password"
CARD = "/hvbp/FY2024/990003"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("web_service")


@pytest.fixture(scope="module")
def hospital_run(folder: Path) -> RunFolder:
    return hospitals(folder)


@pytest.fixture(scope="module")
def clinic_run(folder: Path) -> RunFolder:
    return example("mncm", folder)


@pytest.fixture(scope="module")
def contents(folder: Path, hospital_run: RunFolder, clinic_run: RunFolder) -> Contents:
    return Contents([hospital_run.path, clinic_run.path], data=[folder / "files"])


@pytest.fixture(scope="module")
def accounts_file(folder: Path) -> Path:
    path = folder / "accounts.json"
    add_account(path, "clinic", PASSWORD, ["mncm/CLINIC-A"])
    add_account(path, "analyst", PASSWORD, ["*"])
    return path


@pytest.fixture(scope="module")
def app(contents: Contents, accounts_file: Path, folder: Path) -> Any:
    return create_app(make_site(contents, SignIn(folder / "access.jsonl", Accounts(accounts_file))))


@pytest.fixture
def client(app: Any) -> TestClient:
    app.state.site.sign_in.of_names = Attempts(5)
    app.state.site.sign_in.of_addresses = Attempts(20)
    return TestClient(app, base_url="http://localhost", follow_redirects=False)


def _sign_in(client: TestClient, name: str, password: str = PASSWORD, **changes: str) -> Any:
    form = client.get("/sign-in").text
    token = re.search('name="csrf" value="([^"]+)"', form)
    assert token is not None
    return client.post("/sign-in", data={"name": name, "password": password, "csrf": token[1], **changes})


# Twins


@pytest.mark.parametrize("path", ["/hvbp/FY2024", CARD, f"{CARD}/why", "/law/hvbp", "/audit/hvbp-FY2024", "/index"])
def test_twins_say_the_same(client: TestClient, path: str) -> None:
    content = client.get(f"{path}.json").json()
    name, rows = next(iter(content["tables"].items()))
    listed = list(csv.DictReader(io.StringIO(client.get(f"{path}.csv").text)))
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(client.get(f"{path}.xlsx").content))
    sheet = workbook.get_sheet_by_name(name[:31]).to_python()
    assert len(rows) == len(listed) == len(sheet) - 2 > 0
    assert list(listed[0]) == list(rows[0]) == sheet[0]
    assert content["title"] in workbook.get_sheet_by_name("README").to_python()[0]


def test_empty_cells_are_empty_in_every_twin(client: TestClient) -> None:
    rows = client.get("/hvbp/FY2024.json").json()["tables"]["providers"]
    without = [row["provider_id"] for row in rows if row["score"] is None]
    assert without
    listed = {row["provider_id"]: row for row in csv.DictReader(io.StringIO(client.get("/hvbp/FY2024.csv").text))}
    assert {listed[one]["score"] for one in without} == {""}


def test_a_name_that_is_html_is_text(client: TestClient) -> None:
    for path in ("/hvbp/FY2024/990001", "/hvbp/FY2024/", "/?q=990001", "/hvbp/FY2024/990001/why"):
        text = client.get(path).text
        assert HOSTILE not in text
        assert "&lt;script&gt;" in text


def test_cells_that_a_spreadsheet_would_compute_are_text(client: TestClient) -> None:
    from openvbp.web.page import Page, Rows, as_csv

    page = Page("x", "x", {}, [Rows("rows", [{"name": "=cmd()", "number": -3}])])
    assert as_csv(page) == "name,number\n'=cmd(),-3\n"


def test_part_of_a_page_for_the_page_and_the_whole_for_the_link(client: TestClient) -> None:
    whole, part = client.get("/hvbp/FY2024/"), client.get("/hvbp/FY2024/", headers={"HX-Request": "true"})
    assert whole.text.startswith("<!doctype html>")
    assert part.text.lstrip().startswith("<form")
    assert "HX-Request" in whole.headers["vary"]


def test_get_prints_a_page_without_a_server(contents: Contents) -> None:
    status, content = get(contents, f"{CARD}.json")
    assert status == 200
    assert json.loads(content)["about"]["provider_id"] == "990003"


# Bad input


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/hvbp/FY2024/000000", 404, "the run has no provider"),
        ("/hvbp/FY1999/", 404, "is served"),
        ("/hvbp/FY2024/990003/why/999999", 404, "there is no step"),
        ("/hvbp/FY2024/990003?scenario=other", 422, "has no scenario"),
        ("/hvbp/FY2024/?sort=colour", 422, "cannot be sorted"),
        ("/hvbp/FY2024/compare?provider=990001,990002,990003,990004", 422, "do not fit side by side"),
        ("/hvbp/FY2024.csv?table=none", 404, "has no table"),
        ("/lab?program=hvbp&period=FY2024", 403, "small numbers of this run are withheld"),
        ("/law/nothing", 404, "there is no program"),
        ("/law/hvbp?on=tomorrow", 422, "is no day"),
        ("/audit/nothing", 404, "is served"),
        ("/evaluate/nothing", 404, "is served"),
        ("/overlap", 404, "no measures are served"),
        ("/no/such/page/at/all/here", 404, "nothing is served"),
        ("/hvbp/FY2024/" + "9" * 10_000, 414, "the address is too long"),
        ("/?q=" + "9" * 10_000, 414, "the address is too long"),
        ("/static/../app.py", 404, ""),
        ("/static/..%2fapp.py", 404, ""),
        ("/hvbp/FY2024/..%2f..%2fetc%2fpasswd", 404, ""),
    ],
)
def test_what_is_wrong_is_said_with_its_status(client: TestClient, path: str, status: int, words: str) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert words in answer.text
    assert "Traceback" not in answer.text


def test_problems_of_twins_are_json(client: TestClient) -> None:
    answer = client.get("/hvbp/FY2024/000000.json").json()
    assert answer["status"] == 404
    assert answer["problems"][0]["what_to_do"]


@pytest.mark.parametrize(
    ("change", "words"),
    [("set=nothing:1", "there is no parameter"), ("set=applicable_percent:7", "not a share"), ("set=x", "path:value")],
)
def test_reform_that_cannot_be(client: TestClient, change: str, words: str) -> None:
    _sign_in(client, "analyst")
    answer = client.get(f"/lab?program=hvbp&period=FY2024&{change}")
    assert answer.status_code == 422
    assert words in answer.text


def test_foreign_host_is_refused(client: TestClient) -> None:
    assert client.get("/", headers={"Host": "elsewhere.example"}).status_code == 400


def test_every_answer_carries_the_security_headers(client: TestClient) -> None:
    for path in ("/", "/static/style.css", "/nothing/at/all/x/y", "/sign-in", "/hvbp/FY2024.json"):
        headers = client.get(path).headers
        assert "'unsafe-inline'" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
    assert "frame-ancestors *" in client.get(f"{CARD}/embed").headers["content-security-policy"]


def test_pages_hold_neither_script_nor_style(client: TestClient) -> None:
    for path in ("/", "/hvbp/FY2024/", CARD, f"{CARD}/why", "/law/hvbp"):
        text = client.get(path).text
        assert re.findall(r"<script(?! src=)|<style|\sstyle=|\son\w+=", text) == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"has_sign_in": False, "has_encryption": True, "shows_all": False}, "sign in"),
        ({"has_sign_in": True, "has_encryption": False, "shows_all": False}, "unencrypted"),
        ({"has_sign_in": True, "has_encryption": True, "shows_all": True}, "small counts"),
    ],
)
def test_unsafe_binding_is_refused(settings: dict[str, bool], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        demand_safe_binding("0.0.0.0", **settings)
    demand_safe_binding("127.0.0.1", **settings)
    demand_safe_binding("::1", **settings)


# Disclosure


def test_public_pages_hold_no_small_count_and_the_owner_sees_all(client: TestClient, clinic_run: RunFolder) -> None:
    small = [
        row
        for row in clinic_run.read("measure_result", provider_id="CLINIC-A").to_pylist()
        if row["numerator"] is not None and 0 < row["denominator"] - row["numerator"] < 11
    ]
    assert small
    path = "/mncm/CY2019/CLINIC-A.json"
    public = {row["measure_id"]: row for row in client.get(path).json()["tables"]["measures"]}
    for row in small:
        assert [public[row["measure_id"]][name] for name in ("numerator", "denominator", "rate")] == [None] * 3
        assert public[row["measure_id"]]["status"] == "suppressed"
    _sign_in(client, "clinic")
    own = {row["measure_id"]: row for row in client.get(path).json()["tables"]["measures"]}
    assert all(own[row["measure_id"]]["numerator"] is not None for row in small)
    other = client.get("/mncm/CY2019/CLINIC-B.json").json()["tables"]["measures"]
    anonymous = TestClient(client.app, base_url="http://localhost").get("/mncm/CY2019/CLINIC-B.json").json()
    assert other == anonymous["tables"]["measures"]


def test_a_withheld_cell_is_on_no_page(client: TestClient, clinic_run: RunFolder) -> None:
    """No address that everybody may open gives a withheld value of a step, whatever twin or part is asked for."""
    app: Any = client.app
    public = app.state.site.runs["mncm-CY2019"].public
    full = {row["step_number"]: row for row in clinic_run.read("step_result", provider_id="CLINIC-A").to_pylist()}
    shown = {row["step_number"]: row["value"] for row in public.rows("step_result", provider_id="CLINIC-A")}
    withheld = [number for number in full if full[number]["value"] is not None and shown.get(number) is None]
    assert withheld
    rows = client.get("/mncm/CY2019/CLINIC-A/why.json").json()["tables"]["steps"]
    assert {row["step_number"]: row["value"] for row in rows if row["step_number"] in withheld} == dict.fromkeys(
        [row["step_number"] for row in rows if row["step_number"] in withheld]
    )
    for number in withheld[:5]:
        answer = client.get(f"/mncm/CY2019/CLINIC-A/why/{number}.json")
        assert answer.status_code == 404 or answer.json()["tables"]["step"][0]["value"] is None
    audit = client.get("/audit/mncm-CY2019.json").json()["tables"]
    assert {row["sha256"] for row in [*audit["input_files"], *audit["tables"]]} == {"not published"}
    assert audit["checks"] == []


def test_what_one_viewer_sees_is_not_given_to_the_next(client: TestClient) -> None:
    path = "/mncm/CY2019/CLINIC-A/why.json"
    before = client.get(path).json()
    _sign_in(client, "clinic")
    own = client.get(path)
    assert own.json() != before
    assert own.headers["cache-control"] == "no-store"
    client.cookies.clear()
    assert client.get(path).json() == before


# Patients


def test_patients_are_shown_to_those_who_may_and_it_is_recorded(client: TestClient, folder: Path) -> None:
    path = "/mncm/CY2019/CLINIC-A/evidence"
    assert client.get(path).status_code == 403
    assert client.get(f"{path}.csv").status_code == 403
    _sign_in(client, "clinic")
    log = folder / "access.jsonl"
    log.unlink(missing_ok=True)
    answer = client.get(path)
    assert answer.status_code == 200
    assert "P0001" in answer.text
    entry = json.loads(log.read_text())
    assert (entry["name"], entry["provider_id"]) == ("clinic", "CLINIC-A")
    assert entry["rows"]["patient_goal"] > 0
    rows = client.get(f"{path}.json").json()["tables"]
    assert {row["provider_id"] for table in rows.values() for row in table} == {"CLINIC-A"}
    assert len(log.read_text().splitlines()) == 2


@pytest.mark.parametrize("other", ["CLINIC-B", "CLINIC-Z", "CLINIC-A%00", "%2e%2e", "CLINIC-A%2f..%2fCLINIC-B"])
def test_patients_of_another_provider_are_not(client: TestClient, folder: Path, other: str) -> None:
    _sign_in(client, "clinic")
    (folder / "access.jsonl").unlink(missing_ok=True)
    for ending in ("", ".json", ".csv", ".xlsx"):
        answer = client.get(f"/mncm/CY2019/{other}/evidence{ending}")
        assert answer.status_code in (403, 404)
        assert "P0" not in answer.text
    assert not (folder / "access.jsonl").exists()


def test_patients_are_not_shown_where_it_cannot_be_recorded(client: TestClient, tmp_path: Path) -> None:
    app: Any = client.app
    sign_in = app.state.site.sign_in
    _sign_in(client, "clinic")
    kept, sign_in.access_log = sign_in.access_log, tmp_path / "no" / "such" / "folder.jsonl"
    answer = client.get("/mncm/CY2019/CLINIC-A/evidence")
    sign_in.access_log = kept
    assert answer.status_code == 500
    assert "P0001" not in answer.text


# Sessions


def test_session_cannot_be_forged(client: TestClient) -> None:
    answer = _sign_in(client, "clinic")
    assert answer.status_code == 303
    header = answer.headers["set-cookie"]
    assert "HttpOnly" in header
    assert "SameSite=lax" in header
    cookie = client.cookies[COOKIE]
    payload, rest = cookie.split(".", 1)
    unsigned, signature = cookie.rsplit(".", 1)
    forged = [
        "analyst",
        "",
        # Its first character: the last one holds two bits that are not part of the signature.
        f"{unsigned}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}",
        f"{payload[:-2]}xx.{rest}",
        cookie[: len(cookie) // 2],
        SignInElsewhere.cookie(),
    ]
    for one in forged:
        client.cookies.clear()
        client.cookies.set(COOKIE, one)
        assert client.get("/mncm/CY2019/CLINIC-A/evidence").status_code == 403


class SignInElsewhere:
    """A session that another server, with another key, began for the analyst."""

    @staticmethod
    def cookie() -> str:
        from openvbp.web.sessions import Sessions

        return Sessions().begin("analyst", frozenset({"*"}))


def test_session_ends_with_signing_out_and_with_the_account(client: TestClient, accounts_file: Path) -> None:
    path = "/mncm/CY2019/CLINIC-A/evidence"
    _sign_in(client, "clinic")
    cookie = client.cookies[COOKIE]
    token = re.search('action="/sign-out"><input type="hidden" name="csrf" value="([^"]+)"', client.get("/").text)
    assert token is not None
    assert client.post("/sign-out", data={"csrf": "other"}).status_code == 403
    assert client.post("/sign-out", data={"csrf": token[1]}).status_code == 303
    client.cookies.set(COOKIE, cookie)
    assert client.get(path).status_code == 403
    add_account(accounts_file, "leaver", PASSWORD, ["mncm/CLINIC-A"])
    client.cookies.clear()
    _sign_in(client, "leaver")
    assert client.get(path).status_code == 200
    remove_account(accounts_file, "leaver")
    assert client.get(path).status_code == 403


def test_form_of_a_foreign_page_is_refused(client: TestClient) -> None:
    assert _sign_in(client, "clinic", csrf="x").status_code == 403
    client.get("/sign-in")
    answer = client.post("/sign-in", data={"name": "clinic", "password": PASSWORD}, headers={"Origin": "http://evil"})
    assert answer.status_code == 403
    assert COOKIE not in client.cookies


def test_wrong_passwords_are_limited_and_names_not_told_apart(client: TestClient) -> None:
    answers = [_sign_in(client, name, "wrong") for name in ("clinic", "nobody")]
    assert [one.status_code for one in answers] == [403, 403]
    assert "Name or password is wrong" in answers[0].text
    for _ in range(4):
        _sign_in(client, "clinic", "wrong")
    limited = _sign_in(client, "clinic")
    assert limited.status_code == 429
    assert int(limited.headers["retry-after"]) > 0
    assert COOKIE not in client.cookies


def test_attempts_are_forgotten_after_a_while() -> None:
    now = [0.0]
    attempts = Attempts(2, 900, lambda: now[0])
    for _ in range(2):
        attempts.failed("name")
    assert attempts.wait("name") == 900
    assert attempts.wait("other") == 0
    now[0] = 901
    assert attempts.wait("name") == 0


@pytest.mark.parametrize(
    "then", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\n"]
)
def test_signing_in_leads_nowhere_else(client: TestClient, then: str) -> None:
    assert inner_address(then) == "/"
    assert _sign_in(client, "clinic", next=then).headers["location"] == "/"


@pytest.mark.parametrize(
    ("name", "password", "covers", "words"),
    [
        ("a b", PASSWORD, ["*"], "usable name"),
        ("a", "short", ["*"], "too short"),
        ("a", PASSWORD, [], "whose results"),
        ("a", PASSWORD, ["everything"], "whose results"),
    ],
)
def test_account_that_cannot_be(tmp_path: Path, name: str, password: str, covers: list[str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        add_account(tmp_path / "accounts.json", name, password, covers)


def test_accounts_are_readable_by_their_owner_alone_and_hold_no_password(accounts_file: Path) -> None:
    assert accounts_file.stat().st_mode & 0o077 == 0
    text = accounts_file.read_text()
    assert PASSWORD not in text
    assert "$argon2id$" in text


# The lab


def test_lab_equals_a_run_with_the_same_changes(hospital_run: RunFolder, folder: Path) -> None:
    changes = [
        ("applicable_percent", "0.03"),
        ("domain_weight.safety", "0.5"),
        ("minimum_domains", "2"),
        ("benchmark.MORT-30-HF", "0.93"),
        ("minimum_cases.MORT-30-AMI", "60"),
        ("achievement_threshold.HAI-3", "0.5"),
    ]
    lab = Lab(hospital_run, folder / "files", threads=1)
    for number in (1, 3, 4, len(changes)):
        answer = lab.answer(Reform(tuple(changes[:number])))
    run = pipeline.run(
        "hvbp",
        period="FY2024",
        data=folder / "files",
        out=folder / "what_if",
        changes=[f"{path}={value}" for path, value in changes],
        threads=1,
    )
    expected = {
        row["provider_id"]: (row["rate"], row["amount"])
        for row in run.read("payment_result", scenario_id="what_if").to_pylist()
        if row["component_id"] == "net"
    }
    scores = {
        row["provider_id"]: row["score"] for row in run.read("provider_result", scenario_id="what_if").to_pylist()
    }
    assert {one: (after.rate, after.amount) for one, after in answer.after.items()} == expected
    assert {one: after.score for one, after in answer.after.items()} == scores
    actual = {row["provider_id"]: row["score"] for row in run.read("provider_result", scenario_id="actual").to_pylist()}
    assert {one: before.score for one, before in answer.before.items()} == actual
    lab.close()


def test_lab_between_reforms_of_other_shapes_equals_a_run(hospital_run: RunFolder, folder: Path) -> None:
    """The bonus for health equity takes tables of its own: what comes after it is as if it had not been asked for."""
    equity = {
        "is_health_equity_adjustment_applied": "true",
        "underserved_multiplier_midpoint_ratio": "0.5",
        "underserved_multiplier_steepness": "10",
        "exchange_function_slope": "2",
    }
    plain = {"applicable_percent": "0.03", "achievement_threshold.HAI-3": "0.5"}
    files, found = folder / "files", {}
    for name, changes in (("equity", equity), ("plain", plain)):
        assignments = [f"{path}={value}" for path, value in changes.items()]
        run = pipeline.run("hvbp", period="FY2024", data=files, out=folder / name, changes=assignments, threads=1)
        found[name] = {
            row["provider_id"]: (row["rate"], row["amount"])
            for row in run.read("payment_result", scenario_id="what_if").to_pylist()
            if row["component_id"] == "net"
        }
    lab = Lab(hospital_run, files, threads=1)
    # Three domains are needed anyway: asked for in other words, the last answer is not one that is remembered.
    for name, changes in (("plain", plain), ("equity", equity), ("plain", {**plain, "minimum_domains": "3"})):
        after = lab.answer(Reform(tuple(changes.items()))).after
        assert {one: (outcome.rate, outcome.amount) for one, outcome in after.items()} == found[name]
    assert found["plain"] != found["equity"]
    lab.close()


def test_lab_of_any_program_equals_a_run(folder: Path) -> None:
    path = "scotland_upper_threshold.AF006"
    data = Path(__file__).parents[2] / "examples" / "qof" / "scotland"
    out = folder / "qof_what_if"
    run = pipeline.run("qof", period="2015/16", data=data, out=out, changes=[f"{path}=0.80"], threads=1)
    lab = Lab(run, data, threads=1)
    answer = lab.answer(Reform(((path, "0.80"),)))
    for scenario_id, outcomes in (("actual", answer.before), ("what_if", answer.after)):
        rows = run.read("payment_result", scenario_id=scenario_id).to_pylist()
        assert {one: outcome.amount for one, outcome in outcomes.items()} == {
            row["provider_id"]: row["amount"] for row in rows
        }
    assert any(answer.before[one] != answer.after[one] for one in answer.after)
    lab.close()


def test_lab_page_holds_the_whole_reform_in_its_link(client: TestClient) -> None:
    _sign_in(client, "analyst")
    answer = client.get(
        "/lab?program=hvbp&period=FY2024&set.applicable_percent=0.03&set.minimum_domains=3&add_path=&add_value="
    )
    assert answer.status_code == 303
    link = answer.headers["location"]
    assert "set=applicable_percent:0.03" in link
    assert "minimum_domains" not in link
    text = client.get(link).text
    assert "--set applicable_percent=0.03" in text
    content = client.get(link.replace("/lab?", "/lab.json?")).json()
    assert content["about"]["set"] == {"applicable_percent": "0.03"}
    totals = content["tables"]["totals"][0]
    assert totals["winners"] + totals["losers"] + totals["unchanged"] + totals["unknown"] == 40
    assert abs(float(totals["total_after"])) < 0.01


def test_reform_file_of_the_page_is_read(tmp_path: Path) -> None:
    path = tmp_path / "reform.yaml"
    path.write_text("program: hvbp\nperiod: FY2024\nset:\n  applicable_percent: '0.03'\ngiven: {minimum_domains: 3}\n")
    assert read_reform(path) == Reform((("applicable_percent", "0.03"),), (("minimum_domains", "3"),))
    path.write_text("sets: {}\n")
    with pytest.raises(UsageError, match="unknown keys"):
        read_reform(path)


def test_effects_count_everybody_once(hospital_run: RunFolder, folder: Path) -> None:
    lab = Lab(hospital_run, folder / "files", threads=1)
    answer = lab.answer(Reform((("applicable_percent", "0.05"),)))
    providers = {row["provider_id"]: row for row in hospital_run.read("provider").to_pylist()}
    found = effects(answer, providers, "score")
    assert found.winners + found.losers + found.unchanged + found.unknown == len(providers)
    assert sum(row["providers"] for row in found.groups) == len(providers) - found.unknown
    assert sum(row["change"] for row in found.groups) == found.total_after - found.total_before
    lab.close()


def test_lab_needs_the_files_of_the_run(hospital_run: RunFolder, tmp_path: Path, folder: Path) -> None:
    with pytest.raises(UsageError, match="not at hand"):
        find_data(RunFolder(hospital_run.path, {**hospital_run.record, "command": None}), [tmp_path])
    for path in (folder / "files").glob("*.csv"):
        (tmp_path / path.name).write_text(path.read_text().replace("0003", "0993"))
    with pytest.raises(InputDataError, match="not those of the run"):
        Lab(hospital_run, tmp_path, threads=1)
