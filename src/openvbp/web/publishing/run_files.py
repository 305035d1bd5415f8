"""All results of a run for other tools: a workbook, and each table as Parquet, without what is withheld."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow.parquet as pq

from openvbp.reporting.disclosure import reason
from openvbp.reporting.export import without_traces
from openvbp.reporting.workbook import write_workbook
from openvbp.web.publishing.whole_folder import WholeFolder
from openvbp.web.runs import ServedRun


def run_files(run: ServedRun) -> Mapping[str, str]:
    """Give the files of a run within the site by their title."""
    folder = run.address[1:]
    tables = {f"{name}.parquet": f"{folder}tables/{name}.parquet" for name in run.public.tables}
    return {"workbook": f"{folder}results.xlsx", **tables}


def write_run_files(run: ServedRun, folder: WholeFolder, smallest_cell: int) -> None:
    """Write the workbook and the tables; the workbook names tables that are too long for it."""
    record = without_traces(run.public, run.suppressed_cells, reason(smallest_cell))
    for name, file in run_files(run).items():
        target = folder.reserve(file)
        if name == "workbook":
            write_workbook(record, dict(run.public.held), target)
        else:
            pq.write_table(run.public.held[name.removesuffix(".parquet")], target, compression="zstd")
        folder.count(target)
