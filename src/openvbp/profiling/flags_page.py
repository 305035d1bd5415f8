"""Flags of providers as a page with a funnel plot; counts below 11 are withheld."""

from __future__ import annotations

import itertools
import math
from html import escape
from typing import Any

from openvbp.html_page import page, table
from openvbp.profiling.charts import Chart
from openvbp.profiling.funnel import Funnel, Method, limits
from openvbp.profiling.small_cells import SMALLEST_CELL, is_small

COLOURS = {"worse": "var(--stop)", "better": "var(--clean)", "no different": "var(--bar)"}
MOST_LISTED = 100
_STEPS = 160


def render_page(found: dict[str, Any]) -> str:
    """Write the page.

    Parameters
    ----------
    found
        As of :func:`openvbp.profiling.flags.flag_providers`.
    """
    one = found["summary"]
    flags = one["flags"][one["method"]]
    lead = (
        f'<p class="folder">{escape(found["data"])}</p><p>{found["accepted"]:,} providers: '
        f"<strong>{flags['worse']:,} worse</strong>, {flags['better']:,} better than expected by {one['method']} "
        f"limits at {one['confidence']:.1%}; {one['unreliable']:,} with a reliability below "
        f"{one['least_reliability']:g}.</p>"
    )
    sections = [
        ("Funnel plot", _funnel(found)),
        ("What the choice of limits changes", _methods(found)),
        ("Reliability", _reliability(found)),
        ("Peer groups", _peers(found)),
        ("Flagged providers", _listed(found)),
        ("Rows that were left out", _rejected(found)),
    ]
    return page("Flags of providers", sections, lead=lead)


def _is_hidden(row: dict[str, Any]) -> bool:
    """Whether a provider's figures would tell a small count."""
    return is_small(row["observed"]) or (row["cases"] is not None and is_small(row["cases"] - row["observed"]))


def _funnel(found: dict[str, Any]) -> str:
    one = found["summary"]
    rows = [row for row in found["providers"] if not _is_hidden(row)]
    if not rows:
        return "<p>Every provider has a count below 11.</p>"
    sizes = [row["expected"] for row in rows]
    x = (min(sizes) / 1.15, max(sizes) * 1.15)
    highest = max(1.6, min(4.0, max(row["ratio"] for row in rows) * 1.05))
    words = f"Observed ÷ expected of {len(rows):,} providers by expected events, with {one['method']} limits"
    chart = Chart(words, x, (0, highest), "Expected events", "Observed ÷ expected", is_logarithmic=True)
    chart.line([(x[0], 1), (x[1], 1)], "var(--quiet)", width=1)
    steps = [x[0] * (x[1] / x[0]) ** (step / _STEPS) for step in range(_STEPS + 1)]
    drawn: tuple[tuple[Method, str], ...] = (("naive", "3 4"), (one["method"], ""))
    for method, dashes in dict(drawn).items():
        for side in (0, 1):
            points = [(size, _limit(method, one, size)[side]) for size in steps]
            chart.line([(size, min(ratio, highest)) for size, ratio in points], "var(--ink)", dashes=dashes, width=1.2)
    for row in rows:
        title = f"{row['provider_id']}: O/E {row['ratio']:.2f}, {row['flag']}, reliability {row['reliability']:.2f}"
        # Providers beyond the upper edge stay to be seen, on it.
        chart.point(row["expected"], min(row["ratio"], highest), COLOURS[row["flag"]], title)
    left_out = len(found["providers"]) - len(rows)
    note = f"<p>{left_out:,} providers with a count below {SMALLEST_CELL} are not drawn.</p>" if left_out else ""
    lines = f"<p>Lines: {one['method']} limits; dashed: limits of chance alone.</p>"
    return chart.svg(list(COLOURS.items())) + lines + note


def _limit(method: Method, summary: dict[str, Any], expected: float) -> tuple[float, float]:
    funnel = Funnel(
        summary["dispersion"], summary["measured_dispersion"], summary["extra_variance"], summary["confidence"]
    )
    return limits(method, funnel, expected, expected * summary["information_per_event"])


