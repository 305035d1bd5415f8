"""Charts as SVG within a page: points, lines and axes, in the page's colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 820, 420
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 12, 44
COLOURS = ("var(--bar)", "var(--stop)", "var(--limit-broken)", "var(--clean)", "var(--rejected)", "var(--warning)")


@dataclass
class Chart:
    """A chart to which marks are added; what lies outside the axes is left out.

    Parameters
    ----------
    words
        What is to be seen, for those who cannot.
    x, y
        Lowest and highest value of each axis.
    x_label, y_label
        Names of the axes.
    is_logarithmic
        Of the horizontal axis.
    """

    words: str
    x: tuple[float, float]
    y: tuple[float, float]
    x_label: str
    y_label: str
    is_logarithmic: bool = False
    _marks: list[str] = field(default_factory=list)

    def line(self, points: Sequence[tuple[float, float]], colour: str, *, dashes: str = "", width: float = 1.5) -> None:
        """Add a line; it is cut where it leaves the chart."""
        parts: list[list[str]] = [[]]
        for x, y in points:
            if self._is_inside(x, y):
                parts[-1].append(f"{self._across(x):.1f},{self._up(y):.1f}")
            elif parts[-1]:
                parts.append([])
        style = f"fill:none;stroke:{colour};stroke-width:{width}" + (f";stroke-dasharray:{dashes}" if dashes else "")
        self._marks += [f'<polyline points="{" ".join(part)}" style="{style}"/>' for part in parts if len(part) > 1]

    def point(self, x: float, y: float, colour: str, title: str, radius: float = 3.2) -> None:
        """Add a point, with what is said where the pointer rests on it."""
        if self._is_inside(x, y):
            self._marks.append(
                f'<circle cx="{self._across(x):.1f}" cy="{self._up(y):.1f}" r="{radius}" '
                f'style="fill:{colour};fill-opacity:.75"><title>{escape(title)}</title></circle>'
            )

    def svg(self, key: Sequence[tuple[str, str]] = ()) -> str:
        """Write the chart, with names of colours below it."""
        named = "".join(
            f'<span style="white-space:nowrap;margin-right:1.2rem"><span style="color:{colour}">●</span> '
            f"{escape(name)}</span>"
            for name, colour in key
        )
        below = f"<p>{named}</p>" if named else ""
        return (
            f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(self.words)}">'
            f"{self._axes()}{''.join(self._marks)}</svg>{below}</figure>"
        )

    def _is_inside(self, x: float, y: float) -> bool:
        return self.x[0] <= x <= self.x[1] and self.y[0] <= y <= self.y[1]

    def _across(self, x: float) -> float:
        scale: Callable[[float], float] = math.log if self.is_logarithmic else float
        share = (scale(x) - scale(self.x[0])) / (scale(self.x[1]) - scale(self.x[0]))
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def _up(self, y: float) -> float:
        return HEIGHT - BOTTOM - (y - self.y[0]) / (self.y[1] - self.y[0]) * (HEIGHT - TOP - BOTTOM)

    def _axes(self) -> str:
        base, lines = HEIGHT - BOTTOM, []
        for value in ticks(*self.y):
            height = self._up(value)
            lines.append(f'<line x1="{LEFT}" y1="{height:.1f}" x2="{WIDTH - RIGHT}" y2="{height:.1f}"/>')
            lines.append(f'<text x="{LEFT - 6}" y="{height + 4:.1f}" text-anchor="end">{value:g}</text>')
        for value in decades(*self.x) if self.is_logarithmic else ticks(*self.x):
            place = self._across(value)
            lines.append(f'<line x1="{place:.1f}" y1="{base}" x2="{place:.1f}" y2="{base + 4}"/>')
            lines.append(f'<text x="{place:.1f}" y="{base + 16}" text-anchor="middle">{value:g}</text>')
        middle = (LEFT + WIDTH - RIGHT) / 2
        lines.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(self.x_label)}</text>')
        upright = f'transform="rotate(-90 14 {base / 2})" text-anchor="middle"'
        lines.append(f'<text x="14" y="{base / 2}" {upright}>{escape(self.y_label)}</text>')
        return "".join(lines)


def ticks(lowest: float, highest: float) -> list[float]:
    """Round values between two, about five of them.

    Examples
    --------
    >>> ticks(0, 1)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = (highest - lowest) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(one * power for one in (1, 2, 5, 10) if one * power >= rough * 0.999)
    first = math.ceil(lowest / step - 1e-9)
    last = math.floor(highest / step + 1e-9)
    return [round(number * step, 10) for number in range(first, last + 1)]


def decades(lowest: float, highest: float) -> list[float]:
    """Values 1, 2 and 5 of each power of ten between two.

    Examples
    --------
    >>> decades(1, 20)
    [1.0, 2.0, 5.0, 10.0, 20.0]
    """
    first, last = math.floor(math.log10(lowest)), math.ceil(math.log10(highest))
    listed = [step * 10.0**power for power in range(first, last + 1) for step in (1, 2, 5)]
    return [value for value in listed if lowest <= value * 1.0000001 and value <= highest * 1.0000001]
