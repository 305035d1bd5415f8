"""Diagnoses refused or left out: what is missing is named, with what to give."""

from __future__ import annotations

from pathlib import Path

import pytest

from diagnosis_runs import Rows, write_run
from openvbp.diagnosis.diagnose import Diagnosis, Sources, diagnose
from openvbp.diagnosis.from_claims import ClaimsSource
from openvbp.errors import InputDataError, OpenvbpError, UsageError


def paid(providers: int = 12) -> Rows:
    return [{"provider_id": f"{at:02}", "rate": "-0.01" if at % 4 == 0 else "0"} for at in range(providers)]


def measured(providers: int = 12) -> Rows:
    """Rates without any threshold."""
    return [
        {
            "provider_id": f"{at:02}",
            "measure_id": "M",
            "numerator": 100 + at,
            "denominator": 200,
            "rate": (100 + at) / 200,
        }
        for at in range(providers)
    ]


def two_years(folder: Path) -> list[Path]:
    return [write_run(folder / f"{year}", year, payment_result=paid()) for year in (2019, 2020)]


def why_not(found: Diagnosis, name: str) -> str:
    (section,) = [one for one in found.sections if one.name == name]
    return section.why_not


def test_what_cannot_be_looked_at_is_said_with_what_to_give(tmp_path: Path) -> None:
    run = write_run(tmp_path / "RUN", 2020, payment_result=paid(), measure_result=measured())
    groups = tmp_path / "groups.csv"
    groups.write_text("provider_id,rural\n" + "".join(f"{at:02},{at % 2}\n" for at in range(12)))
    found = diagnose(Sources([run], providers=groups), out=tmp_path / "OUT")
    assert "no measure has counts of patients and a threshold" in why_not(found, "bunching")
    assert "tell neither exceptions nor registers" in why_not(found, "put-back")
    assert "tell neither exceptions nor registers" in why_not(found, "exclusions")
    assert "give --panel" in why_not(found, "selection")
    assert "give --drift" in why_not(found, "coding")
    assert "give --outcomes" in why_not(found, "multitasking")
    assert "give runs of further periods" in why_not(found, "penalties")
    assert "give --claims" in why_not(found, "attribution")
    assert why_not(found, "equity") == ""


def test_no_second_year(tmp_path: Path) -> None:
    counts = [
        {"provider_id": f"{at:02}", "measure_id": "M", "numerator": 80, "denominator": 100, "exceptions": at}
        for at in range(12)
    ]
    measures = [{**row, "rate": 0.8, "threshold": 0.4, "benchmark": 0.8, "maximum_points": 10} for row in counts]
    run = write_run(tmp_path / "RUN", 2020, counts=counts, measure_result=measures)
    found = diagnose(Sources([run]), out=tmp_path / "OUT")
    assert "no run of the period before" in why_not(found, "exclusions")
    assert "of 12 rows denominators are 100 or more" in why_not(found, "bunching")
    gap = write_run(tmp_path / "GAP", 2022, counts=counts, measure_result=measures)
    apart = diagnose(Sources([run, gap]), out=tmp_path / "OUT2", what=["exclusions", "put-back"])
    assert "two periods that follow each other" in why_not(apart, "exclusions")


def test_one_provider(tmp_path: Path) -> None:
    count = {"provider_id": "A", "measure_id": "M", "numerator": 80, "denominator": 100, "exceptions": 20}
    measure = {**count, "rate": 0.8, "threshold": 0.4, "benchmark": 0.9, "maximum_points": 10}
    runs = [
        write_run(
            tmp_path / f"{year}",
            year,
            counts=[count],
            measure_result=[measure],
            payment_result=[{"provider_id": "A", "rate": "-0.01"}],
        )
        for year in (2019, 2020)
    ]
    found = diagnose(Sources(runs), out=tmp_path / "OUT")
    assert "rows of two providers are needed" in why_not(found, "bunching")
    assert why_not(found, "exclusions") != ""
    assert why_not(found, "put-back") == ""