def _methods(found: dict[str, Any]) -> str:
    one = found["summary"]
    says = {
        "naive": "providers differ by chance alone",
        "exact": "the same, with the exact Poisson distribution",
        "overdispersed": f"limits √φ times as wide, φ = {one['dispersion']:.2f}",
        "additive": f"providers' log ratios differ by a standard deviation of {math.sqrt(one['extra_variance']):.3f}",
    }
    rows = [
        (
            f"<strong>{method}</strong> (used)" if method == one["method"] else method,
            says[method],
            f"{flags['better']:,}",
            f"{flags['worse']:,}",
        )
        for method, flags in one["flags"].items()
    ]
    return table(("Limits", "What they take for granted", "Better", "Worse"), rows)


def _reliability(found: dict[str, Any]) -> str:
    one = found["summary"]
    bands = (0.0, 0.2, 0.4, 0.5, 0.7, 0.9, 1.0001)
    rows = []
    for low, high in itertools.pairwise(bands):
        inside = [row for row in found["providers"] if low <= row["reliability"] < high]
        worse = sum(row["flag"] == "worse" for row in inside)
        rows.append((f"{low:g} to {min(high, 1):g}", f"{len(inside):,}", f"{worse:,}"))
    origin = "as given" if one["between_variance_is_given"] else "estimated from the totals"
    notes = [
        f"Standard deviation between providers {math.sqrt(one['between_variance']):.3f} on the logit scale, {origin}."
    ]
    if one.get("cases_needed"):
        notes.append(f"{math.ceil(one['cases_needed']):,} cases are needed for {one['least_reliability']:g}.")
    if one.get("unadjusted"):
        needed = math.ceil(one["unadjusted"]["cases_needed"])
        notes.append(f"For the unadjusted rate (beta-binomial) it would be {needed:,}.")
    return table(("Reliability", "Providers", "Flagged worse"), rows) + f"<p>{' '.join(notes)}</p>"


def _peers(found: dict[str, Any]) -> str:
    one = found.get("decomposition")
    if not one:
        return "<p>No peer groups were given: flags are those without them.</p>"
    rows = []
    for flag in COLOURS:
        counts = [sum(row[name] == flag for row in found["providers"]) for name in ("flag", "flag_within_peers")]
        rows.append((flag, *(f"{count:,}" for count in counts)))
    note = (
        f"<p>Variance of O/E: {one['total']:.4f} without peer groups, {one['within']:.4f} within them, "
        f"{one['share_between']:.1%} between. {one['flags_changed']:,} flags change.</p>"
    )
    return table(("Flag", "Without peer groups", "Against peers"), rows) + note


def _listed(found: dict[str, Any]) -> str:
    one = found["summary"]
    flagged = [row for row in found["providers"] if row["flag"] != "no different"]
    flagged.sort(key=lambda row: (-row["probability_among_worst"], row["provider_id"]))
    # The best are as telling as the worst.
    half = MOST_LISTED // 2
    shown = flagged if len(flagged) <= MOST_LISTED else [*flagged[:half], *flagged[-half:]]
    header = ("Provider", "Flag", "Observed", "Expected", "O/E", "z", "Reliability", "Shrunken O/E")
    header = (*header, f"In the worst {one['worst_share']:.0%}", "Probability of worse")
    rows = []
    for row in shown:
        figures = [f"{row['observed']:,}", f"{row['expected']:,.1f}", f"{row['ratio']:.2f}", f"{row['z']:.1f}"]
        figures = ["withheld"] * 4 if _is_hidden(row) else [figure.replace("-", "−") for figure in figures]
        doubt = "" if row["is_reliable"] else " (low)"
        shrunken = f"{row['shrunken_ratio']:.2f} ({row['shrunken_lower']:.2f} to {row['shrunken_upper']:.2f})"
        rows.append(
            (
                escape(row["provider_id"]),
                row["flag"],
                *figures,
                f"{row['reliability']:.2f}{doubt}",
                "withheld" if _is_hidden(row) else shrunken,
                f"{row['probability_among_worst']:.0%}",
                f"{row['probability_worse']:.0%}",
            )
        )
    further = len(flagged) - len(shown)
    note = f"<p>{further:,} further flags are in flags.parquet.</p>" if further else ""
    return (table(header, rows) if rows else "<p>No provider is flagged.</p>") + note


def _rejected(found: dict[str, Any]) -> str:
    rows = [(escape(reason), f"{count:,}") for reason, count in found["rejected"].items()]
    return table(("Reason", "Rows"), rows) if rows else ""
