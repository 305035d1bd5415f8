"""What was loaded, in words."""

from __future__ import annotations

from openvbp.claims.adapters.loading import REJECTED, LoadReport
from openvbp.claims.tables import MANIFEST


def render(loaded: LoadReport) -> str:
    """Write a load report: files with their rows, reasons of rejection, tables. It holds no value of any row."""
    record = loaded.record
    lines = [f"{record['source']} ({record['layout']}) to {loaded.folder}", ""]
    lines.append(f"  {'rows of files':<58}{'read':>12}{'accepted':>12}{'rejected':>12}")
    for one in record["files"]:
        rejected = sum(one["rejected"].values())
        lines.append(f"  {_cut(one['file']):<58}{one['read']:>12,}{one['accepted']:>12,}{rejected:>12,}")
        lines += [f"      {times:,} rejected: {reason}" for reason, times in one["rejected"].items()]
    lines.append(f"  {'all files':<58}{loaded.read:>12,}{loaded.accepted:>12,}{loaded.rejected:>12,}")
    lines += ["", f"  {'tables made':<58}{'rows':>12}"]
    lines += [f"  {name:<58}{rows:>12,}" for name, rows in record["tables"].items()]
    lines.append("")
    lines.append(f"  paid through {record['paid_through'] or 'an unknown day: no day of payment is given'}")
    ignored = record.get("ignored_files")
    if ignored:
        lines.append(f"  not of this layout, left out: {', '.join(ignored)}")
    if loaded.rejected:
        lines.append(f"  rejected rows, with file, line and reason, are in {loaded.folder / REJECTED}")
    lines.append(f"  the record is in {loaded.folder / MANIFEST}")
    return "\n".join(lines)


def _cut(name: str) -> str:
    return name if len(name) <= 57 else name[:56] + "…"