def test_nothing_at_all_is_an_error(tmp_path: Path) -> None:
    run = write_run(tmp_path / "RUN", 2020, payment_result=paid())
    with pytest.raises(InputDataError, match="nothing can be diagnosed") as caught:
        diagnose(Sources([run]), out=tmp_path / "OUT", what=["bunching", "selection"])
    assert "Risk selection: give --panel" in str(caught.value)
    assert not (tmp_path / "OUT").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"what": ["gaming"]}, "no such diagnosis"),
        ({"component": "bonus"}, "no payment component 'bonus'"),
        ({"bands": {"beds": (100.0,)}}, "columns of bands are missing"),
        ({"providers": "nobody.csv"}, "file is missing"),
        ({"providers": "twice.csv"}, "providers stand more than once"),
        ({"providers": "unknown.csv"}, "knows none of the run's providers"),
        ({"providers": "texts.csv"}, "12 different texts|13 different texts|16 different texts"),
        ({"panel": "panel.csv"}, "no first period"),
        ({"panel": "panel.csv", "since": "1999"}, "'1999', is not in the table"),
        ({"panel": "panel.csv", "since": "2010"}, "no period lies before the program"),
        ({"panel": "double.csv", "since": "2011"}, "more than once in a period"),
        ({"panel": "empty.csv", "since": "2011"}, "no row"),
        ({"drift": "nowhere"}, "no finished look for drift"),
        ({"claims": ClaimsSource(Path("claims"), (2023, 2025))}, "years of the claims are not two"),
    ],
)
def test_inputs_that_cannot_be_used(tmp_path: Path, change: dict[str, object], message: str) -> None:
    (tmp_path / "twice.csv").write_text("provider_id,beds\n00,1\n00,2\n")
    (tmp_path / "unknown.csv").write_text("provider_id,beds\nX,1\n")
    (tmp_path / "texts.csv").write_text("provider_id,town\n" + "".join(f"{at:02},T{at}\n" for at in range(13)))
    (tmp_path / "panel.csv").write_text("provider_id,period,persons,expected_risk\n00,2010,9,1\n00,2011,9,1\n")
    (tmp_path / "double.csv").write_text(
        "provider_id,period,persons,expected_risk\n" + "00,2010,9,1\n" * 2 + "00,2011,9,1\n"
    )
    (tmp_path / "empty.csv").write_text("provider_id,period,persons,expected_risk\n00,2010,0,1\n")
    paths = {name: tmp_path / str(value) for name, value in change.items() if name in ("providers", "panel", "drift")}
    what = change.get("what", ())
    sources = {name: value for name, value in change.items() if name not in (*paths, "what")} | paths
    runs = [write_run(tmp_path / f"{year}", year, payment_result=paid(13)) for year in (2019, 2020)]
    with pytest.raises(OpenvbpError, match=message):
        diagnose(Sources(runs, **sources), out=tmp_path / "OUT", what=what)  # type: ignore[arg-type]


def test_runs_that_do_not_go_together(tmp_path: Path) -> None:
    one, other = two_years(tmp_path)
    with pytest.raises(UsageError, match="several runs are of the same period"):
        diagnose(Sources([one, one]), out=tmp_path / "OUT")
    foreign = write_run(tmp_path / "foreign", 2021, program="hrrp", payment_result=paid())
    with pytest.raises(UsageError, match="different programs"):
        diagnose(Sources([other, foreign]), out=tmp_path / "OUT")
    with pytest.raises(UsageError, match="not a finished run"):
        diagnose(Sources([tmp_path]), out=tmp_path / "OUT")
    parts = [{"provider_id": "A", "component_id": one, "rate": "0"} for one in ("bonus", "malus")]
    split = write_run(tmp_path / "split", 2020, payment_result=parts)
    with pytest.raises(UsageError, match="several payment components"):
        diagnose(Sources([split]), out=tmp_path / "OUT")
