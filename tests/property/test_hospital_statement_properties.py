"""The five programs together, on random payments and factors: exact identities, and what the law makes additive.

Rounding: every change keeps ten decimals of a dollar. A hospital's statement is at most some units of the tenth decimal
from plain fractions, so is the sum over some hundred stays.
"""

from __future__ import annotations

import itertools
import random
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openvbp.engine import Engine
from openvbp.parameters import load_parameters
from openvbp.pipeline import run
from openvbp.programs.hospital_statement import PROGRAM, result_tables
from openvbp.programs.hospital_statement.input_files import PROGRAMS
from openvbp.programs.hospital_statement.payments import pay, scenario_rows
from openvbp.scenarios import override

quick = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PARAMETERS = load_parameters(PROGRAM.parameters_file)
FY2024 = PARAMETERS.in_force(PARAMETERS.period("FY2024"))
IDS = tuple(program.program_id for program in PROGRAMS)
FACTOR_IDS = ("iqr", "hvbp", "hrrp", "hacrp")
TINY = Fraction(1, 10**8)
Row = dict[str, Any]


@dataclass(frozen=True)
class Payments:
    """Payments and factors of a hospital or a stay."""

    base: Decimal
    other: Decimal
    lost: Decimal
    """What is not paid for acquired conditions, at the full update."""
    iqr: Decimal
    hvbp: Decimal
    hrrp: Decimal
    hacrp: Decimal

    def row(self, provider_id: str) -> Row:
        row: Row = {
            "provider_id": provider_id,
            "base_operating_drg_payment_amount": self.base,
            "other_payment_amount": self.other,
            "hac_nonpayment_amount": self.lost,
            "given_dra_hac_factor": None,
        }
        for program_id in FACTOR_IDS:
            row[f"given_{program_id}_factor"] = getattr(self, program_id)
        for program_id in IDS:
            row |= {f"{program_id}_status": "scored", f"{program_id}_reason": None, f"{program_id}_source": "test"}
        return row

    def paid(self) -> Fraction:
        """What is paid in the end, in plain fractions, as one formula."""
        base, other, lost, iqr, hvbp, hrrp, hacrp = (Fraction(getattr(self, name)) for name in self.__annotations__)
        return hacrp * ((base - lost) * iqr * (1 + (hvbp - 1) + (hrrp - 1)) + other)


SCHEMA = pa.schema(
    [("provider_id", pa.string())]
    + [
        (name, pa.decimal128(18, 2))
        for name in ("base_operating_drg_payment_amount", "other_payment_amount", "hac_nonpayment_amount")
    ]
    + [(f"given_{program_id}_factor", pa.decimal128(18, 12)) for program_id in IDS]
    + [(f"{program_id}_{name}", pa.string()) for program_id in IDS for name in ("status", "reason", "source")]
)
cents = st.integers(1, 2 * 10**11).map(lambda units: Decimal(units).scaleb(-2))
small_cents = st.integers(0, 3 * 10**6).map(lambda units: Decimal(units).scaleb(-2))


def factors(lowest: str, highest: str) -> st.SearchStrategy[Decimal]:
    return st.one_of(
        st.sampled_from([Decimal(1), Decimal(lowest), Decimal(highest)]), st.decimals(lowest, highest, places=12)
    )


def payments(base: st.SearchStrategy[Decimal], other: st.SearchStrategy[Decimal]) -> st.SearchStrategy[Payments]:
    drawn = st.builds(
        Payments,
        base,
        other,
        st.just(Decimal(0)),
        factors("0.98", "1"),
        factors("0.98", "1.05"),
        factors("0.97", "1"),
        st.sampled_from([Decimal("0.99"), Decimal(1)]),
    )
    share = st.one_of(st.just(0), st.integers(0, 1000))
    return st.tuples(drawn, share).map(
        lambda both: replace(both[0], lost=(both[0].base * both[1] / 1000).quantize(Decimal("0.01")))
    )


hospitals = st.lists(payments(cents, cents), min_size=1, max_size=60)


def pay_all(
    engine: Engine, rows: Sequence[Payments], changes: Mapping[str, str] = {}, *, is_claim: bool = False
) -> list[Row]:
    """Run the rules on some hospitals, in their order."""
    table = pa.Table.from_pylist([one.row(f"{place:06d}") for place, one in enumerate(rows)], schema=SCHEMA)
    scenario = override(FY2024, "changed", dict(changes)) if changes else FY2024
    scenarios = engine.table(scenario_rows([scenario]), "scenario")
    paid = pay(engine, engine.table(table, "payments"), scenarios, name="paid", is_claim=is_claim)
    return engine.to_arrow(paid.order_by("provider_id")).to_pylist()


