"""The user's own tables: hospitals and quality, prices, anchor stays or procedures, claims."""

from __future__ import annotations

from openvbp.declared_tables import DeclaredColumn, DeclaredTable

MODELS = {
    "cjr": "cjr",
    "cjr_rural": "cjr",
    "team_1": "team",
    "team_2": "team",
    "team_3": "team",
    "bpci_advanced": "bpci_advanced",
}
"""How a hospital takes part, and in which model."""

HOSPITALS = DeclaredTable(
    "hospitals.csv",
    (
        DeclaredColumn("provider_id", "hospital"),
        DeclaredColumn("provider_name", "text", may_be_empty=True),
        DeclaredColumn("participation", "text", choices=tuple(MODELS)),
        *(
            DeclaredColumn(name, "ratio", is_optional=True, may_be_empty=True, lowest=0)
            for name in (
                "complication_percentile",
                "hcahps_percentile",
                "earlier_complication_percentile",
                "earlier_hcahps_percentile",
                "improvement_points",
                "composite_quality_score",
            )
        ),
        *(
            DeclaredColumn(name, "count", is_optional=True, may_be_empty=True, lowest=0)
            for name in ("complication_cases", "hcahps_surveys", "baseline_episodes")
        ),
        DeclaredColumn("is_pro_submitted", "yes_no", is_optional=True, may_be_empty=True),
    ),
    key=("provider_id",),
)
PRICES = DeclaredTable(
    "prices.csv",
    (
        DeclaredColumn("provider_id", "hospital"),
        DeclaredColumn("episode_category", "text"),
        DeclaredColumn("hospital_baseline_price", "amount", may_be_empty=True, lowest=0),
        DeclaredColumn("regional_baseline_price", "amount", may_be_empty=True, lowest=0),
        DeclaredColumn("risk_adjustment_factor", "factor", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("high_cost_cap", "amount", is_optional=True, may_be_empty=True, lowest=0),
        DeclaredColumn("discount_group", "text", is_optional=True, may_be_empty=True),
    ),
    key=("provider_id", "episode_category"),
)
ANCHORS = DeclaredTable(
    "anchors.csv",
    (
        DeclaredColumn("beneficiary_id", "text"),
        DeclaredColumn("provider_id", "hospital"),
        DeclaredColumn("episode_category", "text"),
        DeclaredColumn("admission_date", "date"),
        DeclaredColumn("discharge_date", "date"),
        DeclaredColumn("death_date", "date", is_optional=True, may_be_empty=True),
        DeclaredColumn("ineligible_from", "date", is_optional=True, may_be_empty=True),
    ),
    key=("beneficiary_id", "provider_id", "admission_date"),
    is_patient_level=True,
)
CLAIMS = DeclaredTable(
    "claims.csv",
    (
        DeclaredColumn("claim_id", "text"),
        DeclaredColumn("beneficiary_id", "text"),
        DeclaredColumn("first_day", "date"),
        DeclaredColumn("last_day", "date"),
        DeclaredColumn("allowed_amount", "amount"),
        DeclaredColumn("is_excluded", "yes_no", is_optional=True, may_be_empty=True),
    ),
    key=("claim_id",),
    is_patient_level=True,
)
