"""What the checks of a claims folder found, as data and as text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from openvbp.claims.check_result import ClaimsCheck
from openvbp.claims.coverage import Month
from openvbp.claims.defects import Finding, defects, volumes

VERDICTS = {
    "stop": "the folder must not be used",
    "limit broken": "a limit is broken: look before you use the folder",
    "rejected": "the folder can be used without the rows that are rejected",
    "warning": "the folder can be used; there are warnings",
    "": "nothing was found",
}


def verdict(checked: ClaimsCheck) -> str:
    """Say in a sentence what the folder is good for."""
    return VERDICTS[checked.findings[0].outcome if checked.findings else ""]


def as_content(checked: ClaimsCheck) -> dict[str, Any]:
    """Give everything that was found; counts, never a value of a person.

    Returns
    -------
    ``verdict``, ``rows`` by table, ``findings`` worst first, ``code_matches``, ``coverage`` by month, ``volumes`` per
    1,000 person-years, ``checked_for``: every class of defects with its rule.
    """
    coverage = checked.coverage
    return {
        "folder": str(checked.folder),
        "verdict": verdict(checked),
        "must_stop": checked.must_stop,
        "rows": {
            name: {"read": rows.read, "accepted": rows.accepted, "rejected": rows.rejected}
            for name, rows in checked.rows.items()
        },
        "findings": [_finding(one) for one in checked.findings],
        "code_matches": [
            {
                "system": one.system,
                "list_file": one.list_file,
                "codes_in_list": one.codes_in_list,
                "rows": one.rows,
                "matched": one.matched,
                "match_rate": rounded(Decimal(one.matched) / one.rows, 4),
            }
            for one in checked.matches
        ],
        "coverage": [
            {"year_month": month.year_month, "members": month.members, "lines": month.lines}
            for month in coverage.months
        ],
        "person_years": rounded(coverage.person_years, 1),
        "paid_through": coverage.paid_through,
        "volumes": [
            {
                "volume": name,
                "per_1000_person_years": rounded(rate, 1),
                "usual_lowest": str(volumes()[name].lowest),
                "usual_highest": str(volumes()[name].highest),
                "cite": volumes()[name].cite,
                "unverified": volumes()[name].unverified,
            }
            for name, rate in coverage.volumes.items()
        ],
        "checked_for": [
            {"defect": one.defect_id, "action": one.action, "limit": one.limit, "rule": one.rule, "cite": one.cite}
            for one in defects().values()
        ],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "outcome": finding.outcome,
        "defect": finding.defect.defect_id,
        "table": finding.table,
        "column": finding.column,
        "count": finding.count,
        "total": finding.total,
        "unit": finding.unit,
        "share": rounded(finding.share, 6),
        "limit": None if finding.defect.limit is None else str(finding.defect.limit),
        "detail": finding.detail,
        "rule": finding.defect.rule,
        "what_to_do": finding.defect.to_do,
        "cite": finding.defect.cite,
    }


def render(checked: ClaimsCheck) -> str:
    """Write what was found for a terminal: the verdict, the account of rows, and each finding with what to do."""
    lines = [f"{checked.folder}: {verdict(checked)}", ""]
    if checked.rows:
        lines += [f"  {'rows':<22}{'read':>14}{'accepted':>14}{'rejected':>12}"]
    for name, rows in checked.rows.items():
        lines.append(f"  {name:<22}{rows.read:>14,}{rows.accepted:>14,}{rows.rejected:>12,}")
    for finding in checked.findings:
        lines += ["", *_finding_lines(finding)]
    if checked.matches:
        lines += ["", f"  {'codes':<22}{'in claims':>14}{'on the list':>14}{'share':>12}"]
    for match in checked.matches:
        share = percent(Decimal(match.matched) / match.rows)
        lines.append(f"  {match.system:<22}{match.rows:>14,}{match.matched:>14,}{share:>12}")
    coverage = checked.coverage
    if coverage.months:
        first, last = (written_month(coverage.months[place]) for place in (0, -1))
        lines += ["", f"  {coverage.person_years:,.0f} person-years, {first} to {last}; per 1,000 person-years:"]
    for name, rate in coverage.volumes.items():
        lines.append(f"  {name.replace('_', ' '):<36}{rate:>14,.0f}")
    return "\n".join(lines)


def _finding_lines(finding: Finding) -> list[str]:
    place = " ".join(part for part in (finding.table, finding.column) if part) or "folder"
    counted = ""
    if finding.is_counted:
        counted = f": {finding.count:,} of {finding.total:,} {finding.unit} ({percent(finding.share)})"
    heading = f"{finding.outcome.upper()}  {finding.defect.defect_id}  {place}{counted}"
    details = [finding.detail] if finding.detail else []
    return [heading, *(f"  {line}" for line in (*details, finding.defect.rule, f"what to do: {finding.defect.to_do}"))]


def percent(share: Decimal) -> str:
    """Write a share in percent; what is not nothing is never written as 0.00 %, nor less than all as 100.00 %."""
    text = f"{share * 100:.2f} %"
    if share > 0 and text == "0.00 %":
        return "< 0.01 %"
    return "> 99.99 %" if share < 1 and text == "100.00 %" else text


def written_month(month: Month) -> str:
    """Write a month as 2024-01."""
    return f"{month.year_month // 100}-{month.year_month % 100:02d}"


def rounded(number: Decimal, digits: int) -> str:
    """Write a number with so many decimals."""
    return f"{number:.{digits}f}"
