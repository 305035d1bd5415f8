"""A comparison of attribution rules on a claims folder: run, written, and shown as a page and as text."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from html import escape
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from openvbp.attribution.rule_files import find_rule
from openvbp.attribution_comparison import Comparison, compare_rules
from openvbp.claims.tables import open_claims
from openvbp.engine import EngineName, cannot_write, open_engine
from openvbp.html_page import page, table
from openvbp.periods import parse_any_period

COMPARED = (
    "plurality_primary_care_npi",
    "majority_primary_care_npi",
    "most_recent_primary_care",
    "primary_care_with_one_year_look_back",
    "plurality_all_npi",
    "threshold_30_all_npi",
    "charges_all_npi",
    "proportional",
    "plurality_primary_care_tin",
    "mssp_two_step",
)
"""Rules that are compared where none are named; the first is the reference."""

SMALLEST_GROUP = 11
"""Figures of groups of fewer persons are not shown, nor those from which they could be told."""
_CAUSES = (
    ("same_unit", "Same"),
    ("moved", "Other: moved county"),
    ("stopped", "Other: unit stopped"),
    ("changed", "Other: no such reason"),
    ("died", "Died"),
    ("lost_eligibility", "No longer eligible"),
    ("no_longer_assigned", "Eligible, not assigned"),
)
_INDICES = (
    ("bice_boxerman", "Bice-Boxerman"),
    ("sequential_continuity", "Sequential continuity"),
    ("herfindahl_hirschman", "Herfindahl-Hirschman"),
    ("usual_provider", "Usual provider"),
)


def compare_folder(
    *,
    data: Path,
    out: Path,
    period: str,
    rules: Sequence[str] = (),
    reference: str = "",
    engine: EngineName = "duckdb",
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> Comparison:
    """Compare attribution rules on a folder of claims, and write what is found.

    Parameters
    ----------
    data
        A claims folder.
    out
        Folder; gets ``comparison.html``, ``comparison.json`` and ``payments.parquet`` (one row per rule × unit).
    period
        Period of assignment, for example ``CY2024``.
    rules
        Names or rule files; :data:`COMPARED` where none is given.
    reference
        Rule that the others are held against; the first where none is given.
    engine, threads, progress
        As of :func:`openvbp.attribution.run.attribute_folder`.

    Raises
    ------
    UsageError, InputDataError
        As of :func:`openvbp.attribution_comparison.compare_rules`.
    MachineError
        If a file cannot be written.

    Examples
    --------
    >>> compare_folder(data=Path("claims"), out=Path("RUN"), period="CY2024")  # doctest: +SKIP
    """
    chosen = [find_rule(name) for name in rules or COMPARED]
    when = parse_any_period(period)
    with open_engine(engine, threads) as opened, tempfile.TemporaryDirectory(prefix="openvbp-lines-") as scratch:
        found = compare_rules(
            opened,
            open_claims(opened, data),
            chosen,
            when,
            reference=reference or chosen[0].rule,
            scratch=Path(scratch),
            progress=progress,
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "comparison.html").write_text(render_page(found), encoding="utf-8")
        content = json.dumps({"overview": overview(found), **found.as_json()}, indent=1, default=str)
        (out / "comparison.json").write_text(content + "\n", encoding="utf-8")
        pq.write_table(found.payments, out / "payments.parquet", compression="zstd")
    except OSError as error:
        raise cannot_write(out, error) from error
    return found


def overview(found: Comparison) -> list[dict[str, Any]]:
    """One row per rule: the figures that are looked at first; none where a figure is not defined for the rule.

    Parameters
    ----------
    found
        A comparison.

    Returns
    -------
    ``rule``, ``assigned``, ``churn``, ``visit_share``, ``charge_share``, ``agreement`` and ``kappa`` with the
    reference, ``median_panel``, ``reliability``, ``changed_class``, ``dollars_moved``.
    """
    assigned = {row["rule"]: row["value"] for row in found.assigned if row["stratum"] == "all"}
    care = {row["rule"]: row for row in found.care if row["stratum"] == "all"}
    churn, panels = _by_rule(found.churn), _by_rule(found.panels)
    reliability, sensitivity = _by_rule(found.reliabilities), _by_rule(found.sensitivity)
    pairs = {frozenset((row["rule"], row["other_rule"])): row for row in found.agreements}
    rows = []
    for one in found.rules:
        rule = one["rule"]
        pair = pairs.get(frozenset((rule, found.reference)), {})
        rows.append(
            {
                "rule": rule,
                "assigned": assigned.get(rule),
                "churn": churn.get(rule, {}).get("churn"),
                "visit_share": care.get(rule, {}).get("visit_share"),
                "charge_share": care.get(rule, {}).get("charge_share"),
                "agreement": pair.get("agreement"),
                "kappa": pair.get("kappa"),
                "median_panel": panels.get(rule, {}).get("percentile_50"),
                "reliability": reliability.get(rule, {}).get("reliability"),
                "changed_class": sensitivity.get(rule, {}).get("changed_class"),
                "dollars_moved": sensitivity.get(rule, {}).get("dollars_moved"),
            }
        )
    return rows


def render_text(found: Comparison) -> str:
    """Write the overview for a terminal."""
    header = ("rule", "assigned", "churn", "visits", "charges", "same", "kappa", "panel", "reliab.", "class", "$ moved")
    rows = [[row["rule"], *(text for _name, text in _cells(row))] for row in overview(found)]
    widths = [max(len(line[at]) for line in [header, *rows]) for at in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in [header, *rows]
    ]
    unverified = [one["rule"] for one in found.rules if not one["is_verified"]]
    notes = [
        f"Attribution in {found.period}; churn from {found.previous_period}.",
        f"same, kappa, class and $ moved: against {found.reference}.",
        "visits, charges: median share of a person's ambulatory visits and charges with the assigned unit.",
        "class: share of units in another third by cost.",
        "$ moved: half of all changes of a payment that withholds a share of cost and returns it by rank.",
    ]
    if unverified:
        notes.append("Not verified in their sources: " + ", ".join(unverified) + ".")
    return "\n".join([*lines, "", *notes])


def render_page(found: Comparison) -> str:
    """Write the page: overview, groups of persons, changes from year to year, agreement, panels, continuity, drift."""
    lead = (
        f"<p>The same claims, {len(found.rules)} rules of attribution: {escape(found.period)}, changes since "
        f"{escape(found.previous_period)}. The reference is <strong>{escape(_words(found.reference))}</strong>.</p>"
    )
    return page(
        "Who is responsible? Attribution rules compared",
        [
            ("Overview", _overview(found)),
            ("Assigned, by group of persons", _strata(found)),
            ("What became of last year's patients", _churn(found)),
            ("Agreement between rules", _agreement(found)),
            ("Panels and the reliability of their cost", _panels(found)),
            ("Who is gained and who is lost", _drift(found)),
            ("Continuity of care, whatever the rule", _continuity(found)),
            ("The rules", _rules(found)),
        ],
        lead=lead,
    )


def _overview(found: Comparison) -> str:
    header = (
        *(
            "Rule",
            "Persons assigned",
            "With another unit than last year",
            "Visits with the unit",
            "Charges with the unit",
        ),
        *(
            "Same unit as reference",
            "Kappa",
            "Median panel",
            "Reliability of cost",
            "Units in another third",
            "Dollars moved",
        ),
    )
    rows = [(_name(row["rule"], found), *(text for _n, text in _cells(row))) for row in overview(found)]
    sensitivity = found.sensitivity[0] if found.sensitivity else None
    note = "<p>Visits and charges are medians over persons; leakage is what is missing to 100 %."
    if sensitivity:
        note += (
            " The payment withholds a share of cost from every unit and pays it out again by rank: of "
            f"{_money(sensitivity['dollars_withheld'])} withheld, so much changes hands when the rule changes."
        )
    return table(header, rows) + note + "</p>"


def _strata(found: Comparison) -> str:
    names = sorted({row["stratum"] for row in found.assigned}, key=lambda name: (name != "all", name))
    least: dict[str, int] = {}
    for row in found.assigned:
        least[row["stratum"]] = min(least.get(row["stratum"], row["eligible"]), row["eligible"])
    # With one small group left out of a kind, a second goes too: the rest would tell it.
    hidden = {name for name in names if least[name] < SMALLEST_GROUP}
    for prefix in ("race: ",):
        kind = [name for name in names if name.startswith(prefix)]
        small = [name for name in kind if name in hidden]
        if len(small) == 1 and len(kind) > 1:
            hidden.add(min((name for name in kind if name not in hidden), key=lambda name: least[name]))
    pairs = (("dual", "not dual"), ("most deprived fifth", "other neighbourhoods"), ("rural", "urban"))
    hidden |= {one for pair in pairs for one in pair if set(pair) & hidden}
    shown = [name for name in names if name not in hidden]
    values = {(row["rule"], row["stratum"]): row["value"] for row in found.assigned}
    rows = [
        (_name(one["rule"], found), *(_percent(values.get((one["rule"], name))) for name in shown))
        for one in found.rules
    ]
    note = f"<p>Groups of fewer than {SMALLEST_GROUP} persons are not shown.</p>" if hidden else ""
    return table(("Rule", *shown), rows) + note


def _churn(found: Comparison) -> str:
    rows = [
        (
            _name(row["rule"], found),
            f"{row['assigned_before']:,}",
            *(_percent(row[name] / row["assigned_before"]) for name, _label in _CAUSES),
        )
        for row in found.churn
    ]
    return table(("Rule", "Assigned before", *(label for _name, label in _CAUSES)), rows)


def _agreement(found: Comparison) -> str:
    pairs: dict[tuple[str, str], float | None] = {}
    for row in found.agreements:
        pairs[row["rule"], row["other_rule"]] = pairs[row["other_rule"], row["rule"]] = row["kappa"]
    rules = [one["rule"] for one in found.rules if any(one["rule"] in pair for pair in pairs)]
    rows = [
        (_name(rule, found), *("" if rule == other else _decimal(pairs.get((rule, other)), 2) for other in rules))
        for rule in rules
    ]
    note = "<p>Cohen's kappa over persons whom both rules assign; only rules with the same kind of unit can agree.</p>"
    return table(("Rule", *(_words(rule) for rule in rules)), rows) + note if rows else ""


def _panels(found: Comparison) -> str:
    reliability = _by_rule(found.reliabilities)
    header = (
        *("Rule", "Units", "Mean", "10th percentile", "Median", "90th percentile"),
        *("Of all patients seen", "Of all their visits", "Reliability at the median"),
    )
    rows = [
        (
            _name(row["rule"], found),
            f"{row['units']:,}",
            *(_decimal(row[name], 1) for name in ("mean", "percentile_10", "percentile_50", "percentile_90")),
            _percent(row.get("share_of_patients")),
            _percent(row.get("share_of_visits")),
            _decimal(reliability.get(row["rule"], {}).get("reliability"), 2),
        )
        for row in found.panels
    ]
    return table(header, rows)


def _drift(found: Comparison) -> str:
    header = ("Rule", "Against the reference", "Patients", "Dual", "Mean deprivation percentile", "Mean age")
    rows = [
        (
            _name(row["rule"], found),
            row["change"],
            f"{row['persons']:,}" if _is_shown(row["persons"]) else "–",
            *(
                text if _is_shown(row["persons"]) else "–"
                for text in (
                    _percent(row["dual_share"]),
                    _decimal(row["area_deprivation_index"], 1),
                    _decimal(row["age_years"], 1),
                )
            ),
        )
        for row in found.drifts
    ]
    return table(header, rows) if rows else ""


def _continuity(found: Comparison) -> str:
    rows = [
        (
            escape(row["stratum"]),
            *(_decimal(row[name], 3) for name, _label in _INDICES),
            f"{row['clinicians']:.0f}",
            f"{row['practices']:.0f}",
        )
        for row in found.continuity
        if row["persons"] >= SMALLEST_GROUP
    ]
    header = ("Group", *(label for _name, label in _INDICES), "Median clinicians", "Median practices")
    return table(header, rows)


def _rules(found: Comparison) -> str:
    rows = [
        (
            escape(_words(one["rule"])),
            escape(one["title"]),
            escape(one["unit"]),
            "read in its source" if one["is_verified"] else "<strong>not verified</strong>",
        )
        for one in found.rules
    ]
    return table(("Rule", "What it asks", "Unit", "Source"), rows)


def _cells(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    shares = ("assigned", "churn", "visit_share", "charge_share", "agreement")
    return [
        *((name, _percent(row[name])) for name in shares),
        ("kappa", _decimal(row["kappa"], 2)),
        ("median_panel", _decimal(row["median_panel"], 0)),
        ("reliability", _decimal(row["reliability"], 2)),
        ("changed_class", _percent(row["changed_class"])),
        ("dollars_moved", _money(row["dollars_moved"])),
    ]


def _name(rule: str, found: Comparison) -> str:
    words = escape(_words(rule))
    return f"<strong>{words}</strong> (reference)" if rule == found.reference else words


def _words(rule: str) -> str:
    return rule.replace("_", " ")


def _is_shown(persons: int) -> bool:
    return persons == 0 or persons >= SMALLEST_GROUP


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _decimal(value: float | None, places: int) -> str:
    return "–" if value is None else f"{value:,.{places}f}"


def _money(value: Decimal | None) -> str:
    return "–" if value is None else f"${value:,.0f}"


def _by_rule(rows: Iterable[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["rule"]: row for row in rows}
