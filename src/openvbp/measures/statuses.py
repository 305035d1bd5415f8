"""Where a measure puts a subject: one status, from its populations in order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ibis
import ibis.expr.types as ir

from openvbp.measures.expressions import is_always_known, is_unknown
from openvbp.measures.measure import Measure, Role
from openvbp.measures.values import Constant, Value

STATUSES = (
    "outside",
    "not_in_denominator",
    "excluded",
    "met",
    "numerator_excluded",
    "exception",
    "not_met",
    "not_evaluable",
)
"""By number. ``outside``: not in the initial population. ``met``: in the numerator, whatever the direction."""
OUTSIDE, NOT_IN_DENOMINATOR, EXCLUDED, MET, NUMERATOR_EXCLUDED, EXCEPTION, NOT_MET, NOT_EVALUABLE = range(8)
_ORDER: tuple[tuple[Role, int | None, int | None], ...] = (
    ("initial_population", OUTSIDE, None),
    ("denominator", NOT_IN_DENOMINATOR, None),
    ("denominator_exclusion", None, EXCLUDED),
)
"""Role, status of those for whom it is false, status of those for whom it is true; none goes on."""


def status_column(measure: Measure, translate: Callable[[Value], Any]) -> ir.IntegerValue:
    """Number of the status of each subject.

    The first role whose condition is null leaves the subject not evaluable: what follows could go either way.
    """
    branches: list[tuple[Any, int]] = []
    for role, if_false, if_true in _ORDER:
        condition = getattr(measure, role)
        if isinstance(condition, Constant):
            continue
        found = translate(condition)
        branches += _unknown(condition, found)
        if if_false is not None:
            branches.append((~found, if_false))
        if if_true is not None:
            branches.append((found, if_true))
    if measure.scoring == "proportion":
        branches += _numerator_branches(measure, translate)
        return ibis.cases(*branches, else_=NOT_MET).cast("int64")
    # Measures that add up numbers have no numerator: who is in the denominator counts.
    return ibis.cases(*branches, else_=MET).cast("int64") if branches else ibis.literal(MET, "int64")


def _numerator_branches(measure: Measure, translate: Callable[[Value], Any]) -> list[tuple[Any, int]]:
    numerator = translate(measure.numerator)
    branches = _unknown(measure.numerator, numerator)
    if not isinstance(measure.numerator_exclusion, Constant):
        excluded = translate(measure.numerator_exclusion)
        branches += [(numerator & is_null, code) for is_null, code in _unknown(measure.numerator_exclusion, excluded)]
        branches.append((numerator & excluded, NUMERATOR_EXCLUDED))
    branches.append((numerator, MET))
    if not isinstance(measure.denominator_exception, Constant):
        exception = translate(measure.denominator_exception)
        branches += [*_unknown(measure.denominator_exception, exception), (exception, EXCEPTION)]
    return branches


def _unknown(condition: Value, found: Any) -> list[tuple[Any, int]]:
    return [] if is_always_known(condition) else [(is_unknown(found), NOT_EVALUABLE)]
