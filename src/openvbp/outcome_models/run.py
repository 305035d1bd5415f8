"""A model fitted to a file of cases: what is written, and what is printed."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.special import ndtri

from openvbp import __version__
from openvbp.engine import cannot_write, open_engine
from openvbp.errors import Problem, UsageError
from openvbp.outcome_models import bootstrap as resampling
from openvbp.outcome_models.case_files import CaseColumns, Cases, read_cases
from openvbp.outcome_models.fitting import METHODS, Fit, Method, fit
from openvbp.outcome_models.page import render_page
from openvbp.outcome_models.posterior_draws import DRAWS, draw_rows, posterior_ratios, replicate_ratios, write_draws
from openvbp.outcome_models.result_tables import (
    COEFFICIENTS,
    MODEL,
    PROVIDERS,
    coefficient_table,
    provider_table,
    rounded,
)
from openvbp.outcome_models.rows import Floats
from openvbp.outcome_models.standardization import posterior_limits, probability_above_one

PAGE = "outcomes.html"
_SCRATCH = ".cases-"


@dataclass(frozen=True)
class Options:
    """How to fit, and how to judge providers."""

    method: Method = "pql"
    nodes: int = 7
    within: bool = False
    bootstrap: int = 0
    """Replicates; none gives limits from the prediction error of the effects."""
    seed: int = 1
    refit: bool = False
    level: float = 0.95
    minimum_cases: int = 25
    is_adverse: bool = True
    draws: int = 0
    """Draws of each ratio that are written to ``draws.parquet``: replicates, where there are any."""
    measure: str = ""
    """Name of the measure in that file."""


def fit_file(
    *,
    data: Path,
    columns: CaseColumns,
    out: Path,
    options: Options | None = None,
    threads: int | None = None,
    progress: Callable[[str], None] = lambda _line: None,
) -> dict[str, Any]:
    """Fit a model to a file with a row per case.

    Parameters
    ----------
    data
        Parquet or CSV; see :func:`openvbp.outcome_models.case_files.read_cases`.
    columns
        Names of provider, outcome and covariates.
    out
        Folder for ``providers.parquet`` (a row per provider), ``coefficients.parquet`` (a row per term),
        ``rejected.parquet`` (a row per row that could not be used), ``model.json`` and ``outcomes.html``.
    options
        See :class:`Options`.
    threads
        Of DuckDB, which checks and sorts.
    progress
        Told each line of progress.

    Returns
    -------
    The content of ``model.json``.

    Raises
    ------
    UsageError, InputDataError
        If options, columns or rows cannot be used.
    MachineError
        If the results cannot be written.
    """
    asked = options or Options()
    _check(asked)
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name in (PROVIDERS, COEFFICIENTS, MODEL, PAGE, DRAWS):
            (out / name).unlink(missing_ok=True)
        for left in out.glob(f"{_SCRATCH}*"):
            # A killed run could not remove its copy of the cases.
            shutil.rmtree(left)
    except OSError as error:
        raise cannot_write(out, error, "choose another --out") from error
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=out) as scratch:
        with open_engine("duckdb", threads) as engine:
            cases = read_cases(engine, data, columns, out, Path(scratch))
        progress(f"{len(cases.rows.outcome):,} rows of {len(cases.rows.providers):,} providers")
        fitted = fit(cases.rows, method=asked.method, nodes=asked.nodes, within=asked.within)
        progress(f"fitted in {fitted.estimate.passes} passes")
        replicates = _replicates(fitted, asked, progress)
        limits, above = _limits(fitted, asked, replicates)
        ratios = _draws(fitted, asked, replicates) if asked.draws else None
    judged = {"level": asked.level, "minimum_cases": asked.minimum_cases, "is_adverse": asked.is_adverse}
    providers = provider_table(fitted, limits, above, **judged)
    coefficients = coefficient_table(fitted, asked.level)
    summary = _summary(fitted, cases, str(data), columns, asked, providers)
    if ratios is not None:
        write_draws(draw_rows(fitted.providers, asked.measure, ratios), out / DRAWS)
    try:
        pq.write_table(providers, out / PROVIDERS)
        pq.write_table(coefficients, out / COEFFICIENTS)
        (out / PAGE).write_text(render_page(summary, coefficients, providers), encoding="utf-8")
        (out / MODEL).write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise cannot_write(out, error, "free disk space or choose another --out") from error
    return summary


def _check(asked: Options) -> None:
    if asked.method not in METHODS:
        problem = Problem(f"there is no method '{asked.method}'", "--method", f"choose one of {', '.join(METHODS)}")
        raise UsageError(problem)
    if not 0 < asked.level < 1:
        raise UsageError(Problem(f"{asked.level} is no level of confidence", "--level", "give for example 0.95"))
    if asked.draws and (not asked.measure or asked.method == "fixed"):
        what_to_do = "name it as the program does: --measure READM-30-AMI; and take a method that is not fixed"
        raise UsageError(Problem("draws need the name of the measure, and shrunken effects", "--draws", what_to_do))
    if asked.bootstrap and asked.bootstrap < resampling.LEAST_REPLICATES:
        what_to_do = f"give at least {resampling.LEAST_REPLICATES}; limits need some hundred"
        raise UsageError(Problem(f"{asked.bootstrap} replicates", "--bootstrap", what_to_do))
    if asked.bootstrap and asked.draws > asked.bootstrap // 2:
        what = f"{asked.bootstrap:,} replicates do not give {asked.draws:,} draws: each leaves out some providers"
        raise UsageError(Problem(what, "--draws", f"give --bootstrap {2 * asked.draws:,} or more"))
    if asked.bootstrap and asked.method != "pql":
        what_to_do = "take --method pql, or leave out --bootstrap: the limits are then those of the prediction"
        raise UsageError(Problem(f"no bootstrap of method '{asked.method}'", "--bootstrap", what_to_do))


def _replicates(fitted: Fit, asked: Options, progress: Callable[[str], None]) -> Floats | None:
    """Ratios of the bootstrap's replicates, if it is asked for."""
    if not asked.bootstrap:
        return None
    found = resampling.bootstrap(fitted, asked.bootstrap, seed=asked.seed, refit=asked.refit)
    progress(f"{asked.bootstrap:,} replicates")
    return found.ratios


