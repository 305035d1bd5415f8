"""Runs that several files of page tests publish."""

from __future__ import annotations

import pytest

from openvbp.run_folder import RunFolder
from web_site import example, hospitals


@pytest.fixture(scope="session")
def published_runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    """Made-up hospitals, practices and a contract."""
    folder = tmp_path_factory.mktemp("published")
    return {"hvbp": hospitals(folder, 25), **{name: example(name, folder) for name in ("qof", "contract")}}
