"""The files that the program reads: stays, and the tables of the grouper that the user has."""

from __future__ import annotations

from openvbp.declared_tables import DeclaredColumn, DeclaredTable

CC_LEVELS = ("none", "cc", "mcc")
ROLES = ("secondary_diagnosis", "accompanying_diagnosis", "principal_diagnosis", "procedure")
CODE_SYSTEMS = ("ICD-9-CM", "ICD-10-CM", "ICD-10-PCS")

_VALIDITY = (DeclaredColumn("from", "date"), DeclaredColumn("to", "date", may_be_empty=True))
_CODE = (DeclaredColumn("code", "code"), DeclaredColumn("code_system", "text", choices=CODE_SYSTEMS))

STAYS = DeclaredTable(
    "stays.csv",
    (
        DeclaredColumn("stay_id", "text"),
        DeclaredColumn("provider_id", "hospital"),
        DeclaredColumn("discharge_date", "date"),
        DeclaredColumn("drg", "text"),
        DeclaredColumn("payment_per_weight", "amount", lowest=0),
        DeclaredColumn("discharged_alive", "yes_no"),
    ),
    key=("stay_id",),
    is_patient_level=True,
)
DIAGNOSES = DeclaredTable(
    "stay_diagnoses.csv",
    (
        DeclaredColumn("stay_id", "text"),
        DeclaredColumn("sequence", "count", lowest=1),
        DeclaredColumn("code", "code"),
        DeclaredColumn("present_on_admission", "text", may_be_empty=True),
    ),
    key=("stay_id", "sequence"),
    is_patient_level=True,
)
PROCEDURES = DeclaredTable(
    "stay_procedures.csv",
    (
        DeclaredColumn("stay_id", "text"),
        DeclaredColumn("sequence", "count", lowest=1),
        DeclaredColumn("code", "code"),
    ),
    key=("stay_id", "sequence"),
    is_patient_level=True,
)
HAC_CODES = DeclaredTable(
    "hac_codes.csv",
    (
        DeclaredColumn("category", "text"),
        DeclaredColumn("role", "text", choices=ROLES),
        DeclaredColumn("alternative", "text", is_optional=True, may_be_empty=True),
        DeclaredColumn("part", "text", is_optional=True, may_be_empty=True),
        *_CODE,
        *_VALIDITY,
    ),
    key=("category", "role", "alternative", "part", "code", "code_system", "from"),
)
DRG_TRIPLETS = DeclaredTable(
    "drg_triplets.csv",
    (
        DeclaredColumn("base_drg", "text"),
        DeclaredColumn("cc_level", "text", choices=CC_LEVELS),
        DeclaredColumn("drg", "text"),
        DeclaredColumn("weight", "weight", lowest=0),
        *_VALIDITY,
    ),
    key=("base_drg", "cc_level", "from"),
)
CC_CODES = DeclaredTable(
    "cc_codes.csv",
    (
        *_CODE,
        DeclaredColumn("cc_level", "text", choices=CC_LEVELS[1:]),
        DeclaredColumn("exclusion_collection", "text", is_optional=True, may_be_empty=True),
        DeclaredColumn("only_if_alive", "yes_no", is_optional=True, may_be_empty=True),
        *_VALIDITY,
    ),
    key=("code", "code_system", "from"),
)
CC_EXCLUSIONS = DeclaredTable(
    "cc_exclusions.csv",
    (DeclaredColumn("exclusion_collection", "text"), *_CODE, *_VALIDITY),
    key=("exclusion_collection", "code", "code_system", "from"),
)
