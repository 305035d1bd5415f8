"""Synthetic Hospital VBP files, in the layout of the published ones, for hospitals that do not exist.

The files hold rates, performance standards and cases; points and scores are left to the engine. Hospital numbers
begin with 99, the code of no State, and everything says that it is synthetic.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openvbp import __version__
from openvbp.engine import cannot_write
from openvbp.errors import Problem, UsageError
from openvbp.parameters import Scenario, load_parameters
from openvbp.programs.hvbp.measures import measure_catalogue
from openvbp.programs.hvbp.synthetic_columns import MISSING, Column, as_text, measure_columns
from openvbp.programs.hvbp.synthetic_rates import (
    Hospitals,
    ObservedRates,
    case_counts,
    draw_hospitals,
    measure_models,
    observed_rates,
    random_numbers,
)

_FEWEST, _MOST = 20, 9_999
_STATE_CODE = "99"
_FILE_NAME = "SYNTHETIC_hvbp_{}.csv"
_README = "SYNTHETIC.txt"
_TRUTH = "SYNTHETIC_truth"
_IDENTITY = (
    "Fiscal Year",
    "Facility ID",
    "Facility Name",
    "Address",
    "City/Town",
    "State",
    "ZIP Code",
    "County/Parish",
)
_PLACE = ("Synthetic", "XX", "00000", "Synthetic")
_EXCLUDED = (
    "payment reduction under the Hospital Inpatient Quality Reporting Program",
    "cited for deficiencies that pose immediate jeopardy to patients",
)
_NOTE = """SYNTHETIC DATA. No hospital, rate, amount or person in this folder is real.