def _limits(fitted: Fit, asked: Options, replicates: Floats | None) -> tuple[tuple[Floats, Floats], Floats]:
    if replicates is None:
        return posterior_limits(fitted, asked.level), probability_above_one(fitted)
    return resampling.percentile_limits(replicates, asked.level), resampling.share_above_one(replicates)


def _draws(fitted: Fit, asked: Options, replicates: Floats | None) -> Floats:
    if replicates is None:
        return posterior_ratios(fitted, asked.draws, seed=asked.seed)
    return replicate_ratios(replicates, asked.draws)


def _summary(
    fitted: Fit, cases: Cases, data: str, columns: CaseColumns, asked: Options, providers: pa.Table
) -> dict[str, Any]:
    test, error = fitted.case_mix_test, fitted.tau_standard_error
    counts = Counter(providers["class"].to_pylist())
    return {
        "openvbp": __version__,
        "data": data,
        "columns": asdict(columns),
        "options": asdict(asked),
        "rows_read": cases.read,
        "rows_accepted": len(cases.rows.outcome),
        "rows_rejected": cases.rejected,
        "providers": len(fitted.providers),
        "events": int(fitted.design.observed.sum()),
        "overall_rate": rounded(fitted.design.rows.outcome.mean()),
        "tau": None if fitted.method == "fixed" else rounded(fitted.tau),
        "tau_standard_error": None if error is None or np.isnan(error) else rounded(error),
        "tau_limits": _tau_limits(fitted, asked.level),
        "log_likelihood": None if fitted.estimate.log_likelihood is None else rounded(fitted.estimate.log_likelihood),
        "concordance": rounded(fitted.concordance),
        "passes": fitted.estimate.passes,
        "case_mix_test": None if test is None else {name: rounded(one) for name, one in asdict(test).items()},
        "limits": "bootstrap" if asked.bootstrap else "prediction error",
        "classes": {name: counts[name] for name in resampling.CLASSES if counts[name]},
        "warnings": list(fitted.warnings),
    }


def _tau_limits(fitted: Fit, level: float) -> list[float] | None:
    """Limits of τ, even on the scale of its logarithm, for it cannot be below zero."""
    error = fitted.tau_standard_error
    if error is None or np.isnan(error):
        return None
    reach = float(ndtri((1 + level) / 2)) * error / fitted.tau
    return [rounded(fitted.tau * float(np.exp(one))) for one in (-reach, reach)]


def render(summary: Mapping[str, Any]) -> str:
    """Write what a model found for a terminal."""
    options = summary["options"]
    rejected = sum(summary["rows_rejected"].values())
    tau = "" if summary["tau"] is None else f", τ {summary['tau']:.4f}"
    if summary["tau_limits"] is not None:
        tau += " ({:.4f} to {:.4f})".format(*summary["tau_limits"])
    lines = [
        f"{summary['rows_read']:,} rows read, {summary['rows_accepted']:,} accepted, {rejected:,} rejected",
        *(f"  rejected {rows:,}: {reason}" for reason, rows in summary["rows_rejected"].items()),
        f"{summary['providers']:,} providers, {summary['events']:,} events, rate {summary['overall_rate']:.4f}",
        f"method {options['method']}{tau}, c statistic {summary['concordance']:.3f}, {summary['passes']} passes",
    ]
    test = summary["case_mix_test"]
    if test is not None:
        lines.append(
            f"effects and case mix (Mundlak): {test['coefficient']:.3f} (standard error {test['standard_error']:.3f}, "
            f"p {test['p_value']:.3f})"
        )
    how = f"{options['bootstrap']:,} replicates" if options["bootstrap"] else "prediction error"
    named = ", ".join(f"{name} {count:,}" for name, count in summary["classes"].items())
    lines.append(f"providers by {options['level']:.0%} limits ({how}): {named}")
    lines += [f"note: {one}" for one in summary["warnings"]]
    return "\n".join(lines)
