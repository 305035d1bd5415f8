"""How long risk scores take, as whole processes, against the package hccinfhir; and whether both say the same.

    .venv/bin/python benchmarks/hcc.py FOLDER                            1,000,000 members, 10,000,000 diagnoses
    .venv/bin/python benchmarks/hcc.py FOLDER --members 100000 --model V28
    .venv/bin/python benchmarks/hcc.py FOLDER --compare 60000            every model: equal but for known differences

Members and diagnoses are random: ten codes each out of the codes that are paid in any model, which is more than people
have. The package scores a sample of them. Both read Parquet and write scores and conditions; ours on one thread.
Nothing here is a test.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from processes import measured

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

YEAR = 2026
CODES_EACH = 10
MODELS = ("V22", "V24", "V28")
OTHERS = ("ESRD-V21", "ESRD-V24", "RxHCC-V08")
"""Compared, not measured: their coefficients of RxHCC are those that the package keeps of two sets."""


def main() -> None:
    """Measure, or compare."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--members", type=int, default=1_000_000)
    parser.add_argument("--sample", type=int, default=20_000)
    parser.add_argument("--model", action="append")
    parser.add_argument("--compare", type=int, default=0)
    parser.add_argument("--score", choices=("openvbp", "hccinfhir"), help="one of the processes that are measured")
    asked = parser.parse_args()
    models = asked.model or list(MODELS[1:])
    if asked.score:
        {"openvbp": _score, "hccinfhir": _score_by_package}[asked.score](asked.folder, models[0], asked.sample)
    elif asked.compare:
        for model in asked.model or (*MODELS, *OTHERS):
            _compare(model, asked.compare)
    else:
        asked.folder.mkdir(parents=True, exist_ok=True)
        _generate(asked.folder, asked.members)
        for model in models:
            _measure(asked, model)


def _measure(asked: argparse.Namespace, model: str) -> None:
    rates = {}
    for name, members in (("openvbp", asked.members), ("hccinfhir", asked.sample)):
        command = [sys.executable, __file__, str(asked.folder), "--model", model, "--sample", str(asked.sample)]
        wall, cpu, peak = measured([*command, "--score", name])
        rates[name] = members / cpu
        print(
            f"{model} {name:9} {members:>9,} members: {cpu:6.1f} CPU s, {wall:6.1f} s wall, {peak:.2f} GB, "
            f"{rates[name]:>9,.0f} members a CPU s",
            flush=True,
        )
    print(f"{model} ratio {rates['openvbp'] / rates['hccinfhir']:.1f}", flush=True)


def _generate(folder: Path, members: int) -> None:
    from openvbp.risk.model import load_model
    from openvbp.risk.table_sources import read_tables

    random = np.random.default_rng(1)
    known = [read_tables(load_model(model), YEAR, "hccinfhir").mapping for model in MODELS]
    codes = pa.array(sorted(set().union(*known)))
    ids = pa.array([f"P{number:08}" for number in range(members)])
    ages = np.where(random.random(members) < 0.2, random.integers(1, 65, members), random.integers(65, 100, members))
    kind = random.random(members)
    duals = ["00", "01", "02", "03", "04", "05", "06", "08", "09", "NA"]
    persons = {
        "person_id": ids,
        "age": ages,
        "age_at_diagnosis": ages,
        "gender": random.choice(["male", "female"], members),
        "original_reason_entitlement_code": random.choice(["0", "1", "2", "3"], members, p=[0.75, 0.2, 0.03, 0.02]),
        "dual_status_code": random.choice(duals, members, p=[0.6, *[0.4 / 9] * 9]),
        "is_new_enrollee": kind < 0.08,
        "is_special_needs_plan": kind < 0.02,
        "is_institutional": kind > 0.96,
    }
    pq.write_table(pa.table(persons), folder / "persons.parquet")
    who = pa.array(np.repeat(np.arange(members), CODES_EACH))
    drawn = pa.array(random.integers(0, len(codes), members * CODES_EACH))
    diagnoses = pa.table({"person_id": ids.take(who), "diagnosis_code": codes.take(drawn)})
    pq.write_table(diagnoses, folder / "diagnoses.parquet")


def _score(folder: Path, model: str, _sample: int) -> None:
    from openvbp.engine import open_engine
    from openvbp.risk.model import load_model
    from openvbp.risk.scoring import score
    from openvbp.risk.table_sources import read_tables

    tables = read_tables(load_model(model), YEAR, "hccinfhir")
    with open_engine("duckdb", 1) as engine:
        persons = engine.read_parquet(folder / "persons.parquet", "persons")
        diagnoses = engine.read_parquet(folder / "diagnoses.parquet", "diagnoses")
        found = score(engine, tables, persons, diagnoses).persons
        written = ("person_id", "segment", "demographic_variables", "conditions", "interactions", "raw_units")
        engine.write_parquet(found.select(*written), folder / f"scores_{model}.parquet")


def _score_by_package(folder: Path, model: str, sample: int) -> None:
    from hccinfhir.model_calculate import calculate_raf

    persons = next(pq.ParquetFile(folder / "persons.parquet").iter_batches(sample)).to_pylist()
    rows = next(pq.ParquetFile(folder / "diagnoses.parquet").iter_batches(sample * CODES_EACH))
    codes = rows["diagnosis_code"].to_pylist()
    scores, conditions = [], []
    for number, one in enumerate(persons):
        found = calculate_raf(
            codes[number * CODES_EACH : (number + 1) * CODES_EACH],
            f"CMS-HCC Model {model}",
            age=one["age"],
            sex="F" if one["gender"] == "female" else "M",
            dual_elgbl_cd=one["dual_status_code"],
            orec=one["original_reason_entitlement_code"],
            new_enrollee=one["is_new_enrollee"],
            snp=one["is_special_needs_plan"],
            lti=one["is_institutional"],
        )
        scores.append(found.risk_score)
        conditions.append(" ".join(found.hcc_list))
    pq.write_table(pa.table({"score": scores, "conditions": conditions}), folder / f"package_{model}.parquet")


def _compare(model: str, members: int) -> None:
    from hcc_members import known_differences, package_says, random_members, scores_of
    from openvbp.engine import open_engine

    drawn = random_members(model, members, seed=7)
    with open_engine("duckdb") as engine:
        ours = scores_of(engine, model, drawn)
    equal, known, unknown = 0, {}, 0
    for one, found in zip(drawn, ours, strict=True):
        if (found["raw"], found["conditions"]) == package_says(model, one, is_mended=True):
            equal += 1
            continue
        classes = known_differences(model, one) - {"hierarchies"}
        unknown += not classes
        for name in classes:
            known[name] = known.get(name, 0) + 1
    print(f"{model}: {members:,} members, {equal:,} equal, {unknown} unexplained")
    for name, times in sorted(known.items()):
        print(f"  {times:>6,} differ, {name}")
    if unknown:
        sys.exit(1)


if __name__ == "__main__":
    main()
