"""Groups of random diagnoses against an oracle that looks at them one by one; and what must not change them."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from grouping_examples import ICD_9, ICD_10, Row, by_hand, found_by, has_of, row
from openvbp.engine import Engine
from openvbp.grouping.grouper import Group, Grouper, Index, PresentRule
from openvbp.grouping.tables import read_grouper
from openvbp.grouping.trace import groups_of, trace

RULES: tuple[PresentRule, ...] = ("any", "present", "absent")


def random_grouper(seed: int, groups: int, *, positions: str = "all", has_screens: bool = False) -> Grouper:
    """Groups in several words of bits, that drop one another across words, some shown as one, some not shown."""
    drawn = random.Random(seed)
    made = []
    for number in range(groups):
        shown = f"g{number}" if number < groups // 2 else drawn.choice([f"g{number}", f"g{drawn.randrange(10)}", None])
        made.append(Group(f"p{number}", f"Group {number}", drawn.choice(RULES), shown))
    codes = {(drawn.choice([ICD_10, ICD_9]), drawn.choice(CODES), f"p{drawn.randrange(groups)}") for _ in range(400)}
    codes |= {(ICD_10, drawn.choice(CODES)[:3] + "*", one.name) for one in made}
    pairs = {tuple(sorted(drawn.sample(range(groups), 2))) for _ in range(groups)}
    screens = {("drg", str(drawn.randrange(100, 104)), f"p{drawn.randrange(groups)}") for _ in range(20)}
    screens |= {("principal", drawn.choice(CODES)[:3] + "*", f"p{drawn.randrange(groups)}") for _ in range(20)}
    labels = {one.reported_as: one.label for one in made if one.reported_as}
    weights = {name: drawn.randrange(-5, 6) for name in labels}
    return Grouper(
        name="random",
        title="Random",
        version="",
        cite="",
        groups=tuple(made),
        codes=frozenset(codes),
        labels=labels,
        hierarchy=tuple((f"p{one}", f"p{other}") for one, other in sorted(pairs)),
        indices=(Index("total", weights),),
        positions=positions,  # type: ignore[arg-type]
        screens=frozenset(screens) if has_screens else frozenset(),  # type: ignore[arg-type]
        exempt=frozenset(drawn.sample(CODES, 10)) if seed % 2 else None,
    )


CODES = [f"{letter}{number}{end}" for letter in "AE" for number in range(10, 30) for end in ("", "0", "1", "11")]


def random_rows(seed: int, subjects: int) -> list[Row]:
    drawn = random.Random(seed)
    rows = []
    for number in range(subjects):
        drg = drawn.choice([None, "100", "101", "102", "103"])
        for position in range(1, drawn.randrange(2, 9)):
            code = drawn.choice([*CODES, "Z99", None])
            if code and drawn.random() < 0.3:
                code = f" {code[:3].lower()}.{code[3:]}"
            poa = drawn.choice(["Y", "y", "N", "U", "W", "1", "E", "", None])
            system = drawn.choice([ICD_10, ICD_10, ICD_9])
            rows.append(row(f"P{number:03}", code, system, position, poa=poa, claim_id="c", drg_code=drg))
    drawn.shuffle(rows)
    return rows


@pytest.mark.parametrize(
    ("seed", "groups", "positions", "has_screens"),
    [(1, 125, "all", False), (2, 62, "secondary", True), (3, 12, "principal", False)],
)
def test_random_diagnoses_group_as_by_hand(
    duckdb_engine: Engine, seed: int, groups: int, positions: str, has_screens: bool
) -> None:
    grouper = random_grouper(seed, groups, positions=positions, has_screens=has_screens)
    rows = random_rows(seed, 60)
    subjects = sorted({one["subject_id"] for one in rows})
    everybody = [*subjects, "nobody"] if seed % 2 else None
    grouped, shown, codes = found_by(duckdb_engine, grouper, rows, subjects=everybody)
    expected = {one: by_hand(grouper, rows, one) for one in subjects} | ({"nobody": set()} if everybody else {})
    assert {one: has_of(row_of, grouper) for one, row_of in shown.items()} == expected
    assert sum(map(len, expected.values())) > 20
    weights = grouper.indices[0].weights
    assert all(row_of["total"] == sum(weights[name] for name in expected[one]) for one, row_of in shown.items())
    # What the trace says counts is what is shown.
    long = duckdb_engine.to_arrow(groups_of(trace(duckdb_engine, grouped, codes), grouper)).to_pylist()
    assert {(one["subject_id"], one["group"]) for one in long} == {
        (subject, name) for subject, some in expected.items() for name in some
    }


def test_charlson_of_random_codes_as_by_hand_whatever_the_order_and_however_often(duckdb_engine: Engine) -> None:
    grouper = read_grouper("charlson-quan")
    drawn = random.Random(7)
    listed = sorted((system, code[:-1]) for system, code, _group in grouper.codes)
    picked = [drawn.choice(listed) for _ in range(400)]
    rows = [row(f"P{drawn.randrange(80):02}", code + drawn.choice(["", "0", "9"]), system) for system, code in picked]
    _grouped, shown, _codes = found_by(duckdb_engine, grouper, rows)
    assert {one: has_of(row_of, grouper) for one, row_of in shown.items()} == {
        one: by_hand(grouper, rows, one) for one in shown
    }
    again = [*rows, *rows[:100]]
    drawn.shuffle(again)
    assert found_by(duckdb_engine, grouper, again)[1] == shown
    # A code more never takes a group away without putting the graver one there.
    more = [*rows, *(row(one, "C787") for one in shown)]
    for one, row_of in found_by(duckdb_engine, grouper, more)[1].items():
        assert has_of(row_of, grouper) == has_of(shown[one], grouper) - {"malignancy"} | {"metastatic_solid_tumor"}


def test_assuming_presence_is_as_if_all_were_present(duckdb_engine: Engine) -> None:
    grouper = replace(random_grouper(5, 20), exempt=frozenset())
    rows = random_rows(5, 30)
    as_said = found_by(duckdb_engine, grouper, [dict(one) | {"poa": "Y"} for one in rows])[1]
    assert found_by(duckdb_engine, grouper, rows, "assume")[1] == as_said
