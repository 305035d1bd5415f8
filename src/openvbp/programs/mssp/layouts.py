"""Oddities of single years' files: headers one column off, and units that change from year to year.

Both are told by the numbers themselves, never by the year.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from openvbp.errors import InputDataError, Problem
from openvbp.programs.mssp import cells
from openvbp.programs.mssp.published_files import ResultsFile

_DOLLAR = Decimal(1)
"""Benchmark, expenditures and their difference are each rounded to a dollar at most."""

_RATIO_LIMITS = {
    # No minimum rate lies between these, whatever the number of beneficiaries, and no other share is above one.
    "minimum_savings_rate": Decimal("0.5"),
    "quality_score": Decimal(1),
    "final_sharing_rate": Decimal(1),
    "final_loss_rate": Decimal(1),
}
"""Largest number that is a fraction; larger ones are percent."""


def repair_shifted_headers(file: ResultsFile) -> None:
    """Move the money columns to where their numbers are, if the headers stand one column too far left.

    In the file of PY2013 the header of the expenditures is missing, so that every name after the benchmark's stands
    over the column before its own. That is so if benchmark less its neighbour is the column after that one, in every
    row.

    Raises
    ------
    InputDataError
        If the expenditures have no column, or benchmark less expenditures is not the printed difference.
    """
    if "expenditures" not in file.named:
        names = ("published_difference", "earned_savings", "owed_losses", "beneficiaries")
        start = file.named["benchmark"]
        stands_left = all(file.named.get(name) == start + place for place, name in enumerate(names, 1))
        if not stands_left or not _is_difference(file, start, start + 1, start + 2):
            raise InputDataError(
                Problem(
                    "column of the expenditures is missing",
                    str(file.table.path),
                    "give the public use file as published",
                    examples=("ABtotExp",),
                )
            )
        file.named["expenditures"] = start + 1
        file.named.update({name: start + place for place, name in enumerate(names, 2)})
        file.is_shifted = True
    elif "published_difference" in file.named:
        named = file.named
        _demand_difference(file, named["benchmark"], named["expenditures"], named["published_difference"])


def _differences(file: ResultsFile, benchmark: int, expenditures: int, difference: int) -> list[bool]:
    """Whether the difference is right, for every row with three numbers."""
    found = []
    for row in file.table.rows:
        amounts = [cells.try_money(row[index]) for index in (benchmark, expenditures, difference)]
        if None not in amounts:
            found.append(abs(amounts[0] - amounts[1] - amounts[2]) <= _DOLLAR)  # type: ignore[operator]
    return found


def _is_difference(file: ResultsFile, benchmark: int, expenditures: int, difference: int) -> bool:
    found = _differences(file, benchmark, expenditures, difference)
    return bool(found) and all(found)


def _demand_difference(file: ResultsFile, benchmark: int, expenditures: int, difference: int) -> None:
    """Refuse a file in which most rows contradict their headers; single wrong rows are rejected later."""
    found = _differences(file, benchmark, expenditures, difference)
    columns = (file.table.column(index) for index in (benchmark, expenditures, difference))
    is_empty = any(all(text in cells.MISSING for text in column) for column in columns)
    if is_empty or (found and sum(found) * 2 >= len(found)):
        return
    header = file.table.header
    raise InputDataError(
        Problem(
            f"'{header[benchmark]}' less '{header[expenditures]}' is not '{header[difference]}': "
            "the headers do not belong to the columns",
            str(file.table.path),
            "the file may have been edited or its headers moved; download it again",
            len(found) - sum(found) or len(file.table.rows),
            tuple(row[file.named["provider_id"]] for row in file.table.rows[:3]),
        )
    )


def percent_columns(file: ResultsFile) -> set[str]:
    """Name the columns of shares that are written in percent, with or without a percent sign.

    A percent sign alone proves nothing: the file of PY2013 prints fractions with one.

    Raises
    ------
    InputDataError
        If a column has both fractions and percent.
    """
    found, problems = set(), []
    for name, limit in _RATIO_LIMITS.items():
        numbers = [abs(number) for number in _numbers(file, name) if number]
        fractions = [
            number for number in numbers if (number < limit if name == "minimum_savings_rate" else number <= limit)
        ]
        if len(fractions) not in (0, len(numbers)):
            fewer = fractions if len(fractions) * 2 <= len(numbers) else [one for one in numbers if one > limit]
            problems.append(_mixed_units(file, name, fewer))
        elif numbers and not fractions:
            found.add(name)
    if problems:
        raise InputDataError(problems)
    if _is_percent_savings_rate(file):
        found.add("savings_rate")
    return found


def _is_percent_savings_rate(file: ResultsFile) -> bool:
    """Compare the printed savings rates with those that follow from benchmark and expenditures."""
    rates = file.texts("savings_rate") or []
    benchmarks, expenditures = file.texts("benchmark") or [], file.texts("expenditures") or []
    printed = computed = Decimal(0)
    for rate_text, *money_texts in zip(rates, benchmarks, expenditures, strict=False):
        rate, (benchmark, spent) = cells.try_number(rate_text), map(cells.try_money, money_texts)
        if rate is not None and benchmark and spent is not None:
            printed += abs(rate)
            computed += abs((benchmark - spent) / benchmark)
    return printed > 10 * computed


def _numbers(file: ResultsFile, name: str) -> Sequence[Decimal]:
    return [number for text in file.texts(name) or [] if (number := cells.try_number(text)) is not None]


def _mixed_units(file: ResultsFile, name: str, numbers: Sequence[Decimal]) -> Problem:
    return Problem(
        f"column '{file.table.header[file.named[name]]}' has both fractions and percent",
        str(file.table.path),
        "use one unit in the whole column",
        len(numbers),
        tuple(str(number) for number in numbers[:3]),
    )
