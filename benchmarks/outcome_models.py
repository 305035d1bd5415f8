"""Outcome models: published figures, agreement with other programs, seconds, memory, and whether limits hold.

    .venv/bin/python benchmarks/outcome_models.py FOLDER                 1,000,000 cases, 3,000 providers, 30 covariates
    .venv/bin/python benchmarks/outcome_models.py FOLDER --cases 200000 --providers 1000
    .venv/bin/python benchmarks/outcome_models.py FOLDER --streamed 5000000
    .venv/bin/python benchmarks/outcome_models.py FOLDER --peer PYTHON   a Python that has gpboost
    .venv/bin/python benchmarks/outcome_models.py FOLDER --glmer         lme4's glmer beside: ten minutes and more

Each method is a process of its own, which reads the cases from Parquet; CPU seconds are of the whole process and, in
brackets, of the fit alone. With gpboost the three are run in turn, ``--rounds`` times, and medians compared: process
with process, and fit with fit. Nothing here is a test.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

METHODS = ("pql", "laplace", "quadrature", "profile", "fixed")
REPLICATES = 1_000
GLMER = """
suppressMessages(library(lme4))
data <- read.csv(commandArgs(trailingOnly = TRUE)[1])
names <- grep("^x", colnames(data), value = TRUE)
formula <- as.formula(paste("outcome ~", paste(names, collapse = " + "), "+ (1 | provider)"))
began <- proc.time()
model <- glmer(formula, data, binomial, nAGQ = 1)
spent <- proc.time() - began
cat(sum(spent[c("user.self", "sys.self")]), attr(VarCorr(model)$provider, "stddev"), "\\n")
"""
PEER = """
import json, sys, time
import gpboost, pyarrow.parquet as pq, numpy as np
table = pq.read_table(sys.argv[1])
names = [name for name in table.column_names if name.startswith("x")]
values = np.column_stack([np.ones(table.num_rows), *(table[name].to_numpy() for name in names)])
began = time.process_time()
model = gpboost.GPModel(group_data=table["provider"].to_numpy(), likelihood="bernoulli_logit", num_parallel_threads=1)
# Its default optimizer stops after one step on a million cases, and says so.
model.fit(y=table["outcome"].to_numpy().astype(float), X=values, params={"optimizer_cov": "gradient_descent"})
tau = float(np.sqrt(np.asarray(model.get_cov_pars()).ravel()[0]))
print(json.dumps({"seconds": time.process_time() - began, "tau": tau}))
"""


def main() -> None:
    """Print all of it, or run one process of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--cases", type=int, default=1_000_000)
    parser.add_argument("--providers", type=int, default=3_000)
    parser.add_argument("--covariates", type=int, default=30)
    parser.add_argument("--streamed", type=int, default=0)
    parser.add_argument("--no-speed", action="store_true", help="only what does not depend on the machine")
    parser.add_argument(
        "--glmer", action="store_true", help="measure lme4 in R on the same cases, and nothing else but pql"
    )
    parser.add_argument("--peer", default=sys.executable)
    parser.add_argument("--rounds", type=int, default=3, help="of the comparison with gpboost")
    parser.add_argument("--only-peer", action="store_true", help="only that comparison")
    parser.add_argument("--fit", choices=METHODS, help="one of the processes that are measured")
    parser.add_argument("--from-file", action="store_true", help="read covariates on every pass")
    parser.add_argument("--bootstrap", type=int, default=0)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    if asked.fit:
        _fit(asked)
    elif asked.glmer:
        _write_cases(asked.folder / "cases.parquet", asked.cases, asked.providers, asked.covariates)
        for method in ("pql", "laplace"):
            _measure(asked, method)
        _glmer(asked.folder)
    elif asked.streamed:
        _write_cases(asked.folder / "cases.parquet", asked.streamed, 5_000, asked.covariates)
        _measure(asked, "pql", "--from-file")
    else:
        if not asked.only_peer:
            _published()
            _order()
            _coverage()
            _small_cells()
            _confounding()
        if asked.no_speed:
            return
        _write_cases(asked.folder / "cases.parquet", asked.cases, asked.providers, asked.covariates)
        if not asked.only_peer:
            for method in METHODS:
                _measure(asked, method)
            _measure(asked, "pql", "--bootstrap", str(REPLICATES))
        _compare(asked)


