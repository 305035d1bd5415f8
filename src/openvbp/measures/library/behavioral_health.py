"""Mental health: depression looked for, drugs against it and against psychosis taken."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.library.medication_adherence import covered_share_at_least, treated
from openvbp.measures.measure import Composite, Measure
from openvbp.measures.shared_conditions import ENROLLED, HOSPICE, OFFICE_VISITS, aged, diagnosed
from openvbp.measures.values import MP, Window

VERSION = "2026.1"
_KNOWN_BEFORE = Window(MP.start.minus("1y"), MP.start.minus("1d"))
_KNOWN = events.condition.in_("depression", "bipolar_disorder").overlapping(_KNOWN_BEFORE).exists()

DEPRESSION_SCREENING = Measure(
    "behavioral_health.depression_screening",
    VERSION,
    "higher_is_better",
    initial_population=aged(12) & OFFICE_VISITS.starting(MP).exists() & ENROLLED,
    # Who is known to be depressed is followed, not screened.
    denominator_exclusion=HOSPICE | _KNOWN,
    numerator=events.procedure.in_("depression_screening").starting(MP).exists()
    | events.laboratory.in_("depression_score").starting(MP).exists(),
)

# A start: none in the half year before, and 90 days left to the period's end.
_DRUG = events.dispensing.in_("antidepressant")
_STARTED = _DRUG.starting(Window(MP.start, MP.end.minus("89d"))).first_date()
_BEGINNING = Window(_STARTED, _STARTED.plus("89d"))
_IS_NEW = _DRUG.starting(Window(_STARTED.minus("180d"), _STARTED.minus("1d"))).is_missing()
_DEPRESSED = events.condition.in_("depression").overlapping(Window(_STARTED.minus("60d"), _STARTED.plus("60d")))
ANTIDEPRESSANT_CONTINUED = Measure(
    "behavioral_health.antidepressant_continued",
    VERSION,
    "higher_is_better",
    initial_population=aged(18) & ~_STARTED.is_missing() & _IS_NEW & _DEPRESSED.exists() & ENROLLED,
    denominator_exclusion=HOSPICE,
    # 72 of 90 days are four fifths.
    numerator=_DRUG.starting(_BEGINNING).covered_days() >= 72,
)

_ANTIPSYCHOTIC = events.dispensing.in_("antipsychotic")
ANTIPSYCHOTIC_ADHERENCE = Measure(
    "behavioral_health.antipsychotic_adherence",
    VERSION,
    "higher_is_better",
    initial_population=aged(18) & ENROLLED & diagnosed("schizophrenia", MP) & treated(_ANTIPSYCHOTIC),
    denominator_exclusion=HOSPICE | events.condition.in_("dementia").overlapping(MP).exists(),
    numerator=covered_share_at_least(_ANTIPSYCHOTIC, 80),
)

MEASURES: list[Measure | Composite] = [DEPRESSION_SCREENING, ANTIDEPRESSANT_CONTINUED, ANTIPSYCHOTIC_ADHERENCE]
