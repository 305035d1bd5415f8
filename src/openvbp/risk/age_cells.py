"""Age and sex cells of risk models, as CMS names them (macro AGESEXV2)."""

from __future__ import annotations

AGED = 65
BY_AGE = "0"
"""Original reason for entitlement: age."""
BY_DISABILITY = "1"
BY_RENAL_DISEASE = ("2", "3")
CONTINUING = (34, 44, 54, 59, 64, 69, 74, 79, 84, 89, 94)
"""Last ages of the cells of continuing enrollees; one more cell is open above."""
NEW = (34, 44, 54, 59, 64, 65, 66, 67, 68, 69, 74, 79, 84, 89, 94)
"""Of new enrollees."""
NEW_ON_DIALYSIS = (34, 44, 54, 59, 64, 69, 74, 79, 84)
"""Of new enrollees on dialysis."""
STARTS = tuple(sorted({0, AGED - 1, *(last + 1 for ages in (CONTINUING, NEW, NEW_ON_DIALYSIS) for last in ages)}))
"""Ages from which on a rule may say something else."""


def cell(age: int, last_ages: tuple[int, ...]) -> str:
    """Name of the cell of an age: ``65_69``, ``65``, ``95_GT``."""
    lower = 0
    for last in last_ages:
        if age <= last:
            return f"{lower}" if lower == last else f"{lower}_{last}"
        lower = last + 1
    return f"{lower}_GT"


def age_when_new(age: int, entitled: str) -> int:
    """Age for a new enrollee's cell: whoever is 64 and entitled by age will be 65 in the payment year."""
    return AGED if age == AGED - 1 and entitled == BY_AGE else age
