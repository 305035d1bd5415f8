"""Fixtures that all kinds of tests share: engines, the published data, runs made once."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ibis.backends.duckdb
import ibis.expr.types as ir
import pytest
from ibis.backends.sql import SQLBackend

from openvbp.engine import DuckDBEngine, Engine, SparkEngine
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder

ROOT = Path(__file__).parent.parent
IN_CI = bool(os.environ.get("CI"))
# Tests last too short for the second compiler, and for collecting memory in threads of its own, to pay: without them
# Spark takes half of the processor time. One session serves all tests, and plans of hundreds of them fill a small heap:
# it is large, and finished queries are forgotten.
SPARK_OPTIONS = (
    '--driver-java-options "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC" --driver-memory 6g '
    "--conf spark.sql.ui.retainedExecutions=1 --conf spark.ui.retainedJobs=1 --conf spark.ui.retainedStages=1 "
    "pyspark-shell"
)

# Building expressions and SQL makes many small objects, of which few can be collected: look for them less often.
gc.set_threshold(100_000, 20, 50)

SQL_KEPT = 600
"""Expressions whose SQL is remembered: those of several runs; each holds memory."""


@pytest.fixture(scope="session", autouse=True)
def sql_made_once() -> Iterator[None]:
    """Make the SQL of an expression once, though hundreds of tests run a program over equal expressions.

    Making SQL takes more than half of a small run and depends on nothing but the expression. For expressions of two
    runs to be equal, connections are not told apart by their scratch folder.
    """
    make, known = SQLBackend.compile, {}

    def compile_once(self: SQLBackend, expr: ir.Expr, /, *, limit: Any = None, **options: Any) -> str:
        if any(options.values()):
            return make(self, expr, limit=limit, **options)
        key = (type(self), expr.op(), limit)
        sql = known.get(key)
        if sql is None:
            if len(known) == SQL_KEPT:
                del known[next(iter(known))]
            sql = known[key] = make(self, expr, limit=limit)
        return sql

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SQLBackend, "compile", compile_once)
        patched.setattr(ibis.backends.duckdb.Backend, "db_identity", "duckdb")
        yield


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Where tests run in two processes: all on Spark in one, for there is one session; those of a file together."""
    for item in items:
        on_spark = item.get_closest_marker("spark") or "spark_engine" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("spark" if on_spark else str(item.path)))
    yield
    # pytest 9.2 passes by the name under which xdist sends a test to its group, without a word.
    if getattr(config.option, "loadgroup", False) and not all("@" in item.nodeid for item in items):
        raise pytest.UsageError("tests are not kept together: this pytest does not know the groups of pytest-xdist")


def published_data(*parts: str) -> Path:
    """Find published data; without them the test is skipped, except in CI, where it fails."""
    path = Path(os.environ.get("OPENVBP_DATA", ROOT.parent / "shared" / "data")).joinpath(*parts)
    if not path.exists():
        message = f"published data are not at {path} (OPENVBP_DATA)"
        if IN_CI:
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="session")
def spark_engine() -> Iterator[Engine]:
    """One local Spark session for all tests."""
    if not shutil.which("java"):
        message = "Spark needs Java 17"
        if IN_CI:
            pytest.fail(message)
        pytest.skip(message)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYSPARK_SUBMIT_ARGS", SPARK_OPTIONS)
        engine = SparkEngine()
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def duckdb_engine() -> Iterator[Engine]:
    engine = DuckDBEngine()
    yield engine
    engine.close()


@pytest.fixture(params=["duckdb", pytest.param("spark", marks=pytest.mark.spark)])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Every test that takes an engine runs on each."""
    return request.getfixturevalue(f"{request.param}_engine")


@pytest.fixture(scope="session")
def hvbp_fy2024(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The run of Hospital VBP FY2024 on the published files, with two threads; not to be written to."""
    data = published_data("hospital", "hvbp", "fy2024")
    return run("hvbp", period="FY2024", data=data, out=tmp_path_factory.mktemp("hvbp") / "FY2024", threads=2)


@pytest.fixture(scope="session")
def published_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    """Runs that tests of public sites and statements share: made-up hospitals, practices and a contract."""
    # Their module imports this one.
    from web_site import example, hospitals

    folder = tmp_path_factory.mktemp("published")
    return {"hvbp": hospitals(folder, 25), **{name: example(name, folder) for name in ("qof", "contract")}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium without a window; without it the test is skipped, except in CI, where it fails.

    It ends with its file, for while it runs no other test can start a loop of its own.
    """
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        if IN_CI:
            pytest.fail("there is no Chromium to look at pages with; install the Debian package chromium")
        pytest.skip("there is no Chromium to look at pages with")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()
