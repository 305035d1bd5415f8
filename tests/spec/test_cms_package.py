"""Tables in the layout of CMS's packages of 2026: the same as in its older files."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from hcc_members import DRUGS, YEAR, tables_of
from openvbp.errors import InputDataError
from openvbp.risk.model import load_model
from openvbp.risk.table_sources import read_tables
from openvbp.risk.tables import Edit, RiskTables

# File: headings, and the prefix of coefficients of each.
FACTORS: dict[str, dict[str, dict[str, str]]] = {
    "ESRD-V24": {
        "V24_CE": {
            "DIAL": "DI",
            "G_COMM_ND_PBD_GE65": "GNPA",
            "G_COMM_ND_PBD_LT65": "GNPN",
            "G_COMM_FBD_GE65": "GFA",
            "G_COMM_FBD_LT65": "GFN",
            "GRAFT_INST": "GI",
        },
        "V24_NE_Dialysis": {"DIAL_NE": "DNE"},
        "V24_NE_Graft": {"GRAFT_NE": "GNE"},
    },
    "ESRD-V21": {
        "V21_CE": {"DIAL": "DI", "GRAFT_COMM": "GC", "GRAFT_INST": "GI"},
        "V21_NE_Dialysis": {"DIAL_NE": "DNE"},
        "V21_NE_Graft": {"GRAFT_NE": "GNE"},
    },
    DRUGS: {
        "T_CE": {
            "CE_NonLow_Aged": "Rx_CE_NoLowAged",
            "CE_NonLow_NonAged": "Rx_CE_NoLowNoAged",
            "CE_Low_Aged": "Rx_CE_LowAged",
            "CE_Low_NonAged": "Rx_CE_LowNoAged",
            "CE_LTI": "Rx_CE_LTI",
        },
        "T_NE": {"NE_NonLow_Community": "Rx_NE_NoLo", "NE_Low_Community": "Rx_NE_Lo", "NE_LTI": "Rx_NE_LTI"},
    },
    "V28": {
        "V28_CE": {
            **{
                f"COMMUNITY_{name}": f"C{segment}"
                for name, segment in zip(
                    ("NA", "ND", "FBA", "FBD", "PBA", "PBD"), ("NA", "ND", "FA", "FD", "PA", "PD"), strict=True
                )
            },
            "INSTITUTIONAL": "INS",
        },
        "V28_NE": {"NE": "NE", "NE_SNP": "SNPNE"},
    },
}


TWICE = "X710XXA"


def conditions(tables: RiskTables, code: str) -> list[tuple[int, str, str]]:
    """Category, ages and sex under which a code has it."""
    edit: Edit | None = tables.edits.get(code)
    plain = tables.mapping.get(code, ())
    if code == TWICE:
        # As there, a code may stand under conditions that change nothing.
        return [(category, ages, "") for category in plain for ages in ("age >= 2", "age < 2")]
    if edit is None:
        return [(category, "", "") for category in plain]
    other = [] if edit.category is None else [edit.category]
    if edit.gender:
        fired, passed = ("2.0", "1.0") if edit.gender == "female" else ("1.0", "2.0")
        return [(one, "", passed) for one in plain] + [(one, "", fired) for one in other]
    if edit.age_up_to is None:
        return [(one, f"age < {edit.age_from}", "") for one in plain]
    if edit.age_from is not None:
        return [(one, f"{edit.age_up_to + 1} <= age <= {edit.age_from - 1}", "") for one in plain]
    return [(one, f"age >= {edit.age_up_to + 1}", "") for one in plain] + [
        (one, f"age < {edit.age_up_to + 1}", "") for one in other
    ]


def package(folder: Path, model: str) -> Path:
    tables, inside = tables_of(model), folder / "data" / "input" / "internal"
    inside.mkdir(parents=True)
    lines = ["ICD10,CC,MCE_AGE_CONDITION,AGE_EDIT_CONDITION,SEX_EDIT_CONDITION"]
    for code in sorted({*tables.mapping, *tables.edits}):
        for number, (category, ages, sex) in enumerate(conditions(tables, code)):
            cells = (ages, "") if number % 2 and "<=" in ages else ("", ages)
            lines.append(f"{code},{category}.0,{','.join(cells)},{sex}")
    (inside / f"ICD10_CC_mappings_{model}_2026.csv").write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    below: dict[int, list[int]] = {}
    for parent, child in tables.hierarchies:
        below.setdefault(parent, []).append(child)
    most = max(len(children) for children in below.values())
    rows = [["HCC", *(f"SecondaryHCC_{number}" for number in range(most))]]
    rows += [
        [f"HCC{one}", *(f"HCC{other}" for other in others), *[""] * (most - len(others))]
        for one, others in below.items()
    ]
    (inside / "HCC_Hierarchies.csv").write_text("\n".join(map(",".join, rows)) + "\n")
    for name, segments in FACTORS[model].items():
        variables: dict[str, dict[str, str]] = {}
        for full, units in tables.coefficients.items():
            for segment in segments.values():
                if full.startswith(f"{segment}_".lower()):
                    variables.setdefault(full.removeprefix(f"{segment}_".lower()), {})[segment] = str(
                        Decimal(units).scaleb(-3)
                    )
        rows = [["Variable", "Label", *segments]]
        for variable, values in variables.items():
            is_category = re.fullmatch(r"(rx)?hcc\d+", variable)
            cells = [values.get(segment, "") for segment in segments.values()]
            blank = ["" if is_category and Decimal(cell or 1) == 0 else cell for cell in cells]
            rows.append([as_in_package(model, variable).upper() + " ", "label", *blank])
        (inside / f"{name}_Relative_Factors.csv").write_text("\n".join(map(",".join, rows)) + "\n")
    if model.startswith("ESRD"):
        common = {name.upper(): str(Decimal(units).scaleb(-3)) for name, units in tables.common.items()}
        transplants = {
            f"TRANSPLANT_KIDNEY_ONLY_{month}M": tables.units("TRANSPLANT", f"KIDNEY_ONLY_{month}M")
            for month in (1, 2, 3)
        }
        scores(
            inside / "Transplant_Scores.csv",
            {name: str(Decimal(units).scaleb(-3)) for name, units in transplants.items()},
        )
        inside_grafts = {name: value for name, value in common.items() if name.startswith(("FGI_", "LTI_"))}
        if inside_grafts:
            scores(inside / "V24_CE_Institutional_Graft_Scores.csv", inside_grafts)
        others = {
            name: value for name, value in common.items() if name not in inside_grafts and not name.startswith("ACT")
        }
        named = {
            name.removeprefix("FGC_") if "FGC_" in name else "_".join(reversed(name.split("_", 1))): value
            for name, value in others.items()
        }
        scores(inside / "Graft_Duration_Scores.csv", named)
    return folder


def scores(path: Path, values: dict[str, str]) -> None:
    path.write_text("Variable,Label,Score\n" + "".join(f"{name}, label,{value}\n" for name, value in values.items()))


def as_in_package(model: str, variable: str) -> str:
    if model == DRUGS:
        variable = re.sub(
            r"^(n?esrd)_n?od_x_", lambda match: f"{match[1]}_{'n' if '_nod_' in match[0] else ''}origdis_x_", variable
        )
        return "od65" if variable == "origds" else variable
    return {"origds": "origdis", "art_openings_press_ulcer_v24": "art_openings_pressure_ulcer_v24"}.get(
        variable, variable
    )


@pytest.mark.parametrize("model", list(FACTORS))
def test_a_package_gives_the_tables_of_the_older_files(tmp_path: Path, model: str) -> None:
    expected = tables_of(model)
    found = read_tables(load_model(model), YEAR, str(package(tmp_path / "package", model)))
    assert found.mapping == expected.mapping
    assert found.hierarchies == expected.hierarchies
    assert found.coefficients == expected.coefficients
    known = {code: edit for code, edit in expected.edits.items() if edit.category or code in expected.mapping}
    assert {code: edit for code, edit in found.edits.items() if code in known} == known
    assert len(found.files) == len(list((tmp_path / "package").rglob("*.csv")))


DAMAGE: dict[str, Callable[[Path], object]] = {
    "columns are not segments of ESRD CMS-HCC V21": lambda inside: rename(
        inside / "V21_CE_Relative_Factors.csv", "DIAL,", "SCORE,"
    ),
    "conditions of age and sex of codes cannot be read": lambda inside: rename(
        next(inside.glob("ICD10*")), "B20,1.0,,,", "B20,1.0,age of 3,,"
    ),
    "rows do not have the 5 cells": lambda inside: rename(next(inside.glob("ICD10*")), "B20,1.0,,,", "B20,1.0"),
    "several files are": lambda inside: (inside / "V21_HCC_Hierarchies.csv").write_text(
        "HCC,SecondaryHCC_1\nHCC8,HCC9\n"
    ),
    "there is no file": lambda inside: (inside / "Transplant_Scores.csv").unlink(),
}


def rename(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8-sig")
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_a_damaged_package_is_refused(tmp_path: Path) -> None:
    for number, (message, damage) in enumerate(DAMAGE.items()):
        folder = package(tmp_path / str(number), "ESRD-V21")
        damage(folder / "data" / "input" / "internal")
        with pytest.raises(InputDataError, match=message):
            read_tables(load_model("ESRD-V21"), YEAR, str(folder))
