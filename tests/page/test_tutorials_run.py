"""The tutorials as a reader follows them: each command is given, and prints what the page shows.

What needs the population of ``make demo``, or takes long and has tests of its own, is followed where OPENVBP_DEMO names
the folder of a demonstration.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from openvbp import cli

ROOT = Path(__file__).parents[2]

PAGES = sorted([*(ROOT / "docs" / "tutorials").glob("*.md"), ROOT / "docs" / "how-to" / "use-in-a-notebook.md"])
STEP = re.compile(
    r"```(?P<kind>\w+)\n(?P<fenced>.*?)^```|(?P<typed>(?:^ {4}\S[^\n]*\n(?: {8}[^\n]*\n)*)+)", re.M | re.S
)
NEVER_ENDS, FROM_THE_PUBLISHER = ("serve",), ("fetch", "compare")
TAKES_LONG = {"audit", "--draws"}
NEEDS_POPULATION = ("study-a-program",)
LEFT_OUT = "..."
"""Line of a page that stands for any lines."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Work in a folder of its own that has the examples, and the demonstration if it was made."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "examples").symlink_to(ROOT / "examples")
    if demonstration := os.environ.get("OPENVBP_DEMO"):
        (folder / "demo").symlink_to(Path(demonstration).resolve())
    with contextlib.chdir(folder):
        yield folder


class Reader:
    """Who follows the pages; what was once printed is not asked for again."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def types(self, line: str) -> str | None:
        """Give a command and read what it prints; None where it is not given."""
        words = shlex.split(line)
        if words[0] == "cp":
            shutil.copy(words[1], words[2])
            return None
        if words[0] != "openvbp" or words[1] in (*NEVER_ENDS, *FROM_THE_PUBLISHER) or "--get" in words:
            return None
        if not all(self.has(word) for word in words) or (TAKES_LONG & {*words} and not Path("demo").exists()):
            return None
        if line not in self.known:
            self.known[line] = self.reads(words)
        return self.known[line]

    @staticmethod
    def has(word: str) -> bool:
        """Whether a word names nothing that a reader has to bring."""
        is_brought = word.startswith(("demo/", "population", "FOLDER", "files")) or word in ("RUN", "CONTRACT.yaml")
        return not is_brought or Path(word).exists()

    @staticmethod
    def reads(words: list[str]) -> str:
        printed = io.StringIO()
        with pytest.MonkeyPatch.context() as patched, contextlib.redirect_stdout(printed):
            patched.setattr(sys, "argv", words)
            with pytest.raises(SystemExit) as ended:
                cli.main()
        assert ended.value.code in (0, None, 1), words
        return printed.getvalue()


READER = Reader()


def missing(shown: str, printed: str) -> list[str]:
    """Lines that a page shows and the command did not print there."""
    rest = [line.rstrip() for line in printed.splitlines()]
    lost = []
    for line in shown.splitlines():
        if line in ("", LEFT_OUT):
            continue
        if line.rstrip() in rest:
            del rest[: rest.index(line.rstrip()) + 1]
        else:
            lost.append(line)
    return lost


def test_lines_that_were_not_printed_are_found() -> None:
    assert missing("a\n...\nc\n", "a\nb\nc\n") == []
    assert missing("c\na\n", "a\nb\nc\n") == ["a"]
    assert missing("a 1\n", "a 12\n") == ["a 1"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
@pytest.mark.usefixtures("desk")
def test_a_page_shows_what_its_commands_print(page: Path) -> None:
    if page.stem in NEEDS_POPULATION and not Path("demo").exists():
        pytest.skip("all of it needs the population of make demo: OPENVBP_DEMO")
    printed: str | None = None
    python: dict[str, object] = {}
    for step in STEP.finditer(page.read_text(encoding="utf-8")):
        if step["typed"]:
            for line in re.sub(r" *\\\n *", " ", step["typed"]).splitlines():
                printed = READER.types(line.strip())
        elif step["kind"] == "python":
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(step["fenced"], str(page), "exec"), python)
            printed = out.getvalue()
        elif step["kind"] == "text" and printed is not None:
            lost = missing(step["fenced"], printed)
            assert not lost, "the page shows, and nothing printed:\n" + "\n".join(lost) + f"\n\nprinted:\n{printed}"
