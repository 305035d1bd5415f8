"""The worked hospital in the documentation is what the commands print."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

PAGE = ROOT / "docs" / "explanation" / "how-the-five-programs-interact.md"
BLOCK = re.compile(r"^```\n\$ openvbp (?P<arguments>[^\n]+)\n(?P<output>.*?)\n```$", re.MULTILINE | re.DOTALL)
DOLLARS = re.compile(r"\$[0-9][0-9,.]*[0-9]")


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text(encoding="utf-8")


def printed(arguments: str, folder: Path) -> str:
    command = [sys.executable, "-m", "openvbp.cli", *shlex.split(arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env={"PATH": "/usr/bin:/bin"}, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    # What to do next names the command as this test calls it.
    return done.stdout.split("\n\nNext:")[0].rstrip()


def test_the_page_shows_what_the_commands_print(page: str, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    blocks = list(BLOCK.finditer(page))
    assert [block["arguments"].split()[0] for block in blocks] == ["run", "explain"]
    for block in blocks:
        assert printed(block["arguments"], tmp_path) == block["output"]


def test_every_amount_in_the_text_is_printed_by_a_command(page: str) -> None:
    shown = set(DOLLARS.findall("\n".join(block["output"] for block in BLOCK.finditer(page))))
    told = DOLLARS.findall(BLOCK.sub("", page))
    assert told
    assert set(told) <= shown


def test_the_example_says_that_it_is_synthetic() -> None:
    folder = ROOT / "examples" / "hospital_statement"
    assert "made-up" in (folder / "README.md").read_text(encoding="utf-8")
    for row in (folder / "hospitals.csv").read_text(encoding="utf-8").splitlines()[1:]:
        assert row.startswith("99")
        assert "Synthetic" in row
    for row in (folder / "factors.csv").read_text(encoding="utf-8").splitlines()[1:]:
        assert ",synthetic: " in row
