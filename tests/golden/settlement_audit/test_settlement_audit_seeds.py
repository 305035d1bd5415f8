"""Errors that payers make, put into statements of PY2018, when quality scaled the sharing rate: each found at its step.

Twice: in a copy of the public use file, which prints few steps, and in a statement that prints every step, made by the
program's own rules with one of them wrong.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pytest

from conftest import published_data
from openvbp import money
from openvbp.audit.findings import Replay, findings, undetermined
from openvbp.engine import Engine
from openvbp.parameters import load_parameters
from openvbp.payment import shared_savings
from openvbp.programs import program
from openvbp.programs.mssp import rules
from openvbp.programs.mssp.settlement import settle
from openvbp.reporting.settlement_letter import Words, render_audit
from openvbp.rules import Rule
from openvbp.settlement_audit import SettlementReplay, audit_settlement

PERIOD, SEQUESTERED = "PY2018", Decimal("0.98")
CAPPED, UNKNOWN, LOSING = "A1409", "A2392", "A3442"
Row = dict[str, str]
Edit = Callable[[Row], None]


def amount(row: Mapping[str, str], column: str) -> Decimal:
    return Decimal(row[column] or "0")


def dollars(value: Decimal) -> str:
    return f"{value.quantize(Decimal(1), ROUND_HALF_UP)}"


def earn(row: Row) -> None:
    """Print the results that follow from what the row says."""
    gross = amount(row, "ABtotBnchmk") - amount(row, "ABtotExp")
    row["BnchmkMinExp"] = row["GenSaveLoss"] = dollars(gross)
    row["Sav_rate"] = f"{gross / amount(row, 'ABtotBnchmk'):.9f}"
    share = amount(row, "QualPerfShare") * amount(row, "QualScore")
    row["FinalShareRate"] = f"{share:.4f}"
    row["EarnSaveLoss"] = dollars(gross * share * SEQUESTERED)


def no_sequestration(row: Row) -> None:
    row["EarnSaveLoss"] = dollars(amount(row, "EarnSaveLoss") / SEQUESTERED)


def second_dollar(row: Row) -> None:
    beyond = amount(row, "BnchmkMinExp") - amount(row, "MinSavPerc") * amount(row, "ABtotBnchmk")
    row["EarnSaveLoss"] = dollars(beyond * amount(row, "QualPerfShare") * amount(row, "QualScore") * SEQUESTERED)


def flat_minimum(row: Row) -> None:
    earn(row)
    row["MinSavPerc"] = "0.02"


def limit_before_sequestration(row: Row) -> None:
    row["EarnSaveLoss"] = dollars(amount(row, "EarnSaveLoss") * SEQUESTERED)


def no_relief(row: Row) -> None:
    row["EarnSaveLoss"] = dollars(amount(row, "EarnSaveLoss") - abs(amount(row, "DisAdj")))


def wrong_quality(row: Row) -> None:
    row["QualScore"] = "0.7143"
    earn(row)


def transposed_digits(row: Row) -> None:
    """The second and third digits of the expenditures stand the wrong way round."""
    text = row["ABtotExp"]
    row["ABtotExp"] = text[0] + text[2] + text[1] + text[3:]
    earn(row)


def other_beneficiaries(row: Row) -> None:
    row["N_AB"], row["MinSavPerc"] = "8499", f"{(32 - Decimal(499) / 999) / 1000:.9f}"


EDITS: dict[str, tuple[Edit, str]] = {
    # error: where it is found
    "no sequestration": (no_sequestration, "earned_savings_or_losses"),
    "second dollar": (second_dollar, "earned_savings_or_losses"),
    "flat minimum": (flat_minimum, "minimum_savings_rate"),
    "limit before sequestration": (limit_before_sequestration, "earned_savings_or_losses"),
    "no relief": (no_relief, "earned_savings_or_losses"),
    "wrong quality": (wrong_quality, "published_quality_score"),
    "transposed digits": (transposed_digits, "expenditures"),
    "other beneficiaries": (other_beneficiaries, "beneficiaries"),
}
FIXED = {"limit before sequestration": CAPPED, "no relief": LOSING}


def write(path: Path, rows: list[Row]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row], dict[str, str]]:
    """Forty ACOs of the public use file; which of them gets which error."""
    with published_data("contracts", "mssp", "puf_2018.csv").open(newline="", encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    one_sided = [row for row in rows if row["Current_Track_1"] == "1" and row["ACO_ID"] != CAPPED]
    winners = [row["ACO_ID"] for row in one_sided if amount(row, "EarnSaveLoss") > 10**6][:10]
    digits = {row["ACO_ID"]: row["ABtotExp"] for row in one_sided}
    near = [
        row["ACO_ID"]
        for row in one_sided
        if Decimal("0.021") < amount(row, "Sav_rate") < amount(row, "MinSavPerc") and row["Met_QPS"] == "1"
    ]
    victims = {**FIXED, "flat minimum": near[0]}
    # Less spending, so that the ACO still saves.
    victims["transposed digits"] = next(one for one in winners if digits[one][2] < digits[one][1])
    rest = iter([one for one in winners if one not in victims.values()])
    victims |= {error: next(rest) for error in EDITS if error not in victims}
    kept = {*victims.values(), *winners, *near[:5], UNKNOWN, "A3764"}
    kept |= {row["ACO_ID"] for row in rows[:20]}
    few = [row for row in rows if row["ACO_ID"] in kept]
    return write(tmp_path_factory.mktemp("original") / "puf_2018.csv", few), few, victims


def audited(data: Path, statement: Path, out: Path) -> SettlementReplay:
    return audit_settlement("mssp", period=PERIOD, data=data, statement=statement, out=out)


def letter(found: SettlementReplay) -> str:
    words = Words(found.settlement.outcome, found.settlement.currency, found.rules, found.units, found.sources)
    return render_audit(found.replays, words, found.title)


def explained(one: Replay) -> Decimal:
    return sum((cause.effect or Decimal(0) for cause in one.causes), one.remainder or Decimal(0))


@pytest.fixture(scope="module")
def printed(
    original: tuple[Path, list[Row], dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Replay]:
    """The audit of a public use file with all errors: error to what is found."""
    data, rows, victims = original
    copies = {row["ACO_ID"]: dict(row) for row in rows}
    for error, provider in victims.items():
        EDITS[error][0](copies[provider])
    folder = tmp_path_factory.mktemp("printed")
    found = audited(data, write(folder / "puf_2018.csv", list(copies.values())), folder / "RUN")
    assert {one.provider_id for one in findings(found.replays)} == set(victims.values())
    by_provider = {one.provider_id: one for one in found.replays}
    for provider, row in copies.items():
        assert by_provider[provider].after == amount(row, "EarnSaveLoss")
    return {error: by_provider[provider] for error, provider in victims.items()}


def test_each_error_in_the_public_file_is_found_at_its_step(printed: dict[str, Replay]) -> None:
    found = {error: [cause.quantity for cause in one.causes] for error, one in printed.items()}
    assert found == {error: [quantity] for error, (_edit, quantity) in EDITS.items()}


def test_the_dollars_of_the_public_file_add_up_to_the_cent(printed: dict[str, Replay]) -> None:
    for error, one in printed.items():
        assert one.difference is not None
        assert explained(one) == one.difference != 0 or error == "other beneficiaries"


def test_steps_passed_over_are_named(printed: dict[str, Replay]) -> None:
    (sequestration,), (relief,) = printed["no sequestration"].causes, printed["no relief"].causes
    assert (sequestration.equals, sequestration.left_out) == ("shared_savings", "savings_after_sequestration")
    assert (relief.equals, relief.left_out) == ("limited_losses", "disaster_relief")
    (second,) = printed["second dollar"].causes
    assert second.equals is None
    assert {"shared_savings", "savings_after_sequestration", "performance_payment_limit"} <= set(second.unshown)


# --- Statements that print every step ------------------------------------------------------------------------


def shares_second_dollar(table: ir.Table) -> dict[str, ir.Value]:
    minimum = shared_savings.portion(table.benchmark, table.minimum_savings_rate)
    beyond = money.exact(table.gross_savings.cast("decimal(28, 10)") - minimum, 28, 10)
    return {"shared_savings": shared_savings.portion(beyond, table.final_sharing_rate)}


def limits_first(table: ir.Table) -> dict[str, ir.Value]:
    limited = shared_savings.limited(table.shared_savings, table.performance_payment_limit)
    return {"earned_savings": shared_savings.portion(limited, ibis.literal("0.98").cast("decimal(7, 6)"))}


WRONG_RULES: dict[str, tuple[str, Callable[[ir.Table], dict[str, Any]]]] = {
    # error: rule after which columns are wrong, and what stands in them; no rule: the inputs are wrong
    "no sequestration": ("savings_after_sequestration", lambda t: {"savings_after_sequestration": t.shared_savings}),
    "second dollar": ("shared_savings_from_first_dollar", shares_second_dollar),
    "flat minimum": (
        "minimum_savings_rate",
        lambda _: {"minimum_rate_numerator": 2, "minimum_rate_denominator": 100, "minimum_savings_rate": "0.02"},
    ),
    "limit before sequestration": ("earned_savings", limits_first),
    "no relief": ("owed_losses_at_most", lambda t: {"owed_losses_at_most": t.limited_losses}),
    "wrong quality": ("", lambda _: {"published_quality_score": "0.7143"}),
    # The printed difference is of the right expenditures.
    "transposed digits": ("", lambda t: {"expenditures": t.expenditures - 900_000, "published_difference": None}),
}
STEP_OF = {
    "shared_savings_from_first_dollar": "shared_savings",
    "wrong quality": "published_quality_score",
    "transposed digits": "expenditures",
}
PRINTED_DECIMALS = {"usd": 2, "ratio": 5, "count": 0, "flag": 0}
INPUTS = ("benchmark", "expenditures", "beneficiaries", "published_quality_score", "disaster_adjustment")


def made_wrong(table: ir.Table, provider: str, columns: Mapping[str, Any]) -> ir.Table:
    """Put other values into columns of one ACO."""
    wrong = {name: ibis.literal(one) if isinstance(one, str) else one for name, one in columns.items()}
    wrong = {name: ibis.null("string") if one is None else one for name, one in wrong.items()}
    values = {name: one if isinstance(one, int) else one.cast(table[name].type()) for name, one in wrong.items()}
    is_victim = table.provider_id == provider
    return table.mutate(**{name: ibis.ifelse(is_victim, one, table[name]) for name, one in values.items()})


def wrongly(rule: Rule, provider: str, error: str) -> Rule:
    def function(table: ir.Table) -> ir.Table:
        right = rule(table)
        return made_wrong(right, provider, WRONG_RULES[error][1](right))

    return replace(rule, function=function)


def settled_wrongly(engine: Engine, data: Path, victims: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Every quantity of each victim as a payer settles it that makes one error: by error."""
    mssp = program("mssp")
    declared = load_parameters(mssp.parameters_file)
    read = mssp.read(data, declared.in_force(declared.period(PERIOD)))
    acos = engine.table(read.content.published.aco_table(), "seeded_aco")
    acos = acos.mutate(participant_revenue=ibis.null("decimal(18, 2)"))
    with pytest.MonkeyPatch.context() as patch:
        for error, (name, function) in WRONG_RULES.items():
            if name:
                patch.setattr(rules, name, wrongly(getattr(rules, name), victims[error], error))
            else:
                acos = made_wrong(acos, victims[error], function(acos))
        rows = engine.to_arrow(settle(engine, acos, [read.rules_in_force], "seeded_")).to_pylist()
    return {error: next(row for row in rows if row["provider_id"] == victims[error]) for error in WRONG_RULES}


