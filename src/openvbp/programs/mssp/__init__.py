"""The Medicare Shared Savings Program: 42 U.S.C. 1395jjj, 42 CFR part 425."""

from openvbp.programs.mssp.program import PROGRAM

__all__ = ["PROGRAM"]
