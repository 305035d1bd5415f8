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
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
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
    """Write a table of HTML cells; cells that begin with a digit, a sign or a dash are set as numbers.

    Parameters
    ----------
    header
        Texts.
    rows
        Cells as HTML: escape what comes from data.
    caption
        Text above the table.
    """
    body = "\n".join("<tr>" + "".join(_cell(cell) for cell in row) + "</tr>" for row in rows)
    head = "".join(f'<th scope="col">{escape(one)}</th>' for one in header)
    above = f"<caption>{escape(caption)}</caption>" if caption else ""
    content = f"{above}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>"
    return f'<div class="scroll" tabindex="0"><table>{content}</table></div>'


def _cell(cell: str) -> str:
    is_number = cell[:1].isdigit() or cell[:1] in "−-+$–"
    return f'<td class="number">{cell}</td>' if cell and is_number else f"<td>{cell}</td>"