def pay_pairs(engine: Engine, rows: Sequence[Payments], others: Sequence[Payments]) -> list[tuple[Row, Row]]:
    """Run the rules on hospitals and on others to compare them with, at once because that is faster."""
    paid = pay_all(engine, [*rows, *others])
    return list(zip(paid[: len(rows)], paid[len(rows) :], strict=True))


def components(engine: Engine, rows: Sequence[Payments]) -> list[dict[str, Decimal]]:
    """Amounts of the payment components of some hospitals, in their order."""
    table = pa.Table.from_pylist([one.row(f"{place:06d}") for place, one in enumerate(rows)], schema=SCHEMA)
    scenarios = engine.table(scenario_rows([FY2024]), "scenario")
    paid = pay(engine, engine.table(table, "payments"), scenarios, name="paid")
    found: dict[str, dict[str, Decimal]] = {}
    result = result_tables.payment_result(paid, [FY2024])
    for row in engine.to_arrow(result.order_by("provider_id")).to_pylist():
        found.setdefault(row["provider_id"], {})[row["component_id"]] = row["amount"]
    return list(found.values())


def starting_with(amounts: Mapping[str, Decimal], start: str) -> Decimal:
    return sum((amount for name, amount in amounts.items() if name.startswith(start)), Decimal(0))


@quick
@given(hospitals)
def test_shares_add_up_to_the_last_decimal(duckdb_engine: Engine, rows: list[Payments]) -> None:
    for amounts in components(duckdb_engine, rows):
        assert len(amounts) == 16
        assert starting_with(amounts, "step_") == amounts["total"]
        assert starting_with(amounts, "alone_") + amounts["interaction"] == amounts["total"]
        assert starting_with(amounts, "interaction_") == amounts["interaction"]
        for place, program_id in enumerate(IDS[1:], 2):
            alone, together = amounts[f"alone_{place}_{program_id}"], amounts[f"interaction_{place}_{program_id}"]
            assert alone + together == amounts[f"step_{place}_{program_id}"]


@quick
@given(hospitals)
def test_the_statement_is_the_formula_of_the_law(duckdb_engine: Engine, rows: list[Payments]) -> None:
    for one, row in zip(rows, pay_all(duckdb_engine, rows), strict=True):
        assert abs(Fraction(row["payment_amount"]) - one.paid()) <= TINY
        assert row["payment_without_programs"] + row["total_change"] == row["payment_amount"]
        exact = one.paid() / Fraction(one.base + one.other)
        cent = Fraction(1, 100) / Fraction(one.base + one.other)
        assert abs(Fraction(row["combined_factor"]) - exact) <= cent + TINY


@quick
@given(hospitals)
def test_hospital_vbp_and_readmissions_are_added_in_any_order(duckdb_engine: Engine, rows: list[Payments]) -> None:
    swapped = [replace(one, hvbp=one.hrrp, hrrp=one.hvbp) for one in rows]
    for row, other in pay_pairs(duckdb_engine, rows, swapped):
        assert row["payment_amount"] == other["payment_amount"]
        assert row["hacrp_change"] == other["hacrp_change"]
        assert (row["hvbp_change"], row["hrrp_change"]) == (other["hrrp_change"], other["hvbp_change"])


@quick
@given(hospitals)
def test_update_and_regrouping_give_the_same_base_in_any_order(duckdb_engine: Engine, rows: list[Payments]) -> None:
    regrouped = [replace(one, base=one.base - one.lost, lost=Decimal(0)) for one in rows]
    for row, other in pay_pairs(duckdb_engine, rows, regrouped):
        left, right = (one["adjusted_base_operating_drg_payment_amount"] for one in (row, other))
        assert abs(left - right) <= Decimal("2e-10")


@quick
@given(hospitals)
def test_the_hac_reduction_never_raises_a_payment(duckdb_engine: Engine, rows: list[Payments]) -> None:
    for one, row in zip(rows, pay_all(duckdb_engine, rows), strict=True):
        assert row["hacrp_change"] <= 0
        assert (row["hacrp_change"] == 0) == (one.hacrp == 1)
        assert row["payment_amount"] <= row["payment_before_hac_reduction"]


@quick
@given(hospitals, st.sampled_from(IDS))
def test_a_program_that_is_switched_off_is_one_with_factor_one(
    duckdb_engine: Engine, rows: list[Payments], program_id: str
) -> None:
    neutral = [
        replace(one, lost=Decimal(0)) if program_id == "dra_hac" else replace(one, **{program_id: Decimal(1)})
        for one in rows
    ]
    off = pay_all(duckdb_engine, rows, {f"is_{program_id}_in_force": "false"})
    for without, with_one in zip(off, pay_all(duckdb_engine, neutral), strict=True):
        for name, amount in with_one.items():
            if name.endswith(("_change", "_alone", "_factor")) and not name.startswith("given_"):
                assert without[name] == amount, name
        assert without["payment_amount"] == with_one["payment_amount"]
        assert without[f"{program_id}_status"] == "excluded"


