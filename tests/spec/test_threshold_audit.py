"""What an audit of thresholds finds in a few published rows."""

from __future__ import annotations

import csv
import json
from decimal import Decimal
from pathlib import Path

import pytest

from openvbp.audit.threshold_behaviour import bunching, exclusion, leakage
from openvbp.audit.threshold_findings import findings
from openvbp.audit.threshold_report import COLUMNS, as_content, as_rows, render
from openvbp.csv_files import write_csv
from openvbp.program import DeclaredPoints, KnownDeparture
from threshold_tables import audit, declared, paid, row, schedule

RULE = {"BP": declared(40, 90, 10)}
TRUE, OTHER = schedule(40, 90, 10), schedule(40, 80, 10)


def bp(provider: object, numerator: int, denominator: int, by: object = TRUE, **more: object) -> dict[str, object]:
    points = paid(by, numerator, denominator)  # type: ignore[arg-type]
    return row(str(provider), "BP", (numerator, denominator), points, 10, **more)


def some(by: object = TRUE) -> list[dict[str, object]]:
    return [bp(n, n, 97, by) for n in range(20, 97, 7)]


def test_rows_as_declared_are_no_finding() -> None:
    audited = audit(some(), RULE)
    assert findings(audited) == []
    assert "explained by the declared schedules        11  100.000 %" in render(audited, [])


def test_other_thresholds_are_found_with_the_rows_that_each_explains() -> None:
    known = [KnownDeparture("thresholds", "BP", "a circular says 80")]
    (found,) = findings(audit(some(OTHER), RULE, known))
    assert (found.kind, found.declared, found.inferred) == ("thresholds", "40-90 %, 10 points", "40-80 %, 10 points")
    # Of eleven rows three are paid nothing and one is above 90 percent: there both are right.
    assert (found.rows, found.partly_paid, found.explained_by_declared, found.explained_by_inferred) == (11, 6, 4, 11)
    assert found.known == "a circular says 80"


def test_thresholds_in_doubt_are_not_a_finding() -> None:
    assert findings(audit([bp(1, 13, 20, OTHER), bp(2, 96, 97)], RULE)) != []  # the row, not the thresholds
    assert findings(audit([bp(1, 13, 20), bp(2, 26, 40)], RULE)) == []


def test_a_row_on_neither_schedule_is_named_with_its_reason() -> None:
    by_hand = row("odd", "BP", (60, 97), 10, 10)
    known = [KnownDeparture("row", "BP", "agreed (the board)", "odd")]
    (found,) = findings(audit([*some(), by_hand], RULE, known))
    assert (found.kind, found.provider_id, found.known) == ("row", "odd", "agreed (the board)")
    assert (found.rate, found.published_points) == (Decimal("61.85"), 10)
    assert round(found.rule_points or 0, 6) == round(Decimal(10) * (6000 - 40 * 97) / (50 * 97), 6)
    text = render(audit([*some(), by_hand], RULE), findings(audit([*some(), by_hand], RULE)))
    assert "odd       BP          61.85 %     10.0000      4.3711  paid above its counts, not on record" in text


def test_other_points_are_found() -> None:
    rule = {"BP": declared(40, 90, 12), "REG": DeclaredPoints(Decimal(4), is_all_or_nothing=True)}
    found = findings(audit([*some(), row("a", "REG", None, 5, 5)], rule))
    assert [(one.kind, one.measure_id, one.declared, one.inferred) for one in found] == [
        ("points", "BP", "12 points", "10 points"),
        ("points", "REG", "4 points", "5 points"),
    ]


def test_a_measure_that_is_not_declared_is_found_with_its_line() -> None:
    found = findings(audit(some(), {}))
    assert [(one.kind, one.declared, one.inferred) for one in found] == [
        ("not_declared", "no thresholds", "40-90 %, 10 points"),
        ("not_declared", "no such measure", "10 points"),
    ]
    steps = [row(str(n), "STEP", (n, 97), 3, 5) for n in range(40, 60, 5)]
    assert findings(audit([*some(), *steps], RULE | {"STEP": step()})) == []


def step() -> DeclaredPoints:
    return DeclaredPoints(Decimal(5))


def test_points_without_a_patient_are_found() -> None:
    rows = [*some(), row("x", "BP", (0, 0), 10, 10), row("y", "BP", (0, 0), 0, 10)]
    (found,) = findings(audit(rows, RULE))
    assert (found.kind, found.provider_id, found.inferred) == ("without_patients", "x", "1 of 2 paid: x")


