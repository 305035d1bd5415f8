"""The worked example of the document prints what the document says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "regression-estimators.md"


def test_the_example_prints_what_the_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    text = PAGE.read_text()
    example, shown = (re.search(rf"```{kind}\n(.*?)```", text, re.DOTALL) for kind in ("python", "text"))
    assert example is not None
    assert shown is not None
    exec(example[1], {})
    assert capsys.readouterr().out == shown[1]


def test_every_module_of_the_table_exists() -> None:
    folder = PAGE.parents[2] / "src" / "openvbp" / "estimators"
    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", PAGE.read_text(), re.MULTILINE)
    modules = [name for row in rows for name in re.findall(r"\w+", row)]
    assert len(modules) >= 12
    assert [name for name in modules if not (folder / f"{name}.py").exists()] == []
