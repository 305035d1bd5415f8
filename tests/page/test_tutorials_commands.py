"""What the documents tell a reader to type exists: every command with its options, and every file they link to."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from openvbp.cli import app

ROOT = Path(__file__).parents[2]

WRITTEN = sorted(
    page
    for page in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("src/**/*.md"),
    ]
    if page.name != "command-line.md"
)
COMMANDS = typer.main.get_command(app)
BLOCK = re.compile(
    r"^(?P<fence> *)```[^\n]*\n(?P<fenced>.*?)^(?P=fence)```|(?P<indented>(?:^ {4}.*\n|^\n)+)", re.M | re.S
)
CALL = re.compile(r"^\s*(?:\$ )?(?:[A-Z_]+=\S* )*(?:\.venv/bin/)?openvbp (?P<words>[a-z].*)$")
END = re.compile(r"\s(?:[|>#&;]|2>|<\s)|(?<=\S) {3,}\S")
"""Of a command: what the shell does with it, or a remark beside it."""


def calls(page: Path) -> Iterator[str]:
    """Commands of the blocks of a page, each on one line, as they are to be typed."""
    for block in BLOCK.finditer(page.read_text(encoding="utf-8")):
        text = re.sub(r" *\\\n *", " ", block["fenced"] or block["indented"] or "")
        for line in text.splitlines():
            if found := CALL.match(line):
                yield END.split(found["words"])[0]


def mentions(page: Path) -> Iterator[str]:
    """Commands between backticks within a sentence, which may leave out what they need."""
    for found in re.finditer(r"`openvbp ([a-z][^`]*)`", page.read_text(encoding="utf-8")):
        yield " ".join(found[1].split())


def the_command(words: list[str]) -> tuple[typer.Context, list[str]]:
    """Walk from group to group; the rest is the command's own."""
    context = typer.Context(COMMANDS, info_name="openvbp")
    while words and (inner := getattr(context.command, "commands", None)) is not None:
        if words[0] not in inner:
            raise LookupError(f"{context.command_path} has no command {words[0]}")
        context = typer.Context(inner[words[0]], parent=context, info_name=words[0])
        words = words[1:]
    return context, words


def complain(page: Path, line: str, *, is_whole: bool) -> str:
    """Say what is wrong with a command, or nothing."""
    where = f"{page.relative_to(ROOT)}: openvbp {line}"
    try:
        context, rest = the_command(shlex.split(line))
        if is_whole:
            context.command.make_context(context.info_name, rest, parent=context.parent)
    except (LookupError, typer.TyperException) as error:
        return f"{where}: {error.format_message() if isinstance(error, typer.TyperException) else error}"
    known = {name for one in context.command.params for name in (*one.opts, *one.secondary_opts)} | {"--help"}
    unknown = [word for word in rest if word.startswith("--") and word.partition("=")[0] not in known]
    return f"{where}: no option {', '.join(unknown)}" if unknown else ""


def test_commands_that_do_not_exist_are_found() -> None:
    page = ROOT / "README.md"
    assert "no command publsih" in complain(page, "publsih RUN", is_whole=False)
    assert "no option --sett" in complain(page, "run hvbp --sett a=1", is_whole=False)
    assert "--to" in complain(page, "publish RUN", is_whole=True)
    assert "extra argument" in complain(page, "explain RUN 010001 and more", is_whole=True)
    assert complain(page, "run hvbp --period FY2024 --data D --out RUN --set a=1", is_whole=True) == ""


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_a_page_exist(page: Path) -> None:
    # In brackets stands what may be left out.
    wrong = [complain(page, re.sub(r"[][]", "", line), is_whole="[" not in line) for line in calls(page)]
    wrong += [complain(page, line, is_whole=False) for line in mentions(page)]
    assert not any(wrong), "\n".join(filter(None, wrong))


def test_most_documents_have_commands() -> None:
    assert sum(len(list(calls(page))) for page in WRITTEN) > 150
    assert all(list(calls(page)) for page in WRITTEN if page.parent.name == "tutorials")


@pytest.mark.parametrize(
    "page", [page for page in WRITTEN if ROOT / "src" not in page.parents], ids=lambda page: str(page.relative_to(ROOT))
)
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(r"\bexamples/[\w./-]*\w", page.read_text(encoding="utf-8"))
    assert [path for path in named if not (ROOT / path).exists()] == []
