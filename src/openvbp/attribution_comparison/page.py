"""A comparison of attribution rules as a page."""

from __future__ import annotations

from html import escape

from openvbp.attribution_comparison.comparison import Comparison
from openvbp.attribution_comparison.overview import by_rule, cells, decimal, money, overview, percent
from openvbp.html_page import page, table

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
    rows = [(_name(row["rule"], found), *(text for _n, text in cells(row))) for row in overview(found)]
    sensitivity = found.sensitivity[0] if found.sensitivity else None
    note = "<p>Visits and charges are medians over persons; leakage is what is missing to 100 %."
    if sensitivity:
        note += (
            " The payment withholds a share of cost from every unit and pays it out again by rank: of "
            f"{money(sensitivity['dollars_withheld'])} withheld, so much changes hands when the rule changes."
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
        (_name(one["rule"], found), *(percent(values.get((one["rule"], name))) for name in shown))
        for one in found.rules
    ]
    note = f"<p>Groups of fewer than {SMALLEST_GROUP} persons are not shown.</p>" if hidden else ""
    return table(("Rule", *shown), rows) + note


def _churn(found: Comparison) -> str:
    rows = [
        (
            _name(row["rule"], found),
            f"{row['assigned_before']:,}",
            *(percent(row[name] / row["assigned_before"]) for name, _label in _CAUSES),
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
        (_name(rule, found), *("" if rule == other else decimal(pairs.get((rule, other)), 2) for other in rules))
        for rule in rules
    ]
    note = "<p>Cohen's kappa over persons whom both rules assign; only rules with the same kind of unit can agree.</p>"
    return table(("Rule", *(_words(rule) for rule in rules)), rows) + note if rows else ""


def _panels(found: Comparison) -> str:
    reliability = by_rule(found.reliabilities)
    header = (
        *("Rule", "Units", "Mean", "10th percentile", "Median", "90th percentile"),
        *("Of all patients seen", "Of all their visits", "Reliability at the median"),
    )
    rows = [
        (
            _name(row["rule"], found),
            f"{row['units']:,}",
            *(decimal(row[name], 1) for name in ("mean", "percentile_10", "percentile_50", "percentile_90")),
            percent(row.get("share_of_patients")),
            percent(row.get("share_of_visits")),
            decimal(reliability.get(row["rule"], {}).get("reliability"), 2),
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
                    percent(row["dual_share"]),
                    decimal(row["area_deprivation_index"], 1),
                    decimal(row["age_years"], 1),
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
            *(decimal(row[name], 3) for name, _label in _INDICES),
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


def _name(rule: str, found: Comparison) -> str:
    words = escape(_words(rule))
    return f"<strong>{words}</strong> (reference)" if rule == found.reference else words


def _words(rule: str) -> str:
    return rule.replace("_", " ")


def _is_shown(persons: int) -> bool:
    return persons == 0 or persons >= SMALLEST_GROUP
