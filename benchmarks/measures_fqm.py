"""Measures on health records against fqm-execution: is every population the same, and how much work is it.

    cp tests/oracle/fqm/package.json SCRATCH; npm install --prefix SCRATCH          once; SCRATCH is outside the project
    .venv/bin/python benchmarks/measures_fqm.py FOLDER --modules SCRATCH/node_modules
    .venv/bin/python benchmarks/measures_fqm.py FOLDER --modules SCRATCH/node_modules --patients 2000 --seed 7

The measures are written twice: electronic_measures.py, and diabetes.cql in tests/oracle/fqm, which a translator of the
same makers as the reference engine turns into what fqm-execution runs. Both read the same bundles. Ends with 1 if a
population differs. Without node or the packages it says so and ends with 0. Nothing here is a test.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT / "tests"))

import ibis.expr.types as ir  # noqa: E402
import pyarrow as pa  # noqa: E402

from fhir_patients import electronic_measures, example_patients, random_patients  # noqa: E402
from openvbp.engine import open_engine  # noqa: E402
from openvbp.measures.event_data import EventData  # noqa: E402
from openvbp.measures.examples import Examples  # noqa: E402
from openvbp.measures.fhir.bundles import read_bundles, zone_of  # noqa: E402
from openvbp.measures.fhir.expected import populations_of  # noqa: E402
from openvbp.measures.fhir.run import statuses_of  # noqa: E402
from openvbp.measures.fhir.value_sets import read_fhir_value_sets  # noqa: E402
from openvbp.measures.fhir.writer import write_bundles  # noqa: E402

ORACLE = PROJECT / "tests" / "oracle" / "fqm"
_DAY = re.compile(
    r'"(onsetDateTime|abatementDateTime|effectiveDateTime|authoredOn|performedDateTime|start|end)": "([-0-9]{10})"'
)
UTC = zone_of("+00:00")
_DAY_OF_DIAGNOSIS = re.compile(r'"(onsetDateTime|abatementDateTime)": "([-0-9]{10})"')
NEEDED = ("fqm-execution", "@cqframework/cql", "cql-exec-fhir", "@lhncbc/ucum-lhc")
Populations = dict[str, dict[str, int] | None]
"""Patient to the count in each population; none where not evaluable."""
Found = dict[str, Populations]


def main() -> None:
    """Compare, and measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="for bundles; what is in it is replaced")
    parser.add_argument("--modules", type=Path, required=True, help="node_modules with the packages")
    parser.add_argument("--patients", type=int, default=400, help="random patients, besides those of the examples")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--copies", type=int, default=200, help="of every patient, for the speed on many")
    asked = parser.parse_args()
    lacking = [name for name in NEEDED if not (asked.modules / name).is_dir()]
    if not shutil.which("node") or lacking:
        print(f"skipped: {'packages ' + ', '.join(lacking) if lacking else 'node'} not installed (see {ORACLE})")
        return
    examples, expected = example_patients()
    _write(asked.folder, examples, asked.patients, asked.seed)
    theirs, their_seconds = _by_fqm(asked.folder, asked.modules, examples)
    ours, read_seconds, our_seconds = _by_openvbp(asked.folder, examples)
    _report_examples(ours, theirs, expected)
    differing = sum(_report(measure, ours[measure], theirs[measure]) for measure in sorted(ours))
    _report_speed(ours, their_seconds, read_seconds, our_seconds)
    _report_many(asked.folder, examples, asked.copies, len(ours), sum(their_seconds.values()))
    sys.exit(1 if differing else 0)


def _write(folder: Path, examples: Examples, count: int, seed: int) -> None:
    shutil.rmtree(folder / "patients", ignore_errors=True)
    persons, events = random_patients(count, seed)
    every = {kind: events.get(kind, []) + examples.events.get(kind, []) for kind in {*events, *examples.events}}
    write_bundles(folder, [*examples.persons, *persons], every, examples.sets)
    draw = random.Random(seed)
    for path in sorted((folder / "patients").glob("*.json")):
        # Diagnoses always: of one that began on the period's first day and is not said to go on, the engine takes the
        # end for earlier than the beginning, if that is a day without a time.
        pattern = _DAY if draw.random() < 0.5 else _DAY_OF_DIAGNOSIS
        path.write_text(pattern.sub(lambda found: _timed(found, draw), path.read_text()))


def _timed(found: re.Match[str], draw: random.Random) -> str:
    """Give a day a time, so that days must be cut out of times.

    All in the zone of the run: with another, the engine compares in the zone of the event, and its days of the period
    begin and end at other times than the period does.
    """
    name, day = found.groups()
    hour = 20 if name in ("end", "abatementDateTime") else draw.randrange(20)
    return f'"{name}": "{day}T{hour:02}:30:00.000+00:00"'


