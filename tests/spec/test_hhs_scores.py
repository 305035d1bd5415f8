"""Marketplace risk scores on small made-up tables: every step of adults, children and infants, by hand."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from hhs_tables import write_tables
from openvbp.engine import Engine
from openvbp.risk.marketplace import score_marketplace
from openvbp.risk.marketplace_tables import read_marketplace_tables

ADULT = (30, "female", "silver", "1", 7)
# case: age, gender, metal level, cost sharing, months; codes; raw score; score
Person = tuple[int, str, str, str, int]
CASES: dict[str, tuple[Person, str, str, str]] = {
    "an adult without codes": (ADULT, "", "0.200", "0.200"),
    "one category": (ADULT, "B20 b20 Z999", "0.700", "0.700"),
    "a severe category alone": (ADULT, "A41.9", "1.200", "1.200"),
    "a severe category and another": (ADULT, "A419 B20", "2.200", "2.200"),
    # 0.2 + 2.0 + 0.5 + group 0.3 + severe 6.0 + transplant 3.0: the group stands in the list and counts once.
    "three and more, the group counts once": (ADULT, "A419 B20 E112 E119", "12.000", "12.000"),
    "a hierarchy and a group": (ADULT, "E112 E119", "0.500", "0.500"),
    "a category that is not counted is paid": ((30, "female", "silver", "1", 1), "E109", "0.400", "0.400"),
    "one month of enrolment with a category": ((30, "female", "silver", "1", 1), "B20", "9.700", "9.700"),
    "six months": ((30, "female", "silver", "1", 6), "B20", "1.400", "1.400"),
    "drugs: one drops the other, and meets a category": (ADULT, "B20 00006022761 J1745", "4.950", "4.950"),
    "an interaction of alternatives asks the category that the group took": (
        ADULT,
        "E119 00006022761",
        "4.400",
        "4.400",
    ),
    "a code that counts for another category from 18": (ADULT, "J449", "0.400", "0.400"),
    "the same code below 18": ((17, "female", "silver", "1", 7), "J449", "1.300", "1.300"),
    "a category that the child's model does not know": ((20, "female", "silver", "1", 7), "J449", "0.100", "0.100"),
    "a code for men": ((30, "male", "silver", "1", 7), "D66", "1.300", "1.300"),
    "the code for men, of a woman": (ADULT, "D66", "0.200", "0.200"),
    "children know no drugs, and count two and three as one": (
        (5, "male", "silver", "1", 1),
        "A419 B20 00006022761",
        "5.500",
        "5.500",
    ),
    "gold": ((30, "female", "gold", "1", 7), "A419 B20", "2.220", "2.220"),
    "cost sharing": ((30, "female", "silver", "2", 7), "A419 B20", "2.200", "2.464"),
    "cost sharing is rounded half up": ((30, "female", "bronze", "3", 7), "", "0.197", "0.211"),
    "a newborn boy, extremely immature, severe": ((0, "male", "silver", "1", 3), "P0721 Z38 A419", "90.600", "90.600"),
    "a newborn girl at term": ((0, "female", "silver", "1", 3), "Z38", "40.000", "40.000"),
    "a newborn boy without a diagnosis of birth counts as one year old": (
        (0, "male", "silver", "1", 3),
        "",
        "20.050",
        "20.050",
    ),
    "a boy of one year": ((1, "male", "silver", "1", 7), "P0721 J449", "25.050", "25.050"),
}


def test_every_step_by_hand_and_the_trace_adds_up(duckdb_engine: Engine, tmp_path: Path) -> None:
    tables = read_marketplace_tables(write_tables(tmp_path / "tables"))
    ids = [f"P{number:02}" for number in range(len(CASES))]
    people = list(zip(*(case[0] for case in CASES.values()), strict=True))
    names = ("age", "gender", "metal_level", "csr_indicator", "enrollment_months")
    persons = pa.table({"person_id": ids, **dict(zip(names, map(list, people), strict=True))})
    rows = [(one, code) for one, case in zip(ids, CASES.values(), strict=True) for code in case[1].split()]
    systems = ["ndc" if code.isdigit() else "hcpcs" if code == "J1745" else "icd-10-cm" for _one, code in rows]
    codes = pa.table(
        {"person_id": [one for one, _code in rows], "code": [code for _one, code in rows], "code_system": systems}
    )
    found = score_marketplace(
        duckdb_engine, tables, duckdb_engine.table(persons, "hhs_persons"), duckdb_engine.table(codes, "hhs_codes")
    )
    scores = duckdb_engine.to_arrow(found.persons.order_by("person_id")).to_pylist()
    assert len(scores) == len(CASES)
    steps = duckdb_engine.to_arrow(found.trace).to_pylist()
    for (name, (_person, _codes, raw, score)), ours in zip(CASES.items(), scores, strict=True):
        assert (str(ours["raw_score"]), str(ours["score"])) == (raw, score), name
        parts = [
            step["coefficient"]
            for step in steps
            if step["person_id"] == ours["person_id"] and step["coefficient"] is not None
        ]
        assert sum(parts) == Decimal(raw), name
    of_three = list(CASES).index("three and more, the group counts once")
    traced = {(row["step"], row["item"], row["source"]) for row in steps if row["person_id"] == f"P{of_three:02}"}
    assert ("hierarchy", "HHS_HCC020", "HHS_HCC019") in traced
    assert ("group", "HHS_HCC019", "G01") in traced
    assert ("count", "SEVERE_HCC_COUNT3PLUS", "silver") in traced
    assert scores[of_three]["category_count"] == 3