def test_part_of_the_points_of_a_yes_or_no_measure_is_found() -> None:
    rule = RULE | {"REG": DeclaredPoints(Decimal(5), is_all_or_nothing=True)}
    rows = [*some(), row("a", "REG", (3, 4), "2.5", 5), row("b", "REG", None, 5, 5), row("c", "REG", None, 0, 5)]
    (found,) = findings(audit(rows, rule))
    assert (found.kind, found.provider_id, found.published_points) == ("row", "a", Decimal("2.5"))


def test_every_row_is_accounted_for() -> None:
    masked = row("m", "BP", None, "5", 10, is_masked=True)
    rest = [masked, row("z", "BP", (0, 0), 0, 10), row("n", "BP", None, 0, 10), row("p", "BP", (1, 5), "", 10)]
    audited = audit([*some(), *rest, row("r", "REG", None, 5, 5)], RULE | {"REG": step()}, rejected=2)
    counts = as_content(audited, findings(audited))["rows"]
    parts = ("with_counts", "without_patients", "counts_withheld", "without_counts")
    parts += ("of_measures_without_thresholds", "without_points")
    assert [counts[name] for name in parts] == [11, 1, 1, 1, 1, 1]
    assert counts["published"] == sum(counts[name] for name in parts)
    assert counts["rejected"] == 2


def test_rates_just_at_the_threshold_count_above_it() -> None:
    rows = [bp("at", 90, 100), bp("above", 181, 200), bp("end", 91, 100), bp("below", 179, 200), bp("edge", 89, 100)]
    found = bunching(audit([*rows, bp("small", 45, 49)], RULE))
    assert (found.rows[0], found.rows[1], found.ratio(0)) == ((2, 2), (1, 2), Decimal(1))
    assert found.ratio(4) is None


def test_bunching_is_about_the_thresholds_that_were_paid() -> None:
    rows = [bp(n, n, 101, OTHER) for n in range(45, 80, 3)]
    found = bunching(audit([*rows, bp("at", 81, 101, OTHER)], RULE))
    assert found.rows[0] == (1, 0)


def registers(share: int) -> list[dict[str, object]]:
    """Twenty providers with 100 patients each: of the first all are in the denominator, of the others a share."""
    return [bp(n, 70, 100 if n == 0 else share, population=100) for n in range(20)]


def test_who_is_left_out_and_what_it_is_worth() -> None:
    found = exclusion(audit(registers(80), RULE))
    assert found is not None
    assert (found.measures, found.providers, found.quartiles) == (["BP"], 20, (20, 20, 20))
    # 70 of 80 give 9.5 points, 70 of 100 only 6: 3.5 less for nineteen of twenty.
    assert (found.above_high, found.points, found.points_put_back) == (95, Decimal("9.3"), Decimal("-3.3"))


def test_a_measure_about_a_part_of_the_register_says_nothing_of_exclusion() -> None:
    part = [bp(n, 70, 80 + n % 10, population=100) for n in range(20)]
    assert exclusion(audit(part, RULE)) is None
    assert exclusion(audit([one | {"population": 70} for one in part], RULE)) is None
    assert exclusion(audit(some(), RULE)) is None


@pytest.mark.parametrize(("points", "recovered"), [("5.333333333333", 1), ("2", 1), ("2.5", 0), ("10", 0)])
def test_points_of_withheld_counts_give_small_fractions_away(points: str, recovered: int) -> None:
    hidden = row("secret", "BP", None, points, 10, is_masked=True)
    audited = audit([*some(), bp("least", 5, 5), hidden], RULE)
    found = leakage(audited)
    assert (found.masked, found.recoverable) == (1, recovered)
    content = json.dumps(as_content(audited, findings(audited)), default=str)
    assert "secret" not in render(audited, findings(audited)) + content


def test_findings_as_a_table(tmp_path: Path) -> None:
    found = findings(audit(some(OTHER), RULE))
    write_csv(as_rows(found), COLUMNS, tmp_path / "findings.csv")
    with (tmp_path / "findings.csv").open(newline="", encoding="utf-8") as lines:
        (line,) = csv.DictReader(lines)
    assert tuple(line) == COLUMNS
    assert line == {name: "" if value is None else str(value) for name, value in as_rows(found)[0].items()}