def _by_fqm(folder: Path, modules: Path, examples: Examples) -> tuple[Found, dict[str, float]]:
    elm = folder / "diabetes.elm.json"
    with elm.open("w") as file:
        command = ["node", str(ORACLE / "translate.mjs"), str(modules), str(ORACLE / "diabetes.cql")]
        subprocess.run(command, check=True, stdout=file)
    period = [examples.period.start.isoformat(), examples.period.end.isoformat()]
    command = ["node", str(ORACLE / "run.mjs"), str(modules), str(elm), str(folder), *period]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = json.loads(printed[printed.index('{"electronic') :])
    return {name: one["members"] for name, one in found.items()}, {name: one["seconds"] for name, one in found.items()}


def _by_openvbp(folder: Path, examples: Examples) -> tuple[Found, float, float]:
    measures = electronic_measures()
    start = time.process_time()
    patients = read_bundles(folder / "patients", UTC)
    sets = read_fhir_value_sets(folder).sets
    read = time.process_time() - start
    with open_engine("duckdb") as engine:
        data = patients.event_data(engine, with_enrollment=False)
        start = time.process_time()
        statuses = statuses_of(engine, data, measures, sets, examples.period)
        seconds = time.process_time() - start
    found = {name: {who: populations_of(one) for who, one in some.items()} for name, some in statuses.items()}
    return found, read, seconds


def _report_examples(ours: Found, theirs: Found, expected: dict[tuple[str, str], str]) -> None:
    wanted = {name: {who: populations_of(expected.get((name, who), "outside")) for who in ours[name]} for name in ours}
    for by, found in (("openvbp", ours), ("fqm-execution", theirs)):
        right = sum(
            _same(found[name][who], wanted[name][who])
            for name in found
            for who in found[name]
            if who.startswith("example")
        )
        of = sum(who.startswith("example") for name in found for who in found[name])
        print(f"examples: {by} puts {right} of {of} where they must be")


def _same(found: dict[str, int] | None, wanted: dict[str, int] | None) -> bool:
    """Whether populations are the same; who is not evaluable here must be outside the numerator there, or outside."""
    if found is None or wanted is None:
        given = found or wanted or {}
        return not given.get("numerator") and not given.get("denominator-exclusion")
    return all(wanted[name] == count for name, count in found.items() if name in wanted) and bool(found)


def _report(measure: str, ours: Populations, theirs: Populations) -> int:
    names = ("initial-population", "denominator", "denominator-exclusion", "numerator")
    differing = 0
    for name in names:
        judged = [who for who in theirs if ours[who] is not None]
        wrong = [who for who in judged if ours[who][name] != theirs[who].get(name, 0)]
        members = sum(theirs[who].get(name, 0) for who in theirs)
        differing += len(wrong)
        example = f"  for example {', '.join(wrong[:5])}" if wrong else ""
        print(f"{measure} {name:22} {members:>6,} members, {len(wrong):>3} of {len(judged):,} differ{example}")
    unknown = [who for who in theirs if ours[who] is None]
    wrong = [who for who in unknown if not _same(None, theirs[who])]
    print(f"{measure} not evaluable here     {len(unknown):>6,}; of them {len(wrong)} in numerator or excluded there")
    return differing + len(wrong)


def _report_speed(ours: Found, their_seconds: dict[str, float], read: float, seconds: float) -> None:
    count, measures = len(next(iter(ours.values()))), len(ours)
    theirs = count * measures / sum(their_seconds.values())
    plain, whole = count * measures / seconds, count * measures / (seconds + read)
    print(f"fqm-execution {theirs:10,.0f} patients per CPU second a measure")
    print(f"openvbp       {plain:10,.0f} patients per CPU second a measure, {whole:,.0f} with reading the bundles")
    print(f"ratio         {plain / theirs:10,.0f} on events, {whole / theirs:,.0f} with reading the bundles")


def _report_many(folder: Path, examples: Examples, copies: int, measures: int, their_seconds: float) -> None:
    """The same patients many times over, as tables: what remains when starting up does not count."""
    patients = read_bundles(folder / "patients", UTC)
    sets = read_fhir_value_sets(folder).sets
    with open_engine("duckdb") as engine:
        data = patients.event_data(engine, with_enrollment=False)
        many = _copied(data, copies)
        start = time.process_time()
        found = statuses_of(engine, many, electronic_measures(), sets, examples.period)
        seconds = time.process_time() - start
    count = len(next(iter(found.values())))
    rate, theirs = count * measures / seconds, len(patients.persons) * measures / their_seconds
    print(f"openvbp       {rate:10,.0f} on {count:,} patients: {rate / theirs:,.0f} times")


def _copied(data: EventData, copies: int) -> EventData:
    numbers = data.engine.table(pa.table({"copy": [str(one) for one in range(copies)]}), "copies")

    def copied(table: ir.Table, name: str) -> ir.Table:
        many = table.cross_join(numbers)
        named = many.mutate(person_id=many.person_id + "-" + many.copy).drop("copy")
        return data.engine.compute(named, f"copied_{name}")

    events = {kind: copied(table, kind) for kind, table in data.events.items()}
    return EventData(data.engine, copied(data.persons, "persons"), None, events)


if __name__ == "__main__":
    main()
