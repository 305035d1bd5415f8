"""What the commands print for a person."""

from __future__ import annotations

import math
from typing import Any

from openvbp.profiling.discrimination import ALL
from openvbp.profiling.small_cells import withheld_groups


def fairness_text(card: dict[str, Any]) -> str:
    """Write the card for a terminal, small cells withheld."""
    lines = [f"Fairness card, {card['data']}: {card['predicted']} against {card['outcome']}", ""]
    lines += [f"{card['accepted']:,} cases", *(f"rejected {n:,}: {why}" for why, n in card["rejected"].items()), ""]
    header = ("column", "group", "cases", "observed", "expected", "O/E", "AUC", "intercept", "slope")
    lines.append("{:12} {:14} {:>9} {:>9} {:>10} {:>6} {:>6} {:>9} {:>6}".format(*header))
    for column in dict.fromkeys(row["column"] for row in card["groups"]):
        rows = [row for row in card["groups"] if row["column"] == column]
        hidden = withheld_groups(rows) if column != ALL else set()
        for row in rows:
            lines.append(f"{column:12} {row['group']:14} " + _cells(row, is_hidden=row["group"] in hidden))
        if hidden:
            lines.append(f"{column:12} groups with counts of 1 to 10, or that would give one back, are withheld")
    return "\n".join([*lines, *_text_of_providers(card), "", _text_of_covariates(card)])


def _cells(row: dict[str, Any], *, is_hidden: bool) -> str:
    if is_hidden:
        return f"{'withheld':>9}"
    counts = f"{row['cases']:>9,} {row['observed']:>9,} {row['expected']:>10,.1f}"
    if row["ratio"] is None:
        return f"{counts}   too few for more"
    figures = [(row["ratio"], 6), (row["area"], 6), (row["intercept"], 9), (row["slope"], 6)]
    return counts + "".join(f" {'–' if value is None else f'{value:.3f}':>{width}}" for value, width in figures)


def _text_of_providers(card: dict[str, Any]) -> list[str]:
    lines = []
    if card.get("disparities"):
        lines += ["", "O/E = between providers × within providers"]
        shown = {(row["column"], row["group"]) for row in card["groups"] if row["ratio"] is not None}
        for column in dict.fromkeys(row["column"] for row in card["disparities"]):
            hidden = withheld_groups([row for row in card["groups"] if row["column"] == column])
            lines += [
                f"{column:12} {row['group']:14} {row['ratio']:.3f} = {row['between']:.3f} × {row['within']:.3f}"
                for row in card["disparities"]
                if row["column"] == column and row["group"] not in hidden and (column, row["group"]) in shown
            ]
    if card.get("decomposition"):
        one = card["decomposition"]
        column, group = card["peers_by"]
        lines += [
            "",
            f"Peer groups of providers by share of {column}={group}: variance of O/E {one['total']:.4f} without them, "
            f"{one['within']:.4f} within them; {one['share_between']:.1%} lies between",
        ]
    return lines


def _text_of_covariates(card: dict[str, Any]) -> str:
    if not card["covariates"]:
        return "The model's covariates were not given (--covariates): whether it adjusts for social risk is not known."
    if card["social_risk_in_model"]:
        return "The model adjusts for social risk, as declared: " + ", ".join(card["social_risk_in_model"])
    return "No covariate of the model is social risk."


def flags_text(found: dict[str, Any]) -> str:
    """Write what was found for a terminal."""
    one = found["summary"]
    lines = [f"Flags of providers, {found['data']}", "", f"{found['accepted']:,} providers"]
    lines += [f"rejected {count:,}: {reason}" for reason, count in found["rejected"].items()]
    if not one["information_is_given"]:
        lines.append(
            "no column of information: counts are taken to be Poisson, which is cautious unless events are rare"
        )
    origin = "as given" if one["between_variance_is_given"] else "estimated"
    lines += [
        "",
        f"observed ÷ expected of all       {one['overall_ratio']:.3f}",
        f"standard deviation of providers  {math.sqrt(one['between_variance']):.3f} (logit scale, {origin})",
        f"dispersion φ                     {one['measured_dispersion']:.2f}",
        f"reliability below {one['least_reliability']:g}            {one['unreliable']:,} providers",
    ]
    if one.get("cases_needed"):
        lines.append(f"cases needed for {one['least_reliability']:g}             {math.ceil(one['cases_needed']):,}")
    if one.get("unadjusted"):
        needed = math.ceil(one["unadjusted"]["cases_needed"])
        lines.append(f"  of the unadjusted rate         {needed:,} (beta-binomial)")
    lines += ["", f"{'limits':16} {'better':>7} {'worse':>7}   at {one['confidence']:.1%}"]
    for method, flags in one["flags"].items():
        chosen = "  ← used" if method == one["method"] else ""
        lines.append(f"{method:16} {flags['better']:>7,} {flags['worse']:>7,}{chosen}")
    if found.get("decomposition"):
        peers = found["decomposition"]
        lines += [
            "",
            f"With {peers['peer_groups']} peer groups: variance of O/E {peers['total']:.4f} without them, "
            f"{peers['within']:.4f} within, {peers['share_between']:.1%} between; "
            f"flags that change: {peers['flags_changed']:,}",
        ]
    return "\n".join(lines)


def drift_text(found: dict[str, Any]) -> str:
    """Write what was found of drift for a terminal."""
    asked = found["options"]
    way = asked["compared"]
    lines = [f"Drift of coding, {found['data']}", "", f"{found['accepted']:,} persons × periods"]
    lines += [f"left out {count:,}: {reason}" for reason, count in found["rejected"].items()]
    lines += ["", f"{'periods':14} {'providers':>9} {'median change':>14} {'deviation of z':>15} {'stand out':>10}"]
    for one in found["changes"]:
        figures = (f"{one['median_change'] or 0:.4f}", f"{one['deviation_of_z'] or 0:.2f}")
        periods = f"{one['before']} to {one['after']}"
        lines.append(f"{periods:14} {one['providers']:>9,} {figures[0]:>14} {figures[1]:>15} {one['flagged']:>10,}")
    rows = [row for row in found["providers"] if row["is_flagged"] or row["is_flagged_by_sum"]]
    rows.sort(key=lambda row: (-(row[f"robust_z_{way}"] or 0), row["provider_id"], row["period"]))
    if rows:
        lines += ["", f"{'provider':20} {'period':>6} {'persons':>8} {'change':>8} {'robust z':>9} {'cumulated':>10}"]
    for row in rows:
        z, change = row[f"robust_z_{way}"], row[f"change_{way}"]
        figures = [f"{row[f'compared_{way}']:,}", "–" if change is None else f"{change:+.3f}"]
        figures += ["–" if z is None else f"{z:.1f}", f"{row['cumulated']:.1f}"]
        shown = f"{figures[0]:>8} {figures[1]:>8} {figures[2]:>9} {figures[3]:>10}"
        lines.append(f"{row['provider_id']:20} {row['period']:>6} {shown}")
    for row in found["pools"]:
        if row["is_flagged"]:
            text = f"{row['providers']:,} providers together, robust z {row['robust_z']:.1f}"
            lines.append(f"pool {row['pool']}, {row['period']}: {text}")
    lines += ["", "To stand out is a reason to look at records: patients who become more ill look the same."]
    if found.get("is_frozen") is False:
        lines.append("The tables of the model are not the same in all periods: a change of them is in every change.")
    return "\n".join(lines)
