"""Patients' answers about their care: shares of the best answer, and composites of questions.

Each answer is a row, so that answers count for the facility that they are about. Questions are identified by the user's
value sets; skipped ones are left out.
"""

from __future__ import annotations

from decimal import Decimal

from openvbp.measures import events
from openvbp.measures.measure import Composite, Episode, Measure
from openvbp.measures.values import MP

VERSION = "2026.1"
_answer = events.index_field("value")


def _top_box(name: str, best_from: int) -> Measure:
    """Share of answers that are the best one can give."""
    return Measure(
        f"patient_experience.{name}",
        VERSION,
        "higher_is_better",
        basis=Episode(events.survey_answer.in_(f"question_{name}").starting(MP)),
        denominator=~_answer.is_missing(),
        numerator=_answer >= best_from,
    )


# On a scale of 1 (never) to 4 (always).
COMMUNICATION = [_top_box(name, 4) for name in ("listened", "explained", "respected", "spent_time")]
ACCESS = [_top_box(name, 4) for name in ("urgent_appointment", "routine_appointment")]
# On a scale of 0 to 10, where 9 and 10 are the best.
RATING = _top_box("overall_rating", 9)
MEAN_RATING = Measure(
    "patient_experience.mean_overall_rating",
    VERSION,
    "higher_is_better",
    basis=Episode(events.survey_answer.in_("question_overall_rating").starting(MP)),
    scoring="continuous",
    denominator=~_answer.is_missing(),
    numerator_value=_answer,
)


def _composite(name: str, components: list[Measure]) -> Composite:
    """Mean of the components' shares, each with the same weight."""
    ids = tuple(one.id for one in components)
    return Composite(
        f"patient_experience.{name}", VERSION, "higher_is_better", "linear", ids, tuple(Decimal(1) for _id in ids)
    )


MEASURES: list[Measure | Composite] = [
    *COMMUNICATION,
    *ACCESS,
    RATING,
    MEAN_RATING,
    _composite("communication", COMMUNICATION),
    _composite("access", ACCESS),
]
