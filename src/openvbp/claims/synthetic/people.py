"""Members of a region: age, sex, race, place, entitlement, severity."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from openvbp.claims.synthetic.providers import NEVER
from openvbp.claims.synthetic.region import Region

DAYS_OF_YEAR = 365.25
COUNTIES = 6
RACES = ("white", "black or african american", "asian", "hispanic", "american indian or alaska native", "other race")


@dataclass
class People:
    """Arrays with one entry per member."""

    birth: np.ndarray
    """Day of birth, in days since 1970."""
    is_female: np.ndarray
    race: np.ndarray
    place: np.ndarray
    """Position on the unit square."""
    county: np.ndarray
    is_rural: np.ndarray
    deprivation: np.ndarray
    """Percentile of the neighbourhood, 1 to 100."""
    under_65: np.ndarray
    """At the start."""
    is_dual: np.ndarray
    """At the start."""
    was_disabled: np.ndarray
    """Entitled by disability at first."""
    has_renal_failure: np.ndarray
    in_institution: np.ndarray
    severity: np.ndarray
    """Latent need, standard deviations."""
    access: np.ndarray
    """Log of the rate of visits that is due to access."""
    death: np.ndarray
    """Day of death; NEVER while alive."""
    start: np.ndarray = field(default_factory=lambda: np.empty(0))
    """First day of enrolment."""
    end: np.ndarray = field(default_factory=lambda: np.empty(0))
    """Last day of enrolment."""
    claims_from: np.ndarray = field(default_factory=lambda: np.empty(0))
    """First day on which claims reach the payer: outside managed care."""
    claims_to: np.ndarray = field(default_factory=lambda: np.empty(0))
    changes: dict[str, np.ndarray] = field(default_factory=dict)
    """Days on which enrolment changes, by kind; NEVER where it does not."""
    has_part_b: np.ndarray = field(default_factory=lambda: np.empty(0))
    new_county: np.ndarray = field(default_factory=lambda: np.empty(0))
    conditions: np.ndarray = field(default_factory=lambda: np.empty(0))
    """Member × condition, true or false."""
    risk: np.ndarray = field(default_factory=lambda: np.empty(0))
    """Lasting need of care, mean one."""
    acuity: np.ndarray = field(default_factory=lambda: np.empty(0))
    """Member × year: need in the year, mean one."""

    def age_on(self, day: int) -> np.ndarray:
        """Age in years."""
        return (day - self.birth) / DAYS_OF_YEAR

    def covered(self, members: np.ndarray, days: np.ndarray) -> np.ndarray:
        """Whether care of members on days gives claims: alive, enrolled, not in managed care."""
        return (days >= self.claims_from[members]) & (days <= np.minimum(self.claims_to, self.death)[members])


def draw_people(region: Region) -> People:
    """Draw members as they are on the first day."""
    rng = region.generators["people"]
    s, g, n = region.settings["people"], region.settings["gradient"], region.members
    under_65 = rng.random(n) < s["under_65_share"]
    young = 65 - 35 * rng.random(n) ** 1.9
    old = 65 + np.minimum(35, rng.gamma(s["age_shape"], s["age_scale"], n))
    age = np.where(under_65, young, old)
    birth = (region.first_day - age * DAYS_OF_YEAR).astype(np.int32)
    place = rng.random((n, 2))
    race_share = np.array([s["race_share"][race] for race in RACES])
    race = rng.choice(len(RACES), n, p=race_share / race_share.sum())
    county = np.minimum((place[:, 0] * COUNTIES).astype(np.int32), COUNTIES - 1)
    # The counties at one edge are rural.
    is_rural = place[:, 0] > 1 - s["rural_share"]
    deprivation = np.clip(
        np.rint(100 * rng.beta(1.6, 1.8, n) + 8 * is_rural + 12 * (race == 1) + 6 * under_65 - 2), 1, 100
    ).astype(np.int32)
    dual_share = np.where(
        under_65, s["dual_share_under_65"], s["dual_share_over_65"] * np.exp(0.012 * (deprivation - 55))
    )
    is_dual = rng.random(n) < dual_share
    renal = rng.random(n) < np.where(under_65, s["renal_failure_share_under_65"], s["renal_failure_share_over_65"])
    severity = (
        rng.normal(size=n)
        + g["severity_per_year_of_age"] * (np.maximum(age, 60) - 74)
        + g["severity_of_dual"] * is_dual
        + g["severity_of_black"] * (race == 1)
        + g["severity_per_deprivation_percentile"] * (deprivation - 50)
    )
    access = (
        g["access_of_dual"] * is_dual
        + g["access_of_black"] * (race == 1)
        + g["access_of_rural"] * is_rural
        + g["access_per_deprivation_percentile"] * (deprivation - 50)
    )
    frail = (age - 65) / 10 + severity + 0.8 * is_dual
    in_institution = frail >= np.quantile(frail, 1 - s["institution_share"])
    return People(
        birth=birth,
        is_female=rng.random(n) < s["female_share"],
        race=race.astype(np.int8),
        place=place,
        county=county,
        is_rural=is_rural,
        deprivation=deprivation,
        under_65=under_65,
        is_dual=is_dual,
        was_disabled=under_65 | (rng.random(n) < s["disabled_before_65_share"]),
        has_renal_failure=renal,
        in_institution=in_institution,
        severity=severity,
        access=access,
        death=np.full(n, NEVER, np.int32),
    )
