"""Our results against the published ones, provider by provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from ibis import _

from openvbp.engine import open_engine
from openvbp.errors import InputDataError, Problem
from openvbp.parameters import ACTUAL
from openvbp.published_values import is_missing
from openvbp.run_folder import RunFolder

_VALUE = "decimal(38, 16)"
_KEYS = ("provider_id", "quantity", "measure_id", "domain_id")
AS_PUBLISHED = "as published"
"""Words in the note of a step whose value was taken from the published results."""
_NUMBER = "(-?[0-9]+[.]?[0-9]*)"


@dataclass(frozen=True)
class QuantityComparison:
    """How one quantity compares over all providers."""

    quantity: str
    published: int
    """Values that the publisher gives."""
    equal: int
    within_tolerance: int
    taken_as_published: int
    """Equal because our value is the published one: its inputs are not public."""
    different: int
    only_published: int
    only_ours: int

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs and nothing is missing on either side."""
        return not (self.different or self.only_published or self.only_ours)


@dataclass(frozen=True)
class Comparison:
    """All quantities that the published files give, and every value that differs."""

    quantities: list[QuantityComparison]
    differences: list[dict[str, Any]]
    """provider_id, quantity, measure_id, domain_id, ours, published, source, kind."""

    @property
    def is_equal(self) -> bool:
        """Whether every published value is reproduced."""
        return all(one.is_equal for one in self.quantities)


def compare(run: RunFolder, published: pa.Table, tolerances: Mapping[str, Decimal]) -> Comparison:
    """Match the results of the rules in force to published values.

    Parameters
    ----------
    run
        A finished run.
    published
        Values in long form, as a program's ``read_published_values`` gives them. A column ``tolerance`` may give the
        largest accepted difference of a single value.
    tolerances
        Quantity to largest accepted difference; other quantities must be equal when ours are rounded half up to the
        number of decimals that is published.

    Raises
    ------
    InputDataError
        If the published files hold no value that the run computes.

    Notes
    -----
    A provider that stands on one side only is a difference, so is a value that only one side has.
    """
    with open_engine() as engine:
        theirs = _numbers(engine.table(published, "published"))
        steps = engine.read_parquet(run.table_path("step_result"), "steps")
        ours = _ours(steps, theirs)
        # The join key is one text because null keys never join.
        pairs = theirs.outer_join(ours, "key")
        joined = pairs.select(
            "source",
            "published",
            "decimals",
            "ours",
            "note",
            "tolerance",
            **{name: ibis.coalesce(pairs[name], pairs[f"{name}_right"]) for name in _KEYS},
        )
        compared = engine.compute(joined.mutate(kind=_kind(joined, tolerances)), "compared")
        counts = compared.group_by("quantity").agg(
            published=_.published.count(),
            equal=(_.kind == "equal").sum(),
            within_tolerance=(_.kind == "within tolerance").sum(),
            taken_as_published=(
                _.kind.isin(["equal", "within tolerance"]) & _.note.fill_null("").contains(AS_PUBLISHED)
            ).sum(),
            different=(_.kind == "different").sum(),
            only_published=(_.kind == "only published").sum(),
            only_ours=(_.kind == "only ours").sum(),
        )
        quantities = [QuantityComparison(**row) for row in engine.to_arrow(counts.order_by("quantity")).to_pylist()]
        differences = compared.filter(_.kind.notin(["equal", "within tolerance"])).drop("decimals", "note", "tolerance")
        rows = engine.to_arrow(differences.order_by(_KEYS)).to_pylist()
    if not any(one.equal + one.within_tolerance + one.different for one in quantities):
        raise InputDataError(
            Problem(
                "the published files share no value with the run",
                str(run.path),
                f"give the published results of {run.title}; they have: "
                + ", ".join(sorted(set(published["quantity"].to_pylist()))),
            )
        )
    return Comparison(quantities, rows)


def _numbers(published: ir.Table) -> ir.Table:
    """Read the published text: the number that it begins with, and how many decimals it has."""
    tolerance = published.tolerance if "tolerance" in published.columns else ibis.null(_VALUE)
    present = published.mutate(tolerance=tolerance.cast(_VALUE)).filter(~is_missing(published.text))
    text = present.text.re_replace("[$,%]", "").re_extract(_NUMBER, 1)
    decimals = ibis.ifelse(text.contains("."), text.length() - text.find(".") - 1, 0)
    return _with_key(present).mutate(published=text.nullif("").cast(_VALUE), decimals=decimals.cast("int64"))


def _ours(steps: ir.Table, theirs: ir.Table) -> ir.Table:
    """Our values of the quantities that are published, for the rules in force."""
    mine = steps.filter(steps.value.notnull() & (steps.scenario_id == ACTUAL) & (steps.rule_id != "input"))
    mine = mine.semi_join(theirs, "quantity")
    # The domain of a measure is not part of its key: published files do not always name it.
    mine = mine.mutate(domain_id=ibis.ifelse(mine.measure_id.notnull(), ibis.null("string"), mine.domain_id))
    return _with_key(mine.rename(ours="value")).select(*_KEYS, "key", "ours", "note")


def _with_key(rows: ir.Table) -> ir.Table:
    parts = [rows[name].fill_null("") for name in _KEYS]
    return rows.mutate(key=ibis.literal("|").join(parts))


def _kind(rows: ir.Table, tolerances: Mapping[str, Decimal]) -> ir.StringValue:
    """Classify a pair of values; ours is rounded half up to the published number of decimals."""
    difference = (rows.ours - rows.published).abs()
    half_unit = ibis.cases(
        *(
            (rows.decimals == places, ibis.literal(f"{5 / 10 ** (places + 1):.17f}").cast("decimal(38, 17)"))
            for places in range(16)
        ),
        else_=ibis.literal("0").cast("decimal(38, 17)"),
    )
    is_half = difference == half_unit
    rounds_to_it = (difference < half_unit) | (is_half & (rows.ours < rows.published))
    return ibis.cases(
        (rows.ours.isnull(), "only published"),
        (rows.published.isnull(), "only ours"),
        (rounds_to_it, "equal"),
        (difference <= rows.tolerance, "within tolerance"),
        *(
            ((rows.quantity == name) & (difference <= ibis.literal(str(limit)).cast(_VALUE)), "within tolerance")
            for name, limit in tolerances.items()
        ),
        else_="different",
    )


def render(comparison: Comparison, most: int = 20) -> str:
    """Write a comparison for a terminal: a table of quantities, then the first differences."""
    header = tuple(name.replace("_", " ") for name in QuantityComparison.__annotations__)
    table = [header] + [
        tuple(f"{cell:,}" if isinstance(cell, int) else cell for cell in vars(one).values())
        for one in comparison.quantities
    ]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in table
    ]
    total = len(comparison.differences)
    if comparison.is_equal:
        lines += ["", "Every published value is reproduced."]
    else:
        lines += ["", "1 value differs:" if total == 1 else f"{total:,} values differ:"]
        lines += [_difference_line(row) for row in comparison.differences[:most]]
        if total > most:
            lines.append(f"... and {total - most:,} more (--json lists all)")
    return "\n".join(lines)


def _difference_line(row: dict[str, Any]) -> str:
    what = " ".join(str(row[name]) for name in ("provider_id", "measure_id", "domain_id", "quantity") if row[name])
    return f"{what}: ours {_text(row['ours'])}, published {_text(row['published'])} ({row['kind']})"


def _text(value: Decimal | None) -> str:
    return "none" if value is None else f"{value.normalize():f}"
