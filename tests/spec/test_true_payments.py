"""How much of the money follows true quality: worked tables, and a generated population."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from openvbp.attribution_comparison import known_practices
from openvbp.attribution_comparison import true_payments as module
from openvbp.claims.synthetic.population import generate
from openvbp.errors import InputDataError, UsageError


def row(step: str, unit: str, payment: int, score: int | None) -> dict[str, object]:
    return {
        "rule_id": step,
        "unit_id": unit,
        "payment": Decimal(payment),
        "score": None if score is None else Decimal(score),
        "rank": None if score is None else 100 - score,
    }


def test_money_follows_where_direction_and_practice_agree() -> None:
    rows = [
        *(row("perfect", name, paid, score) for name, paid, score in (("a", 60, 90), ("b", -20, 50), ("c", -40, 10))),
        *(row("chance", name, paid, score) for name, paid, score in (("a", 30, 60), ("b", 10, 70), ("c", -40, 10))),
        *(row("attribution", name, paid, score) for name, paid, score in (("b", -50, 10), ("d", 50, 90))),
    ]
    found = {one.step: one for one in module._compared(pa.Table.from_pylist(rows))}
    assert found["perfect"].share_following == 1
    # a: 30 of 30, b: the wrong way, c: 40 of 40; 70 of 80.
    assert found["chance"].share_following == Decimal("0.8750")
    assert found["chance"].rank_correlation == 0.5
    # b: 20 of 50; d is no practice that truth pays.
    assert found["attribution"].share_following == Decimal("0.2000")
    assert found["attribution"].practices == 2
    assert found["risk_model"].share_following is None


def test_persons_of_like_risk_share_the_mean_cost_of_a_month() -> None:
    random = np.random.default_rng(2)
    risk, months = random.gamma(2, size=5000), np.full(5000, 12.0)
    cost = risk * 1000
    known = np.ones(5000, bool)
    expected = known_practices._expected_by_risk(risk, cost, months, known)
    assert expected.sum() == pytest.approx(cost.sum())
    middle = (risk > np.quantile(risk, 0.1)) & (risk < np.quantile(risk, 0.9))
    assert np.abs(expected / cost - 1)[middle].max() < 0.15


def test_a_population_tells_and_noise_costs(tmp_path: Path) -> None:
    generate(tmp_path / "claims", members=1500, years=2, first_year=2023, seed=1)
    found = module.true_payments(data=tmp_path / "claims", out=tmp_path / "OUT", period="CY2024")
    assert [one.step for one in found] == list(known_practices.STEPS)
    assert found[0].share_following == 1
    assert all(one.share_following is not None and 0 <= one.share_following <= 1 for one in found)
    assert any(one.share_following is not None and one.share_following < Decimal("0.9") for one in found[1:])
    written = json.loads((tmp_path / "OUT" / module.FILE).read_text())
    assert len(written["results"]) == 4
    assert "rank r" in module.render(found)


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"rule": "plurality_primary_care_npi", "period": "CY2024"}, UsageError, "to one practice"),
        ({"period": "FY2024"}, UsageError, "no calendar year"),
        ({"period": "CY2024"}, InputDataError, "no table of claims"),
    ],
)
def test_what_cannot_be_told_is_refused(
    asked: dict[str, str], error: type[Exception], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        module.true_payments(data=tmp_path, out=tmp_path / "OUT", **asked)  # type: ignore[arg-type]
