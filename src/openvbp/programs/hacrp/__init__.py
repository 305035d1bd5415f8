"""Medicare's Hospital-Acquired Condition Reduction Program: 42 U.S.C. 1395ww(p), 42 CFR 412.170-412.172."""

from openvbp.programs.hacrp.program import PROGRAM

__all__ = ["PROGRAM"]
