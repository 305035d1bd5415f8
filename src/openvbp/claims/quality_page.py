"""What the checks of a claims folder found, as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape

from openvbp.claims.check_result import ClaimsCheck
from openvbp.claims.coverage import Coverage, Month
from openvbp.claims.defects import Finding, defects, volumes
from openvbp.claims.quality_report import percent, verdict, written_month
from openvbp.html_page import page

_WIDTH, _HEIGHT, _BASE = 720, 120, 100
_MARKS = {"stop": "■", "limit broken": "▲", "rejected": "◆", "warning": "●"}
_NUMBER = "number"


def render_page(checked: ClaimsCheck) -> str:
    """Write the page: verdict, account of rows, findings, match rates, coverage by month, volumes, and all rules."""
    worst = checked.findings[0].outcome.replace(" ", "-") if checked.findings else "clean"
    lead = (
        f'<p class="folder">{escape(str(checked.folder))}</p>\n'
        f'<p class="verdict {worst}">{escape(verdict(checked).capitalize())}.</p>'
    )
    sections = [
        ("Rows", _rows(checked)),
        ("Findings", _findings(checked.findings)),
        ("Codes compared with lists", _matches(checked)),
        ("Coverage by month", _coverage(checked.coverage)),
        ("Volumes per 1,000 person-years", _volumes(checked.coverage)),
        ("What was checked", _catalogue()),
    ]
    return page("Claims check", sections, lead=lead)


def _rows(checked: ClaimsCheck) -> str:
    if not checked.rows:
        return "<p>No table could be read.</p>"
    rows = [
        (name, f"{one.read:,}", f"{one.accepted:,}", f"{one.rejected:,}", percent(Decimal(one.rejected) / one.read))
        for name, one in checked.rows.items()
    ]
    note = "<p>Rows read = rows accepted + rows rejected. Rejected rows are kept with their reasons.</p>"
    return _table(("Table", "Read", "Accepted", "Rejected", "Share rejected"), rows, numbers=(1, 2, 3, 4)) + note


def _findings(findings: Sequence[Finding]) -> str:
    if not findings:
        return "<p>Nothing was found.</p>"
    rows = []
    for one in findings:
        detail = f"<br/>{escape(one.detail)}" if one.detail else ""
        cite = f'<br/><span class="cite">{escape(one.defect.cite)}</span>' if one.defect.cite else ""
        outcome = f'<span class="outcome {one.outcome.replace(" ", "-")}">{_MARKS[one.outcome]} {one.outcome}</span>'
        place = "<br/>".join(escape(part) for part in (one.table, one.column) if part) or "folder"
        limit = f"<br/>limit {percent(one.defect.limit)}" if one.defect.limit is not None else ""
        rows.append(
            (
                outcome,
                f"<strong>{one.defect.defect_id.replace('_', ' ')}</strong>{detail}",
                place,
                f"{one.count:,} of {one.total:,} {one.unit}<br/>{percent(one.share)}{limit}" if one.is_counted else "",
                f"{escape(one.defect.rule)}{cite}",
                escape(one.defect.to_do),
            )
        )
    headings = ("Outcome", "Defect", "Where", "How many", "Rule", "What to do")
    return _table(headings, rows, numbers=(), is_html=True)


def _matches(checked: ClaimsCheck) -> str:
    rows = [
        (
            one.system,
            one.list_file,
            f"{one.codes_in_list:,}",
            f"{one.rows:,}",
            f"{one.matched:,}",
            percent(Decimal(one.matched) / one.rows),
        )
        for one in checked.matches
    ]
    headings = ("Code system", "List", "Codes on it", "Codes in claims", "Of these on the list", "Match rate")
    return _table(headings, rows, numbers=(2, 3, 4, 5)) if rows else ""


def _coverage(coverage: Coverage) -> str:
    months = coverage.months
    if not months:
        return "<p>There is no month with both members and claims.</p>"
    kinds = sorted({kind for month in months for kind in month.lines})
    charts = [_chart("Members enrolled", months, [Decimal(month.members) for month in months])]
    for kind in kinds:
        rates = [Decimal(month.lines[kind] * 1000) / month.members if month.members else Decimal(0) for month in months]
        charts.append(_chart(f"{kind.capitalize()} lines per 1,000 members", months, rates))
    rows = [
        (written_month(month), f"{month.members:,}", *(f"{month.lines[kind]:,}" for kind in kinds)) for month in months
    ]
    headings = ("Month", "Members", *(f"{kind.capitalize()} lines" for kind in kinds))
    numbers = tuple(range(1, len(headings)))
    paid = f"<p>Payments are in the folder up to {coverage.paid_through}.</p>" if coverage.paid_through else ""
    table = f"<details><summary>The same as a table</summary>{_table(headings, rows, numbers)}</details>"
    return "\n".join([paid, *charts, table])


def _chart(title: str, months: Sequence[Month], heights: Sequence[Decimal]) -> str:
    """Draw a bar per month, from zero."""
    highest = max(heights) or Decimal(1)
    step = Decimal(_WIDTH) / len(months)
    bars = []
    for place, (month, height) in enumerate(zip(months, heights, strict=True)):
        tall = height / highest * _BASE
        bars.append(
            f'<rect x="{place * step + step / 10:.1f}" y="{_BASE - tall:.1f}" width="{step * 8 / 10:.1f}" '
            f'height="{tall:.1f}"><title>{written_month(month)}: {height:,.0f}</title></rect>'
        )
    marked = sorted({0, *(place for place, month in enumerate(months) if month.year_month % 100 == 1)})
    labels = "".join(
        f'<text x="{place * step + step / 10:.1f}" y="{_HEIGHT - 4}">{written_month(months[place])}</text>'
        for place in marked
        if place == 0 or place * step > 60
    )
    words = (
        f"{title}, {written_month(months[0])} to {written_month(months[-1])}: "
        f"lowest {min(heights):,.0f}, highest {highest:,.0f}"
    )
    return (
        f'<figure><figcaption>{title}<span class="range">{min(heights):,.0f} to {max(heights):,.0f}</span></figcaption>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(words)}">'
        f'<line x1="0" y1="{_BASE}" x2="{_WIDTH}" y2="{_BASE}"/>{"".join(bars)}{labels}</svg></figure>'
    )


def _volumes(coverage: Coverage) -> str:
    rows = []
    for name, rate in coverage.volumes.items():
        usual = volumes()[name]
        doubt = " (unverified)" if usual.unverified else ""
        rows.append(
            (name.replace("_", " "), f"{rate:,.0f}", f"{usual.lowest:,} to {usual.highest:,}{doubt}", usual.cite)
        )
    note = (
        "<p>The usual range is that of Medicare populations. It is compared only where most spans are Medicare's.</p>"
    )
    return _table(("Volume", "Here", "Usual", "Source of the range"), rows, numbers=(1, 2)) + note if rows else ""


def _catalogue() -> str:
    rows = [
        (one.defect_id.replace("_", " "), one.action, percent(one.limit) if one.limit is not None else "", one.rule)
        for one in defects().values()
    ]
    table = _table(("Defect", "Action", "Limit", "Rule"), rows, numbers=(2,))
    return f"<details><summary>{len(rows)} classes of defects</summary>{table}</details>"


def _table(
    headings: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int], *, is_html: bool = False
) -> str:
    def cell(tag: str, place: int, text: str, scope: str = "") -> str:
        style = f' class="{_NUMBER}"' if place in numbers else ""
        return f"<{tag}{scope}{style}>{text}</{tag}>"

    head = "".join(cell("th", place, escape(text), ' scope="col"') for place, text in enumerate(headings))
    body = "\n".join(
        "<tr>"
        + "".join(cell("td", place, text if is_html else escape(text)) for place, text in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>'
