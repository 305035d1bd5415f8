"""Screening for cancer of the bowel, the breast and the cervix."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.measure import Composite, Measure
from openvbp.measures.shared_conditions import ENROLLED, HOSPICE, aged
from openvbp.measures.values import MP, Age, Enrolled, Person, Value, Window, any_of

VERSION = "2026.1"
_EVER = MP.with_look_back("120y")
_IS_WOMAN = Person("gender") == "female"


def _had(value_set: str, window: Window) -> Value:
    return events.condition.in_(value_set).overlapping(window).exists()


def _done(value_set: str, window: Window) -> Value:
    return events.procedure.in_(value_set).starting(window).exists()


_STOOL_TEST = events.laboratory.in_("stool_blood_test").starting(MP).exists() | _done("stool_blood_test_procedure", MP)
COLORECTAL = Measure(
    "cancer_screening.colorectal",
    VERSION,
    "higher_is_better",
    initial_population=aged(46, 75) & ENROLLED & Enrolled(MP.with_look_back("1y"), gap_days=45, gaps=2),
    denominator_exclusion=HOSPICE | _had("colorectal_cancer", _EVER) | _done("total_colectomy", _EVER),
    # Each test looks at more of the bowel, and is good for longer, than the one before it.
    numerator=any_of(
        (
            _STOOL_TEST,
            _done("stool_dna_test", MP.with_look_back("2y")),
            _done("flexible_sigmoidoscopy", MP.with_look_back("4y")),
            _done("computed_tomography_colonography", MP.with_look_back("4y")),
            _done("colonoscopy", MP.with_look_back("9y")),
        )
    ),
    strata=(("50 and over", Age(MP.end) >= 50),),
)
BREAST = Measure(
    "cancer_screening.breast",
    VERSION,
    "higher_is_better",
    # Who is 42 at the end was 40 or nearly so when the window opened.
    initial_population=_IS_WOMAN & aged(42, 74) & ENROLLED,
    denominator_exclusion=HOSPICE | _had("absence_of_both_breasts", _EVER) | _done("bilateral_mastectomy", _EVER),
    numerator=_done("mammography", MP.with_look_back("15m")),
)
_VIRUS_TEST = events.laboratory.in_("papillomavirus_test").starting(MP.with_look_back("4y")).last()
CERVICAL = Measure(
    "cancer_screening.cervical",
    VERSION,
    "higher_is_better",
    initial_population=_IS_WOMAN & aged(24, 64) & ENROLLED,
    denominator_exclusion=HOSPICE | _had("absence_of_cervix", _EVER) | _done("hysterectomy_with_cervix", _EVER),
    numerator=_done("cervical_cytology_procedure", MP.with_look_back("2y"))
    | events.laboratory.in_("cervical_cytology").starting(MP.with_look_back("2y")).exists()
    # Below 30 years the virus mostly goes by itself: a test then is none.
    | (_VIRUS_TEST.exists() & (Age(_VIRUS_TEST.last_date()) >= 30)),
    strata=(("30 and over", Age(MP.end) >= 30),),
)

MEASURES: list[Measure | Composite] = [COLORECTAL, BREAST, CERVICAL]
