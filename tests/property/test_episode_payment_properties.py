"""Episodes and reconciliations: windows on both engines, random hospitals against a plain reading, broken files."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openvbp.engine import Engine
from openvbp.errors import InputDataError, UsageError
from openvbp.pipeline import run
from openvbp.programs.episode_payment import episodes
from openvbp.run_folder import RunFolder
from openvbp.settlement_audit import audit_settlement

EXAMPLE = Path(__file__).parents[2] / "examples" / "episode_payment"
HOSPITALS = "provider_id,provider_name,participation,composite_quality_score"
PRICES = "provider_id,episode_category,hospital_baseline_price,regional_baseline_price,high_cost_cap"
ANCHORS = "beneficiary_id,provider_id,episode_category,admission_date,discharge_date,death_date"
CLAIMS = "claim_id,beneficiary_id,first_day,last_day,allowed_amount"


def test_windows_cancellation_and_proration(engine: Engine) -> None:
    day = date(2016, 5, 1)
    rows = [
        # beneficiary, admission, discharge, death, first day without eligibility
        ("alone", day, day + timedelta(3), None, None),
        ("again", day, day + timedelta(3), None, None),
        ("again", day + timedelta(92), day + timedelta(95), None, None),
        ("later", day, day + timedelta(3), None, None),
        ("later", day + timedelta(93), day + timedelta(95), None, None),
        ("dies", day, day + timedelta(3), day + timedelta(92), None),
        ("outlives", day, day + timedelta(3), day + timedelta(93), None),
        ("leaves", day, day + timedelta(3), None, day + timedelta(92)),
        ("leaves later", day, day + timedelta(3), None, day + timedelta(93)),
    ]
    table = pa.table(
        {
            "beneficiary_id": [row[0] for row in rows],
            "provider_id": ["010001"] * len(rows),
            "model": ["cjr"] * len(rows),
            "admission_date": pa.array([row[1] for row in rows], pa.date32()),
            "discharge_date": pa.array([row[2] for row in rows], pa.date32()),
            "death_date": pa.array([row[3] for row in rows], pa.date32()),
            "ineligible_from": pa.array([row[4] for row in rows], pa.date32()),
            "post_discharge_days": pa.array([90] * len(rows), pa.int64()),
        }
    )
    placed = engine.compute(episodes.windows(engine.table(table, "anchor_case")), "window_case")
    found = {(row["beneficiary_id"], row["admission_date"]): row for row in engine.to_arrow(placed).to_pylist()}
    # The day of discharge is the first of ninety.
    assert found["alone", day]["last_day_of_episode"] == day + timedelta(92)
    cancelled = {key for key, row in found.items() if row["is_cancelled"]}
    assert cancelled == {("again", day), ("dies", day), ("leaves", day)}
    claims = pa.table(
        {
            "claim_id": ["inside", "straddles", "before", "after", "unrelated", "taken back"],
            "beneficiary_id": ["alone"] * 6,
            "first_day": pa.array([day + timedelta(n) for n in (0, 91, -1, 93, 5, 6)], pa.date32()),
            "last_day": pa.array([day + timedelta(n) for n in (3, 93, -1, 95, 6, 6)], pa.date32()),
            "allowed_amount": pa.array(
                [Decimal(text) for text in ("1000.00", "100.00", "7.00", "7.00", "50.00", "-10.00")],
                pa.decimal128(18, 2),
            ),
            "is_excluded": [None, False, False, None, True, False],
        }
    )
    stands = placed.filter(~placed.is_cancelled)
    spent = engine.to_arrow(episodes.spending(stands, engine.table(claims, "claim_case"))).to_pylist()
    by_beneficiary = {row["beneficiary_id"]: row["episode_spending"] for row in spent}
    # Two of the three days of 100 dollars are 66.67; ten dollars were taken back.
    assert by_beneficiary["alone"] == Decimal("1056.67")
    assert by_beneficiary["outlives"] == 0


def settle(
    folder: Path, hospitals: list[str], prices: list[str], anchors: list[str], claims: list[str], period: str
) -> RunFolder:
    for name, header, rows in (
        ("hospitals", HOSPITALS, hospitals),
        ("prices", PRICES, prices),
        ("anchors", ANCHORS, anchors),
        ("claims", CLAIMS, claims),
    ):
        (folder / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return run("episode_payment", period=period, data=folder, out=folder / "RUN")


def test_random_hospitals_equal_a_plain_reading(tmp_path: Path) -> None:
    """TEAM, all three tracks: reconciled here from its words, and never beyond the limits."""
    random.seed(3)
    limits = {"team_1": ("0.10", "0"), "team_2": ("0.05", "0.05"), "team_3": ("0.20", "0.20")}
    quality = {"team_1": ("0.10", "0"), "team_2": ("0.10", "0.15"), "team_3": ("0.10", "0.10")}
    discounts = {"LEJR": Decimal("0.02"), "CABG": Decimal("0.015")}
    hospitals, prices, anchors, claims = [], [], [], []
    expected: dict[str, Decimal] = {}
    cents = Decimal("0.01")
    for number in range(40):
        provider, track, score = f"{number + 10000:06}", random.choice(list(limits)), random.randint(0, 100)
        hospitals.append(f"{provider},X,{track},{score}")
        target_total, difference = Decimal(0), Decimal(0)
        for category, discount in discounts.items():
            price = Decimal(random.randint(2_000_000, 4_000_000)) / 100
            prices.append(f"{provider},{category},,{price},")
            count = random.choice([0, 3, 30, 31, 35])
            target = (price * (1 - discount)).quantize(cents, ROUND_HALF_UP) * count
            actual = Decimal(0)
            level = random.uniform(0.6, 1.5)
            for episode in range(count):
                who = f"{number}-{category}-{episode}"
                anchors.append(f"{who},{provider},{category},2026-03-02,2026-03-05,")
                amount = (price * Decimal(f"{level * random.uniform(0.9, 1.1):.4f}")).quantize(cents)
                claims.append(f"{who},{who},2026-03-02,2026-03-05,{amount}")
                actual += amount
            target_total += target
            small_loss = count < 31 and actual > target
            difference += Decimal(0) if small_loss else target - actual
        share = Decimal(score) / 100
        reduction, relief = (Decimal(one) for one in quality[track])
        factor = relief * share if difference < 0 else reduction * (1 - share)
        adjusted = difference - (difference * factor).quantize(cents, ROUND_HALF_UP)
        gain, loss = ((target_total * Decimal(one)).quantize(cents, ROUND_HALF_UP) for one in limits[track])
        expected[provider] = max(min(adjusted, gain), -loss)
    finished = settle(tmp_path, hospitals, prices, anchors, claims, "CY2026")
    found = {row["provider_id"]: row["amount"] for row in finished.read("payment_result").to_pylist()}
    assert found == expected
    assert len({amount > 0 for amount in expected.values()}) == 2


def test_the_order_of_rows_changes_nothing_and_quality_never_costs(tmp_path: Path) -> None:
    random.seed(9)
    prices = ["010001,470,20000.00,21000.00,30000.00"]
    anchors = [f"b{n},010001,470,2019-0{n % 5 + 1}-02,2019-0{n % 5 + 1}-05," for n in range(12)]
    claims = [f"c{n},b{n},2019-0{n % 5 + 1}-02,2019-0{n % 5 + 1}-09,{15000 + 1500 * n}.00" for n in range(12)]
    amounts = []
    for score in (3, 5, 7, 14):
        folder = tmp_path / str(score)
        folder.mkdir()
        random.shuffle(anchors)
        random.shuffle(claims)
        finished = settle(folder, [f"010001,X,cjr,{score}"], prices, anchors, claims, "CY2019")
        amounts.append(finished.read("payment_result").to_pylist()[0]["amount"])
    assert amounts == sorted(amounts)
    spending = {
        row["value"]
        for score in (3, 14)
        for row in pq.read_table(tmp_path / str(score) / "RUN" / "results" / "step_result.parquet").to_pylist()
        if row["quantity"] == "actual_spending"
    }
    assert len(spending) == 1


def test_cjr_equals_a_plain_reading_of_the_regulation(tmp_path: Path) -> None:
    """Performance years 2 to 4 (42 CFR 510.300(b)-(c), 510.305(e)-(g), 510.315(f)), all from values that were read."""
    random.seed(5)
    weights = {2017: Fraction(2, 3), 2018: Fraction(1, 3), 2019: Fraction(0)}
    gains = {2017: "0.05", 2018: "0.10", 2019: "0.20"}
    rural_losses = {2017: "0.03", 2018: "0.05", 2019: "0.05"}
    kinds = set()
    for year, weight in weights.items():
        hospitals, prices, anchors, claims = [], [], [], []
        expected: dict[str, Decimal] = {}
        for number in range(30):
            provider, kind = f"{number + 10000:06}", random.choice(["cjr", "cjr_rural"])
            score = random.choice(["4.99", "5", "6.89", "6.9", "15", "15.01"])
            hospitals.append(f"{provider},X,{kind},{score}")
            own, region = (random.randint(1_800_000, 3_000_000) for _ in range(2))
            baseline = _half_up(weight * own + (1 - weight) * region)
            prices.append(f"{provider},470,{own / 100:.2f},{region / 100:.2f},")
            relief = 10 if 6.9 <= float(score) <= 15 else 15 if float(score) > 15 else 0
            gain_target, loss_target, actual = 0, 0, 0
            level = random.choice([Fraction(80, 100), Fraction(980, 1000), Fraction(1), Fraction(130, 100)])
            for episode in range(random.randint(1, 4)):
                who = f"{number}-{episode}"
                anchors.append(f"{who},{provider},470,{year}-03-02,{year}-03-05,")
                amount = _half_up(baseline * level) + random.randint(-100, 100)
                claims.append(f"{who},{who},{year}-03-02,{year}-03-05,{amount / 100:.2f}")
                gain_target += _half_up(baseline * Fraction(970 + relief, 1000))
                loss_target += _half_up(baseline * Fraction((980 if year < 2019 else 970) + relief, 1000))
                actual += amount
            if actual < gain_target:
                cents = min(gain_target - actual, _half_up(gain_target * Fraction(gains[year])))
                cents, found = (0, "poor") if float(score) < 5 else (cents, "gain")
            else:
                limit = rural_losses[year] if kind == "cjr_rural" else gains[year]
                cents = -min(max(actual - loss_target, 0), _half_up(loss_target * Fraction(limit)))
                found = "loss" if cents else "between"
            kinds.add(found)
            expected[provider] = Decimal(cents) / 100
        (tmp_path / str(year)).mkdir()
        finished = settle(tmp_path / str(year), hospitals, prices, anchors, claims, f"CY{year}")
        rows = finished.read("payment_result").to_pylist()
        assert {row["provider_id"]: row["amount"] for row in rows} == expected
        assert {row["status"] for row in rows} == {"scored"}
    assert kinds == {"gain", "poor", "loss", "between"}


def _half_up(cents: Fraction) -> int:
    return (2 * cents.numerator + cents.denominator) // (2 * cents.denominator)


def test_the_sample_of_performance_year_1(tmp_path: Path) -> None:
    """Known of CMS's sample: score 7.00, good, discount 2.0 percent, $7,847.76; its episodes are made up."""
    finished = run("episode_payment", period="CY2016", data=EXAMPLE, out=tmp_path / "RUN")
    steps = {
        row["quantity"]: row["value"]
        for row in finished.read("step_result", provider_id="010001").to_pylist()
        if row["domain_id"] in (None, "470_no_fracture")
    }
    assert (steps["composite_score"], steps["discount"]) == (Decimal(7), Decimal("0.02"))
    assert steps["reconciliation_amount"] == Decimal("7847.76")
    amounts = defaultdict(Decimal, {r["provider_id"]: r["amount"] for r in finished.read("payment_result").to_pylist()})
    assert amounts["010002"] == 0, "no downside risk in the first year"
    statement = tmp_path / "report.csv"
    statement.write_text("provider_id,line,value\n010001,discount,3.0 %\n010001,reconciliation amount,4841.09\n")
    found = audit_settlement("episode_payment", period="CY2016", data=EXAMPLE, statement=statement, out=tmp_path / "A")
    (one,) = found.replays
    assert {cause.quantity for cause in one.causes} <= {"discount", "reconciliation_amount"}
    assert one.causes[0].quantity == "discount"
    assert sum({c.quantity: c.effect or 0 for c in one.causes}.values()) == (one.after or 0) - (one.before or 0)


