"""Measures whole processes: wall seconds, CPU seconds, peak memory."""

from __future__ import annotations

import itertools
import math
import sys
import time
from collections.abc import Collection, Sequence
from typing import IO

import psutil


def measured(
    command: list[str], output: IO[str] = sys.stderr, good: Collection[int] = (0,)
) -> tuple[float, float, float]:
    """Run a command to its end; wall seconds, CPU seconds and peak memory in gigabytes of it and its children.

    ``output`` takes what it prints; an exit code that is not ``good`` ends the benchmark.
    """
    started = time.perf_counter()
    process = psutil.Popen(command, stdout=output)
    seen: dict[int, float] = {}
    peak = 0
    while process.poll() is None:
        resident = 0
        for one in [process, *process.children(recursive=True)]:
            try:
                times = one.cpu_times()
                seen[one.pid] = times.user + times.system
                resident += one.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        peak = max(peak, resident)
        time.sleep(0.05)
    if process.wait() not in good:
        sys.exit(f"failed: {' '.join(command)}")
    return time.perf_counter() - started, sum(seen.values()), peak / 2**30


def print_exponents(results: Sequence[tuple[int, float]]) -> None:
    """Print how CPU seconds grow with size: as size to the exponent; 1 is linear."""
    for (fewer, before), (more, after) in itertools.pairwise(results):
        exponent = math.log(after / before) / math.log(more / fewer)
        print(f"{fewer:,} to {more:,}: exponent {exponent:.3f}, {after / before / (more / fewer):.2f} × linear")