@quick
@given(hospitals)
def test_a_higher_factor_never_pays_less(duckdb_engine: Engine, rows: list[Payments]) -> None:
    step = Decimal("0.000000000001")
    higher = [replace(one, **{name: getattr(one, name) + step}) for name in FACTOR_IDS for one in rows]
    for row, other in pay_pairs(duckdb_engine, [*rows] * len(FACTOR_IDS), higher):
        # Each of at most six rounded changes may lose a unit of its last decimal.
        assert other["payment_amount"] >= row["payment_amount"] - Decimal("6e-10")


@quick
@given(
    payments(cents, cents), st.lists(st.tuples(small_cents, small_cents, st.integers(0, 100)), min_size=1, max_size=60)
)
def test_stays_add_up_to_the_year(
    duckdb_engine: Engine, hospital: Payments, amounts: list[tuple[Decimal, Decimal, int]]
) -> None:
    stays = [
        replace(hospital, base=base, other=other, lost=(base * share / 100).quantize(Decimal("0.01")))
        for base, other, share in amounts
    ]
    year = replace(
        hospital,
        base=sum((one.base for one in stays), Decimal(0)),
        other=sum((one.other for one in stays), Decimal(0)),
        lost=sum((one.lost for one in stays), Decimal(0)),
    )
    [of_year], of_stays = pay_all(duckdb_engine, [year]), pay_all(duckdb_engine, stays, is_claim=True)
    for name in ("payment_amount", "total_change", "interaction", *(f"{program_id}_change" for program_id in IDS)):
        total = sum((row[name] for row in of_stays), Decimal(0))
        assert abs(total - of_year[name]) < Decimal("0.005"), name
    for row in of_stays:
        # Base, two adjustments and the reduction are each rounded by at most half a cent.
        assert abs(row["claim_payment_amount"] - row["payment_amount"]) <= Decimal("0.0205")


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    generator = random.Random(5)
    tables = random_files(generator)
    first = statement(tables, tmp_path / "first")
    shuffled = {name: (header, generator.sample(rows, len(rows))) for name, (header, rows) in tables.items()}
    second = statement(shuffled, tmp_path / "second")
    assert first == second
    assert len(first["results/payment_result"]) == 5 * 16
    assert len(first["evidence/stay_payment"]) == 5 * 4


def test_runs_give_the_same_twice_and_on_one_thread(tmp_path: Path) -> None:
    tables = random_files(random.Random(6))
    assert statement(tables, tmp_path / "first") == statement(tables, tmp_path / "second", threads=1)


Files = dict[str, tuple[str, list[str]]]


def random_files(generator: random.Random) -> Files:
    """Files of five hospitals with four stays each."""
    yearly, given_factors, stays = [], [], []
    for place in range(5):
        provider_id = f"99{place:04d}"
        amounts = [
            (generator.randrange(10**6), generator.randrange(10**6), generator.randrange(1000)) for _ in range(4)
        ]
        for number, (base, other, lost) in enumerate(amounts):
            cells = (f"{unit / 100:.2f}" for unit in (base + 1000, other, lost))
            stays.append(f"{place}-{number},{provider_id},2023-10-{number + 10}," + ",".join(cells))
        totals = [sum(column) for column in zip(*amounts, strict=True)]
        yearly.append(f"{provider_id},{totals[0] / 100 + 40:.2f},{totals[1] / 100:.2f},{totals[2] / 100:.2f}")
        for program_id, factor in zip(FACTOR_IDS, ("1", "1.013", "0.9871", "0.99"), strict=True):
            given_factors.append(f"{provider_id},{program_id},{factor},made up")
    amounts_header = "base_operating_drg_payment_amount,other_payment_amount,hac_nonpayment_amount"
    return {
        "hospitals.csv": (f"provider_id,{amounts_header}", yearly),
        "factors.csv": ("provider_id,program_id,factor,source", given_factors),
        "stays.csv": (f"stay_id,provider_id,discharge_date,{amounts_header}", stays),
    }


def statement(tables: Files, folder: Path, threads: int | None = None) -> dict[str, list[Row]]:
    """Write the files, run, and read every table of the run."""
    with tempfile.TemporaryDirectory() as data:
        for name, (header, rows) in tables.items():
            Path(data, name).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
        finished = run("hospital_statement", period="FY2024", data=Path(data), out=folder, threads=threads)
    assert finished.record["checks"] == []
    return {
        path: pq.read_table(folder / f"{path}.parquet").to_pylist() for path in itertools.chain(finished.record["rows"])
    }
