"""Use of emergency departments: how often, for what others could treat, and by whom again and again."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.measure import Composite, Measure
from openvbp.measures.shared_conditions import EMERGENCY_VISITS, ENROLLED, HOSPICE, aged
from openvbp.measures.values import MP, EnrolledDays

VERSION = "2026.1"
_DAYS_OF_YEAR = 365
_TREATED_AND_RELEASED = EMERGENCY_VISITS.not_accompanied_by(events.stay)
_TREATABLE_ELSEWHERE = events.condition.in_("primary_care_treatable").having("is_principal", "==", True)  # noqa: FBT003

VISITS = Measure(
    "emergency_use.visits",
    VERSION,
    "lower_is_better",
    scoring="ratio",
    scale=1000 * _DAYS_OF_YEAR,
    numerator_value=_TREATED_AND_RELEASED.starting(MP).count(),
    denominator_value=EnrolledDays(MP),
)
AVOIDABLE_VISITS = Measure(
    "emergency_use.avoidable_visits",
    VERSION,
    "lower_is_better",
    scoring="ratio",
    scale=1000 * _DAYS_OF_YEAR,
    numerator_value=_TREATED_AND_RELEASED.accompanied_by(_TREATABLE_ELSEWHERE).starting(MP).count(),
    denominator_value=EnrolledDays(MP),
)
FREQUENT_USE = Measure(
    "emergency_use.frequent_use",
    VERSION,
    "lower_is_better",
    initial_population=aged(18) & ENROLLED,
    denominator_exclusion=HOSPICE,
    numerator=EMERGENCY_VISITS.starting(MP).count() >= 4,
)

MEASURES: list[Measure | Composite] = [VISITS, AVOIDABLE_VISITS, FREQUENT_USE]
