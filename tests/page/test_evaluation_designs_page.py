"""The page of evaluation designs says what its example prints."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "evaluation-designs.md"


def test_the_example_prints_what_the_page_says() -> None:
    text = PAGE.read_text(encoding="utf-8")
    code, shown = re.findall(r"```(?:python|text)\n(.*?)```", text, re.DOTALL)[:2]
    printed = StringIO()
    with redirect_stdout(printed):
        exec(compile(code, str(PAGE), "exec"), {})
    assert printed.getvalue() == shown


def test_every_module_of_the_page_is_there() -> None:
    rows = re.findall(r"^\| `(.+?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    modules = [name for row in rows for name in re.findall(r"[a-z_]{8,}", row.split("|")[0])]
    assert len(modules) == 11
    for name in modules:
        assert (PAGE.parents[2] / "src" / "openvbp" / "estimators" / f"{name}.py").exists(), name
