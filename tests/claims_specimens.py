"""Small made-up deliveries of claims, written by the layouts that the adapters read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from openvbp.claims.adapters.layout import load_layout

CCLF_NUMBERS = {
    "part_a_header": "1",
    "part_a_line": "2",
    "part_a_procedure": "3",
    "part_a_diagnosis": "4",
    "part_b_line": "5",
    "equipment_line": "6",
    "part_d": "7",
    "beneficiary": "8",
    "identifier": "9",
    "part_a_program": "A",
    "part_b_program": "B",
}
_INSTITUTIONAL = {
    "CUR_CLM_UNIQ_ID": "1001", "PRVDR_OSCAR_NUM": "010001", "BENE_MBI_ID": "1OLD0MBI000", "CLM_TYPE_CD": "60",
    "CLM_FROM_DT": "2023-03-01", "CLM_THRU_DT": "2023-03-05", "CLM_BILL_FAC_TYPE_CD": "1",
    "CLM_BILL_CLSFCTN_CD": "1", "CLM_BILL_FREQ_CD": "1", "PRNCPL_DGNS_CD": "I50.33", "CLM_PMT_AMT": "11000.50",
    "BENE_PTNT_STUS_CD": "01", "DGNS_DRG_CD": "0291", "FAC_PRVDR_NPI_NUM": "1234567893",
    "ATNDG_PRVDR_NPI_NUM": "1000000004", "OPRTG_PRVDR_NPI_NUM": "~", "CLM_ADJSMT_TYPE_CD": "0",
    "CLM_EFCTV_DT": "2023-04-01", "CLM_IDR_LD_DT": "2023-04-10", "CLM_ADMSN_TYPE_CD": "1", "DGNS_PRCDR_ICD_IND": "0",
    "CLM_MDCR_INSTNL_TOT_CHRG_AMT": "44000.00",
}  # fmt: skip
_LINE = {
    "CUR_CLM_UNIQ_ID": "2001", "CLM_LINE_NUM": "1", "BENE_MBI_ID": "2MBI0000000", "CLM_TYPE_CD": "71",
    "CLM_FROM_DT": "2023-05-02", "CLM_THRU_DT": "2023-05-02", "CLM_PRVDR_SPCLTY_CD": "11", "CLM_POS_CD": "11",
    "CLM_LINE_FROM_DT": "2023-05-02", "CLM_LINE_THRU_DT": "2023-05-02", "CLM_LINE_HCPCS_CD": "G0439",
    "CLM_LINE_CVRD_PD_AMT": "80.00", "CLM_RNDRG_PRVDR_TAX_NUM": "123456789", "RNDRG_PRVDR_NPI_NUM": "1000000004",
    "CLM_CARR_PMT_DNL_CD": "1", "CLM_PRCSG_IND_CD": "A", "CLM_ADJSMT_TYPE_CD": "0", "CLM_EFCTV_DT": "2023-05-20",
    "CLM_IDR_LD_DT": "2023-05-25", "CLM_CNTL_NUM": "CN1", "CLM_LINE_ALOWD_CHRG_AMT": "100.00",
    "CLM_LINE_SRVC_UNIT_QTY": "1.0000", "CLM_DGNS_1_CD": "E119", "DGNS_PRCDR_ICD_IND": "0",
}  # fmt: skip
_BENEFICIARY = {
    "BENE_MBI_ID": "1NEW0MBI000", "BENE_FIPS_STATE_CD": "01", "BENE_FIPS_CNTY_CD": "001", "BENE_ZIP_CD": "36003",
    "BENE_DOB": "1940-02-29", "BENE_SEX_CD": "2", "BENE_RACE_CD": "1", "BENE_MDCR_STUS_CD": "10",
    "BENE_DUAL_STUS_CD": "NA", "BENE_DEATH_DT": "1000-01-01", "BENE_RNG_BGN_DT": "2023-01-01",
    "BENE_RNG_END_DT": "9999-12-31", "BENE_ORGNL_ENTLMT_RSN_CD": "0", "BENE_ENTLMT_BUYIN_IND": "3",
    "BENE_PART_A_ENRLMT_BGN_DT": "2005-03-01", "BENE_PART_B_ENRLMT_BGN_DT": "2005-03-01", "GEO_USPS_STATE_CD": "AL",
}  # fmt: skip
_DRUG = {
    "CUR_CLM_UNIQ_ID": "3001", "BENE_MBI_ID": "2MBI0000000", "CLM_LINE_NDC_CD": "00000000001",
    "CLM_LINE_FROM_DT": "2023-06-01", "PRVDR_SRVC_ID_QLFYR_CD": "01", "CLM_SRVC_PRVDR_GNRC_ID_NUM": "1999999999",
    "CLM_DSPNSNG_STUS_CD": "P", "CLM_LINE_SRVC_UNIT_QTY": "30.0000", "CLM_LINE_DAYS_SUPLY_QTY": "30",
    "PRVDR_PRSBNG_ID_QLFYR_CD": "01", "CLM_PRSBNG_PRVDR_GNRC_ID_NUM": "1000000004",
    "CLM_LINE_BENE_PMT_AMT": "10.00", "CLM_ADJSMT_TYPE_CD": "0", "CLM_EFCTV_DT": "1000-01-01",
    "CLM_IDR_LD_DT": "2023-06-20", "CLM_LINE_RX_SRVC_RFRNC_NUM": "77", "CLM_LINE_RX_FILL_NUM": "1",
}  # fmt: skip
CCLF: dict[str, list[dict[str, str]]] = {
    "part_a_header": [_INSTITUTIONAL],
    "part_a_line": [
        {"CUR_CLM_UNIQ_ID": "1001", "CLM_LINE_NUM": "1", "CLM_LINE_PROD_REV_CTR_CD": "0110",
         "CLM_LINE_FROM_DT": "2023-03-01", "CLM_LINE_THRU_DT": "2023-03-05", "CLM_LINE_SRVC_UNIT_QTY": "4",
         "CLM_LINE_CVRD_PD_AMT": "0.00"},
        {"CUR_CLM_UNIQ_ID": "1001", "CLM_LINE_NUM": "2", "CLM_LINE_PROD_REV_CTR_CD": "0250",
         "CLM_LINE_FROM_DT": "1000-01-01", "CLM_LINE_THRU_DT": "9999-12-31", "CLM_LINE_SRVC_UNIT_QTY": "1",
         "CLM_LINE_CVRD_PD_AMT": "0.00"},
    ],
    "part_a_procedure": [
        {"CUR_CLM_UNIQ_ID": "1001", "CLM_VAL_SQNC_NUM": "1", "CLM_PRCDR_CD": "5A1945Z",
         "CLM_PRCDR_PRFRM_DT": "2023-03-02"}
    ],
    "part_a_diagnosis": [
        {"CUR_CLM_UNIQ_ID": "1001", "CLM_PROD_TYPE_CD": "D", "CLM_VAL_SQNC_NUM": "1", "CLM_DGNS_CD": "I5033",
         "CLM_POA_IND": "Y"},
        {"CUR_CLM_UNIQ_ID": "1001", "CLM_PROD_TYPE_CD": "E", "CLM_VAL_SQNC_NUM": "1", "CLM_DGNS_CD": "W19XXXA"},
        {"CUR_CLM_UNIQ_ID": "1001", "CLM_PROD_TYPE_CD": "D", "CLM_VAL_SQNC_NUM": "2", "CLM_DGNS_CD": "N183"},
    ],
    "part_b_line": [
        _LINE,
        {**_LINE, "CUR_CLM_UNIQ_ID": "2002", "CLM_ADJSMT_TYPE_CD": "1", "CLM_EFCTV_DT": "2023-06-01"},
        {**_LINE, "CUR_CLM_UNIQ_ID": "2003", "CLM_ADJSMT_TYPE_CD": "2", "CLM_EFCTV_DT": "2023-06-01",
         "CLM_LINE_CVRD_PD_AMT": "72.00", "CLM_LINE_ALOWD_CHRG_AMT": "90.00"},
        {**_LINE, "CUR_CLM_UNIQ_ID": "2004", "CLM_PRCSG_IND_CD": "C", "CLM_CNTL_NUM": "CN2"},
    ],
    "equipment_line": [
        {"CUR_CLM_UNIQ_ID": "2501", "CLM_LINE_NUM": "1", "BENE_MBI_ID": "2MBI0000000", "CLM_TYPE_CD": "82",
         "CLM_FROM_DT": "2023-07-01", "CLM_THRU_DT": "2023-07-01", "CLM_LINE_HCPCS_CD": "E0601",
         "CLM_LINE_CVRD_PD_AMT": "40.00", "CLM_PRCSG_IND_CD": "A", "CLM_CARR_PMT_DNL_CD": "1",
         "CLM_ADJSMT_TYPE_CD": "0", "CLM_EFCTV_DT": "2023-07-20", "CLM_CNTL_NUM": "CN9",
         "CLM_LINE_ALOWD_CHRG_AMT": "50.00"},
    ],
    "part_d": [_DRUG],
    "beneficiary": [
        _BENEFICIARY,
        {**_BENEFICIARY, "BENE_MBI_ID": "2MBI0000000", "BENE_SEX_CD": "1", "BENE_DEATH_DT": "2023-10-09"},
    ],
    "identifier": [
        {"HICN_MBI_XREF_IND": "M", "CRNT_NUM": "1NEW0MBI000", "PRVS_NUM": "1OLD0MBI000",
         "PRVS_ID_EFCTV_DT": "2018-01-01", "PRVS_ID_OBSLT_DT": "2023-04-01"},
    ],
    "part_a_program": [
        {"CUR_CLM_UNIQ_ID": "1001", "CLM_ACTV_CARE_FROM_DT": "2023-02-28", "CLM_SQSTRTN_RDCTN_AMT": "220.01"}
    ],
    "part_b_program": [{"CUR_CLM_UNIQ_ID": "2001", "CLM_LINE_NUM": "1", "CLM_PBP_RDCTN_AMT": "-5.00"}],
}  # fmt: skip
"""One delivery: an inpatient claim of a person whose identifier changed, four lines, equipment, a drug."""


def cclf_line(kind: str, values: dict[str, str], width: int | None = None) -> str:
    """Write a row by its layout, or by the older version that has a width."""
    declared = load_layout("cclf")[kind]
    fields = declared.version(width or declared.widths[0])
    unknown = set(values) - {field.name for field in declared.fields}
    assert not unknown, unknown
    return "".join(values.get(field.name, "").ljust(field.width) for field in fields)


def write_cclf(folder: Path, delivery: dict[str, list[dict[str, str]]] = CCLF, day: str = "240115") -> Path:
    """Write a delivery as CMS names its files."""
    folder.mkdir(exist_ok=True)
    for kind, rows in delivery.items():
        write_lines(
            folder / f"P.A9999.ACO.ZC{CCLF_NUMBERS[kind]}Y23.D{day}.T0100000", (cclf_line(kind, row) for row in rows)
        )
    return folder


def write_lines(path: Path, lines: Iterable[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    return path
