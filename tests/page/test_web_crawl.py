"""Every number of a payment is followed, link by link, to its paragraph, its cases and the file it was read from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from openvbp.web.app import create_app
from openvbp.web.server import Contents, make_site
from web_site import example, hospitals, readmissions

PROVIDERS = {
    "hrrp": "/hrrp/FY2024/010007",
    "hvbp": "/hvbp/FY2024/990003",
    "mncm": "/mncm/CY2019/CLINIC-A",
    "qof": "/qof/2015-16/10017",
    "iha_amp": "/iha_amp/CY2014/MISSION",
    "rosp": "/rosp/CY2019/P1",
    "episode_payment": "/episode_payment/CY2016/010002",
    "aco_reach": "/aco_reach/PY2025/D0002",
    "advancing_quality": "/advancing_quality/2008-10..2009-09/B",
    "germany_external_quality": "/germany_external_quality/CY2015/SITE-C",
    "hospital_statement": "/hospital_statement/FY2024/990001",
    "mssp_benchmark": "/mssp_benchmark/PY2024/A9001",
    "mssp": "/mssp/PY2024/A9999",
    "contract": "/harbor-bay-capitation/CY2025/bay_physicians",
}
_STEP = re.compile(r'href="([^"]+/why/(\d+))"')


@pytest.mark.parametrize("program", PROVIDERS)
def test_every_number_leads_to_its_paragraph_and_its_cases(program: str, tmp_path: Path) -> None:
    made = {"hvbp": lambda: hospitals(tmp_path, 25), "hrrp": lambda: readmissions(tmp_path)}
    run = made[program]() if program in made else example(program, tmp_path)
    client = TestClient(create_app(make_site(Contents([run.path], shows_all=True))), base_url="http://localhost")
    first = f"{PROVIDERS[program]}/why"
    provider_id = first.split("/")[3]
    steps = {row["step_number"]: row for row in run.read("step_result", provider_id=provider_id).to_pylist()}
    seen = dict(_followed(client, first))
    # No value of the provider is out of reach of a click.
    assert set(seen) == set(steps)
    for number, text in seen.items():
        step = steps[number]
        citation = step["citation"] if step["citation"] not in ("input", "count") else None
        if citation is not None:
            assert _escaped(citation) in text, number
        else:
            assert "read from a file" in text or "counted" in text
        if step["measure_id"]:
            assert "<dt>Numerator</dt>" in text
            assert "<dt>Denominator</dt>" in text
            assert "<dt>Exclusions</dt>" in text
        if step["rule_id"] not in ("input", "parameter", "count"):
            assert "The rule in words" in text, step["rule_id"]


def _followed(client: TestClient, first: str) -> Iterator[tuple[int, str]]:
    waiting, seen = [(0, first)], {0}
    while waiting:
        number, path = waiting.pop()
        answer = client.get(path)
        assert answer.status_code == 200
        if number:
            yield number, answer.text
        for link, text in _STEP.findall(answer.text):
            if int(text) not in seen:
                seen.add(int(text))
                waiting.append((int(text), link))


def _escaped(text: str) -> str:
    from markupsafe import escape

    return str(escape(text))
