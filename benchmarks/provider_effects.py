"""Are hospitals' true effects recovered? Outcome models on a generated population, against what its truth tables say.

    openvbp generate --members 1000000 --processes 2 --out CLAIMS
    .venv/bin/python benchmarks/provider_effects.py CLAIMS

Stays of two years are followed for 30 days: death after admission, readmission after discharge of those who leave
alive. Each is fitted by the random-intercept model three times: without covariates; with what claims tell of a stay
(age, sex, dual eligibility, the year and the principal diagnosis); and, as the oracle, with the person's true risk
besides, which nobody has in practice. Printed is the rank correlation of the predicted/expected ratios with the
generator's effects, for hospitals with at least 25 stays, and about what chance leaves of it: the square root of the
mean reliability. Nothing here is a test.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import ibis
import numpy as np
from ibis import _
from scipy.stats import spearmanr

from openvbp.claims.service_lines import service_lines
from openvbp.claims.stays import stays
from openvbp.claims.tables import open_claims
from openvbp.engine import Engine, kept_table, open_engine
from openvbp.outcome_models.fitting import Fit, fit
from openvbp.outcome_models.rows import rows_in_memory
from openvbp.outcome_models.standardization import standardized_rates

FEWEST = 25
FOLLOW_UP = 30


def main() -> None:
    """Print all of it."""
    folder = Path(sys.argv[1])
    began = time.process_time()
    with open_engine() as engine, tempfile.TemporaryDirectory() as scratch:
        table = cases(engine, folder, Path(scratch))
        effects = truth(engine, folder)
    print(f"{folder}: {len(table['facility']):,} stays, {time.process_time() - began:.1f} CPU s to make them")
    for name, measure, at_risk in (
        ("death within 30 days", "hospital_mortality", np.ones(len(table["facility"]), bool)),
        ("readmission within 30 days", "hospital_readmission", table["died_in_hospital"] == 0),
    ):
        column = "died" if measure == "hospital_mortality" else "readmitted"
        some = {key: values[at_risk] for key, values in table.items()}
        print(f"{name}: {len(some[column]):,} stays, {some[column].mean():.4f}")
        for title, covariates in models(some).items():
            fitted, seconds = _fitted(covariates, some[column], some["facility"])
            print(f"  {title:28} {_agreement(fitted, effects[measure])}; tau {fitted.tau:.3f}, {seconds:.1f} CPU s")


def cases(engine: Engine, folder: Path, scratch: Path) -> dict[str, Any]:
    """Stays with outcomes and covariates, as columns."""
    claims = open_claims(engine, folder)
    lines = service_lines(
        claims.table("medical_claim"), lambda rows, name: kept_table(engine, rows, f"effects_{name}", scratch)
    )
    stay = engine.compute(stays(lines), "effects_stays")
    following = ibis.window(group_by="person_id", order_by=["admission_date", "stay_id"])
    stay = stay.mutate(next_admission=_.admission_date.lead().over(following))
    latest = ibis.row_number().over(group_by="person_id", order_by=[ibis.desc("enrollment_start_date"), "plan"])
    person = claims.table("eligibility").mutate(place=latest).filter(_.place == 0)
    person = person.select("person_id", "birth_date", "death_date", "gender", "dual_status_code")
    risk = engine.read_parquet(folder / "truth" / "truth_member" / "*.parquet", "effects_risk")
    joined = (
        stay.filter(_.is_last_of_chain)
        .mutate(year=_.admission_date.year().cast("int64"))
        .join(person, "person_id")
        .join(risk.select("person_id", "year", "risk"), ["person_id", "year"])
    )
    last = joined.discharge_date.max()
    found = joined.filter(joined.discharge_date.delta(last.as_scalar(), unit="day") <= -FOLLOW_UP).select(
        "facility",
        "year",
        "risk",
        age=_.admission_date.year() - _.birth_date.year(),
        female=(_.gender == "female").cast("int64"),
        dual=_.dual_status_code.isin(("01", "02", "03", "04", "05", "06", "08")).fill_null(False).cast("int64"),  # noqa: FBT003
        diagnosis=_.diagnosis_code_1,
        died=_days(_.death_date, _.admission_date).between(0, FOLLOW_UP).fill_null(False).cast("int64"),  # noqa: FBT003
        died_in_hospital=(_.death_date <= _.discharge_date).fill_null(False).cast("int64"),  # noqa: FBT003
        readmitted=_days(_.next_admission, _.discharge_date).between(0, FOLLOW_UP).fill_null(False).cast("int64"),  # noqa: FBT003
    )
    rows = engine.to_arrow(found.order_by("facility"))
    return {name: np.array(rows[name].to_pylist()) for name in rows.column_names}


def _days(later: Any, earlier: Any) -> Any:
    return later.delta(earlier, unit="day")


def truth(engine: Engine, folder: Path) -> dict[str, dict[str, float]]:
    """Measure to the effect of each hospital."""
    rows = engine.read_parquet(folder / "truth" / "truth_provider_effect" / "*.parquet", "effects_truth")
    found: dict[str, dict[str, float]] = {}
    for row in engine.to_arrow(rows.filter(_.ccn.notnull())).to_pylist():
        found.setdefault(row["measure"], {})[row["ccn"]] = row["effect"]
    return found


def models(table: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Covariates of each model."""
    claims = {
        "age": (table["age"] - 75) / 10,
        "age_squared": ((table["age"] - 75) / 10) ** 2,
        "female": table["female"],
        "dual": table["dual"],
        "second_year": table["year"] - table["year"].min(),
    }
    codes, counts = np.unique(table["diagnosis"], return_counts=True)
    common = codes[np.argsort(-counts)][1:21]
    claims |= {f"diagnosis_{code}": (table["diagnosis"] == code).astype(float) for code in common}
    return {
        "no covariates": {},
        "what claims tell": claims,
        "oracle: true risk besides": claims | {"log_risk": np.log(table["risk"])},
    }


def _fitted(covariates: dict[str, Any], outcome: Any, provider: Any) -> tuple[Fit, float]:
    began = time.process_time()
    given = covariates or {"nothing": np.random.default_rng(1).standard_normal(len(outcome))}
    found = fit(rows_in_memory(given, outcome, provider))
    return found, time.process_time() - began


def _agreement(fitted: Fit, effects: dict[str, float]) -> str:
    sizes = np.diff(fitted.design.rows.starts)
    ratios = standardized_rates(fitted).ratio
    kept = [at for at, name in enumerate(fitted.providers) if name in effects and sizes[at] >= FEWEST]
    true = [effects[fitted.providers[at]] for at in kept]
    possible = np.sqrt(fitted.reliability[kept].mean())
    found = spearmanr(ratios[kept], true).statistic
    return f"{len(kept)} hospitals, rank correlation {found:.3f} (chance leaves about {possible:.3f})"


if __name__ == "__main__":
    main()
