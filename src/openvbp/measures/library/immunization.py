"""Immunization of adults: influenza by claims and by registry, pneumococci."""

from __future__ import annotations

from openvbp.measures import events
from openvbp.measures.measure import Composite, Measure
from openvbp.measures.shared_conditions import ENROLLED, HOSPICE, aged
from openvbp.measures.values import MP, Enrolled, Window

VERSION = "2026.1"
# The season that ends in the period: with a calendar year, August of the year before to March.
_SEASON = Window(MP.start.minus("5m"), MP.start.plus("3m").minus("1d"))
_THROUGH_SEASON = Enrolled(_SEASON, gap_days=45, gaps=1)
_EVER = MP.with_look_back("120y")
_ALLERGIC = events.condition.in_("influenza_vaccine_allergy").overlapping(_EVER).exists()

INFLUENZA = Measure(
    "immunization.influenza",
    VERSION,
    "higher_is_better",
    initial_population=aged(18, window=_SEASON) & _THROUGH_SEASON,
    denominator_exclusion=HOSPICE,
    numerator=events.procedure.in_("influenza_vaccination").starting(_SEASON).exists(),
    denominator_exception=_ALLERGIC,
)
INFLUENZA_IN_REGISTRY = Measure(
    "immunization.influenza_in_registry",
    VERSION,
    "higher_is_better",
    initial_population=aged(18, window=_SEASON) & _THROUGH_SEASON,
    denominator_exclusion=HOSPICE,
    numerator=events.immunization.in_("influenza_vaccine").starting(_SEASON).exists(),
    denominator_exception=_ALLERGIC,
)
PNEUMOCOCCAL_IN_REGISTRY = Measure(
    "immunization.pneumococcal_in_registry",
    VERSION,
    "higher_is_better",
    initial_population=aged(66) & ENROLLED,
    denominator_exclusion=HOSPICE,
    numerator=events.immunization.in_("pneumococcal_vaccine").starting(_EVER).exists(),
)

MEASURES: list[Measure | Composite] = [INFLUENZA, INFLUENZA_IN_REGISTRY, PNEUMOCOCCAL_IN_REGISTRY]
