"""Medicare's Hospital Value-Based Purchasing program: 42 U.S.C. 1395ww(o), 42 CFR 412.160-412.168."""

from openvbp.programs.hvbp.program import PROGRAM

__all__ = ["PROGRAM"]
