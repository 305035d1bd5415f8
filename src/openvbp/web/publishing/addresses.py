"""Which file holds what the server has under an address, and pages whose links lead to files."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from html import escape, unescape
from urllib.parse import parse_qsl, urlencode

_LINK = re.compile(r"<a\b([^>]*)>(.*?)</a>", re.DOTALL)
_TARGET = re.compile(r'\b(href|src|data-providers)="([/?][^"]*)"')
_HTMX = re.compile(r'\s+hx-[a-z-]+="[^"]*"')
_META = re.compile(r'<meta name="htmx-config"[^>]*/>\n?')
_ALTERNATE = re.compile(r'<link rel="alternate"[^>]*/>\n?')
_ASKING = re.compile(r'<form class="[^"]*\b(?:search|filters|inline)\b[^"]*".*?</form>\n?', re.DOTALL)
_FORM = re.compile(r"</?form\b[^>]*>\n?")
_BUTTON = re.compile(r"<button\b.*?</button>", re.DOTALL)
_ENDS = re.compile(r"</(?:td|th|tr|li)>\s*")
"""What HTML takes as said where the next begins: a tenth of a site."""
_STEP = re.compile(r"(?P<why>.*/why)/(?P<number>\d+)")
_SERVED_ONLY = re.compile(r"/sign-in|/openapi\.json|/[^/]+/[^/]+/(?:compare|[^/]+/(?:embed|evidence))")
_DEFAULTS = {("page", "1"), ("sort", "rank"), ("scenario", "actual")}


def canonical(address: str) -> str:
    """Write an address in one way: what is asked for in order, without what is meant anyway."""
    path, _, query = address.partition("?")
    asked = sorted(set(parse_qsl(query)) - _DEFAULTS)
    return f"{path}?{urlencode(asked)}" if asked else path


class Addresses:
    """Files by the addresses that the server has for them.

    Parameters
    ----------
    files
        File within the site by address; addresses are written as :func:`canonical` writes them.
        The numbers of a provider are places on the page that explains its payment.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def file(self, address: str) -> str | None:
        """Give the file for an address, with the place within it; ``None`` where there is none."""
        address, _, place = address.partition("#")
        path, _, query = address.partition("?")
        if path == "/lab":
            return self._files.get("/lab")
        number = _STEP.fullmatch(path)
        if number:
            address, place = f"{number['why']}?{query}", f"s{number['number']}"
        found = self._files.get(canonical(address))
        return f"{found}#{place}" if found and place else found

    def without_server(self, text: str, file: str, path: str) -> str:
        """Make of a page of the server one that is a file: links lead to files, forms are taken out.

        A link to what is not published becomes its text; one to what only a server can do is taken out.

        Parameters
        ----------
        text
            The page.
        file
            Its place within the site, to which links are relative.
        path
            Where the server has it, without what is asked for.
        """
        folder = file.rpartition("/")[0]
        for pattern in (_META, _ALTERNATE, _ASKING, _FORM, _BUTTON, _HTMX, _ENDS):
            text = pattern.sub("", text)

        def whole(address: str) -> str:
            return f"{path if address.startswith('?') else ''}{unescape(address)}"

        def leading(match: re.Match[str]) -> str:
            target = _TARGET.search(match[1])
            if target is None:
                return match[0]
            address = whole(target[2])
            if self.file(address) is not None:
                return match[0]
            return "" if _SERVED_ONLY.fullmatch(address.partition("?")[0]) else match[2]

        def relative(match: re.Match[str]) -> str:
            found = self.file(whole(match[2]))
            if found is None:
                raise ValueError(f"{file} needs {match[2]}, which is not published")
            return f'{match[1]}="{escape(_from(folder, file, found))}"'

        return _TARGET.sub(relative, _LINK.sub(leading, text))


def _from(folder: str, file: str, target: str) -> str:
    """Write where a file, or a place in it, is as seen from a file in a folder."""
    name, _, place = target.partition("#")
    if name == file and place:
        return f"#{place}"
    return posixpath.relpath(name, folder or ".") + (f"#{place}" if place else "")
