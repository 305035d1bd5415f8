"""The chain ladder on Mack's published triangle; projections and break-even points that can be checked by hand."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from typer.testing import CliRunner

from openvbp.cli import app
from openvbp.errors import InputDataError, UsageError
from openvbp.forecasting.break_even import BreakEven
from openvbp.forecasting.chain_ladder import chain_ladder
from openvbp.forecasting.projection import project
from openvbp.pipeline import run
from openvbp.run_folder import RunFolder
from openvbp.settlement_forecast import break_even_of
from openvbp.settlement_forecast import forecast as forecast_contract

EXAMPLES = Path(__file__).parents[3] / "examples"
# Taylor and Ashe (1983): payments of ten years by year of development, in the form that Mack (1993) works through.
TAYLOR_ASHE = """
357848 766940 610542 482940 527326 574398 146342 139950 227229 67948
352118 884021 933894 1183289 445745 320996 527804 266172 425046
290507 1001799 926219 1016654 750816 146923 495992 280405
310608 1108250 776189 1562400 272482 352053 206286
443160 693190 991983 769488 504851 470639
396132 937085 847498 805037 705960
440832 847631 1131398 1063269
359480 1061648 1443370
376686 986608
344014
"""
# Reserves and standard errors of Mack's method on this triangle, in England and Verrall (2002), to the dollar.
RESERVES = (0, 94634, 469511, 709638, 984889, 1419459, 2177641, 3920301, 4278972, 4625811)
STANDARD_ERRORS = (0, 75535, 121699, 133549, 261406, 411010, 558317, 875328, 971258, 1363155)
TOTAL_RESERVE, TOTAL_STANDARD_ERROR = 18680856, 2447095
FACTORS = ("3.4906", "1.7473", "1.4574", "1.1739", "1.1038", "1.0863", "1.0539", "1.0766", "1.0177")


def triangle(text: str = TAYLOR_ASHE) -> list[list[Fraction]]:
    return [[Fraction(cell) for cell in line.split()] for line in text.strip().splitlines()]


def test_the_published_reserves_are_reproduced() -> None:
    found = chain_ladder(triangle(), "Taylor and Ashe")
    reserves = [ultimate - paid for ultimate, paid in zip(found.ultimate, found.paid, strict=True)]
    assert tuple(round(one) for one in reserves) == RESERVES
    assert round(sum(reserves)) == TOTAL_RESERVE
    assert tuple(round(error) for error in found.standard_errors) == STANDARD_ERRORS
    assert round(found.standard_error_of_sum(range(10))) == TOTAL_STANDARD_ERROR
    assert tuple(f"{float(factor):.4f}" for factor in found.factors[:-1]) == FACTORS


def test_claims_that_complete_alike_have_no_error() -> None:
    rows = [[Fraction(60 * size), Fraction(30 * size), Fraction(10 * size)][: 6 - size] for size in range(1, 6)]
    rows = [row[: min(3, 5 - number)] for number, row in enumerate(rows)]
    found = chain_ladder(rows, "made up")
    assert found.ultimate == tuple(Fraction(100 * size) for size in range(1, 6))
    assert found.standard_errors == (0.0,) * 5
    assert found.completion_factors[-1] == Fraction(10, 6)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 1\n1", "too few"),
        ("1 1 1 1\n1 1 1\n1\n1", "has gaps"),
        ("1 1 1 1\n1 -2 1\n1 1\n1", "not above zero"),
        ("0 1 1 1\n1 1 1\n1 1\n1", "not above zero"),
    ],
)
def test_triangles_that_cannot_be_used(text: str, words: str) -> None:
    with pytest.raises(InputDataError, match=words):
        chain_ladder(triangle(text), "made up")


def test_a_year_of_equal_months_is_projected_exactly() -> None:
    rows = [[Fraction(60), Fraction(40), *[Fraction(0)] * 10][: 8 - number] for number in range(8)]
    found = project(chain_ladder(rows, "made up"), [4, 5, 6, 7], [10] * 4, remaining_members=[10] * 6 + [20] * 2)
    assert (found.paid, found.completed, found.remaining) == (Decimal(360), Decimal(400), Decimal(1000))
    assert found.low == found.expected == found.high == Decimal(1400)


def test_the_interval_widens_with_probability_and_trend_moves_it() -> None:
    completion = chain_ladder(triangle(), "Taylor and Ashe")
    months, members = [6, 7, 8, 9], [100, 100, 100, 100]
    narrow = project(completion, months, members, remaining_members=[100] * 3, probability=0.5)
    wide = project(completion, months, members, remaining_members=[100] * 3, probability=0.95)
    rising = project(completion, months, members, remaining_members=[100] * 3, annual_trend=Decimal("0.10"))
    assert wide.low < narrow.low < narrow.expected == wide.expected < narrow.high < wide.high
    assert rising.expected > narrow.expected
    assert rising.completed == narrow.completed


def test_an_error_of_completion_moves_the_months_to_come_too() -> None:
    """Months of equal cost: twice the year so far is twice the error, because both have the same level."""
    rows = [
        [Fraction(cell) for cell in line] for line in ([60, 40, 5], [60, 30, 5], [60, 45, 5], [60, 40, 5], [60, 40])
    ]
    completion = chain_ladder([*rows, [Fraction(60)]], "made up")
    error = completion.standard_error_of_sum([3, 4, 5])
    spread = [float(one) / float(sum(completion.ultimate[3:]) / 3) - 1 for one in completion.ultimate[3:]]
    scatter = (sum(one**2 for one in spread) / 2) ** 0.5
    found = project(completion, [3, 4, 5], [10] * 3, remaining_members=[10] * 3)
    remaining = float(found.remaining)
    assert found.remaining == found.completed
    variance = (2 * error) ** 2 + 3 * (remaining / 3 * scatter) ** 2 + (remaining * scatter) ** 2 / 3
    assert float(found.high - found.expected) == pytest.approx(1.2815515655 * variance**0.5, abs=0.01)


def test_too_few_months_of_the_year_are_refused() -> None:
    completion = chain_ladder(triangle(), "Taylor and Ashe")
    with pytest.raises(InputDataError, match="2 months of the year are too few"):
        project(completion, [8, 9], [100] * 2, remaining_members=[100] * 10)
    with pytest.raises(InputDataError, match="a month has no members"):
        project(completion, [7, 8, 9], [100, 0, 100], remaining_members=[100] * 9)


def test_a_month_without_payments_is_missing_not_zero(tmp_path: Path) -> None:
    for name in ("monthly_claims.csv", "monthly_members.csv"):
        lines = (EXAMPLES / "forecast" / name).read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if not (line.startswith("adults") and line.split(",")[2] == "2025-03-01")]
        (tmp_path / name).write_text("\n".join(kept) + "\n", encoding="utf-8")
    with pytest.raises(InputDataError, match="nothing is said to have been paid") as raised:
        forecast_contract(
            str(EXAMPLES / "aco-contract-from-tables.yaml"),
            period="",
            data=tmp_path,
            out=tmp_path / "out",
            annual_trend=Decimal(0),
            probability=0.8,
        )
    assert "2025-03" in str(raised.value)
    assert "population adults" in str(raised.value)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("break_even")
    data = EXAMPLES / "contract_data" / "aco"
    return run(str(EXAMPLES / "aco-contract-from-tables.yaml"), period="", data=data, out=folder / "RUN")


def pays_at(found: BreakEven, rate: str) -> Decimal | None:
    return dict(found.curve)[Decimal(rate)]


def test_the_minimum_savings_rate_is_a_jump(settled: RunFolder) -> None:
    found = break_even_of(settled, "northern_valley", Decimal(600000))
    assert found.rate == Decimal("0.02")
    # 2 % of the budget of 81,021,135.40, half of it, times the quality multiplier 0.946428571429.
    assert found.net == Decimal("766807.18")
    assert found.net_below == 0
    assert found.at_own_rate == Decimal("1083518.60")


def test_above_the_jump_the_rate_is_found_to_its_last_place(settled: RunFolder) -> None:
    found = break_even_of(settled, "northern_valley", Decimal(1000000))
    assert found.rate is not None
    assert found.net is not None
    assert found.net_below is not None
    assert found.net_below < 1000000 <= found.net
    # Half of the savings, times 0.946428571429.
    assert abs(found.rate - Decimal(1000000) / Decimal("81021135.40") / Decimal("0.473214285714")) < Decimal("0.000001")


def test_never_is_an_answer(settled: RunFolder) -> None:
    found = break_even_of(settled, "northern_valley", Decimal(10**9))
    assert (found.rate, found.net) == (None, None)
    assert (pays_at(found, "0.01"), pays_at(found, "-0.01")) == (0, 0)
    assert pays_at(found, "-0.05") == Decimal("-1620422.71")


@pytest.mark.parametrize("cost", [0, -1])
def test_a_cost_that_is_none_is_refused(settled: RunFolder, cost: int) -> None:
    with pytest.raises(UsageError, match="must be above zero"):
        break_even_of(settled, "northern_valley", Decimal(cost))


def test_an_unknown_provider_is_named(settled: RunFolder) -> None:
    with pytest.raises(UsageError, match="settles no provider 'nobody'"):
        break_even_of(settled, "nobody", Decimal(1))


def test_the_commands_print_what_they_found(settled: RunFolder) -> None:
    result = CliRunner().invoke(app, ["break-even", str(settled.path), "northern_valley", "--fixed-cost", "600,000"])
    assert result.exit_code == 0
    assert "pays from a savings rate of 2.0000% on" in result.output
    forecast = [
        "forecast",
        str(EXAMPLES / "aco-contract-from-tables.yaml"),
        "--data",
        str(EXAMPLES / "forecast"),
        "--trend",
        "0.04",
    ]
    result = CliRunner().invoke(app, forecast)
    assert result.exit_code == 0
    assert "claims paid through 2025-09" in result.output
    amounts = [
        line.split()[-1] for line in result.output.splitlines() if line.startswith(("  high", "  expected", "  low"))
    ]
    low_to_high = [Decimal(amount.replace(",", "")) for amount in amounts]
    assert low_to_high == sorted(low_to_high)
    assert len(set(low_to_high)) == 3