def test_broken_files(tmp_path: Path) -> None:
    prices, anchor = ["010001,LEJR,,21000.00,"], "b1,010001,LEJR,2026-01-02,2026-01-05,"
    claim = "c1,b1,2026-01-02,2026-01-05,100.00"
    with pytest.raises(InputDataError, match="the model did not exist in CY2016"):
        settle(tmp_path, ["010001,X,team_1,50"], prices, [anchor], [claim], "CY2016")
    with pytest.raises(InputDataError, match="episodes have no price"):
        settle(tmp_path, ["010001,X,team_1,50"], prices, [anchor.replace("LEJR", "CABG")], [claim], "CY2026")
    with pytest.raises(InputDataError, match="no episode ended in CY2027"):
        settle(tmp_path, ["010001,X,team_1,50"], prices, [anchor], [claim], "CY2027")
    with pytest.raises(UsageError, match="choose a period"):
        settle(tmp_path, ["010001,X,team_1,50"], prices, [anchor], [claim], "CY2015")
    wrong = ["b2,010001,LEJR,2026-02-05,2026-02-02,", "b3,010001,LEJR,soon,2026-02-02,"]
    finished = settle(tmp_path, ["010001,X,team_1,", "010002,X,team_9,5"], prices, [anchor, *wrong], [claim], "CY2026")
    rejected = pq.read_table(finished.path / "rejected" / "cells.parquet").to_pylist()
    assert len(rejected) == 3
    assert all(row["value"] == "" for row in rejected if row["source_file"] == "anchors.csv")
    payment = finished.read("payment_result").to_pylist()[0]
    assert payment["status"] == "not_determinable"
    assert "quality of the hospital is not given" in payment["status_reason"]
