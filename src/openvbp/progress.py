"""Progress of long work on stderr: a bar on a terminal, one line per file elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

Counted = Callable[[int, int], None]
"""How many so far, how many in all."""
Downloaded = Callable[[str, int, int | None], None]
"""File name, bytes so far, bytes in all where known."""


@contextlib.contextmanager
def download_progress() -> Iterator[Downloaded]:
    """Show downloads while the block runs."""
    if not sys.stderr.isatty():
        yield _line_when_whole
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks = {}

        def update(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done, total=total)

        yield update


def _line_when_whole(name: str, done: int, total: int | None) -> None:
    if done == total:
        print(f"{name}: {done:,} bytes", file=sys.stderr)


@contextlib.contextmanager
def counted_progress(unit: str) -> Iterator[Counted]:
    """Show how far a count has come while the block runs: a bar on a terminal, a line per tenth elsewhere."""
    if not sys.stderr.isatty():
        tenths = [0]

        def say(done: int, total: int) -> None:
            if done * 10 // total > tenths[0]:
                tenths[0] = done * 10 // total
                print(f"{done:,} of {total:,} {unit}", file=sys.stderr)

        yield say
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bars:
        task = bars.add_task(unit, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