def _glmer(folder: Path) -> None:
    from pyarrow import csv

    cases, script = folder / "cases.csv", folder / "glmer.R"
    csv.write_csv(pq.read_table(folder / "cases.parquet"), cases)
    script.write_text(GLMER, encoding="utf-8")
    found = subprocess.run(["Rscript", str(script), str(cases)], capture_output=True, text=True, check=False)
    if found.returncode:
        print(f"glmer: not measured; {found.stderr.strip().splitlines()[-1:]} (Debian: r-base-core r-cran-lme4)")
        return
    seconds, tau = map(float, found.stdout.split())
    print(f"glmer, nAGQ = 1: {seconds:.1f} CPU s of the fit, tau {tau:.4f}")


def _published() -> None:
    from openvbp.outcome_models.fitting import fit
    from outcome_cases import multicenter_rows

    print("SAS/STAT GLIMMIX multicenter example: variance, intercept, group A")
    for method, nodes, figures in (
        ("pql", 0, ".6176 -.8071 -.4896"),
        ("quadrature", 7, ".6208 -.8383 -.4996"),
        ("quadrature", 25, ".6209 -.8383 -.4996"),
        ("laplace", 1, ".6124 -.8375 -.4995"),
    ):
        found = fit(multicenter_rows(), method=method, nodes=max(nodes, 1))  # type: ignore[arg-type]
        values = " ".join(f"{one:.6f}" for one in (found.estimate.variance, *found.coefficients))
        print(f"  {method:10} {nodes or '':>2}  {values}   to be {figures}   {found.estimate.passes} passes")


def _order() -> None:
    from openvbp.outcome_models.fitting import fit
    from openvbp.outcome_models.rows import rows_in_memory
    from outcome_cases import simulate

    made = simulate(cases=60_000, providers=300, covariates=12, seed=11)
    order = np.random.default_rng(0).permutation(len(made.outcome))
    covariates = {name: values[order] for name, values in made.covariates.items()}
    reference = fit(made.rows()).coefficients
    for chunk in (1_000, 100_000):
        found = fit(rows_in_memory(covariates, made.outcome[order], made.provider[order], chunk_rows=chunk))
        largest = np.abs(found.coefficients - reference).max()
        print(f"rows shuffled, chunks of {chunk:,}: largest change of a coefficient {largest:.1e}")


def _coverage() -> None:
    from openvbp.outcome_models.bootstrap import bootstrap, percentile_limits
    from openvbp.outcome_models.fitting import fit
    from openvbp.outcome_models.standardization import posterior_limits
    from outcome_cases import simulate

    covered, by_prediction, total = 0, 0, 0
    for seed in range(20):
        made = simulate(cases=60_000, providers=500, covariates=6, seed=seed)
        found = fit(made.rows())
        for low, high, place in (
            (*percentile_limits(bootstrap(found, REPLICATES, seed=seed).ratios), 0),
            (*posterior_limits(found), 1),
        ):
            inside = int(((low <= made.ratios) & (made.ratios <= high)).sum())
            covered, by_prediction = covered + inside * (place == 0), by_prediction + inside * (place == 1)
        total += len(made.ratios)
    print(
        f"95 % limits of {total:,} made-up providers cover the true ratio: by resampling {covered / total:.1%}, "
        f"by prediction error {by_prediction / total:.1%}"
    )


