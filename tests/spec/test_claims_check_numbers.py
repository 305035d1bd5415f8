"""Numbers and codes of claims: check digits, forms, spelling."""

from __future__ import annotations

import pyarrow as pa
import pytest

from openvbp.claims.code_systems import CCN_FORM, code_systems, is_npi, normalized_code
from openvbp.engine import Engine

PUBLISHED_EXAMPLE = "1234567893"
"""CMS' own example of an NPI with its check digit."""


def answers(engine: Engine, texts: list[str], what: str) -> list[object]:
    rows = engine.table(pa.table({"place": range(len(texts)), "text": texts}), "numbers")
    asked = {
        "npi": is_npi(rows.text),
        "ccn": rows.text.re_search(CCN_FORM),
        "diagnosis": normalized_code(rows.text, has_dot=True),
        "icd_9_cm": rows.text.re_search(code_systems()["icd_9_cm"].form),
        "icd_10_cm": rows.text.re_search(code_systems()["icd_10_cm"].form),
    }
    return engine.to_arrow(rows.select("place", answer=asked[what]).order_by("place"))["answer"].to_pylist()


def test_every_other_digit_breaks_an_npi(duckdb_engine: Engine) -> None:
    others = [
        PUBLISHED_EXAMPLE[:place] + digit + PUBLISHED_EXAMPLE[place + 1 :]
        for place in range(10)
        for digit in "0123456789"
        if digit != PUBLISHED_EXAMPLE[place]
    ]
    assert answers(duckdb_engine, [PUBLISHED_EXAMPLE, *others], "npi") == [True, *([False] * 90)]


@pytest.mark.parametrize(
    ("what", "right", "wrong"),
    [
        ("npi", ["1679576722"], ["", "123456789", "12345678933", "123456789X", "9234567891"]),
        ("ccn", ["050001", "01022F", "45T123", "05C0001234"], ["50001", "000001", "0500011", "05 001"]),
        ("icd_9_cm", ["4019", "V5867", "E8490", "250"], ["I10", "40190X", "25", "V5"]),
        ("icd_10_cm", ["I10", "E119", "S72001A", "C7A00"], ["4019", "I1", "E1.9", "I10XXXXX"]),
    ],
)
def test_forms(duckdb_engine: Engine, what: str, right: list[str], wrong: list[str]) -> None:
    assert answers(duckdb_engine, [*right, *wrong], what) == [True] * len(right) + [False] * len(wrong)


def test_codes_are_compared_without_dot_case_and_blanks(duckdb_engine: Engine) -> None:
    assert answers(duckdb_engine, ["e11.9 ", " E119", "E119"], "diagnosis") == ["E119"] * 3
