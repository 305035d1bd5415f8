"""Pages that need nothing else: one file of HTML with its style, readable without scripts, in light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files


def page(title: str, sections: Iterable[tuple[str, str]], *, lead: str = "") -> str:
    """Write a page.

    Parameters
    ----------
    title
        Text.
    sections
        Heading (text) and content (HTML) of each section; sections without content are left out.
    lead
        HTML below the title.
    """
    style = files("openvbp").joinpath("html_page.css").read_text(encoding="utf-8")
    body = "\n".join(
        f"<section>\n<h2>{escape(heading)}</h2>\n{content}\n</section>" for heading, content in sections if content
    )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
{lead}
{body}
</main>
</body>
</html>
"""


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "") -> str:
    """Write a table of HTML cells; columns with a cell that begins with a digit or a sign are set as numbers.

    Parameters
    ----------
    header
        Texts.
    rows
        Cells as HTML: escape what comes from data.
    caption
        Text above the table.
    """
    listed = [list(row) for row in rows]
    numbers = {at for row in listed for at, cell in enumerate(row) if _is_number(cell)}
    body = "\n".join(
        "<tr>" + "".join(_cell("td", at in numbers, one) for at, one in enumerate(row)) + "</tr>" for row in listed
    )
    head = "".join(_cell('th scope="col"', at in numbers, escape(one)) for at, one in enumerate(header))
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    content = f"{above}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>"
    return f'<div class="scroll" tabindex="0"><table>{content}</table></div>'


def _is_number(cell: str) -> bool:
    return cell[:1].isdigit() or cell[:1] in tuple("−-+$")


def _cell(tag: str, is_number: bool, cell: str) -> str:  # noqa: FBT001 (how it is set)
    style = ' class="number"' if is_number else ""
    return f"<{tag}{style}>{cell}</{tag.split()[0]}>"