def _small_cells() -> None:
    """How well τ is found where events are few; Laplace's method is called past the check that refuses it."""
    from openvbp.outcome_models.design import design_of
    from openvbp.outcome_models.marginal_likelihood import fit_marginal_likelihood
    from openvbp.outcome_models.pseudo_likelihood import fit_pseudo_likelihood
    from outcome_cases import simulate

    print("standard deviation of effects found in 20 made-up data sets each, mean and standard deviation")
    for title, tau, intercept, mean in (
        ("1 % events, 35 cases", 0.4, -4.7, 35),
        ("15 % events, 150 cases", 0.25, -1.9, 150),
    ):
        found: dict[str, list[float]] = {"pql": [], "laplace": [], "quadrature 9": []}
        for seed in range(20):
            made = simulate(
                cases=300 * mean, providers=300, covariates=2, tau=tau, intercept=intercept, spread=0.5, seed=seed
            )
            design = design_of(made.rows())
            variances = (
                fit_pseudo_likelihood(design).variance,
                fit_marginal_likelihood(design).variance,
                fit_marginal_likelihood(design, nodes=9).variance,
            )
            for name, variance in zip(found, variances, strict=True):
                found[name].append(float(np.sqrt(variance)))
        text = ", ".join(f"{name} {np.mean(one):.3f} ± {np.std(one):.3f}" for name, one in found.items())
        print(f"  {title} per provider, true {tau}: {text}")


def _confounding() -> None:
    """What is left of case mix in the ratios where good providers get ill patients, without and with --within."""
    from openvbp.outcome_models.fitting import fit
    from openvbp.outcome_models.standardization import standardized_rates
    from outcome_cases import simulate

    for confounding in (-0.5, 0.5):
        texts = []
        for within in (False, True):
            errors, mixes = [], []
            for seed in range(5):
                made = simulate(
                    cases=60_000, providers=500, covariates=8, tau=0.3, confounding=confounding, seed=seed, spread=0.8
                )
                found = fit(made.rows(), within=within)
                errors.append(standardized_rates(found).ratio - made.ratios)
                mixes.append(np.bincount(made.provider, made.fixed) / np.bincount(made.provider))
            error, mix = np.concatenate(errors), np.concatenate(mixes)
            name = "within" if within else "plain"
            texts.append(f"{name} rmse {np.sqrt(np.mean(error**2)):.4f}, r {np.corrcoef(error, mix)[0, 1]:+.2f}")
        print(f"effects correlated {confounding:+} with illness; error of ratio and case mix: {'; '.join(texts)}")


