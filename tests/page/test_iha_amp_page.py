"""The made-up example of California's program, as a person runs it: what is printed and what the page tells."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from conftest import ROOT

EXAMPLE = ROOT / "examples" / "iha_amp"
PAGE = ROOT / "src" / "openvbp" / "programs" / "iha_amp" / "README.md"
DOLLARS = re.compile(r"\$[0-9][0-9,]*(?:\.[0-9]+)?")


def openvbp(*arguments: object) -> str:
    command = [sys.executable, "-m", "openvbp.cli", *map(str, arguments)]
    kept = {"PATH": "/usr/bin:/bin", "COLUMNS": "120"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=kept, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_example_runs_and_the_page_tells_what_is_printed(tmp_path: Path) -> None:
    out = tmp_path / "RUN"
    summary = openvbp("run", "iha_amp", "--period", "CY2014", "--data", EXAMPLE, "--out", out)
    assert "75 rows read, 75 accepted, 0 rejected" in summary
    assert "5 scored with parameters or rates that are not verified" in summary
    # The budget of PACIFIC_CARE goes out to the cent.
    assert "incentive.PACIFIC_CARE: $1,000,000.00 over 3 providers" in summary
    coast, mission = (openvbp("explain", out, name) for name in ("COAST", "MISSION"))
    assert "quality composite 76.2916666667" in coast
    assert "trend bound 0.0532" in mission
    assert "trend gate closed: total cost of care rose by more than the limit" in mission
    for stars in ("commercial summary stars 4", "medicare summary stars 4"):
        assert stars in coast
    printed = {amount.removesuffix(".00") for amount in DOLLARS.findall(coast + mission)}
    worked = PAGE.read_text(encoding="utf-8").split("## Worked example")[1].split("## What is verified")[0]
    told = {amount.removesuffix(".00") for amount in DOLLARS.findall(worked)}
    assert len(told) >= 6
    assert told <= printed


def test_the_example_says_that_it_is_made_up() -> None:
    assert "made-up" in (EXAMPLE / "README.md").read_text(encoding="utf-8")
