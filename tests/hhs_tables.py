"""Small made-up tables of a marketplace model, in the layout that the documentation gives."""

from __future__ import annotations

from pathlib import Path

from openvbp.risk.marketplace_tables import METALS, cells_of

# variable: silver factor; the other metal levels differ by a tenth each.
ADULT = {
    "HHS_HCC001": "0.500",
    "HHS_HCC002": "2.000",
    "HHS_HCC019": "0",
    "HHS_HCC020": "0",
    "HHS_HCC022": "0.200",
    "HHS_HCC030": "1.100",
    "G01": "0.300",
    "RXC_01": "4.000",
    "RXC_02": "1.000",
    "RXC_01_x_HCC001": "0.250",
    "RXC_01_x_HCC019_020": "-0.100",
    "SEVERE_HCC_COUNT1": "-1.000",
    "SEVERE_HCC_COUNT2": "-0.500",
    "SEVERE_HCC_COUNT3PLUS": "6.000",
    "TRANSPLANT_HCC_COUNT2PLUS": "3.000",
    "HCC_ED1": "9.000",
    "HCC_ED6": "0.700",
}
CHILD = {
    "HHS_HCC001": "1.500",
    "HHS_HCC002": "3.000",
    "HHS_HCC030": "1.200",
    "SEVERE_HCC_COUNT1": "-0.400",
    "SEVERE_HCC_COUNT2_3": "0.900",
}
MATURITY = (("Extremely_Immature", "HHS_HCC242"), ("Immature", "HHS_HCC245"), ("Term", "HHS_HCC249"))
SEVERITY = (("Severity5", "HHS_HCC002"), ("Severity2", "HHS_HCC030"))


def factor_rows() -> list[tuple[str, str, str]]:
    rows = [("adult", name, "0.200") for name in cells_of("adult")] + [
        ("child", name, "0.100") for name in cells_of("child")
    ]
    rows += [("adult", *item) for item in ADULT.items()] + [("child", *item) for item in CHILD.items()]
    rows += [("infant", "Age0_Male", "0.600"), ("infant", "Age1_Male", "0.050")]
    for place, maturity in enumerate([*(name for name, _code in MATURITY), "Age1"]):
        for number, severity in enumerate(["Severity5", "Severity2", "Severity1"]):
            rows.append(("infant", f"{maturity}_x_{severity}", f"{90 - 20 * place - 5 * number}.000"))
    return rows


def tables() -> dict[str, list[str]]:
    """Lines of each file."""
    levels = {"platinum": "9", "gold": "5", "silver": "0", "bronze": "-3", "catastrophic": "-4"}
    factors = []
    for group, name, silver in factor_rows():
        cells = [f"{float(silver) + int(levels[metal]) / 1000:.3f}" if float(silver) else "0" for metal in METALS]
        factors.append(",".join([group, name, *cells]))
    infants = [f"maturity,{rank},{level},{category}" for rank, (level, category) in enumerate(MATURITY, start=1)]
    infants += [f"severity,{rank},{level},{category}" for rank, (level, category) in enumerate(SEVERITY, start=1)]
    return {
        "diagnoses": [
            "diagnosis_code,category,gender,age_from,age_to",
            "B20,HHS_HCC001,,,",
            "A41.9,HHS_HCC002,,,",
            "E11.2,HHS_HCC019,,,",
            "E11.9,HHS_HCC020,,,",
            "E10.9,HHS_HCC022,,,",
            # The same code counts for another category below 18, and D66 for men only.
            "J449,HHS_HCC030,,0,17",
            "J449,HHS_HCC022,,18,",
            "D66,HHS_HCC030,male,,",
            "P07.21,HHS_HCC242,,0,0",
            "P07.1,HHS_HCC245,,0,0",
            "Z38,HHS_HCC249,,0,0",
        ],
        "hierarchies": [
            "category,drops",
            "HHS_HCC019,HHS_HCC020",
            "HHS_HCC242,HHS_HCC245",
            "HHS_HCC242,HHS_HCC249",
            "HHS_HCC245,HHS_HCC249",
            "RXC_01,RXC_02",
        ],
        "groups": ["age_group,group,category", "adult,G01,HHS_HCC019", "adult,G01,HHS_HCC020"],
        "lists": [
            "age_group,list,item",
            "adult,severe,HHS_HCC002",
            "child,severe,HHS_HCC002",
            "adult,transplant,G01",
            "adult,not_counted,HHS_HCC022",
        ],
        "interactions": [
            "age_group,variable,part,item",
            "adult,RXC_01_x_HCC001,1,RXC_01",
            "adult,RXC_01_x_HCC001,2,HHS_HCC001",
            "adult,RXC_01_x_HCC019_020,1,RXC_01",
            "adult,RXC_01_x_HCC019_020,2,HHS_HCC019",
            "adult,RXC_01_x_HCC019_020,2,HHS_HCC020",
        ],
        "infants": ["kind,rank,level,category", *infants],
        "factors": [",".join(["age_group", "variable", *METALS]), *factors],
        "drugs": ["code_system,code,category", "ndc,00006022761,RXC_01", "hcpcs,J1745,RXC_02"],
        "cost_sharing": ["csr_indicator,factor", "1,1.00", "2,1.12", "3,1.07"],
    }


def write_tables(folder: Path, changed: dict[str, list[str]] | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    for name, lines in (tables() | (changed or {})).items():
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
