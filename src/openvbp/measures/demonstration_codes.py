"""Value sets of the synthetic population: the drugs and services that it knows, so that measures run on it.

They are written from the generator's own tables, by the user, to a folder of the user's: its drugs are made up, and
some of its services have codes of CPT, which may not be shipped as lists.
"""

from __future__ import annotations

from pathlib import Path

from openvbp.claims.synthetic.settings import rows
from openvbp.csv_files import write_csv
from openvbp.engine import cannot_write

FILE = "demonstration.csv"
DRUGS: dict[str, tuple[str, ...]] = {
    "antibiotic": ("antibiotic",),
    "antidepressant": ("sertraline",),
    "antipsychotic": ("antipsychotic",),
    "beta_blocker": ("metoprolol",),
    "glucose_lowering_drug": ("metformin", "insulin_glargine", "glucagon_agonist"),
    "insulin": ("insulin_glargine",),
    "non_insulin_glucose_lowering_drug": ("metformin", "glucagon_agonist"),
    "renin_angiotensin_antagonist": ("ace_inhibitor",),
    "statin": ("statin",),
}
"""Value set to drugs of the population."""
SERVICES: dict[str, tuple[tuple[str, str, tuple[int, ...]], ...]] = {
    # The last code of that row is of the stomach.
    "colonoscopy": (("services", "colonoscopy", (0, 1, 2)),),
    "influenza_vaccination": (("in_office", "vaccine", (0, 1)),),
    "lumbar_imaging": (("services", "x_ray", (3,)), ("services", "mri", (1,))),
    "mammography": (("services", "mammogram", (0,)),),
    "retinal_examination": (("in_office", "eye_imaging", (1,)),),
}
"""Value set to services of the population: table, service, and which of its codes."""

PLANNED_PROCEDURES = ("knee_replacement", "hip_replacement", "cardiac_surgery", "bowel_surgery", "spine_surgery")
"""Stays of the population whose operation may have been planned, unless the diagnosis is acute."""
ACUTE_OPERATION = "hip_fracture"
"""The operation of the population that is never planned; so is no stay without an operation."""
ALWAYS_PLANNED = (
    ("always_planned_procedure", "icd-10-pcs", "0TY0*"),
    ("always_planned_diagnosis", "icd-10-cm", "Z511*"),
)
"""Kidney transplants and chemotherapy, which the population does not have: a run needs each of the value sets."""


def demonstration_codes() -> list[tuple[str, str, str]]:
    """Give value set, code system and code for what the synthetic population knows."""
    drugs = {str(row["drug"]): str(row["ndc"]) for row in rows("drugs")}
    found = [(name, "ndc", drugs[drug]) for name, some in DRUGS.items() for drug in some]
    for name, sources in SERVICES.items():
        for table, service, places in sources:
            codes = next(str(row["codes"]).split() for row in rows(table) if row["service"] == service)
            found += [(name, "hcpcs", codes[place]) for place in places]
    return [*found, *_planned_stays()]


def _planned_stays() -> list[tuple[str, str, str]]:
    """Value sets of :mod:`openvbp.measures.planned_readmission` for whether a stay was planned."""
    found = list(ALWAYS_PLANNED)
    for row in rows("stay_types"):
        if row["stay_type"] in PLANNED_PROCEDURES:
            found.append(("potentially_planned_procedure", "icd-10-pcs", str(row["procedure"])))
        elif not row["is_surgical"] or row["stay_type"] == ACUTE_OPERATION:
            found += [("acute_diagnosis", "icd-10-cm", code) for code in str(row["codes"]).split()]
    return list(dict.fromkeys(found))


def write_demonstration_codes(folder: Path) -> Path:
    """Write those value sets as ``demonstration.csv``, to be given as ``--value-sets``; made if absent.

    Raises
    ------
    MachineError
        If it cannot be written.
    """
    path = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    columns = ("value_set", "code_system", "code")
    write_csv([dict(zip(columns, row, strict=True)) for row in demonstration_codes()], columns, path)
    return path
