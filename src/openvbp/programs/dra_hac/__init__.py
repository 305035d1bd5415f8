"""Medicare's non-payment for hospital-acquired conditions: 42 U.S.C. 1395ww(d)(4)(D)."""

from openvbp.programs.dra_hac.program import PROGRAM

__all__ = ["PROGRAM"]
