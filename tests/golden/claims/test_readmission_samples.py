"""Raw readmission within 30 days on DE-SynPUF: the measure language on loaded claims, and loops over the file.

A figure of 23.3 % is told of 18 of its samples. On samples 1 to 4 it comes out, as 23.2 %, if stays that no other stay
of the person follows are left out of the denominator; of all stays a tenth is followed within 30 days. A stay that
nothing follows is one without a readmission: the tenth is right.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from conftest import published_data
from openvbp.claims.adapters.loading import load
from openvbp.claims.tables import open_claims
from openvbp.engine import Engine
from openvbp.measures import events
from openvbp.measures.claims_events import events_from_claims
from openvbp.measures.hospital_stays import last_of_chain
from openvbp.measures.measure import Episode, Measure
from openvbp.measures.plan import evaluate
from openvbp.measures.rates import rates
from openvbp.measures.values import follow_up
from openvbp.periods import parse_any_period

PERIOD = parse_any_period("2008-01..2010-12")
NEXT = events.stay.having("is_first_of_chain", "==", True).starting(follow_up("0d", "30d"))
RAW = Measure("raw_readmission", "1", "lower_is_better", basis=Episode(last_of_chain()), numerator=NEXT.exists())
COLUMNS = ("DESYNPUF_ID", "CLM_ID", "PRVDR_NUM", "CLM_ADMSN_DT", "NCH_BENE_DSCHRG_DT", "ICD9_DGNS_CD_1", "CLM_FROM_DT")
Stay = tuple[date, date, str, str, str]
"""Admission, discharge, claim, hospital, diagnosis."""


def published() -> Path:
    return published_data("claims", "desynpuf")


@pytest.fixture(scope="module")
def claims(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("desynpuf") / "claims"
    load(published(), "synpuf", out)
    return out


def day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()


def claims_of_persons() -> dict[str, list[Stay]]:
    rows = pq.read_table(published() / "inpatient_claims_2008_2010.parquet", columns=list(COLUMNS)).to_pylist()
    claims: dict[tuple[str, str], Any] = {}
    for row in rows:
        # A claim of two segments is one; one without its first day is rejected by the adapter.
        if row["CLM_FROM_DT"]:
            claims.setdefault((row["DESYNPUF_ID"], row["CLM_ID"]), row)
    found: dict[str, list[Stay]] = {}
    for (person, claim), row in claims.items():
        days = day(row["CLM_ADMSN_DT"]), day(row["NCH_BENE_DSCHRG_DT"])
        found.setdefault(person, []).append((*days, claim, row["PRVDR_NUM"], row["ICD9_DGNS_CD_1"]))
    return found


def joined(claims: list[Stay]) -> list[Stay]:
    """Claims of one hospital that share more than a day are one stay."""
    stays: dict[str, list[Stay]] = {}
    for one in sorted(claims):
        own = stays.setdefault(one[3], [])
        if own and one[0] < own[-1][1]:
            last = max(own[-1], one, key=lambda claim: (claim[1], claim[0], claim[2]))
            own[-1] = (own[-1][0], max(own[-1][1], one[1]), min(own[-1][2], one[2]), one[3], last[4])
        else:
            own.append(one)
    return sorted(stay for own in stays.values() for stay in own)


def chained(stays: list[Stay]) -> list[tuple[date, date]]:
    """First day of each chain, and the discharge of its last stay."""
    chains: list[tuple[date, date]] = []
    reached, before = date.min, None
    for stay in stays:
        days = (stay[0] - reached).days
        transfer = before is not None and days <= 1 and stay[3] != before[3]
        same_day = before is not None and stay[0] == before[1] and stay[3] == before[3]
        if before is not None and (transfer or (same_day and stay[4][:3] == before[4][:3])):
            chains[-1] = (chains[-1][0], stay[1])
        else:
            chains.append((stay[0], stay[1]))
        reached, before = max(reached, stay[1]), stay
    return chains


def test_raw_readmission_is_that_of_the_published_file(duckdb_engine: Engine, claims: Path) -> None:
    data = events_from_claims(open_claims(duckdb_engine, claims), {"stay"})
    evaluated = evaluate(data, [RAW], {}, [PERIOD])
    (ours,) = rates(duckdb_engine, evaluated, [], [PERIOD]).to_pylist()
    index = readmitted = 0
    # Who was never covered has claims, but is no person of the folder.
    covered = set(pq.read_table(claims / "eligibility.parquet", columns=["person_id"])["person_id"].to_pylist())
    for person, some in claims_of_persons().items():
        chains = chained(joined(some))
        for number, (_first, last) in enumerate(chains):
            if person in covered and PERIOD.start <= last <= PERIOD.end:
                index += 1
                others = chains[:number] + chains[number + 1 :]
                readmitted += any(0 <= (first - last).days <= 30 for first, _last in others)
    assert (ours["denominator"], ours["met"]) == (index, readmitted)
    assert round(ours["rate"], 3) == Decimal("0.098")


def test_the_figure_of_the_note_leaves_out_stays_that_nothing_follows() -> None:
    pairs = [
        (stay, later)
        for some in claims_of_persons().values()
        for stay, later in zip(sorted(some), [*sorted(some)[1:], None], strict=True)
    ]
    returns = [later is not None and 0 <= (later[0] - stay[1]).days <= 30 for stay, later in pairs]
    assert round(sum(returns) / len(pairs), 3) == 0.101
    assert round(sum(returns) / sum(later is not None for _stay, later in pairs), 3) == 0.232
