"""Charts as SVG made on the server: they need no script, print, and say in words what they show.

Colours and patterns come from the style sheet by class. Nothing is said by colour alone: losses are hatched, and each
mark has its number beside it or in its title.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from markupsafe import Markup

_WIDE = ("waterfall", "forest")
"""Charts with texts beside them: on a phone they are moved sideways, not made too small to read."""


@dataclass(frozen=True)
class Bar:
    """A bar of a waterfall."""

    label: str
    value: float
    text: str
    is_total: bool = False
    """Whether it begins at zero: what has come together so far."""
    href: str = ""


def _svg(width: float, height: float, words: str, marks: Sequence[str], kind: str) -> Markup:
    label = f' role="img" aria-label="{escape(words)}"' if words else ' aria-hidden="true"'
    content = "".join(marks)
    drawn = f'<svg class="chart {kind}" viewBox="0 0 {width:g} {height:g}"{label}>{content}</svg>'
    if kind in _WIDE:
        drawn = f'<div class="scroll" tabindex="0" role="region" aria-label="Chart: {escape(words)}">{drawn}</div>'
    return Markup(drawn)  # noqa: S704 (every text in it is escaped)


def _text(x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{escape(text)}</text>'


def _rect(x: float, y: float, width: float, height: float, kind: str, title: str = "") -> str:
    inner = f"<title>{escape(title)}</title>" if title else ""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}" class="{kind}">{inner}</rect>'
    )


def _hatch(name: str) -> str:
    return (
        f'<defs><pattern id="{name}" width="6" height="6" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect width="6" height="6" class="hatch-ground"/>'
        '<line x1="0" y1="0" x2="0" y2="6" class="hatch-line"/></pattern></defs>'
    )


def waterfall(bars: Sequence[Bar], words: str) -> Markup:
    """Draw how parts add up, one row each, from top to bottom.

    Parameters
    ----------
    bars
        Parts, each from where the last ended; totals from zero.
    words
        What is to be seen, for those who cannot.
    """
    right, row, width = 110.0, 34.0, 935.0
    # Names are as long as in the widest of the fonts that a browser may take.
    left = max(345.0, 16 + 8.8 * max((len(bar.label) for bar in bars), default=0))
    ends: list[tuple[float, float]] = []
    level = 0.0
    for bar in bars:
        ends.append((0.0, bar.value) if bar.is_total else (level, level + bar.value))
        level = ends[-1][1]
    lowest = min(0.0, *(min(pair) for pair in ends))
    highest = max(0.0, *(max(pair) for pair in ends))
    scale = (width - left - right) / ((highest - lowest) or 1.0)

    def across(value: float) -> float:
        return left + (value - lowest) * scale

    height = row * len(bars) + 8
    marks = [
        _hatch("loss-hatch"),
        f'<line x1="{across(0):.1f}" y1="0" x2="{across(0):.1f}" y2="{height}" class="axis"/>',
    ]
    for number, (bar, (start, end)) in enumerate(zip(bars, ends, strict=True)):
        top = number * row + 6
        kind = "total" if bar.is_total else ("gain" if bar.value >= 0 else "loss")
        name = _text(left - 12, top + 16, bar.label, "end", "total-name" if bar.is_total else "")
        marks.append(f'<a href="{escape(bar.href)}">{name}</a>' if bar.href else name)
        begin, finish = sorted((across(start), across(end)))
        marks.append(_rect(begin, top, finish - begin, row - 12, kind, f"{bar.label}: {bar.text}"))
        marks.append(_text(finish + 8, top + 16, bar.text, "start", "number"))
        if number + 1 < len(bars):
            marks.append(
                f'<line x1="{across(end):.1f}" y1="{top + row - 12:.1f}" x2="{across(end):.1f}" '
                f'y2="{top + row:.1f}" class="join"/>'
            )
    return _svg(width, height, words, marks, "waterfall")


def share_bar(share: float | None, words: str, kind: str = "bar") -> Markup:
    """Draw a part of a whole; a missing one is hatched, never empty like zero."""
    marks = [_rect(0, 0, 120, 10, "track")]
    if share is None:
        marks = [_hatch("missing-hatch"), _rect(0, 0, 120, 10, "missing", words)]
    elif share > 0:
        marks.append(_rect(0, 0, 120 * min(share, 1.0), 10, kind, words))
    return _svg(120, 10, words, marks, "share")


def dot(value: float | None, low: float | None, high: float | None, scale: tuple[float, float], words: str) -> Markup:
    """Draw a value as a dot on a common scale, with its interval as a line; a missing value is hatched."""
    width, height = 180.0, 16.0
    if value is None:
        return _svg(width, height, words, [_hatch("missing-hatch"), _rect(0, 3, width, 10, "missing")], "dot")
    span = (scale[1] - scale[0]) or 1.0

    def across(one: float) -> float:
        return 6 + (min(max(one, scale[0]), scale[1]) - scale[0]) / span * (width - 12)

    marks = [f'<line x1="0" y1="8" x2="{width}" y2="8" class="rule"/>']
    if scale[0] < 0 < scale[1]:
        marks.append(f'<line x1="{across(0):.1f}" y1="0" x2="{across(0):.1f}" y2="{height}" class="axis"/>')
    if low is not None and high is not None:
        marks.append(f'<line x1="{across(low):.1f}" y1="8" x2="{across(high):.1f}" y2="8" class="interval"/>')
    marks.append(f'<circle cx="{across(value):.1f}" cy="8" r="4" class="point"/>')
    return _svg(width, height, words, marks, "dot")


@dataclass(frozen=True)
class Bullet:
    """A measure's value among its marks."""

    value: float | None
    threshold: float | None
    benchmark: float | None
    peers: Sequence[float]
    """First to ninth decile of the peers' values; empty where there are too few."""
    words: str
    low: float | None = None
    high: float | None = None


