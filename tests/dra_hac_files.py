"""A small made-up hospital year for the non-payment rule: one stay per situation, every amount computed by hand.

A weight of one pays 1,000.00 in hospital 010001 and 2,000.00 in hospital 010002, so that amounts can be read off the
weights: 1.5, 1.0 and 0.7 with MCC, CC and neither (family PNEUMONIA), 8.0 and 6.0 with and without MCC (family CABG).
"""

from __future__ import annotations

from pathlib import Path

Rows = list[list[str]]

STAYS: Rows = [
    # stay_id, provider_id, discharge_date, drg, payment_per_weight, discharged_alive
    ["ulcer acquired", "010001", "2010-01-05", "193", "1000.00", "yes"],
    ["ulcer present", "010001", "2010-01-06", "193", "1000.00", "yes"],
    ["ulcer undetermined", "010001", "2010-01-07", "193", "1000.00", "yes"],
    ["ulcer undocumented", "010001", "2010-01-08", "195", "1000.00", "yes"],
    ["ulcer exempt", "010001", "2010-01-09", "195", "1000.00", "yes"],
    ["other MCC carries", "010001", "2010-01-10", "193", "1000.00", "yes"],
    ["other CC carries", "010001", "2010-01-11", "194", "1000.00", "yes"],
    ["MCC excluded", "010001", "2010-01-12", "195", "1000.00", "yes"],
    ["MCC counts for the living", "010001", "2010-01-13", "195", "1000.00", "no"],
    ["infection with its cause", "010001", "2010-01-14", "195", "1000.00", "yes"],
    ["infection without cause", "010001", "2010-01-15", "194", "1000.00", "yes"],
    ["mediastinitis after graft", "010002", "2010-02-01", "234", "2000.00", "yes"],
    ["mediastinitis, no graft", "010002", "2010-02-02", "193", "2000.00", "yes"],
    ["obesity, all three parts", "010002", "2010-02-03", "195", "2000.00", "yes"],
    ["obesity is secondary", "010002", "2010-02-04", "194", "2000.00", "yes"],
    ["no secondary diagnosis", "010002", "2010-02-05", "195", "2000.00", "yes"],
]

DIAGNOSES: Rows = [
    # stay_id, sequence, code, present_on_admission
    ["ulcer acquired", "1", "486", "Y"],
    ["ulcer acquired", "2", "707.23", "N"],
    ["ulcer present", "1", "486", "Y"],
    ["ulcer present", "2", "707.23", "Y"],
    ["ulcer undetermined", "1", "486", "Y"],
    ["ulcer undetermined", "2", "707.23", "W"],
    ["ulcer undocumented", "1", "486", "Y"],
    ["ulcer undocumented", "2", "70723", "U"],
    ["ulcer exempt", "1", "486", "Y"],
    ["ulcer exempt", "2", "707.23", "1"],
    ["other MCC carries", "1", "486", "Y"],
    ["other MCC carries", "2", "707.23", "N"],
    ["other MCC carries", "3", "038.9", "N"],
    ["other CC carries", "1", "486", "Y"],
    ["other CC carries", "2", "707.23", "N"],
    ["other CC carries", "3", "276.1", "Y"],
    ["MCC excluded", "1", "038.0", "Y"],
    ["MCC excluded", "2", "038.9", "Y"],
    ["MCC counts for the living", "1", "486", "Y"],
    ["MCC counts for the living", "2", "427.5", "N"],
    ["infection with its cause", "1", "486", "Y"],
    ["infection with its cause", "2", "996.64", "N"],
    ["infection with its cause", "3", "599.0", "N"],
    ["infection without cause", "1", "486", "Y"],
    ["infection without cause", "2", "599.0", "N"],
    ["mediastinitis after graft", "1", "414.01", "Y"],
    ["mediastinitis after graft", "2", "519.2", "N"],
    ["mediastinitis, no graft", "1", "486", "Y"],
    ["mediastinitis, no graft", "2", "519.2", "N"],
    ["obesity, all three parts", "1", "278.01", "Y"],
    ["obesity, all three parts", "2", "998.59", "N"],
    ["obesity is secondary", "1", "486", "Y"],
    ["obesity is secondary", "2", "998.59", "N"],
    ["obesity is secondary", "3", "278.01", "Y"],
    ["no secondary diagnosis", "1", "486", "Y"],
]

PROCEDURES: Rows = [
    # stay_id, sequence, code
    ["mediastinitis after graft", "1", "36.11"],
    ["obesity, all three parts", "1", "44.38"],
    ["obesity is secondary", "1", "44.38"],
]

HAC_CODES: Rows = [
    # category, role, code, code_system, from, to
    ["HAC-04", "secondary_diagnosis", "707.23", "ICD-9-CM", "2008-10-01", "2015-09-30"],
    ["HAC-06", "secondary_diagnosis", "996.64", "ICD-9-CM", "2008-10-01", "2015-09-30"],
    ["HAC-06", "accompanying_diagnosis", "599.0", "ICD-9-CM", "2008-10-01", "2015-09-30"],
    ["HAC-08", "secondary_diagnosis", "519.2", "ICD-9-CM", "2008-10-01", "2015-09-30"],
    ["HAC-08", "procedure", "36.11", "ICD-9-CM", "2008-10-01", "2015-09-30"],
    ["HAC-11", "secondary_diagnosis", "998.59", "ICD-9-CM", "2008-10-01", "2015-09-30"],
    ["HAC-11", "principal_diagnosis", "278.01", "ICD-9-CM", "2008-10-01", "2015-09-30"],
    ["HAC-11", "procedure", "44.38", "ICD-9-CM", "2008-10-01", "2015-09-30"],
]

