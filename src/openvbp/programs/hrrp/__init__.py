"""Medicare's Hospital Readmissions Reduction Program: 42 U.S.C. 1395ww(q), 42 CFR 412.150-412.154."""

from openvbp.programs.hrrp.program import PROGRAM

__all__ = ["PROGRAM"]