def bullet(one: Bullet) -> Markup:
    """Draw a value as a diamond over the peers' deciles, with threshold (line) and benchmark (double line).

    Where there is no value, the band is hatched.
    """
    width, height = 260.0, 26.0
    known = [
        value for value in (one.value, one.threshold, one.benchmark, one.low, one.high, *one.peers) if value is not None
    ]
    if one.value is None or not known:
        marks = [_hatch("missing-hatch"), _rect(0, 6, width, 14, "missing")]
        return _svg(width, height, one.words, marks, "bullet")
    lowest, highest = min(known), max(known)
    margin = (highest - lowest) * 0.06 or abs(highest) * 0.1 or 1.0
    lowest, highest = lowest - margin, highest + margin

    def across(value: float) -> float:
        return (value - lowest) / (highest - lowest) * width

    marks = [_rect(0, 10, width, 6, "track")]
    for outer, kind in ((0, "band"), (2, "band inner")):
        if len(one.peers) == 9:
            first, last = across(one.peers[outer]), across(one.peers[8 - outer])
            marks.append(_rect(first, 6, last - first, 14, kind))
    if len(one.peers) == 9:
        middle = across(one.peers[4])
        marks.append(f'<line x1="{middle:.1f}" y1="6" x2="{middle:.1f}" y2="20" class="median"/>')
    for value, offsets, kind in ((one.threshold, (0.0,), "threshold"), (one.benchmark, (-1.5, 1.5), "benchmark")):
        if value is not None:
            marks += [
                f'<line x1="{across(value) + by:.1f}" y1="1" x2="{across(value) + by:.1f}" y2="25" class="{kind}"/>'
                for by in offsets
            ]
    if one.low is not None and one.high is not None:
        marks.append(f'<line x1="{across(one.low):.1f}" y1="13" x2="{across(one.high):.1f}" y2="13" class="interval"/>')
    at = across(one.value)
    marks.append(f'<path d="M{at:.1f} 6 l7 7 l-7 7 l-7 -7 z" class="own"/>')
    return _svg(width, height, one.words, marks, "bullet")


def histogram(values: Sequence[float], mark: float | None, words: str) -> Markup:
    """Draw how values are spread, with a line where one of them stands."""
    width, height, bins = 420.0, 110.0, 28
    if len(values) < 2 or min(values) == max(values):
        return Markup("")
    lowest, highest = min(values), max(values)
    counts = [0] * bins
    for value in values:
        counts[min(int((value - lowest) / (highest - lowest) * bins), bins - 1)] += 1
    tallest, step = max(counts), width / bins
    marks = [
        _rect(number * step, 90 - 84 * count / tallest, step - 1.5, max(84 * count / tallest, 0.5), "bar")
        for number, count in enumerate(counts)
    ]
    marks += [_text(0, 106, f"{lowest:.4g}"), _text(width, 106, f"{highest:.4g}", "end")]
    if mark is not None:
        at = (mark - lowest) / (highest - lowest) * (width - 2) + 1
        marks.append(f'<line x1="{at:.1f}" y1="0" x2="{at:.1f}" y2="94" class="own-line"/>')
    return _svg(width, height, words, marks, "histogram")


def change_bar(value: float, largest: float, words: str) -> Markup:
    """Draw a gain to the right and a loss, hatched, to the left of the middle."""
    width, height = 200.0, 14.0
    length = abs(value) / (largest or 1.0) * (width / 2)
    start = width / 2 if value >= 0 else width / 2 - length
    marks = [
        _hatch("loss-hatch"),
        _rect(start, 1, length, 12, "gain" if value >= 0 else "loss"),
        f'<line x1="{width / 2}" y1="0" x2="{width / 2}" y2="{height}" class="axis"/>',
    ]
    return _svg(width, height, words, marks, "change")


def groups_with_intervals(rows: Sequence[tuple[str, float, float | None, float | None, str]], words: str) -> Markup:
    """Draw a forest: one row per group with its mean as a dot and its interval as a line, around zero where it matters.

    Parameters
    ----------
    rows
        Label, mean, low, high, text.
    words
        What is to be seen.
    """
    left, right, row, width = 270.0, 120.0, 30.0, 900.0
    known = [one for _, mean, low, high, _ in rows for one in (mean, low, high) if one is not None]
    if not known:
        return Markup("")
    lowest, highest = min(known), max(known)
    span = (highest - lowest) or 1.0
    lowest, highest = lowest - span * 0.05, highest + span * 0.05

    def across(value: float) -> float:
        return left + (value - lowest) / (highest - lowest) * (width - left - right)

    height = row * len(rows) + 6
    marks = []
    if lowest < 0 < highest:
        marks.append(f'<line x1="{across(0):.1f}" y1="0" x2="{across(0):.1f}" y2="{height}" class="axis"/>')
    for number, (label, mean, low, high, text) in enumerate(rows):
        middle = number * row + row / 2
        marks.append(_text(left - 12, middle + 5, label, "end"))
        marks.append(f'<line x1="{left}" y1="{middle}" x2="{width - right}" y2="{middle}" class="rule"/>')
        if low is not None and high is not None:
            marks.append(
                f'<line x1="{across(low):.1f}" y1="{middle}" x2="{across(high):.1f}" y2="{middle}" class="interval"/>'
            )
        marks.append(f'<circle cx="{across(mean):.1f}" cy="{middle}" r="5" class="point"/>')
        marks.append(_text(width - right + 10, middle + 5, text, "start", "number"))
    return _svg(width, height, words, marks, "forest")