DRG_TRIPLETS: Rows = [
    # base_drg, cc_level, drg, weight, from, to
    ["PNEUMONIA", "none", "195", "0.7000", "2009-10-01", "2010-09-30"],
    ["PNEUMONIA", "cc", "194", "1.0000", "2009-10-01", "2010-09-30"],
    ["PNEUMONIA", "mcc", "193", "1.5000", "2009-10-01", "2010-09-30"],
    ["CABG", "none", "234", "6.0000", "2009-10-01", "2010-09-30"],
    ["CABG", "cc", "234", "6.0000", "2009-10-01", "2010-09-30"],
    ["CABG", "mcc", "233", "8.0000", "2009-10-01", "2010-09-30"],
]

CC_CODES: Rows = [
    # code, code_system, cc_level, exclusion_collection, only_if_alive, from, to
    ["707.23", "ICD-9-CM", "mcc", "", "", "2008-10-01", "2015-09-30"],
    ["038.9", "ICD-9-CM", "mcc", "SEPSIS", "", "2008-10-01", "2015-09-30"],
    ["427.5", "ICD-9-CM", "mcc", "", "yes", "2008-10-01", "2015-09-30"],
    ["519.2", "ICD-9-CM", "mcc", "", "", "2008-10-01", "2015-09-30"],
    ["276.1", "ICD-9-CM", "cc", "", "", "2008-10-01", "2015-09-30"],
    ["996.64", "ICD-9-CM", "cc", "", "", "2008-10-01", "2015-09-30"],
    ["599.0", "ICD-9-CM", "cc", "", "", "2008-10-01", "2015-09-30"],
    ["998.59", "ICD-9-CM", "cc", "", "", "2008-10-01", "2015-09-30"],
]

CC_EXCLUSIONS: Rows = [
    # exclusion_collection, code, code_system, from, to
    ["SEPSIS", "038.0", "ICD-9-CM", "2008-10-01", "2015-09-30"],
]

HEADERS = {
    "stays.csv": "stay_id,provider_id,discharge_date,drg,payment_per_weight,discharged_alive",
    "stay_diagnoses.csv": "stay_id,sequence,code,present_on_admission",
    "stay_procedures.csv": "stay_id,sequence,code",
    "hac_codes.csv": "category,role,code,code_system,from,to",
    "drg_triplets.csv": "base_drg,cc_level,drg,weight,from,to",
    "cc_codes.csv": "code,code_system,cc_level,exclusion_collection,only_if_alive,from,to",
    "cc_exclusions.csv": "exclusion_collection,code,code_system,from,to",
}
FILES: dict[str, Rows] = {
    "stays.csv": STAYS,
    "stay_diagnoses.csv": DIAGNOSES,
    "stay_procedures.csv": PROCEDURES,
    "hac_codes.csv": HAC_CODES,
    "drg_triplets.csv": DRG_TRIPLETS,
    "cc_codes.csv": CC_CODES,
    "cc_exclusions.csv": CC_EXCLUSIONS,
}

PAID = {
    # stay_id: (DRG as coded, DRG without the acquired conditions, payment as coded, payment after)
    "ulcer acquired": ("193", "195", "1500.00", "700.00"),
    "ulcer present": ("193", "193", "1500.00", "1500.00"),
    "ulcer undetermined": ("193", "193", "1500.00", "1500.00"),
    "ulcer undocumented": ("193", "195", "1500.00", "700.00"),
    "ulcer exempt": ("193", "195", "1500.00", "700.00"),
    "other MCC carries": ("193", "193", "1500.00", "1500.00"),
    "other CC carries": ("193", "194", "1500.00", "1000.00"),
    "MCC excluded": ("195", "195", "700.00", "700.00"),
    "MCC counts for the living": ("195", "195", "700.00", "700.00"),
    "infection with its cause": ("194", "195", "1000.00", "700.00"),
    "infection without cause": ("194", "194", "1000.00", "1000.00"),
    "mediastinitis after graft": ("233", "234", "16000.00", "12000.00"),
    "mediastinitis, no graft": ("193", "193", "3000.00", "3000.00"),
    "obesity, all three parts": ("194", "195", "2000.00", "1400.00"),
    "obesity is secondary": ("194", "194", "2000.00", "2000.00"),
    "no secondary diagnosis": ("195", "195", "1400.00", "1400.00"),
}


def write_example(folder: Path, **changed: Rows) -> Path:
    """Write the files; ``changed`` replaces the rows of a file, named without its suffix."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in FILES.items():
        rows = changed.get(name.removesuffix(".csv"), rows)
        lines = [HEADERS[name], *(",".join(f'"{cell}"' if "," in cell else cell for cell in row) for row in rows)]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
