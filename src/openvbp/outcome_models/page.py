"""A fitted outcome model as one HTML page: providers in order with their limits, coefficients, what to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pyarrow as pa

from openvbp.html_page import page, table

_WIDTH, _HEIGHT, _MARGIN, _FOOT = 900, 320, 44, 24
_MOST_DRAWN = 400
_MOST_LISTED = 5_000
_COLORS = {"better": "var(--clean)", "worse": "var(--stop)"}
_WORDS = {
    "pql": "restricted pseudo-likelihood (PQL, REML)",
    "profile": "Laplace's method, profiled",
    "laplace": "maximum likelihood by Laplace's method",
    "quadrature": "maximum likelihood by adaptive quadrature",
    "fixed": "fixed effects with a weak ridge",
}


def render_page(summary: Mapping[str, Any], coefficients: pa.Table, providers: pa.Table) -> str:
    """Write the page.

    Parameters
    ----------
    summary
        Content of ``model.json``.
    coefficients, providers
        The tables that are written beside it.
    """
    rows = providers.to_pylist()
    named = ", ".join(f"{count:,} {escape(name)}" for name, count in summary["classes"].items())
    kind = "verdict warning" if summary["warnings"] else "verdict"
    lead = (
        f'<p class="folder">{escape(str(summary["data"]))}</p>\n'
        f'<p class="{kind}">{summary["providers"]:,} providers: {named}.</p>'
    )
    sections = [
        ("What to know", "".join(f"<p>{escape(_sentence(one))}</p>" for one in summary["warnings"])),
        ("Standardized ratios", _caterpillar(rows, summary)),
        ("The model", _model(summary)),
        ("Coefficients", _coefficients(coefficients)),
        ("Providers", _providers(rows)),
    ]
    return page("Outcome model", sections, lead=lead)


def _caterpillar(rows: Sequence[Mapping[str, Any]], summary: Mapping[str, Any]) -> str:
    """Draw providers by rank of their ratio, with limits, on a scale of equal proportions."""
    complete = [row for row in rows if row["ratio_low"] is not None and row["ratio_low"] > 0]
    ordered = sorted(complete, key=lambda row: (row["ratio"], row["provider_id"]))
    if not ordered:
        return "<p>No provider has limits.</p>"
    places = np.unique(np.linspace(0, len(ordered) - 1, min(len(ordered), _MOST_DRAWN)).round().astype(int))
    drawn = [ordered[place] for place in places]
    low = min(0.5, *(row["ratio_low"] for row in drawn))
    high = max(2.0, *(row["ratio_high"] for row in drawn))
    low, high = max(low, 0.1), min(high, 10.0)

    def vertical(ratio: float) -> float:
        share = (np.log(min(max(ratio, low), high)) - np.log(low)) / (np.log(high) - np.log(low))
        return float((_HEIGHT - _FOOT) * (1 - share))

    step = (_WIDTH - _MARGIN) / len(drawn)
    marks = [_mark(row, _MARGIN + (place + 0.5) * step, vertical) for place, row in enumerate(drawn)]
    ticks = [one for one in (0.1, 0.25, 0.5, 0.8, 1.0, 1.25, 2.0, 4.0, 10.0) if low <= one <= high]
    lines = "".join(
        f'<line x1="{_MARGIN}" x2="{_WIDTH}" y1="{vertical(one):.1f}" y2="{vertical(one):.1f}"/>'
        f'<text x="0" y="{vertical(one) + 4:.1f}">{one:g}</text>'
        for one in ticks
    )
    words = f"Ratios of predicted over expected events, from {drawn[0]['ratio']:.2f} to {drawn[-1]['ratio']:.2f}"
    shown = f"{len(drawn):,} of {len(rows):,} providers, evenly by rank. " if len(drawn) < len(rows) else ""
    kind = "resampling" if summary["limits"] == "bootstrap" else "the prediction error of the effect"
    note = (
        f"<p>{shown}Each line is a provider's {summary['options']['level']:.0%} interval by {kind}; the dot is "
        "predicted over expected events; 1 is what a provider with effect zero would come to with the same patients. "
        "Green is better, red worse.</p>"
    )
    svg = (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(words)}">{lines}{"".join(marks)}'
        f'<text x="{_MARGIN}" y="{_HEIGHT - 6}">lowest ratio</text>'
        f'<text x="{_WIDTH}" y="{_HEIGHT - 6}" text-anchor="end">highest ratio</text></svg>'
    )
    return f"<figure>{svg}</figure>{note}"


def _mark(row: Mapping[str, Any], across: float, vertical: Any) -> str:
    color = _COLORS.get(row["class"], "var(--quiet)")
    title = (
        f"{row['provider_id']}: {row['ratio']:.3f} ({row['ratio_low']:.3f} to {row['ratio_high']:.3f}), "
        f"{row['cases']:,} cases, {row['class']}"
    )
    return (
        f'<g><title>{escape(title)}</title><line style="stroke:{color}" x1="{across:.1f}" x2="{across:.1f}" '
        f'y1="{vertical(row["ratio_low"]):.1f}" y2="{vertical(row["ratio_high"]):.1f}"/>'
        f'<circle style="fill:{color}" cx="{across:.1f}" cy="{vertical(row["ratio"]):.1f}" r="2"/></g>'
    )


def _model(summary: Mapping[str, Any]) -> str:
    options, test = summary["options"], summary["case_mix_test"]
    rejected = "; ".join(f"{rows:,} {reason}" for reason, rows in summary["rows_rejected"].items())
    facts = [
        ("Rows read, accepted, rejected", _counts(summary) + (f" ({rejected})" if rejected else "")),
        ("Events, overall rate", f"{summary['events']:,}, {summary['overall_rate']:.4f}"),
        ("Method", _WORDS[options["method"]] + (", within providers" if options["within"] else "")),
        ("Passes over the rows", f"{summary['passes']}"),
        ("c statistic of the covariates", f"{summary['concordance']:.3f}"),
    ]
    if summary["tau"] is not None:
        limits = "" if summary["tau_limits"] is None else " ({:.4f} to {:.4f})".format(*summary["tau_limits"])
        facts.append(("Standard deviation τ of effects, in logits", f"{summary['tau']:.4f}{limits}"))
    if summary["log_likelihood"] is not None:
        facts.append(("Log-likelihood", f"{summary['log_likelihood']:.4f}"))
    if test is not None:
        number = _number(test["coefficient"], 3)
        text = f"{number}{_within_brackets(test['standard_error'])}, p {_p_value(test['p_value'])}"
        facts.append(("Effects and case mix (Mundlak's test; 0 is none)", text))
    limits = f"{options['level']:.0%}, {summary['limits']}"
    if options["bootstrap"]:
        limits += f", {options['bootstrap']:,} replicates, seed {options['seed']}"
    facts.append(("Limits", limits))
    facts.append(("Cases below which a provider is not classified", f"{options['minimum_cases']}"))
    return table(("", ""), ((escape(name), f"<span>{escape(text)}</span>") for name, text in facts))


def _counts(summary: Mapping[str, Any]) -> str:
    rejected = sum(summary["rows_rejected"].values())
    return f"{summary['rows_read']:,}, {summary['rows_accepted']:,}, {rejected:,}"


def _within_brackets(error: float | None) -> str:
    return "" if error is None else f" (standard error {error:.4f})"


def _coefficients(coefficients: pa.Table) -> str:
    rows = [
        (
            escape(row["term"]),
            _number(row["estimate"], 4),
            _number(row["standard_error"], 4),
            _number(row["z"], 2),
            _p_value(row["p_value"]),
            f"{row['odds_ratio']:.3f}",
            f"{row['odds_ratio_low']:.3f} to {row['odds_ratio_high']:.3f}",
        )
        for row in coefficients.to_pylist()
    ]
    return table(("Term", "Estimate", "Standard error", "z", "p", "Odds ratio", "Interval"), rows)


def _providers(rows: Sequence[Mapping[str, Any]]) -> str:
    shown = [
        (
            escape(row["provider_id"]),
            escape(row["class"]),
            f"{row['cases']:,}",
            f"{row['observed']:,}",
            f"{row['expected']:.1f}",
            f"{row['predicted']:.1f}",
            f"{row['ratio']:.3f}",
            "" if row["ratio_low"] is None else f"{row['ratio_low']:.3f} to {row['ratio_high']:.3f}",
            f"{row['standardized_rate']:.4f}",
            "" if row["reliability"] is None else f"{row['reliability']:.2f}",
            f"{row['observed_to_expected']:.2f}",
        )
        for row in rows[:_MOST_LISTED]
    ]
    headings = (
        "Provider",
        "Class",
        "Cases",
        "Observed",
        "Expected",
        "Predicted",
        "Predicted/expected",
        "Interval",
        "Standardized rate",
        "Reliability",
        "Observed/expected",
    )
    more = (
        f"<p>The first {_MOST_LISTED:,} are listed; all are in providers.parquet.</p>"
        if len(rows) > _MOST_LISTED
        else ""
    )
    return f"<details><summary>{len(rows):,} providers</summary>{table(headings, shown)}{more}</details>"


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _p_value(value: float) -> str:
    return "below 0.0001" if value < 0.0001 else f"{value:.4f}"


def _number(value: float, decimals: int) -> str:
    return f"{value:.{decimals}f}".replace("-", "−")
