"""A claims folder that has been checked: what a chain reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from openvbp.claims import quality_page
from openvbp.claims.check_result import write_accepted
from openvbp.claims.checks import check_claims
from openvbp.claims.tables import open_claims
from openvbp.engine import EngineName, cannot_write, open_engine

CHECK_PAGE = "claims-check.html"


def usable_claims(
    data: Path, out: Path, *, engine: EngineName, threads: int | None, progress: Callable[[str], None]
) -> tuple[Path, dict[str, int]]:
    """Check a claims folder, and leave out what is rejected.

    Parameters
    ----------
    data
        Folder of claims in the native layout.
    out
        Folder for ``claims-check.html``, for ``rejected``, and, where rows are rejected, for ``accepted``.
    engine, threads
        Where to compute.
    progress
        Told what was found.

    Returns
    -------
    The folder to read, and the rows ``read``, ``accepted`` and ``rejected``.

    Raises
    ------
    InputDataError
        If the folder must not be used.
    MachineError
        If a file cannot be written.
    """
    with open_engine(engine, threads) as opened:
        claims = open_claims(opened, data)
        checked = check_claims(opened, claims, rejected=out / "rejected")
        checked.demand_usable()
        rows = {
            name: sum(getattr(one, name) for one in checked.rows.values()) for name in ("read", "accepted", "rejected")
        }
        folder = data
        if rows["rejected"]:
            folder = out / "accepted"
            write_accepted(opened, claims, checked, folder)
        try:
            (out / CHECK_PAGE).write_text(quality_page.render_page(checked), encoding="utf-8")
        except OSError as error:
            raise cannot_write(out / CHECK_PAGE, error) from error
    progress(f"claims: {rows['read']:,} rows read, {rows['accepted']:,} accepted, {rows['rejected']:,} rejected")
    return folder, rows