{hospitals:,} made-up hospitals, {period}, seed {seed}. Made by openvbp {version}.
The layout is that of the Hospital Value-Based Purchasing files that CMS publishes; points and scores are left out.
Hospital numbers begin with 99, which is the code of no State.
SYNTHETIC_truth/true_quality.csv holds each hospital's true quality, which the program does not see.
"""


@dataclass(frozen=True)
class SyntheticFiles:
    """What was written."""

    folder: Path
    """The folder to give as ``--data``."""
    files: tuple[Path, ...]
    """The CSV files of the folder."""
    hospitals: int
    truth: Path
    """Each hospital's true quality, in standard deviations; not in the folder's CSV files."""


def generate(
    to: Path, *, hospitals: int = 300, period: str = "FY2024", seed: int = 1, also: Sequence[str] = ()
) -> SyntheticFiles:
    """Write synthetic published files and the three files that a user may add.

    Parameters
    ----------
    to
        Folder: made if absent; earlier synthetic files in it are replaced.
    hospitals
        How many, 20 to 9,999.
    period
        Program period whose measures the files hold.
    seed
        Zero or more; the same seed gives the same bytes (with the same NumPy, which may change its draws).
    also
        Hospitals of a synthetic population, which take the places of the last ones.

    Raises
    ------
    UsageError
        If the number, the seed or the period is out of range, or the folder holds other files.
    MachineError
        If the files cannot be written.

    Source: thresholds, benchmarks and floors as 42 CFR 412.160 defines them.

    Examples
    --------
    >>> generate(Path("files"), hospitals=50, seed=7).hospitals  # doctest: +SKIP
    50
    """
    _check(hospitals, seed)
    parameters = load_parameters(Path(__file__).with_name("parameters.yaml"))
    scenario = parameters.in_force(parameters.period(period))
    drawn = draw_hospitals(hospitals, seed)
    ids = [*(f"{_STATE_CODE}{number:04d}" for number in range(1, hospitals + 1 - len(also))), *also]
    observed = _observed(scenario, drawn, seed)
    tables = {
        **_measure_files(scenario, observed, ids),
        "cases": _case_columns(observed, ids),
        "payments": _payment_columns(drawn, ids, seed),
        "attributes": _attribute_columns(drawn, ids, seed),
    }
    files = tuple(to / _FILE_NAME.format(name) for name in tables)
    truth = to / _TRUTH / "true_quality.csv"
    try:
        _clear(to)
        note = _NOTE.format(hospitals=hospitals, period=period, seed=seed, version=__version__)
        (to / _README).write_text(note, encoding="utf-8")
        for file, columns in zip(files, tables.values(), strict=True):
            _write(file, columns)
        _write(truth, _truth_columns(drawn, ids))
    except OSError as error:
        raise cannot_write(to, error, "free disk space or choose another folder") from error
    return SyntheticFiles(to, files, hospitals, truth)


def _check(hospitals: int, seed: int) -> None:
    problems = []
    if not _FEWEST <= hospitals <= _MOST:
        problems.append(
            Problem(
                f"{hospitals:,} hospitals cannot be made", "hospitals", f"choose a number from {_FEWEST} to {_MOST:,}"
            )
        )
    if seed < 0:
        problems.append(Problem(f"{seed} cannot be a seed", "seed", "choose zero or a number above"))
    if problems:
        raise UsageError(problems)


def _clear(to: Path) -> None:
    """Remove earlier synthetic files: another period has other files. Real files are never mixed with them."""
    present = sorted(to.iterdir()) if to.exists() else []
    earlier = [path for path in present if path.name == _README or path.match(_FILE_NAME.format("*"))]
    other = [path.name for path in present if path not in earlier and path.name != _TRUTH]
    if other:
        raise UsageError(
            Problem(
                "folder holds files that are not synthetic",
                str(to),
                "choose a new folder",
                len(other),
                tuple(other[:3]),
            )
        )
    (to / _TRUTH).mkdir(parents=True, exist_ok=True)
    for path in earlier:
        path.unlink()


def _observed(scenario: Scenario, drawn: Hospitals, seed: int) -> dict[str, ObservedRates]:
    """Rates and cases of every measure of the period that has rates."""
    catalogue = measure_catalogue()
    of_period = scenario.keyed("measure_domain")
    label = scenario.period.label
    observed = {}
    for measure_id, model in measure_models().items():
        if measure_id not in of_period:
            continue
        measure = catalogue[measure_id]
        # All dimensions of the survey rest on the same surveys.
        cases = case_counts(model, drawn.size, random_numbers(seed, label, measure.cases_of, "cases"))
        random = random_numbers(seed, label, measure_id, "rates")
        observed[measure_id] = observed_rates(model, measure.direction == "higher", drawn, cases, random)
    return observed


def _measure_files(
    scenario: Scenario, observed: Mapping[str, ObservedRates], ids: list[str]
) -> dict[str, list[Column]]:
    """One file per domain: hospital, standards and rates; the combined score is a column without values."""
    catalogue = measure_catalogue()
    models = measure_models()
    combinations = scenario.keyed("combined_into")
    files: dict[str, list[Column]] = {}
    combined: set[str] = set()
    for measure_id, rates in observed.items():
        domain_id = scenario.value("measure_domain", measure_id)
        columns = files.setdefault(domain_id, _identity_columns(scenario.period.label, ids))
        combination = combinations.get(measure_id)
        if combination and combination not in combined:
            combined.add(combination)
            columns.append((f"{catalogue[combination].names_in_files[0]} Measure Score", [MISSING] * len(ids)))
        minimum = float(scenario.value("minimum_cases", catalogue[measure_id].cases_of) or 0)
        in_performance = domain_id == "efficiency_and_cost_reduction"
        columns += measure_columns(
            catalogue[measure_id], models[measure_id], rates, minimum, in_performance=in_performance
        )
    return files


def _identity_columns(period: str, ids: list[str]) -> list[Column]:
    year = period.removeprefix("FY")
    rows = ((year, one, f"Synthetic hospital {one[2:]}", f"{int(one[2:])} Synthetic Street", *_PLACE) for one in ids)
    return _columns(_IDENTITY, rows)


def _case_columns(observed: Mapping[str, ObservedRates], ids: list[str]) -> list[Column]:
    """Cases of every hospital and measure; the dimensions of the survey share its surveys."""
    catalogue = measure_catalogue()
    models = measure_models()
    cases: dict[str, tuple[list[str], list[str]]] = {}
    for measure_id, rates in observed.items():
        decimals = 3 if models[measure_id].counts_infections else 0
        baseline, performance = ([f"{one:.{decimals}f}" for one in of_period] for of_period in rates.cases)
        cases[catalogue[measure_id].cases_of] = baseline, performance
    rows = [
        (provider_id, measure_id, baseline[index], performance[index])
        for index, provider_id in enumerate(ids)
        for measure_id, (baseline, performance) in cases.items()
    ]
    return _columns(("Facility ID", "Measure ID", "Baseline Cases", "Performance Cases"), rows)


def _payment_columns(drawn: Hospitals, ids: list[str], seed: int) -> list[Column]:
    """Base operating DRG payment amounts: larger hospitals are paid more."""
    random = random_numbers(seed, "payments")
    cents = np.rint(2e9 * np.exp(0.9 * drawn.size + random.normal(0, 0.25, len(ids)))).astype(np.int64)
    return [
        ("Facility ID", ids),
        ("Base Operating DRG Payment Amount USD", [as_text(one, 2) for one in cents.tolist()]),
    ]


def _attribute_columns(drawn: Hospitals, ids: list[str], seed: int) -> list[Column]:
    """Dual-eligible share, and for two hospitals the reason why they are not in the program."""
    reasons = [""] * len(ids)
    excluded = random_numbers(seed, "excluded").permutation(len(ids))[: len(_EXCLUDED)]
    for index, reason in zip(excluded.tolist(), _EXCLUDED, strict=True):
        reasons[index] = reason
    ratios = [f"{one:.4f}" for one in drawn.dual_eligible_ratio]
    return [("Facility ID", ids), ("Dual Eligible Ratio", ratios), ("Excluded Reason", reasons)]


def _truth_columns(drawn: Hospitals, ids: list[str]) -> list[Column]:
    baseline, performance = ([f"{one:.4f}" for one in quality] for quality in drawn.true_quality)
    return [("Facility ID", ids), ("Baseline True Quality", baseline), ("Performance True Quality", performance)]


def _columns(headers: Sequence[str], rows: Iterable[tuple[str, ...]]) -> list[Column]:
    return [(header, list(column)) for header, column in zip(headers, zip(*rows, strict=True), strict=True)]


def _write(path: Path, columns: list[Column]) -> None:
    """Write as CMS does: the header quoted, cells only where they must be."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow([header for header, _ in columns])
        csv.writer(file, lineterminator="\n").writerows(zip(*(column for _, column in columns), strict=True))
