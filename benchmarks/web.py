"""How quickly the pages answer: reforms in the lab, and fifty readers at once.

    python benchmarks/web.py RUN DATA [SECONDS]

RUN is a finished run of Hospital VBP, DATA the folder of its files, SECONDS how long the readers read (60). The lab is
given one new value after another, so that nothing is remembered; its times are the server's. Beside them stands how
long the same machine takes for the same run as a whole process. Times depend on the machine and on what else it does;
the ratio much less. Nothing here is a test.
"""

from __future__ import annotations

import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import httpx2

from openvbp.run_folder import open_run
from openvbp.web.lab import Lab, Reform

READERS = 50
REPEATS = 21
ASSUMED = (("exchange_function_slope", "2.8"),)
"""Held before and after: base payments of the published files are not public."""
KINDS = {
    "one number of the payment": lambda number: (("applicable_percent", f"0.{2001 + number}"),),
    "weights of two domains": lambda number: (("domain_weight.safety", f"0.{26 + number}"),),
    "a benchmark of one measure": lambda number: (
        ("benchmark.MORT-30-HF", f"{Decimal('0.93') + number * Decimal('0.0001')}"),
    ),
}


def lab(run: Path, data: Path) -> None:
    """Time the answers to values that were not asked for before."""
    made = time.perf_counter()
    opened = Lab(open_run(run), data)
    first = opened.answer(Reform((), ASSUMED))
    print(f"lab: {len(first.before):,} providers; made in {time.perf_counter() - made:.2f} s with the first answer")
    own = first.before if any(one.amount is not None for one in first.before.values()) else None
    assumed = () if own else ASSUMED
    medians = []
    for name, change in KINDS.items():
        opened.answer(Reform(change(98), assumed))
        started = time.process_time()
        seconds = [opened.answer(Reform(change(number), assumed)).seconds for number in range(REPEATS)]
        processor = (time.process_time() - started) / REPEATS
        medians.append(statistics.median(seconds))
        print(
            f"  {name:<28} median {1000 * medians[-1]:6.0f} ms, slowest of {REPEATS} {1000 * max(seconds):6.0f} ms; "
            f"processor time of one {1000 * processor:6.0f} ms"
        )
    opened.close()
    with tempfile.TemporaryDirectory() as out:
        started = time.perf_counter()
        command = [sys.executable, "-m", "openvbp.cli", "run", "hvbp", "--period", open_run(run).record["period"]]
        command += ["--data", str(data), "--out", f"{out}/RUN", "--set", "applicable_percent=0.03"]
        subprocess.run(command, check=True, capture_output=True)
        whole = time.perf_counter() - started
    times = whole / statistics.median(medians)
    print(f"  the same as a run of its own: {whole:.1f} s, {times:.0f} times the median answer")


def readers(run: Path, data: Path, seconds: float) -> None:
    """Let fifty readers open pages one after the other, and count."""
    with subprocess.Popen(
        [sys.executable, "-m", "openvbp.cli", "serve", str(run), "--data", str(data), "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            _read(server, seconds)
        finally:
            # Without this an error here would wait for a server that nobody stops.
            server.terminate()


def _read(server: subprocess.Popen[str], seconds: float) -> None:
    assert server.stderr is not None
    address = next(line for line in server.stderr if line.startswith("open ")).split()[1].rstrip("/")
    paths = _paths(address)
    times: list[float] = []
    answers: Counter[int | str] = Counter()
    lock, end = threading.Lock(), time.perf_counter() + seconds

    def read(number: int) -> None:
        choice = random.Random(number)
        with httpx2.Client(base_url=address, timeout=60) as client:
            while time.perf_counter() < end:
                started = time.perf_counter()
                try:
                    status: int | str = client.get(choice.choice(paths)).status_code
                except httpx2.HTTPError as error:
                    status = type(error).__name__
                with lock:
                    times.append(time.perf_counter() - started)
                    answers[status] += 1

    with ThreadPoolExecutor(READERS) as pool:
        list(pool.map(read, range(READERS)))
    _print(times, answers, seconds, len(paths))
    print("pages in a browser", flush=True)
    paints(address)


def _print(times: list[float], answers: Counter[int | str], seconds: float, pages: int) -> None:
    times.sort()
    rate = len(times) / seconds
    print(f"{READERS} readers for {seconds:.0f} s of {pages:,} pages: {len(times):,} answers, {rate:.0f} a second")
    print(f"  by status: {dict(answers)}")
    for share in (0.5, 0.95, 0.99):
        print(f"  {share:.0%} within {1000 * times[int(len(times) * share)]:.0f} ms", flush=True)


def _paths(address: str) -> list[str]:
    """Pages that people open: league tables, cards and reasons of many providers, and their twins."""
    with httpx2.Client(base_url=address, timeout=120) as client:
        league = next(row for row in client.get("/index.json").json()["tables"]["runs"])["href"]
        rows = client.get(f"{league.rstrip('/')}.json").json()["tables"]["providers"]
    providers = [row["provider_id"] for row in rows][:400]
    of_providers = [f"{league}{one}{ending}" for one in providers for ending in ("", "/why", ".json")]
    return [*(["/", league, f"{league}?sort=-score", "/law/hvbp"] * 20), *of_providers]


def paints(address: str) -> None:
    """Print first paint and size of pages in a browser, each the median of three."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for path in _paths(address)[:2] + _paths(address)[-3:-1] + ["/law/hvbp"]:
            found = []
            for _ in range(3):
                page = browser.new_page()
                page.goto(address + path)
                page.wait_for_load_state("networkidle")
                found.append(
                    page.evaluate(
                        "[performance.getEntriesByName('first-contentful-paint')[0].startTime, performance"
                        ".getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))"
                        ".reduce((sum, one) => sum + one.encodedBodySize, 0)]"
                    )
                )
                page.close()
            paint, size = (statistics.median(one[at] for one in found) for at in (0, 1))
            print(f"  {path:<36} first paint {paint:5.0f} ms, {size / 1000:4.0f} kB")
        browser.close()


def main() -> None:
    """Print the three."""
    run, data = Path(sys.argv[1]), Path(sys.argv[2])
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 60.0
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    lab(run, data)
    readers(run, data, seconds)


if __name__ == "__main__":
    main()
