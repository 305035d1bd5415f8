"""Medicare's Hospital Inpatient Quality Reporting program: 42 U.S.C. 1395ww(b)(3)(B)(vii)-(viii), 42 CFR 412.64(d)."""

from openvbp.programs.iqr.program import PROGRAM

__all__ = ["PROGRAM"]
