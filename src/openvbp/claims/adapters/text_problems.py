"""What can be wrong with a source's text, said without quoting it."""

from __future__ import annotations

from pathlib import Path

from openvbp.errors import InputDataError, Problem


def problem(
    where: Path | str, what: str, what_to_do: str, count: int = 1, examples: tuple[str, ...] = ()
) -> InputDataError:
    """Make an error about one input."""
    return InputDataError(Problem(what, str(where), what_to_do, count, examples))


def not_plain_text(path: Path, line_number: int, byte: int) -> InputDataError:
    """Say that a fixed-width file holds a character that is not plain text."""
    return problem(
        path,
        f"line {line_number} holds the byte {byte:#04x}, which is not plain text (ASCII)",
        "the file was saved in another encoding, or encodings are mixed, and widths are no longer sure; get it again",
    )


def not_utf8(path: Path) -> InputDataError:
    """Say which line of a file is not UTF-8 text."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return problem(
                    path,
                    f"line {number} is not UTF-8 text (byte {line[error.start]:#04x})",
                    "the file has another encoding, or encodings are mixed; save it as UTF-8",
                )
    return problem(path, "file cannot be read as text", "save it as UTF-8 text")
