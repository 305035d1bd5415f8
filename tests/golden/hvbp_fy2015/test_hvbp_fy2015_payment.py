"""Hospital VBP FY2015: what the published distributions of payment changes say about the exchange function.

The files count hospitals per bin of percent change, of dollars gained or lost, and of incentive dollars. They name no
hospital, and neither scores nor base payments of FY2015 are at hand, so the slope cannot be recomputed: any slope above
the bound below maps some distribution of scores onto the same bins. Tested is what every linear, neutral exchange
function must fulfil, whatever its slope.
"""

from __future__ import annotations

import csv
import io
import re
from decimal import Decimal

from conftest import published_data
from openvbp.parameters import load_parameters
from openvbp.payment.linear_exchange import neutral_slope, share_per_point
from openvbp.programs import program

HOSPITALS = 3_071
GAINING = 1_707
LOSING = 1_364
Bin = tuple[Decimal | None, Decimal | None, int]
"""Lower and upper end of a bin, open where absent, and how many hospitals are in it; the highest bin first."""


def cells(name: str, encoding: str = "utf-8", delimiter: str = ",") -> list[list[str]]:
    path = published_data("hospital", "hvbp", "payment_fy2015", name)
    rows = csv.reader(io.StringIO(path.read_text(encoding=encoding), newline=""), delimiter=delimiter)
    return [[cell.strip() for cell in row] for row in rows if any(cell.strip() for cell in row)][1:]


def dollars(text: str) -> Decimal:
    """Read ``$1,234``, ``$-1,234`` or ``($1,234)``."""
    number = Decimal(re.sub(r"[^0-9.-]", "", text))
    return -number if text.startswith("(") else number


def dollar_bins(name: str) -> list[Bin]:
    bins: list[Bin] = []
    for text, count in cells(name):
        if text.startswith(">"):
            bins.append((dollars(text), None, int(count)))
        elif text.startswith("<"):
            bins.append((None, dollars(text), int(count)))
        elif " to " in text:
            low, high = (dollars(end) for end in text.split(" to "))
            bins.append((low, high, int(count)))
    return bins


def percent_bins() -> list[Bin]:
    rows = cells("fy2015_percent_change_in_medicare_payments.csv", encoding="utf-16", delimiter="\t")
    bins: list[Bin] = []
    for text, count in rows:
        numbers = [Decimal(one) / 100 for one in re.findall(r"(-?\d+\.\d+)%", text)]
        low = numbers[0] if re.match(r"-?\d.*<", text) else None
        high = numbers[-1] if "≤" in text else None
        bins.append((low, high, int(count)) if "x" in text else (numbers[0], numbers[0], int(count)))
    return bins


def net_bins() -> list[Bin]:
    return dollar_bins("fy2015_net_change_in_base_op_drg_payment_amt.csv")


def incentive_bins() -> list[Bin]:
    return dollar_bins("fy2015_value_based_incentive_payment_amount.csv")


def percentiles() -> list[tuple[str, Decimal]]:
    return [
        (name, dollars(text))
        for name, text in cells("fy2015_distribution_of_net_change_in_base_op_drg_payment_amt.csv")
    ]


def withheld() -> Decimal:
    declared = load_parameters(program("hvbp").parameters_file)
    return declared.in_force(declared.period("FY2015")).value("applicable_percent")


def test_all_distributions_count_the_same_hospitals() -> None:
    assert [len(percent_bins()), len(net_bins()), len(incentive_bins())] == [23, 33, 22]
    for bins in (percent_bins(), net_bins(), incentive_bins()):
        assert sum(count for _, _, count in bins) == HOSPITALS


def test_as_many_gain_and_lose_in_percent_as_in_dollars() -> None:
    for bins in (percent_bins(), net_bins()):
        assert sum(count for low, high, count in bins if low is not None and low >= 0 and low != high) == GAINING
        assert sum(count for low, _, count in bins if low is None or low < 0) == LOSING


def test_nobody_loses_as_much_as_is_withheld() -> None:
    """Every hospital earns something back, so every change is above minus 1.5 percent."""
    assert withheld() == Decimal("0.0150")
    assert [count for low, high, count in incentive_bins() if low == high == 0] == [0]
    lowest = [one for one in percent_bins() if one[0] is None]
    assert lowest == [(None, Decimal("-0.010"), 7)]


def test_dollars_gained_and_lost_may_add_up_to_nothing() -> None:
    """The bins allow a neutral total: zero lies between the least and the most that they can add up to."""
    ends = dict(percentiles())
    least = sum(count * (ends["Min"] if low is None else low) for low, _, count in net_bins())
    most = sum(count * (ends["Max"] if high is None else high) for _, high, count in net_bins())
    assert least < 0 < most


def test_percentiles_of_dollars_lie_in_the_bins_that_hold_them() -> None:
    for name, amount in percentiles()[1:-1]:
        share = Decimal(name.removesuffix("th")) / 100
        at_most = sum(count for _, high, count in net_bins() if high is not None and high <= amount)
        below_next = HOSPITALS - sum(count for low, _, count in net_bins() if low is not None and low >= amount)
        # Definitions of a percentile differ by up to one hospital.
        assert at_most - 1 <= share * HOSPITALS <= below_next + 1, name


def test_largest_changes_agree() -> None:
    ends = dict(percentiles())
    top = [one for one in net_bins() if one[1] is None]
    bottom = [one for one in net_bins() if one[0] is None]
    assert top == [(Decimal(150_000), None, 216)]
    assert bottom == [(None, Decimal(-150_000), 273)]
    assert ends["Max"] > 150_000
    assert ends["Min"] < -150_000
    # The 95th percentile is in the top bin, the 5th in the bottom bin: both bins hold more than a twentieth.
    assert ends["95th"] > 150_000
    assert top[0][2] > HOSPITALS / 20
    assert ends["5th"] < -150_000
    assert bottom[0][2] > HOSPITALS / 20


def test_slope_is_bounded_by_the_highest_bin() -> None:
    """157 hospitals gain more than one percent, and no score is above 100: the slope is above 5/3."""
    assert percent_bins()[0] == (Decimal("0.010"), None, 157)
    # One hospital with a score of 60 would make the slope 100/60.
    bound = neutral_slope(Decimal(1), Decimal(60), Decimal(100))
    at_full_score = 100 * share_per_point(withheld(), bound, Decimal(100)) - withheld()
    assert abs(at_full_score - Decimal("0.010")) < Decimal("1e-15")
