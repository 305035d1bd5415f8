"""What a review refuses, and what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

from openvbp.design_review.review import TriedOn, review
from openvbp.errors import InputDataError, UsageError
from review_contracts import CONTRACT, write_contract, write_rows

_PAID = [{"provider_id": "A", "component_id": "reduction", "rate": 0.0}]


@pytest.mark.parametrize(
    ("program", "period", "tried_on", "words"),
    [
        ("hvpb", "", TriedOn(), "there is no program 'hvpb'"),
        ("contract", "", TriedOn(), "a contract is reviewed by its file"),
        ("hacrp", "FY1999", TriedOn(), "hacrp has no parameters for FY1999"),
        ("nowhere.yaml", "", TriedOn(), "contract file cannot be read"),
        ("hacrp", "", TriedOn(data=Path("X"), synthetic=5), "one thing at a time"),
        ("hacrp", "", TriedOn(data=Path("X")), "the data must be run first"),
        ("hacrp", "", TriedOn(run=Path("X")), "not a finished run"),
    ],
)
def test_what_cannot_be_reviewed(program: str, period: str, tried_on: TriedOn, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        review(program, period=period, tried_on=tried_on)


def test_an_unknown_aspect_is_named() -> None:
    with pytest.raises(UsageError, match="there is no such aspect") as raised:
        review("hacrp", what=["cliffs", "clifs"])
    assert raised.value.problems[0].examples == ("clifs",)


def test_nothing_is_made_up_for_most_programs(tmp_path: Path) -> None:
    for program in ("hrrp", str(write_contract(tmp_path))):
        with pytest.raises(UsageError, match="nothing can be made up"):
            review(program, out=tmp_path / "OUT", tried_on=TriedOn(synthetic=1_000))


def test_a_run_of_something_else_is_refused(tmp_path: Path) -> None:
    run = write_rows(tmp_path / "RUN", "hacrp", payment_result=_PAID)
    with pytest.raises(UsageError, match="the run is of hacrp, the design is hvbp"):
        review("hvbp", tried_on=TriedOn(run=run))
    with pytest.raises(UsageError, match="the run is of 2024, the review of FY2024"):
        review("hacrp", period="FY2024", tried_on=TriedOn(run=run))
    contract = write_contract(tmp_path)
    of_another = write_rows(tmp_path / "OTHER", "contract", payment_result=_PAID)
    with pytest.raises(UsageError, match="the run is of another contract"):
        review(str(contract), tried_on=TriedOn(run=of_another))


def test_a_wrong_term_is_said_with_its_line(tmp_path: Path) -> None:
    wrong = write_contract(tmp_path, CONTRACT.replace("gate: 0.50", "gate: 50"))
    with pytest.raises(InputDataError) as raised:
        review(str(wrong))
    (problem,) = raised.value.problems
    assert problem.what.startswith("quality.gate: 50 is not a share between 0 and 1")
    assert problem.where.endswith("small.yaml, line 25")


def test_what_data_do_not_hold_is_said_and_no_error() -> None:
    found = {one.name: one for one in review("aco_reach").aspects}
    assert found["cliffs"].why_not.startswith("how aco_reach pays is not on record here")
    assert found["reliability"].why_not == "give --run, a finished run of the program, or --data"
    assert found["losers"].severity == "caution"