def _write_cases(path: Path, cases: int, providers: int, covariates: int) -> None:
    """In pieces of whole providers, so that making them takes no more memory than fitting them."""
    from outcome_cases import simulate

    pieces = max(1, cases // 500_000)
    writer, truth = None, []
    weights = np.random.default_rng(0).normal(0, 0.25, covariates)
    for piece in range(pieces):
        made = simulate(
            cases=cases // pieces, providers=providers // pieces, covariates=covariates, seed=piece, weights=weights
        )
        names = pa.array([f"P{piece:02}{one:05}" for one in range(len(made.effects))]).take(pa.array(made.provider))
        columns = {"provider": names, "outcome": made.outcome.astype(np.int8), **made.covariates}
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
        truth.append(made.ratios)
    if writer is not None:
        writer.close()
    np.save(path.with_suffix(".npy"), np.concatenate(truth))


def _run(folder: Path, command: list[str]) -> tuple[float, float, float, dict[str, Any]]:
    """Wall seconds, CPU seconds and peak memory of a process, and what its last line says."""
    from processes import measured

    before = os.times()
    with (folder / "printed.json").open("w") as output:
        wall, _, peak = measured(command, output)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu, peak, json.loads((folder / "printed.json").read_text().strip().splitlines()[-1])


def _measure(asked: argparse.Namespace, method: str, *more: str) -> tuple[float, float]:
    """Print one of our processes; CPU seconds of it, and of the fit alone."""
    command = [sys.executable, __file__, str(asked.folder), "--fit", method, *more]
    wall, cpu, peak, found = _run(asked.folder, [*command, "--covariates", str(asked.covariates)])
    words = " ".join((method, *more)).replace("--", "")
    print(
        f"{words:20} {found['rows']:,} × {found['providers']:,} × {asked.covariates}: {cpu:6.1f} CPU s "
        f"({found['seconds']:.1f}), {wall:6.1f} s wall, {peak:.2f} GB, τ {found['tau']:.4f}, {found['passes']} passes, "
        f"rmse of ratio {found['rmse']:.4f}{found['more']}",
        flush=True,
    )
    return cpu, found["seconds"]


def _fit(asked: argparse.Namespace) -> None:
    from openvbp.outcome_models.bootstrap import bootstrap, percentile_limits
    from openvbp.outcome_models.fitting import fit
    from openvbp.outcome_models.rows import read_into_memory, rows_of_parquet
    from openvbp.outcome_models.standardization import standardized_rates

    path = asked.folder / "cases.parquet"
    names = [f"x{one}" for one in range(asked.covariates)]
    rows = rows_of_parquet(path, covariates=names, outcome="outcome", provider="provider")
    kept = rows if asked.from_file else read_into_memory(rows)
    began = time.process_time()
    found = fit(kept, method=asked.fit)
    seconds = time.process_time() - began
    truth = np.load(path.with_suffix(".npy"))
    more = ""
    if asked.bootstrap:
        began = time.process_time()
        low, high = percentile_limits(bootstrap(found, asked.bootstrap, seed=1).ratios)
        seconds = time.process_time() - began
        more = f", limits cover {((low <= truth) & (truth <= high)).mean():.1%}"
    content = {
        "rows": len(rows.outcome),
        "providers": len(rows.providers),
        "seconds": seconds,
        "tau": found.tau,
        "passes": found.estimate.passes,
        "rmse": float(np.sqrt(np.mean((standardized_rates(found).ratio - truth) ** 2))),
        "more": more,
    }
    print(json.dumps(content))


def _peer(asked: argparse.Namespace) -> tuple[float, float]:
    script = asked.folder / "peer.py"
    script.write_text(PEER)
    wall, cpu, peak, found = _run(asked.folder, [asked.peer, str(script), str(asked.folder / "cases.parquet")])
    seconds = f"{cpu:6.1f} CPU s ({found['seconds']:.1f}), {wall:6.1f} s wall"
    print(f"{'gpboost':20} {seconds}, {peak:.2f} GB, τ {found['tau']:.4f}", flush=True)
    return cpu, found["seconds"]


def _compare(asked: argparse.Namespace) -> None:
    """Our processes and gpboost in turn; medians, and how many times fewer CPU seconds ours use."""
    has = subprocess.run([asked.peer, "-c", "import gpboost, pyarrow"], capture_output=True, check=False)
    if has.returncode:
        print("gpboost: not measured, for it is not installed (--peer PYTHON names a Python that has it and pyarrow)")
        return
    found: dict[str, list[tuple[float, float]]] = {"pql": [], "laplace": [], "gpboost": []}
    for _round in range(asked.rounds):
        for name, one in found.items():
            one.append(_peer(asked) if name == "gpboost" else _measure(asked, name))
    medians = {name: [statistics.median(values) for values in zip(*one, strict=True)] for name, one in found.items()}
    print(f"{'median CPU s':14} {'process':>8} {'fit':>8}   gpboost over it: process, fit")
    for name, (process, fit) in medians.items():
        ratios = [theirs / ours for theirs, ours in zip(medians["gpboost"], (process, fit), strict=True)]
        print(f"{name:14} {process:8.2f} {fit:8.2f}   {ratios[0]:.1f}, {ratios[1]:.1f}")


if __name__ == "__main__":
    main()