@pytest.fixture(scope="module")
def stepwise(
    original: tuple[Path, list[Row], dict[str, str]],
    duckdb_engine: Engine,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[dict[str, Replay], str]:
    data, _rows, victims = original
    units = dict.fromkeys(INPUTS, "usd") | {"beneficiaries": "count", "published_quality_score": "ratio"}
    units |= {rule.gives: rule.unit for rule in rules.__dict__.values() if isinstance(rule, Rule)}
    lines = []
    for error, row in settled_wrongly(duckdb_engine, data, victims).items():
        for quantity, unit in units.items():
            if row[quantity] is not None:
                places = Decimal(1).scaleb(-(4 if quantity == "published_quality_score" else PRINTED_DECIMALS[unit]))
                text = f"{Decimal(row[quantity]).quantize(places, ROUND_HALF_UP)}"
                lines.append({"provider_id": victims[error], "line": quantity, "value": text})
    # Twice what the data allow.
    lines.append({"provider_id": UNKNOWN, "line": "earned savings or losses", "value": "(3,515,366.00)"})
    lines.append({"provider_id": "A3764", "line": "participant revenue", "value": "$12,684,361.25"})
    lines.append({"provider_id": "A3764", "line": "earned savings or losses", "value": "-1003245"})
    folder = tmp_path_factory.mktemp("stepwise")
    found = audited(data, write(folder / "statement.csv", lines), folder / "RUN")
    by_provider = {one.provider_id: one for one in found.replays}
    names = {**victims, "outside": UNKNOWN, "revenue given": "A3764"}
    return {error: by_provider[names[error]] for error in (*WRONG_RULES, "outside", "revenue given")}, letter(found)


def test_each_wrong_rule_is_found_at_its_step_although_decimals_are_few(
    stepwise: tuple[dict[str, Replay], str],
) -> None:
    found = {error: [cause.quantity for cause in stepwise[0][error].causes] for error in WRONG_RULES}
    expected = {error: [STEP_OF.get(name or error, name)] for error, (name, _function) in WRONG_RULES.items()}
    assert found == expected


def test_the_dollars_of_the_steps_add_up_to_the_cent(stepwise: tuple[dict[str, Replay], str]) -> None:
    for error in WRONG_RULES:
        one = stepwise[0][error]
        assert one.difference is not None
        assert explained(one) == one.difference != 0


def test_what_the_data_do_not_allow_is_a_finding(stepwise: tuple[dict[str, Replay], str]) -> None:
    one = stepwise[0]["outside"]
    assert one.before is None
    (cause,) = one.causes
    assert one.lowest is not None
    assert cause.effect == Decimal("-3515366.00") - one.lowest
    assert "outside of what the data allow" in stepwise[1]


def test_revenue_in_the_statement_determines_the_losses(stepwise: tuple[dict[str, Replay], str]) -> None:
    """8 percent of the participants' revenue, less relief, is what was published."""
    one = stepwise[0]["revenue given"]
    assert one.taken == ("participant_revenue",)
    assert one.before is not None
    assert abs(one.before - Decimal(-1003245)) < 1
    assert one.causes == ()
    assert undetermined([one]) == []


def test_the_letter_is_short(stepwise: tuple[dict[str, Replay], str]) -> None:
    blocks = stepwise[1].split("\n\n")
    assert blocks[0].startswith("Audit of a settlement: Medicare Shared Savings Program PY2018")
    assert all(len(block.splitlines()) <= 10 for block in blocks)
    assert "as if this step had not been taken" in stepwise[1]
