"""Difference-in-differences on two million patients: seconds and memory beside pyfixest; cells give the same answer.

    .venv/bin/python benchmarks/evaluation_regression.py FOLDER
    .venv/bin/python benchmarks/evaluation_regression.py FOLDER --patients 200000

Two models: treatment and age, and an event study of 23 leads and lags; hospital and quarter taken out, errors clustered
by hospital. Each fit is a process of its own, which reads the patients from Parquet. "whole" is the process with its
imports and reading; "fit" the estimate alone. Ratios are pyfixest's by ours, of this run. Nothing here is a test.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from processes import measured

HOSPITALS, QUARTERS, ONSET = 4_000, 24, 12
FITS = ("openvbp", "pyfixest", "openvbp-events", "pyfixest-events")
DIFFERENCE = 1e-8


def main() -> None:
    """Print all of it, or run one process of it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patients", type=int, default=2_000_000)
    parser.add_argument("--fit", choices=FITS, help="one of the processes that are measured")
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    if asked.fit:
        _fit(asked)
        return
    pq.write_table(_patients(asked.patients), asked.folder / "patients.parquet")
    print(f"{asked.patients:,} patients, {HOSPITALS:,} hospitals, {QUARTERS} quarters")
    for ours, theirs in (FITS[:2], FITS[2:]):
        _compare(_measure(asked, ours), _measure(asked, theirs))
    _compare_cells(asked.folder / "patients.parquet")


def _patients(count: int) -> pa.Table:
    random = np.random.default_rng(20)
    hospital, quarter = random.integers(0, HOSPITALS, count), random.integers(0, QUARTERS, count)
    age = random.normal(76, 9, count)
    treated = (hospital < HOSPITALS * 7 // 10).astype(np.float64)
    chance = 0.125 + 0.03 * random.normal(size=HOSPITALS)[hospital] - 0.0005 * quarter + 0.002 * (age - 76)
    chance += 0.01 * random.normal(size=(HOSPITALS, QUARTERS))[hospital, quarter]
    death = (random.random(count) < chance).astype(np.float64)
    return pa.table({"death": death, "age": age, "treated": treated, "hospital": hospital, "quarter": quarter})


def _measure(asked: argparse.Namespace, fit: str) -> dict[str, float]:
    command = [sys.executable, "-W", "ignore", __file__, str(asked.folder), "--fit", fit]
    wall, cpu, peak = measured(command)
    answer = json.loads((asked.folder / f"{fit}.json").read_text())
    print(
        f"{fit:16} estimate {answer['estimate']:+.8f}, error {answer['error']:.8f}; fit: wall {answer['wall']:.2f} s, "
        f"CPU {answer['cpu']:.2f} s; whole: wall {wall:.2f} s, CPU {cpu:.2f} s, peak {peak * 1024:,.0f} MB"
    )
    return answer | {"whole_wall": wall, "whole_cpu": cpu, "peak": peak}


def _compare(ours: dict[str, float], theirs: dict[str, float]) -> None:
    names = {
        "wall": "wall of fit",
        "cpu": "CPU of fit",
        "whole_wall": "wall",
        "whole_cpu": "CPU",
        "peak": "peak memory",
    }
    print("  pyfixest / ours: " + ", ".join(f"{said} {theirs[name] / ours[name]:.1f}" for name, said in names.items()))
    for name in ("estimate", "error"):
        difference = abs(theirs[name] - ours[name])
        print(f"  {name}: difference {difference:.1e}, {'below' if difference < DIFFERENCE else 'ABOVE'} {DIFFERENCE}")


def _fit(asked: argparse.Namespace) -> None:
    path = asked.folder / "patients.parquet"
    package, _, events = asked.fit.partition("-")
    run = _by_openvbp if package == "openvbp" else _by_pyfixest
    estimate, error, wall, cpu = run(path, is_event_study=bool(events))
    answer = {"estimate": float(estimate), "error": float(error), "wall": wall, "cpu": cpu}
    (asked.folder / f"{asked.fit}.json").write_text(json.dumps(answer))


def _by_openvbp(path: Path, *, is_event_study: bool) -> tuple[float, float, float, float]:
    from openvbp.estimators.difference_in_differences import difference_in_differences
    from openvbp.estimators.event_study import event_study

    names = ("death", "age", "treated", "hospital", "quarter")
    columns = {name: pq.read_table(path, columns=[name])[name].to_numpy() for name in names}
    death, treated, quarter = columns["death"], columns["treated"], columns["quarter"]
    ids = {"unit": columns["hospital"], "period": quarter}
    wall, cpu = time.perf_counter(), time.process_time()
    if is_event_study:
        effect = event_study(death, treated, event_time=quarter - ONSET, **ids).effects[-1]
    else:
        after = treated * (quarter >= ONSET)
        effect = difference_in_differences(death, after, covariates={"age": columns["age"]}, **ids).effect
    return effect.estimate, effect.standard_error, time.perf_counter() - wall, time.process_time() - cpu


def _by_pyfixest(path: Path, *, is_event_study: bool) -> tuple[float, float, float, float]:
    import pyfixest

    frame = pq.read_table(path).to_pandas(self_destruct=True, split_blocks=True)
    wall, cpu = time.perf_counter(), time.process_time()
    if is_event_study:
        frame["event"] = np.where(frame["treated"] > 0, frame["quarter"] - ONSET, -1)
        formula, name = "death ~ i(event, ref = -1)", None
    else:
        frame["after"] = frame["treated"] * (frame["quarter"] >= ONSET)
        formula, name = "death ~ after + age", "after"
    # Version 0.60 takes the order in which it happens to hold fixed effects for that of the formula when it looks which
    # are nested; one quarter more or less among a million observations does not show in eight digits.
    model = pyfixest.feols(
        f"{formula} | hospital + quarter", frame, vcov={"CRV1": "hospital"}, lean=True, copy_data=False
    )
    name = name or model.coef().index[-1]
    spent = time.perf_counter() - wall, time.process_time() - cpu
    return model.coef()[name], model.se()[name], *spent


def _compare_cells(path: Path) -> None:
    """Collapse to hospital × quarter, and compare with patients."""
    from openvbp.estimators.arrays import crossed
    from openvbp.estimators.difference_in_differences import difference_in_differences

    table = pq.read_table(path)
    death, treated, hospital, quarter = (table[name].to_numpy() for name in ("death", "treated", "hospital", "quarter"))
    whole = difference_in_differences(death, treated * (quarter >= ONSET), unit=hospital, period=quarter).effect
    began = time.perf_counter()
    cell = crossed(hospital, quarter)
    count = np.bincount(cell).astype(np.float64)
    first = np.unique(cell, return_index=True)[1]
    unit, period, group = hospital[first], quarter[first], treated[first]
    collapsed = time.perf_counter()
    found = difference_in_differences(
        np.bincount(cell, death) / count,
        group * (period >= ONSET),
        unit=unit,
        period=period,
        weights=count,
        observations=len(death),
    ).effect
    print(
        f"{len(count):,} cells: estimate {found.estimate:+.8f}, error {found.standard_error:.8f}; collapse "
        f"{collapsed - began:.2f} s, fit {time.perf_counter() - collapsed:.3f} s; difference from patients "
        f"{abs(found.estimate - whole.estimate):.1e}, {abs(found.standard_error - whole.standard_error):.1e}"
    )


if __name__ == "__main__":
    main()
